package statetest

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/state"
)

func linkCases() []testCase {
	return []testCase{
		{"LinkRoundTrip", testLinkRoundTrip},
		{"LinkTaken", testLinkTaken},
		{"DeleteLink", testDeleteLink},
		{"LinkPages", testLinkPages},
		{"ExpireLinks", testExpireLinks},
	}
}

// link returns a record with every field set.
func link(id string) state.LinkRecord {
	return state.LinkRecord{
		ID: id, Key: "AKIAEXAMPLE", Owner: "owner é", Pass: []byte("{\"limits\":\"\x00\xff\"}"),
		Created: moment(0), Expires: moment(time.Hour),
	}
}

func insertLinks(t *testing.T, d state.Driver, links ...state.LinkRecord) {
	t.Helper()
	for _, l := range links {
		if err := d.InsertLink(t.Context(), l); err != nil {
			t.Fatalf("InsertLink(%q): %v", l.ID, err)
		}
	}
}

func wantLink(t *testing.T, d state.Driver, want state.LinkRecord) {
	t.Helper()
	got, err := d.Link(t.Context(), want.ID)
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("Link(%q): %v (-want +got):\n%s", want.ID, err, diff)
	}
}

func testLinkRoundTrip(t *testing.T, d state.Driver) {
	bare := state.LinkRecord{ID: "bare", Pass: []byte{}, Created: moment(0)}
	for _, l := range []state.LinkRecord{link("full"), bare} {
		insertLinks(t, d, l)
		wantLink(t, d, l)
	}
	for _, id := range []string{"Full", "%", "none", ""} {
		_, err := d.Link(t.Context(), id)
		wantCode(t, "Link "+id, err, daypass.NoSuchLink)
	}
}

func testLinkTaken(t *testing.T, d state.Driver) {
	insertLinks(t, d, link("taken"))
	other := link("taken")
	other.Owner = "somebody else"
	wantCode(t, "InsertLink", d.InsertLink(t.Context(), other), daypass.LinkAlreadyExists)
	wantLink(t, d, link("taken"))
}

func testDeleteLink(t *testing.T, d state.Driver) {
	insertLinks(t, d, link("doomed"), link("other"))
	if err := d.DeleteLink(t.Context(), "doomed"); err != nil {
		t.Fatal(err)
	}
	_, err := d.Link(t.Context(), "doomed")
	wantCode(t, "Link", err, daypass.NoSuchLink)
	wantCode(t, "DeleteLink again", d.DeleteLink(t.Context(), "doomed"), daypass.NoSuchLink)
	wantLink(t, d, link("other"))
	insertLinks(t, d, link("doomed")) // the id is free again
}

func testLinkPages(t *testing.T, d state.Driver) {
	ids := []string{"zebra", "Zebra", "a-b", "aab", "a+b", "a_b", "a", "A~", "~", "0"}
	var all []string
	for _, id := range ids {
		foreign := link(id + "-foreign")
		foreign.Owner = "owner"
		insertLinks(t, d, link(id), foreign)
		all = append(all, id, foreign.ID)
	}
	slices.Sort(ids)
	slices.Sort(all)
	for owner, want := range map[string][]string{"": all, link("").Owner: ids, "none": nil} {
		wantPages(t, want, func(after string, max int) (page []string, err error) {
			list, err := d.ListLinks(t.Context(), owner, after, max)
			for _, l := range list {
				page = append(page, l.ID)
			}
			return page, err
		})
	}
	list, err := d.ListLinks(t.Context(), "", "a-b", 1)
	if diff := cmp.Diff(1, len(list)); err != nil || diff != "" || list[0].ID != "a-b-foreign" {
		t.Errorf("ListLinks: %+v, %v", list, err)
	}
}

func testExpireLinks(t *testing.T, d state.Driver) {
	wantExpiry(t,
		func(id string, expires time.Time) error {
			l := link(id)
			l.Expires = expires
			return d.InsertLink(t.Context(), l)
		},
		func(at time.Time, max int) (int, error) { return d.ExpireLinks(t.Context(), at, max) },
		func(id string) bool {
			_, err := d.Link(t.Context(), id)
			return err == nil
		})
}
