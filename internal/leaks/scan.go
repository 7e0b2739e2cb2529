package leaks

import (
	"bytes"
	"io"
	"slices"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/sign"
)

// A Leak is a pre-signed URL and where it stands.
type Leak struct {
	// URL is the whole URL, unescaped. With NoHost, its host is a placeholder.
	URL daypass.Secret
	// Inspection is what the URL says of itself; its pass id is never empty.
	Inspection *sign.Inspection
	// NoHost says that only a path and query were found, as the logs of
	// servers have them.
	NoHost bool
	// Line and Column are where the URL begins, both counted from one; columns
	// are bytes.
	Line, Column int64
}

const (
	// bufferSize is the memory that a Scanner takes.
	bufferSize = 512 << 10
	// reach is how far a URL, as it is written, may extend to either side of
	// the name of its signature: much more than servers take.
	reach = 32 << 10
)

// anchor is in every pre-signed URL and rare elsewhere. What stands for the
// "=" behind it depends on how the URL is escaped.
const anchor = "Signature"

// A Scanner finds pre-signed URLs. It keeps its buffer from one stream to the
// next; the zero value is ready for use, by one goroutine at a time.
type Scanner struct {
	buf     []byte
	anchors []place
}

// A place is where an anchor begins.
type place struct {
	at     int
	broken bool // by a soft line break of quoted-printable
}

// A stream is where in its input a scan is.
type stream struct {
	found func(Leak)
	// begin is where the buffer begins, and near is shortly before what is
	// looked at, so that lines are not counted again and again.
	begin, near mark
	// passed are the ends of the last anchor of each kind. A URL has one, so
	// what comes before it is looked at only once.
	passed [kinds]int
}

// Scan reads r to its end and reports each URL, in order. What was read before
// an error of r is looked through as well.
func (s *Scanner) Scan(r io.Reader, found func(Leak)) error {
	if s.buf == nil {
		s.buf = make([]byte, bufferSize)
	}
	st := &stream{found: found, begin: mark{line: 1}, near: mark{line: 1}}
	for from, fill := 0, 0; ; {
		n, err := io.ReadFull(r, s.buf[fill:])
		fill += n
		limit := fill
		if err == nil {
			limit -= reach
		}
		s.search(st, s.buf[:fill], from, limit)
		switch err {
		case nil:
		case io.EOF, io.ErrUnexpectedEOF:
			return nil
		default:
			return err
		}
		drop := limit - reach
		st.forget(s.buf, drop)
		fill = copy(s.buf, s.buf[drop:fill])
		from = limit - drop
	}
}

// A mark is a place in the buffer, the number of the line that it is in, and
// how many bytes of that line come before it.
type mark struct {
	at           int
	line, column int64
}

// move returns the mark of a later place.
func (m mark) move(buf []byte, to int) mark {
	text := buf[m.at:to]
	newlines := bytes.Count(text, []byte{'\n'})
	if newlines == 0 {
		return mark{to, m.line, m.column + int64(len(text))}
	}
	return mark{to, m.line + int64(newlines), int64(len(text) - bytes.LastIndexByte(text, '\n') - 1)}
}

// forget moves the beginning of the buffer.
func (st *stream) forget(buf []byte, dropped int) {
	st.begin = st.begin.move(buf, dropped)
	st.begin.at = 0
	st.near = st.begin
	for kind := range st.passed {
		st.passed[kind] = max(st.passed[kind]-dropped, 0)
	}
}

// locate returns the mark of a place; what is looked at later is at low at the
// earliest, or else takes longer to locate.
func (st *stream) locate(buf []byte, low, at int) mark {
	if low > st.near.at {
		st.near = st.near.move(buf, low)
	}
	if at < st.near.at {
		return st.begin.move(buf, at)
	}
	return st.near.move(buf, at)
}

// search looks at the anchors that begin in buf[from:limit].
func (s *Scanner) search(st *stream, buf []byte, from, limit int) {
	s.anchors = appendAnchors(s.anchors[:0], buf, from, limit)
	for i, p := range s.anchors {
		kind := kindOf(buf, p)
		low := max(p.at-reach, st.passed[kind])
		high := min(p.at+reach, len(buf))
		for _, next := range s.anchors[i+1:] {
			if next.at >= high {
				break
			}
			if kindOf(buf, next) == kind {
				high = next.at
				break
			}
		}
		st.passed[kind] = p.at + len(anchor)
		if leak, start, ok := find(buf[low:high], p.at-low, p.broken); ok {
			m := st.locate(buf, low, low+start)
			leak.Line, leak.Column = m.line, m.column+1
			st.found(leak)
		}
	}
}

// Kinds of anchors, by how the "=" behind them is written.
const (
	kindPlain = iota
	kindPercent
	kindOther
	kinds
)

func kindOf(buf []byte, p place) int {
	if p.broken || p.at+len(anchor) >= len(buf) {
		return kindOther
	}
	switch buf[p.at+len(anchor)] {
	case '=':
		return kindPlain
	case '%':
		return kindPercent
	}
	return kindOther
}

// appendAnchors appends where in buf[from:limit] the name of a signature may
// begin, in order.
func appendAnchors(list []place, buf []byte, from, limit int) []place {
	end := min(limit+len(anchor)-1, len(buf))
	for at := from; at < end; at += len(anchor) {
		i := bytes.Index(buf[at:end], []byte(anchor))
		if i < 0 {
			break
		}
		if at += i; isName(buf, at) {
			list = append(list, place{at: at})
		}
	}
	whole := len(list)
	for _, soft := range []string{"=\n", "=\r\n"} {
		list = appendBroken(list, buf, soft, from, limit)
	}
	if len(list) > whole {
		slices.SortFunc(list, func(a, b place) int { return a.at - b.at })
	}
	return list
}

// isName reports whether the anchor at a place can be the name of a parameter:
// it stands behind the "-" of "X-Amz-", or the end of a possibly escaped "&" or
// "?", and before the beginning of a possibly escaped "=".
func isName(buf []byte, at int) bool {
	end := at + len(anchor)
	if at == 0 || end == len(buf) {
		return false
	}
	switch buf[end] {
	case '=', '%', '\\', '&':
	default:
		return false
	}
	switch buf[at-1] {
	case '-', '&', '?', ';', '6', 'F', 'f', '\n': // "&", "&amp;", "%26", "\u0026", "%3F" …
		return true
	}
	return false
}

// appendBroken appends the anchors that a soft line break divides.
func appendBroken(list []place, buf []byte, soft string, from, limit int) []place {
	// A break may follow the limit while its anchor begins before it.
	end := min(limit+len(anchor)+len(soft), len(buf))
	for at := from; at < end; at += len(soft) {
		i := bytes.Index(buf[at:end], []byte(soft))
		if i < 0 {
			break
		}
		at += i
		for n := 1; n < len(anchor) && n <= at; n++ {
			if start := at - n; start >= from && start < limit && buf[start] == anchor[0] &&
				bytes.HasSuffix(buf[:at], []byte(anchor[:n])) && bytes.HasPrefix(buf[at+len(soft):], []byte(anchor[n:])) {
				list = append(list, place{at: start, broken: true})
			}
		}
	}
	return list
}
