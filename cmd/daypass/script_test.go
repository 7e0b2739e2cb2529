package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/audit/spool"
	"github.com/daypass/daypass/client"
)

var update = flag.Bool("update", false, "rewrite the golden texts of the scripts")

// TestMain lets the scripts run the program under its own name.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"daypass": func() {
			ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
			defer stop()
			a := system()
			// Scripts see the time that they set, so that their golden texts
			// need not change.
			if text := os.Getenv("TEST_NOW"); text != "" {
				now, err := time.Parse(time.RFC3339, text)
				if err != nil {
					panic(err)
				}
				a.now = func() time.Time { return now }
			}
			os.Exit(run(ctx, os.Args[1:], a))
		},
		"bench-node": func() {
			if err := benchNode(os.Args[1:]); err != nil {
				panic(err)
			}
		},
	})
}

// TestScripts runs the txtar scripts, each in a directory and with a home of
// its own.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		UpdateScripts:       *update,
		Setup: func(e *testscript.Env) error {
			e.Setenv("HOME", e.WorkDir)
			e.Setenv("XDG_CONFIG_HOME", e.WorkDir+"/config")
			e.Setenv("XDG_DATA_HOME", "")
			e.Setenv("AWS_EC2_METADATA_DISABLED", "true")
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"open": open, "waitready": waitReady, "endpoint": endpoint, "freeaddress": freeAddress, "seen": seen,
			"logged": logged, "rmdigests": moveDigests, "tamper": tamper, "restoredigests": moveDigests, "contains": contains, "damage": damage, "hangup": hangup,
		},
	})
}

// open fetches a URL: open STATUS METHOD URL [BODY]. What comes back is the
// file "answer".
func open(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: open STATUS METHOD URL|@FILE [BODY]")
	}
	target := args[2]
	if name, ok := strings.CutPrefix(target, "@"); ok {
		target = strings.TrimSpace(ts.ReadFile(name))
	}
	var body io.Reader
	if len(args) > 3 {
		body = strings.NewReader(args[3])
	}
	r, err := http.NewRequest(args[1], target, body)
	ts.Check(err)
	resp, err := http.DefaultClient.Do(r)
	ts.Check(err)
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs("answer"), answer, 0o600))
	if got := fmt.Sprint(resp.StatusCode); got != args[0] {
		ts.Fatalf("%s %s: %s\n%s", args[1], target, resp.Status, answer)
	}
}

// endpoint sets a variable to the URL of the server that runs on a data
// directory: endpoint NAME DIR.
func endpoint(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: endpoint NAME DIR")
	}
	_, info, err := dialLocal(context.Background(), ts.MkAbs(args[1]))
	ts.Check(err)
	ts.Setenv(args[0], info.PublicURLs[0])
}

// seen waits until what was seen of passes with a name was written, all of it:
// seen DIR NAME.
func seen(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: seen DIR NAME")
	}
	c, _, err := dialLocal(context.Background(), ts.MkAbs(args[0]))
	ts.Check(err)
	before := int64(-1)
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		page, err := c.Passes(context.Background(), client.PassFilter{Name: args[1]}, "", 0)
		ts.Check(err)
		sum := int64(0)
		for _, p := range page.Passes {
			sum += p.Uses + p.Refused
		}
		if sum > 0 && sum == before {
			return
		}
		before = sum
	}
	ts.Fatalf("no pass named %s after 30 s", args[1])
}

// freeAddress sets a variable to an address that nobody listens on:
// freeaddress NAME.
func freeAddress(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: freeaddress NAME")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Check(l.Close())
	ts.Setenv(args[0], l.Addr().String())
}

// waitReady waits until the server on a data directory answers: waitready DIR.
func waitReady(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: waitready DIR")
	}
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		c, _, err := dialLocal(context.Background(), ts.MkAbs(args[0]))
		if c != nil && err == nil {
			return
		}
	}
	ts.Fatalf("no server on %s after 30 s", args[0])
}

// logged waits until so many events of a data directory are on the disk:
// logged DIR COUNT.
func logged(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: logged DIR COUNT")
	}
	n := 0
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		n = 0
		err := spool.Read(context.Background(), eventsDir(ts.MkAbs(args[0])), spool.Filter{}, func(e spool.Entry) error {
			if e.Event == nil || e.Event.Action.Service() != daypass.ServiceDaypass {
				n++
			}
			return nil
		})
		ts.Check(err)
		if fmt.Sprint(n) == args[1] {
			return
		}
	}
	ts.Fatalf("%d events after 30 s", n)
}

// tamper lets a URL live for longer than was signed: tamper FILE NEW.
func tamper(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: tamper FILE NEW")
	}
	text := strings.Replace(ts.ReadFile(args[0]), "X-Amz-Expires=", "X-Amz-Expires=1", 1)
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(text), 0o600))
}

// moveDigests moves the digests of a trail away, or back: rmdigests DIR.
func moveDigests(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: rmdigests DIR")
	}
	found, err := filepath.Glob(filepath.Join(ts.MkAbs(args[0]), "AWSLogs", "*", "CloudTrail-Digest"))
	ts.Check(err)
	away := ts.MkAbs("digests")
	if len(found) == 1 {
		ts.Check(os.Rename(found[0], away))
		return
	}
	found, err = filepath.Glob(filepath.Join(ts.MkAbs(args[0]), "AWSLogs", "*"))
	ts.Check(err)
	ts.Check(os.Rename(away, filepath.Join(found[0], "CloudTrail-Digest")))
}

// contains waits until a file is there and has a text: contains FILE TEXT.
func contains(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: contains FILE TEXT")
	}
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		text, err := os.ReadFile(ts.MkAbs(args[0]))
		if err == nil && strings.Contains(string(text), args[1]) {
			return
		}
	}
	ts.Fatalf("no %q in %s after 30 s", args[1], args[0])
}

// hangup sends SIGHUP to the server on a data directory: hangup DIR.
func hangup(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: hangup DIR")
	}
	_, info, err := dialLocal(context.Background(), ts.MkAbs(args[0]))
	ts.Check(err)
	p, err := os.FindProcess(info.PID)
	ts.Check(err)
	ts.Check(p.Signal(syscall.SIGHUP))
}

// damage changes the log files of a trail: damage DIR.
func damage(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: damage DIR")
	}
	files, err := filepath.Glob(filepath.Join(ts.MkAbs(args[0]), "AWSLogs/*/CloudTrail/*/*/*/*/*.gz"))
	ts.Check(err)
	if len(files) == 0 {
		ts.Fatalf("no log files in %s", args[0])
	}
	for _, f := range files {
		ts.Check(os.WriteFile(f, []byte("not gzip"), 0o600))
	}
}
