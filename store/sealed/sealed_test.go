package sealed_test

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/daypass/daypass/store/sealed"
	"pgregory.net/rapid"
)

// content returns n bytes that are never the same twice in a row.
func content(seed uint64, n int) []byte {
	b := make([]byte, n)
	rng := mathrand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8), 1})
	rng.Read(b)
	return b
}

func keyOf(n byte) sealed.Key { return sealed.Key{n, 1} }

// seal returns the encrypted form of a body.
func seal(t testing.TB, key sealed.Key, plain []byte) []byte {
	t.Helper()
	s, err := sealed.NewSealer(key, bytes.NewReader(plain), int64(len(plain)))
	if err != nil {
		t.Fatal(err)
	}
	out, err := io.ReadAll(s)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// memory is a Source that counts what is read of it.
type memory struct {
	data  []byte
	asked int64
}

func (m *memory) Range(off, n int64) (io.Reader, error) {
	m.asked += n
	end := min(off+n, int64(len(m.data)))
	return bytes.NewReader(m.data[min(off, end):end]), nil
}

// piece is one encrypted body.
func piece(key sealed.Key, size int) sealed.Piece {
	return sealed.Piece{Size: int64(size), Key: func() (sealed.Key, error) { return key, nil }}
}

// open returns all of an encrypted body of one piece.
func open(key sealed.Key, data []byte, size int) ([]byte, error) {
	o, err := sealed.NewOpener(&memory{data: data}, []sealed.Piece{piece(key, size)})
	if err != nil {
		return nil, err
	}
	r, err := o.Range(0, int64(size))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

// sizes are around the borders of segments.
var sizes = []int{0, 1, 15, 16, 17, sealed.SegmentSize - 1, sealed.SegmentSize, sealed.SegmentSize + 1,
	2*sealed.SegmentSize - 1, 2 * sealed.SegmentSize, 2*sealed.SegmentSize + 1, 5*sealed.SegmentSize + 7}

func TestRoundTrip(t *testing.T) {
	for _, size := range sizes {
		plain := content(uint64(size), size)
		data := seal(t, keyOf(1), plain)
		if want := sealed.SealedSize(int64(size)); int64(len(data)) != want {
			t.Errorf("%d bytes are %d encrypted, want %d", size, len(data), want)
		}
		got, err := open(keyOf(1), data, size)
		if err != nil || !bytes.Equal(got, plain) {
			t.Errorf("%d bytes do not come back: %v", size, err)
		}
	}
	if sealed.SealedSize(-1) != -1 {
		t.Error("an unknown size does not stay unknown")
	}
}

// TestFormat pins the format: what is on disk must be readable for ever.
func TestFormat(t *testing.T) {
	key := sealed.Key{}
	for i := range key {
		key[i] = byte(i)
	}
	data := seal(t, key, []byte("daypass"))
	const want = "71b7c68c258743d96aa14c8b1a05a38b1ad2f6655a3ddb"
	if got := hex.EncodeToString(data); got != want {
		t.Errorf("the encrypted form is %s, want %s", got, want)
	}
	derived, err := key.Derive("body 1", []byte("salt"))
	if err != nil {
		t.Fatal(err)
	}
	const wantKey = "e065"
	if got := hex.EncodeToString(derived[:2]); got != wantKey {
		t.Errorf("the derived key begins with %s, want %s", got, wantKey)
	}
}

// TestSealerReads reads in odd pieces, with hints that are wrong.
func TestSealerReads(t *testing.T) {
	plain := content(3, 3*sealed.SegmentSize+11)
	want := seal(t, keyOf(1), plain)
	for name, wrap := range map[string]func(io.Reader) io.Reader{
		"one byte": iotest.OneByteReader, "half": iotest.HalfReader, "data with the end": iotest.DataErrReader,
	} {
		for _, hint := range []int64{-1, 0, 10, int64(len(plain)), 1 << 40} {
			s, err := sealed.NewSealer(keyOf(1), wrap(bytes.NewReader(plain)), hint)
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(iotest.HalfReader(s))
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s, hint %d: not the same bytes: %v", name, hint, err)
			}
		}
	}
}

// TestSealerEnd reads sources that tell of their end with their last bytes.
func TestSealerEnd(t *testing.T) {
	for _, size := range sizes {
		plain := content(uint64(size), size)
		s, err := sealed.NewSealer(keyOf(1), iotest.DataErrReader(bytes.NewReader(plain)), -1)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(s)
		if err != nil || !bytes.Equal(got, seal(t, keyOf(1), plain)) {
			t.Errorf("%d bytes: %d encrypted, %v", size, len(got), err)
		}
	}
}

// wholeReader returns all that it has, and its end, at once.
type wholeReader []byte

func (r wholeReader) Read(p []byte) (int, error) { return copy(p, r), io.EOF }

// TestSealerEndAtOnce ends a source with one byte more than a segment.
func TestSealerEndAtOnce(t *testing.T) {
	plain := content(1, sealed.SegmentSize+1)
	s, err := sealed.NewSealer(keyOf(1), wholeReader(plain), -1)
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(s)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := open(keyOf(1), data, len(plain)); err != nil || !bytes.Equal(got, plain) {
		t.Errorf("%d bytes come back, %v", len(got), err)
	}
}

// TestSealerError gives no last segment where the source fails, so that what
// was stored could not be opened.
func TestSealerError(t *testing.T) {
	broken := errors.New("the connection broke")
	for _, size := range []int{1, 5, sealed.SegmentSize, 2*sealed.SegmentSize + 5} {
		plain := content(1, size)
		s, err := sealed.NewSealer(keyOf(1), io.MultiReader(bytes.NewReader(plain), iotest.ErrReader(broken)), -1)
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(s)
		if !errors.Is(err, broken) {
			t.Errorf("%d bytes: the error is %v", size, err)
		}
		if _, err := open(keyOf(1), data, size); err == nil {
			t.Errorf("%d bytes: what came before the error can be opened", size)
		}
		if n, err := s.Read(make([]byte, 9)); n != 0 || !errors.Is(err, broken) {
			t.Errorf("read after the error: %d, %v", n, err)
		}
	}
}

// TestTamper changes what is stored in every way that a thief of the disk has.
func TestTamper(t *testing.T) {
	const full = sealed.SegmentSize + sealed.Overhead
	size := 3*sealed.SegmentSize + 100
	plain, other := content(1, size), content(2, size)
	data := seal(t, keyOf(1), plain)
	segment := func(b []byte, i int) []byte { return b[i*full : min((i+1)*full, len(b))] }
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	cases := map[string]struct {
		data []byte
		size int
	}{
		"other key's body":       {seal(t, keyOf(2), plain), size},
		"segment of another":     {join(segment(data, 0), segment(seal(t, keyOf(2), other), 1), data[2*full:]), size},
		"segments swapped":       {join(segment(data, 1), segment(data, 0), data[2*full:]), size},
		"segment repeated":       {join(segment(data, 0), segment(data, 0), data[2*full:]), size},
		"last segment cut off":   {data[:3*full], 3 * sealed.SegmentSize},
		"only the first segment": {data[:full], sealed.SegmentSize},
		"cut off, size kept":     {data[:3*full], size},
		"cut in a segment":       {data[:len(data)-1], size},
		"shorter by size":        {data, size - 1},
		"longer by size":         {append(bytes.Clone(data), 0), size + 1},
		"zero bytes appended":    {append(bytes.Clone(data), make([]byte, full)...), size + sealed.SegmentSize},
	}
	for name, c := range cases {
		if got, err := open(keyOf(1), c.data, c.size); !errors.Is(err, sealed.ErrDamaged) {
			t.Errorf("%s: %d bytes, %v; want ErrDamaged", name, len(got), err)
		}
	}
	if _, err := open(keyOf(2), data, size); !errors.Is(err, sealed.ErrDamaged) {
		t.Errorf("another key: %v", err)
	}
	for _, i := range []int{0, 1, full - 1, full, 2*full + 7, len(data) - 17, len(data) - 1} {
		for bit := range 8 {
			bad := bytes.Clone(data)
			bad[i] ^= 1 << bit
			if _, err := open(keyOf(1), bad, size); !errors.Is(err, sealed.ErrDamaged) {
				t.Errorf("bit %d of byte %d flipped: %v", bit, i, err)
			}
		}
	}
}

// TestDamageStaysLocal reads what lies before and behind a damaged segment.
func TestDamageStaysLocal(t *testing.T) {
	const full = sealed.SegmentSize + sealed.Overhead
	plain := content(1, 3*sealed.SegmentSize)
	data := seal(t, keyOf(1), plain)
	data[full+5]++
	o, err := sealed.NewOpener(&memory{data: data}, []sealed.Piece{piece(keyOf(1), len(plain))})
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range []int64{0, 1, 2, 1, 0} {
		var want error
		if i == 1 {
			want = sealed.ErrDamaged
		}
		off := i * sealed.SegmentSize
		r, err := o.Range(off+3, 10)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(r)
		if !errors.Is(err, want) || want == nil && !bytes.Equal(got, plain[off+3:off+13]) {
			t.Errorf("segment %d: %v, want %v", i, err, want)
		}
	}
}

// TestRanges compares ranges of pieces with the plain bytes, read and written
// out, on one Opener, whose last segment is used again.
func TestRanges(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		lengths := rapid.SliceOfN(rapid.OneOf(rapid.SampledFrom(sizes), rapid.IntRange(0, 200)), 1, 6).Draw(r, "pieces")
		var plain, data []byte
		var pieces []sealed.Piece
		for i, n := range lengths {
			p := content(uint64(i), n)
			plain, data = append(plain, p...), append(data, seal(t, keyOf(byte(i)), p)...)
			pieces = append(pieces, piece(keyOf(byte(i)), n))
		}
		src := &memory{data: data}
		o, err := sealed.NewOpener(src, pieces)
		if err != nil || o.Size() != int64(len(plain)) {
			r.Fatalf("size %d, %v", o.Size(), err)
		}
		for range 8 {
			off := rapid.Int64Range(0, o.Size()).Draw(r, "off")
			n := rapid.Int64Range(0, o.Size()-off).Draw(r, "n")
			src.asked = 0
			got, err := readRange(o, off, n, rapid.Bool().Draw(r, "writeTo"))
			if err != nil || !bytes.Equal(got, plain[off:off+n]) {
				r.Fatalf("range of %d from %d: %d bytes, %v", n, off, len(got), err)
			}
			// A segment at either end, and what empty pieces take between.
			if most := sealed.SealedSize(n) + 2*(sealed.SegmentSize+sealed.Overhead) + int64(len(pieces))*sealed.Overhead; src.asked > most {
				r.Fatalf("a range of %d bytes read %d of the source, more than %d", n, src.asked, most)
			}
		}
	})
}

