package diskstore

import (
	"bytes"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/daypass/daypass/store"
)

// TestUnnamedFiles checks that uploads have no names before they are complete.
func TestUnnamedFiles(t *testing.T) {
	f, err := osFiles{}.create(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, ok := f.(unnamedFile); !ok {
		t.Errorf("an upload is a %T", f)
	}
}

// TestDirect writes large bodies of known size past the kernel's cache, where
// the file system lets it, and reads them back.
func TestDirect(t *testing.T) {
	d := openTest(t, Options{Dir: t.TempDir()})
	for _, n := range []int{store.PieceSize - 1, store.PieceSize, store.PieceSize + store.PieceAlignment, 2*store.PieceSize + 5} {
		data := content(uint64(n), n)
		u, err := store.NewUpload(bytes.NewReader(data), store.UploadOptions{Size: int64(n)})
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Join(d.opts.Dir, tmpDir, "body")
		f, err := osFiles{}.create(d.opts.Dir)
		if err != nil {
			t.Fatal(err)
		}
		s := &staged{d: d, file: true}
		if err := s.copy(t.Context(), f, nil, u); err != nil {
			t.Fatal(err)
		}
		if err := f.link(name); err != nil {
			t.Fatal(err)
		}
		f.Close()
		got, err := os.ReadFile(name)
		if err != nil || !bytes.Equal(got, data) || s.size != int64(n) {
			t.Errorf("%d bytes: %d are counted, %d are there, %v", n, s.size, len(got), err)
		}
		os.Remove(name)
	}
}

// TestDirectModes checks that setDirect does what it says, for both kinds of
// files.
func TestDirectModes(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, tmpDir), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, create := range map[string]func(string) (newFile, error){"unnamed": createUnnamed, "named": createNamed} {
		f, err := create(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if !setDirect(f, true) {
			t.Skip("the file system has no direct I/O")
		}
		switch _, err := f.Write([]byte("short")); {
		case err == nil:
			t.Skip("the file system takes any write past the cache, as tmpfs does")
		case !refusesDirect(err):
			t.Errorf("%s: a short write past the cache: %v", name, err)
		}
		if setDirect(f, false) {
			t.Errorf("%s: direct I/O does not end", name)
		}
		if _, err := f.Write([]byte("short")); err != nil {
			t.Errorf("%s: a short write through the cache: %v", name, err)
		}
	}
}

// TestDirectWhole checks that only whole pieces are written past the cache, and
// nothing once one was smaller, even if it is of whole pages.
func TestDirectWhole(t *testing.T) {
	d := openTest(t, Options{Dir: t.TempDir()})
	w := &fileWriter{ctx: t.Context(), s: &staged{d: d}, f: &refusingFile{refused: 1}, direct: true}
	for i, n := range []int{store.PieceSize, 16 * store.PieceAlignment, store.PieceSize} {
		if _, err := w.Write(content(1, n)); err != nil || w.direct != (i == 0) {
			t.Errorf("after write %d, of %d bytes: direct I/O %v, %v", i+1, n, w.direct, err)
		}
	}
}

// refusingFile takes no direct write.
type refusingFile struct {
	newFile
	refused int
	got     bytes.Buffer
}

func (f *refusingFile) Write(p []byte) (int, error) {
	if f.refused++; f.refused == 1 {
		return 0, &os.PathError{Op: "write", Err: syscall.EINVAL}
	}
	return f.got.Write(p)
}

// TestDirectRefused checks that a body gets to a file that refuses direct I/O
// all the same.
func TestDirectRefused(t *testing.T) {
	d := openTest(t, Options{Dir: t.TempDir()})
	f := &refusingFile{}
	w := &fileWriter{ctx: t.Context(), s: &staged{d: d}, f: f, direct: true}
	data := content(1, store.PieceSize)
	if n, err := w.Write(data); n != len(data) || err != nil || w.direct {
		t.Errorf("wrote %d, %v; direct I/O goes on: %v", n, err, w.direct)
	}
	if !bytes.Equal(f.got.Bytes(), data) {
		t.Errorf("%d bytes are in the file", f.got.Len())
	}
}
