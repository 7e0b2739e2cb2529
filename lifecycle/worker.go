package lifecycle

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/store"
)

// Settings finds the settings of buckets. *state.State is one.
type Settings interface {
	// BucketSettings returns all settings of a bucket by name; nobody changes
	// what it returned.
	BucketSettings(ctx context.Context, bucketID string) (map[string][]byte, error)
}

// An EventSink takes the events of what was removed. It neither blocks nor keeps
// what it is given.
type EventSink interface {
	Append(e *daypass.Event)
}

// The pace of Config where it says nothing.
const (
	DefaultInterval   = time.Minute
	DefaultScanRate   = 20_000
	DefaultDeleteRate = 500
)

// Config is what a Worker needs. Store, Settings and Journal are required.
type Config struct {
	Store    *store.Store
	Settings Settings
	Journal  Journal
	// Events takes an event for everything that is removed; nil for nobody.
	Events EventSink
	// Sequencer gives numbers that order what was done to objects, as those of
	// requests; nil: there are none, and webhooks are told of nothing.
	Sequencer func() string
	// Node tells this node from the others that share Journal. What it held
	// when it stopped it goes on with at once.
	Node string
	// Interval is how often buckets are looked for that there is work in.
	Interval time.Duration
	// ScanRate and DeleteRate are how many versions are looked at and removed
	// in a second.
	ScanRate, DeleteRate int
	// Clock tells the time; nil is time.Now. Rest waits, or returns the error
	// of the context; nil is a timer. Rand is the source of request ids; nil
	// is crypto/rand.Reader.
	Clock func() time.Time
	Rest  func(ctx context.Context, d time.Duration) error
	Rand  io.Reader
	Log   *slog.Logger
}

// Stats are what a Worker has done since it was made.
type Stats struct {
	// Scanned counts the versions, delete markers and uploads looked at.
	Scanned int64
	// Expired, Noncurrent, Markers and Uploads count what was removed: current
	// versions, others, delete markers, uploads.
	Expired, Noncurrent, Markers, Uploads int64
	// Locked and Changed count what was to be removed and was not, since it
	// was locked or was no longer what the scan had seen; Failed what could
	// not be removed.
	Locked, Changed, Failed int64
	// Passes counts the buckets that were gone through to their end.
	Passes int64
	// Running says that it is at work.
	Running bool
}

// A counters is Stats in the making.
type counters struct {
	scanned, expired, noncurrent, markers, uploads, locked, changed, failed, passes atomic.Int64
	running                                                                         atomic.Bool
}

// A Worker carries out the rules of all buckets, each once a day and after each
// change of its configuration. It looks at the index only, never at bodies. Where
// nodes share state, one works on a bucket at a time.
type Worker struct {
	cfg      Config
	scan     pace
	deletion pace
	stride   stride
	n        counters
	// done is the work that is known to be done, by bucket id, so that nobody
	// need be asked for it.
	done map[string]progress

	cancel context.CancelFunc
	ended  sync.WaitGroup
}

