package state_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/daypass/daypass/state"
)

// A slow is a driver that takes its time.
type slow struct {
	*memory
	revocations, changes, updates time.Duration
	asked                         atomic.Int64
}

func (d *slow) Revocations(ctx context.Context, after int64, max int) ([]state.RevocationRecord, error) {
	time.Sleep(d.revocations)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return d.memory.Revocations(ctx, after, max)
}

func (d *slow) Changes(context.Context) (int64, error) {
	time.Sleep(d.changes)
	return d.asked.Add(1), nil
}

func (d *slow) UpdateEntry(ctx context.Context, id string, change func(*state.EntryRecord) (*state.EntryRecord, error)) error {
	time.Sleep(d.updates)
	return d.memory.UpdateEntry(ctx, id, change)
}

// TestManyRevocations: to read all of very many revocations takes longer than
// any one answer may. The node starts all the same, goes on when they are read
// anew, and hears of others meanwhile.
func TestManyRevocations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &slow{memory: newMemory(), revocations: 900 * time.Millisecond}
		for i := range 45_000 {
			id := fmt.Sprint("rev-", i)
			d.memory.version++
			d.memory.revocations[id] = state.RevocationRecord{ID: id, Version: d.memory.version, Pass: id}
		}
		s := node(t, d, 0)
		defer s.Close()
		time.Sleep(time.Hour - 10*time.Second)
		for i := range 400 { // in which they are read anew
			if err := s.Fresh(); err != nil {
				t.Fatalf("after %v: %v", time.Duration(i)*50*time.Millisecond, err)
			}
			token, _ := s.NewToken()
			if err := s.Reserve(t.Context(), state.Count{Pass: "p", Uses: 1000}, token); err != nil {
				t.Fatal(err)
			}
			time.Sleep(50 * time.Millisecond)
			if i%40 != 0 {
				continue
			}
			id := fmt.Sprint("new", i)
			if _, err := d.InsertRevocation(t.Context(), state.RevocationRecord{ID: id, Pass: id}); err != nil {
				t.Fatal(err)
			}
			for waited := 0; ; waited++ {
				if _, revoked := s.Revoked(&state.Subject{Pass: id}); revoked {
					break
				}
				if waited > 32 {
					t.Fatalf("%s is not revoked after %d × 100 ms", id, waited)
				}
				time.Sleep(100 * time.Millisecond)
			}
		}
	})
}

// TestManyChanges: whoever makes very many changes does not have every node ask
// for each of them.
func TestManyChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &slow{memory: newMemory()}
		changed := make(chan struct{}, 1)
		s := node(t, slowTold{d, changed}, 0)
		defer s.Close()
		before := d.asked.Load()
		for range 10_000 { // in ten seconds
			select {
			case changed <- struct{}{}:
			default:
			}
			time.Sleep(time.Millisecond)
		}
		if n := d.asked.Load() - before; n > 200 {
			t.Errorf("asked %d times in ten seconds", n)
		}
	})
}

type slowTold struct {
	*slow
	changed chan struct{}
}

func (d slowTold) Changed() <-chan struct{} { return d.changed }

// TestSettledSoon: what ended while state was out of reach is written soon after
// it is back, however much it is.
func TestSettledSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRemotes(1)[0]
		d := &slowRemote{r}
		s := node(t, d, 0)
		defer s.Close()
		const passes = 2000
		tokens := make([]state.Token, passes)
		count := func(i int) state.Count { return state.Count{Pass: fmt.Sprint("pass", i), Uses: 1} }
		for i := range tokens {
			tokens[i], _ = s.NewToken()
			if err := s.Reserve(t.Context(), count(i), tokens[i]); err != nil {
				t.Fatal(err)
			}
		}
		r.mode.Store(refuses)
		time.Sleep(time.Second)
		for i := range tokens {
			if err := s.Release(t.Context(), count(i), tokens[i], false); err == nil {
				t.Fatal("released out of reach")
			}
		}
		r.mode.Store(answers)
		time.Sleep(4 * time.Second)
		held := 0
		for i := range tokens {
			spending, err := s.Spending(t.Context(), count(i).Pass)
			if err != nil {
				t.Fatal(err)
			}
			entry, err := r.memory.Entry(t.Context(), count(i).Pass+"/C")
			if err != nil || entry == nil || spending.Outstanding != 0 {
				t.Fatal(entry, spending, err)
			}
			if len(entry.Data) > 4 { // the token of a holder is 16 bytes
				held++
			}
		}
		if held > 0 {
			t.Errorf("%d of %d uses are still held", held, passes)
		}
	})
}

// A slowRemote takes ten milliseconds for a change.
type slowRemote struct{ *remote }

func (d *slowRemote) UpdateEntry(ctx context.Context, id string, change func(*state.EntryRecord) (*state.EntryRecord, error)) error {
	time.Sleep(10 * time.Millisecond)
	return d.remote.UpdateEntry(ctx, id, change)
}
