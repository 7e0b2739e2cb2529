package main

import (
	"context"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/daypass/daypass/admin"
	"github.com/daypass/daypass/audit"
	"github.com/daypass/daypass/client"
	"github.com/daypass/daypass/state"
	"github.com/daypass/daypass/store"
)

// wrappingKeys are those of a node: derived from its master key, so that they
// need not be kept.
type wrappingKeys struct{ node *node }

var _ store.WrappingKeys = wrappingKeys{}

// Current implements store.WrappingKeys.
func (k wrappingKeys) Current(ctx context.Context) (uint32, error) {
	e, err := k.node.state.Encryption(ctx)
	return e.Generation, err
}

// WrappingKey implements store.WrappingKeys.
func (k wrappingKeys) WrappingKey(generation uint32) (store.Key, error) {
	raw, err := k.node.state.DeriveKey("object wrapping key " + strconv.FormatUint(uint64(generation), 10))
	if err != nil {
		return store.Key{}, err
	}
	return store.Key(raw), nil
}

// saveEvery is how many steps of a rotation a crash may cost. What they have
// changed is not changed again.
const saveEvery = 64

// A rotation wraps the keys of objects under a new wrapping key, in the
// background. It rests for as long as it works, and goes on after a restart
// where it stopped.
type rotation struct {
	state *state.State
	store *store.Store
	log   *slog.Logger
	now   func() time.Time
	// rest waits, or returns the error of the context.
	rest func(ctx context.Context, d time.Duration) error

	mu      sync.Mutex
	running bool
	// cancel ends what runs, and done is closed then; nil before the first.
	cancel context.CancelFunc
	done   chan struct{}
	// shown is how far what runs has come, which state learns later.
	shown  state.Encryption
	closed bool
}

var _ admin.Rotator = (*rotation)(nil)

func newRotation(s *state.State, objects *store.Store, now func() time.Time, log *slog.Logger) *rotation {
	return &rotation{state: s, store: objects, now: now, log: log, rest: rest}
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

// resume goes on with a rotation that a restart has interrupted.
func (r *rotation) resume(ctx context.Context) error {
	e, err := r.state.Encryption(ctx)
	if err != nil || !e.Running || r.store.Supports(store.FeatureEncryption) != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.start(e.Resume())
	return nil
}

// Encryption implements admin.Rotator.
func (r *rotation) Encryption(ctx context.Context) (client.Encryption, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.running {
		return wireEncryption(r.shown), nil
	}
	e, err := r.state.Encryption(ctx)
	shown := wireEncryption(e)
	shown.Running, shown.Stopped = false, e.Running
	return shown, err
}

// RotateEncryption implements admin.Rotator.
func (r *rotation) RotateEncryption(ctx context.Context) (client.Encryption, error) {
	if err := r.store.Supports(store.FeatureEncryption); err != nil {
		return client.Encryption{}, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.closed:
		return client.Encryption{}, context.Canceled
	case r.running:
		return wireEncryption(r.shown), nil
	}
	e, err := r.state.Encryption(ctx)
	if err != nil {
		return client.Encryption{}, err
	}
	if e.Running { // one has stopped, and goes on
		e = e.Resume()
	} else {
		e = e.Begin(r.now())
		if err := r.state.SetEncryption(ctx, e); err != nil {
			return client.Encryption{}, err
		}
	}
	r.start(e)
	return wireEncryption(e), nil
}

// start runs a rotation from where it is. The lock is held.
func (r *rotation) start(e state.Encryption) {
	if r.closed {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	r.running, r.cancel, r.done, r.shown = true, cancel, make(chan struct{}), e
	go func(done chan<- struct{}) {
		defer close(done)
		defer cancel()
		err := r.run(ctx, e)
		if err != nil && ctx.Err() == nil {
			r.log.Error("the rotation of encryption keys has stopped; 'daypass keys rotate-encryption' goes on with it", "err", err)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.running = false
	}(r.done)
}

// run takes steps until the rotation has ended.
func (r *rotation) run(ctx context.Context, e state.Encryption) error {
	r.log.Info("rotating encryption keys", "generation", e.Generation)
	for steps := 1; e.Running; steps++ {
		began := time.Now()
		next, n, err := r.store.Rewrap(ctx, e.Cursor)
		if err != nil {
			return err
		}
		for _, o := range n.Damaged {
			r.log.Error("the key of an encrypted object is damaged, so that it cannot be read", "bucket", o.Bucket, "key", audit.Redact(o.Key))
		}
		e = e.Step(next, n.Seen, n.Changed, r.now())
		if steps%saveEvery == 0 || !e.Running {
			if err := r.state.SetEncryption(ctx, e); err != nil {
				return err
			}
		}
		if !e.Running {
			break
		}
		r.show(e)
		if err := r.rest(ctx, time.Since(began)); err != nil {
			return err
		}
	}
	r.log.Info("rotated encryption keys", "generation", e.Generation, "rewrapped", e.Rewrapped)
	return nil
}

func (r *rotation) show(e state.Encryption) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.shown = e
}

// close stops what runs; the next start goes on.
func (r *rotation) close() error {
	r.mu.Lock()
	r.closed = true
	cancel, done := r.cancel, r.done
	r.mu.Unlock()
	if cancel != nil {
		cancel()
		<-done
	}
	return nil
}

// describe registers how far a rotation is. r may be nil.
func (r *rotation) describe(registry prometheus.Registerer) {
	if r == nil {
		return
	}
	gauge := func(name, help string, value func(client.Encryption) int64) {
		registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, func() float64 {
			e, err := r.Encryption(context.Background())
			if err != nil {
				return -1
			}
			return float64(value(e))
		}))
	}
	gauge("daypass_encryption_generation", "The generation of the key that those of new objects are wrapped under.",
		func(e client.Encryption) int64 { return int64(e.Generation) })
	gauge("daypass_encryption_rotation_running", "1 while the keys of objects are wrapped anew.",
		func(e client.Encryption) int64 { return map[bool]int64{true: 1}[e.Running] })
	gauge("daypass_encryption_rotation_seen", "Objects, versions and uploads that the last rotation has looked at.",
		func(e client.Encryption) int64 { return e.Seen })
	gauge("daypass_encryption_rotation_rewrapped", "Keys that the last rotation has wrapped anew.",
		func(e client.Encryption) int64 { return e.Rewrapped })
}

func wireEncryption(e state.Encryption) client.Encryption {
	return client.Encryption{Generation: int(e.Generation), Running: e.Running, Seen: e.Seen, Rewrapped: e.Rewrapped,
		Started: e.Started, Ended: e.Ended}
}
