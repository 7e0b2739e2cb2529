package spool

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestConsumer(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, func(o *Options) { o.Consumers, o.SegmentBytes = []string{"a", "b"}, 500 })
	appendAll(t, s, 0, 50)
	a, b := s.Consumer("a"), s.Consumer("b")
	if s.Consumer("c") != nil {
		t.Error("an unknown consumer")
	}
	var got []string
	for len(got) < 50 {
		batch := next(t, a, Limit{Bytes: 100})
		got = append(got, batchIDs(batch)...)
		commit(t, a, batch)
	}
	wantIDs(t, "a", got, ids(0, 50))
	first := next(t, b, Limit{Bytes: 1})
	wantIDs(t, "b", batchIDs(first), ids(0, 1))
	if err := b.Commit(first, []byte("state")); err != nil {
		t.Fatal(err)
	}
	if err := b.Commit(first, nil); err == nil {
		t.Error("committed twice")
	}
	lag := s.Stats().Lag
	if lag["a"] != 0 || lag["b"] != uint64(s.end-first.To) {
		t.Errorf("%v", lag)
	}
	closeSpool(t, s)

	s = open(t, dir, func(o *Options) { o.Consumers = []string{"b"} })
	b = s.Consumer("b")
	if string(b.State()) != "state" {
		t.Errorf("%q", b.State())
	}
	wantIDs(t, "b again", batchIDs(next(t, b, Limit{Bytes: 1 << 20})), ids(1, 50))
	if _, err := os.Stat(filepath.Join(dir, "a.cursor")); !errors.Is(err, os.ErrNotExist) {
		t.Error("the cursor of a consumer that is no more is still there")
	}
}

// TestRotationWhileReading begins segments while a consumer is at the end of the
// one before.
func TestRotationWhileReading(t *testing.T) {
	s := open(t, t.TempDir(), func(o *Options) { o.SegmentBytes = 200 })
	c := s.Consumer("a")
	for n := 0; n < 100; n += 4 {
		appendAll(t, s, n, n+2)
		first := next(t, c, Limit{Bytes: 1})
		got := batchIDs(first)
		commit(t, c, first)
		appendAll(t, s, n+2, n+4)
		rest := next(t, c, Limit{})
		got = append(got, batchIDs(rest)...)
		commit(t, c, rest)
		wantIDs(t, "read", got, ids(n, n+4))
	}
}

// TestRedelivery opens the spool after a batch was given out: it is given out
// again, neither longer nor shorter, under the same name.
func TestRedelivery(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, nil)
	appendAll(t, s, 0, 10)
	b := next(t, s.Consumer("a"), Limit{Bytes: 1 << 20})
	appendAll(t, s, 10, 20)
	again := next(t, s.Consumer("a"), Limit{Bytes: 1 << 20})
	wantIDs(t, "uncommitted", batchIDs(again), ids(0, 10))
	closeSpool(t, s)

	later := func() time.Time { return when.Add(time.Hour) }
	s = open(t, dir, func(o *Options) { o.Now = later })
	appendAll(t, s, 20, 30)
	for _, l := range []Limit{{Bytes: 1}, {Bytes: 1 << 20}, {Wait: time.Hour}} {
		again = next(t, s.Consumer("a"), l)
		wantIDs(t, "redelivered", batchIDs(again), ids(0, 10))
		if !again.Redelivered || again.Unique("x") != b.Unique("x") || !again.Time.Equal(b.Time) || b.Redelivered {
			t.Errorf("%+v, %+v", again, b)
		}
	}
	commit(t, s.Consumer("a"), again)
	rest := next(t, s.Consumer("a"), Limit{Bytes: 1 << 20})
	wantIDs(t, "rest", batchIDs(rest), ids(10, 30))
	if rest.Redelivered || rest.Unique("x") == b.Unique("x") || rest.Unique("x") == rest.Unique("y") || len(rest.Unique()) != 16 {
		t.Errorf("%+v", rest)
	}
	other := open(t, t.TempDir(), nil)
	appendAll(t, other, 0, 10)
	if o := next(t, other.Consumer("a"), Limit{}); o.Unique("x") == b.Unique("x") {
		t.Error("two spools have the same name for a batch")
	}
}

