// Package statetest is the conformance suite of state drivers: a driver that
// passes it can stand behind a state.State.
package statetest

import (
	"bytes"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/state"
)

// A testCase tests one promise of drivers.
type testCase struct {
	name string
	test func(*testing.T, state.Driver)
}

// A sharedCase tests a promise that must hold among several drivers over the
// same state, and for one alone.
type sharedCase struct {
	name string
	test func(*testing.T, []state.Driver)
}

// Run tests the drivers that open returns. Each call returns a driver over
// empty state, which Run closes.
func Run(t *testing.T, open func(t *testing.T) state.Driver) {
	for _, c := range slices.Concat(keyCases(), ledgerCases(), revocationCases(), passCases(), linkCases(), textCases()) {
		t.Run(c.name, func(t *testing.T) {
			d := open(t)
			defer closeAll(t, d)
			c.test(t, d)
		})
	}
	for _, c := range sharedCases() {
		t.Run(c.name, func(t *testing.T) {
			d := open(t)
			defer closeAll(t, d)
			c.test(t, []state.Driver{d})
		})
	}
}

// RunShared tests what several processes rely on that share their state. Each
// call of open returns drivers over the same empty state, which RunShared
// closes.
func RunShared(t *testing.T, open func(t *testing.T) []state.Driver) {
	for _, c := range sharedCases() {
		t.Run(c.name, func(t *testing.T) {
			ds := open(t)
			defer closeAll(t, ds...)
			c.test(t, ds)
		})
	}
}

func closeAll(t *testing.T, ds ...state.Driver) {
	for _, d := range ds {
		if err := d.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
}

func sharedCases() []sharedCase {
	return []sharedCase{
		{"EntryRace", testEntryRace},
		{"EntryFirst", testEntryFirst},
		{"EntryRemovalRace", testEntryRemovalRace},
		{"OwnErrors", testOwnErrors},
		{"RevocationRace", testRevocationRace},
		{"PassRace", testPassRace},
		{"RootReplaceRace", testRootReplaceRace},
	}
}

func keyCases() []testCase {
	return []testCase{
		{"KeyRoundTrip", testKeyRoundTrip},
		{"KeyIDs", testKeyIDs},
		{"InsertTaken", testInsertTaken},
		{"NoSuchKey", testNoSuchKey},
		{"ListKeys", testListKeys},
		{"Disable", testDisable},
		{"Delete", testDelete},
		{"OneRoot", testOneRoot},
		{"ReplaceRoot", testReplaceRoot},
		{"Settings", testSettings},
		{"InsertRace", testInsertRace},
		{"InitRace", testInitRace},
		{"RootRace", testRootRace},
		{"ReadYourWrites", testReadYourWrites},
		{"KeyPolicy", testKeyPolicy},
		{"BucketSettings", testBucketSettings},
		{"Changes", testChanges},
		{"Canceled", testCanceled},
	}
}

// key returns a record with every field set but Disabled and Root.
func key(id string) state.KeyRecord {
	return state.KeyRecord{
		ID:           id,
		Policy:       `{"Version":"2012-10-17","Statement":[]} für ` + id,
		SealedSecret: []byte("\x00\x01sealed\xff" + id),
		Owner:        "owner-of-" + id,
		Name:         "Größe 'x' \"y\" -- " + id,
		Created:      time.Date(2026, 2, 3, 4, 5, 6, 789_012_000, time.UTC),
		Expires:      time.Date(9999, 12, 31, 23, 59, 59, 999_999_000, time.UTC),
	}
}

func root(id string) state.KeyRecord {
	k := key(id)
	k.Root = true
	return k
}

func insert(t *testing.T, d state.Driver, keys ...state.KeyRecord) {
	t.Helper()
	for _, k := range keys {
		if err := d.InsertKey(t.Context(), k); err != nil {
			t.Fatalf("InsertKey(%q): %v", k.ID, err)
		}
	}
}

func wantKey(t *testing.T, d state.Driver, want state.KeyRecord) {
	t.Helper()
	got, err := d.Key(t.Context(), want.ID)
	if err != nil {
		t.Fatalf("Key(%q): %v", want.ID, err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Key(%q) (-want +got):\n%s", want.ID, diff)
	}
}

func wantCode(t *testing.T, what string, err error, want daypass.Code) {
	t.Helper()
	if got := daypass.CodeOf(err); got != want {
		t.Errorf("%s: code %q (%v), want %q", what, got, err, want)
	}
}

func testKeyRoundTrip(t *testing.T, d state.Driver) {
	forever := key("forever")
	forever.Expires = time.Time{}
	disabled := key("disabled")
	disabled.Disabled = true
	bare := state.KeyRecord{ID: "bare", SealedSecret: []byte{0}, Owner: "o", Created: time.Unix(1, 0).UTC()}
	for _, k := range []state.KeyRecord{key("plain"), forever, disabled, bare, root("root")} {
		insert(t, d, k)
		wantKey(t, d, k)
	}
}

func testKeyIDs(t *testing.T, d state.Driver) {
	for _, id := range []string{"a+b", "abc", "ABC", "a'b", `a"b`, "a%b", "a_b", "$1$", "?1?", "~!@#^&*()[]{}|;:<>.`"} {
		insert(t, d, key(id))
		wantKey(t, d, key(id))
	}
	_, err := d.Key(t.Context(), "a%")
	wantCode(t, "Key of a pattern", err, daypass.NoSuchAccessKey)
	_, err = d.Key(t.Context(), "abC")
	wantCode(t, "Key in other case", err, daypass.NoSuchAccessKey)
}

func testInsertTaken(t *testing.T, d state.Driver) {
	insert(t, d, key("taken"))
	other := key("taken")
	other.Owner = "somebody else"
	wantCode(t, "InsertKey", d.InsertKey(t.Context(), other), daypass.AccessKeyAlreadyExists)
	wantKey(t, d, key("taken"))
}

func testNoSuchKey(t *testing.T, d state.Driver) {
	insert(t, d, key("other"))
	_, err := d.Key(t.Context(), "none")
	wantCode(t, "Key", err, daypass.NoSuchAccessKey)
	_, err = d.RootKey(t.Context())
	wantCode(t, "RootKey", err, daypass.NoSuchAccessKey)
	wantCode(t, "SetKeyDisabled", d.SetKeyDisabled(t.Context(), "none", true, time.Unix(1, 0), "x"), daypass.NoSuchAccessKey)
	wantCode(t, "DeleteKey", d.DeleteKey(t.Context(), "none"), daypass.NoSuchAccessKey)
	wantKey(t, d, key("other"))
}

func testListKeys(t *testing.T, d state.Driver) {
	ids := []string{"zebra", "Zebra", "a-b", "aab", "a+b", "a.b", "a_b", "a", "A~", "~~~", "!!!", "000"}
	for _, id := range ids {
		insert(t, d, key(id))
	}
	slices.Sort(ids) // by bytes, whatever the locale
	for _, max := range []int{1, 5, len(ids), len(ids) + 1} {
		if diff := cmp.Diff(ids, listAll(t, d, max)); diff != "" {
			t.Errorf("pages of %d (-want +got):\n%s", max, diff)
		}
	}
	page, err := d.ListKeys(t.Context(), "a,not an id", 1)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]state.KeyRecord{key("a-b")}, page); diff != "" {
		t.Errorf("ListKeys after an id that does not exist (-want +got):\n%s", diff)
	}
}

