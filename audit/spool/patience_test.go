package spool

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestPatience waits for a machine that is busy, but neither for ever nor until
// there is no room.
func TestPatience(t *testing.T) {
	for name, test := range map[string]struct {
		patience, idleAfter time.Duration
		maxBytes            int64
		most, least         time.Duration
	}{
		"none":            {patience: 0, most: time.Second},
		"until idle":      {patience: time.Hour, idleAfter: 5 * time.Minute, least: 5 * time.Minute, most: 5*time.Minute + time.Second},
		"until its end":   {patience: time.Minute, idleAfter: time.Hour, least: time.Minute - time.Second, most: time.Minute + time.Second},
		"until it's full": {patience: time.Hour, idleAfter: time.Hour, maxBytes: 4, most: time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			synctest.Test(t, func(t *testing.T) {
				var idle atomic.Bool
				s := open(t, dir, func(o *Options) {
					o.FlushEvery, o.MaxBytes = time.Millisecond, test.maxBytes
					o.Busy = func() bool { return !idle.Load() }
				})
				start := time.Now()
				time.AfterFunc(test.idleAfter, func() { idle.Store(true) })
				s.Append(numbered(0))
				c := s.Consumer("a")
				b, err := c.Next(t.Context(), Limit{Bytes: 1, Patience: test.patience})
				if err != nil {
					t.Fatal(err)
				}
				if d := time.Since(start); d < test.least || d > test.most {
					t.Errorf("after %v, want %v to %v", d, test.least, test.most)
				}
				commit(t, c, b)
			})
		})
	}
}

// TestMarks remembers when what was written, at most a second wrong.
func TestMarks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m marks
		m.add(100, time.Time{})
		if m.since(99) < 1e6*time.Hour {
			t.Error("what was there is new")
		}
		start := time.Now()
		for n := range 20_000 {
			time.Sleep(100 * time.Millisecond)
			m.add(Position(101+n), time.Now())
		}
		last := Position(100 + 20_000)
		if m.since(last) != 0 {
			t.Error("what was not written is old")
		}
		for _, back := range []Position{1, 10, 600, 2000} {
			want := time.Duration(back-1) * 100 * time.Millisecond
			if got := m.since(last - back); got > want || got < want-time.Second {
				t.Errorf("%d back: %v, want %v", back, got, want)
			}
		}
		if m.since(50) > time.Since(start) || len(m.list) > mostMarks {
			t.Errorf("%v, %d marks", m.since(50), len(m.list))
		}
	})
}
