package statetest

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/state"
)

func testKeyPolicy(t *testing.T, d state.Driver) {
	k := key("k")
	insert(t, d, k, key("other"))
	for _, policy := range []string{"{}", "", "größer"} {
		if err := d.SetKeyPolicy(t.Context(), "k", policy); err != nil {
			t.Fatal(err)
		}
		k.Policy = policy
		wantKey(t, d, k)
	}
	wantKey(t, d, key("other"))
	wantCode(t, "SetKeyPolicy of a missing key", d.SetKeyPolicy(t.Context(), "none", "{}"), daypass.NoSuchAccessKey)
}

func testBucketSettings(t *testing.T, d state.Driver) {
	want := func(id string, settings map[string][]byte) {
		t.Helper()
		got, err := d.BucketSettings(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(settings, got); diff != "" {
			t.Errorf("settings of %q (-want +got):\n%s", id, diff)
		}
	}
	set := func(id, name string, value []byte) {
		t.Helper()
		if err := d.SetBucketSetting(t.Context(), id, name, value); err != nil {
			t.Fatal(err)
		}
	}
	has := func(name string, want bool) {
		t.Helper()
		if got, err := d.HasBucketSetting(t.Context(), name); got != want || err != nil {
			t.Errorf("some bucket has %q: %v, %v", name, got, err)
		}
	}
	want("b1", map[string][]byte{})
	has("policy", false)
	set("b1", "policy", []byte("{}"))
	has("policy", true)
	has("polic_", false)
	set("b1", "cors", []byte("\x00\xff"))
	set("b2", "policy", []byte("other"))
	set("b1", "policy", []byte("replaced"))
	want("b1", map[string][]byte{"policy": []byte("replaced"), "cors": []byte("\x00\xff")})
	set("b1", "cors", []byte{})
	want("b1", map[string][]byte{"policy": []byte("replaced"), "cors": {}})
	has("cors", true)
	set("b1", "cors", nil)
	has("cors", false)
	set("b1", "never set", nil)
	want("b1", map[string][]byte{"policy": []byte("replaced")})
	if err := d.DeleteBucketSettings(t.Context(), "b1"); err != nil {
		t.Fatal(err)
	}
	want("b1", map[string][]byte{})
	has("policy", true)
	want("b2", map[string][]byte{"policy": []byte("other")})
}
