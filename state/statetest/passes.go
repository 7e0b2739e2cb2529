package statetest

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/daypass/daypass/state"
)

func passCases() []testCase {
	return []testCase{
		{"PassRoundTrip", testPassRoundTrip},
		{"PassAdding", testPassAdding},
		{"PassFilter", testPassFilter},
		{"PassPrefix", testPassPrefix},
		{"PassPages", testPassPages},
		{"ExpirePasses", testExpirePasses},
	}
}

// pass returns a record with every field set.
func pass(id string) state.PassRecord {
	return state.PassRecord{
		ID: id, Name: "Größe 'x' \"y\" --", Key: "AKIAEXAMPLE", Owner: "owner", Action: "GetObject",
		Bucket: "bucket", Object: "dir/é 100%_.txt", Limits: "x-daypass-name=a%20b&x-daypass-uses=1",
		Signed: moment(-time.Hour), Ends: moment(time.Hour), First: moment(0), Last: moment(time.Minute),
		Uses: 3, Refused: 2, Received: 1 << 40, Sent: 1<<62 + 1, Expires: moment(48 * time.Hour),
	}
}

func addPasses(t *testing.T, d state.Driver, seen ...state.PassRecord) {
	t.Helper()
	if err := d.AddPasses(t.Context(), seen); err != nil {
		t.Fatalf("AddPasses: %v", err)
	}
}

func wantPass(t *testing.T, d state.Driver, id string, want *state.PassRecord) {
	t.Helper()
	got, err := d.Pass(t.Context(), id)
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("Pass(%q): %v (-want +got):\n%s", id, err, diff)
	}
}

func testPassRoundTrip(t *testing.T, d state.Driver) {
	wantPass(t, d, "full", nil)
	bare := state.PassRecord{ID: "bare"}
	full, early := pass("full"), pass("early")
	early.Signed, early.First = time.Unix(-1, 1000).UTC(), time.Unix(-2, 0).UTC()
	addPasses(t, d)
	addPasses(t, d, full, bare, early)
	wantPass(t, d, "full", &full)
	wantPass(t, d, "bare", &bare)
	wantPass(t, d, "early", &early)
	wantPass(t, d, "Full", nil)
	list, err := d.ListPasses(t.Context(), state.PassFilter{}, "", 10)
	if diff := cmp.Diff([]state.PassRecord{bare, early, full}, list); err != nil || diff != "" {
		t.Errorf("ListPasses: %v (-want +got):\n%s", err, diff)
	}
}

func testPassAdding(t *testing.T, d state.Driver) {
	at := func(id string, first, last time.Duration, n int64) state.PassRecord {
		return state.PassRecord{
			ID: id, Name: fmt.Sprint("name ", n), Limits: fmt.Sprint(n), Expires: moment(time.Duration(n) * time.Hour),
			First: moment(first), Last: moment(last), Uses: n, Refused: 10 * n, Received: 100 * n, Sent: 1000 * n,
		}
	}
	sum := func(p state.PassRecord, first, last time.Duration, n int64) *state.PassRecord {
		p.First, p.Last = moment(first), moment(last)
		p.Uses, p.Refused, p.Received, p.Sent = n, 10*n, 100*n, 1000*n
		return &p
	}
	a, b := at("a", 5, 7, 1), at("b", 1, 1, 1)
	a.First, a.Last = moment(5*time.Second), moment(7*time.Second)
	b.First, b.Last = moment(time.Second), moment(time.Second)
	addPasses(t, d, a, b)
	addPasses(t, d, at("a", 6*time.Second, 6*time.Second, 2))
	wantPass(t, d, "a", sum(a, 5*time.Second, 7*time.Second, 3))
	// Twice in one call, both earlier and later.
	addPasses(t, d, at("a", 2*time.Second, 9*time.Second, 4), at("b", time.Second, 2*time.Second, 1), at("a", 3*time.Second, 8*time.Second, 5))
	wantPass(t, d, "a", sum(a, 2*time.Second, 9*time.Second, 12))
	wantPass(t, d, "b", sum(b, time.Second, 2*time.Second, 2))
	// A new one twice in one call is as the first of them says.
	c := at("c", 4*time.Second, 4*time.Second, 1)
	addPasses(t, d, c, at("c", 3*time.Second, 5*time.Second, 1))
	wantPass(t, d, "c", sum(c, 3*time.Second, 5*time.Second, 2))
	// Times that were unknown become known, and do not become unknown again.
	unknown := state.PassRecord{ID: "u"}
	addPasses(t, d, unknown)
	known := at("u", time.Second, 2*time.Second, 1)
	addPasses(t, d, known, unknown)
	addPasses(t, d, unknown)
	wantPass(t, d, "u", sum(unknown, time.Second, 2*time.Second, 1))
}

func passIDs(t *testing.T, d state.Driver, f state.PassFilter) (ids []string) {
	t.Helper()
	list, err := d.ListPasses(t.Context(), f, "", 1000)
	if err != nil {
		t.Fatalf("ListPasses(%+v): %v", f, err)
	}
	for _, p := range list {
		ids = append(ids, p.ID)
	}
	return ids
}

