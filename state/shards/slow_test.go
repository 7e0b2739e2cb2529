package shards_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/state"
)

// A steady is a driver that has some revocations, and takes its time to tell.
type steady struct {
	state.Driver // nil
	id           string
	answer       time.Duration
	asked        *atomic.Int64
}

func (d *steady) InitSetting(_ context.Context, name string, value []byte) ([]byte, error) {
	if name == "shard-id" {
		return []byte(d.id), nil
	}
	return value, nil
}

func (d *steady) Setting(context.Context, string) ([]byte, error) { return nil, nil }

func (d *steady) Close() error { return nil }

func (d *steady) Revocations(ctx context.Context, after int64, max int) (list []state.RevocationRecord, err error) {
	d.asked.Add(1)
	select {
	case <-time.After(d.answer):
	case <-ctx.Done():
		return nil, &daypass.Error{Code: daypass.ServiceUnavailable, Err: ctx.Err()}
	}
	for v := after + 1; v <= 20 && len(list) < max; v++ {
		list = append(list, state.RevocationRecord{ID: fmt.Sprint(v), Version: v})
	}
	return list, nil
}

// Shards that are all slow are read to the end: each page comes from the shard
// that the one before came from. One that is much slower than the others is not
// waited for.
func TestSlowShards(t *testing.T) {
	for name, answers := range map[string][3]time.Duration{
		"all":   {500 * time.Millisecond, 450 * time.Millisecond, 400 * time.Millisecond},
		"first": {time.Minute, 10 * time.Millisecond, 20 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var drivers []state.Driver
				var asked atomic.Int64
				for i, answer := range answers {
					drivers = append(drivers, &steady{id: fmt.Sprint("shard", i), answer: answer, asked: &asked})
				}
				d := open(t, drivers...)
				began := time.Now()
				var seen int64
				var ids []string
				for pages := 0; ; pages++ {
					list, err := d.Revocations(t.Context(), seen, 3)
					if err != nil {
						t.Fatal(err)
					}
					for _, r := range list {
						ids, seen = append(ids, r.ID), r.Version
					}
					if len(list) < 3 {
						break
					}
					if pages > 20 {
						t.Fatalf("not at the end after %d pages: %q", pages, ids)
					}
				}
				if len(ids) != 20 || time.Since(began) > 7*500*time.Millisecond {
					t.Errorf("%q after %v", ids, time.Since(began))
				}
			})
		})
	}
}

// A change that panics while its shard is being tried does not leave the shard
// alone for ever.
func TestPanicWhileTrying(t *testing.T) {
	f, drivers := flakies(t, 3)
	d := open(t, drivers...)
	id := inShard(1, 3)
	f[1].down.Store(true)
	if err := touch(d, id); err == nil {
		t.Fatal("the shard is down")
	}
	f[1].down.Store(false)
	panicked := false
	for deadline := time.Now().Add(20 * time.Second); !panicked && time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		func() {
			defer func() { panicked = recover() != nil }()
			d.UpdateEntry(t.Context(), id, func(*state.EntryRecord) (*state.EntryRecord, error) { panic("no") })
		}()
	}
	if !panicked {
		t.Fatal("the shard is not tried again")
	}
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		err := touch(d, id)
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}
