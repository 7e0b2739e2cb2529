package diskstore

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"testing"
	"time"
)

const (
	killDir     = "DISKSTORE_KILL_DIR"   // set in the process that is to be killed
	killRound   = "DISKSTORE_KILL_ROUND" // which operations it does
	killWriters = 8
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(killDir); dir != "" {
		round, _ := strconv.ParseUint(os.Getenv(killRound), 10, 64)
		writeUntilKilled(dir, round)
	}
	os.Exit(m.Run())
}

// killOutcome is what operation n of a writer does in a round. Both processes
// compute it.
func killOutcome(round, writer, n uint64) outcome {
	return randomOutcome(rand.New(rand.NewPCG(round<<8|writer, n)))
}

func killKey(writer uint64) string { return fmt.Sprintf("key-%d", writer) }

// killBucket returns where a writer writes. Every other one keeps versions.
func killBucket(writer uint64) string {
	if writer%2 == 1 {
		return versionedBucket
	}
	return testBucket
}

// writeUntilKilled writes to the store and reports on standard output, one
// line per event: "begin WRITER N" before an operation and "ack WRITER N"
// after it.
func writeUntilKilled(dir string, round uint64) {
	d, err := Open(Options{Dir: dir, InlineSize: 1 << 10})
	if err != nil {
		fmt.Println("error", 0, 0, err)
		os.Exit(1)
	}
	var wg sync.WaitGroup
	for w := range uint64(killWriters) {
		wg.Go(func() {
			for n := uint64(0); ; n++ {
				fmt.Println("begin", w, n)
				if err := killOutcome(round, w, n).apply(d, killBucket(w), killKey(w)); err != nil {
					fmt.Println("error", w, n, err)
					return
				}
				fmt.Println("ack", w, n)
			}
		})
	}
	wg.Wait()
}

// TestKill kills a process in the midst of concurrent writes, over and over.
func TestKill(t *testing.T) {
	rounds := uint64(100)
	if testing.Short() {
		rounds = 10
	}
	dir := t.TempDir()
	opts := Options{Dir: dir, InlineSize: 1 << 10}
	d, err := Open(opts)
	if err != nil {
		t.Fatal(err)
	}
	createTestBucket(t, d)
	createVersionedBucket(t, d)
	var states [killWriters]outcome
	for w := range states {
		states[w] = outcome{size: -1}
	}
	for round := range rounds {
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
		possible := runAndKill(t, dir, round, states)
		if d, err = Open(opts); err != nil {
			t.Fatal(err)
		}
		checkConsistency(t, d)
		for w := range states {
			if states[w], err = match(d, killBucket(uint64(w)), killKey(uint64(w)), possible[w]); err != nil {
				t.Errorf("round %d: %v", round, err)
			}
		}
		cleanUp(t, d, testBucket)
		cleanUp(t, d, versionedBucket)
		checkConsistency(t, d)
		if t.Failed() {
			break
		}
	}
	d.Close()
}

// runAndKill runs one process, kills it, and returns the states in which each
// key may be.
func runAndKill(t *testing.T, dir string, round uint64, states [killWriters]outcome) (possible [killWriters][]outcome) {
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), killDir+"="+dir, killRound+"="+strconv.FormatUint(round, 10))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for w := range possible {
		possible[w] = []outcome{states[w]}
	}
	var once sync.Once
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		once.Do(func() {
			time.AfterFunc(time.Duration(rand.IntN(60))*time.Millisecond, func() { cmd.Process.Kill() })
		})
		var event string
		var w, n uint64
		if _, err := fmt.Sscan(lines.Text(), &event, &w, &n); err != nil {
			continue // the last line, cut short
		}
		switch event {
		case "begin":
			possible[w] = append(possible[w], killOutcome(round, w, n))
		case "ack":
			possible[w] = possible[w][len(possible[w])-1:]
		default:
			t.Error(lines.Text())
		}
	}
	_ = cmd.Wait() // it was killed
	return possible
}
