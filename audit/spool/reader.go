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

// A found is a record or a gap.
type found struct {
	at, next Position
	// event is the stored form of an event, until the next call; nil for a gap.
	event []byte
	gap   Gap
}

// next returns the entry at pos. The rest is nextRecord's.
func (r *reader) next(limit Position, mend bool) (Entry, error) {
	f, err := r.nextRecord(limit, mend)
	e := Entry{Gap: f.gap, At: f.at, Next: f.next}
	if f.event == nil || err != nil {
		return e, err
	}
	e.Event = new(daypass.Event)
	if audit.DecodeEvent(string(f.event), e.Event) != nil {
		e.Event, e.Gap = nil, damagedRecord(f.at, f.next)
	}
	return e, nil
}

// damagedRecord is the gap for a record that cannot be understood.
func damagedRecord(from, to Position) Gap {
	return Gap{Loss: Damage, Events: 1, Bytes: uint64(to - from)}
}

// nextRecord returns the record at pos. It reads nothing at or behind limit and
// returns io.EOF there, and at the end of the last segment. What is valid there
// behind something that is not is read only where mend is set, since a record
// may be half written.
func (r *reader) nextRecord(limit Position, mend bool) (found, error) {
	for r.pos < limit {
		if r.file == nil {
			if gap, err := r.open(); err != nil || gap != nil {
				return foundOf(gap), err
			}
		}
		end := min(limit, r.bound)
		if r.pos >= end {
			r.close()
			continue
		}
		rec, n, ok, err := r.record(end)
		if err != nil {
			return found{}, err
		}
		if ok && rec.kind == kindEvent && r.want != nil && !r.want(rec.payload) {
			r.pos, r.buf = r.pos+Position(n), r.buf[n:]
			continue
		}
		if ok {
			return r.take(rec, n), nil
		}
		if r.last {
			moved, err := r.rebound()
			if err != nil {
				return found{}, err
			}
			if moved {
				continue
			}
		}
		if gap, err := r.skip(end, mend || !r.last || limit < noLimit); gap != nil || err != nil {
			return foundOf(gap), err
		}
	}
	return found{}, io.EOF
}

// noLimit is behind everything.
const noLimit = ^Position(0)

func foundOf(gap *found) found {
	if gap == nil {
		return found{}
	}
	return *gap
}

// take goes past a record. A kind that is not known is left to later versions.
func (r *reader) take(rec record, n int) found {
	f := found{at: r.pos, next: r.pos + Position(n)}
	switch rec.kind {
	case kindGap:
		f.gap = decodeGap(rec.payload)
	case kindEvent:
		f.event = rec.payload
	default:
		f.gap = damagedRecord(f.at, f.next)
	}
	r.pos, r.buf = f.next, r.buf[n:]
	return f
}

// gapTo goes to a position and returns the gap before it.
func (r *reader) gapTo(to Position, why Loss) *found {
	f := &found{at: r.pos, next: to, gap: Gap{Loss: why, Bytes: uint64(to - r.pos)}}
	r.pos, r.buf = to, nil
	return f
}

// open opens the segment that holds pos. Where that was removed it goes to the
// oldest there is and returns the gap.
func (r *reader) open() (gap *found, err error) {
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
		_, r.marker = newHeader(n.start) // so that nothing in it is valid, whatever clients wrote
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
func (r *reader) skip(end Position, mend bool) (gap *found, err error) {
	if !mend {
		r.close() // a new segment may have begun
		return nil, io.EOF
	}
	r.buf = nil // its memory is used
	st, err := r.file.Stat()
	if err != nil {
		return nil, err
	}
	from := headerBytes + int64(r.pos-r.name.start)
	size := max(0, st.Size()-from)
	if end != noLimit {
		size = min(size, int64(end-r.pos))
	}
	i, err := r.find(from, size)
	switch {
	case err != nil:
		return nil, err
	case i == 0:
		return nil, nil // it was being written
	case i > 0:
		return r.gapTo(r.pos+Position(i), Damage), nil
	case end == noLimit:
		r.close()
		return nil, io.EOF
	}
	return r.gapTo(end, Damage), nil
}

// find returns how far behind a place in the file the first valid record is, -1
// where there is none in so many bytes. It reads no further than that, and as
// much at once as any record.
func (r *reader) find(from, size int64) (int64, error) {
	const most = frameBytes + maxPayload
	for at := int64(0); at < size; at += readBytes - most { // what may be cut off here begins the next piece
		n, err := r.file.ReadAt(r.store[:min(size-at, readBytes)], from+at)
		if err != nil && !errors.Is(err, io.EOF) {
			return -1, err
		}
		if i := findRecord(r.store[:n], r.marker); i >= 0 {
			return at + int64(i), nil
		}
		if at+readBytes >= size {
			break
		}
	}
	return -1, nil
}
