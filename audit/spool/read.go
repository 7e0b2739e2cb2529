package spool

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/daypass/daypass"
)

// A Filter says what Read shows. Zero values show all.
type Filter struct {
	// Since and Until bound the times of events: from Since on, and before
	// Until.
	Since, Until time.Time
	// Pass, Name and Bucket are compared as they are.
	Pass, Name, Bucket string
	// Refused leaves out requests that succeeded.
	Refused bool
	// Follow goes on with what is appended later, until the context ends,
	// looking every Poll, 200 ms by default.
	Follow bool
	Poll   time.Duration
}

// Match reports whether an event is shown.
func (f *Filter) Match(e *daypass.Event) bool {
	switch {
	case !f.Since.IsZero() && e.Time.Before(f.Since), !f.Until.IsZero() && !e.Time.Before(f.Until):
		return false
	case f.Pass != "" && e.Grant.PassID != f.Pass, f.Name != "" && e.Grant.Name != f.Name:
		return false
	case f.Bucket != "" && e.Object.Bucket != f.Bucket, f.Refused && e.Code == "":
		return false
	}
	return true
}

// matchGap reports whether a gap is shown: it could hold any event of its
// times.
func (f *Filter) matchGap(g Gap) bool {
	return (f.Since.IsZero() || g.To.IsZero() || !g.To.Before(f.Since)) &&
		(f.Until.IsZero() || g.From.IsZero() || g.From.Before(f.Until))
}

// Read calls show with each event that a filter lets through and with each gap,
// in the order in which they were recorded. It needs no lock: the spool may be
// in use by a server. It returns the first error of show.
func Read(ctx context.Context, dir string, f Filter, show func(Entry) error) error {
	orDefault(&f.Poll, 200*time.Millisecond)
	start, err := startFor(dir, f.Since)
	if err != nil {
		return err
	}
	r := newReader(dir, start)
	defer r.close()
	stuck, stuckAt := false, Position(0)
	for ctx.Err() == nil {
		e, err := r.next(noLimit, !f.Follow || stuck)
		switch {
		case err == nil:
			if f.shows(e) {
				if err := show(e); err != nil {
					return err
				}
			}
		case !errors.Is(err, io.EOF):
			return err
		case !f.Follow:
			return nil
		default:
			// What is not valid may be half written. Where it stays so,
			// while valid records follow, it is damage.
			stuck, stuckAt = stuckAt == r.pos, r.pos
			sleep(ctx, f.Poll)
		}
	}
	return ctx.Err()
}

func (f *Filter) shows(e Entry) bool {
	if e.Event == nil {
		return f.matchGap(e.Gap)
	}
	return f.Match(e.Event)
}

func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// startFor returns where to begin for events since a time: behind segments that
// were written for the last time before it.
func startFor(dir string, since time.Time) (Position, error) {
	names, err := listSegments(dir)
	if err != nil {
		return 0, err
	}
	for _, n := range names {
		st, err := os.Stat(filepath.Join(dir, n.String()))
		if err == nil && (since.IsZero() || !st.ModTime().Before(since)) {
			return n.start, nil
		}
	}
	if len(names) > 0 {
		return names[len(names)-1].start, nil
	}
	return 0, nil
}
