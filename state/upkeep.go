package state

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"
)

const (
	// refreshEvery is how often revocations are refreshed.
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
	s.upkeep.wg.Go(func() { s.keepFresh(ctx) })
	s.upkeep.wg.Go(func() { s.keepUp(ctx) })
}

// keepFresh refreshes the revocations. Nothing else shares its goroutine,
// since nothing may delay it.
func (s *State) keepFresh(ctx context.Context) {
	tick := time.NewTicker(refreshEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			s.note("refresh revocations", s.refresh(ctx))
		}
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
