package diskstore

import (
	"bytes"
	"io"
	"os"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"pgregory.net/rapid"
)

// TestHandlesOfRemovedBlobs keeps files open only as long as they have a name,
// or somebody reads them.
func TestHandlesOfRemovedBlobs(t *testing.T) {
	d := openTest(t, Options{Dir: t.TempDir(), InlineSize: 1 << 10})
	createTestBucket(t, d)
	data := content(1, 100_000)
	if err := put(d, "key", data); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, _, err := read(d, "key"); err != nil {
			t.Fatal(err)
		}
	}
	if n := d.handles.idleCount(); n != 1 {
		t.Errorf("%d files are open for the next reader, want 1", n)
	}
	_, open, err := d.OpenObject(t.Context(), testRef("key"))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := read(d, "key"); err != nil { // with a second handle
		t.Fatal(err)
	}
	if err := remove(d, "key"); err != nil {
		t.Fatal(err)
	}
	settleGarbage(t, d)
	for deadline := time.Now().Add(10 * time.Second); d.handles.idleCount() > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the file of a removed blob stays open")
		}
	}
	r, err := open.Range(10, 50_000)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, data[10:50_010]) {
		t.Errorf("a body that was open when its object was removed: %d bytes, %v", len(got), err)
	}
	for range 2 {
		if err := open.Close(); err != nil {
			t.Error(err)
		}
	}
	if n := d.handles.idleCount(); n != 0 || len(d.handles.lent) != 0 {
		t.Errorf("%d files stay open, and %v are lent", n, d.handles.lent)
	}
}

// TestHandlesAreBounded opens more blobs than stay open, in several goroutines.
func TestHandlesAreBounded(t *testing.T) {
	d := openTest(t, Options{Dir: t.TempDir(), InlineSize: 1 << 10})
	createTestBucket(t, d)
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := range maxIdleHandles {
				key := string(rune('a'+w)) + string(rune('A'+i))
				data := content(uint64(i), 2_000)
				if err := put(d, key, data); err != nil {
					t.Error(err)
				}
				if got, _, err := read(d, key); err != nil || !bytes.Equal(got, data) {
					t.Errorf("%d bytes, %v", len(got), err)
				}
			}
		})
	}
	wg.Wait()
	if n := d.handles.idleCount(); n != maxIdleHandles {
		t.Errorf("%d files are open for the next reader, want %d", n, maxIdleHandles)
	}
	d.handles.closeIdle()
	if n := d.handles.idleCount(); n != 0 || len(d.handles.idle) != 0 || d.handles.oldest != nil || d.handles.newest != nil {
		t.Errorf("%d files are left after all were closed", n)
	}
}

// TestHandlesAfterClose gives a file back to a store that is closed.
func TestHandlesAfterClose(t *testing.T) {
	d := openTest(t, Options{Dir: t.TempDir(), InlineSize: 1 << 10})
	createTestBucket(t, d)
	if err := put(d, "key", content(1, 2_000)); err != nil {
		t.Fatal(err)
	}
	_, body, err := d.OpenObject(t.Context(), testRef("key"))
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if err := body.Close(); err != nil {
		t.Fatal(err)
	}
	if n := d.handles.idleCount(); n != 0 {
		t.Errorf("%d files stay open in a closed store", n)
	}
}

// TestSmallRanges reads ranges of a file as they are read into memory.
func TestSmallRanges(t *testing.T) {
	d := openTest(t, Options{Dir: t.TempDir(), InlineSize: 1 << 10})
	createTestBucket(t, d)
	data := content(1, 3*smallRange)
	if err := put(d, "key", data); err != nil {
		t.Fatal(err)
	}
	_, body, err := d.OpenObject(t.Context(), testRef("key"))
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	for _, n := range []int64{0, 1, 1000, smallRange - 1, smallRange} {
		for _, off := range []int64{0, 7, 3*smallRange - n} {
			r, err := body.Range(off, n)
			if err != nil {
				t.Fatal(err)
			}
			if err := iotest.TestReader(r, data[off:off+n]); err != nil {
				t.Errorf("%d from %d: %v", n, off, err)
			}
			r, err = body.Range(off, n)
			if err != nil {
				t.Fatal(err)
			}
			var got bytes.Buffer
			if m, err := io.Copy(&got, r); m != n || err != nil || !bytes.Equal(got.Bytes(), data[off:off+n]) {
				t.Errorf("%d from %d: %d copied, %v", n, off, m, err)
			}
		}
	}
	if err := os.Truncate(d.blobs.path(body.(*fileBody).file.id), smallRange); err != nil {
		t.Fatal(err)
	}
	r, err := body.Range(smallRange-10, 20)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := io.Copy(io.Discard, r); n != 10 || err != io.ErrUnexpectedEOF {
		t.Errorf("of a file that was cut: %d bytes, %v", n, err)
	}
}

// TestSieve compares a sieve with what it may hold.
func TestSieve(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := sieve[int]{limit: 100}
		put := map[uint64]int{} // the last value of each id
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			id := rapid.Uint64Range(0, 20).Draw(t, "id")
			switch rapid.IntRange(0, 3).Draw(t, "what") {
			case 0:
				s.remove(id)
				delete(put, id)
			case 1:
				v, ok := s.get(id)
				if want, was := put[id]; ok && (!was || v != want) {
					t.Fatalf("%d: %d, want %d, %v", id, v, want, was)
				}
			default:
				size := rapid.Int64Range(1, 110).Draw(t, "size")
				put[id] = len(put) + int(size)*1000
				s.put(id, put[id], size)
				if v, ok := s.get(id); ok != (size <= s.limit) || ok && v != put[id] {
					t.Fatalf("%d of %d bytes: %d, %v", id, size, v, ok)
				}
			}
			checkSieve(t, &s)
		}
	})
}

// checkSieve checks that the list and the map of a sieve hold the same.
func checkSieve(t *rapid.T, s *sieve[int]) {
	var used int64
	n := 0
	var last *sieveEntry[int]
	for e := s.oldest; e != nil; e = e.newer {
		if s.entries[e.id] != e || e.older != last {
			t.Fatalf("the list is broken at %d", e.id)
		}
		used += e.size
		last = e
		n++
	}
	if last != s.newest || n != len(s.entries) || used != s.used || used > s.limit {
		t.Fatalf("%d entries of %d bytes in the list, %d of %d bytes in the map", n, used, len(s.entries), s.used)
	}
	if s.hand != nil && s.entries[s.hand.id] != s.hand {
		t.Fatal("the hand is at an entry that is gone")
	}
}

// TestSieveKeepsWhatIsAskedFor lets a scan pass: what is asked for again stays.
func TestSieveKeepsWhatIsAskedFor(t *testing.T) {
	s := sieve[int]{limit: 100}
	for i := range uint64(10) {
		s.put(i, 0, 10)
	}
	for i := range uint64(1000) {
		for hot := range uint64(5) {
			s.get(hot)
		}
		s.put(100+i, 0, 10)
	}
	for hot := range uint64(5) {
		if _, ok := s.get(hot); !ok {
			t.Errorf("%d was evicted by a scan", hot)
		}
	}
}
