package store

import (
	"bytes"
	"crypto/md5"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/store/sealed"
)

func someBytes(seed byte, n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{seed, byte(n)}).Read(b)
	return b
}

// outcome is all that a driver learns from an upload.
func outcome(u *Upload, data []byte, err error) string {
	return fmt.Sprintf("%x %v %d %s %v", md5.Sum(data), err, u.Size(), u.ETag(), u.Checksums())
}

// TestWriteTo compares WriteTo with Read: for all sizes around those of pieces,
// kept and broken promises, slow readers, encryption, and after a Read.
func TestWriteTo(t *testing.T) {
	in := newIntake()
	readers := map[string]func(io.Reader) io.Reader{
		"whole":         func(r io.Reader) io.Reader { return r },
		"half":          iotest.HalfReader,
		"data with EOF": iotest.DataErrReader,
		"cut": func(r io.Reader) io.Reader {
			return io.MultiReader(io.LimitReader(r, 70_000), iotest.ErrReader(io.ErrUnexpectedEOF))
		},
	}
	for _, n := range []int{0, 1, 63, 64, smallPiece - 1, smallPiece, smallPiece + 1, 3 * smallPiece, PieceSize - 1, PieceSize, PieceSize + 1, 2*PieceSize + 77} {
		for name, reader := range readers {
			for _, variant := range []string{"plain", "unknown size", "wrong MD5", "too short", "too long", "foreign ETag", "sealed", "after a Read", "sealed, after a Read"} {
				t.Run(fmt.Sprintf("%d/%s/%s", n, name, variant), func(t *testing.T) { testWriteTo(t, in, n, reader, variant) })
			}
		}
	}
	if in.used.Load() != 0 {
		t.Errorf("%d pieces were not given back", in.used.Load())
	}
}

// headOf is how much of a body is read before WriteTo, in bytes. Of an encrypted
// one that may be all of the content, with something encrypted still to come.
var headOf = map[string]int{"after a Read": 100, "sealed, after a Read": smallPiece + 1}

func testWriteTo(t *testing.T, in *intake, n int, reader func(io.Reader) io.Reader, variant string) {
	data := someBytes(1, n)
	read, wrote := uploadOf(t, data, reader, variant), uploadOf(t, data, reader, variant)
	want, err := io.ReadAll(read)
	wants := outcome(read, want, err)

	wrote.intake = in
	var got bytes.Buffer
	if size := headOf[variant]; size > 0 {
		head := make([]byte, size)
		m, err := io.ReadFull(wrote, head)
		got.Write(head[:m])
		if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
			return // there is nothing to go on with
		}
	}
	_, err = wrote.WriteTo(&got)
	if err != nil {
		// How much of a refused body was passed on means nothing.
		if fmt.Sprint(err) != fmt.Sprint(errOf(read)) {
			t.Errorf("%v instead of %v", err, errOf(read))
		}
		return
	}
	if gots := outcome(wrote, got.Bytes(), err); gots != wants {
		t.Errorf("got  %s\nwant %s", gots, wants)
	}
	if m, err := wrote.WriteTo(&got); m != 0 || err != nil {
		t.Errorf("at the end: %d bytes, %v", m, err)
	}
}

func errOf(u *Upload) error { return endError(u.err) }

// uploadOf returns an upload of a variant.
func uploadOf(t *testing.T, data []byte, reader func(io.Reader) io.Reader, variant string) *Upload {
	opts := UploadOptions{Size: int64(len(data))}
	switch variant {
	case "unknown size":
		opts.Size, opts.Checksum = -1, CRC32
	case "wrong MD5":
		opts.MD5 = make([]byte, md5.Size)
	case "too short":
		opts.Size++
	case "too long":
		opts.Size = max(0, opts.Size-1)
	}
	u, err := NewUpload(reader(bytes.NewReader(data)), opts)
	if err != nil {
		t.Fatal(err)
	}
	switch variant {
	case "foreign ETag":
		u.ForeignETag()
	case "sealed", "sealed, after a Read":
		if u.sealer, err = sealed.NewSealer(sealed.Key{1}, plainUpload{u}, opts.Size); err != nil {
			t.Fatal(err)
		}
	}
	return u
}

// TestWriteToTogether has many uploads share what they hash and their memory.
func TestWriteToTogether(t *testing.T) {
	in := newIntake()
	var wg sync.WaitGroup
	for i := range byte(24) {
		wg.Go(func() {
			data := someBytes(i, int(i)*200_001)
			u, err := NewUpload(bytes.NewReader(data), UploadOptions{Size: int64(len(data))})
			if err != nil {
				t.Error(err)
				return
			}
			u.intake = in
			var got bytes.Buffer
			_, err = u.WriteTo(&got)
			if want := fmt.Sprintf("%x", md5.Sum(data)); err != nil || u.ETag() != want || !bytes.Equal(got.Bytes(), data) {
				t.Errorf("%d bytes: %v, ETag %s instead of %s", len(data), err, u.ETag(), want)
			}
		})
	}
	wg.Wait()
	if in.used.Load() != 0 {
		t.Errorf("%d pieces were not given back", in.used.Load())
	}
}

