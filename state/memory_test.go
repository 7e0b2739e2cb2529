package state_test

import (
	"bytes"
	"context"
	"maps"
	"slices"
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/state"
)

// A memory is a driver that keeps in memory what the ledger, revocations,
// statistics and links need.
type memory struct {
	state.Driver // nil: keys and buckets are not for it

	mu          sync.Mutex
	settings    map[string][]byte
	entries     map[string]state.EntryRecord
	revocations map[string]state.RevocationRecord
	version     int64
	passes      map[string]state.PassRecord
	links       map[string]state.LinkRecord
}

func newMemory() *memory {
	return &memory{
		settings: map[string][]byte{}, entries: map[string]state.EntryRecord{},
		revocations: map[string]state.RevocationRecord{}, passes: map[string]state.PassRecord{},
		links: map[string]state.LinkRecord{},
	}
}

func (m *memory) Close() error { return nil }

func (m *memory) Changes(context.Context) (int64, error) { return 0, nil }

func (m *memory) InitSetting(_ context.Context, name string, value []byte) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if have := m.settings[name]; have != nil {
		return have, nil
	}
	m.settings[name] = value
	return value, nil
}

func (m *memory) UpdateEntry(ctx context.Context, id string, change func(*state.EntryRecord) (*state.EntryRecord, error)) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	var old *state.EntryRecord
	if e, ok := m.entries[id]; ok {
		e.Data = bytes.Clone(e.Data)
		old = &e
	}
	next, err := change(old)
	switch {
	case err != nil:
		return err
	case next == nil:
		delete(m.entries, id)
	default:
		m.entries[id] = *next
	}
	return nil
}

func (m *memory) Entry(_ context.Context, id string) (*state.EntryRecord, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if e, ok := m.entries[id]; ok {
		return &e, nil
	}
	return nil, nil
}

// after returns the values of m with keys after the given one, in order.
func after[V any](m map[string]V, key string, max int, want func(V) bool) (list []V) {
	keys := slices.Sorted(maps.Keys(m))
	for _, k := range keys[sort.SearchStrings(keys, key+"\x00"):] {
		if len(list) < max && want(m[k]) {
			list = append(list, m[k])
		}
	}
	return list
}

func (m *memory) PassEntries(_ context.Context, pass, id string, max int) ([]state.EntryRecord, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return after(m.entries, id, max, func(e state.EntryRecord) bool { return e.Pass == pass }), nil
}

func (m *memory) DeletePassEntries(_ context.Context, pass string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	maps.DeleteFunc(m.entries, func(_ string, e state.EntryRecord) bool { return e.Pass == pass })
	return nil
}

// expire removes what expires before t.
func expire[V any](m map[string]V, t time.Time, max int, expires func(V) time.Time) (n int) {
	for k, v := range m {
		if e := expires(v); n < max && !e.IsZero() && e.Before(t) {
			delete(m, k)
			n++
		}
	}
	return n
}

func (m *memory) ExpireEntries(_ context.Context, t time.Time, max int) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return expire(m.entries, t, max, func(e state.EntryRecord) time.Time { return e.Expires }), nil
}

func (m *memory) InsertRevocation(_ context.Context, r state.RevocationRecord) (int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.version++
	r.Version = m.version
	m.revocations[r.ID] = r
	return r.Version, nil
}

func (m *memory) LiftRevocations(_ context.Context, ids []string, t time.Time) (n int, _ error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, id := range ids {
		r, ok := m.revocations[id]
		if !ok || r.Lifted {
			continue
		}
		m.version++
		r.Version, r.Lifted, r.Expires = m.version, true, t
		m.revocations[id] = r
		n++
	}
	return n, nil
}

func (m *memory) Revocations(_ context.Context, version int64, max int) ([]state.RevocationRecord, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if version >= m.version {
		return nil, nil
	}
	var versions []int64
	ids := map[int64]string{}
	for id, r := range m.revocations {
		if r.Version > version {
			versions = append(versions, r.Version)
			ids[r.Version] = id
		}
	}
	slices.Sort(versions)
	var list []state.RevocationRecord
	for _, v := range versions[:min(max, len(versions))] {
		list = append(list, m.revocations[ids[v]])
	}
	return list, nil
}

func (m *memory) ExpireRevocations(_ context.Context, t time.Time, max int) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return expire(m.revocations, t, max, func(r state.RevocationRecord) time.Time { return r.Expires }), nil
}

func (m *memory) AddPasses(_ context.Context, seen []state.PassRecord) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, p := range seen {
		have, ok := m.passes[p.ID]
		if !ok {
			m.passes[p.ID] = p
			continue
		}
		if p.First.Before(have.First) {
			have.First = p.First
		}
		if p.Last.After(have.Last) {
			have.Last = p.Last
		}
		have.Uses += p.Uses
		have.Refused += p.Refused
		have.Received += p.Received
		have.Sent += p.Sent
		m.passes[p.ID] = have
	}
	return nil
}

func (m *memory) Pass(_ context.Context, id string) (*state.PassRecord, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if p, ok := m.passes[id]; ok {
		return &p, nil
	}
	return nil, nil
}

func (m *memory) ListPasses(_ context.Context, f state.PassFilter, id string, max int) ([]state.PassRecord, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	is := func(want, have string) bool { return want == "" || want == have }
	return after(m.passes, id, max, func(p state.PassRecord) bool {
		return is(f.Owner, p.Owner) && is(f.Name, p.Name) && is(f.Key, p.Key) && is(f.Bucket, p.Bucket) && strings.HasPrefix(p.Object, f.Prefix)
	}), nil
}

func (m *memory) ExpirePasses(_ context.Context, t time.Time, max int) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return expire(m.passes, t, max, func(p state.PassRecord) time.Time { return p.Expires }), nil
}

func (m *memory) InsertLink(_ context.Context, l state.LinkRecord) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.links[l.ID]; ok {
		return &daypass.Error{Code: daypass.LinkAlreadyExists}
	}
	m.links[l.ID] = l
	return nil
}

func (m *memory) Link(_ context.Context, id string) (state.LinkRecord, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	l, ok := m.links[id]
	if !ok {
		return l, &daypass.Error{Code: daypass.NoSuchLink}
	}
	return l, nil
}

func (m *memory) ListLinks(_ context.Context, owner, id string, max int) ([]state.LinkRecord, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return after(m.links, id, max, func(l state.LinkRecord) bool { return owner == "" || l.Owner == owner }), nil
}

func (m *memory) DeleteLink(_ context.Context, id string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.links[id]; !ok {
		return &daypass.Error{Code: daypass.NoSuchLink}
	}
	delete(m.links, id)
	return nil
}

func (m *memory) ExpireLinks(_ context.Context, t time.Time, max int) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return expire(m.links, t, max, func(l state.LinkRecord) time.Time { return l.Expires }), nil
}
