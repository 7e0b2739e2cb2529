package diskstore

import (
	"encoding/binary"
	"maps"
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
	refs  map[uint64]*refChange
	freed freed
}

// A refChange is what an edit does to the number of references to a blob or
// manifest.
type refChange struct {
	by   int
	kind refKind
}

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
	if e.refs == nil {
		e.refs = make(map[uint64]*refChange)
	}
	c := e.refs[id]
	if c == nil {
		c = &refChange{kind: kind}
		e.refs[id] = c
	}
	c.by += by
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
	ids := slices.Collect(maps.Keys(e.refs))
	if len(ids) > 0 {
		stripes := make([]int, len(ids))
		for i, id := range ids {
			stripes[i] = blobStripe(id)
		}
		defer e.d.blobLocks.lock(stripes...)()
	}
	for _, id := range ids {
		if err := e.count(id, e.refs[id]); err != nil {
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

// count adds to the batch what a change of references makes of a blob. The
// blob's stripe is locked.
func (e *edit) count(id uint64, c *refChange) error {
	if c.by == 0 {
		return nil
	}
	before, err := e.d.sharers(id)
	if err != nil {
		return err
	}
	switch after := before + c.by; {
	case after < 0:
		return e.free(id, c.kind, before > 0)
	case after == 0:
		return e.batch.Delete(idKey(spaceShared, id), nil)
	default:
		return e.batch.Set(idKey(spaceShared, id), binary.AppendUvarint(nil, uint64(after)), nil)
	}
}

// sharers returns how many references to a blob or manifest there are besides
// one.
func (d *Driver) sharers(id uint64) (n int, err error) {
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
