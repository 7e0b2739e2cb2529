package spool

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/audit"
)

func idLine(dst []byte, e *daypass.Event) []byte { return append(append(dst, e.RequestID...), '\n') }

func openLog(t *testing.T, path string) *audit.LogFile {
	t.Helper()
	f, err := audit.OpenLogFile(audit.LogFileOptions{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// logBatch delivers one batch to a file, and commits it or not.
func logBatch(t *testing.T, c *Consumer, path string, committed bool) {
	t.Helper()
	f := openLog(t, path)
	put, err := c.LogTo(f, idLine)
	if err != nil {
		t.Fatal(err)
	}
	b := next(t, c, Limit{})
	state, err := put(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	if committed {
		if err := c.Commit(b, state); err != nil {
			t.Fatal(err)
		}
	}
}

// TestLogToOnce loses the process between writing and committing, with any part
// of the lines written.
func TestLogToOnce(t *testing.T) {
	for cut := range 13 {
		dir := t.TempDir()
		path := filepath.Join(dir, "access.log")
		os.WriteFile(path, []byte("old\n"), 0o600)
		s := open(t, dir, nil)
		appendAll(t, s, 10, 12)
		logBatch(t, s.Consumer("a"), path, cut%2 == 0)
		if cut%2 == 0 {
			appendAll(t, s, 12, 14)
			logBatch(t, s.Consumer("a"), path, false)
		}
		closeSpool(t, s)
		b, _ := os.ReadFile(path)
		os.WriteFile(path, b[:max(len(b)-cut/2, 4)], 0o600)
		s = open(t, dir, nil)
		appendAll(t, s, 14, 15)
		logBatch(t, s.Consumer("a"), path, true)
		logBatch(t, s.Consumer("a"), path, true)
		want := "old\n" + strings.Join(ids(10, 12), "\n") + "\n"
		if cut%2 == 0 {
			want += strings.Join(ids(12, 14), "\n") + "\n"
		}
		want += "14\n"
		if b, _ := os.ReadFile(path); string(b) != want {
			t.Errorf("cut %d: %q, want %q", cut/2, b, want)
		}
	}
}

func TestDeliver(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s := open(t, dir, nil)
		appendAll(t, s, 0, 3)
		var got []string
		var failures []error
		away := errors.New("the target is away")
		start := time.Now()
		done := make(chan error)
		go func() {
			done <- s.Consumer("a").Deliver(t.Context(), Limit{}, func(_ context.Context, b *Batch) ([]byte, error) {
				if time.Since(start) < 10*time.Minute {
					return nil, away
				}
				got = append(got, batchIDs(b)...)
				return []byte("state"), nil
			}, func(err error) { failures = append(failures, err) })
		}()
		time.Sleep(12 * time.Minute)
		appendAll(t, s, 3, 5)
		time.Sleep(time.Second)
		closeSpool(t, s)
		if err := <-done; err != nil {
			t.Error(err)
		}
		wantIDs(t, "delivered", got, ids(0, 5))
		if len(failures) < 10 || len(failures) > 20 || failures[0] != away {
			t.Errorf("%d failures: %v", len(failures), failures)
		}
		if state := s.Consumer("a").State(); string(state) != "state" {
			t.Errorf("%q", state)
		}
	})
}

// TestDeliverEnds ends while the target is away, by the context and by Close.
func TestDeliverEnds(t *testing.T) {
	for _, byContext := range []bool{true, false} {
		s := open(t, t.TempDir(), nil)
		appendAll(t, s, 0, 1)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		end := func(error) {
			if byContext {
				cancel()
			} else {
				go s.Close()
			}
		}
		err := s.Consumer("a").Deliver(ctx, Limit{}, func(context.Context, *Batch) ([]byte, error) { return nil, errors.New("no") }, end)
		if err != nil {
			t.Error(err)
		}
	}
}
