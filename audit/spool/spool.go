package spool

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/internal/durable"
)

// Options configure a spool. Zero values mean the defaults.
type Options struct {
	// Dir is the directory; it is made where there is none. One process at
	// a time may have it open.
	Dir string
	// Consumers are the names of all consumers: letters, digits, "-", "_" and
	// ".". Segments are kept until all of them are past; the cursors of
	// others are removed. A new consumer begins at the oldest event.
	Consumers []string
	// Late are those of Consumers that begin at the end where they are new,
	// since what happened before they were there is of no use to them.
	Late []string
	// QueueBytes bounds the memory of events that are not yet on the disk,
	// 32 MiB by default.
	QueueBytes int64
	// FlushEvery is how long an event may wait for others before all of them
	// are written and synced, 500 ms by default; FlushBytes, 1 MiB by
	// default, is how many bytes do not wait.
	FlushEvery time.Duration
	FlushBytes int64
	// RetryEvery is how long to wait after the disk took nothing, 1 s by
	// default.
	RetryEvery time.Duration
	// SegmentBytes is the size of a segment, 64 MiB by default.
	SegmentBytes int64
	// RetainBytes and RetainAge say how much that every consumer has is kept
	// for reading: 1 GiB and 30 days by default, whichever is less.
	RetainBytes int64
	RetainAge   time.Duration
	// MaxBytes bounds the directory, 8 GiB by default, so that a sink that
	// is away does not fill the disk. Beyond it the oldest segments go, whether
	// or not every consumer had them: those that had not are told of the gap,
	// and the others go on.
	MaxBytes int64
	// Busy reports whether the machine has better to do than to deliver
	// events; nil: never. See Limit.Patience.
	Busy func() bool
	// Logger is told of losses and failures; nil is silent.
	Logger *slog.Logger
	// Now is the clock, time.Now by default.
	Now func() time.Time

	create createFunc // tests
}

// createFunc makes a segment's file, which must not exist.
type createFunc func(path string) (segmentFile, error)

type segmentFile interface {
	io.WriterAt
	io.Closer
	Sync() error
	Truncate(size int64) error
}

func createSegment(path string) (segmentFile, error) {
	return os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
}

func orDefault[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

func (o *Options) setDefaults() {
	orDefault(&o.QueueBytes, 32<<20)
	orDefault(&o.FlushEvery, 500*time.Millisecond)
	orDefault(&o.FlushBytes, 1<<20)
	orDefault(&o.RetryEvery, time.Second)
	orDefault(&o.SegmentBytes, 64<<20)
	orDefault(&o.RetainBytes, 1<<30)
	orDefault(&o.RetainAge, 30*24*time.Hour)
	orDefault(&o.MaxBytes, 8<<30)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.create == nil {
		o.create = createSegment
	}
}

// A Spool is an open spool. Its methods may be called concurrently.
type Spool struct {
	opts   Options
	id     string // random, of this directory
	unlock func() error
	queue  *queue
	log    *segmentLog // of the writer alone, as is
	buf    []byte      // what it encodes into
	// spare is memory of batches. Between batches it is kept only as long as
	// the garbage collector lets it.
	spare sync.Pool

	syncs chan chan error
	quit  chan struct{} // closed to stop
	done  chan struct{} // closed when the writer has stopped
	once  sync.Once

	closed atomic.Bool // cursors are not written any more

	mu        sync.Mutex
	end       Position      // everything before it is durable
	moved     chan struct{} // closed when end moves
	writeErr  error         // of the last attempt
	written   marks
	consumers map[string]*Consumer
}

// Open opens the spool of a directory.
func Open(opts Options) (*Spool, error) {
	opts.setDefaults()
	if err := os.MkdirAll(opts.Dir, 0o700); err != nil {
		return nil, err
	}
	unlock, err := lockDir(opts.Dir)
	if err != nil {
		return nil, fmt.Errorf("spool: %s is in use: %w", opts.Dir, err)
	}
	s := &Spool{
		opts: opts, unlock: unlock, queue: newQueue(opts.QueueBytes, opts.FlushBytes),
		syncs: make(chan chan error), quit: make(chan struct{}), done: make(chan struct{}), moved: make(chan struct{}),
	}
	if err := s.recover(); err != nil {
		unlock()
		return nil, err
	}
	go s.run()
	return s, nil
}

// recover finds where the spool ends and where its consumers are.
func (s *Spool) recover() error {
	if err := s.readID(); err != nil {
		return err
	}
	if err := s.removeTemporary(); err != nil {
		return err
	}
	names, err := listSegments(s.opts.Dir)
	if err != nil {
		return err
	}
	s.log = &segmentLog{opts: &s.opts}
	if len(names) > 0 {
		last := names[len(names)-1]
		if s.log.end, err = validEnd(s.opts.Dir, last); err != nil {
			return err
		}
		s.log.generation = last.generation + 1
	}
	if err := s.openConsumers(); err != nil {
		return err
	}
	for _, c := range s.consumers {
		// Positions never go back, even where segments are lost.
		s.log.end = max(s.log.end, c.cur.Next, c.cur.To)
	}
	s.end = s.log.end
	s.written.add(s.end, time.Time{}) // long ago
	return nil
}

const idFile = "id"

// readID reads the spool's id, which keeps the names that two spools give to
// objects in one bucket apart.
func (s *Spool) readID() error {
	path := filepath.Join(s.opts.Dir, idFile)
	b, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		b = make([]byte, 16)
		rand.Read(b)
		b = []byte(hex.EncodeToString(b))
		err = durable.Replace(path, b, 0o600)
	}
	s.id = string(b)
	return err
}

