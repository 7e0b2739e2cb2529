package server

import (
	"bytes"
	"crypto/rand"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/daypass/daypass/s3"
	"github.com/daypass/daypass/sign"
)

// TestTexts checks that texts stay as they were, however many more are kept.
func TestTexts(t *testing.T) {
	var kept texts
	var got, want []string
	for i := range 300 {
		text := bytes.Repeat([]byte{byte(i)}, i)
		want = append(want, string(text))
		got = append(got, kept.keep(text))
		clear(text)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("text %d is %q, want %q", i, got[i], want[i])
		}
	}
}

// TestRequestIDs checks the form of ids, and that none is given twice.
func TestRequestIDs(t *testing.T) {
	s, seen := idSource{rand: rand.Reader}, map[string]bool{}
	form := regexp.MustCompile(`^[A-Z2-7]{16}[A-Za-z0-9+/]{48}$`)
	for range 1000 {
		var ids [idLength]byte
		if err := s.next(&ids); err != nil {
			t.Fatal(err)
		}
		request, host := string(ids[:requestIDLength]), string(ids[requestIDLength:])
		if !form.Match(ids[:]) || seen[request] || seen[host] {
			t.Fatalf("the ids %q", ids)
		}
		seen[request], seen[host] = true, true
	}
	var ids [idLength]byte
	failing := idSource{rand: noRandomness{}}
	if err := failing.next(&ids); err == nil || string(ids[:]) != strings.Repeat("A", idLength) {
		t.Errorf("without randomness the ids are %q, %v", ids, err)
	}
}

// TestHeaderValues checks that the values of one answer's headers do not run
// into each other, however many there are.
func TestHeaderValues(t *testing.T) {
	w := response{ResponseWriter: httptest.NewRecorder()}
	names := []string{}
	for i := range 3 * usualHeaders {
		name := "X-" + strings.Repeat("a", i+1)
		names = append(names, name)
		w.set(name, name)
		w.Header()[name] = append(w.Header()[name], "more")
	}
	for _, name := range names {
		if v := w.Header()[name]; len(v) != 2 || v[0] != name || v[1] != "more" {
			t.Errorf("%s is %q", name, v)
		}
	}
}

// TestReusedMemory checks that an answer has nothing of the request before,
// whose memory it got, and that who keeps headers keeps them.
func TestReusedMemory(t *testing.T) {
	s := newHotServer(t)
	kept := map[string]http.Header{}
	for range 3 {
		for _, c := range hotCases {
			s.w.header = make(http.Header)
			s.request(t, c)()
			kept[s.w.header.Get("X-Amz-Request-Id")] = s.w.header
			again := s.w.header.Clone()
			other := newHotServer(t)
			other.request(t, c)()
			for _, h := range []http.Header{again, other.w.header} {
				h.Del("X-Amz-Request-Id")
				h.Del("X-Amz-Id-2")
			}
			if len(again) != len(other.w.header) {
				t.Errorf("%s: %v, of a new server %v", c.name, again, other.w.header)
			}
			for name := range other.w.header {
				if name != "Content-Length" && again.Get(name) != other.w.header.Get(name) {
					t.Errorf("%s: %s is %q, of a new server %q", c.name, name, again.Get(name), other.w.header.Get(name))
				}
			}
		}
	}
	if len(kept) != 3*len(hotCases) {
		t.Errorf("%d request ids, want %d", len(kept), 3*len(hotCases))
	}
	for id, h := range kept {
		if h.Get("X-Amz-Request-Id") != id {
			t.Errorf("the headers of %s have become those of %s", id, h.Get("X-Amz-Request-Id"))
		}
	}
}

// TestOverridePrefix checks that the quick look for response-* parameters finds
// each of them.
func TestOverridePrefix(t *testing.T) {
	for _, o := range s3.Overrides() {
		if !hasOverrides(sign.Query{{Name: "X-Amz-Date"}, {Name: o.Param}}) {
			t.Errorf("%s is overlooked", o.Param)
		}
	}
	if hasOverrides(sign.Query{{Name: "X-Amz-Date"}}) {
		t.Error("a date is taken for a response header")
	}
}

// TestCarriesHeaders checks that a query without headers is the only one that
// is not looked through for them.
func TestCarriesHeaders(t *testing.T) {
	signature := sign.Query{{Name: "X-Amz-Algorithm"}, {Name: "X-Amz-Credential"}, {Name: "X-Amz-Date"}, {Name: "X-Amz-Expires"},
		{Name: "X-Amz-SignedHeaders"}, {Name: "X-Amz-Signature"}, {Name: "x-id", Value: "GetObject"}, {Name: "partNumber", Value: "1"}}
	if carriesHeaders(signature, sign.V4) {
		t.Error("a signature is taken for headers")
	}
	for _, name := range []string{"x-amz-meta-a", "X-Amz-Server-Side-Encryption", "x-amz-content-sha256", "X-Amz-Security-Token",
		"if-match", "If-None-Match", "x-amz-algorithm", "x-amz-date", "X-AMZ-DATE"} {
		if !carriesHeaders(append(signature[:len(signature):len(signature)], sign.Param{Name: name}), sign.V4) {
			t.Errorf("%s is overlooked", name)
		}
	}
	for _, v := range []sign.Version{sign.V4, sign.V2} {
		if got := carriesHeaders(sign.Query{{Name: "content-type"}}, v); got != (v == sign.V2) {
			t.Errorf("%s: content-type: %v", v, got)
		}
	}
}