func testPassFilter(t *testing.T, d state.Driver) {
	addPasses(t, d,
		state.PassRecord{ID: "1", Owner: "o", Name: "n", Key: "k", Bucket: "b", Object: "x/y"},
		state.PassRecord{ID: "2", Owner: "o", Name: "N", Key: "k2", Bucket: "b", Object: "x/z"},
		state.PassRecord{ID: "3", Owner: "O", Name: "n", Key: "k", Bucket: "b2", Object: "y"},
		state.PassRecord{ID: "4", Owner: "o%", Name: "n_", Key: "k", Bucket: "b", Object: ""})
	for _, c := range []struct {
		filter state.PassFilter
		want   []string
	}{
		{state.PassFilter{}, []string{"1", "2", "3", "4"}},
		{state.PassFilter{Owner: "o"}, []string{"1", "2"}},
		{state.PassFilter{Owner: "%"}, nil},
		{state.PassFilter{Name: "n"}, []string{"1", "3"}},
		{state.PassFilter{Key: "k"}, []string{"1", "3", "4"}},
		{state.PassFilter{Bucket: "b"}, []string{"1", "2", "4"}},
		{state.PassFilter{Bucket: "b", Prefix: "x/"}, []string{"1", "2"}},
		{state.PassFilter{Owner: "o", Name: "n", Key: "k", Bucket: "b", Prefix: "x/y"}, []string{"1"}},
		{state.PassFilter{Owner: "o", Name: "n", Key: "k", Bucket: "b", Prefix: "y"}, nil},
	} {
		if diff := cmp.Diff(c.want, passIDs(t, d, c.filter)); diff != "" {
			t.Errorf("%+v (-want +got):\n%s", c.filter, diff)
		}
	}
}

func testPassPrefix(t *testing.T, d state.Driver) {
	objects := []string{"100%/a", "100x/a", "100_/a", "a", "A", "ab", "é", "éa", "e", "e\u0301", "日本/語", "日本", "日", "\U0001f600x", "a'b\\", `a\`, ""}
	for _, o := range objects {
		addPasses(t, d, state.PassRecord{ID: "id of " + o, Object: o})
	}
	for _, prefix := range append(objects, "100%", "100_", "%", "_", "日本/", "\U0001f600", "none", `a'`) {
		var want []string
		for _, o := range objects {
			if len(o) >= len(prefix) && o[:len(prefix)] == prefix {
				want = append(want, "id of "+o)
			}
		}
		slices.Sort(want)
		if diff := cmp.Diff(want, passIDs(t, d, state.PassFilter{Prefix: prefix})); diff != "" {
			t.Errorf("prefix %q (-want +got):\n%s", prefix, diff)
		}
	}
}

func testPassPages(t *testing.T, d state.Driver) {
	ids := []string{"zebra", "Zebra", "a-b", "aab", "a+b", "a.b", "a_b", "a", "A~", "~", "é", "e", "f"}
	for _, id := range ids {
		addPasses(t, d, state.PassRecord{ID: id, Owner: "o"}, state.PassRecord{ID: id + "-other", Owner: "other"})
	}
	slices.Sort(ids)
	wantPages(t, ids, func(after string, max int) (page []string, err error) {
		list, err := d.ListPasses(t.Context(), state.PassFilter{Owner: "o"}, after, max)
		for _, p := range list {
			page = append(page, p.ID)
		}
		return page, err
	})
}

func testExpirePasses(t *testing.T, d state.Driver) {
	wantExpiry(t,
		func(id string, expires time.Time) error {
			return d.AddPasses(t.Context(), []state.PassRecord{{ID: id, Expires: expires}})
		},
		func(at time.Time, max int) (int, error) { return d.ExpirePasses(t.Context(), at, max) },
		func(id string) bool {
			p, err := d.Pass(t.Context(), id)
			if err != nil {
				t.Error(err)
			}
			return p != nil
		})
}

// testPassRace adds to the same passes in different orders: all of it must be
// there in the end.
func testPassRace(t *testing.T, ds []state.Driver) {
	const passes = 100
	errs := race(func(i int) error {
		for n := range 5 {
			var seen []state.PassRecord
			for p := range passes {
				at := moment(time.Duration(i*5+n) * time.Second)
				seen = append(seen, state.PassRecord{ID: fmt.Sprint("p", (p*7+i*13)%passes), First: at, Last: at, Uses: 1, Sent: int64(i)})
			}
			if err := ds[i%len(ds)].AddPasses(t.Context(), seen); err != nil {
				return err
			}
		}
		return nil
	})
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	for p := range passes {
		id := fmt.Sprint("p", p)
		wantPass(t, ds[len(ds)-1], id, &state.PassRecord{
			ID: id, First: moment(0), Last: moment((racers*5 - 1) * time.Second),
			Uses: racers * 5, Sent: 5 * racers * (racers - 1) / 2,
		})
	}
}
