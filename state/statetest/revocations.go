package statetest

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/daypass/daypass/state"
)

func revocationCases() []testCase {
	return []testCase{
		{"RevocationRoundTrip", testRevocationRoundTrip},
		{"RevocationVersions", testRevocationVersions},
		{"LiftRevocations", testLiftRevocations},
		{"ExpireRevocations", testExpireRevocations},
	}
}

// revocation returns a record with every field set but Version and Lifted.
func revocation(id string) state.RevocationRecord {
	return state.RevocationRecord{
		ID:     id,
		Pass:   "pass of " + id,
		Name:   "Größe 'x' \"y\" --",
		Owner:  "owner",
		Key:    "AKIAEXAMPLE",
		Bucket: "bucket", Prefix: "é/100%_/",
		Before:  moment(-time.Hour),
		Created: moment(0), Creator: "creator",
		Expires: moment(24 * time.Hour),
	}
}

func revoke(t *testing.T, d state.Driver, r state.RevocationRecord) state.RevocationRecord {
	t.Helper()
	version, err := d.InsertRevocation(t.Context(), r)
	if err != nil {
		t.Fatalf("InsertRevocation(%q): %v", r.ID, err)
	}
	r.Version = version
	return r
}

func wantRevocations(t *testing.T, d state.Driver, after int64, want ...state.RevocationRecord) {
	t.Helper()
	got, err := d.Revocations(t.Context(), after, 100)
	if diff := cmp.Diff(append([]state.RevocationRecord{}, want...), append([]state.RevocationRecord{}, got...)); err != nil || diff != "" {
		t.Errorf("Revocations after %d: %v (-want +got):\n%s", after, err, diff)
	}
}

// wantVersions checks how many revocations there are.
func wantVersions(t *testing.T, d state.Driver, n int) {
	t.Helper()
	list, err := d.Revocations(t.Context(), 0, n+1)
	if err != nil || len(list) != n {
		t.Errorf("%d revocations, %v; want %d", len(list), err, n)
	}
}

func testRevocationRoundTrip(t *testing.T, d state.Driver) {
	wantRevocations(t, d, 0)
	bare := state.RevocationRecord{ID: "bare", Created: moment(0)}
	lifted := revocation("lifted")
	lifted.Lifted = true
	early := revocation("early")
	early.Version = 77 // is not looked at
	early.Before = time.Unix(-1, 1000).UTC()
	want := []state.RevocationRecord{revoke(t, d, revocation("full")), revoke(t, d, bare), revoke(t, d, lifted), revoke(t, d, early)}
	wantRevocations(t, d, 0, want...)
}

func testRevocationVersions(t *testing.T, d state.Driver) {
	var all []state.RevocationRecord
	last := int64(0)
	for i := range 5 {
		r := revoke(t, d, revocation(fmt.Sprint("r", 9-i)))
		if r.Version <= last {
			t.Errorf("version %d after %d", r.Version, last)
		}
		last = r.Version
		all = append(all, r)
	}
	for i, r := range all {
		wantRevocations(t, d, r.Version, all[i+1:]...)
	}
	page, err := d.Revocations(t.Context(), all[0].Version, 2)
	if diff := cmp.Diff(all[1:3], page); err != nil || diff != "" {
		t.Errorf("page of two: %v (-want +got):\n%s", err, diff)
	}
}

