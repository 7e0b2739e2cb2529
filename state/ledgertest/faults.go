package ledgertest

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/daypass/daypass/state"
)

// The failures that Faults invents.
var (
	errLost    = errors.New("injected: the reply was lost")
	errFailed  = errors.New("injected: failed before anything was done")
	errCrashed = errors.New("injected: the node has crashed")
)

// Faults is a driver that fails at times, as seen from one node. Closing it
// leaves the driver behind it open.
type Faults struct {
	state.Driver
	lose, fail, delay atomic.Int64 // in percent
	crashed           atomic.Bool
	// updates counts the calls that change or read entries.
	updates, reads atomic.Int64
}

// NewFaults returns a driver that does not fail yet.
func NewFaults(d state.Driver) *Faults { return &Faults{Driver: d} }

// Set sets how many percent of the changes of entries fail without effect,
// how many take effect but fail, and how many are late.
func (f *Faults) Set(fail, lose, delay int) {
	f.fail.Store(int64(fail))
	f.lose.Store(int64(lose))
	f.delay.Store(int64(delay))
}

// Crash makes every call fail from now on.
func (f *Faults) Crash() { f.crashed.Store(true) }

// Updates returns how many changes of entries were asked for, Reads how often
// entries were read.
func (f *Faults) Updates() int64 { return f.updates.Load() }

// Reads returns how often entries were read.
func (f *Faults) Reads() int64 { return f.reads.Load() }

func roll(percent *atomic.Int64) bool { return rand.Int64N(100) < percent.Load() }

// UpdateEntry implements state.Driver.
func (f *Faults) UpdateEntry(ctx context.Context, id string, change func(*state.EntryRecord) (*state.EntryRecord, error)) error {
	f.updates.Add(1)
	if f.crashed.Load() {
		return errCrashed
	}
	if roll(&f.delay) {
		time.Sleep(rand.N(3 * time.Millisecond))
	}
	if roll(&f.fail) {
		return errFailed
	}
	err := f.Driver.UpdateEntry(ctx, id, change)
	if f.crashed.Load() {
		return errCrashed
	}
	if err == nil && roll(&f.lose) {
		return errLost
	}
	return err
}

// Entry implements state.Driver.
func (f *Faults) Entry(ctx context.Context, id string) (*state.EntryRecord, error) {
	f.reads.Add(1)
	if f.crashed.Load() {
		return nil, errCrashed
	}
	return f.Driver.Entry(ctx, id)
}

// AddPasses implements state.Driver.
func (f *Faults) AddPasses(ctx context.Context, seen []state.PassRecord) error {
	if f.crashed.Load() {
		return errCrashed
	}
	return f.Driver.AddPasses(ctx, seen)
}

// Revocations implements state.Driver.
func (f *Faults) Revocations(ctx context.Context, after int64, max int) ([]state.RevocationRecord, error) {
	if f.crashed.Load() {
		return nil, errCrashed
	}
	return f.Driver.Revocations(ctx, after, max)
}

// Close leaves the driver open.
func (f *Faults) Close() error { return nil }
