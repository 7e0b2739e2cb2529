//go:build linux

package h1

import (
	"net/url"
	"testing"
	"time"
)

// FuzzConnection sends the same bytes in the same pieces to net/http and to
// this package.
func FuzzConnection(f *testing.F) {
	for i, c := range heads {
		if len(c.text) < 4096 {
			f.Add([]byte(c.text+get("/next")), uint8(i*7))
		}
	}
	for name := range behaviours {
		f.Add([]byte(put("/"+name, "some body")+get("/"+name)), uint8(0))
	}
	p := newPair(f)
	f.Fuzz(func(t *testing.T, data []byte, size uint8) {
		if len(data) > 32<<10 {
			return
		}
		pause := time.Duration(0)
		if size&1 != 0 {
			pause = 100 * time.Microsecond // often enough for the server to wait
		}
		var pieces [][]byte
		for step := int(size)*8 + 1; len(data) > 0 && len(pieces) < 50; {
			n := min(step, len(data))
			pieces, data = append(pieces, data[:n]), data[n:]
		}
		p.same(t, pieces, pause)
	})
}

// FuzzTarget compares the parsing of request targets with that of net/url.
func FuzzTarget(f *testing.F) {
	for _, target := range []string{"/", "/a/b?c", "/a?", "/?", "//a", "/%20", "/a:b@c", "/a#b", "/~", "/a?b?c"} {
		f.Add(target)
	}
	f.Fuzz(func(t *testing.T, target string) {
		var got url.URL
		if target == "" || target[0] != '/' || !visible(target) || !splitTarget(&got, target) {
			return
		}
		if want, err := url.ParseRequestURI(target); err != nil || *want != got {
			t.Errorf("%q: %#v, want %#v, %v", target, got, want, err)
		}
	})
}

// visible reports whether a target is one that the parser lets through.
func visible(target string) bool {
	for i := range len(target) {
		if c := target[i]; c <= ' ' || c == 0x7f {
			return false
		}
	}
	return true
}
