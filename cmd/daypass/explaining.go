package main

import (
	"context"
	"time"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/admin"
	"github.com/daypass/daypass/audit"
	"github.com/daypass/daypass/audit/spool"
)

// Bounds of what one explanation may read of past events.
const (
	maxPastBytes = 64 << 20
	maxPastTime  = 2 * time.Second
)

// tryURL tells what the endpoint would make of a URL.
func (n *node) tryURL(ctx context.Context, url string, who daypass.Visitor, until time.Time) (*daypass.Trial, error) {
	return n.s3.Try(ctx, url, who, n.state, until)
}

// pastEvents looks for past events, the newest first.
func (n *node) pastEvents(ctx context.Context, q admin.PastQuestion, show func(*daypass.Event)) (from time.Time, whole bool, err error) {
	// What a client just had an answer for is still on its way to the disk.
	sync, cancel := context.WithTimeout(ctx, maxPastTime)
	err = n.spool.Sync(sync)
	cancel()
	if err != nil && ctx.Err() != nil {
		return from, false, err
	}
	// Targets are recorded without their signatures.
	e := daypass.Event{URI: q.Target}
	audit.Clean(&e)
	reach, err := spool.Find(ctx, eventsDir(n.config.data), spool.Search{
		Texts: []string{q.Pass, e.URI, q.Subject}, Since: q.Since, MaxBytes: maxPastBytes, MaxTime: maxPastTime,
	}, show)
	return reach.From, reach.Whole, err
}
