package bench

import (
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
)

func TestParseMix(t *testing.T) {
	for text, want := range map[string]string{
		"get": "get=1", "get=70, put=20,list=1": "get=70,put=20,list=1", "delete=0,head=3": "head=3", "range": "range=1",
	} {
		m, err := ParseMix(text)
		if err != nil || m.String() != want {
			t.Errorf("ParseMix(%q) = %v, %v; want %s", text, m, err, want)
		}
	}
	for _, text := range []string{"", "get=0", "get=-1", "get=x", "copy=1", "get=1,get=2", "get=1,,put=2", "get=99999999"} {
		if m, err := ParseMix(text); err == nil {
			t.Errorf("ParseMix(%q) = %v, want an error", text, m)
		}
	}
}

func TestMixPick(t *testing.T) {
	m, err := ParseMix("get=70,put=20,delete=10")
	if err != nil {
		t.Fatal(err)
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	var got [operations]int
	for range 100_000 {
		got[m.pick(rnd, m.total())]++
	}
	for op, weight := range m {
		if want := weight * 1000; got[op] < want*9/10 || got[op] > want*11/10+1 {
			t.Errorf("%s was picked %d times of 100,000, at a weight of %d %%", Operation(op), got[op], weight)
		}
	}
}

func bytesOf(text string) (int64, error) {
	return strconv.ParseInt(strings.TrimSuffix(text, "B"), 10, 64)
}

func TestSizes(t *testing.T) {
	s, err := ParseSizes("4096:90,1048576:9,67108864:1", bytesOf)
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[int64]int)
	for i := range 1000 {
		got[s.At(i)]++
	}
	for _, share := range s {
		if n := got[share.Bytes]; n < int(share.Weight)*10-5 || n > int(share.Weight)*10+5 {
			t.Errorf("%d of 1000 objects have %d bytes, want %g %%", n, share.Bytes, share.Weight)
		}
	}
	if text := s.String(); text != "4KiB:90,1MiB:9,64MiB:1" {
		t.Errorf("String() = %s", text)
	}
	for _, text := range []string{"", "x", "4096:0", "4096:-1", "4096:x", "4096:Inf", "4096:NaN"} {
		if s, err := ParseSizes(text, bytesOf); err == nil {
			t.Errorf("ParseSizes(%q) = %v, want an error", text, s)
		}
	}
}

func TestContent(t *testing.T) {
	c := newContent()
	a, b := c.of("a"), c.of("b")
	got := append([]byte(nil), a.window(period-100, 300)...)
	if len(got) != 300 || !a.matches(got, period-100) {
		t.Errorf("a window of %d bytes does not match itself", len(got))
	}
	// What a server may mix up: another key, another place, one byte.
	if b.matches(got, period-100) || a.matches(got, period-99) || a.matches(got, period-100+4096) || a.matches(got, period-100+1<<20) {
		t.Error("another part matches too")
	}
	got[299] ^= 1
	if a.matches(got, period-100) {
		t.Error("a changed byte is not seen")
	}
	long := append(append([]byte(nil), a.window(5, period)...), a.window(5+period, 1000)...)
	if !a.matches(long, 5) {
		t.Error("a body that is longer than the period does not match")
	}
}
