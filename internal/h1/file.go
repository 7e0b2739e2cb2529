//go:build linux

package h1

import (
	"errors"
	"io"
	"math"
	"net/http"
	"os"
	"syscall"
)

// ReadFrom implements io.ReaderFrom. A file, also one behind an
// io.LimitedReader or an io.SectionReader, goes out by sendfile where the
// size of the body is declared.
func (w *response) ReadFrom(src io.Reader) (int64, error) {
	if w.done.Load() {
		return 0, errReturned
	}
	f, ok := fileOf(src)
	if !ok || !w.wroteHeader || w.size < 0 || !w.settled() || w.head || !bodyAllowed(w.status) || len(w.x.text) > 0 {
		return w.copy(src)
	}
	w.dontAsk()
	if !w.framed {
		w.frame(nil, false)
	}
	if w.chunked {
		return w.copy(src)
	}
	room := w.size - w.written
	n, err := w.sendFile(f, min(f.size, room))
	w.written += n
	f.advance(n)
	switch {
	case errors.Is(err, syscall.EINVAL) && n == 0 && w.err == nil:
		return w.copy(src) // no file that can be sent so
	case err == nil && n == room && f.size > room && f.bounded:
		return n, http.ErrContentLength
	}
	return n, err
}

// copy copies through memory.
func (w *response) copy(src io.Reader) (n int64, err error) {
	buf := copyBuffers.Get().(*[]byte)
	defer copyBuffers.Put(buf)
	return io.CopyBuffer(struct{ io.Writer }{w}, struct{ io.Reader }{src}, *buf)
}

// A file is what is to be sent of one.
type file struct {
	*os.File
	size    int64
	bounded bool // size is what the source says, not all that there may be
	offset  *int64
	limited *io.LimitedReader
	section *io.SectionReader
}

// fileOf finds the file in a reader.
func fileOf(src io.Reader) (f file, ok bool) {
	switch r := src.(type) {
	case *os.File:
		return file{File: r, size: math.MaxInt64}, true
	case *io.LimitedReader:
		inner, ok := r.R.(*os.File)
		return file{File: inner, size: r.N, bounded: true, limited: r}, ok && r.N > 0
	case *io.SectionReader:
		outer, begin, size := r.Outer()
		inner, ok := outer.(*os.File)
		at, err := r.Seek(0, io.SeekCurrent)
		offset := begin + at
		return file{File: inner, size: size - at, bounded: true, offset: &offset, section: r}, ok && err == nil && size > at
	}
	return file{}, false
}

// advance tells the reader what was read of it.
func (f *file) advance(n int64) {
	switch {
	case f.limited != nil:
		f.limited.N -= n
	case f.section != nil:
		_, _ = f.section.Seek(n, io.SeekCurrent) // cannot fail forwards
	}
}

// sendFile sends n bytes of a file, after what is held back.
func (w *response) sendFile(f file, n int64) (sent int64, err error) {
	if w.err != nil {
		return 0, w.err
	}
	raw, err := f.SyscallConn()
	if err != nil {
		return 0, err
	}
	held := int64(len(w.x.out))
	o := output{first: w.x.out, more: true, size: n, offset: f.offset}
	control := raw.Control(func(fd uintptr) {
		o.file = int(fd)
		sent, err = w.conn.transmit(o)
	})
	w.x.out = append(w.x.out[:0], w.x.out[min(sent, held):]...)
	sent = max(sent-held, 0)
	switch {
	case control != nil:
		return 0, control
	case err == io.ErrUnexpectedEOF:
		return sent, nil // the file ends early, as a reader may
	case err != nil && !(errors.Is(err, syscall.EINVAL) && sent == 0):
		w.fail(err)
	}
	return sent, err
}
