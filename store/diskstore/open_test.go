package diskstore

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2"
)

func TestFormat(t *testing.T) {
	dir := t.TempDir()
	opts := Options{Dir: filepath.Join(dir, "made", "on demand")}
	d, err := Open(opts)
	if err != nil {
		t.Fatal(err)
	}
	createTestBucket(t, d)
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(opts.Dir, "format")
	data, err := os.ReadFile(name)
	if err != nil || string(data) != "{\"format\":3}\n" {
		t.Errorf("format file: %q, %v", data, err)
	}
	for content, want := range map[string]string{
		`{"format":4}`:                      "use a newer version",
		`{}`:                                "is not the format file",
		``:                                  "is not the format file",
		`{"format":3, "later": {"x": [1]}}`: "",
	} {
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		d, err := Open(opts)
		switch {
		case err == nil:
			d.Close()
			if want != "" {
				t.Errorf("%s is accepted", content)
			}
		case want == "" || !strings.Contains(err.Error(), want):
			t.Errorf("%s: %v", content, err)
		}
	}
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
	d = openTest(t, opts)
	if _, err := d.bucket(testBucket); err != nil {
		t.Error(err)
	}
}

// TestUpgrade opens a data directory of the first format.
func TestUpgrade(t *testing.T) {
	opts := Options{Dir: t.TempDir()}
	d, err := Open(opts)
	if err != nil {
		t.Fatal(err)
	}
	createTestBucket(t, d)
	if err := put(d, "key", content(1, 100)); err != nil {
		t.Fatal(err)
	}
	d.Close()
	name := filepath.Join(opts.Dir, "format")
	if err := os.WriteFile(name, []byte("{\"format\":1}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	d = openTest(t, opts)
	if data, err := os.ReadFile(name); string(data) != "{\"format\":3}\n" {
		t.Errorf("format file: %q, %v", data, err)
	}
	if data, _, err := read(d, "key"); string(data) != string(content(1, 100)) {
		t.Error(len(data), err)
	}
}

func TestLock(t *testing.T) {
	opts := Options{Dir: t.TempDir()}
	d := openTest(t, opts)
	_, err := Open(opts)
	if err == nil || !strings.Contains(err.Error(), "does another process use it?") {
		t.Errorf("a second Open: %v", err)
	}
	createTestBucket(t, d)
	if err := put(d, "key", nil); err != nil {
		t.Error(err)
	}
}

func TestOpenFails(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(Options{Dir: filepath.Join(file, "dir")}); err == nil {
		t.Error("a data directory below a file was opened")
	}
}

// TestReopen writes around the border between index and files and reads it
// all after a restart.
func TestReopen(t *testing.T) {
	opts := Options{Dir: t.TempDir()}
	d, err := Open(opts)
	if err != nil {
		t.Fatal(err)
	}
	createTestBucket(t, d)
	sizes := []int{0, 1, DefaultInlineSize - 1, DefaultInlineSize, DefaultInlineSize + 1, 1<<20 - 1, 1 << 20, 3<<20 + 5}
	for i, n := range sizes {
		if err := put(d, string(rune('a'+i)), content(uint64(i), n)); err != nil {
			t.Fatal(err)
		}
	}
	if files := blobFiles(t, d); len(files) != 4 {
		t.Errorf("%d bodies are in files, want 4", len(files))
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	d = openTest(t, opts)
	for i, n := range sizes {
		data, _, err := read(d, string(rune('a'+i)))
		if err != nil || string(data) != string(content(uint64(i), n)) {
			t.Errorf("%d bytes: read %d, %v", n, len(data), err)
		}
	}
	checkConsistency(t, d)
}

// TestCorruptBody changes a body behind the driver's back.
func TestCorruptBody(t *testing.T) {
	d := openTest(t, Options{Dir: t.TempDir()})
	createTestBucket(t, d)
	for key, size := range map[string]int{"small": 100, "large": 1 << 20} {
		if err := put(d, key, content(1, size)); err != nil {
			t.Fatal(err)
		}
	}
	for id := range indexKeys(t, d, spaceBody) {
		value := append(make([]byte, crcSize), content(2, 100)...)
		if err := d.set(idKey(spaceBody, id), value); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := read(d, "small"); err == nil || !strings.Contains(err.Error(), "checksum") {
		t.Errorf("reading a changed small body: %v", err)
	}
	for id := range blobFiles(t, d) {
		if err := os.Truncate(d.blobs.path(id), 1000); err != nil {
			t.Fatal(err)
		}
		if _, _, err := read(d, "large"); err == nil || !strings.Contains(err.Error(), "1000 bytes instead of 1048576") {
			t.Errorf("reading a cut file: %v", err)
		}
		if err := os.Remove(d.blobs.path(id)); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := read(d, "large"); err == nil || !strings.Contains(err.Error(), "missing") {
		t.Errorf("reading a missing file: %v", err)
	}
}

// TestSendfile checks that a large body can be sent without a copy in user
// space.
func TestSendfile(t *testing.T) {
	d := openTest(t, Options{Dir: t.TempDir()})
	createTestBucket(t, d)
	if err := put(d, "key", content(1, 1<<20)); err != nil {
		t.Fatal(err)
	}
	_, body, err := d.OpenObject(t.Context(), testRef("key"))
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	r, err := body.Range(1, 1<<20-1)
	if err != nil {
		t.Fatal(err)
	}
	limited, ok := r.(*io.LimitedReader)
	if !ok {
		t.Fatalf("the range is a %T", r)
	}
	if _, ok := limited.R.(*os.File); !ok {
		t.Errorf("the range is one of a %T", limited.R)
	}
}

// TestNamedFiles covers file systems without unnamed files.
func TestNamedFiles(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, tmpDir), 0o700); err != nil {
		t.Fatal(err)
	}
	f, err := createNamed(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write([]byte("x")); err != nil {
		t.Error(err)
	}
	name := filepath.Join(dir, "linked")
	if err := f.link(name); err != nil {
		t.Error(err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	if data, err := os.ReadFile(name); string(data) != "x" {
		t.Error(data, err)
	}
	g, err := createNamed(dir)
	if err != nil {
		t.Fatal(err)
	}
	g.Close()
	if left, _ := os.ReadDir(filepath.Join(dir, tmpDir)); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

// TestEmptyDirs checks that directories of blobs go with their last blob.
func TestEmptyDirs(t *testing.T) {
	d := openTest(t, Options{Dir: t.TempDir(), InlineSize: 10})
	createTestBucket(t, d)
	if err := put(d, "key", content(1, 1000)); err != nil {
		t.Fatal(err)
	}
	d.ids.next += idsPerDir // as if many had been written
	if err := remove(d, "key"); err != nil {
		t.Fatal(err)
	}
	settleGarbage(t, d)
	if left, _ := os.ReadDir(d.path(blobsDir)); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

// TestManyDeletions overflows the collector's queue.
func TestManyDeletions(t *testing.T) {
	d := openTest(t, Options{Dir: t.TempDir(), InlineSize: 10})
	createTestBucket(t, d)
	if err := put(d, "key", content(1, 1000)); err != nil {
		t.Fatal(err)
	}
	// Garbage that nobody has told the collector of.
	for id := range uint64(2000) {
		if err := d.db.Set(idKey(spaceGarbage, 1<<40+id), nil, pebble.NoSync); err != nil {
			t.Fatal(err)
		}
	}
	d.garbage.mu.Lock()
	d.garbage.more = true
	d.garbage.mu.Unlock()
	d.garbage.poke()
	checkConsistency(t, d)
	if _, ok, err := read(d, "key"); !ok || err != nil {
		t.Error(ok, err)
	}
}

// TestSequence checks that ids do not repeat and that the watermark stays
// below what is not settled.
func TestSequence(t *testing.T) {
	var saved sequenceRecord
	open := func() *sequence {
		return newSequence(saved, func(r sequenceRecord) error { saved = r; return nil })
	}
	last := uint64(0)
	for range 3 {
		s := open()
		first, err := s.takeFile()
		if err != nil || first <= last {
			t.Fatal(first, last, err)
		}
		for range 2 * reserveIDs {
			if last, err = s.take(); err != nil {
				t.Fatal(err)
			}
		}
		if saved.watermark != first || last >= saved.limit {
			t.Errorf("saved %+v, the unsettled file is %d, the last id %d", saved, first, last)
		}
		s.settle(first)
		if low := s.low(); low != last+1 {
			t.Errorf("low is %d after %d", low, last)
		}
	}
}

// TestOrphans checks that a crash's leftovers are looked for above the
// watermark, and only there.
func TestOrphans(t *testing.T) {
	opts := Options{Dir: t.TempDir(), InlineSize: 10}
	d, err := Open(opts)
	if err != nil {
		t.Fatal(err)
	}
	createTestBucket(t, d)
	d.ids.next += idsPerDir // as if many had been written
	if err := put(d, "key", content(1, 1000)); err != nil {
		t.Fatal(err)
	}
	var used uint64
	for used = range blobFiles(t, d) {
	}
	above, below := used+1, uint64(0)
	for _, id := range []uint64{above, below} {
		if err := d.blobs.prepare(id / idsPerDir); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(d.blobs.path(id), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	settled := sequenceRecord{limit: d.ids.limit, watermark: used}
	if err := d.set(sequenceKey, settled.encode()); err != nil {
		t.Fatal(err)
	}
	d.Close()
	d = openTest(t, opts)
	if have := blobFiles(t, d); have[above] || !have[below] || !have[used] {
		t.Errorf("files %v are left of the orphans %d, %d and the used %d", have, above, below, used)
	}
	if _, ok, err := read(d, "key"); !ok || err != nil {
		t.Error(ok, err)
	}
}