// listAll returns the ids on all pages of at most max keys.
func listAll(t *testing.T, d state.Driver, max int) (ids []string) {
	t.Helper()
	after := ""
	for {
		page, err := d.ListKeys(t.Context(), after, max)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			return ids
		}
		if len(page) > max || page[0].ID <= after {
			t.Fatalf("ListKeys(%q, %d) returned %d keys from %q", after, max, len(page), page[0].ID)
		}
		for _, k := range page {
			ids = append(ids, k.ID)
		}
		after = page[len(page)-1].ID
	}
}

func testDisable(t *testing.T, d state.Driver) {
	k := key("switched")
	insert(t, d, k, key("other"))
	for i, disabled := range []bool{true, true, false, false, true} {
		at, by := time.Unix(int64(100+i), 123_000).UTC(), fmt.Sprint("caller ", i)
		if err := d.SetKeyDisabled(t.Context(), k.ID, disabled, at, by); err != nil {
			t.Fatal(err)
		}
		switch {
		case !disabled:
			at, by = time.Time{}, ""
		case k.Disabled: // since then
			at, by = k.DisabledAt, k.DisabledBy
		}
		k.Disabled, k.DisabledAt, k.DisabledBy = disabled, at, by
		wantKey(t, d, k)
	}
	wantKey(t, d, key("other"))
}

func testDelete(t *testing.T, d state.Driver) {
	insert(t, d, key("doomed"), key("other"))
	if err := d.DeleteKey(t.Context(), "doomed"); err != nil {
		t.Fatal(err)
	}
	_, err := d.Key(t.Context(), "doomed")
	wantCode(t, "Key", err, daypass.NoSuchAccessKey)
	wantCode(t, "DeleteKey again", d.DeleteKey(t.Context(), "doomed"), daypass.NoSuchAccessKey)
	wantKey(t, d, key("other"))
	insert(t, d, key("doomed")) // the id is free again
}

func testOneRoot(t *testing.T, d state.Driver) {
	insert(t, d, key("before"), root("first"), key("after"))
	wantCode(t, "second root", d.InsertKey(t.Context(), root("second")), daypass.AccessKeyAlreadyExists)
	_, err := d.Key(t.Context(), "second")
	wantCode(t, "Key", err, daypass.NoSuchAccessKey)
	wantRoot(t, d, root("first"))
}

