package shards

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/daypass/daypass/state"
)

// A Driver keeps state in several others. What it does not do itself is the
// first shard's.
type Driver struct {
	state.Driver
	shards []*shard

	// source is the number of the shard that revocations are read from.
	source  atomic.Int32
	changed chan struct{}
	stop    chan struct{}
	wg      sync.WaitGroup
	closing sync.Once
}

var (
	_ state.Driver   = (*Driver)(nil)
	_ state.Notifier = (*Driver)(nil)
)

// Open returns a driver over the given ones, which are those of the shard map in
// its order; at the first start they become it, with ids made from rand. One
// driver alone is a map too. It fails with ErrMap where they are not those of
// the map. The Driver owns the others from then on; after an error the caller
// still does.
func Open(ctx context.Context, drivers []state.Driver, rand io.Reader) (*Driver, error) {
	if len(drivers) == 0 {
		return nil, errors.New("shards.Open: no shard given")
	}
	if len(drivers) > maxShards {
		return nil, errors.New("shards.Open: too many shards")
	}
	if err := checkMap(ctx, drivers, rand); err != nil {
		return nil, err
	}
	d := &Driver{Driver: drivers[0], stop: make(chan struct{})}
	for i, one := range drivers {
		d.shards = append(d.shards, &shard{Driver: one, number: i})
	}
	d.listen()
	return d, nil
}

// listen passes on what the shards hear of.
func (d *Driver) listen() {
	for _, s := range d.shards {
		n, ok := s.Driver.(state.Notifier)
		if !ok || n.Changed() == nil {
			continue
		}
		if d.changed == nil {
			d.changed = make(chan struct{}, 1)
		}
		from, to := n.Changed(), d.changed
		d.wg.Go(func() {
			for {
				select {
				case <-d.stop:
					return
				case <-from:
				}
				select {
				case to <- struct{}{}:
				default:
				}
			}
		})
	}
}

// Changed implements state.Notifier.
func (d *Driver) Changed() <-chan struct{} { return d.changed }

// Close closes all shards.
func (d *Driver) Close() error {
	var errs []error
	d.closing.Do(func() {
		close(d.stop)
		d.wg.Wait()
	})
	for _, s := range d.shards {
		errs = append(errs, s.Driver.Close())
	}
	return errors.Join(errs...)
}

// of returns the shard of what is kept under a key.
func (d *Driver) of(key string) *shard { return d.shards[place(key, len(d.shards))] }

// UpdateEntry implements state.LedgerDriver.
func (d *Driver) UpdateEntry(ctx context.Context, id string, change func(*state.EntryRecord) (*state.EntryRecord, error)) error {
	s := d.shards[placeEntry(id, len(d.shards))]
	if err := s.enter(); err != nil {
		return err
	}
	var own error
	told := errNothing
	defer func() { s.leave(ctx, told) }() // also where change panics
	err := s.updateEntry(ctx, id, change, &own)
	if own != nil && errors.Is(err, own) {
		told = nil
		return err
	}
	told = err
	return s.wrap(err)
}

// updateEntry calls UpdateEntry and keeps the error that change returned at
// last.
func (s *shard) updateEntry(ctx context.Context, id string, change func(*state.EntryRecord) (*state.EntryRecord, error), own *error) error {
	return s.UpdateEntry(ctx, id, func(old *state.EntryRecord) (next *state.EntryRecord, err error) {
		next, *own = change(old)
		return next, *own
	})
}

// Entry implements state.LedgerDriver.
func (d *Driver) Entry(ctx context.Context, id string) (*state.EntryRecord, error) {
	s := d.shards[placeEntry(id, len(d.shards))]
	return ask(ctx, s, func() (*state.EntryRecord, error) { return s.Entry(ctx, id) })
}

// PassEntries implements state.LedgerDriver. All shards are asked, since an
// entry need not be kept under the id of its pass.
func (d *Driver) PassEntries(ctx context.Context, pass, after string, max int) ([]state.EntryRecord, error) {
	lists, err := all(ctx, d.shards, func(s *shard) ([]state.EntryRecord, error) { return s.PassEntries(ctx, pass, after, max) })
	if err != nil {
		return nil, err
	}
	return merge(lists, max, func(a, b state.EntryRecord) int { return strings.Compare(a.ID, b.ID) }), nil
}

// DeletePassEntries implements state.LedgerDriver.
func (d *Driver) DeletePassEntries(ctx context.Context, pass string) error {
	_, err := all(ctx, d.shards, func(s *shard) (struct{}, error) { return struct{}{}, s.DeletePassEntries(ctx, pass) })
	return err
}

// ExpireEntries implements state.LedgerDriver.
func (d *Driver) ExpireEntries(ctx context.Context, t time.Time, max int) (int, error) {
	return d.expire(ctx, max, func(s *shard, max int) (int, error) { return s.ExpireEntries(ctx, t, max) })
}

// expire removes at most max records from all shards together.
func (d *Driver) expire(ctx context.Context, max int, f func(s *shard, max int) (int, error)) (gone int, err error) {
	var errs []error
	for _, s := range d.shards {
		if gone >= max {
			break
		}
		n, err := ask(ctx, s, func() (int, error) { return f(s, max-gone) })
		gone += n
		errs = append(errs, err)
	}
	return gone, errors.Join(errs...)
}

// merge returns the first records of several sorted lists in order.
func merge[V any](lists [][]V, max int, compare func(a, b V) int) []V {
	list := slices.Concat(lists...)
	slices.SortFunc(list, compare)
	return list[:min(len(list), max)]
}
