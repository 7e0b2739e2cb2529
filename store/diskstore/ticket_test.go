package diskstore

import (
	"bytes"
	"crypto/rand"
	"slices"
	"strings"
	"testing"
)

func TestTickets(t *testing.T) {
	var versions, uploads []string
	for _, order := range []uint64{0, 1, 255, 256, 1 << 40, ^uint64(0)} {
		tk := ticket{order: order}
		rand.Read(tk.nonce[:])
		v, u := tk.versionID(), tk.uploadID()
		if got, ok := parseVersionID(v); !ok || got != tk {
			t.Errorf("%s: %+v, want %+v", v, got, tk)
		}
		if got, ok := parseUploadID(u); !ok || got != tk {
			t.Errorf("%s: %+v, want %+v", u, got, tk)
		}
		versions, uploads = append([]string{v}, versions...), append(uploads, u)
	}
	if !slices.IsSorted(versions) || !slices.IsSorted(uploads) {
		t.Errorf("not in order: %q, %q", versions, uploads)
	}
	for _, id := range []string{"", "null", strings.Repeat("0", 31), strings.Repeat("0", 33), strings.Repeat("+", 32)} {
		if _, ok := parseVersionID(id); ok {
			t.Errorf("%q is accepted", id)
		}
	}
}

// FuzzEscapedKey checks that escaped keys can be read again and sort like the
// keys, each with all that follows it.
func FuzzEscapedKey(f *testing.F) {
	f.Add("a", "a\x00", uint64(0), uint64(1))
	f.Add("a\x00\xff", "a\x00\x01", ^uint64(0), uint64(1))
	f.Fuzz(func(t *testing.T, a, b string, m, n uint64) {
		ka, kb := uploadKey(7, a, m), uploadKey(7, b, n)
		key, order, err := parseEscapedKey(ka)
		if err != nil || key != a || order != m {
			t.Errorf("%q, %d becomes %q, %d, %v", a, m, key, order, err)
		}
		if c := strings.Compare(a, b); c != 0 && bytes.Compare(ka, kb) != c {
			t.Errorf("%q and %q sort unlike their index keys", a, b)
		}
		lower, upper := keyRange(spaceUpload, 7, a)
		if inside := bytes.Compare(kb, lower) >= 0 && bytes.Compare(kb, upper) < 0; inside != (a == b) {
			t.Errorf("the range of %q holds a key of %q: %v", a, b, inside)
		}
		_, _, _ = parseEscapedKey([]byte(a)) // which must not panic
	})
}