func TestConsumerWaits(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s := open(t, dir, func(o *Options) { o.FlushEvery = time.Millisecond })
		c := s.Consumer("a")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := c.Next(ctx, Limit{}); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		start := time.Now()
		s.Append(numbered(0))
		b, err := c.Next(t.Context(), Limit{Wait: 5 * time.Minute})
		if err != nil || time.Since(start) < 5*time.Minute || time.Since(start) > 6*time.Minute {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		commit(t, c, b)
		go func() {
			time.Sleep(time.Second)
			s.Close()
		}()
		if _, err := c.Next(t.Context(), Limit{}); !errors.Is(err, errClosed) {
			t.Error(err)
		}
	})
}

func TestConsumerNames(t *testing.T) {
	for _, name := range []string{"", "a/b", "..\\x", "a b"} {
		if _, err := Open(Options{Dir: t.TempDir(), Consumers: []string{name}}); err == nil {
			t.Errorf("%q is a name", name)
		}
	}
}

// TestRetention keeps what a consumer lacks, and removes the rest by size.
func TestRetention(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, func(o *Options) { o.SegmentBytes, o.RetainBytes = 500, 2000 })
	write := func(from, to int) {
		for n := from; n < to; n += 5 {
			appendAll(t, s, n, n+5)
		}
	}
	write(0, 200)
	wantIDs(t, "nothing is removed", readAll(t, dir, Filter{}), ids(0, 200))
	for c := s.Consumer("a"); c.position() < s.Stats().End; {
		commit(t, c, next(t, c, Limit{}))
	}
	write(200, 220)
	got := readAll(t, dir, Filter{})
	if len(got) > 50 || len(got) < 20 {
		t.Errorf("%d events are left", len(got))
	}
	wantIDs(t, "the newest are left", got, ids(220-len(got), 220))
}

func TestRetentionByAge(t *testing.T) {
	dir, now := t.TempDir(), time.Now()
	s := open(t, dir, func(o *Options) {
		o.Consumers, o.SegmentBytes, o.RetainAge = nil, 1, time.Hour
		o.Now = func() time.Time { return now }
	})
	appendAll(t, s, 0, 1)
	appendAll(t, s, 1, 2)
	now = now.Add(2 * time.Hour)
	appendAll(t, s, 2, 3)
	wantIDs(t, "left", readAll(t, dir, Filter{}), ids(2, 3))
}

// TestMaxBytes removes what a consumer lacks when there is too much, tells it,
// and loses nothing for others.
func TestMaxBytes(t *testing.T) {
	for _, claimed := range []bool{false, true} {
		dir := t.TempDir()
		opts := func(o *Options) { o.Consumers, o.SegmentBytes, o.MaxBytes = []string{"a", "b"}, 500, 3000 }
		s := open(t, dir, opts)
		appendAll(t, s, 0, 5)
		if claimed {
			next(t, s.Consumer("a"), Limit{})
		}
		for n := 5; n < 300; n += 5 {
			appendAll(t, s, n, n+5)
			commit(t, s.Consumer("b"), next(t, s.Consumer("b"), Limit{}))
		}
		closeSpool(t, s)
		s = open(t, dir, opts)
		var got []string
		var lost uint64
		for c := s.Consumer("a"); c.position() < s.Stats().End; {
			b := next(t, c, Limit{})
			for _, g := range b.Gaps {
				if g.Loss != Expiry || len(got) > 0 {
					t.Errorf("%v after %d events", g, len(got))
				}
				lost += g.Bytes
			}
			b.Gaps = nil
			got = append(got, batchIDs(b)...)
			commit(t, c, b)
		}
		if lost == 0 || len(got) < 20 || len(got) > 200 {
			t.Errorf("%d bytes lost, %d events", lost, len(got))
		}
		wantIDs(t, "a", got, ids(300-len(got), 300))
		closeSpool(t, s)
	}
}

