package bench

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// Prepare stores the objects that the mix reads, over all connections. With
// create, the bucket is made first, unless it is there.
func (r *Runner) Prepare(ctx context.Context, create bool) error {
	if err := r.connect(ctx); err != nil {
		return err
	}
	if create {
		if err := r.createBucket(ctx); err != nil {
			return err
		}
	}
	if !r.config.Mix.reads() {
		return nil
	}
	return r.each(ctx, "storing objects", r.config.Objects, func(w *worker, i int) error {
		q := request{op: Put, key: r.readKey(i), size: r.config.Sizes.At(i)}
		if err := w.single(ctx, q); err != nil {
			return fmt.Errorf("storing %s: %w", q.key, err)
		}
		return nil
	})
}

// CleanUp removes the objects that Prepare and Run stored: by their names, so
// that nothing else below the prefix is touched.
func (r *Runner) CleanUp(ctx context.Context) error {
	remove := func(keyOf func(int) string) error {
		return r.each(ctx, "removing objects", r.config.Objects, func(w *worker, i int) error {
			key := keyOf(i)
			if err := w.single(ctx, request{op: Delete, key: key}); err != nil && !notFound(err) {
				return fmt.Errorf("removing %s: %w", key, err)
			}
			return nil
		})
	}
	if r.config.Mix.reads() {
		if err := remove(r.readKey); err != nil {
			return err
		}
	}
	if r.config.Mix[Put] > 0 {
		return remove(r.writeKey)
	}
	return nil
}

func notFound(err error) bool {
	var refused *refusal
	return errors.As(err, &refused) && refused.status == 404
}

// createBucket makes the bucket.
func (r *Runner) createBucket(ctx context.Context) error {
	err := r.workers[0].single(ctx, request{op: Put, bucket: true})
	var refused *refusal
	if errors.As(err, &refused) && refused.code == "BucketAlreadyOwnedByYou" {
		return nil
	}
	return err
}

// single carries out one operation that is not counted.
func (w *worker) single(ctx context.Context, q request) error {
	if err := w.open(ctx); err != nil {
		return err
	}
	// -1: this is none of the requests whose heads are kept.
	if err := w.compose(q, -1); err != nil {
		return err
	}
	_, err := w.do(q)
	if err != nil && !answered(err) {
		w.close()
	}
	return err
}

// each does something for the numbers below n, over all connections, and
// returns the first error.
func (r *Runner) each(ctx context.Context, name string, n int, do func(w *worker, i int) error) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var wg sync.WaitGroup
	var next atomic.Int64
	start := r.now()
	for _, w := range r.workers {
		wg.Go(func() {
			told := start
			for i := next.Add(1) - 1; i < int64(n) && ctx.Err() == nil; i = next.Add(1) - 1 {
				if err := do(w, int(i)); err != nil {
					stop(err)
				}
				if w == r.workers[0] {
					told = r.tell(name, start, told, i, n)
				}
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}

// tell tells of progress, five times a second; told is when it last did.
func (r *Runner) tell(name string, start, told time.Time, done int64, n int) time.Time {
	now := r.now()
	if r.config.Progress == nil || now.Sub(told) < 200*time.Millisecond {
		return told
	}
	r.config.Progress(Progress{Phase: name, Operations: done, Elapsed: now.Sub(start), Done: float64(done) / float64(n)})
	return now
}

// readBack reads all objects that were written and compares them.
func (r *Runner) readBack(ctx context.Context, report *Report) error {
	keys := r.keysWritten()
	out := &ReadBack{}
	var mu sync.Mutex
	err := r.each(ctx, "reading back", len(keys), func(w *worker, n int) error {
		q := request{op: Get, key: r.writeKey(keys[n]), size: r.config.Sizes.At(keys[n])}
		err := w.single(ctx, q)
		mu.Lock()
		defer mu.Unlock()
		switch {
		case err == nil:
			out.Objects++
		case notFound(err) && r.config.Mix[Delete] > 0:
			out.Gone++
		default:
			if out.Errors == nil {
				out.Errors = make(map[string]int64)
			}
			out.Errors[ErrorName(err)]++
		}
		return nil
	})
	report.ReadBack = out
	return err
}