func readRange(o *sealed.Opener, off, n int64, writeTo bool) ([]byte, error) {
	r, err := o.Range(off, n)
	if err != nil {
		return nil, err
	}
	if !writeTo {
		return io.ReadAll(iotest.HalfReader(r))
	}
	var b bytes.Buffer
	_, err = r.(io.WriterTo).WriteTo(&b)
	return b.Bytes(), err
}

func TestRangeOutside(t *testing.T) {
	o, err := sealed.NewOpener(&memory{data: seal(t, keyOf(1), []byte("12345"))}, []sealed.Piece{piece(keyOf(1), 5)})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range [][2]int64{{-1, 1}, {0, 6}, {6, 0}, {5, 1}, {0, -1}, {1 << 62, 1 << 62}} {
		if _, err := o.Range(c[0], c[1]); err == nil {
			t.Errorf("range of %d from %d of 5 bytes is not refused", c[1], c[0])
		}
	}
	if _, err := sealed.NewOpener(&memory{}, []sealed.Piece{{Size: -1}}); err == nil {
		t.Error("a piece of a negative size is not refused")
	}
	if _, err := sealed.NewOpener(&memory{}, []sealed.Piece{{Size: sealed.MaxSize}, {Size: sealed.MaxSize}}); err == nil {
		t.Error("pieces beyond all bounds are not refused")
	}
}

