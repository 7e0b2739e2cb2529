package statetest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/state"
)

func ledgerCases() []testCase {
	return []testCase{
		{"EntryRoundTrip", testEntryRoundTrip},
		{"EntryChange", testEntryChange},
		{"EntryForeign", testEntryForeign},
		{"PassEntries", testPassEntries},
		{"PassEntriesPages", testPassEntriesPages},
		{"ExpireEntries", testExpireEntries},
	}
}

// A change is what UpdateEntry takes.
type change = func(*state.EntryRecord) (*state.EntryRecord, error)

// moment is a time in whole microseconds.
func moment(offset time.Duration) time.Time {
	return time.Date(2026, 2, 3, 4, 5, 6, 789_012_000, time.UTC).Add(offset)
}

// write returns a change that writes e, whatever was there.
func write(e state.EntryRecord) change {
	return func(*state.EntryRecord) (*state.EntryRecord, error) { return &e, nil }
}

func putEntry(t *testing.T, d state.Driver, e state.EntryRecord) {
	t.Helper()
	if err := d.UpdateEntry(t.Context(), e.ID, write(e)); err != nil {
		t.Fatalf("UpdateEntry(%q): %v", e.ID, err)
	}
}

// wantEntry checks an entry as it is read and as the next change sees it.
func wantEntry(t *testing.T, d state.Driver, id string, want *state.EntryRecord) {
	t.Helper()
	got, err := d.Entry(t.Context(), id)
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("Entry(%q): %v (-want +got):\n%s", id, err, diff)
	}
	err = d.UpdateEntry(t.Context(), id, func(old *state.EntryRecord) (*state.EntryRecord, error) {
		if diff := cmp.Diff(want, old); diff != "" {
			t.Errorf("UpdateEntry(%q) was given (-want +got):\n%s", id, diff)
		}
		return old, nil
	})
	if err != nil {
		t.Errorf("UpdateEntry(%q): %v", id, err)
	}
}

func testEntryRoundTrip(t *testing.T, d state.Driver) {
	for _, e := range []state.EntryRecord{
		{ID: "p1/budget", Pass: "p1", Data: []byte("\x00\x01 data \xff\x00"), Expires: moment(0)},
		{ID: "no pass", Data: []byte{0}},
		{ID: "p2 no data", Pass: "p2", Data: []byte{}, Expires: moment(time.Microsecond)},
		{ID: "p3 'x' \"y\" größer $1 ? %", Pass: "p3", Data: bytes.Repeat([]byte{0, 0xff}, 1<<15), Expires: time.Date(9999, 12, 31, 23, 59, 59, 999_999_000, time.UTC)},
		{ID: "early", Data: []byte("x"), Expires: time.Unix(-1, 1000).UTC()},
	} {
		putEntry(t, d, e)
		wantEntry(t, d, e.ID, &e)
	}
	wantEntry(t, d, "none", nil)
	wantEntry(t, d, "P1/BUDGET", nil)
	wantEntry(t, d, "p1/b%", nil)
}

func testEntryChange(t *testing.T, d state.Driver) {
	refused := errors.New("refused")
	one := state.EntryRecord{ID: "p/e", Pass: "p", Data: []byte("one"), Expires: moment(0)}
	two := state.EntryRecord{ID: "p/e", Pass: "", Data: []byte("two")}
	other := state.EntryRecord{ID: "p/other", Pass: "p", Data: []byte("other")}
	putEntry(t, d, other)
	for _, step := range []struct {
		what   string
		change change
		err    error
		want   *state.EntryRecord
	}{
		{"refuse to make it", func(*state.EntryRecord) (*state.EntryRecord, error) { return &one, refused }, refused, nil},
		{"make nothing of nothing", func(*state.EntryRecord) (*state.EntryRecord, error) { return nil, nil }, nil, nil},
		{"make it", write(one), nil, &one},
		{"leave it", func(old *state.EntryRecord) (*state.EntryRecord, error) { return old, nil }, nil, &one},
		{"refuse to change it", func(*state.EntryRecord) (*state.EntryRecord, error) { return &two, refused }, refused, &one},
		{"refuse to remove it", func(*state.EntryRecord) (*state.EntryRecord, error) { return nil, refused }, refused, &one},
		{"change all of it", write(two), nil, &two},
		{"remove it", func(*state.EntryRecord) (*state.EntryRecord, error) { return nil, nil }, nil, nil},
		{"make it again", write(one), nil, &one},
	} {
		if err := d.UpdateEntry(t.Context(), "p/e", step.change); err != step.err {
			t.Errorf("%s: %v, want %v", step.what, err, step.err)
		}
		wantEntry(t, d, "p/e", step.want)
		wantEntry(t, d, "p/other", &other)
	}
}

