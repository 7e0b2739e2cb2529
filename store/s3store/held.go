package s3store

import (
	"context"
	"errors"
	"io"
	"sync"
)

// errBodyEnded is what a body returns to an upstream request that has ended.
var errBodyEnded = errors.New("s3store: the request has ended")

// A heldBody is a body of a known size on its way upstream. It holds its last
// byte back until the body has ended well, so that the upstream never has all of
// a body that is refused, or whose client has gone, and stores nothing.
type heldBody struct {
	ctx  context.Context //nolint:containedctx // that of the request
	mu   sync.Mutex
	body io.Reader
	left int64 // bytes to return
	err  error // of the body; io.EOF once it has ended well
	last [1]byte
	held bool
	done bool // nobody wants more
}

// Read implements io.Reader.
func (b *heldBody) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.done:
		return 0, errBodyEnded
	case b.left == 0:
		return 0, io.EOF
	case len(p) == 0:
		return 0, nil
	case b.left == 1:
		return b.finish(p)
	case b.err != nil:
		return 0, b.failure()
	}
	n, err := b.body.Read(p[:min(int64(len(p)), b.left-1)])
	b.left -= int64(n)
	b.err = err
	if err != nil && b.left > 1 || err != nil && err != io.EOF {
		return n, b.failure()
	}
	return n, nil
}

// finish returns the last byte once the body has ended behind it.
func (b *heldBody) finish(p []byte) (int, error) {
	for b.err == nil {
		var next [1]byte
		n, err := b.body.Read(next[:])
		if n > 0 && b.held {
			b.err = errTooLong
			break
		}
		if n > 0 {
			b.last, b.held = next, true
		}
		b.err = err
	}
	if b.err != io.EOF || !b.held {
		return 0, b.failure()
	}
	if b.err = b.ctx.Err(); b.err != nil {
		return 0, b.err
	}
	b.err = io.EOF
	p[0] = b.last[0]
	b.left = 0
	return 1, nil
}

// errTooLong cannot be: a store.Upload ends where it is said to.
var errTooLong = errors.New("s3store: a body is longer than its size")

// failure returns the error of a body that has not ended well.
func (b *heldBody) failure() error {
	if b.err == io.EOF {
		b.err = io.ErrUnexpectedEOF
	}
	return b.err
}

// sent reports whether the last byte was returned.
func (b *heldBody) sent() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.left == 0
}

// end ends the body, and returns the error that it broke off with, if it did.
func (b *heldBody) end() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.done = true
	if b.err == io.EOF {
		return nil
	}
	return b.err
}
