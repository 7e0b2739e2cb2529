package bucketlog

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/audit"
	"github.com/daypass/daypass/audit/spool"
)

// A collection is the objects of a batch as they are made.
type collection struct {
	batch *spool.Batch
	// known are the buckets that were met, by name, each looked up once.
	known   map[string]*logged
	objects []Object
	places  map[place]int // in objects
	format  audit.AccessLog
}

// A logged is a bucket whose requests are in the batch.
type logged struct {
	bucket string
	to     *Destination // nil: its log goes nowhere
}

// A place is what the lines of one object have in common.
type place struct {
	from *logged
	day  int64 // since 1970, where keys have the day of the events
}

// collect makes the objects of a batch.
func (d *Delivery) collect(ctx context.Context, b *spool.Batch) ([]Object, error) {
	c := &collection{batch: b, known: make(map[string]*logged), places: make(map[place]int)}
	for _, e := range b.Events() {
		if e.Object.Bucket == "" || e.BucketOwner == "" || e.Operation == "" {
			continue // no bucket's request, or none of S3
		}
		from := c.known[e.Object.Bucket]
		if from == nil {
			from = &logged{bucket: strings.Clone(e.Object.Bucket)}
			var err error
			if from.to, err = d.destination(ctx, from.bucket); err != nil {
				return nil, err
			}
			c.known[from.bucket] = from
		}
		if to := from.to; to != nil && e.BucketOwner == to.Owner && !e.Time.Before(to.Created) {
			c.add(from, e)
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
func (c *collection) add(from *logged, e *daypass.Event) {
	at, to := place{from: from}, from.to
	if to.Keys.EventTime {
		at.day = e.Time.Unix() / int64(day/time.Second)
	}
	i, ok := c.places[at]
	if !ok {
		line := c.format.Append(nil, e)
		if len(line) == 0 {
			return
		}
		c.places[at] = len(c.objects)
		c.objects = append(c.objects, Object{Source: from.bucket, Owner: to.Owner, Target: to.Target,
			Key: c.key(to, at.day), ACL: to.ACL, Body: line})
		return
	}
	body := &c.objects[i].Body
	if free := cap(*body) - len(*body); free < usualLine {
		*body = slices.Grow(*body, len(*body)+usualLine) // double it
	}
	*body = c.format.Append(*body, e)
}

// usualLine is about how long a line is at most.
const usualLine = 2 << 10

// key names an object: by the batch, the bucket and the day, so that it is the
// same whenever the batch is given out.
func (c *collection) key(to *Destination, since1970 int64) string {
	if !to.Keys.EventTime {
		return to.Keys.Key(c.batch.Time, c.batch.Unique(to.BucketID))
	}
	t := time.Unix(since1970*int64(day/time.Second), 0).UTC()
	return to.Keys.Key(t, c.batch.Unique(to.BucketID, t.Format(time.DateOnly)))
}