// An entry under another id than asked for, or one that its pass would not
// find, is an error and writes nothing.
func testEntryForeign(t *testing.T, d state.Driver) {
	for _, e := range []state.EntryRecord{{ID: "another"}, {ID: "p/e", Pass: "q"}} {
		if err := d.UpdateEntry(t.Context(), "p/e", write(e)); err == nil {
			t.Errorf("wrote %+v as p/e", e)
		}
		wantEntry(t, d, "p/e", nil)
		wantEntry(t, d, "another", nil)
	}
}

func entryIDs(list []state.EntryRecord) (ids []string) {
	for _, e := range list {
		ids = append(ids, e.ID)
	}
	return ids
}

func wantPassEntries(t *testing.T, d state.Driver, pass string, want ...string) {
	t.Helper()
	list, err := d.PassEntries(t.Context(), pass, "", 100)
	if diff := cmp.Diff(want, entryIDs(list)); err != nil || diff != "" {
		t.Errorf("PassEntries(%q): %v (-want +got):\n%s", pass, err, diff)
	}
}

func testPassEntries(t *testing.T, d state.Driver) {
	full := state.EntryRecord{ID: "p/z", Pass: "p", Data: []byte("\x00data"), Expires: moment(0)}
	putEntry(t, d, full)
	for id, pass := range map[string]string{
		"p/A": "p", "p": "p", "p\U0010ffff\U0010ffff": "p",
		"p1/A": "p1", "p/x": "", "P/A": "P", "pé": "pé", "q": "q", "loose": "",
	} {
		putEntry(t, d, state.EntryRecord{ID: id, Pass: pass, Data: []byte{}})
	}
	wantPassEntries(t, d, "p", "p", "p/A", "p/z", "p\U0010ffff\U0010ffff")
	wantPassEntries(t, d, "P", "P/A")
	wantPassEntries(t, d, "", "loose", "p/x")
	wantPassEntries(t, d, "none")
	list, err := d.PassEntries(t.Context(), "p", "p/A", 1)
	if diff := cmp.Diff([]state.EntryRecord{full}, list); err != nil || diff != "" {
		t.Errorf("PassEntries: %v (-want +got):\n%s", err, diff)
	}
	if err := d.DeletePassEntries(t.Context(), "p"); err != nil {
		t.Error(err)
	}
	if err := d.DeletePassEntries(t.Context(), "none"); err != nil {
		t.Error(err)
	}
	wantPassEntries(t, d, "p")
	for pass, id := range map[string]string{"P": "P/A", "p1": "p1/A", "pé": "pé", "q": "q"} {
		wantPassEntries(t, d, pass, id)
	}
	wantPassEntries(t, d, "", "loose", "p/x")
}

func testPassEntriesPages(t *testing.T, d state.Driver) {
	var ids []string
	for _, s := range []string{"zebra", "Zebra", "a-b", "aab", "a+b", "a.b", "a_b", "a", "A~", "~", "é", "e", "f", "\u00e9\u0301"} {
		ids = append(ids, "p/"+s)
		putEntry(t, d, state.EntryRecord{ID: "p/" + s, Pass: "p"})
	}
	slices.Sort(ids) // by bytes, whatever the language
	wantPages(t, ids, func(after string, max int) ([]string, error) {
		list, err := d.PassEntries(t.Context(), "p", after, max)
		return entryIDs(list), err
	})
}

