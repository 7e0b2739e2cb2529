package state

import (
	"context"
	"errors"
	"hash/maphash"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/daypass/daypass"
)

const (
	// MaxListPasses is how many passes ListPasses returns at most.
	MaxListPasses = 1000

	// flushAge is how long statistics stay in memory, at most.
	flushAge = 2 * time.Second
	// seenShards and seenPerShard bound the passes in memory; past that,
	// sightings of further passes are lost until the next flush.
	seenShards   = 16
	seenPerShard = 2048
	// maxSighting bounds each count of one request, so that no claim of a
	// client makes sums overflow.
	maxSighting = 1 << 50
	// flushBatch is how many records are written at once.
	flushBatch = 100
)

// A Sighting is one request of a pass: a PassRecord that stands for one use
// or one refusal.
type Sighting = PassRecord

// A seen adds up sightings until they are written.
type seen struct {
	seed   maphash.Seed
	shards [seenShards]seenShard
	// early asks for a flush before its time.
	early chan struct{}
	lost  atomic.Int64
	// flushing is held by the one who flushes.
	flushing sync.Mutex
}

type seenShard struct {
	mu     sync.Mutex
	passes map[string]*PassRecord
}

func newSeen() *seen {
	return &seen{seed: maphash.MakeSeed(), early: make(chan struct{}, 1)}
}

// add adds up a sighting.
func (c *seen) add(p *PassRecord) {
	shard := &c.shards[maphash.String(c.seed, p.ID)%seenShards]
	shard.mu.Lock()
	defer shard.mu.Unlock()
	if have := shard.passes[p.ID]; have != nil {
		have.add(p)
		return
	}
	switch n := len(shard.passes); {
	case n >= seenPerShard:
		c.lost.Add(1)
		return
	case n == seenPerShard/2:
		c.flushEarly()
	case n == 0:
		shard.passes = make(map[string]*PassRecord)
	}
	q := p.clone()
	shard.passes[q.ID] = q
}

func (c *seen) flushEarly() {
	select {
	case c.early <- struct{}{}:
	default:
	}
}

// take returns what was added up and begins anew.
func (c *seen) take() []PassRecord {
	var list []PassRecord
	for i := range c.shards {
		shard := &c.shards[i]
		shard.mu.Lock()
		passes := shard.passes
		shard.passes = nil
		shard.mu.Unlock()
		for _, p := range passes {
			for _, at := range []*time.Time{&p.First, &p.Last, &p.Signed, &p.Ends, &p.Expires} {
				*at = stamp(*at)
			}
			list = append(list, *p)
		}
	}
	return list
}

// add adds the counts of another record of the same pass.
func (p *PassRecord) add(q *PassRecord) {
	if q.First.Before(p.First) {
		p.First = q.First
	}
	if q.Last.After(p.Last) {
		p.Last = q.Last
	}
	if q.Expires.IsZero() || !p.Expires.IsZero() && q.Expires.After(p.Expires) {
		p.Expires = q.Expires
	}
	p.Uses += q.Uses
	p.Refused += q.Refused
	p.Received += q.Received
	p.Sent += q.Sent
}

// clone returns a copy that keeps no request in memory, and whose text every
// database takes.
func (p *PassRecord) clone() *PassRecord {
	q := *p
	for _, s := range []*string{&q.ID, &q.Name, &q.Key, &q.Owner, &q.Action, &q.Bucket, &q.Object, &q.Limits} {
		*s = storable(*s)
	}
	return &q
}

// maxSeenText bounds each text of a record, in bytes: the longest key.
const maxSeenText = 1024

// storable returns a copy of text as a record may hold it. Keys may be any
// bytes, and what is refused may be named by even more.
func storable(text string) string {
	text = text[:min(len(text), maxSeenText)]
	return strings.Clone(strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\x00", "\uFFFD"))
}

// Seen notes a request of a pass, in memory; it is written within seconds, in
// batches. First and Last are now where they are zero, and Expires follows
// from Ends. It never blocks and never fails, but forgets what comes when too
// many passes are seen at once.
func (s *State) Seen(p *Sighting) {
	if p.ID == "" {
		return
	}
	q := *p
	for _, n := range []*int64{&q.Uses, &q.Refused, &q.Received, &q.Sent} {
		*n = min(max(*n, 0), maxSighting)
	}
	if q.First.IsZero() {
		q.First = s.now()
	}
	if q.Last.IsZero() {
		q.Last = q.First
	}
	q.Expires = s.keepUntil(q.Ends)
	s.seen.add(&q)
}

// Flush writes the statistics that are still in memory.
func (s *State) Flush(ctx context.Context) error {
	if err := s.flush(ctx); err != nil {
		return failed("state.Flush", err)
	}
	return nil
}

// flush writes what was seen. What could not be written is kept for the next
// time; where the driver did write it, it counts twice.
func (s *State) flush(ctx context.Context) error {
	s.seen.flushing.Lock()
	defer s.seen.flushing.Unlock()
	list := s.seen.take()
	for len(list) > 0 {
		n := min(len(list), flushBatch)
		if err := s.driver.AddPasses(ctx, list[:n]); err != nil {
			var some *UnwrittenError
			if errors.As(err, &some) {
				list = append(slices.Clone(some.Passes), list[n:]...)
			}
			for i := range list {
				s.seen.add(&list[i])
			}
			return err
		}
		list = list[n:]
	}
	return nil
}

// Pass returns what was seen of a pass; what other nodes saw in the last
// seconds may be missing. NoSuchPass.
func (s *State) Pass(ctx context.Context, id string) (PassRecord, error) {
	const op = "state.Pass"
	if err := s.flush(ctx); err != nil {
		return PassRecord{}, failed(op, err)
	}
	p, err := s.driver.Pass(ctx, id)
	if err != nil {
		return PassRecord{}, failed(op, err)
	}
	if p == nil {
		return PassRecord{}, &daypass.Error{Op: op, Code: daypass.NoSuchPass}
	}
	return *p, nil
}

// ListPasses returns at most max passes in order of id, whose ids come after
// the given one, and whether there are more. A max outside 1 to MaxListPasses
// is MaxListPasses. What other nodes saw in the last seconds may be missing.
func (s *State) ListPasses(ctx context.Context, f PassFilter, after string, max int) (list []PassRecord, more bool, err error) {
	const op = "state.ListPasses"
	if max < 1 || max > MaxListPasses {
		max = MaxListPasses
	}
	if err := s.flush(ctx); err != nil {
		return nil, false, failed(op, err)
	}
	list, err = s.driver.ListPasses(ctx, f, after, max+1)
	if err != nil {
		return nil, false, failed(op, err)
	}
	if more = len(list) > max; more {
		list = list[:max]
	}
	return list, more, nil
}
