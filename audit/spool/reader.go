package spool

import (
	"errors"
	"io"
	"os"
	"path/filepath"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/audit"
)

// An Entry is an event or a gap.
type Entry struct {
	Event *daypass.Event // nil for a gap
	Gap   Gap
	// At is where it is and Next where the one behind it is.
	At, Next Position
}

// readBytes is how much a reader reads at once. It holds any record.
const readBytes = 256 << 10

// A reader reads the records of a directory in order.
type reader struct {
	dir string
	pos Position // of the next record

	file   *os.File
	name   segmentName
	bound  Position // where the next segment begins; the end of all otherwise
	last   bool     // there is no next segment
	marker uint32

	buf   []byte // what was read and not yet used, at pos
	store []byte

	// want tells of the stored form of an event whether it is to be decoded;
	// nil is all.
	want func(payload []byte) bool
}

func newReader(dir string, pos Position) *reader {
	return &reader{dir: dir, pos: pos, store: make([]byte, readBytes)}
}

func (r *reader) close() {
	if r.file != nil {
		r.file.Close()
		r.file = nil
	}
	r.buf = nil
}

// next returns the entry at pos, its event in a new one. The rest is nextInto's.
func (r *reader) next(limit Position, mend bool) (Entry, error) {
	return r.nextInto(limit, mend, func() *daypass.Event { return new(daypass.Event) })
}

// nextInto returns the entry at pos; room makes room for an event. It reads nothing at or behind limit and
// returns io.EOF there, and at the end of the last segment. What is valid there
// behind something that is not is read only where mend is set, since a record
// may be half written.
func (r *reader) nextInto(limit Position, mend bool, room func() *daypass.Event) (Entry, error) {
	for r.pos < limit {
		if r.file == nil {
			if gap, err := r.open(); err != nil || gap != nil {
				return entryOf(gap), err
			}
		}
		end := min(limit, r.bound)
		if r.pos >= end {
			r.close()
			continue
		}
		rec, n, ok, err := r.record(end)
		if err != nil {
			return Entry{}, err
		}
		if ok && rec.kind == kindEvent && r.want != nil && !r.want(rec.payload) {
			r.pos, r.buf = r.pos+Position(n), r.buf[n:]
			continue
		}
		if ok {
			return r.entry(rec, n, room), nil
		}
		if r.last {
			moved, err := r.rebound()
			if err != nil {
				return Entry{}, err
			}
			if moved {
				continue
			}
		}
		if gap, err := r.skip(end, mend || !r.last || limit < noLimit); gap != nil || err != nil {
			return entryOf(gap), err
		}
	}
	return Entry{}, io.EOF
}

// noLimit is behind everything.
const noLimit = ^Position(0)

func entryOf(gap *Entry) Entry {
	if gap == nil {
		return Entry{}
	}
	return *gap
}

// entry decodes a record and goes past it. A kind that is not known is left
// to later versions.
func (r *reader) entry(rec record, n int, room func() *daypass.Event) Entry {
	e := Entry{At: r.pos, Next: r.pos + Position(n)}
	switch rec.kind {
	case kindGap:
		e.Gap = decodeGap(rec.payload)
	case kindEvent:
		e.Event = room()
		if audit.DecodeEvent(rec.payload, e.Event) != nil {
			e.Event, e.Gap = nil, Gap{Loss: Damage, Events: 1, Bytes: uint64(n)}
		}
	default:
		e.Gap = Gap{Loss: Damage, Events: 1, Bytes: uint64(n)}
	}
	r.pos, r.buf = e.Next, r.buf[n:]
	return e
}

// gapTo goes to a position and returns the gap before it.
func (r *reader) gapTo(to Position, why Loss) *Entry {
	e := &Entry{At: r.pos, Next: to, Gap: Gap{Loss: why, Bytes: uint64(to - r.pos)}}
	r.pos, r.buf = to, nil
	return e
}

// open opens the segment that holds pos. Where that was removed it goes to the
// oldest there is and returns the gap.
func (r *reader) open() (gap *Entry, err error) {
	names, err := listSegments(r.dir)
	if err != nil {
		return nil, err
	}
	names = current(names)
	for i, n := range names {
		bound := noLimit
		if i+1 < len(names) {
			bound = names[i+1].start
		}
		if bound <= r.pos {
			continue
		}
		if n.start > r.pos {
			return r.gapTo(n.start, Expiry), nil
		}
		return nil, r.openSegment(n, bound)
	}
	return nil, io.EOF
}

func (r *reader) openSegment(n segmentName, bound Position) error {
	f, err := os.Open(filepath.Join(r.dir, n.String()))
	if errors.Is(err, os.ErrNotExist) {
		return nil // it was removed just now: look again
	}
	if err != nil {
		return err
	}
	r.file, r.name, r.bound, r.last, r.buf = f, n, bound, bound == noLimit, nil
	r.marker, err = readMarker(f, n.start)
	switch {
	case err == nil:
		return nil
	case r.last && errors.Is(err, io.EOF):
		r.close()
		return io.EOF // it was made just now
	case errors.Is(err, io.EOF) || errors.Is(err, errHeader):
		r.marker = 0 // so that nothing in it is valid
		return nil
	}
	return err
}

// record returns the record at pos, where there is a valid one before end.
func (r *reader) record(end Position) (rec record, n int, ok bool, err error) {
	if rec, n, ok = parseRecord(r.buf, r.marker); ok {
		return rec, n, ok, nil
	}
	size := int(min(end-r.pos, readBytes))
	read, err := r.file.ReadAt(r.store[:size], headerBytes+int64(r.pos-r.name.start))
	if err != nil && !errors.Is(err, io.EOF) {
		return rec, 0, false, err
	}
	r.buf = r.store[:read]
	rec, n, ok = parseRecord(r.buf, r.marker)
	return rec, n, ok, nil
}

// rebound finds out whether a segment has begun behind what was the last.
func (r *reader) rebound() (moved bool, err error) {
	names, err := listSegments(r.dir)
	if err != nil {
		return false, err
	}
	for _, n := range names {
		if n.start > r.name.start || n.start == r.name.start && n.generation > r.name.generation {
			r.bound, r.last = n.start, false
			return true, nil
		}
	}
	return false, nil
}

// skip goes past what is not a record: to the next one before end, or to end.
// At the end of the last segment there is none.
func (r *reader) skip(end Position, mend bool) (gap *Entry, err error) {
	if !mend {
		r.close() // a new segment may have begun
		return nil, io.EOF
	}
	size := int64(0)
	if st, err := r.file.Stat(); err != nil {
		return nil, err
	} else if size = st.Size() - headerBytes - int64(r.pos-r.name.start); size < 0 {
		size = 0
	}
	if end != noLimit {
		size = min(size, int64(end-r.pos))
	}
	rest := make([]byte, size)
	n, err := r.file.ReadAt(rest, headerBytes+int64(r.pos-r.name.start))
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if i := findRecord(rest[:n], r.marker); i > 0 {
		return r.gapTo(r.pos+Position(i), Damage), nil
	}
	if end == noLimit {
		r.close()
		return nil, io.EOF
	}
	return r.gapTo(end, Damage), nil
}
