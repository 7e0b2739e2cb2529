package state_test

import (
	"context"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/state"
	"github.com/daypass/daypass/state/ledgertest"
	"github.com/daypass/daypass/state/sqlstate"
)

// TestLedger runs the scenarios in a time of their own.
func TestLedger(t *testing.T) {
	for _, c := range ledgertest.Scenarios() {
		t.Run(c.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { c.Test(t, newMemory()) })
		})
	}
}

// TestDrawIsWoken checks that who waits is woken by this node's settlements
// rather than by looking again, and that only so many wait.
func TestDrawIsWoken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := openMemory(t, newMemory(), state.Options{Clock: time.Now})
		defer s.Close()
		b := state.Budget{Pass: "p", Uses: 1, Size: 100}
		first, _ := s.NewToken()
		if err := s.Draw(t.Context(), b, first, 100, 100); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		var drawn, refused atomic.Int64
		for range 100 {
			token, _ := s.NewToken()
			go func() {
				switch err := s.Draw(context.Background(), b, token, 1, 1); {
				case err == nil && time.Since(began) < 20*time.Millisecond:
					drawn.Add(1)
				case daypass.CodeOf(err) == daypass.ServiceUnavailable && time.Since(began) == 0:
					refused.Add(1)
				default:
					t.Errorf("after %v: %v", time.Since(began), err)
				}
			}()
		}
		time.Sleep(10 * time.Millisecond)
		if err := s.Settle(t.Context(), b, first, 0, false); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if drawn.Load() != 64 || refused.Load() != 36 {
			t.Errorf("%d waited and drew, %d were refused at once", drawn.Load(), refused.Load())
		}
	})
}

// TestDrawCanceled checks that a wait ends with its request.
func TestDrawCanceled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := openMemory(t, newMemory(), state.Options{Clock: time.Now})
		defer s.Close()
		b := state.Budget{Pass: "p", Uses: 1, Size: 100}
		first, _ := s.NewToken()
		second, _ := s.NewToken()
		if err := s.Draw(t.Context(), b, first, 100, 100); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		if err := s.Draw(ctx, b, second, 1, 1); err == nil || time.Since(began) != 100*time.Millisecond {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
	})
}

// BenchmarkDraw is the ledger's part of a counted GET of 4 KiB, durable.
func BenchmarkDraw(b *testing.B) {
	d, err := sqlstate.OpenSQLite(b.Context(), filepath.Join(b.TempDir(), "state.db"))
	if err != nil {
		b.Fatal(err)
	}
	s, _ := openMemory(b, d, state.Options{Clock: time.Now})
	var n atomic.Int64
	b.SetParallelism(64)
	b.RunParallel(func(pb *testing.PB) {
		budget := state.Budget{Pass: fmt.Sprintf("pass%d", n.Add(1)), Uses: 1e9, Size: 4096}
		for pb.Next() {
			t, err := s.NewToken()
			if err == nil {
				err = s.Draw(context.Background(), budget, t, 4096, 4096)
			}
			if err == nil {
				err = s.Settle(context.Background(), budget, t, 4096, true)
			}
			if err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "draws/s")
}

// TestLinearizable checks the histories of three nodes that lose replies.
func TestLinearizable(t *testing.T) {
	m := newMemory()
	var nodes []*state.State
	for range 3 {
		f := ledgertest.NewFaults(m)
		s, _ := openMemory(t, f, state.Options{Clock: time.Now})
		f.Set(5, 5, 30)
		t.Cleanup(func() { f.Set(0, 0, 0) })
		nodes = append(nodes, s)
	}
	ledgertest.Linearizable(t, nodes, func() {})
}
