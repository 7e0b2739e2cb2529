package tracing

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// Stats tell what became of spans.
type Stats struct {
	// Exported are those that the collector took, Failed those that it did
	// not, Dropped those that found the queue full.
	Exported, Failed, Dropped int64
	// Queued are those that wait.
	Queued int
}

// An exportFunc sends a batch. Once hurry is closed it waits for nothing. An
// error without rejected spans is about all of them.
type exportFunc func(ctx context.Context, hurry <-chan struct{}, spans []sdktrace.ReadOnlySpan) (rejected int64, err error)

// A queue is a span processor that hands spans to a collector, many at a time.
// A span that finds it full is dropped and counted: requests do not wait.
type queue struct {
	size   queueSize
	export exportFunc
	failed func(error) // told of each batch; nil for success

	waiting chan sdktrace.ReadOnlySpan
	flush   chan chan struct{}
	stop    context.CancelFunc // ends the export under way
	ctx     context.Context
	closing chan struct{}
	closed  chan struct{}
	once    sync.Once

	exported, refused, dropped atomic.Int64
}

var _ sdktrace.SpanProcessor = (*queue)(nil)

func newQueue(size queueSize, export exportFunc, failed func(error)) *queue {
	q := &queue{size: size, export: export, failed: failed, waiting: make(chan sdktrace.ReadOnlySpan, size.spans),
		flush: make(chan chan struct{}), closing: make(chan struct{}), closed: make(chan struct{})}
	q.ctx, q.stop = context.WithCancel(context.Background())
	go q.run()
	return q
}

// OnStart implements trace.SpanProcessor.
func (q *queue) OnStart(context.Context, sdktrace.ReadWriteSpan) {}

// OnEnd implements trace.SpanProcessor.
func (q *queue) OnEnd(s sdktrace.ReadOnlySpan) {
	if !s.SpanContext().IsSampled() {
		return
	}
	select {
	case q.waiting <- s:
	default:
		q.dropped.Add(1)
	}
}

// run sends batches: whole ones at once, others after a delay.
func (q *queue) run() {
	defer close(q.closed)
	batch := make([]sdktrace.ReadOnlySpan, 0, q.size.batch)
	timer := time.NewTimer(q.size.delay)
	defer timer.Stop()
	for {
		var flushed chan struct{}
		select {
		case s := <-q.waiting:
			if len(batch) == 0 {
				timer.Reset(q.size.delay)
			}
			if batch = append(batch, s); len(batch) < q.size.batch {
				continue
			}
		case <-timer.C:
		case flushed = <-q.flush:
			batch = q.drain(batch)
		case <-q.closing:
			q.send(q.drain(batch))
			return
		}
		batch = q.send(batch)
		if flushed != nil {
			close(flushed)
		}
	}
}

// drain sends what waits, but for the last batch.
func (q *queue) drain(batch []sdktrace.ReadOnlySpan) []sdktrace.ReadOnlySpan {
	for {
		select {
		case s := <-q.waiting:
			if batch = append(batch, s); len(batch) == q.size.batch {
				batch = q.send(batch)
			}
		default:
			return batch
		}
	}
}

// send exports a batch and returns it empty.
func (q *queue) send(batch []sdktrace.ReadOnlySpan) []sdktrace.ReadOnlySpan {
	if len(batch) == 0 {
		return batch
	}
	all := int64(len(batch))
	rejected, err := q.export(q.ctx, q.closing, batch)
	if err != nil && rejected == 0 {
		rejected = all
	}
	rejected = min(max(rejected, 0), all)
	q.exported.Add(all - rejected)
	q.refused.Add(rejected)
	q.failed(err)
	clear(batch)
	return batch[:0]
}

// ForceFlush implements trace.SpanProcessor.
func (q *queue) ForceFlush(ctx context.Context) error {
	done := make(chan struct{})
	select {
	case q.flush <- done:
	case <-q.closed:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Shutdown implements trace.SpanProcessor: it exports what waits, each batch at
// most once more, until ctx ends.
func (q *queue) Shutdown(ctx context.Context) error {
	q.once.Do(func() { close(q.closing) })
	defer q.stop()
	select {
	case <-q.closed:
		return nil
	case <-ctx.Done():
	}
	q.stop() // ends the export under way, and all that follow at once
	<-q.closed
	return ctx.Err()
}

func (q *queue) stats() Stats {
	return Stats{Exported: q.exported.Load(), Failed: q.refused.Load(), Dropped: q.dropped.Load(), Queued: len(q.waiting)}
}
