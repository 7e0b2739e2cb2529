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
	// toldEvery is how soon after a change that it was told of a node asks for
	// the next: whoever makes many must not have all nodes ask all the time.
	toldEvery = 100 * time.Millisecond
	// upkeepEvery is the pace of everything else: flushing, settlements that
	// could not be written, and batches of expired records.
	upkeepEvery = time.Second
	// sweepEvery is how often expired records are looked for, sweepBatch how
	// many of a kind are removed in a second.
	sweepEvery = time.Minute
	sweepBatch = 500
	// closeTimeout bounds what Close still writes, lostTimeout does where state
	// is out of reach.
	closeTimeout = 5 * time.Second
	lostTimeout  = time.Second
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
	if n, ok := s.driver.(*guarded).Driver.(Notifier); ok {
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
	var told time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-changed:
			if !sleep(ctx, toldEvery-time.Since(told)) {
				return
			}
			told = time.Now()
		case <-tick.C:
		}
		s.note(ctx, task, ask(ctx))
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
			s.note(ctx, "settle", s.settleAll(ctx))
		}
		if time.Since(flushed) >= flushAge-upkeepEvery/2 {
			s.note(ctx, "write statistics", s.flush(ctx))
			flushed = time.Now()
		}
		if time.Since(swept) >= sweepEvery {
			more, err := s.sweep(ctx)
			s.note(ctx, "remove what has expired", err)
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
		n, failed := expire(ctx, now, sweepBatch)
		err = errors.Join(err, failed)
		more = more || n >= sweepBatch
	}
	return more, err
}

// note logs what a task came to where that is news. What ended because the
// upkeep does, did not fail.
func (s *State) note(ctx context.Context, task string, err error) {
	if err != nil && ctx.Err() != nil {
		return
	}
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
	most := closeTimeout
	if s.Healthy() != nil {
		most = lostTimeout
	}
	ctx, cancel := context.WithTimeout(context.Background(), most)
	defer cancel()
	return errors.Join(s.settleAll(ctx), s.flush(ctx))
}