// TestPieces checks that large pieces are aligned, and bounded in number.
func TestPieces(t *testing.T) {
	in := newIntake()
	var taken []*[]byte
	for range maxPieces + 3 {
		taken = append(taken, in.take(PieceSize))
	}
	for i, p := range taken {
		if want := i < maxPieces; (len(*p) == PieceSize) != want {
			t.Errorf("piece %d has %d bytes", i, len(*p))
		}
		in.give(p)
	}
	if p := in.take(PieceSize); len(*p) != PieceSize {
		t.Errorf("after all were given back, a piece has %d bytes", len(*p))
	}
	if p := in.take(PieceSize - 1); len(*p) != smallPiece {
		t.Errorf("a small body gets %d bytes", len(*p))
	}
}

// A bodyOf is a Body in memory.
type bodyOf []byte

func (b bodyOf) Range(off, n int64) (io.Reader, error) { return bytes.NewReader(b[off : off+n]), nil }

func (bodyOf) Close() error { return nil }

// TestCopiesShare checks that copies take their memory out of what all uploads
// of the store may have.
func TestCopiesShare(t *testing.T) {
	s := New(nil)
	for range maxPieces {
		defer s.intake.give(s.intake.take(PieceSize))
	}
	data := someBytes(1, PieceSize+1)
	u, err := s.rangeUpload(bodyOf(data), 0, int64(len(data)), "")
	if err != nil {
		t.Fatal(err)
	}
	var got largestWrite
	if n, err := u.WriteTo(&got); n != int64(len(data)) || err != nil || got != smallPiece {
		t.Errorf("%d bytes, %v, up to %d at once", n, err, got)
	}
}

// A largestWrite is the length of the longest of all writes.
type largestWrite int

func (w *largestWrite) Write(p []byte) (int, error) {
	*w = max(*w, largestWrite(len(p)))
	return len(p), nil
}

// TestWriteToFails checks that an error of the writer is returned, and gives
// the memory back.
func TestWriteToFails(t *testing.T) {
	in := newIntake()
	data := someBytes(1, 2*PieceSize)
	u, err := NewUpload(bytes.NewReader(data), UploadOptions{Size: int64(len(data))})
	if err != nil {
		t.Fatal(err)
	}
	u.intake = in
	full := &daypass.Error{Code: daypass.InsufficientStorage}
	if n, err := u.WriteTo(failingWriter{full}); n != 0 || !errors.Is(err, full) {
		t.Errorf("%d bytes, %v", n, err)
	}
	// What was lost on the way is lost: nobody may take the rest for the body.
	if n, err := u.Read(make([]byte, 100)); n != 0 || !errors.Is(err, full) {
		t.Errorf("then Read: %d bytes, %v", n, err)
	}
	if n, err := u.WriteTo(io.Discard); n != 0 || !errors.Is(err, full) {
		t.Errorf("then WriteTo: %d bytes, %v", n, err)
	}
	if in.used.Load() != 0 {
		t.Errorf("%d pieces were not given back", in.used.Load())
	}
}

// TestWriteToPanics checks that a reader or writer that panics leaves nothing
// behind that the uploads share.
func TestWriteToPanics(t *testing.T) {
	in := newIntake()
	company := in.md5.NewHash()
	defer company.Close()
	company.Start(someBytes(2, 1000)) // so that what is read waits for company
	for written := range 3 {
		func() {
			defer func() { _ = recover() }()
			data := someBytes(1, 3*PieceSize)
			u, err := NewUpload(bytes.NewReader(data), UploadOptions{Size: int64(len(data))})
			if err != nil {
				t.Fatal(err)
			}
			u.intake = in
			_, err = u.WriteTo(&panicking{after: written})
			t.Errorf("no panic: %v", err)
		}()
	}
	if in.used.Load() != 0 {
		t.Errorf("%d pieces were not given back", in.used.Load())
	}
	alone := in.md5.NewHash()
	defer alone.Close()
	company.Close()
	alone.Start(someBytes(3, 1000))
	if alone.Busy() {
		t.Error("an upload that panicked is still under way")
	}
}

type panicking struct{ after int }

func (w *panicking) Write(p []byte) (int, error) {
	if w.after--; w.after < 0 {
		panic("on purpose")
	}
	return len(p), nil
}

type failingWriter struct{ err error }

func (w failingWriter) Write([]byte) (int, error) { return 0, w.err }