func testLiftRevocations(t *testing.T, d state.Driver) {
	a, b, c := revoke(t, d, revocation("a")), revoke(t, d, revocation("b")), revoke(t, d, revocation("c"))
	lift := func(want int, at time.Time, ids ...string) {
		t.Helper()
		if n, err := d.LiftRevocations(t.Context(), ids, at); n != want || err != nil {
			t.Errorf("LiftRevocations(%q) = %d, %v; want %d", ids, n, err, want)
		}
	}
	lift(0, moment(0))
	lift(0, moment(0), "none", "A", "%", "")
	wantRevocations(t, d, 0, a, b, c)
	lift(2, moment(time.Minute), "c", "none", "a", "a")
	lift(0, moment(time.Hour), "a", "c")
	list, err := d.Revocations(t.Context(), c.Version, 10)
	if err != nil || len(list) != 2 || list[0].Version == list[1].Version {
		t.Fatalf("after lifting two: %+v, %v", list, err)
	}
	for _, got := range list {
		want := map[string]state.RevocationRecord{"a": a, "c": c}[got.ID]
		want.Lifted, want.Expires, want.Version = true, moment(time.Minute), got.Version
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("lifted (-want +got):\n%s", diff)
		}
	}
	wantRevocations(t, d, 0, b, list[0], list[1])
	next := revoke(t, d, revocation("next"))
	wantRevocations(t, d, list[1].Version, next)
}

func testExpireRevocations(t *testing.T, d state.Driver) {
	wantExpiry(t,
		func(id string, expires time.Time) error {
			r := revocation(id)
			r.Expires = expires
			_, err := d.InsertRevocation(t.Context(), r)
			return err
		},
		func(at time.Time, max int) (int, error) { return d.ExpireRevocations(t.Context(), at, max) },
		func(id string) bool {
			list, err := d.Revocations(t.Context(), 0, 100)
			if err != nil {
				t.Error(err)
			}
			for _, r := range list {
				if r.ID == id {
					return true
				}
			}
			return false
		})
	// A version is never given out again.
	before := revoke(t, d, revocation("before"))
	if n, err := d.ExpireRevocations(t.Context(), moment(2e6*time.Hour), 100); n != 4 || err != nil {
		t.Errorf("expired %d, %v; want 4", n, err)
	}
	if after := revoke(t, d, revocation("after")); after.Version <= before.Version {
		t.Errorf("version %d after %d", after.Version, before.Version)
	}
}

// testRevocationRace follows the versions, as nodes do, while many callers
// make changes: nothing may appear behind the follower's back.
func testRevocationRace(t *testing.T, ds []state.Driver) {
	done := make(chan struct{})
	followers := make([]follower, len(ds))
	var wg sync.WaitGroup
	for i, d := range ds {
		followers[i] = follower{seen: map[string]bool{}, lifted: map[string]bool{}}
		wg.Go(func() { followers[i].follow(t, d, done) })
	}
	errs := race(func(i int) error {
		d := ds[i%len(ds)]
		for n := range updates {
			id := fmt.Sprintf("r-%d-%d", i, n)
			if _, err := d.InsertRevocation(t.Context(), revocation(id)); err != nil {
				return err
			}
			if n%4 == 0 {
				if n, err := d.LiftRevocations(t.Context(), []string{id}, moment(0)); n != 1 || err != nil {
					return fmt.Errorf("lifted %d of 1: %v", n, err)
				}
			}
		}
		return nil
	})
	close(done)
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	for _, f := range followers {
		if len(f.seen) != racers*updates || len(f.lifted) != racers*updates/4 {
			t.Errorf("a follower saw %d revocations and %d lifted; want %d and %d",
				len(f.seen), len(f.lifted), racers*updates, racers*updates/4)
		}
	}
}

// A follower polls for changes after the last one that it has seen.
type follower struct {
	last         int64
	seen, lifted map[string]bool
}

// follow polls until done is closed, and then once more.
func (f *follower) follow(t *testing.T, d state.Driver, done chan struct{}) {
	for end := false; ; {
		list, err := d.Revocations(t.Context(), f.last, 7)
		if err != nil {
			t.Error(err)
			return
		}
		for _, r := range list {
			if r.Version <= f.last {
				t.Errorf("version %d after %d", r.Version, f.last)
			}
			f.last = r.Version
			f.seen[r.ID] = true
			if r.Lifted {
				f.lifted[r.ID] = true
			}
		}
		if len(list) == 0 {
			if end {
				return
			}
			select {
			case <-done:
				end = true
			default:
			}
		}
	}
}
