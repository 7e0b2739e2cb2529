package spool

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/daypass/daypass"
	"github.com/google/go-cmp/cmp"
)

var when = time.Date(2026, 2, 6, 0, 0, 38, 0, time.UTC)

// numbered returns an event that knows its number.
func numbered(n int) *daypass.Event {
	return &daypass.Event{Time: when.Add(time.Duration(n) * time.Second), RequestID: fmt.Sprint(n), Status: 200,
		Object: daypass.ObjectRef{Bucket: "bucket", Key: strings.Repeat("k", n%100)}}
}

// open opens a spool that is closed with the test.
func open(t testing.TB, dir string, change func(*Options)) *Spool {
	t.Helper()
	opts := Options{Dir: dir, Consumers: []string{"a"}, FlushEvery: time.Millisecond, RetryEvery: time.Millisecond, Now: func() time.Time { return when }}
	if change != nil {
		change(&opts)
	}
	s, err := Open(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// appendAll appends numbered events and makes them durable.
func appendAll(t testing.TB, s *Spool, from, to int) {
	t.Helper()
	for n := from; n < to; n++ {
		s.Append(numbered(n))
	}
	if err := s.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func closeSpool(t testing.TB, s *Spool) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// readAll returns the ids of all events and the gaps between them.
func readAll(t testing.TB, dir string, f Filter) (ids []string) {
	t.Helper()
	err := Read(t.Context(), dir, f, func(e Entry) error {
		if e.Event == nil {
			ids = append(ids, e.Gap.String())
		} else {
			ids = append(ids, e.Event.RequestID)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return ids
}

func ids(from, to int) (out []string) {
	for n := from; n < to; n++ {
		out = append(out, fmt.Sprint(n))
	}
	return out
}

func wantIDs(t testing.TB, what string, got, want []string) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func next(t testing.TB, c *Consumer, l Limit) *Batch {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	b, err := c.Next(ctx, l)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func commit(t testing.TB, c *Consumer, b *Batch) {
	t.Helper()
	if err := c.Commit(b, nil); err != nil {
		t.Fatal(err)
	}
}

func batchIDs(b *Batch) (out []string) {
	for _, e := range b.Events() {
		out = append(out, strings.Clone(e.RequestID))
	}
	for _, g := range b.Gaps {
		out = append(out, g.String())
	}
	return out
}

func TestReopen(t *testing.T) {
	dir := t.TempDir()
	for round := range 5 {
		s := open(t, dir, func(o *Options) { o.SegmentBytes = 2 << 10 })
		appendAll(t, s, round*100, round*100+50)
		for n := round*100 + 50; n < round*100+100; n++ {
			s.Append(numbered(n))
		}
		closeSpool(t, s) // writes the rest
		wantIDs(t, "read", readAll(t, dir, Filter{}), ids(0, round*100+100))
	}
	if names, _ := listSegments(dir); len(names) < 10 {
		t.Errorf("only %d segments", len(names))
	}
	s := open(t, dir, nil)
	b := next(t, s.Consumer("a"), Limit{Bytes: 1 << 30})
	wantIDs(t, "consumed", batchIDs(b), ids(0, 500))
}

func TestEventsAreClean(t *testing.T) {
	const signature = "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
	dir := t.TempDir()
	s := open(t, dir, nil)
	e := numbered(1)
	e.URI, e.Referer, e.UserAgent = "/b/k?X-Amz-Signature="+signature, "http://h/?Signature="+signature, strings.Repeat("x", 1<<20)
	before := *e
	s.Append(e)
	closeSpool(t, s)
	if *e != before {
		t.Error("the caller's event was changed")
	}
	names, _ := listSegments(dir)
	b, err := os.ReadFile(filepath.Join(dir, names[0].String()))
	if err != nil || strings.Contains(string(b), signature) || len(b) > 20<<10 || !strings.Contains(string(b), "X-Amz-Signature=REDACTED") {
		t.Errorf("%v, %d bytes", err, len(b))
	}
}

func TestLocked(t *testing.T) {
	s := open(t, t.TempDir(), nil)
	if _, err := Open(s.opts); err == nil {
		t.Error("opened twice")
	}
}

// TestFlush sees when events reach the disk.
func TestFlush(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s := open(t, dir, func(o *Options) { o.FlushEvery, o.FlushBytes = time.Second, 1<<10 })
		s.Append(numbered(0))
		time.Sleep(900 * time.Millisecond)
		synctest.Wait()
		wantIDs(t, "early", readAll(t, dir, Filter{}), nil)
		time.Sleep(200 * time.Millisecond)
		synctest.Wait()
		wantIDs(t, "after a second", readAll(t, dir, Filter{}), ids(0, 1))
		start := time.Now()
		for n := 1; n < 100; n++ {
			s.Append(numbered(n))
		}
		c := s.Consumer("a")
		for got := 0; got < 80; {
			b := next(t, c, Limit{Wait: time.Millisecond})
			got += b.Len()
			commit(t, c, b)
		}
		if took := time.Since(start); took >= time.Second {
			t.Errorf("a full batch took %v", took)
		}
		closeSpool(t, s)
	})
}

// A stalledFile writes nothing while its disk is full.
type stalledFile struct {
	segmentFile
	full *atomic.Bool
	part bool // leave a part of what was not written
}

func (f stalledFile) WriteAt(b []byte, at int64) (int, error) {
	if !f.full.Load() {
		return f.segmentFile.WriteAt(b, at)
	}
	if f.part {
		f.segmentFile.WriteAt(b[:len(b)/2], at)
	}
	return 0, syscall.ENOSPC
}

// TestDiskFull fills the disk, overflows the queue, and frees the disk.
func TestDiskFull(t *testing.T) {
	for _, part := range []bool{false, true} {
		dir := t.TempDir()
		var full atomic.Bool
		s := open(t, dir, func(o *Options) {
			o.QueueBytes = 100 * 100
			o.create = func(path string) (segmentFile, error) {
				f, err := createSegment(path)
				return stalledFile{f, &full, part}, err
			}
		})
		appendAll(t, s, 0, 10)
		full.Store(true)
		for n := 10; n < 1000; n++ {
			s.Append(numbered(n))
		}
		if err := waitFor(func() bool { return s.Stats().Err != nil }); err != nil {
			t.Fatal(err)
		}
		st := s.Stats()
		if st.Dropped == 0 || st.Dropped > 980 || st.Appended+st.Dropped != 1000 || !errors.Is(st.Err, syscall.ENOSPC) {
			t.Fatalf("%+v", st)
		}
		full.Store(false)
		if err := s.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		appendAll(t, s, 1000, 1010)
		kept := int(st.Appended)
		want := append(ids(0, kept), ids(1000, 1010)...)
		check := func() {
			t.Helper()
			got, gaps := eventsAndGaps(t, dir)
			wantIDs(t, "read", got, want)
			var missing uint64
			for _, g := range gaps {
				missing += g.Events
			}
			if n := len(gaps); missing != st.Dropped || n == 0 || !gaps[0].From.Equal(numbered(kept).Time) || !gaps[n-1].To.Equal(numbered(999).Time) {
				t.Errorf("%v, want %d events from %d on", gaps, st.Dropped, kept)
			}
		}
		check()
		if st := s.Stats(); st.Err != nil || st.QueueBytes != 0 {
			t.Errorf("%+v", st)
		}
		closeSpool(t, s)
		check()
		s = open(t, dir, nil)
		b := next(t, s.Consumer("a"), Limit{Bytes: 1 << 30})
		if b.Len() != kept+10 || len(b.Gaps) == 0 {
			t.Errorf("%d events, %v", b.Len(), b.Gaps)
		}
		closeSpool(t, s)
	}
}

func eventsAndGaps(t *testing.T, dir string) (ids []string, gaps []Gap) {
	t.Helper()
	err := Read(t.Context(), dir, Filter{}, func(e Entry) error {
		if e.Event == nil {
			gaps = append(gaps, e.Gap)
		} else {
			ids = append(ids, e.Event.RequestID)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return ids, gaps
}

// TestCloseOnFullDisk does not hang.
func TestCloseOnFullDisk(t *testing.T) {
	var full atomic.Bool
	full.Store(true)
	s := open(t, t.TempDir(), func(o *Options) {
		o.RetryEvery = time.Hour
		o.create = func(path string) (segmentFile, error) {
			f, err := createSegment(path)
			return stalledFile{f, &full, false}, err
		}
	})
	s.Append(numbered(1))
	if err := s.Close(); !errors.Is(err, syscall.ENOSPC) {
		t.Error(err)
	}
	s.Append(numbered(2))
	if st := s.Stats(); st.Dropped != 1 {
		t.Errorf("%+v", st)
	}
	if err := s.Sync(t.Context()); !errors.Is(err, errClosed) {
		t.Error(err)
	}
}

func waitFor(ok func() bool) error {
	for start := time.Now(); time.Since(start) < 10*time.Second; time.Sleep(time.Millisecond) {
		if ok() {
			return nil
		}
	}
	return errors.New("it did not happen")
}

// TestTornTail cuts the last segment everywhere: what is whole is read, and the
// spool goes on.
func TestTornTail(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, nil)
	appendAll(t, s, 0, 10)
	closeSpool(t, s)
	names, _ := listSegments(dir)
	path := filepath.Join(dir, names[0].String())
	whole, _ := os.ReadFile(path)
	os.Remove(filepath.Join(dir, "a.cursor")) // it is at the end of a batch
	for size := range len(whole) {
		os.WriteFile(path, whole[:size], 0o600)
		want := readAll(t, dir, Filter{})
		if len(want) > 10 || !strings.HasPrefix(strings.Join(ids(0, 10), " "), strings.Join(want, " ")) {
			t.Fatalf("cut at %d: %v", size, want)
		}
		if size%10 != 0 && size > headerBytes+60 {
			continue // the rest takes syncs
		}
		s := open(t, dir, nil)
		appendAll(t, s, 100, 103)
		wantIDs(t, "read", readAll(t, dir, Filter{}), append(want, ids(100, 103)...))
		b := next(t, s.Consumer("a"), Limit{})
		wantIDs(t, "consumed", batchIDs(b), append(want, ids(100, 103)...))
		closeSpool(t, s)
		os.Remove(filepath.Join(dir, "a.cursor"))
		names, _ := listSegments(dir)
		for _, n := range names[1:] {
			os.Remove(filepath.Join(dir, n.String()))
		}
	}
}

// TestDamage flips every byte in turn: at most one event is lost, and that is
// told, wherever the damage is but in the header.
func TestDamage(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, func(o *Options) { o.SegmentBytes = 200 })
	for n := range 10 {
		appendAll(t, s, n, n+1)
	}
	closeSpool(t, s)
	names, _ := listSegments(dir)
	if len(names) < 2 {
		t.Fatal("one segment")
	}
	path := filepath.Join(dir, names[0].String())
	whole, _ := os.ReadFile(path)
	for i := headerBytes; i < len(whole); i++ {
		damaged := append([]byte(nil), whole...)
		damaged[i] ^= 0x10
		os.WriteFile(path, damaged, 0o600)
		got := readAll(t, dir, Filter{})
		gaps := 0
		for _, id := range got {
			if strings.Contains(id, "missing (damage)") {
				gaps++
			}
		}
		if len(got) != 10 || gaps != 1 {
			t.Fatalf("byte %d: %v", i, got)
		}
		if i%20 == 0 {
			s := open(t, dir, nil)
			b := next(t, s.Consumer("a"), Limit{})
			if b.Len() != 9 || len(b.Gaps) != 1 {
				t.Errorf("byte %d: %v", i, batchIDs(b))
			}
			closeSpool(t, s)
			os.Remove(filepath.Join(dir, "a.cursor"))
		}
	}
}

// TestDamagedTail keeps what was synced behind damage in the last segment.
func TestDamagedTail(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, nil)
	appendAll(t, s, 0, 10)
	closeSpool(t, s)
	names, _ := listSegments(dir)
	path := filepath.Join(dir, names[0].String())
	b, _ := os.ReadFile(path)
	b[headerBytes+70] ^= 1
	os.WriteFile(path, b, 0o600)
	s = open(t, dir, nil)
	appendAll(t, s, 10, 12)
	got := readAll(t, dir, Filter{})
	if len(got) != 12 || got[11] != "11" || got[9] != "9" {
		t.Error(got)
	}
}

// TestForgedRecord puts the bytes of a record into an event, and damages the
// event: the record inside is not believed.
func TestForgedRecord(t *testing.T) {
	dir := t.TempDir()
	var c chunk
	c.add(&daypass.Event{RequestID: "forged"})
	forged := appendChunk(nil, &c)
	seal(forged, 0)
	s := open(t, dir, nil)
	e := numbered(0)
	e.Object.Key = string(forged)
	s.Append(e)
	appendAll(t, s, 1, 2)
	closeSpool(t, s)
	names, _ := listSegments(dir)
	path := filepath.Join(dir, names[0].String())
	b, _ := os.ReadFile(path)
	b[headerBytes+frameBytes+1] ^= 1
	os.WriteFile(path, b, 0o600)
	if got := readAll(t, dir, Filter{}); len(got) != 2 || got[1] != "1" {
		t.Error(got)
	}
}

// TestMuchDamage reads a large segment that is damaged in many places, and in a
// long one: nothing else is lost, and it takes little memory, also to open it.
func TestMuchDamage(t *testing.T) {
	dir := t.TempDir()
	const events, bytes = 1000, 8 << 10
	s := open(t, dir, nil)
	for n := range events {
		e := numbered(n)
		e.URI = strings.Repeat("u", bytes)
		s.Append(e)
	}
	closeSpool(t, s)
	names, _ := listSegments(dir)
	path := filepath.Join(dir, names[0].String())
	b, _ := os.ReadFile(path)
	want := map[string]bool{}
	at := headerBytes
	for n := range events {
		size := frameBytes + int(binary.LittleEndian.Uint32(b[at+4:])>>8)
		switch {
		case n%10 == 3:
			b[at+size/2] ^= 1
		case n >= 500 && n < 700: // more than a reader reads at once
			clear(b[at : at+size])
		default:
			want[fmt.Sprint(n)] = true
		}
		at += size
	}
	os.WriteFile(path, b, 0o600)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	end, err := validEnd(dir, names[0])
	if err != nil || end != Position(len(b)-headerBytes) {
		t.Errorf("it ends at %d: %v", end, err)
	}
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > 1<<20 {
		t.Errorf("%d bytes to open %d", n, len(b))
	}
	gaps := 0
	for _, id := range readAll(t, dir, Filter{}) {
		if !want[id] {
			gaps++
		}
		delete(want, id)
	}
	if len(want) > 0 || gaps != 81 {
		t.Errorf("%d events are lost, %d gaps", len(want), gaps)
	}
	runtime.ReadMemStats(&before)
	if n := before.TotalAlloc - after.TotalAlloc; n > 4*uint64(len(b)) {
		t.Errorf("%d bytes to read %d", n, len(b))
	}
}

// TestForgedBehindDamagedHeader puts the bytes of records, of every marker that can
// be guessed, into an event, and damages the segment's header: none is believed.
func TestForgedBehindDamagedHeader(t *testing.T) {
	dir := t.TempDir()
	var c chunk
	c.add(&daypass.Event{RequestID: "forged"})
	s := open(t, dir, func(o *Options) { o.SegmentBytes = 1 })
	for n, marker := range []uint32{0, ^uint32(0)} {
		forged := appendChunk(nil, &c)
		seal(forged, marker)
		e := numbered(n)
		e.Object.Key = string(forged)
		s.Append(e)
	}
	appendAll(t, s, 2, 3) // behind them
	appendAll(t, s, 3, 4) // in the next segment
	closeSpool(t, s)
	names, _ := listSegments(dir)
	path := filepath.Join(dir, names[0].String())
	b, _ := os.ReadFile(path)
	b[0] ^= 1
	os.WriteFile(path, b, 0o600)
	if got := readAll(t, dir, Filter{}); len(got) != 2 || !strings.Contains(got[0], "missing (damage)") || got[1] != "3" {
		t.Error(got)
	}
	s = open(t, dir, nil)
	if got := batchIDs(next(t, s.Consumer("a"), Limit{})); len(got) != 2 || got[0] != "3" {
		t.Error(got)
	}
}

func TestRead(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, nil)
	for n := range 10 {
		e := numbered(n)
		e.Grant.PassID, e.Grant.Name, e.Object.Bucket = fmt.Sprint("pass", n%2), fmt.Sprint("name", n%3), fmt.Sprint("bucket", n%5)
		if n == 7 {
			e.Code = daypass.AccessDenied
		}
		s.Append(e)
	}
	if err := s.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	for want, f := range map[string]Filter{
		"0 1 2 3 4 5 6 7 8 9": {},
		"1 3 5 7 9":           {Pass: "pass1"},
		"0 3 6 9":             {Name: "name0"},
		"4 9":                 {Bucket: "bucket4"},
		"7":                   {Refused: true},
		"8 9":                 {Since: when.Add(8 * time.Second)},
		"0 1":                 {Until: when.Add(2 * time.Second)},
		"":                    {Pass: "pass1", Name: "none"},
	} {
		if got := strings.Join(readAll(t, dir, f), " "); got != want {
			t.Errorf("%+v: %s, want %s", f, got, want)
		}
	}
	if err := Read(t.Context(), filepath.Join(dir, "none"), Filter{}, nil); err == nil {
		t.Error("read a directory that is not there")
	}
	stop := errors.New("enough")
	if err := Read(t.Context(), dir, Filter{}, func(Entry) error { return stop }); err != stop {
		t.Error(err)
	}
}

// TestFollow follows over segments and restarts.
func TestFollow(t *testing.T) {
	dir := t.TempDir()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	got := make(chan string, 1000)
	done := make(chan error)
	go func() {
		done <- Read(ctx, dir, Filter{Follow: true, Poll: time.Millisecond}, func(e Entry) error {
			got <- e.Event.RequestID
			return nil
		})
	}()
	for round := range 10 {
		s := open(t, dir, func(o *Options) { o.SegmentBytes = 1 << 10 })
		appendAll(t, s, round*20, round*20+20)
		closeSpool(t, s)
		if round%3 == 0 { // a torn tail
			names, _ := listSegments(dir)
			f, _ := os.OpenFile(filepath.Join(dir, names[len(names)-1].String()), os.O_WRONLY|os.O_APPEND, 0)
			f.WriteString("torn")
			f.Close()
		}
	}
	for _, want := range ids(0, 200) {
		select {
		case id := <-got:
			if id != want {
				t.Fatalf("%s, want %s", id, want)
			}
		case <-ctx.Done():
			t.Fatalf("%s did not come", want)
		}
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestConcurrentAppend(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, func(o *Options) { o.SegmentBytes = 10 << 10 })
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for n := range 500 {
				s.Append(numbered(n))
			}
		})
	}
	c, got := s.Consumer("a"), make(map[string]int)
	for total := 0; total < 4000; {
		b := next(t, c, Limit{Bytes: 5 << 10})
		for _, e := range b.Events() {
			got[strings.Clone(e.RequestID)]++
			total++
		}
		if len(b.Gaps) > 0 {
			t.Fatal(b.Gaps)
		}
		commit(t, c, b)
	}
	wg.Wait()
	for _, id := range ids(0, 500) {
		if got[id] != 8 {
			t.Errorf("event %s came %d times", id, got[id])
		}
	}
}

func TestAppendAllocatesNothing(t *testing.T) {
	s := open(t, t.TempDir(), func(o *Options) { o.FlushEvery, o.FlushBytes, o.QueueBytes = time.Hour, 1<<40, 1<<40 })
	e := numbered(1)
	if n := testing.AllocsPerRun(10000, func() { s.Append(e) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// BenchmarkAppend is what an event costs the goroutine of its request, with a
// writer that keeps up.
func BenchmarkAppend(b *testing.B) {
	s := open(b, b.TempDir(), func(o *Options) { o.FlushEvery, o.FlushBytes = time.Hour, 1<<40 })
	e := numbered(50)
	e.URI, e.UserAgent = strings.Repeat("u", 300), strings.Repeat("a", 80)
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		s.Append(e)
		if n%4096 == 4095 {
			b.StopTimer()
			s.Sync(b.Context())
			b.StartTimer()
		}
	}
	if st := s.Stats(); st.Dropped > 0 {
		b.Errorf("%d dropped", st.Dropped)
	}
}

// BenchmarkOverflow is what an event costs that is dropped.
func BenchmarkOverflow(b *testing.B) {
	s := open(b, b.TempDir(), func(o *Options) { o.FlushEvery, o.QueueBytes, o.FlushBytes = time.Hour, 1, 1<<40 })
	e := numbered(50)
	b.ReportAllocs()
	for b.Loop() {
		s.Append(e)
	}
}

// BenchmarkWrite is what one event costs the writer.
func BenchmarkWrite(b *testing.B) {
	s := open(b, b.TempDir(), nil)
	e := numbered(50)
	e.URI, e.UserAgent = strings.Repeat("u", 300), strings.Repeat("a", 80)
	for n := 0; b.Loop(); n++ {
		s.Append(e)
		if n%4096 == 4095 {
			s.Sync(b.Context())
		}
	}
	s.Sync(b.Context())
}
