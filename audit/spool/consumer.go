package spool

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
	"unsafe"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/audit"
)

// A Consumer reads every event of a spool once. Its methods must not be called
// concurrently.
type Consumer struct {
	spool *Spool
	name  string

	mu          sync.Mutex // of cur
	cur         cursor
	file        cursorFile
	redelivered bool // the claim is of an earlier process
	reader      *reader
	waiting     time.Time // since when there is something that was not given out; zero: there is not
}

// A Batch is a range of a spool.
type Batch struct {
	// From and To are where it begins and ends.
	From, To Position
	// Time is when it was given out first, to the second.
	Time time.Time
	// Redelivered says that it was given out before, by a process that did
	// not commit it.
	Redelivered bool
	Gaps        []Gap

	spool, consumer string
	memory          *memory // nil where it was given back
	spare           *sync.Pool
}

// A memory is what the events of a batch take.
type memory struct {
	stored []byte // one behind the other
	events []place
}

// A place says where an event is: in the spool, and up to where in memory.
type place struct {
	at  Position
	end int
}

// Len returns how many events there are.
func (b *Batch) Len() int {
	if b.memory == nil {
		return 0
	}
	return len(b.memory.events)
}

// Events returns the events in the order in which they were recorded, with their
// numbers. Each is valid until the next one comes, and its texts until the batch
// is released or committed: whoever keeps one makes a copy (strings.Clone). So
// to read a batch allocates nothing, however many events it has.
func (b *Batch) Events() iter.Seq2[int, *daypass.Event] {
	return func(yield func(int, *daypass.Event) bool) {
		var e daypass.Event
		from := 0
		for i := range b.Len() {
			end := b.memory.events[i].end
			_ = audit.DecodeEvent(view(b.memory.stored[from:end]), &e) // that it is one was found out before
			if from = end; !yield(i, &e) {
				return
			}
		}
	}
}

// Event returns event i, as a copy that may be kept.
func (b *Batch) Event(i int) *daypass.Event {
	from := 0
	if i > 0 {
		from = b.memory.events[i-1].end
	}
	e := new(daypass.Event)
	_ = audit.DecodeEvent(string(b.memory.stored[from:b.memory.events[i].end]), e)
	return e
}

// At returns the position of event i.
func (b *Batch) At(i int) Position { return b.memory.events[i].at }

// Release gives back the memory of the events early. Nothing but Commit may
// follow; the positions of events are forgotten too, so that EventID no longer
// works.
func (b *Batch) Release() {
	m := b.memory
	if m == nil {
		return
	}
	b.memory = nil
	clear(m.stored) // so that a text that was kept is seen to be wrong at once
	m.stored, m.events = m.stored[:0], m.events[:0]
	b.spare.Put(m)
}

// view is b as a text. It is b's: it changes with it.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// Unique returns 16 upper-case hexadecimal digits that this batch of this
// consumer has in common with no other of any spool, and that are the same
// whenever it is given out. The parts tell several objects of one batch apart.
func (b *Batch) Unique(parts ...string) string {
	h := sha256.New()
	fmt.Fprintf(h, "%q %q %d %q", b.spool, b.consumer, b.From, parts)
	return strings.ToUpper(hex.EncodeToString(h.Sum(nil)[:8]))
}

// EventID returns 26 characters that event i of this batch has in common with no
// other of any spool, and that are the same for every consumer and whenever it
// is given out. The parts tell several things apart that one event leads to.
func (b *Batch) EventID(i int, parts ...string) string {
	h := sha256.New()
	fmt.Fprintf(h, "%q %d %q", b.spool, b.At(i), parts)
	return base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(h.Sum(nil)[:16])
}

