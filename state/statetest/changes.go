package statetest

import (
	"testing"
	"time"

	"github.com/daypass/daypass/state"
)

// testChanges checks that every change of access keys and settings of buckets
// is counted.
func testChanges(t *testing.T, d state.Driver) {
	ctx := t.Context()
	for _, c := range []struct {
		what string
		f    func() error
	}{
		{"InsertKey", func() error { return d.InsertKey(ctx, key("k")) }},
		{"SetKeyPolicy", func() error { return d.SetKeyPolicy(ctx, "k", "{}") }},
		{"SetKeyDisabled", func() error { return d.SetKeyDisabled(ctx, "k", true, time.Unix(1, 0), "x") }},
		{"enabling", func() error { return d.SetKeyDisabled(ctx, "k", false, time.Unix(1, 0), "x") }},
		{"DeleteKey", func() error { return d.DeleteKey(ctx, "k") }},
		{"ReplaceRoot", func() error { return d.ReplaceRoot(ctx, root("r")) }},
		{"SetBucketSetting", func() error { return d.SetBucketSetting(ctx, "b", "n", []byte("v")) }},
		{"unsetting", func() error { return d.SetBucketSetting(ctx, "b", "n", nil) }},
		{"DeleteBucketSettings", func() error { return d.DeleteBucketSettings(ctx, "b") }},
	} {
		before, err := d.Changes(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.f(); err != nil {
			t.Fatalf("%s: %v", c.what, err)
		}
		after, err := d.Changes(ctx)
		if err != nil || after == before {
			t.Errorf("%s is not counted: %d, %v", c.what, after, err)
		}
		if again, err := d.Changes(ctx); err != nil || again != after {
			t.Errorf("%d changes of nothing, %v", again-after, err)
		}
	}
}