func TestWrap(t *testing.T) {
	key, wrapping := keyOf(7), keyOf(8)
	wrapped, err := sealed.Wrap(rand.Reader, wrapping, "photos/cat", key)
	if err != nil || len(wrapped) != sealed.WrappedSize {
		t.Fatalf("wrapped into %d bytes, %v", len(wrapped), err)
	}
	if got, err := sealed.Unwrap(wrapping, "photos/cat", wrapped); err != nil || got != key {
		t.Errorf("unwrapped another key, %v", err)
	}
	again, _ := sealed.Wrap(rand.Reader, wrapping, "photos/cat", key)
	if bytes.Equal(again, wrapped) || bytes.Contains(wrapped, key[:]) {
		t.Error("a wrapped key shows what it is")
	}
	for name, unwrap := range map[string]func() error{
		"another name":         func() error { _, err := sealed.Unwrap(wrapping, "photos/dog", wrapped); return err },
		"another wrapping key": func() error { _, err := sealed.Unwrap(keyOf(9), "photos/cat", wrapped); return err },
		"cut off":              func() error { _, err := sealed.Unwrap(wrapping, "photos/cat", wrapped[:40]); return err },
		"nothing":              func() error { _, err := sealed.Unwrap(wrapping, "photos/cat", nil); return err },
	} {
		if err := unwrap(); !errors.Is(err, sealed.ErrWrapped) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for i := range wrapped {
		bad := bytes.Clone(wrapped)
		bad[i] ^= 0x10
		if _, err := sealed.Unwrap(wrapping, "photos/cat", bad); !errors.Is(err, sealed.ErrWrapped) {
			t.Errorf("byte %d changed: %v", i, err)
		}
	}
}

func TestKeyIsNotPrinted(t *testing.T) {
	key := sealed.Key{'s', 'e', 'c', 'r', 'e', 't'}
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d", "%q"} {
		for _, v := range []any{key, &key, struct{ K *sealed.Key }{&key}, []sealed.Key{key}} {
			text := fmt.Sprintf(format, v)
			if strings.Contains(text, "secret") || strings.Contains(text, "736563") || strings.Contains(text, "115 101") {
				t.Errorf("%s of %T shows the key: %s", format, v, text)
			}
		}
	}
	if text, err := key.MarshalText(); err != nil || string(text) != "REDACTED" {
		t.Errorf("MarshalText = %s, %v", text, err)
	}
}

