package spool

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	killDir  = "SPOOL_KILL_DIR"  // set in the process that is to be killed
	killFrom = "SPOOL_KILL_FROM" // the number of its first event
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(killDir); dir != "" {
		from, _ := strconv.Atoi(os.Getenv(killFrom))
		if err := recordUntilKilled(dir, from); err != nil {
			fmt.Println("error", err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

func killOptions(dir string) Options {
	return Options{Dir: filepath.Join(dir, "spool"), Consumers: []string{"objects"}, FlushEvery: time.Millisecond, SegmentBytes: 8 << 10, RetainBytes: 32 << 10}
}

// recordUntilKilled appends numbered events and reports which are durable,
// while a consumer delivers them.
func recordUntilKilled(dir string, from int) error {
	s, err := Open(killOptions(dir))
	if err != nil {
		return err
	}
	go func() {
		if err := deliver(context.Background(), s, dir, nil); err != nil {
			fmt.Println("error", err)
		}
	}()
	for n := from; ; n++ {
		fmt.Println("begin", n)
		s.Append(numbered(n))
		if n%7 == 0 {
			if err := s.Sync(context.Background()); err != nil {
				return err
			}
			fmt.Println("synced", n)
		}
	}
}

// deliver writes each batch as one object, until it has them all.
func deliver(ctx context.Context, s *Spool, dir string, all func(Position) bool) error {
	c := s.Consumer("objects")
	for all == nil || !all(c.position()) {
		b, err := c.Next(ctx, Limit{Bytes: 500})
		if err != nil {
			return err
		}
		var body strings.Builder
		for _, id := range batchIDs(b) {
			fmt.Fprintln(&body, id)
		}
		name := filepath.Join(dir, "objects", b.Unique())
		if err := os.WriteFile(name+".part", []byte(body.String()), 0o600); err != nil {
			return err
		}
		if err := os.Rename(name+".part", name); err != nil {
			return err
		}
		if err := c.Commit(b, nil); err != nil {
			return err
		}
	}
	return nil
}

// TestKill kills a process that records and delivers, over and over: no event
// that was synced is missing, and none is delivered twice.
func TestKill(t *testing.T) {
	rounds := 40
	if testing.Short() {
		rounds = 10
	}
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "objects"), 0o700); err != nil {
		t.Fatal(err)
	}
	synced := make(map[int]bool)
	begun := 0
	for range rounds {
		begun = recordAndKill(t, dir, begun, synced)
	}
	s, err := Open(killOptions(dir))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	end := s.Stats().End
	if err := deliver(t.Context(), s, dir, func(p Position) bool { return p >= end }); err != nil {
		t.Fatal(err)
	}
	times := delivered(t, dir)
	for n := range synced {
		if times[n] == 0 {
			t.Errorf("event %d was synced and is lost", n)
		}
	}
	for n, k := range times {
		if k != 1 || n >= begun {
			t.Errorf("event %d of %d was delivered %d times", n, begun, k)
		}
	}
	t.Logf("%d events, %d synced, %d delivered", begun, len(synced), len(times))
}

func delivered(t *testing.T, dir string) map[int]int {
	times := make(map[int]int)
	names, err := filepath.Glob(filepath.Join(dir, "objects", "????????????????"))
	if err != nil || len(names) == 0 {
		t.Fatal(err, len(names))
	}
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(b)) {
			n, err := strconv.Atoi(strings.TrimSpace(line))
			if err != nil {
				t.Fatalf("%q", line) // a gap
			}
			times[n]++
		}
	}
	return times
}

// recordAndKill runs one process, kills it, and returns the number of the next
// event.
func recordAndKill(t *testing.T, dir string, from int, synced map[int]bool) int {
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), killDir+"="+dir, killFrom+"="+strconv.Itoa(from))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var once sync.Once
	for lines := bufio.NewScanner(out); lines.Scan(); {
		once.Do(func() {
			time.AfterFunc(time.Duration(rand.IntN(60))*time.Millisecond, func() { cmd.Process.Kill() })
		})
		var what string
		var n int
		if _, err := fmt.Sscan(lines.Text(), &what, &n); err != nil && what != "error" {
			continue // the last line, cut short
		}
		switch what {
		case "begin":
			from = n + 1
		case "synced":
			synced[n] = true
		default:
			t.Error(lines.Text())
		}
	}
	_ = cmd.Wait() // it was killed
	return from
}