func (s *Spool) removeTemporary() error {
	entries, err := os.ReadDir(s.opts.Dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), durable.TemporarySuffix) {
			if err := os.Remove(filepath.Join(s.opts.Dir, e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

// Append records an event, of which it makes a copy. It does not block and
// cannot fail: see the package comment for what is dropped when.
func (s *Spool) Append(e *daypass.Event) { s.queue.append(e) }

// Sync waits until everything that was appended before is durable, however
// long the disk does not take it. The error is the context's, or of a spool that
// is being closed.
func (s *Spool) Sync(ctx context.Context) error {
	answer := make(chan error, 1)
	select {
	case s.syncs <- answer:
	case <-s.done:
		return errClosed
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-answer:
		return err
	case <-s.done:
		return errClosed
	case <-ctx.Done():
		return ctx.Err()
	}
}

var errClosed = errors.New("spool: closed")

// Close writes what was appended and closes the spool. Events that are
// appended later are dropped.
func (s *Spool) Close() error {
	s.once.Do(func() {
		s.queue.close()
		close(s.quit)
	})
	<-s.done
	s.closed.Store(true)
	s.mu.Lock()
	defer s.mu.Unlock()
	return errors.Join(s.writeErr, s.unlockOnce())
}

func (s *Spool) unlockOnce() error {
	unlock := s.unlock
	s.unlock = func() error { return nil }
	return unlock()
}

// Stats tell how a spool is.
type Stats struct {
	// Appended and Dropped are how many events were taken and not taken since
	// Open.
	Appended, Dropped uint64
	// QueueBytes is the memory of events that are not yet on the disk.
	QueueBytes int64
	// End is the position behind the last durable record.
	End Position
	// Err is the failure of the last write, nil where it succeeded.
	Err error
	// Lag is how many bytes each consumer is behind.
	Lag map[string]uint64
}

// Stats returns the current figures.
func (s *Spool) Stats() Stats {
	s.queue.mu.Lock()
	st := Stats{Appended: s.queue.stats.appended, Dropped: s.queue.stats.dropped, QueueBytes: s.queue.bytes}
	s.queue.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	st.End, st.Err, st.Lag = s.end, s.writeErr, make(map[string]uint64)
	for name, c := range s.consumers {
		st.Lag[name] = uint64(s.end - min(s.end, c.position()))
	}
	return st
}
