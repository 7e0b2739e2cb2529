package main

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"

	"github.com/daypass/daypass/audit"
	"github.com/daypass/daypass/internal/explain"
	"github.com/daypass/daypass/internal/leaks"
)

// A leakSearch looks for pre-signed URLs in files.
type leakSearch struct {
	app   *app
	ctx   context.Context
	flags *findLeaksFlags
	now   time.Time

	scanner leaks.Scanner
	leaks   []*leak // in the order in which they were found
	byPass  map[string]*leak
	unread  int // files that could not be read
	bar     *progressbar.ProgressBar
	started time.Time
}

// run searches what the arguments name.
func (s *leakSearch) run(args []string) error {
	dirs := make([]bool, len(args))
	for i, name := range args {
		if name == "-" {
			continue
		}
		info, err := os.Stat(name)
		if err != nil {
			return usagef("%v", err)
		}
		dirs[i] = info.IsDir()
	}
	s.leaks = []*leak{} // JSON shows an empty list
	s.started = time.Now()
	defer s.endProgress()
	for i, name := range args {
		var err error
		switch {
		case name == "-":
			err = s.scan("-", s.app.in)
		case dirs[i]:
			err = s.walk(name)
		default:
			err = s.file(name)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// walk searches the regular files below a directory. The separator makes it
// follow a link that was named, but none below.
func (s *leakSearch) walk(root string) error {
	root = strings.TrimRight(root, string(filepath.Separator)) + string(filepath.Separator)
	return filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			s.note(path, err)
			return s.ctx.Err()
		case d.IsDir() && path != root && d.Name() == "objects" && filepath.Base(filepath.Dir(path)) == ".git":
			return fs.SkipDir // they are compressed
		case d.Type().IsRegular():
			return s.file(path)
		}
		return nil
	})
}

// file searches a file. That it cannot be read does not end the search.
func (s *leakSearch) file(path string) error {
	f, err := os.Open(path)
	if err == nil {
		defer f.Close()
		err = s.scan(path, f)
	}
	if err != nil {
		s.note(path, err)
	}
	return s.ctx.Err()
}

func (s *leakSearch) note(path string, err error) {
	if s.ctx.Err() == nil {
		s.unread++
		s.app.note("cannot read %s: %s", printable(path), printable(err.Error()))
	}
}

func (s *leakSearch) scan(name string, r io.Reader) error {
	return s.scanner.Scan(&searched{Reader: r, search: s}, func(l leaks.Leak) { s.add(name, &l) })
}

// searched counts what is read of a file, and ends it when the search ends.
type searched struct {
	io.Reader
	search *leakSearch
}

func (r *searched) Read(p []byte) (int, error) {
	if err := r.search.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := r.Reader.Read(p)
	r.search.progress(n)
	return n, err
}

// progressAfter is how long a search takes before its progress is shown.
const progressAfter = time.Second

// progress shows on a terminal how much was searched. How much there is would
// take as long to find out.
func (s *leakSearch) progress(n int) {
	if !s.app.errTerm || s.app.json {
		return
	}
	if s.bar == nil {
		if time.Since(s.started) < progressAfter {
			return
		}
		s.bar = progressbar.NewOptions64(-1, progressbar.OptionSetWriter(s.app.err), progressbar.OptionSetDescription("searched"),
			progressbar.OptionShowBytes(true), progressbar.OptionShowCount(), progressbar.OptionThrottle(100*time.Millisecond),
			progressbar.OptionClearOnFinish())
	}
	s.bar.Add(n)
}

func (s *leakSearch) endProgress() {
	if s.bar != nil {
		s.bar.Clear()
		s.bar.Exit()
	}
}

// add keeps a URL that was found. Of several with one signature, the one that
// claims to live longest is kept: a changed time must not hide it.
func (s *leakSearch) add(file string, found *leaks.Leak) {
	l, err := s.describe(found)
	if err != nil || s.flags.alive && !l.Alive {
		return
	}
	l.File, l.Count = strings.Clone(file), 1
	known := s.byPass[l.PassID]
	if known == nil {
		s.byPass[l.PassID] = l
		s.leaks = append(s.leaks, l)
		return
	}
	l.Count = known.Count + 1
	if l.EndsAt.After(known.EndsAt) || l.EndsAt.Equal(known.EndsAt) && known.Host == "" && l.Host != "" {
		*known = *l
	}
	known.Count = l.Count
}

// describe says what is known of a URL.
func (s *leakSearch) describe(found *leaks.Leak) (*leak, error) {
	raw, in := string(found.URL), found.Inspection
	r, err := explain.URL(raw, explain.Options{Now: s.now, Domains: s.flags.domains})
	if err != nil {
		return nil, err
	}
	l := &leak{Line: found.Line, Column: found.Column, Host: in.Host, Bucket: r.Bucket, Key: r.Key,
		SignatureVersion: r.SignatureVersion, Signer: r.Signer, Region: r.Region, SignedAt: r.SignedAt, EndsAt: r.ExpiresAt,
		SessionToken: in.HasToken, PassID: in.PassID, URL: redactURL(raw), whole: found.URL}
	if found.NoHost {
		l.Host, l.URL = "", strings.TrimPrefix(l.URL, "https://"+in.Host)
	}
	// Only Daypass goes by a limit; who else serves the URL, and how long it
	// takes it then, is not known.
	if r.EndsAt.After(l.EndsAt) && !isAmazon(hostName(in.Host)) {
		l.EndsAt = r.EndsAt
	}
	l.Alive = s.now.Before(l.EndsAt)
	return l, nil
}

// redactURL is a URL without what must not be printed.
func redactURL(raw string) string {
	scheme, rest, _ := strings.Cut(raw, "://")
	host := rest
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		host = rest[:i]
	}
	if i := strings.LastIndexByte(host, '@'); i >= 0 {
		rest = rest[i+1:]
	}
	return fmt.Sprintf("%s://%s", scheme, audit.Redact(rest))
}
