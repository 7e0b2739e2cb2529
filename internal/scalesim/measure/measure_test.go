package main

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/daypass/daypass/limits"
	"github.com/daypass/daypass/sign"
)

func TestParse(t *testing.T) {
	c, err := parse(strings.Fields("-nodes 2 -mix get=3,counted=1 -watch a=1 -watch a=2 -- --redirect get"))
	if err != nil || c.nodes != 2 || len(c.mix) != 2 || c.mix[0] != (share{"get", 3}) || len(c.watch["a"]) != 2 || len(c.args) != 2 {
		t.Errorf("%+v, %v", c, err)
	}
	for _, args := range []string{"-nodes 0", "-mix nothing=1", "-mix get=many", "-watch a", "-quota -1", "-duration 0s"} {
		if _, err := parse(strings.Fields(args)); err == nil {
			t.Errorf("%s is no error", args)
		}
	}
}

// A fake takes the place of a node: it answers as one would and keeps what it was
// asked.
type fake struct {
	t        *testing.T
	requests atomic.Int64
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.requests.Add(1)
	query, err := sign.ParseQuery(r.URL.RawQuery)
	if err != nil || r.Host != hostName || !strings.HasPrefix(r.URL.Path, "/"+bucket) {
		f.t.Errorf("%s %s%s: %v", r.Method, r.Host, r.URL, err)
	}
	set, err := limits.Parse(query)
	switch {
	case err != nil:
		f.t.Error(err)
	case set != nil && set.Uses == 1 && r.Method == "GET" && f.requests.Load()%2 == 0:
		w.WriteHeader(http.StatusForbidden)
	default:
		w.Write(make([]byte, size))
	}
}

// TestLoad counts what a server answers, and what it answers otherwise.
func TestLoad(t *testing.T) {
	srv := httptest.NewServer(&fake{t: t})
	defer srv.Close()
	c, err := parse(strings.Fields("-clients 4 -mix get=1,fresh=1,put=1 -warmup 1ms -duration 300ms"))
	if err != nil {
		t.Fatal(err)
	}
	m, err := newMinter()
	if err != nil {
		t.Fatal(err)
	}
	nodes := []*node{{addr: srv.Listener.Addr().String()}}
	r, err := c.load(t.Context(), m, nodes, []int{os.Getpid()})
	if err != nil {
		t.Fatal(err)
	}
	if r.Served <= 0 || r.Failed != 0 || len(r.Kinds) != 3 || r.Memory <= 0 || r.NodeCPU <= 0 {
		t.Errorf("%+v", r)
	}
	c.mix = []share{{"counted", 1}}
	if r, err = c.load(t.Context(), m, nodes, []int{os.Getpid()}); err != nil || r.Failed == 0 || r.Kinds["counted"].P50 <= 0 {
		t.Errorf("%+v, %v", r, err)
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if _, err := c.load(ended, m, nodes, []int{os.Getpid()}); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
}

// TestProcessorTime checks that the work of a process below one counts as its
// own.
func TestProcessorTime(t *testing.T) {
	child := exec.Command("sh", "-c", "while :; do :; done")
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		child.Process.Kill()
		child.Wait()
	}()
	self := os.Getpid()
	for deadline := time.Now().Add(time.Minute); ; {
		own, err := readStat(self)
		if err != nil || own.parent != os.Getppid() {
			t.Fatalf("%+v, %v", own, err)
		}
		all, err := cpuOf([]int{self})
		if err != nil {
			t.Fatal(err)
		}
		if all-own.cpu > 5*tick {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the work of a child does not show")
		}
	}
	if _, err := cpuOf([]int{1 << 30}); err == nil {
		t.Error("a process that there is not has taken time")
	}
}