// wantPages checks that pages of several sizes show all ids in order.
func wantPages(t *testing.T, want []string, list func(after string, max int) ([]string, error)) {
	t.Helper()
	for _, max := range []int{1, 3, len(want), len(want) + 1} {
		var got []string
		for after := ""; len(got) <= len(want); after = got[len(got)-1] {
			page, err := list(after, max)
			if err != nil || len(page) > max {
				t.Fatalf("page after %q: %d of at most %d, %v", after, len(page), max, err)
			}
			if len(page) == 0 {
				break
			}
			got = append(got, page...)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("pages of %d (-want +got):\n%s", max, diff)
		}
	}
}

func testExpireEntries(t *testing.T, d state.Driver) {
	wantExpiry(t,
		func(id string, expires time.Time) error {
			return d.UpdateEntry(t.Context(), id, write(state.EntryRecord{ID: id, Expires: expires}))
		},
		func(at time.Time, max int) (int, error) { return d.ExpireEntries(t.Context(), at, max) },
		func(id string) bool {
			e, err := d.Entry(t.Context(), id)
			if err != nil {
				t.Error(err)
			}
			return e != nil
		})
}

// wantExpiry checks that what expires before a time goes, in batches, and
// that all else stays.
func wantExpiry(t *testing.T, add func(id string, expires time.Time) error, expire func(time.Time, int) (int, error), has func(string) bool) {
	t.Helper()
	stay := map[string]time.Time{"never": {}, "at": moment(0), "later": moment(time.Microsecond), "much later": moment(1e6 * time.Hour)}
	gone := map[string]time.Time{}
	for i := range 10 {
		gone[fmt.Sprint("gone", i)] = moment(-time.Duration(1+i*i*i) * time.Microsecond)
	}
	for _, group := range []map[string]time.Time{stay, gone} {
		for id, expires := range group {
			if err := add(id, expires); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, want := range []int{4, 4, 2, 0} {
		if n, err := expire(moment(0), 4); n != want || err != nil {
			t.Errorf("expired %d, %v; want %d", n, err, want)
		}
	}
	for id := range stay {
		if !has(id) {
			t.Errorf("%q has gone", id)
		}
	}
	for id := range gone {
		if has(id) {
			t.Errorf("%q is still there", id)
		}
	}
}

const updates = 40 // of each racer

// count returns the number in an entry.
func count(e *state.EntryRecord) uint64 {
	if e == nil {
		return 0
	}
	return binary.BigEndian.Uint64(e.Data)
}

// testEntryRace increments few entries from many callers: no increment may
// be lost or made twice, however often change is called for it.
func testEntryRace(t *testing.T, ds []state.Driver) {
	const entries = 3
	var mu sync.Mutex
	var reached [entries][]uint64
	errs := race(func(i int) error {
		for n := range updates {
			e := (i + n) % entries
			id := fmt.Sprint("counter", e)
			var mine uint64
			if err := ds[i%len(ds)].UpdateEntry(t.Context(), id, func(old *state.EntryRecord) (*state.EntryRecord, error) {
				mine = count(old) + 1
				return &state.EntryRecord{ID: id, Data: binary.BigEndian.AppendUint64(nil, mine)}, nil
			}); err != nil {
				return err
			}
			mu.Lock()
			reached[e] = append(reached[e], mine)
			mu.Unlock()
		}
		return nil
	})
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	for e := range reached {
		slices.Sort(reached[e])
		for i, n := range reached[e] {
			if n != uint64(i)+1 {
				t.Fatalf("counter%d: update %d reached %d", e, i+1, n)
			}
		}
		for _, d := range ds {
			got, err := d.Entry(t.Context(), fmt.Sprint("counter", e))
			if err != nil || count(got) != uint64(len(reached[e])) {
				t.Errorf("counter%d is %d, %v; want %d", e, count(got), err, len(reached[e]))
			}
		}
	}
}

// testEntryFirst lets many callers make the same entry, of which one may.
func testEntryFirst(t *testing.T, ds []state.Driver) {
	taken := errors.New("taken")
	for n := range updates {
		id := fmt.Sprint("first", n)
		errs := race(func(i int) error {
			return ds[i%len(ds)].UpdateEntry(t.Context(), id, func(old *state.EntryRecord) (*state.EntryRecord, error) {
				if old != nil {
					return nil, taken
				}
				return &state.EntryRecord{ID: id, Data: []byte{byte(i)}}, nil
			})
		})
		winner := -1
		for i, err := range errs {
			switch {
			case err == nil && winner < 0:
				winner = i
			case err != taken:
				t.Fatalf("%s: caller %d: %v, after caller %d had made it", id, i, err, winner)
			}
		}
		e, err := ds[0].Entry(t.Context(), id)
		if err != nil || e == nil || int(e.Data[0]) != winner {
			t.Fatalf("%s is %v, %v; want caller %d's", id, e, err, winner)
		}
	}
}

// testEntryRemovalRace makes and removes one entry: makers and removers must
// take turns.
func testEntryRemovalRace(t *testing.T, ds []state.Driver) {
	var mu sync.Mutex
	made, removed := 0, 0
	errs := race(func(i int) error {
		for range updates {
			var making bool
			if err := ds[i%len(ds)].UpdateEntry(t.Context(), "flip", func(old *state.EntryRecord) (*state.EntryRecord, error) {
				if making = old == nil; making {
					return &state.EntryRecord{ID: "flip"}, nil
				}
				return nil, nil
			}); err != nil {
				return err
			}
			mu.Lock()
			if making {
				made++
			} else {
				removed++
			}
			mu.Unlock()
		}
		return nil
	})
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	if made != removed || made+removed != racers*updates {
		t.Errorf("made %d times and removed %d times", made, removed)
	}
	wantEntry(t, ds[0], "flip", nil)
}

// testOwnErrors runs calls that are refused among others that are not: each
// gets its own answer.
func testOwnErrors(t *testing.T, ds []state.Driver) {
	insert(t, ds[0], key("taken"))
	if err := ds[0].InsertLink(t.Context(), link("taken")); err != nil {
		t.Fatal(err)
	}
	errs := race(func(i int) error {
		d := ds[i/4%len(ds)]
		var wrong []error
		for n := range updates {
			id := fmt.Sprintf("own-%d-%d", i, n)
			refused := errors.New(id)
			err := d.UpdateEntry(t.Context(), fmt.Sprint("shared", n), func(old *state.EntryRecord) (*state.EntryRecord, error) {
				if i%2 == 0 {
					return nil, refused
				}
				return &state.EntryRecord{ID: fmt.Sprint("shared", n), Data: binary.BigEndian.AppendUint64(nil, count(old)+1)}, nil
			})
			if i%2 == 0 && err != refused || i%2 == 1 && err != nil {
				wrong = append(wrong, fmt.Errorf("UpdateEntry: %v", err))
			}
			wrong = append(wrong,
				wrongCode("InsertKey", d.InsertKey(t.Context(), key("taken")), daypass.AccessKeyAlreadyExists),
				wrongCode("SetKeyPolicy", d.SetKeyPolicy(t.Context(), id, "{}"), daypass.NoSuchAccessKey),
				wrongCode("InsertLink", d.InsertLink(t.Context(), link("taken")), daypass.LinkAlreadyExists),
				wrongCode("DeleteLink", d.DeleteLink(t.Context(), id), daypass.NoSuchLink),
				wrongCode("InsertKey", d.InsertKey(t.Context(), key(id)), ""),
				wrongCode("AddPasses", d.AddPasses(t.Context(), []state.PassRecord{{ID: "\x00"}}), daypass.InvalidArgument))
		}
		return errors.Join(wrong...)
	})
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	for n := range updates {
		e, err := ds[0].Entry(t.Context(), fmt.Sprint("shared", n))
		if err != nil || count(e) != racers/2 {
			t.Errorf("shared%d is %d, %v; want %d", n, count(e), err, racers/2)
		}
	}
	keys, err := ds[0].ListKeys(t.Context(), "own", racers*updates+1)
	if err != nil || len(keys) != racers*updates+1 { // and "taken"
		t.Errorf("%d keys, %v; want %d", len(keys), err, racers*updates+1)
	}
}

// wrongCode returns an error unless err has the code that is wanted.
func wrongCode(what string, err error, want daypass.Code) error {
	if got := daypass.CodeOf(err); got != want {
		return fmt.Errorf("%s: code %q (%v), want %q", what, got, err, want)
	}
	return nil
}
