package state

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"testing"
)

func newTestSealer(t testing.TB, key MasterKey, purpose string) *sealer {
	t.Helper()
	s, err := newSealer(key, purpose)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func mustSeal(t testing.TB, s *sealer, id, text string) []byte {
	t.Helper()
	sealed, err := s.seal(rand.Reader, id, text)
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}

func TestSealRoundTrip(t *testing.T) {
	s := newTestSealer(t, MasterKey{1}, "p")
	for _, text := range []string{"", "secret", string(make([]byte, 1000))} {
		a, b := mustSeal(t, s, "id", text), mustSeal(t, s, "id", text)
		if bytes.Equal(a, b) {
			t.Error("sealing twice gives the same: the nonce is not random")
		}
		for _, sealed := range [][]byte{a, b} {
			if got, err := s.open("id", sealed); err != nil || got != text {
				t.Errorf("open = %q, %v; want %q", got, err, text)
			}
		}
	}
}

func TestSealBinds(t *testing.T) {
	sealed := mustSeal(t, newTestSealer(t, MasterKey{1}, "p"), "id", "secret")
	for _, c := range []struct {
		what, id, purpose string
		key               MasterKey
	}{
		{"id", "other", "p", MasterKey{1}},
		{"purpose", "id", "q", MasterKey{1}},
		{"key", "id", "p", MasterKey{2}},
	} {
		if text, err := newTestSealer(t, c.key, c.purpose).open(c.id, sealed); err == nil {
			t.Errorf("opened as %q under another %s", text, c.what)
		}
	}
}

// Every single change of a bit, and every truncation, is noticed.
func TestSealTampering(t *testing.T) {
	s := newTestSealer(t, MasterKey{1}, "p")
	sealed := mustSeal(t, s, "id", "secret")
	for i := range len(sealed) * 8 {
		altered := bytes.Clone(sealed)
		altered[i/8] ^= 1 << (i % 8)
		if _, err := s.open("id", altered); err == nil {
			t.Errorf("bit %d may be changed", i)
		}
	}
	for n := range sealed {
		if _, err := s.open("id", sealed[:n]); err == nil {
			t.Errorf("may be cut to %d bytes", n)
		}
	}
}

// What is sealed today must open in every later version.
func TestSealFormat(t *testing.T) {
	s := newTestSealer(t, MasterKey{31: 1}, purposeAccessKey)
	sealed, err := s.seal(bytes.NewReader(make([]byte, 12)), "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
	if err != nil {
		t.Fatal(err)
	}
	const want = "01000000000000000000000000ae71c24f2f165ef98dd7561d1e41e99fc4f18d512583c84b3935dba5140d8392130ecff47bcb5bfef5b44116b1d63c39757e86dc8a847520"
	if got := hex.EncodeToString(sealed); got != want {
		t.Errorf("sealed:\n%s\nwant:\n%s", got, want)
	}
}

func FuzzOpenSealed(f *testing.F) {
	s := newTestSealer(f, MasterKey{1}, "p")
	// a fixed nonce: the processes that fuzz must agree on the sealed text
	sealed, err := s.seal(bytes.NewReader(make([]byte, 12)), "id", "secret")
	if err != nil {
		f.Fatal(err)
	}
	f.Add("id", sealed)
	f.Add("", []byte{})
	f.Add("id", []byte{sealVersion})
	f.Add("id", append([]byte{sealVersion}, make([]byte, 12)...))
	f.Fuzz(func(t *testing.T, id string, data []byte) {
		text, err := s.open(id, data)
		if err == nil && (id != "id" || text != "secret" || !bytes.Equal(data, sealed)) {
			t.Errorf("forged %q for %q", text, id)
		}
	})
}
