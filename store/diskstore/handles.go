package diskstore

import (
	"errors"
	"sync"
	"syscall"
)

// maxIdleHandles is how many files of blobs stay open for the next reader.
const maxIdleHandles = 128

// handles keeps the files of blobs open that were read lately: opening one
// costs more than reading a little of it. A reader has its handle for itself,
// with its position, until it gives it back; so several of one blob may be
// open.
type handles struct {
	blobs *blobs

	mu             sync.Mutex
	idle           map[uint64]*handle // the last given back of each blob
	newest, oldest *handle            // of those that are idle
	count          int
	closed         bool // none is kept any longer
	lent           map[uint64]lending

	buffers sync.Pool // *[]byte of smallRange bytes
}

// A lending is what is known of a blob whose handles readers have.
type lending struct {
	readers int
	removed bool // the file is gone: its handles are not kept
}

// A handle is an open blob.
type handle struct {
	blobFile
	of           *handles
	id           uint64
	size         int64
	next         *handle // another idle one of the same blob
	newer, older *handle
}

func newHandles(b *blobs) *handles {
	h := &handles{blobs: b, idle: make(map[uint64]*handle), lent: make(map[uint64]lending)}
	h.buffers.New = func() any { return newBuffer(smallRange) }
	return h
}

// take returns a handle of the blob of a segment, which reaches as far.
func (h *handles) take(s segment) (*handle, error) {
	f := h.reuse(s.blob)
	if f == nil {
		var err error
		if f, err = h.open(s.blob); err != nil {
			h.returned(s.blob)
			return nil, err
		}
	}
	if err := checkBlob(s, f.size); err != nil {
		h.returned(s.blob)
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// reuse takes an idle handle, nil where there is none, and counts the reader.
func (h *handles) reuse(id uint64) *handle {
	h.mu.Lock()
	defer h.mu.Unlock()
	l := h.lent[id]
	l.readers++
	h.lent[id] = l
	f := h.idle[id]
	if f != nil {
		h.unlink(f)
	}
	return f
}

// open opens a blob. Where the process may have no more files, those that are
// idle make room.
func (h *handles) open(id uint64) (*handle, error) {
	f, size, err := h.blobs.open(id)
	if errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) {
		h.closeIdle()
		f, size, err = h.blobs.open(id)
	}
	if err != nil {
		return nil, err
	}
	return &handle{blobFile: f, of: h, id: id, size: size}, nil
}

// give takes a handle back.
func (h *handles) give(f *handle) error {
	h.mu.Lock()
	removed := h.leave(f.id)
	if removed || h.closed {
		h.mu.Unlock()
		return f.Close()
	}
	f.next = h.idle[f.id]
	h.idle[f.id] = f
	f.older, f.newer = h.newest, nil
	if h.newest != nil {
		h.newest.newer = f
	} else {
		h.oldest = f
	}
	h.newest = f
	h.count++
	var old *handle
	if h.count > maxIdleHandles {
		old = h.oldest
		h.unlink(old)
	}
	h.mu.Unlock()
	if old == nil {
		return nil
	}
	return old.Close()
}

// returned counts a reader that has no handle after all.
func (h *handles) returned(id uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.leave(id)
}

// leave counts a reader who goes, and reports whether the file is gone.
func (h *handles) leave(id uint64) (removed bool) {
	l := h.lent[id]
	if l.readers--; l.readers == 0 {
		delete(h.lent, id)
	} else {
		h.lent[id] = l
	}
	return l.removed
}

// unlink takes a handle out of the idle ones.
func (h *handles) unlink(f *handle) {
	if f.newer != nil {
		f.newer.older = f.older
	} else {
		h.newest = f.older
	}
	if f.older != nil {
		f.older.newer = f.newer
	} else {
		h.oldest = f.newer
	}
	h.count--
	first := h.idle[f.id]
	switch {
	case first == f && f.next == nil:
		delete(h.idle, f.id)
	case first == f:
		h.idle[f.id] = f.next
	default:
		for first.next != f {
			first = first.next
		}
		first.next = f.next
	}
	f.newer, f.older, f.next = nil, nil, nil
}

// forget closes the idle handles of blobs whose files are being removed, so
// that the disk gets their space back, and those that readers have once they
// give them back.
func (h *handles) forget(ids []uint64) {
	var idle []*handle
	h.mu.Lock()
	for _, id := range ids {
		if l, ok := h.lent[id]; ok {
			l.removed = true
			h.lent[id] = l
		}
		for f := h.idle[id]; f != nil; f = h.idle[id] {
			h.unlink(f)
			idle = append(idle, f)
		}
	}
	h.mu.Unlock()
	for _, f := range idle {
		f.Close() // the file was only read
	}
}

// idleCount returns how many handles are open that nobody reads from.
func (h *handles) idleCount() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.count
}

// close closes all handles that nobody reads from, and the others once they are
// given back.
func (h *handles) close() {
	h.mu.Lock()
	h.closed = true
	h.mu.Unlock()
	h.closeIdle()
}

// closeIdle closes all handles that nobody reads from.
func (h *handles) closeIdle() {
	h.mu.Lock()
	idle := make([]*handle, 0, h.count)
	for f := h.oldest; f != nil; f = h.oldest {
		h.unlink(f)
		idle = append(idle, f)
	}
	h.mu.Unlock()
	for _, f := range idle {
		f.Close()
	}
}
