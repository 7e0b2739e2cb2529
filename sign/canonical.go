package sign

import (
	"bytes"
	"net/http"
	"net/textproto"
	"strconv"
	"strings"
	"sync"
)

// A scratch holds what one signature needs for the time of one call, reused
// across calls.
type scratch struct {
	canon []byte // canonical request
	sts   []byte // string to sign
	enc   []byte // encoded parameters
	spans []span
	sum   [64]byte
	given [80]byte // decoded signature
	size  int      // its length
	names []string // of x-amz-* headers
	hex   [64]byte // signature of the request as it came

	// For Verify.
	req   Request
	hosts [1]Host
	query Query
}

// A span is "name=value" in a buffer of encoded parameters.
type span struct{ name, value, end int }

var scratchPool = sync.Pool{New: func() any {
	return &scratch{
		canon: make([]byte, 0, 1024), sts: make([]byte, 0, 256), enc: make([]byte, 0, 1024),
		spans: make([]span, 0, 16), query: make(Query, 0, 16),
	}
}}

// text returns s as bytes, without allocating.
func (s *scratch) text(signature string) []byte { return s.hex[:copy(s.hex[:], signature)] }

func getScratch() *scratch { return scratchPool.Get().(*scratch) }

// release returns s to the pool, unless one hostile request made it large.
func (s *scratch) release() {
	if cap(s.canon) > 64<<10 || cap(s.enc) > 64<<10 || cap(s.spans) > 256 || cap(s.query) > 64 {
		return
	}
	scratchPool.Put(s)
}

// appendQuery appends the canonical query string, without the parameter at
// index skip. Parameters mostly stand in order already.
func (s *scratch) appendQuery(dst []byte, q Query, skip int) []byte {
	start := len(dst)
	last := span{end: -1}
	for i := range q {
		if i == skip {
			continue
		}
		if last.end >= 0 {
			dst = append(dst, '&')
		}
		sp := span{name: len(dst)}
		dst, sp.value = q[i].appendEncoded(dst)
		sp.end = len(dst)
		if last.end >= 0 && less(dst, sp, last) {
			return s.appendSorted(dst[:start], q, skip)
		}
		last = sp
	}
	return dst
}

// appendSorted is appendQuery for parameters that stand in any order. Names
// and values are compared apart: "a" comes before "a-b" although "-" comes
// before "=".
func (s *scratch) appendSorted(dst []byte, q Query, skip int) []byte {
	s.enc, s.spans = s.enc[:0], s.spans[:0]
	for i := range q {
		if i == skip {
			continue
		}
		sp := span{name: len(s.enc)}
		s.enc, sp.value = q[i].appendEncoded(s.enc)
		sp.end = len(s.enc)
		s.insert(sp)
	}
	for i, sp := range s.spans {
		if i > 0 {
			dst = append(dst, '&')
		}
		dst = append(dst, s.enc[sp.name:sp.end]...)
	}
	return dst
}

// appendEncoded appends "name=value" and tells where the value begins.
func (p *Param) appendEncoded(dst []byte) ([]byte, int) {
	if p.canonical != "" {
		return append(dst, p.canonical...), len(dst) + len(p.Name) + 1
	}
	dst = append(appendEscaped(dst, p.Name, &unreserved), '=')
	value := len(dst)
	return appendEscaped(dst, p.Value, &unreserved), value
}

// insert keeps the spans sorted; ParseQuery bounds their number.
func (s *scratch) insert(sp span) {
	i := len(s.spans)
	for i > 0 && less(s.enc, sp, s.spans[i-1]) {
		i--
	}
	s.spans = append(s.spans, sp)
	copy(s.spans[i+1:], s.spans[i:])
	s.spans[i] = sp
}

// less compares two encoded parameters by name, then by value.
func less(buf []byte, a, b span) bool {
	if c := bytes.Compare(buf[a.name:a.value-1], buf[b.name:b.value-1]); c != 0 {
		return c < 0
	}
	return bytes.Compare(buf[a.value:a.end], buf[b.value:b.end]) < 0
}

// A headerSource gives the values of signed headers.
type headerSource struct {
	host   string
	header http.Header
	// query holds x-amz-* headers that were carried as parameters.
	query Query
	// length is the Content-Length where the header map lacks it.
	length int64
}

// appendHeaders appends the canonical headers of a SignedHeaders list.
func (h *headerSource) appendHeaders(dst []byte, signed string) []byte {
	if signed == "host" {
		return append(append(append(dst, "host:"...), h.host...), '\n')
	}
	for signed != "" {
		var name string
		name, signed, _ = strings.Cut(signed, ";")
		dst = appendLower(dst, name)
		dst = append(dst, ':')
		dst = h.appendValue(dst, name)
		dst = append(dst, '\n')
	}
	return dst
}

func (h *headerSource) appendValue(dst []byte, name string) []byte {
	if name == "host" || strings.EqualFold(name, "host") {
		return append(dst, h.host...)
	}
	values := h.header[textproto.CanonicalMIMEHeaderKey(name)]
	if len(values) == 0 {
		return append(dst, h.absent(name)...)
	}
	for i, v := range values {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendFolded(dst, v)
	}
	return dst
}

// absent returns the value of a signed header that the header map lacks:
// x-amz-* may stand in the query instead, as the JavaScript SDK writes them.
func (h *headerSource) absent(name string) string {
	if isAmz(name) {
		v, _ := h.query.LookupFold(name)
		return strings.TrimSpace(v)
	}
	if strings.EqualFold(name, "content-length") && h.length >= 0 {
		return strconv.FormatInt(h.length, 10)
	}
	return ""
}

// appendFolded appends a header value without outer blanks and with inner
// runs of blanks made one ("Trimall" of the specification).
func appendFolded(dst []byte, v string) []byte {
	start, blank := len(dst), false
	for i := 0; i < len(v); i++ {
		c := v[i]
		if c == ' ' || c == '\t' || c == '\n' || c == '\r' {
			blank = true
			continue
		}
		if blank && len(dst) > start {
			dst = append(dst, ' ')
		}
		blank = false
		dst = append(dst, c)
	}
	return dst
}

func appendLower(dst []byte, s string) []byte {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		dst = append(dst, c)
	}
	return dst
}

func isAmz(name string) bool {
	return len(name) > 6 && (name[:6] == "X-Amz-" || (name[0]|0x20) == 'x' && strings.EqualFold(name[:6], "x-amz-"))
}

// listed reports whether a SignedHeaders list holds a name.
func listed(signed, name string) bool {
	for signed != "" {
		var s string
		s, signed, _ = strings.Cut(signed, ";")
		if len(s) == len(name) && (s == name || strings.EqualFold(s, name)) {
			return true
		}
	}
	return false
}
