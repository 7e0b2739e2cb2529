package sign

import (
	"bytes"
	"net/http"
	"net/textproto"
	"strconv"
	"strings"
	"sync"
)

// A scratch holds the buffers of one signature, reused across calls.
type scratch struct {
	canon []byte // canonical request
	sts   []byte // string to sign
	enc   []byte // encoded names and values
	spans []span
	sum   [64]byte
}

// A span is "name=value" in the buffer of encoded parameters.
type span struct{ name, value, end int }

var scratchPool = sync.Pool{New: func() any {
	return &scratch{
		canon: make([]byte, 0, 1024), sts: make([]byte, 0, 256),
		enc: make([]byte, 0, 1024), spans: make([]span, 0, 16),
	}
}}

func getScratch() *scratch { return scratchPool.Get().(*scratch) }

// release returns s to the pool, unless one hostile request made it large.
func (s *scratch) release() {
	if cap(s.canon) > 64<<10 || cap(s.enc) > 64<<10 || cap(s.spans) > 256 {
		return
	}
	scratchPool.Put(s)
}

// appendQuery appends the canonical query string. Names and values are
// sorted apart: "a" comes before "a-b" although "-" comes before "=". The
// parameter with index skip is left out.
func (s *scratch) appendQuery(dst []byte, q Query, skip int) []byte {
	s.enc, s.spans = s.enc[:0], s.spans[:0]
	for i := range q {
		if i == skip {
			continue
		}
		s.insert(s.encode(&q[i]))
	}
	for i, sp := range s.spans {
		if i > 0 {
			dst = append(dst, '&')
		}
		dst = append(dst, s.enc[sp.name:sp.end]...)
	}
	return dst
}

// encode appends "name=value" to s.enc.
func (s *scratch) encode(p *Param) span {
	sp := span{name: len(s.enc)}
	if p.canonical != "" {
		s.enc = append(s.enc, p.canonical...)
		sp.value = len(s.enc) - len(p.canonical) + strings.IndexByte(p.canonical, '=') + 1
	} else {
		s.enc = append(appendEscaped(s.enc, p.Name, &unreserved), '=')
		sp.value = len(s.enc)
		s.enc = appendEscaped(s.enc, p.Value, &unreserved)
	}
	sp.end = len(s.enc)
	return sp
}

// insert keeps the spans sorted. Queries are short and mostly in order
// already; ParseQuery bounds the rest.
func (s *scratch) insert(sp span) {
	i := len(s.spans)
	for i > 0 && s.less(sp, s.spans[i-1]) {
		i--
	}
	s.spans = append(s.spans, sp)
	copy(s.spans[i+1:], s.spans[i:])
	s.spans[i] = sp
}

func (s *scratch) less(a, b span) bool {
	if c := bytes.Compare(s.enc[a.name:a.value-1], s.enc[b.name:b.value-1]); c != 0 {
		return c < 0
	}
	return bytes.Compare(s.enc[a.value:a.end], s.enc[b.value:b.end]) < 0
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
