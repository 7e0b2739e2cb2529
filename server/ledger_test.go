package server

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/daypass/daypass/state"
)

// memoryDriver keeps the records of a state in memory. What the tests of this
// package do not use is not there.
type memoryDriver struct {
	state.Driver
	mu          sync.Mutex
	settings    map[string][]byte
	entries     map[string]state.EntryRecord
	revocations []state.RevocationRecord
	passes      map[string]state.PassRecord
	version     int64
	// calls counts what is asked of the ledger; fail makes it fail.
	calls atomic.Int64
	fail  atomic.Bool
}

var errMemory = errors.New("the memory is on fire")

func newMemoryDriver() *memoryDriver {
	return &memoryDriver{settings: map[string][]byte{}, entries: map[string]state.EntryRecord{}, passes: map[string]state.PassRecord{}}
}

func (d *memoryDriver) Close() error { return nil }

func (d *memoryDriver) Changes(context.Context) (int64, error) { return 0, nil }

func (d *memoryDriver) InitSetting(_ context.Context, name string, value []byte) ([]byte, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if have, ok := d.settings[name]; ok {
		return have, nil
	}
	d.settings[name] = value
	return value, nil
}

func (d *memoryDriver) begin() error {
	d.calls.Add(1)
	if d.fail.Load() {
		return errMemory
	}
	return nil
}

func (d *memoryDriver) UpdateEntry(_ context.Context, id string, change func(*state.EntryRecord) (*state.EntryRecord, error)) error {
	if err := d.begin(); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	var old *state.EntryRecord
	if e, ok := d.entries[id]; ok {
		old = &e
	}
	next, err := change(old)
	switch {
	case err != nil:
		return err
	case next == nil:
		delete(d.entries, id)
	default:
		d.entries[id] = *next
	}
	return nil
}

func (d *memoryDriver) Entry(_ context.Context, id string) (*state.EntryRecord, error) {
	if err := d.begin(); err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	e, ok := d.entries[id]
	if !ok {
		return nil, nil
	}
	return &e, nil
}

func (d *memoryDriver) PassEntries(_ context.Context, pass, after string, most int) (found []state.EntryRecord, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, id := range slices.Sorted(maps.Keys(d.entries)) {
		if e := d.entries[id]; e.Pass == pass && id > after && len(found) < most {
			found = append(found, e)
		}
	}
	return found, nil
}

func (d *memoryDriver) DeletePassEntries(_ context.Context, pass string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	maps.DeleteFunc(d.entries, func(_ string, e state.EntryRecord) bool { return e.Pass == pass })
	return nil
}

func (d *memoryDriver) InsertRevocation(_ context.Context, r state.RevocationRecord) (int64, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.version++
	r.Version = d.version
	d.revocations = append(d.revocations, r)
	return r.Version, nil
}

func (d *memoryDriver) LiftRevocations(_ context.Context, ids []string, t time.Time) (n int, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := range d.revocations {
		if r := &d.revocations[i]; slices.Contains(ids, r.ID) && !r.Lifted {
			d.version++
			r.Lifted, r.Expires, r.Version = true, t, d.version
			n++
		}
	}
	return n, nil
}

func (d *memoryDriver) Revocations(_ context.Context, after int64, most int) (found []state.RevocationRecord, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, r := range d.revocations {
		if r.Version > after {
			found = append(found, r)
		}
	}
	slices.SortFunc(found, func(a, b state.RevocationRecord) int { return cmp.Compare(a.Version, b.Version) })
	return found[:min(len(found), most)], nil
}

func (d *memoryDriver) AddPasses(_ context.Context, seen []state.PassRecord) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, p := range seen {
		have, ok := d.passes[p.ID]
		if !ok {
			have = p
			have.Uses, have.Refused, have.Received, have.Sent = 0, 0, 0, 0
		}
		have.Uses, have.Refused = have.Uses+p.Uses, have.Refused+p.Refused
		have.Received, have.Sent = have.Received+p.Received, have.Sent+p.Sent
		d.passes[p.ID] = have
	}
	return nil
}

func (d *memoryDriver) ExpireEntries(context.Context, time.Time, int) (int, error)     { return 0, nil }
func (d *memoryDriver) ExpireRevocations(context.Context, time.Time, int) (int, error) { return 0, nil }
func (d *memoryDriver) ExpirePasses(context.Context, time.Time, int) (int, error)      { return 0, nil }
func (d *memoryDriver) ExpireLinks(context.Context, time.Time, int) (int, error)       { return 0, nil }

// A spyLedger notes what the server asks of the ledger.
type spyLedger struct {
	*state.State
	mu    sync.Mutex
	calls []string
	// draw, where set, comes before Draw.
	draw func(total, fits int64) error
	// drawn, where set, comes after it.
	drawn func()
	// released are the outcomes of writes, settled the bytes of responses.
	released []bool
	settled  []int64
}

func (l *spyLedger) note(call string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calls = append(l.calls, call)
}

