package state

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"
)

const (
	// refreshEvery is how often revocations are refreshed, and what is cached is
	// validated.
	refreshEvery = 250 * time.Millisecond
	// upkeepEvery is the pace of everything else: flushing, settlements that
	// could not be written, and batches of expired records.
	upkeepEvery = time.Second
	// sweepEvery is how often expired records are looked for, sweepBatch how
	// many of a kind are removed in a second.
	sweepEvery = time.Minute
	sweepBatch = 500
	// closeTimeout bounds what Close still writes.
	closeTimeout = 5 * time.Second
)

// An upkeep is what a State does by itself.
type upkeep struct {
	stop context.CancelFunc
	wg   sync.WaitGroup
	log  *slog.Logger
	mu   sync.Mutex
	// failing are the tasks whose last attempt failed, so that each failure
	// is logged once.
	failing map[string]bool
}

func (s *State) startUpkeep() {
	ctx, stop := context.WithCancel(context.Background())
	s.upkeep.stop = stop
	fresh, valid := make(chan struct{}, 1), make(chan struct{}, 1)
	if n, ok := s.driver.(Notifier); ok {
		if changed := n.Changed(); changed != nil {
			s.upkeep.wg.Go(func() { spread(ctx, changed, fresh, valid) })
		}
	}
	// What each of these two asks for nothing else may delay.
	s.upkeep.wg.Go(func() { s.keep(ctx, fresh, "refresh revocations", s.refresh) })
	s.upkeep.wg.Go(func() {
		s.keep(ctx, valid, "validate what is cached", func(ctx context.Context) error {
			return errors.Join(s.revalidate(ctx), s.keepEncryption(ctx))
		})
	})
	s.upkeep.wg.Go(func() { s.keepUp(ctx) })
}

// spread tells two who listen of each change.
func spread(ctx context.Context, changed <-chan struct{}, a, b chan<- struct{}) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-changed:
		}
		for _, listener := range []chan<- struct{}{a, b} {
			select {
			case listener <- struct{}{}:
			default: // it has yet to see to an earlier one
			}
		}
	}
}

// keep asks state for something again and again, and at once after a change.
func (s *State) keep(ctx context.Context, changed <-chan struct{}, task string, ask func(context.Context) error) {
	tick := time.NewTicker(refreshEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-changed:
		case <-tick.C:
		}
		s.note(task, ask(ctx))
	}
}

func (s *State) keepUp(ctx context.Context) {
	tick := time.NewTicker(upkeepEvery)
	defer tick.Stop()
	var flushed, swept time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.seen.early:
			flushed = time.Time{}
		case <-tick.C:
			s.note("settle", s.settleAll(ctx))
		}
		if time.Since(flushed) >= flushAge-upkeepEvery/2 {
			s.note("write statistics", s.flush(ctx))
			flushed = time.Now()
		}
		if time.Since(swept) >= sweepEvery {
			more, err := s.sweep(ctx)
			s.note("remove what has expired", err)
			if !more || err != nil {
				swept = time.Now()
			}
		}
	}
}

// sweep removes one batch of what has expired of each kind, and reports
// whether there is more.
func (s *State) sweep(ctx context.Context) (more bool, err error) {
	now := stamp(s.now())
	for _, expire := range []func(context.Context, time.Time, int) (int, error){
		s.driver.ExpireEntries, s.driver.ExpireRevocations, s.driver.ExpirePasses, s.driver.ExpireLinks,
	} {
		n, err := expire(ctx, now, sweepBatch)
		if err != nil {
			return false, err
		}
		more = more || n >= sweepBatch
	}
	return more, nil
}

// note logs what a task came to where that is news.
func (s *State) note(task string, err error) {
	u := &s.upkeep
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.log == nil || u.failing[task] == (err != nil) {
		return
	}
	if u.failing == nil {
		u.failing = make(map[string]bool)
	}
	u.failing[task] = err != nil
	if err != nil {
		u.log.Warn("state: a task of the background fails, and is tried again", "task", task, "error", err)
		return
	}
	u.log.Info("state: a task of the background works again", "task", task)
}

// finish ends the upkeep and writes what is left.
func (s *State) finish() error {
	s.upkeep.stop()
	s.upkeep.wg.Wait()
	s.settling.close()
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	return errors.Join(s.settleAll(ctx), s.flush(ctx))
}