// FuzzOpen gives an Opener whatever a disk may hold: it opens nothing but what
// was sealed.
func FuzzOpen(f *testing.F) {
	for _, size := range sizes[:8] {
		f.Add(seal(f, keyOf(1), content(9, size)), int64(size), int64(0), int64(size))
	}
	f.Add([]byte{}, int64(0), int64(0), int64(0))
	f.Fuzz(func(t *testing.T, data []byte, size, off, n int64) {
		if size > 1<<22 {
			return
		}
		o, err := sealed.NewOpener(&memory{data: data}, []sealed.Piece{piece(keyOf(1), int(size))})
		if err != nil {
			return
		}
		r, err := o.Range(off, n)
		if err != nil {
			return
		}
		got, err := io.ReadAll(r)
		if err != nil || n == 0 {
			return
		}
		// Whoever opens all of it must get what seals to the same bytes.
		if off == 0 && n == size && !bytes.Equal(seal(t, keyOf(1), got), data[:sealed.SealedSize(size)]) {
			t.Error("what opens is not what was sealed")
		}
	})
}

func BenchmarkSeal(b *testing.B) {
	plain := content(1, 16<<20)
	b.SetBytes(int64(len(plain)))
	for b.Loop() {
		s, err := sealed.NewSealer(keyOf(1), bytes.NewReader(plain), int64(len(plain)))
		if err != nil {
			b.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, s); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkOpen(b *testing.B) {
	plain := content(1, 16<<20)
	src := &memory{data: seal(b, keyOf(1), plain)}
	b.SetBytes(int64(len(plain)))
	for b.Loop() {
		o, err := sealed.NewOpener(src, []sealed.Piece{piece(keyOf(1), len(plain))})
		if err != nil {
			b.Fatal(err)
		}
		r, _ := o.Range(0, int64(len(plain)))
		if _, err := io.Copy(io.Discard, r); err != nil {
			b.Fatal(err)
		}
	}
}