func wantRoot(t *testing.T, d state.Driver, want state.KeyRecord) {
	t.Helper()
	got, err := d.RootKey(t.Context())
	if err != nil {
		t.Fatalf("RootKey: %v", err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("RootKey (-want +got):\n%s", diff)
	}
}

func testReplaceRoot(t *testing.T, d state.Driver) {
	insert(t, d, key("plain"), key("promoted"))
	var before string
	again := root("one")
	again.SealedSecret = []byte("another secret")
	for _, k := range []state.KeyRecord{root("one"), again, root("promoted")} {
		if err := d.ReplaceRoot(t.Context(), k); err != nil {
			t.Fatal(err)
		}
		wantRoot(t, d, k)
		wantKey(t, d, k)
		if before != "" && before != k.ID {
			_, err := d.Key(t.Context(), before)
			wantCode(t, "Key of the earlier root", err, daypass.NoSuchAccessKey)
		}
		before = k.ID
	}
	wantKey(t, d, key("plain"))
}

func testSettings(t *testing.T, d state.Driver) {
	if v, err := d.Setting(t.Context(), "unset"); v != nil || err != nil {
		t.Errorf("Setting that was never set: %q, %v", v, err)
	}
	for name, value := range map[string][]byte{"bytes": {0, 1, 0xff}, "empty": {}} {
		for _, try := range [][]byte{value, []byte("too late")} {
			got, err := d.InitSetting(t.Context(), name, try)
			if err != nil || got == nil || !bytes.Equal(got, value) {
				t.Errorf("InitSetting(%s, %q) = %q, %v; want %q", name, try, got, err, value)
			}
		}
		got, err := d.Setting(t.Context(), name)
		if err != nil || got == nil || !bytes.Equal(got, value) {
			t.Errorf("Setting(%s) = %q, %v; want %q", name, got, err, value)
		}
	}
	for _, value := range [][]byte{{1}, {}, {2, 0}} {
		if err := d.SetSetting(t.Context(), "changes", value); err != nil {
			t.Errorf("SetSetting(%q): %v", value, err)
		}
		got, err := d.Setting(t.Context(), "changes")
		if err != nil || got == nil || !bytes.Equal(got, value) {
			t.Errorf("Setting = %q, %v; want %q", got, err, value)
		}
	}
}

const racers = 16

// race runs f on several goroutines and returns their errors.
func race(f func(i int) error) []error {
	errs := make([]error, racers)
	var wg sync.WaitGroup
	for i := range racers {
		wg.Go(func() { errs[i] = f(i) })
	}
	wg.Wait()
	return errs
}

// wantOneWinner checks that one call succeeded and the others found the key.
func wantOneWinner(t *testing.T, errs []error) {
	t.Helper()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
		} else {
			wantCode(t, "loser", err, daypass.AccessKeyAlreadyExists)
		}
	}
	if won != 1 {
		t.Errorf("%d calls succeeded, want 1", won)
	}
}

func testInsertRace(t *testing.T, d state.Driver) {
	wantOneWinner(t, race(func(i int) error {
		return d.InsertKey(t.Context(), key("same"))
	}))
}

func testRootRace(t *testing.T, d state.Driver) {
	wantOneWinner(t, race(func(i int) error {
		return d.InsertKey(t.Context(), root(fmt.Sprint("root", i)))
	}))
}

func testInitRace(t *testing.T, d state.Driver) {
	var got [racers][]byte
	errs := race(func(i int) (err error) {
		got[i], err = d.InitSetting(t.Context(), "same", []byte{byte(i)})
		return err
	})
	for i, err := range errs {
		if err != nil || !bytes.Equal(got[i], got[0]) {
			t.Errorf("call %d got %v, %v; call 0 got %v", i, got[i], err, got[0])
		}
	}
}

func testReadYourWrites(t *testing.T, d state.Driver) {
	for _, err := range race(func(i int) error {
		for j := range 10 {
			k := key(fmt.Sprintf("key-%d-%d", i, j))
			if err := d.InsertKey(t.Context(), k); err != nil {
				return err
			}
			if _, err := d.Key(t.Context(), k.ID); err != nil {
				return err
			}
		}
		return nil
	}) {
		if err != nil {
			t.Error(err)
		}
	}
	keys, err := d.ListKeys(t.Context(), "", 10*racers+1)
	if err != nil || len(keys) != 10*racers {
		t.Errorf("%d keys (%v), want %d", len(keys), err, 10*racers)
	}
}

// testRootReplaceRace replaces the root key from many callers: all succeed,
// and one key is left.
func testRootReplaceRace(t *testing.T, ds []state.Driver) {
	errs := race(func(i int) error {
		for n := range 5 {
			if err := ds[i%len(ds)].ReplaceRoot(t.Context(), root(fmt.Sprintf("root-%d-%d", i, n))); err != nil {
				return err
			}
		}
		return nil
	})
	for _, err := range errs {
		if err != nil {
			t.Error(err)
		}
	}
	keys, err := ds[0].ListKeys(t.Context(), "", 10)
	if err != nil || len(keys) != 1 || !keys[0].Root {
		t.Errorf("keys %v, %v; want one root key", keys, err)
	}
}