// asked returns the calls since it was last called.
func (l *spyLedger) asked() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	calls := strings.Join(l.calls, " ")
	l.calls = nil
	return calls
}

// outcomes returns what was settled.
func (l *spyLedger) outcomes() []int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.settled)
}

func (l *spyLedger) NewToken() (state.Token, error) {
	l.note("NewToken")
	return l.State.NewToken()
}

func (l *spyLedger) Draw(ctx context.Context, b state.Budget, t state.Token, total, fits int64) error {
	l.note("Draw")
	if l.draw != nil {
		if err := l.draw(total, fits); err != nil {
			return err
		}
	}
	err := l.State.Draw(ctx, b, t, total, fits)
	if l.drawn != nil {
		l.drawn()
	}
	return err
}

func (l *spyLedger) Settle(ctx context.Context, b state.Budget, t state.Token, sent int64, whole bool) error {
	l.note("Settle")
	l.mu.Lock()
	l.settled = append(l.settled, sent)
	l.mu.Unlock()
	return l.State.Settle(ctx, b, t, sent, whole)
}

func (l *spyLedger) Exhausted(ctx context.Context, b state.Budget) (bool, error) {
	l.note("Exhausted")
	return l.State.Exhausted(ctx, b)
}

func (l *spyLedger) Reserve(ctx context.Context, c state.Count, t state.Token) error {
	err := l.State.Reserve(ctx, c, t)
	l.note("Reserve")
	return err
}

func (l *spyLedger) Release(ctx context.Context, c state.Count, t state.Token, used bool) error {
	l.note("Release")
	l.mu.Lock()
	l.released = append(l.released, used)
	l.mu.Unlock()
	return l.State.Release(ctx, c, t, used)
}

func (l *spyLedger) Bind(ctx context.Context, pass string, addr netip.Addr, ends time.Time) (netip.Addr, error) {
	l.note("Bind")
	return l.State.Bind(ctx, pass, addr, ends)
}

func (l *spyLedger) Bound(ctx context.Context, pass string) (netip.Addr, error) {
	l.note("Bound")
	return l.State.Bound(ctx, pass)
}

func (l *spyLedger) TryPIN(ctx context.Context, p state.PINTry) error {
	l.note("TryPIN")
	return l.State.TryPIN(ctx, p)
}

func (l *spyLedger) AcceptPIN(ctx context.Context, p state.PINTry) error {
	l.note("AcceptPIN")
	return l.State.AcceptPIN(ctx, p)
}

// A passEnv is a server with a ledger, revocations and statistics, and a clock
// of its own.
type passEnv struct {
	*env
	server *Server
	state  *state.State
	ledger *spyLedger
	driver *memoryDriver
	// later is how long after testTime it is.
	later atomic.Int64
}

func newPassEnv(t testing.TB, change ...func(*Config)) *passEnv {
	t.Helper()
	e := &passEnv{driver: newMemoryDriver()}
	clock := func() time.Time { return testTime.Add(time.Duration(e.later.Load())) }
	st, err := state.Open(context.Background(), e.driver, state.MasterKey{1}, state.Options{Clock: func() time.Time { return testTime }})
	if err != nil {
		t.Fatal(err)
	}
	e.state, e.ledger = st, &spyLedger{State: st}
	set := func(c *Config) {
		c.Clock, c.Ledger, c.Revocations, c.Passes = clock, e.ledger, st, st
	}
	e.env = newEnv(t, append([]func(*Config){set}, change...)...)
	e.server = e.http.Config.Handler.(*Server)
	t.Cleanup(func() {
		e.http.Close()
		st.Close()
	})
	return e
}

// at moves the clock to so long after testTime.
func (e *passEnv) at(later time.Duration) { e.later.Store(int64(later)) }

// refused checks that a limit refuses a request, and names itself.
func (e *passEnv) refused(r *reply, status int, code, limit string) {
	e.t.Helper()
	e.want(r, status, code)
	if got := r.element("Limit"); got != limit {
		e.t.Errorf("the limit %q refused, want %q\n%s", got, limit, r.body)
	}
	e.private(r)
}

// private checks that no cache may keep an answer.
func (e *passEnv) private(r *reply) {
	e.t.Helper()
	if got := strings.Join(r.header["Cache-Control"], "|"); got != "private, no-store" {
		e.t.Errorf("Cache-Control %q\n%s", got, r.body)
	}
}

// invalid checks that a limit itself is refused, with words.
func (e *passEnv) invalid(r *reply, words string) {
	e.t.Helper()
	e.want(r, 400, "InvalidArgument")
	if !strings.Contains(r.body, words) {
		e.t.Errorf("no %q in\n%s", words, r.body)
	}
}

// granted checks that a request gets an answer that no cache may keep.
func (e *passEnv) granted(r *reply, status int, body string) {
	e.t.Helper()
	e.want(r, status, "")
	if r.body != body {
		e.t.Errorf("%d bytes: %.100q", len(r.body), r.body)
	}
	e.private(r)
}