// TestGapIsNoMemory gives a batch out again that is mostly a gap: it takes no
// memory for what is not there.
func TestGapIsNoMemory(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, nil)
	appendAll(t, s, 0, 5)
	closeSpool(t, s)
	names, err := listSegments(dir)
	if err != nil || len(names) != 1 {
		t.Fatal(names, err)
	}
	// A server went on for long, and all but its end is gone.
	if err := os.Remove(filepath.Join(dir, names[0].String())); err != nil {
		t.Fatal(err)
	}
	const lost = 1 << 50
	header, _ := newHeader(lost)
	if err := os.WriteFile(filepath.Join(dir, segmentName{start: lost}.String()), header, 0o600); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir, nil)
	appendAll(t, s, 5, 7)
	c := s.Consumer("a")
	first := next(t, c, Limit{})
	again := next(t, c, Limit{}) // since it could not be delivered
	if len(again.Gaps) != 1 || again.Gaps[0].Bytes != lost || again.To != first.To || cap(again.memory.stored) > 4<<20 {
		t.Errorf("%+v", again)
	}
	commit(t, c, again)
	wantIDs(t, "behind the gap", batchIDs(next(t, c, Limit{})), ids(5, 7))
}

// TestHostileCursor opens spools with cursors that no spool writes.
func TestHostileCursor(t *testing.T) {
	for _, cur := range []cursor{{Next: 100, Claimed: true, To: 50}, {Next: 100, Claimed: true}} {
		dir := t.TempDir()
		if err := (&cursorFile{path: filepath.Join(dir, "a"+cursorSuffix)}).store(cur); err != nil {
			t.Fatal(err)
		}
		if s, err := Open(Options{Dir: dir, Consumers: []string{"a"}}); err == nil {
			s.Close()
			t.Errorf("%+v was taken", cur)
		}
	}
}

// TestNestedEvents goes through a batch while it goes through it.
func TestNestedEvents(t *testing.T) {
	s := open(t, t.TempDir(), nil)
	appendAll(t, s, 0, 5)
	b := next(t, s.Consumer("a"), Limit{})
	for i, e := range b.Events() {
		wantIDs(t, "within", batchIDs(b), ids(0, 5))
		for range b.Events() {
			break
		}
		if e.RequestID != fmt.Sprint(i) || b.Event(i).RequestID != e.RequestID {
			t.Errorf("event %d is %s", i, e.RequestID)
		}
	}
}

// TestLostSegments opens a spool whose segments somebody removed.
func TestLostSegments(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, nil)
	appendAll(t, s, 0, 10)
	commit(t, s.Consumer("a"), next(t, s.Consumer("a"), Limit{}))
	end := s.Stats().End
	closeSpool(t, s)
	names, _ := listSegments(dir)
	for _, n := range names {
		os.Remove(filepath.Join(dir, n.String()))
	}
	s = open(t, dir, nil)
	if s.Stats().End != end {
		t.Errorf("it begins at %d, want %d", s.Stats().End, end)
	}
	appendAll(t, s, 10, 12)
	wantIDs(t, "new", batchIDs(next(t, s.Consumer("a"), Limit{})), ids(10, 12))
}

// TestCursorFile stores values, cuts the file anywhere, and finds the last that
// is whole.
func TestCursorFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.cursor")
	f := cursorFile{path: path}
	if _, err := f.load(); !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	var ends []int64
	for n := range 5 {
		if err := f.store(cursor{Next: Position(n), State: make([]byte, n)}); err != nil {
			t.Fatal(err)
		}
		ends = append(ends, f.size)
	}
	f.close()
	whole, _ := os.ReadFile(path)
	for size := int(ends[0]); size <= len(whole); size++ {
		os.WriteFile(path, whole[:size], 0o600)
		want := 0
		for want+1 < len(ends) && ends[want+1] <= int64(size) {
			want++
		}
		g := cursorFile{path: path}
		cur, err := g.load()
		if err != nil || cur.Next != Position(want) || len(cur.State) != want {
			t.Fatalf("cut at %d: %+v %v", size, cur, err)
		}
		if err := g.store(cursor{Next: 100}); err != nil {
			t.Fatal(err)
		}
		g.close()
		g = cursorFile{path: path}
		if cur, err := g.load(); err != nil || cur.Next != 100 {
			t.Fatalf("cut at %d, then stored: %+v %v", size, cur, err)
		}
		g.close()
	}
	os.WriteFile(path, []byte("rubbish rubbish"), 0o600)
	if _, err := (&cursorFile{path: path}).load(); err == nil {
		t.Error("rubbish is a cursor")
	}
}

