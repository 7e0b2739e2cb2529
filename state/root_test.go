package state_test

import (
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/state"
)

func (f *fixture) ensure(t *testing.T, id string, secret daypass.Secret, created bool) daypass.AccessKey {
	t.Helper()
	k, got, err := f.EnsureRoot(t.Context(), id, secret)
	if err != nil || got != created || !k.Root {
		t.Fatalf("EnsureRoot(%q) = %v, created %v, %v; want created %v", id, k, got, err, created)
	}
	for what, get := range map[string]func() (daypass.AccessKey, error){
		"AccessKey": func() (daypass.AccessKey, error) { return f.AccessKey(t.Context(), k.ID) },
		"RootKey":   func() (daypass.AccessKey, error) { return f.RootKey(t.Context()) },
	} {
		have, err := get()
		if diff := cmp.Diff(k, have); err != nil || diff != "" || have.Secret != k.Secret {
			t.Errorf("%s: %v (-want +got):\n%s", what, err, diff)
		}
	}
	return k
}

func TestEnsureRootRandom(t *testing.T) {
	f := open(t)
	_, err := f.RootKey(t.Context())
	wantCode(t, "RootKey before", err, daypass.NoSuchAccessKey)
	first := f.ensure(t, "", "", true)
	again := f.ensure(t, "", "", false)
	if first.ID != again.ID || first.Secret != again.Secret {
		t.Error("the second start changed the root key")
	}
}

func TestEnsureRootGiven(t *testing.T) {
	f := open(t)
	f.create(t, state.NewKey{ID: "ordinary", Secret: "ordinary-secret", Owner: "team"})
	random := f.ensure(t, "", "", true)

	f.ensure(t, "given", "given-secret", true)
	_, err := f.AccessKey(t.Context(), random.ID)
	wantCode(t, "AccessKey of the earlier root", err, daypass.NoSuchAccessKey)

	f.ensure(t, "given", "given-secret", false)
	f.ensure(t, "given", "other-secret", true)
	f.ensure(t, "", "", false) // the last one given stays
	if k := f.ensure(t, "ordinary", "ordinary-secret", true); k.Owner != state.DefaultOwner {
		t.Errorf("root key belongs to %s", k.Owner)
	}
}

func TestEnsureRootInvalid(t *testing.T) {
	f := open(t)
	for id, secret := range map[string]daypass.Secret{"ok-id": "", "": "secret-alone", "a/b": "long-enough"} {
		_, _, err := f.EnsureRoot(t.Context(), id, secret)
		wantCode(t, "EnsureRoot("+id+")", err, daypass.InvalidArgument)
	}
	_, err := f.RootKey(t.Context())
	wantCode(t, "RootKey", err, daypass.NoSuchAccessKey)
}

func TestRootCannotBeRemoved(t *testing.T) {
	f := open(t)
	k := f.ensure(t, "", "", true)
	wantCode(t, "DeleteKey", f.DeleteKey(t.Context(), k.ID), daypass.InvalidRequest)
	wantCode(t, "disable", f.SetKeyDisabled(t.Context(), k.ID, true, "admin"), daypass.InvalidRequest)
	f.ensure(t, "", "", false)
}

// Nodes that start together agree on one random root key.
func TestEnsureRootTogether(t *testing.T) {
	f := open(t)
	const nodes = 8
	var got [nodes]daypass.AccessKey
	var wg sync.WaitGroup
	for i := range nodes {
		wg.Go(func() {
			var err error
			if got[i], _, err = f.EnsureRoot(t.Context(), "", ""); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, k := range got {
		if k.ID != got[0].ID || k.Secret != got[0].Secret {
			t.Errorf("two root keys: %s and %s", got[0].ID, k.ID)
		}
	}
}
