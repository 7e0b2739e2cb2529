package diskstore

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"sort"
	"sync"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/store"
)

// manifest returns a manifest. errBlobGone.
func (d *Driver) manifest(id uint64) (m *manifest, err error) {
	found, err := d.get(idKey(spaceManifest, id), func(value []byte) (err error) {
		m, err = decodeManifest(value)
		return err
	})
	if err == nil && !found {
		err = errBlobGone
	}
	return m, err
}

// openManifest opens the body of an object in parts and fills in its parts.
// Its blobs stay until it is closed, as its manifest is pinned.
func (d *Driver) openManifest(f *found, ref daypass.ObjectRef) (*store.Object, store.Body, error) {
	id := f.rec.manifest
	if !d.pins.pin(id) {
		return nil, nil, errBlobGone
	}
	l := d.kept.get(id)
	if l == nil {
		m, err := d.manifest(id)
		if err != nil {
			d.unpin(id)
			return nil, nil, err
		}
		l = m.layout()
		d.kept.put(id, l)
	}
	d.keep(f, ref.Key, nil)
	obj := f.object(ref)
	obj.Parts = l.parts
	return obj, &partsBody{d: d, manifest: id, layout: l}, nil
}

// A layout is a manifest as readers need it. It is shared: nobody may change
// it.
type layout struct {
	segments []segment
	ends     []int64 // where each segment ends in the body
	parts    []store.Part
}

func (m *manifest) layout() *layout {
	l := &layout{segments: m.segments(), parts: m.storeParts()}
	l.ends = make([]int64, len(l.segments))
	var end int64
	for i, s := range l.segments {
		end += s.size
		l.ends[i] = end
	}
	return l
}

// memory is about how many bytes a layout takes.
func (l *layout) memory() int64 {
	n := 256 + 48*len(l.segments) + 192*len(l.parts)
	for i := range l.parts {
		n += 128*len(l.parts[i].Checksums) + len(l.parts[i].Salt)
	}
	return int64(n)
}

// manifests keeps the layouts of objects in parts that were read lately. As
// manifests do not change and their ids do not repeat, there is nothing to be
// kept true; but one is only put here while it is pinned, and taken away before
// its blobs go.
type manifests struct {
	mu      sync.Mutex
	entries sieve[*layout]
}

func (c *manifests) get(id uint64) *layout {
	c.mu.Lock()
	defer c.mu.Unlock()
	l, _ := c.entries.get(id)
	return l
}

func (c *manifests) put(id uint64, l *layout) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.entries.put(id, l, l.memory())
}

// memory returns about how many bytes the layouts take, and may take.
func (c *manifests) memory() (used, limit int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.entries.used, c.entries.limit
}

func (c *manifests) remove(id uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.entries.remove(id)
}

func (d *Driver) unpin(manifest uint64) {
	if d.pins.unpin(manifest) {
		d.garbage.add(freed{dropped: []uint64{manifest}})
	}
}

// A partsBody is a body in segments. At most one blob is open at a time.
type partsBody struct {
	d        *Driver
	manifest uint64 // pinned
	*layout
	closed sync.Once

	file   *handle // nil when none is open
	reader rangeReader
}

func (b *partsBody) size() int64 {
	if len(b.ends) == 0 {
		return 0
	}
	return b.ends[len(b.ends)-1]
}

// Range implements store.Body.
func (b *partsBody) Range(off, n int64) (io.Reader, error) {
	if err := checkRange(off, n, b.size()); err != nil {
		return nil, err
	}
	first := sort.Search(len(b.ends), func(i int) bool { return b.ends[i] > off })
	return &partsReader{body: b, next: first, off: off, left: n}, nil
}

// Close implements store.Body.
func (b *partsBody) Close() error {
	var err error
	b.closed.Do(func() {
		err = b.closeFile()
		b.d.unpin(b.manifest)
	})
	return err
}

func (b *partsBody) closeFile() error {
	if b.file == nil {
		return nil
	}
	f := b.file
	b.file = nil
	return f.of.give(f)
}

// open returns a reader over n bytes of a segment from off on.
func (b *partsBody) open(s segment, off, n int64) (io.Reader, error) {
	if !s.file {
		data, err := b.d.readSmall(s)
		if err != nil {
			return nil, err
		}
		return bytes.NewReader(data[off : off+n]), nil
	}
	if err := b.openFile(s); err != nil {
		return nil, err
	}
	return b.reader.over(b.file, s.off+off, n)
}

// openFile opens the blob of a segment, unless it is the one that is open.
func (b *partsBody) openFile(s segment) error {
	if b.file != nil && b.file.id == s.blob {
		return nil
	}
	if err := b.closeFile(); err != nil {
		return err
	}
	file, err := b.d.handles.take(s)
	b.file = file
	return err
}

