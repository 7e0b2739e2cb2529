package diskstore

import (
	"encoding/binary"
	"slices"

	"github.com/cockroachdb/pebble/v2"
)

// An edit is one atomic, durable change of the index. It keeps count of what
// refers to each blob and manifest: by itself one record does; where more do,
// a record in spaceShared says how many more. What nothing refers to any
// longer is freed by the same commit.
type edit struct {
	d     *Driver
	batch *pebble.Batch
	refs  []refChange // each of another blob or manifest
	// places are where in refs one is, once there are more than a few.
	places map[uint64]int
	few    [2]refChange // memory for refs
	freed  freed
}

// A refChange is what an edit does to the number of references to a blob or
// manifest.
type refChange struct {
	id   uint64
	by   int
	kind refKind
}

// fewRefs is up to how many changes are looked through one after the other.
const fewRefs = 8

type refKind int

const (
	smallBlob refKind = iota
	fileBlob
	wholeManifest
)

// freed is what a commit leaves to the collector.
type freed struct {
	files   []uint64
	dropped []uint64 // manifests and uploads
}

func (d *Driver) newEdit() *edit { return &edit{d: d, batch: d.db.NewBatch()} }

// close must be called once the edit is no longer needed, committed or not.
func (e *edit) close() { e.batch.Close() }

// refer changes the number of references to each of some segments.
func (e *edit) refer(by int, segments ...segment) {
	for _, s := range segments {
		kind := smallBlob
		if s.file {
			kind = fileBlob
		}
		e.referTo(s.blob, by, kind)
	}
}

func (e *edit) referTo(id uint64, by int, kind refKind) {
	if i, ok := e.findRef(id); ok {
		e.refs[i].by += by
		return
	}
	if e.refs == nil {
		e.refs = e.few[:0]
	}
	e.refs = append(e.refs, refChange{id: id, by: by, kind: kind})
	if e.places != nil {
		e.places[id] = len(e.refs) - 1
	}
}

// findRef returns where in refs a blob or manifest is.
func (e *edit) findRef(id uint64) (i int, ok bool) {
	if len(e.refs) <= fewRefs {
		i = slices.IndexFunc(e.refs, func(c refChange) bool { return c.id == id })
		return i, i >= 0
	}
	if e.places == nil {
		e.places = make(map[uint64]int, 2*len(e.refs))
		for i := range e.refs {
			e.places[e.refs[i].id] = i
		}
	}
	i, ok = e.places[id]
	return i, ok
}

// referBody changes the number of references to the body of a record.
func (e *edit) referBody(by int, rec *objectRecord) {
	e.refer(by, rec.segments...)
	if rec.manifest != 0 {
		e.referTo(rec.manifest, by, wholeManifest)
	}
}

// commit makes the edit durable. Only a nil error may be acknowledged.
func (e *edit) commit() error {
	defer e.lockRefs()()
	for i := range e.refs {
		if err := e.count(&e.refs[i]); err != nil {
			return err
		}
	}
	if e.batch.Empty() {
		// On a frozen index it may be a refused change that one sees.
		return writeError(e.d.fuse.blown())
	}
	if err := e.d.commit(e.batch); err != nil {
		return writeError(err)
	}
	e.d.garbage.add(e.freed)
	return nil
}

// lockRefs locks what refs are about.
func (e *edit) lockRefs() (unlock func()) {
	switch len(e.refs) {
	case 0:
		return func() {}
	case 1:
		stripe := &e.d.blobLocks[blobStripe(e.refs[0].id)]
		stripe.Lock()
		return stripe.Unlock
	}
	stripes := make([]int, len(e.refs))
	for i := range e.refs {
		stripes[i] = blobStripe(e.refs[i].id)
	}
	return e.d.blobLocks.lock(stripes...)
}

// count adds to the batch what a change of references makes of a blob. The
// blob's stripe is locked.
func (e *edit) count(c *refChange) error {
	if c.by == 0 {
		return nil
	}
	before, err := e.d.sharers(c.id)
	if err != nil {
		return err
	}
	switch after := before + c.by; {
	case after < 0:
		return e.free(c.id, c.kind, before > 0)
	case after == 0:
		return e.batch.Delete(idKey(spaceShared, c.id), nil)
	default:
		e.d.sharing.Store(true)
		return e.batch.Set(idKey(spaceShared, c.id), binary.AppendUvarint(nil, uint64(after)), nil)
	}
}

// sharers returns how many references to a blob or manifest there are besides
// one.
func (d *Driver) sharers(id uint64) (n int, err error) {
	if !d.sharing.Load() {
		return 0, nil
	}
	_, err = d.get(idKey(spaceShared, id), func(value []byte) error {
		v, size := binary.Uvarint(value)
		if size <= 0 {
			return errMalformed
		}
		n = int(v)
		return nil
	})
	return n, err
}

// loadSharing finds out whether anything in the index is shared.
func (d *Driver) loadSharing() error {
	none, err := d.emptyRange(&pebble.IterOptions{LowerBound: []byte{spaceShared}, UpperBound: []byte{spaceShared + 1}})
	d.sharing.Store(!none)
	return err
}

// free adds to the batch the end of a blob or manifest. Small bodies are gone
// at once; the rest is the collector's work.
func (e *edit) free(id uint64, kind refKind, shared bool) error {
	var err error
	set := func(space byte) {
		if err == nil {
			err = e.batch.Set(idKey(space, id), nil, nil)
		}
	}
	remove := func(space byte) {
		if err == nil {
			err = e.batch.Delete(idKey(space, id), nil)
		}
	}
	if shared {
		remove(spaceShared)
	}
	switch kind {
	case smallBlob:
		remove(spaceBody)
	case fileBlob:
		remove(spaceFile)
		set(spaceGarbage)
		e.freed.files = append(e.freed.files, id)
	case wholeManifest:
		set(spaceDropped)
		e.freed.dropped = append(e.freed.dropped, id)
	}
	return err
}

// dropUpload adds to the batch that the parts of an upload are of no use.
func (e *edit) dropUpload(order uint64) error {
	e.freed.dropped = append(e.freed.dropped, order)
	return e.batch.Set(idKey(spaceDropped, order), droppedRecord{upload: true}.encode(), nil)
}

// addBody adds a staged body to the batch, which is about to be committed.
func (e *edit) addBody(s *staged) error {
	s.offered = true
	switch {
	case s.size == 0:
		return nil
	case s.file:
		r := fileRecord{size: s.size, crc: s.crc}
		return e.batch.Set(idKey(spaceFile, s.id), r.encode(), nil)
	}
	op := e.batch.SetDeferred(9, crcSize+len(s.small))
	op.Key[0] = spaceBody
	binary.BigEndian.PutUint64(op.Key[1:], s.id)
	binary.BigEndian.PutUint64(op.Value, s.crc)
	copy(op.Value[crcSize:], s.small)
	return op.Finish()
}