// openConsumers opens the cursors of all consumers and removes others.
func (s *Spool) openConsumers() error {
	s.consumers = make(map[string]*Consumer)
	for _, name := range s.opts.Consumers {
		if !isConsumerName(name) {
			return fmt.Errorf("spool: a consumer cannot be named %q", name)
		}
		c := &Consumer{spool: s, name: name, file: cursorFile{path: filepath.Join(s.opts.Dir, name+cursorSuffix)}}
		if err := c.load(); err != nil {
			return err
		}
		s.consumers[name] = c
	}
	entries, err := os.ReadDir(s.opts.Dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), cursorSuffix)
		if ok && s.consumers[name] == nil {
			if err := os.Remove(filepath.Join(s.opts.Dir, e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

func isConsumerName(name string) bool {
	for _, c := range []byte(name) {
		alnum := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
		if !alnum && c != '-' && c != '_' && c != '.' {
			return false
		}
	}
	return name != ""
}

// Consumer returns one of Options.Consumers, nil for another name.
func (s *Spool) Consumer(name string) *Consumer { return s.consumers[name] }

func (c *Consumer) load() (err error) {
	c.cur, err = c.file.load()
	if errors.Is(err, os.ErrNotExist) {
		if c.cur.Next, err = c.begin(); err != nil {
			return err
		}
		return c.save(c.cur)
	}
	if err == nil && c.cur.Claimed && c.cur.To < c.cur.Next {
		return fmt.Errorf("spool: a damaged cursor: %s claims what is before its place", c.file.path)
	}
	c.redelivered = c.cur.Claimed
	return err
}

// begin returns where a new consumer begins.
func (c *Consumer) begin() (Position, error) {
	if slices.Contains(c.spool.opts.Late, c.name) {
		return c.spool.log.end, nil
	}
	return oldest(c.spool.opts.Dir)
}

// oldest returns where the oldest segment begins.
func oldest(dir string) (Position, error) {
	names, err := listSegments(dir)
	if err != nil || len(names) == 0 {
		return 0, err
	}
	return names[0].start, nil
}

func (c *Consumer) save(cur cursor) error {
	if c.spool.closed.Load() {
		return errClosed // another process may have it
	}
	if err := c.file.store(cur); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cur = cur
	return nil
}

// position returns up to where everything is committed.
func (c *Consumer) position() Position {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cur.Next
}

// State returns what the last Commit stored.
func (c *Consumer) State() []byte { return c.cur.State }

// SetState stores state without a batch.
func (c *Consumer) SetState(state []byte) error {
	cur := c.cur
	cur.State = state
	return c.save(cur)
}

// A Limit says when a batch is given out: when it has Bytes, 1 MiB by default,
// of records, or when its first event waited for Wait. While the machine is busy
// (Options.Busy) it waits on, until its first event has waited for Patience:
// requests go before what is written about them.
type Limit struct {
	Bytes    int64
	Wait     time.Duration
	Patience time.Duration
}

// busyCheck is how often a batch that waits for the machine looks at it.
const busyCheck = 50 * time.Millisecond

// Next waits for the next batch. A batch that was given out before and not
// committed is given out again, as it was. It never has less than one event or
// gap. The error is the context's, errors of the disk, or of a closed spool.
func (c *Consumer) Next(ctx context.Context, l Limit) (*Batch, error) {
	orDefault(&l.Bytes, 1<<20)
	if c.spool.closing() {
		return nil, errClosed
	}
	if !c.cur.Claimed {
		if err := c.await(ctx, l); err != nil {
			return nil, err
		}
	}
	for {
		b, err := c.read(l)
		if err != nil {
			return nil, err
		}
		if !c.cur.Claimed {
			cur := c.cur
			cur.Claimed, cur.To, cur.Time = true, b.To, b.Time
			if err := c.save(cur); err != nil {
				return nil, err
			}
		}
		if b.Len()+len(b.Gaps) > 0 {
			return b, nil
		}
		if err := c.Commit(b, c.cur.State); err != nil {
			return nil, err
		}
	}
}

// Wait waits until Next has a batch to give out, without having it read. It
// returns up to where everything was recorded by then. The error is as Next's.
func (c *Consumer) Wait(ctx context.Context, l Limit) (Position, error) {
	orDefault(&l.Bytes, 1<<20)
	if c.spool.closing() {
		return 0, errClosed
	}
	if !c.cur.Claimed {
		if err := c.await(ctx, l); err != nil {
			return 0, err
		}
	}
	c.spool.mu.Lock()
	defer c.spool.mu.Unlock()
	return c.spool.end, nil
}

// Skip goes to a position that Wait returned, with what is before it unread. It
// does nothing, and reports that, where a batch was given out that is not yet
// committed.
func (c *Consumer) Skip(to Position) (bool, error) {
	if c.cur.Claimed {
		return false, nil
	}
	c.waiting = time.Time{}
	if to <= c.cur.Next {
		return true, nil
	}
	c.closeReader()
	return true, c.save(cursor{Next: to, State: c.cur.State})
}

// await waits until a batch is to be given out. A wait that was broken off goes
// on where it was.
func (c *Consumer) await(ctx context.Context, l Limit) error {
	var timer <-chan time.Time
	for due := false; ; {
		c.spool.mu.Lock()
		size, moved := c.spool.end-c.cur.Next, c.spool.moved
		c.spool.mu.Unlock()
		if size >= Position(l.Bytes) || size > 0 && (due || l.Wait <= 0) {
			if !c.yields(l) {
				return nil
			}
			timer = time.After(busyCheck)
		}
		if size > 0 && timer == nil {
			if c.waiting.IsZero() {
				c.waiting = time.Now()
			}
			t := time.NewTimer(l.Wait - time.Since(c.waiting))
			defer t.Stop()
			timer = t.C
		}
		select {
		case <-moved:
		case <-timer:
			due = true
		case <-ctx.Done():
			return ctx.Err()
		case <-c.spool.quit:
			c.closeReader()
			return errClosed
		}
	}
}

// yields reports whether a batch waits for a machine that is busy.
func (c *Consumer) yields(l Limit) bool {
	s := c.spool
	if l.Patience <= 0 || s.opts.Busy == nil || !s.opts.Busy() {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	near := int64(s.end-c.cur.Next) < s.opts.MaxBytes/4 // so that nothing goes for want of room
	return near && s.written.since(c.cur.Next) < l.Patience
}

// usualRecord is about how many bytes the record of an event has at least.
const usualRecord = 800

// read reads the claimed batch, or one of the size of the limit.
func (c *Consumer) read(l Limit) (*Batch, error) {
	c.spool.mu.Lock()
	end := c.spool.end
	c.spool.mu.Unlock()
	b := &Batch{From: c.cur.Next, Redelivered: c.redelivered, spool: c.spool.id, consumer: c.name, spare: &c.spool.spare}
	b.Time = c.spool.opts.Now().UTC().Truncate(time.Second)
	if c.cur.Claimed {
		end, b.Time, l.Bytes = c.cur.To, c.cur.Time, int64(c.cur.To-c.cur.Next)
	}
	if c.reader == nil || c.reader.pos != b.From {
		c.closeReader()
		c.reader = newReader(c.spool.opts.Dir, b.From)
	}
	if b.memory, _ = b.spare.Get().(*memory); b.memory == nil {
		b.memory = new(memory)
	}
	b.memory.grow(min(int64(end-b.From), l.Bytes))
	for b.To = b.From; b.To < end && int64(b.To-b.From) < l.Bytes; {
		f, err := c.reader.nextRecord(end, true)
		if errors.Is(err, io.EOF) {
			err = fmt.Errorf("spool: nothing at %d before the end %d", c.reader.pos, end)
		}
		if err != nil {
			c.closeReader()
			b.Release()
			return nil, err
		}
		// A gap may reach beyond a batch that was claimed before it opened.
		b.To = min(f.next, end)
		switch {
		case f.event == nil:
			b.Gaps = append(b.Gaps, f.gap)
		case !audit.IsEvent(view(f.event)):
			b.Gaps = append(b.Gaps, damagedRecord(f.at, f.next))
		default:
			b.memory.add(f)
		}
	}
	return b, nil
}

// mostAhead is how much room is made before anything was read.
const mostAhead = 2 << 20

// grow makes room for so many bytes of records, within bounds: what is given out
// again may be as large as a gap, of which nothing is there.
func (m *memory) grow(bytes int64) {
	bytes = min(bytes, mostAhead)
	m.stored = slices.Grow(m.stored, int(bytes))
	m.events = slices.Grow(m.events, int(bytes)/usualRecord+1)
}

func (m *memory) add(f found) {
	m.stored = append(m.stored, f.event...)
	m.events = append(m.events, place{at: f.at, end: len(m.stored)})
}

func (c *Consumer) closeReader() {
	if c.reader != nil {
		c.reader.close()
		c.reader = nil
	}
}

// Commit says that a batch is where it belongs, for good, and releases it. The
// state is kept with the cursor: either both or none of them are stored.
func (c *Consumer) Commit(b *Batch, state []byte) error {
	if !c.cur.Claimed || b.From != c.cur.Next || b.To != c.cur.To {
		return fmt.Errorf("spool: %s: the batch from %d to %d was not given out", c.name, b.From, b.To)
	}
	if err := c.save(cursor{Next: b.To, State: state}); err != nil {
		return err
	}
	c.redelivered, c.waiting = false, time.Time{}
	b.Release()
	return nil
}