// A partsReader reads a range of a body from one segment after the other.
type partsReader struct {
	body *partsBody
	next int   // the segment to be opened next
	off  int64 // where in the body it goes on there
	left int64 // what follows what is open

	open io.Reader // nil when nothing is
	size int64     // what open still has, as far as Read knows
}

var _ io.WriterTo = (*partsReader)(nil)

// advance opens the next segment. io.EOF at the end of the range.
func (r *partsReader) advance() error {
	if r.left == 0 {
		return io.EOF
	}
	b := r.body
	s, end := b.segments[r.next], b.ends[r.next]
	n := min(end-r.off, r.left)
	open, err := b.open(s, r.off-(end-s.size), n)
	if err != nil {
		return err
	}
	r.open, r.size = open, n
	r.next, r.off, r.left = r.next+1, r.off+n, r.left-n
	return nil
}

// Read implements io.Reader.
func (r *partsReader) Read(p []byte) (int, error) {
	for len(p) > 0 {
		if r.size == 0 {
			if err := r.advance(); err != nil {
				return 0, err
			}
		}
		n, err := r.open.Read(p[:min(int64(len(p)), r.size)])
		r.size -= int64(n)
		switch {
		case n > 0:
			return n, nil
		case err == io.EOF:
			return 0, io.ErrUnexpectedEOF
		case err != nil:
			return 0, err
		}
	}
	return 0, nil
}

// WriteTo implements io.WriterTo: each segment is a copy of its own, which
// need not pass through user space.
func (r *partsReader) WriteTo(w io.Writer) (total int64, err error) {
	for {
		if r.size == 0 {
			err := r.advance()
			if err == io.EOF {
				return total, nil
			}
			if err != nil {
				return total, err
			}
		}
		n, err := io.Copy(w, r.open)
		total, r.size = total+n, r.size-n
		if err != nil {
			return total, err
		}
		if r.size > 0 {
			return total, io.ErrUnexpectedEOF
		}
	}
}

// pins keep manifests, and with them the blobs that they name, from being
// taken apart while a body is open.
type pins struct {
	mu      sync.Mutex
	holders map[uint64]int
	waiting []uint64 // pinned manifests that are to be taken apart
	ending  []uint64 // manifests that are being taken apart
}

// pin holds a manifest; it fails when it is being taken apart.
func (p *pins) pin(id uint64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if slices.Contains(p.ending, id) {
		return false
	}
	if p.holders == nil {
		p.holders = make(map[uint64]int)
	}
	p.holders[id]++
	return true
}

// unpin releases a manifest and reports whether it is to be taken apart now.
func (p *pins) unpin(id uint64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.holders[id]--
	if p.holders[id] > 0 {
		return false
	}
	delete(p.holders, id)
	i := slices.Index(p.waiting, id)
	if i < 0 {
		return false
	}
	p.waiting = slices.Delete(p.waiting, i, i+1)
	return true
}

// end begins to take a manifest apart. If it is pinned, that must wait until
// unpin says so. ended must be called afterwards.
func (p *pins) end(id uint64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.holders[id] > 0 {
		if !slices.Contains(p.waiting, id) {
			p.waiting = append(p.waiting, id)
		}
		return false
	}
	p.ending = append(p.ending, id)
	return true
}

func (p *pins) ended(id uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ending = slices.DeleteFunc(p.ending, func(e uint64) bool { return e == id })
}

// dismantle takes a dropped manifest or upload apart: what it refers to is
// freed. A pinned manifest waits.
func (d *Driver) dismantle(id uint64) error {
	if !d.pins.end(id) {
		return nil
	}
	defer d.pins.ended(id)
	d.kept.remove(id)
	var rec droppedRecord
	found, err := d.get(idKey(spaceDropped, id), func(value []byte) (err error) {
		rec, err = decodeDropped(value)
		return err
	})
	if !found || err != nil {
		return err
	}
	e := d.newEdit()
	defer e.close()
	if err := e.batch.Delete(idKey(spaceDropped, id), nil); err != nil {
		return err
	}
	if rec.upload {
		err = e.dismantleUpload(id)
	} else {
		err = e.dismantleManifest(id)
	}
	if err != nil {
		return err
	}
	return e.commit()
}

func (e *edit) dismantleUpload(order uint64) error {
	return eachPart(e.d.db, order, 0, func(p *partRecord) (bool, error) {
		e.refer(-1, p.segments...)
		return true, e.batch.Delete(partKey(order, p.Number), nil)
	})
}

func (e *edit) dismantleManifest(id uint64) error {
	m, err := e.d.manifest(id)
	if errors.Is(err, errBlobGone) {
		return nil
	}
	if err != nil {
		return err
	}
	e.refer(-1, m.segments()...)
	return e.batch.Delete(idKey(spaceManifest, id), nil)
}
