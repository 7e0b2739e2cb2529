package s3store

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/store"
)

// recordTTL is how long a node goes by what it has read of a bucket, and how
// long the deletion of a bucket waits for the writes of nodes that do.
const recordTTL = time.Second

// recordTries bounds how often a change of a record that others change at the
// same time is tried.
const recordTries = 8

// abandoned is how long somebody may be at work on a bucket before another node
// takes over: no upstream that works takes so long.
const abandoned = time.Minute

// A phase is where a bucket is in its life.
type phase string

const (
	phaseLive phase = "live"
	// phaseCreating: the upstream bucket may be there or not; nobody sees the
	// bucket yet.
	phaseCreating phase = "creating"
	// phaseDeleting: no write is acknowledged until it is settled whether the
	// bucket stays.
	phaseDeleting phase = "deleting"
	phaseDeleted  phase = "deleted"
)

// A record is what the control object buckets/NAME says of a bucket. It is
// changed by compare and swap only, and never removed.
type record struct {
	ID      string    `json:"id"`
	Owner   string    `json:"owner,omitempty"`
	Region  string    `json:"region,omitempty"`
	Created time.Time `json:"created"`
	Phase   phase     `json:"phase"`
	// Changed is when Phase became what it is.
	Changed time.Time `json:"changed"`
	// Nonce makes every value that is written another one.
	Nonce string `json:"nonce"`

	name string
	// etag is that of the control object; "" where there is none.
	etag string
	// versioning and lock are the upstream bucket's.
	versioning store.Versioning
	lock       store.ObjectLock
}

func recordName(bucket string) string { return "buckets/" + bucket }

// settled reports whether nobody is at work on the bucket, or no longer.
func (r *record) settled(now time.Time) bool {
	return r.Phase == phaseLive || r.Phase == phaseDeleted || now.Sub(r.Changed) > abandoned
}

func (r *record) bucket() store.Bucket {
	return store.Bucket{
		Name: r.name, ID: r.ID, Owner: r.Owner, Region: r.Region, Created: r.Created,
		Versioning: r.versioning, ObjectLock: r.lock,
	}
}

// readRecord returns the record of a bucket as it is now; its etag is "" where
// there is none.
func (d *Driver) readRecord(ctx context.Context, bucket string) (*record, error) {
	r := &record{name: bucket}
	value, etag, err := d.readControl(ctx, recordName(bucket))
	if daypass.CodeOf(err) == daypass.NoSuchKey {
		return r, nil
	}
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(value, r); err != nil {
		return nil, fmt.Errorf("s3store: the record of bucket %s is damaged: %w", bucket, err)
	}
	r.etag = etag
	return r, nil
}

// writeRecord puts next in the place of r, if that is still what is there.
// PreconditionFailed.
func (d *Driver) writeRecord(ctx context.Context, r *record, next record) (*record, error) {
	var nonce [12]byte
	if _, err := rand.Read(nonce[:]); err != nil {
		return nil, err
	}
	next.Nonce, next.name = hex.EncodeToString(nonce[:]), r.name
	value, err := json.Marshal(&next)
	if err != nil {
		return nil, err
	}
	d.records.forget(r.name)
	next.etag, err = d.writeControl(ctx, recordName(r.name), value, r.etag)
	d.records.forget(r.name)
	if err != nil {
		return nil, err
	}
	return &next, nil
}

// enter makes a record say another phase.
func (d *Driver) enter(ctx context.Context, r *record, p phase) (*record, error) {
	next := *r
	next.Phase, next.Changed = p, d.now().UTC()
	return d.writeRecord(ctx, r, next)
}

// A hold is a bucket that was seen to be there.
type hold struct {
	*record
	// until is when a write that was begun with the hold needs a second look
	// at the bucket before it is acknowledged; zero: always.
	until time.Time
}

// current reports whether a hold has not run out, by the monotonic clock and by
// that on the wall: while a machine is suspended, the first one may stand still.
func (h *hold) current(now time.Time, lease time.Duration) bool {
	left := h.until.Round(0).Sub(now.Round(0))
	return now.Before(h.until) && left > 0 && left <= lease
}