func TestCursorFileIsBounded(t *testing.T) {
	f := cursorFile{path: filepath.Join(t.TempDir(), "a.cursor")}
	for n := range 40 {
		if err := f.store(cursor{Next: Position(n), State: make([]byte, 20<<10)}); err != nil || f.size > 2*maxCursorFile {
			t.Fatal(f.size, err)
		}
	}
	f.close()
	if cur, err := f.load(); err != nil || cur.Next != 39 {
		t.Errorf("%v %v", cur.Next, err)
	}
}

// TestClosedConsumer leaves the cursor alone after Close.
func TestClosedConsumer(t *testing.T) {
	s := open(t, t.TempDir(), nil)
	appendAll(t, s, 0, 1)
	c := s.Consumer("a")
	b := next(t, c, Limit{})
	closeSpool(t, s)
	if err := c.Commit(b, nil); !errors.Is(err, errClosed) {
		t.Error(err)
	}
	if _, err := c.Next(t.Context(), Limit{}); !errors.Is(err, errClosed) {
		t.Error(err)
	}
}

func ExampleSpool() {
	dir, _ := os.MkdirTemp("", "spool")
	defer os.RemoveAll(dir)
	s, err := Open(Options{Dir: dir, Consumers: []string{"delivery"}, Now: func() time.Time { return when }})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Close()
	s.Append(numbered(1))
	s.Append(numbered(2))

	c := s.Consumer("delivery")
	b, err := c.Next(context.Background(), Limit{Bytes: 1 << 20, Wait: time.Millisecond})
	if err != nil {
		fmt.Println(err)
		return
	}
	key := b.Time.Format("2006-01-02-15-04-05-") + strings.Repeat("x", len(b.Unique())) // in truth: b.Unique()
	fmt.Println("put", key, "with", b.Len(), "events")
	fmt.Println(c.Commit(b, nil))
	// Output:
	// put 2026-02-06-00-00-38-xxxxxxxxxxxxxxxx with 2 events
	// <nil>
}

// TestSkip goes past events, but not past a batch that was given out.
func TestSkip(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, nil)
	c := s.Consumer("a")
	appendAll(t, s, 0, 10)
	end, err := c.Wait(t.Context(), Limit{})
	if err != nil {
		t.Fatal(err)
	}
	appendAll(t, s, 10, 20)
	if ok, err := c.Skip(end); !ok || err != nil {
		t.Fatalf("%v, %v", ok, err)
	}
	if err := c.SetState([]byte("state")); err != nil {
		t.Fatal(err)
	}
	b := next(t, c, Limit{Bytes: 1})
	wantIDs(t, "behind", batchIDs(b), ids(10, 11))
	if end, err = c.Wait(t.Context(), Limit{Wait: time.Hour}); err != nil {
		t.Fatal(err)
	}
	if ok, err := c.Skip(end); ok || err != nil {
		t.Errorf("skipped what was given out: %v, %v", ok, err)
	}
	if err := c.Commit(b, c.State()); err != nil {
		t.Fatal(err)
	}
	if ok, err := c.Skip(end); !ok || err != nil {
		t.Errorf("%v, %v", ok, err)
	}
	if ok, err := c.Skip(end - 1); !ok || err != nil {
		t.Errorf("%v, %v", ok, err)
	}
	closeSpool(t, s)
	if _, err := c.Wait(t.Context(), Limit{}); err == nil {
		t.Error("a closed spool")
	}
	s = open(t, dir, nil)
	appendAll(t, s, 20, 21)
	c = s.Consumer("a")
	wantIDs(t, "after", batchIDs(next(t, c, Limit{})), ids(20, 21))
	if string(c.State()) != "state" {
		t.Errorf("%q", c.State())
	}
}

// TestWaitGoesOn breaks a wait off again and again: events wait no longer for
// that.
func TestWaitGoesOn(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s := open(t, dir, func(o *Options) { o.FlushEvery = time.Millisecond })
		c := s.Consumer("a")
		start := time.Now()
		s.Append(numbered(0))
		for {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			_, err := c.Wait(ctx, Limit{Wait: 5*time.Minute + time.Second})
			cancel()
			if err == nil {
				break
			}
			if time.Since(start) > 10*time.Minute {
				t.Fatal("it waits for ever")
			}
		}
		if d := time.Since(start); d < 5*time.Minute || d > 6*time.Minute {
			t.Errorf("after %v", d)
		}
		closeSpool(t, s)
	})
}
