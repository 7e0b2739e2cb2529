package diskstore

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestGroupSync lets callers come while a sync is under way: they share the next
// one, which begins after the first has come back.
func TestGroupSync(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g groupSync
		var syncs, underWay atomic.Int32
		do := func() error {
			if underWay.Add(1) != 1 {
				t.Error("two syncs at a time")
			}
			time.Sleep(time.Second)
			underWay.Add(-1)
			syncs.Add(1)
			return nil
		}
		var wg sync.WaitGroup
		call := func() {
			before := syncs.Load() + underWay.Load()
			if err := g.sync(do); err != nil {
				t.Error(err)
			}
			if syncs.Load() <= before {
				t.Errorf("%d syncs, %d had begun before the call", syncs.Load(), before)
			}
		}
		wg.Go(call)
		synctest.Wait()
		for range 16 {
			wg.Go(call)
		}
		wg.Wait()
		if n := syncs.Load(); n != 2 {
			t.Errorf("%d syncs, want 2", n)
		}
		if g.next != nil {
			t.Error("a round is left without callers")
		}
	})
}

// TestGroupSyncFails gives an error to those whose sync failed, and to nobody
// else.
func TestGroupSyncFails(t *testing.T) {
	var g groupSync
	if err := g.sync(func() error { return errors.New("lost") }); err == nil || err.Error() != "lost" {
		t.Errorf("error %v, want that of the sync", err)
	}
	if err := g.sync(func() error { return nil }); err != nil {
		t.Errorf("error %v after the sync before", err)
	}
}

// TestGroupSyncCovers has many callers count up, as a log grows: a sync that a
// caller returns from has seen all that it had written.
func TestGroupSyncCovers(t *testing.T) {
	var g groupSync
	var written, durable atomic.Int64
	do := func() error {
		seen := written.Load()
		time.Sleep(10 * time.Microsecond)
		durable.Store(seen)
		return nil
	}
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for range 500 {
				mine := written.Add(1)
				if err := g.sync(do); err != nil || durable.Load() < mine {
					t.Errorf("%d is durable, %d was written: %v", durable.Load(), mine, err)
					return
				}
			}
		})
	}
	wg.Wait()
}