// New returns a worker that does nothing until it is started.
func New(cfg Config) *Worker {
	if cfg.Clock == nil {
		cfg.Clock = time.Now
	}
	if cfg.Rest == nil {
		cfg.Rest = rest
	}
	if cfg.Rand == nil {
		cfg.Rand = rand.Reader
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Interval <= 0 {
		cfg.Interval = DefaultInterval
	}
	if cfg.ScanRate <= 0 {
		cfg.ScanRate = DefaultScanRate
	}
	if cfg.DeleteRate <= 0 {
		cfg.DeleteRate = DefaultDeleteRate
	}
	return &Worker{cfg: cfg, scan: newPace(cfg.ScanRate, cfg.Rest), deletion: newPace(cfg.DeleteRate, cfg.Rest),
		stride: stride{page: 1000, save: 16, slice: 64}, done: make(map[string]progress)}
}

func rest(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Start works in the background until Close.
func (w *Worker) Start() {
	ctx, cancel := context.WithCancel(context.Background())
	w.cancel = cancel
	w.ended.Go(func() {
		// It rests first, so that a start is not slowed down.
		for w.cfg.Rest(ctx, w.cfg.Interval) == nil {
			if err := w.Round(ctx); err != nil && ctx.Err() == nil {
				w.cfg.Log.Error("lifecycle rules cannot be carried out; it is tried again", "err", err)
			}
		}
	})
}

// Close stops the work; the next start goes on with it.
func (w *Worker) Close() error {
	if w.cancel != nil {
		w.cancel()
		w.ended.Wait()
	}
	return nil
}

// Stats returns what was done so far.
func (w *Worker) Stats() Stats {
	n := &w.n
	return Stats{Scanned: n.scanned.Load(), Expired: n.expired.Load(), Noncurrent: n.noncurrent.Load(), Markers: n.markers.Load(),
		Uploads: n.uploads.Load(), Locked: n.locked.Load(), Changed: n.changed.Load(), Failed: n.failed.Load(),
		Passes: n.passes.Load(), Running: n.running.Load()}
}

// Round does all the work that there is now, a slice of each bucket after the
// other, so that no bucket waits for a large one. It must not be called
// concurrently, nor beside Start. The work in other buckets is done where that
// in one fails; the errors come together.
func (w *Worker) Round(ctx context.Context) error {
	w.n.running.Store(true)
	defer w.n.running.Store(false)
	var errs []error
	failed := make(map[string]bool)
	for more := true; more; {
		more = false
		seen := make(map[string]bool)
		err := w.eachBucket(ctx, func(b *store.Bucket) {
			seen[b.ID] = true
			if failed[b.ID] {
				return
			}
			left, err := w.slice(ctx, b)
			if err != nil {
				failed[b.ID], errs = true, append(errs, err)
			}
			more = more || left && err == nil
		})
		if err != nil {
			return errors.Join(append(errs, err)...)
		}
		for id := range w.done {
			if !seen[id] {
				delete(w.done, id)
			}
		}
	}
	return errors.Join(errs...)
}

// eachBucket calls f for every bucket.
func (w *Worker) eachBucket(ctx context.Context, f func(*store.Bucket)) error {
	const page = 1000
	for after := ""; ; {
		if err := ctx.Err(); err != nil {
			return err
		}
		buckets, err := w.cfg.Store.ListBuckets(ctx, "", after, page)
		if err != nil {
			return err
		}
		for i := range buckets {
			f(&buckets[i])
			after = buckets[i].Name
		}
		if len(buckets) < page {
			return nil
		}
	}
}

// slice does a bounded part of the work in a bucket, and reports whether there
// is more.
func (w *Worker) slice(ctx context.Context, b *store.Bucket) (more bool, err error) {
	settings, err := w.cfg.Settings.BucketSettings(ctx, b.ID)
	if err != nil {
		return false, err
	}
	text, ok := settings[Setting]
	if !ok {
		delete(w.done, b.ID)
		return false, nil
	}
	config := hashOf(text)
	if known, ok := w.done[b.ID]; ok && !known.due(config, dayOf(w.cfg.Clock())) {
		return false, nil
	}
	rules, err := Decode(text)
	if err != nil {
		return false, err
	}
	p, ok, err := w.claim(ctx, b, config)
	if err != nil {
		return false, err
	}
	if !ok {
		if !p.due(config, dayOf(w.cfg.Clock())) {
			w.done[b.ID] = p
		}
		return false, nil
	}
	return w.work(ctx, &pass{worker: w, bucket: b, rules: rules, progress: p})
}

// work does a slice and gives the lease up, whatever comes of it.
func (w *Worker) work(ctx context.Context, p *pass) (more bool, err error) {
	err = p.run(ctx)
	switch {
	case errors.Is(err, errLost):
		return false, nil
	case errors.Is(err, errNewRules):
		return true, w.release(ctx, p)
	case daypass.CodeOf(err) == daypass.NoSuchBucket:
		return false, nil // it was deleted meanwhile
	}
	saved := w.release(ctx, p)
	if p.progress.Done && saved == nil {
		w.done[p.bucket.ID] = p.progress
		w.n.passes.Add(1)
		w.cfg.Log.Info("carried out the lifecycle rules of a bucket", "bucket", p.bucket.Name)
	}
	return err == nil && saved == nil && !p.progress.Done, errors.Join(err, saved)
}

// release keeps how far the work is and gives the lease up, even where the work
// was stopped.
func (w *Worker) release(ctx context.Context, p *pass) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancel()
	if err := w.save(ctx, p.bucket, &p.progress, true); !errors.Is(err, errLost) {
		return err
	}
	return nil
}

// closeTimeout bounds what is still written once the work is to stop.
const closeTimeout = 5 * time.Second

// A pace keeps work to a rate.
type pace struct {
	each time.Duration
	next time.Time // when the work that was done so far would be done
	rest func(ctx context.Context, d time.Duration) error
	now  func() time.Time // of the machine, whatever Config.Clock says
}

func newPace(rate int, rest func(context.Context, time.Duration) error) pace {
	return pace{each: time.Second / time.Duration(rate), rest: rest, now: time.Now}
}

// shortestRest is the least time that is worth waiting for.
const shortestRest = 10 * time.Millisecond

// spend waits until n more things may be done.
func (p *pace) spend(ctx context.Context, n int) error {
	now := p.now()
	if p.next.Before(now) {
		p.next = now
	}
	p.next = p.next.Add(time.Duration(n) * p.each)
	if wait := p.next.Sub(now); wait >= shortestRest {
		return p.rest(ctx, wait)
	}
	return ctx.Err()
}
