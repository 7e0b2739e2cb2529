package diskstore

import (
	"testing"
	"testing/synctest"
)

// TestGroupSyncPanics checks that a sync that panics, as Pebble does once it is
// broken or closed, leaves nobody waiting, and is no success for those who shared
// it.
func TestGroupSyncPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g groupSync
		running, fall := make(chan bool), make(chan bool)
		go func() { // all others are of the next round
			_ = g.sync(func() error {
				close(running)
				<-fall
				return nil
			})
		}()
		<-running
		outcomes := make(chan bool, 3)
		for range cap(outcomes) {
			go func() {
				failed := true
				defer func() {
					_ = recover()
					outcomes <- failed
				}()
				failed = g.sync(func() error { panic("closed") }) != nil
			}()
		}
		synctest.Wait()
		close(fall)
		for range cap(outcomes) {
			if !<-outcomes {
				t.Error("a sync that panicked counts as one")
			}
		}
		if err := g.sync(func() error { return nil }); err != nil {
			t.Error(err)
		}
	})
}
