package spool

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/daypass/daypass"
)

// A Search looks for events whose pass, URI or subject is one of several texts,
// the newest files first, within bounds.
type Search struct {
	Texts []string
	// Since leaves out what is older.
	Since time.Time
	// MaxBytes and MaxTime bound what is read, and for how long.
	MaxBytes int64
	MaxTime  time.Duration
}

// A Reach tells how far a search came.
type Reach struct {
	// From is the time of the oldest event that was looked at, or Since where
	// everything from there on was; zero where there is nothing.
	From time.Time
	// Whole says that everything since Since that is still there was looked at.
	Whole bool
	Bytes int64 // that were read
}

// Find calls show with each event that a search is for, in files from the
// newest to the oldest, and within a file in the order in which they were
// recorded. It needs no lock: the spool may be in use by a server, which it
// does not hold up.
func Find(ctx context.Context, dir string, s Search, show func(*daypass.Event)) (reach Reach, err error) {
	names, err := listSegments(dir)
	if err != nil {
		return reach, err
	}
	names = current(names)
	ctx, cancel := context.WithTimeout(ctx, s.MaxTime)
	defer cancel()
	reach.Whole = true
	for i, n := range slices.Backward(names) {
		st, err := os.Stat(filepath.Join(dir, n.String()))
		if errors.Is(err, os.ErrNotExist) {
			continue // it was removed just now
		}
		if err != nil {
			return reach, err
		}
		if !s.Since.IsZero() && st.ModTime().Before(s.Since) {
			break
		}
		if ctx.Err() != nil || reach.Bytes > 0 && reach.Bytes+st.Size() > s.MaxBytes {
			reach.Whole = false
			break
		}
		bound := noLimit
		if i+1 < len(names) {
			bound = names[i+1].start
		}
		reach.Bytes += st.Size()
		if err := s.file(ctx, dir, n.start, bound, &reach, show); err != nil {
			return reach, err
		}
	}
	if reach.Whole && reach.From.Before(s.Since) {
		reach.From = s.Since
	}
	return reach, nil
}

// file searches one file.
func (s *Search) file(ctx context.Context, dir string, start, bound Position, reach *Reach, show func(*daypass.Event)) error {
	r := newReader(dir, start)
	defer r.close()
	first := true
	r.want = func(payload []byte) bool {
		if first {
			return true // it tells how far back the file goes
		}
		// Every text of an event stands in its stored form as it is.
		return slices.ContainsFunc(s.Texts, func(t string) bool { return t != "" && bytes.Contains(payload, []byte(t)) })
	}
	for records := 0; ; records++ {
		if ctx.Err() != nil {
			reach.Whole = false
			return nil
		}
		e, err := r.next(bound, true)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if e.Event == nil {
			continue
		}
		if first {
			first = false
			if reach.From.IsZero() || e.Event.Time.Before(reach.From) {
				reach.From = e.Event.Time
			}
		}
		if !e.Event.Time.Before(s.Since) && s.holds(e.Event) {
			show(e.Event)
		}
	}
}

// holds reports whether an event is one that the search is for.
func (s *Search) holds(e *daypass.Event) bool {
	for _, t := range s.Texts {
		if t != "" && (e.Grant.PassID == t || e.URI == t || e.Subject == t) {
			return true
		}
	}
	return false
}
