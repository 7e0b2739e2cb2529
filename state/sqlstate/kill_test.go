package sqlstate_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/daypass/daypass/state/sqlstate"
)

const (
	killFile    = "SQLSTATE_KILL_FILE" // set in the process that is to be killed
	killCallers = 16
)

func killID(caller int) string { return fmt.Sprintf("killed-%d", caller%(killCallers/2)) }

// updateUntilKilled increments entries, two callers each, and reports on
// standard output: "begin CALLER" before an update and "ack CALLER" after it.
func updateUntilKilled(path string) {
	d, err := sqlstate.OpenSQLite(context.Background(), path)
	if err != nil {
		fmt.Println("error", 0, err)
		os.Exit(1)
	}
	var wg sync.WaitGroup
	for caller := range killCallers {
		wg.Go(func() {
			for {
				fmt.Println("begin", caller)
				if err := d.UpdateEntry(context.Background(), killID(caller), increment(killID(caller))); err != nil {
					fmt.Println("error", caller, err)
					return
				}
				fmt.Println("ack", caller)
			}
		})
	}
	wg.Wait()
}

// TestSQLiteKill kills a process in the midst of updates, over and over: each
// that was acknowledged is there, and no more than were begun.
func TestSQLiteKill(t *testing.T) {
	rounds := 30
	if testing.Short() {
		rounds = 5
	}
	path := filepath.Join(t.TempDir(), "state.db")
	var begun, acknowledged [killCallers]uint64
	for round := range rounds {
		runAndKill(t, path, &begun, &acknowledged)
		checkKilled(t, path, round, &begun, &acknowledged)
		if t.Failed() {
			return
		}
	}
	if acknowledged == [killCallers]uint64{} {
		t.Error("no update was acknowledged in any round")
	}
}

// checkKilled compares entries with what was reported, and takes what it
// finds for what the next round starts with.
func checkKilled(t *testing.T, path string, round int, begun, acknowledged *[killCallers]uint64) {
	t.Helper()
	d := open(t, path)
	defer d.Close()
	const half = killCallers / 2
	for i := range half {
		e, err := d.Entry(t.Context(), killID(i))
		if err != nil {
			t.Fatal(err)
		}
		var n uint64
		if e != nil {
			n = binary.BigEndian.Uint64(e.Data)
		}
		least, most := acknowledged[i]+acknowledged[i+half], begun[i]+begun[i+half]
		if n < least || n > most {
			t.Errorf("round %d: %s is %d; %d updates were acknowledged and %d begun", round, killID(i), n, least, most)
		}
		acknowledged[i], acknowledged[i+half] = n, 0
		begun[i], begun[i+half] = n, 0
	}
}

// runAndKill runs a process for a while, kills it, and counts its reports.
func runAndKill(t *testing.T, path string, begun, acknowledged *[killCallers]uint64) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), killFile+"="+path)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var once sync.Once
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		once.Do(func() {
			time.AfterFunc(time.Duration(rand.IntN(60))*time.Millisecond, func() { cmd.Process.Kill() })
		})
		var event string
		var caller int
		if _, err := fmt.Sscan(lines.Text(), &event, &caller); err != nil {
			continue // the last line, cut short
		}
		switch event {
		case "begin":
			begun[caller]++
		case "ack":
			acknowledged[caller]++
		default:
			t.Error(lines.Text())
		}
	}
	_ = cmd.Wait() // it was killed
}