// hold returns a bucket, as it was within the last second. NoSuchBucket.
func (d *Driver) hold(ctx context.Context, bucket string) (hold, error) {
	return d.records.get(ctx, bucket)
}

// settle reports whether a write that the upstream has acknowledged may be
// acknowledged, which it must not be where its bucket was deleted meanwhile:
// then the caller removes what it wrote and returns the error.
//
// The deletion of a bucket first marks it, waits until every hold from before
// has run out, and then looks for objects. So a write that ends before its hold
// does is seen by a deletion that comes later; any other one looks at the
// record again, also for a client that has gone. NoSuchBucket,
// ServiceUnavailable.
func (d *Driver) settle(ctx context.Context, h hold) error {
	if h.current(d.now(), d.lease) {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), d.lease+cleanupTimeout)
	defer cancel()
	for end := d.now().Add(d.lease + 10*time.Second); ; {
		r, err := d.readRecord(ctx, h.name)
		switch {
		case err != nil:
			return err
		case r.ID != h.ID || r.Phase == phaseDeleted || r.Phase == phaseCreating:
			return noSuchBucket(h.name)
		case r.Phase == phaseLive:
			return nil
		case d.now().After(end):
			return &daypass.Error{Code: daypass.ServiceUnavailable, Err: errors.New("the bucket is being deleted")}
		}
		if err := sleep(ctx, d.lease/8); err != nil {
			return err
		}
	}
}

func noSuchBucket(name string) error {
	return &daypass.Error{Code: daypass.NoSuchBucket, Details: []daypass.Detail{{Name: "BucketName", Value: name}}}
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// maxRecords is how many buckets a node keeps in mind.
const maxRecords = 10_000

// records are what a node has read of buckets within the last lease.
type records struct {
	driver *Driver
	mu     sync.Mutex
	byName map[string]*cached
}

// A cached is a bucket that was read, or is being read.
type cached struct {
	done  chan struct{} // closed when hold and err are there
	hold  hold
	err   error
	began time.Time
}

func newRecords(d *Driver) *records { return &records{driver: d, byName: make(map[string]*cached)} }

// forget makes the next get read anew.
func (c *records) forget(bucket string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.byName, bucket)
}

// get returns a bucket as it was within the last lease. Callers of one bucket
// share one read. NoSuchBucket, which is not kept.
func (c *records) get(ctx context.Context, bucket string) (hold, error) {
	if !c.driver.names.possible(bucket) {
		return hold{}, noSuchBucket(bucket)
	}
	for {
		e := c.entry(ctx, bucket)
		select {
		case <-e.done:
		case <-ctx.Done():
			return hold{}, ctx.Err()
		}
		// Where whoever read has given up, others read for themselves.
		if errors.Is(e.err, context.Canceled) && ctx.Err() == nil {
			continue
		}
		return e.hold, e.err
	}
}

// entry returns the entry of a bucket, and reads it where there is none.
func (c *records) entry(ctx context.Context, bucket string) *cached {
	now := c.driver.now()
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.byName[bucket]; ok && now.Before(e.began.Add(c.driver.lease)) {
		return e
	}
	if len(c.byName) >= maxRecords {
		c.drop(now)
	}
	e := &cached{done: make(chan struct{}), began: now}
	c.byName[bucket] = e
	go c.read(ctx, bucket, e)
	return e
}

// drop removes what counts no longer, and anything where that is not enough.
func (c *records) drop(now time.Time) {
	for name, e := range c.byName {
		if len(c.byName) < maxRecords && now.Before(e.began.Add(c.driver.lease)) {
			continue
		}
		delete(c.byName, name)
	}
}

// read reads a bucket for all who wait for it.
func (c *records) read(ctx context.Context, bucket string, e *cached) {
	defer close(e.done)
	r, err := c.driver.lookup(ctx, bucket)
	if err != nil {
		e.err = err
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.byName[bucket] == e {
			delete(c.byName, bucket)
		}
		return
	}
	e.hold = hold{record: r}
	// A deletion that is under way does not wait for holds that begin after it.
	if r.Phase == phaseLive {
		e.hold.until = e.began.Add(c.driver.lease)
	}
}
