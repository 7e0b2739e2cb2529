package bucketlog

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/audit"
	"github.com/daypass/daypass/audit/spool"
)

// A collection is the objects of a batch as they are made.
type collection struct {
	batch *spool.Batch
	// known are the destinations of the buckets that were met, each looked up
	// once.
	known   map[string]*Destination
	objects []Object
	places  map[place]int // in objects
}

// A place is what the lines of one object have in common.
type place struct {
	bucket string
	day    int64 // since 1970, where keys have the day of the events
}

// collect makes the objects of a batch.
func (d *Delivery) collect(ctx context.Context, b *spool.Batch) ([]Object, error) {
	c := &collection{batch: b, known: make(map[string]*Destination), places: make(map[place]int)}
	for i := range b.Events {
		e := &b.Events[i]
		if e.Object.Bucket == "" || e.BucketOwner == "" || e.Operation == "" {
			continue // no bucket's request, or none of S3
		}
		to, ok := c.known[e.Object.Bucket]
		if !ok {
			var err error
			if to, err = d.destination(ctx, e.Object.Bucket); err != nil {
				return nil, err
			}
			c.known[e.Object.Bucket] = to
		}
		if to != nil && e.BucketOwner == to.Owner && !e.Time.Before(to.Created) {
			c.add(to, e)
		}
	}
	return c.objects, nil
}

func (d *Delivery) destination(ctx context.Context, bucket string) (*Destination, error) {
	to, err := d.cfg.Buckets.Destination(ctx, bucket)
	if errors.Is(err, ErrRefused) {
		d.refused(bucket, fmt.Errorf("the log of bucket %s goes nowhere: %w", bucket, err))
		return nil, nil
	}
	return to, err
}

// day is how keys are told apart that have the day of their events.
const day = 24 * time.Hour

// add adds the line of an event to its object.
func (c *collection) add(to *Destination, e *daypass.Event) {
	at := place{bucket: e.Object.Bucket}
	if to.Keys.EventTime {
		at.day = e.Time.Unix() / int64(day/time.Second)
	}
	i, ok := c.places[at]
	if !ok {
		line := audit.AppendAccessLog(nil, e)
		if len(line) == 0 {
			return
		}
		c.places[at] = len(c.objects)
		c.objects = append(c.objects, Object{Source: e.Object.Bucket, Owner: to.Owner, Target: to.Target,
			Key: c.key(to, at.day), ACL: to.ACL, Body: line})
		return
	}
	c.objects[i].Body = audit.AppendAccessLog(c.objects[i].Body, e)
}

// key names an object: by the batch, the bucket and the day, so that it is the
// same whenever the batch is given out.
func (c *collection) key(to *Destination, since1970 int64) string {
	if !to.Keys.EventTime {
		return to.Keys.Key(c.batch.Time, c.batch.Unique(to.BucketID))
	}
	t := time.Unix(since1970*int64(day/time.Second), 0).UTC()
	return to.Keys.Key(t, c.batch.Unique(to.BucketID, t.Format(time.DateOnly)))
}
