package spool

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/daypass/daypass"
)

// find returns the ids that a search shows.
func find(t *testing.T, dir string, s Search) (ids []string, reach Reach) {
	t.Helper()
	if s.MaxTime == 0 {
		s.MaxTime = time.Minute
	}
	if s.MaxBytes == 0 {
		s.MaxBytes = 1 << 30
	}
	reach, err := Find(t.Context(), dir, s, func(e *daypass.Event) { ids = append(ids, e.RequestID) })
	if err != nil {
		t.Fatal(err)
	}
	return ids, reach
}

// TestFind checks what a search finds, in which order of files, and how far it
// says that it came.
func TestFind(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, func(o *Options) { o.SegmentBytes = 4 << 10 })
	const events = 300
	for n := range events {
		e := numbered(n)
		switch {
		case n%100 == 7:
			e.Grant.PassID = "PASS"
		case n%100 == 8:
			e.URI = "/bucket/key?a=1"
		case n%100 == 9:
			e.Referer = "PASS" // in another place
		}
		s.Append(e)
		if err := s.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	want := map[string]bool{"7": true, "8": true, "107": true, "108": true, "207": true, "208": true}
	got, reach := find(t, dir, Search{Texts: []string{"PASS", "/bucket/key?a=1", ""}})
	found := map[string]bool{}
	for _, id := range got {
		found[id] = true
	}
	if diff := cmp.Diff(want, found); diff != "" || len(got) != len(want) {
		t.Errorf("%v (-want +got):\n%s", got, diff)
	}
	if !reach.Whole || !reach.From.Equal(when) {
		t.Errorf("%+v", reach)
	}
	if first := got[0]; len(first) != 3 || first[0] != '2' {
		t.Errorf("the newest file does not come first: %v", got)
	}

	since := when.Add(150 * time.Second)
	got, _ = find(t, dir, Search{Texts: []string{"PASS"}, Since: since})
	if diff := cmp.Diff([]string{"207"}, got); diff != "" {
		t.Errorf("since: %s", diff)
	}
	got, reach = find(t, dir, Search{Texts: []string{"PASS"}, MaxBytes: 5 << 10})
	if reach.Whole || !reach.From.After(when.Add(200*time.Second)) || reach.Bytes > 8<<10 {
		t.Errorf("bounded: %v, %+v", got, reach)
	}
	if _, reach = find(t, dir, Search{Texts: []string{"PASS"}, MaxTime: 1}); reach.Whole {
		t.Errorf("no time: %+v", reach)
	}
	if got, _ = find(t, dir, Search{Texts: []string{""}}); got != nil {
		t.Errorf("nothing is looked for: %v", got)
	}
}

// TestReadState checks what somebody else sees of a consumer's state.
func TestReadState(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, nil)
	c := s.Consumer("a")
	for n := range 3 {
		want := fmt.Sprint("state ", n)
		if err := c.SetState([]byte(want)); err != nil {
			t.Fatal(err)
		}
		if got, err := ReadState(dir, "a"); err != nil || string(got) != want {
			t.Errorf("%q, %v", got, err)
		}
	}
	if _, err := ReadState(dir, "none"); err == nil {
		t.Error("there is no such consumer")
	}
}

// BenchmarkFind is a search through a spool of 64 MiB in which one event in a
// thousand is looked for.
func BenchmarkFind(b *testing.B) {
	dir := b.TempDir()
	s := open(b, dir, func(o *Options) { o.SegmentBytes = 16 << 20 })
	for n := range 120_000 {
		e := numbered(n)
		e.UserAgent, e.URI = "Mozilla/5.0 (X11; Linux x86_64)", "/bucket/photos/2026/puppy.jpg?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20260206%2Fus-west-1%2Fs3%2Faws4_request&X-Amz-Date=20260206T000000Z&X-Amz-Expires=300&X-Amz-SignedHeaders=host&X-Amz-Signature=REDACTED"
		e.Grant.PassID = fmt.Sprintf("PASSPASSPASSPASSPASSPASS%03d", n%1000)
		s.Append(e)
		if n%1000 == 0 {
			s.Sync(b.Context())
		}
	}
	s.Sync(b.Context())
	for b.Loop() {
		reach, err := Find(b.Context(), dir, Search{Texts: []string{"PASSPASSPASSPASSPASSPASS007"}, MaxBytes: 1 << 30, MaxTime: time.Minute}, func(*daypass.Event) {})
		if err != nil {
			b.Fatal(err)
		}
		b.SetBytes(reach.Bytes)
	}
}
