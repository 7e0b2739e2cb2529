package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// A config is what the flags say.
type config struct {
	program  string
	args     []string
	nodes    int
	quota    float64
	clients  int
	hot      int
	mix      []share
	warmup   time.Duration
	duration time.Duration
	watch    map[string][]int
	transact string
}

type share struct {
	kind  string
	share float64
}

// A run is what was measured.
type run struct {
	Nodes   int     `json:"nodes"`
	Quota   float64 `json:"quota"` // of a core, for each node; 0: none
	Clients int     `json:"clients"`
	Mix     string  `json:"mix"`
	Seconds float64 `json:"seconds"`

	Served float64         `json:"served_per_s"`
	Failed int             `json:"failed"`
	Kinds  map[string]kind `json:"kinds"`
	// NodeCPU and that of the other processes are seconds for each request;
	// NodeBusy is the share of a core that a node took.
	NodeCPU  float64            `json:"node_cpu_s"`
	NodeBusy float64            `json:"node_busy"`
	Others   map[string]float64 `json:"others_cpu_s,omitempty"`
	Memory   float64            `json:"node_memory_bytes"`
	// Commits are the transactions of PostgreSQL, for each request.
	Commits float64 `json:"commits_per_request,omitempty"`
}

type kind struct {
	Served float64 `json:"served_per_s"`
	Mean   float64 `json:"mean_s"`
	P50    float64 `json:"p50_s"`
	P99    float64 `json:"p99_s"`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	c, err := parse(os.Args[1:])
	if err == nil {
		err = measure(ctx, c)
	}
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "measure:", err)
		stop()
		os.Exit(1)
	}
}

func parse(args []string) (*config, error) {
	c := &config{watch: map[string][]int{}}
	fs := flag.NewFlagSet("measure", flag.ContinueOnError)
	fs.StringVar(&c.program, "program", ".build/daypass", "the program")
	fs.IntVar(&c.nodes, "nodes", 1, "nodes; several need --store and --state after --")
	fs.Float64Var(&c.quota, "quota", 0, "share of a core that each node may use; 0: no bound")
	fs.IntVar(&c.clients, "clients", 64, "clients that each wait for an answer; 0: the nodes idle, and figures are for a second")
	fs.IntVar(&c.hot, "hot-passes", 1, "passes that the kind hot uses")
	fs.DurationVar(&c.warmup, "warmup", 2*time.Second, "time before what is measured")
	fs.DurationVar(&c.duration, "duration", 10*time.Second, "time that is measured")
	fs.StringVar(&c.transact, "commits", "", "command that prints how many transactions the database has committed")
	mix := fs.String("mix", "get=1", "what the load consists of: get, fresh, counted, hot, exhausted, put, redirect, each with its share")
	fs.Func("watch", "NAME=PID: tell the processor time of this process and those below it, too (may repeat)", func(text string) error {
		name, pid, _ := strings.Cut(text, "=")
		n, err := strconv.Atoi(pid)
		c.watch[name] = append(c.watch[name], n)
		return err
	})
	if err := fs.Parse(args); err != nil {
		return nil, err
	}
	c.args = fs.Args() // further flags of serve, after --
	if c.nodes < 1 || c.clients < 0 || c.hot < 1 || c.quota < 0 || c.duration <= 0 {
		return nil, errors.New("there is at least one node and hot pass, and time to measure")
	}
	for part := range strings.SplitSeq(*mix, ",") {
		name, value, _ := strings.Cut(part, "=")
		v, err := strconv.ParseFloat(value, 64)
		if err != nil || !slices.Contains([]string{"get", "fresh", "counted", "hot", "exhausted", "put", "redirect"}, name) {
			return nil, fmt.Errorf("%q is no part of a mix", part)
		}
		c.mix = append(c.mix, share{name, v})
	}
	return c, nil
}

// measure starts the nodes, loads them, and prints a run as JSON.
func measure(ctx context.Context, c *config) error {
	dir, err := os.MkdirTemp("", "daypass-measure-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	var nodes []*node
	defer func() {
		for _, n := range nodes {
			n.stop()
		}
	}()
	pids := []int{}
	for i := range c.nodes {
		n, err := startNode(c, dir, i)
		if err != nil {
			return err
		}
		nodes, pids = append(nodes, n), append(pids, n.cmd.Process.Pid)
	}
	m, err := newMinter()
	if err != nil {
		return err
	}
	if err := m.prepare(nodes[0].addr, c.hot); err != nil {
		return err
	}
	r, err := c.load(ctx, m, nodes, pids)
	if err != nil {
		return err
	}
	e := json.NewEncoder(os.Stdout)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

// load sends requests, and counts between the end of the warm-up and the end.
func (c *config) load(ctx context.Context, m *minter, nodes []*node, pids []int) (*run, error) {
	l := &loader{config: c, minter: m, times: map[string][]float64{}, stop: make(chan struct{})}
	var wg sync.WaitGroup
	for i := range c.clients {
		wg.Go(func() { l.client(nodes[i%len(nodes)].addr) })
	}
	interrupted := pause(ctx, c.warmup)
	before, err := c.count(pids)
	start := time.Now()
	l.measuring(true)
	interrupted = cmp.Or(interrupted, pause(ctx, c.duration))
	l.measuring(false)
	seconds := time.Since(start).Seconds()
	after, e := c.count(pids)
	memory, e2 := residentOf(pids[0])
	close(l.stop)
	wg.Wait()
	if err := errors.Join(interrupted, err, e, e2, l.err); err != nil {
		return nil, err
	}
	r := l.result(seconds)
	r.Memory = memory
	total := r.Served * seconds
	if c.clients == 0 {
		total = seconds
	}
	r.NodeCPU = (after.cpu[""] - before.cpu[""]) / total
	r.NodeBusy = (after.cpu[""] - before.cpu[""]) / seconds / float64(c.nodes)
	for name := range c.watch {
		r.Others[name] = (after.cpu[name] - before.cpu[name]) / total
	}
	r.Commits = (after.commits - before.commits) / total
	return r, nil
}

// pause waits, and fails when it is told to end.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// A count is what counters stand at.
type count struct {
	cpu     map[string]float64 // "": of the nodes
	commits float64
}

func (c *config) count(pids []int) (n count, err error) {
	n.cpu = map[string]float64{}
	if n.cpu[""], err = cpuOf(pids); err != nil {
		return n, err
	}
	for name, pids := range c.watch {
		if n.cpu[name], err = cpuOf(pids); err != nil {
			return n, err
		}
	}
	if c.transact == "" {
		return n, nil
	}
	out, err := exec.Command("sh", "-c", c.transact).Output()
	if err != nil {
		return n, fmt.Errorf("%s: %w", c.transact, err)
	}
	n.commits, err = strconv.ParseFloat(strings.TrimSpace(string(out)), 64)
	return n, err
}

// A loader is the clients together.
type loader struct {
	config *config
	minter *minter
	stop   chan struct{}

	mu     sync.Mutex
	counts bool
	times  map[string][]float64
	failed int
	err    error // the first that a client ended with
}

func (l *loader) measuring(on bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.counts = on
}

// client sends one request after the other until the end.
func (l *loader) client(addr string) {
	conn, err := dial(addr)
	if err != nil {
		l.fail(err)
		return
	}
	defer conn.Close()
	content := strings.Repeat("x", size)
	for {
		select {
		case <-l.stop:
			return
		default:
		}
		kind := l.pick()
		method, url, want, err := l.minter.request(kind)
		if err != nil {
			l.fail(err)
			return
		}
		body := ""
		if method == "PUT" {
			body = content
		}
		start := time.Now()
		status, err := conn.do(method, url, body)
		if err != nil {
			l.fail(err)
			return
		}
		l.record(kind, time.Since(start).Seconds(), status == want[0] || status == want[1])
	}
}

func (l *loader) pick() string {
	sum := 0.0
	for _, s := range l.config.mix {
		sum += s.share
	}
	x := rand.Float64() * sum
	for _, s := range l.config.mix {
		if x -= s.share; x < 0 {
			return s.kind
		}
	}
	return l.config.mix[0].kind
}

func (l *loader) record(kind string, seconds float64, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case !l.counts:
	case ok:
		l.times[kind] = append(l.times[kind], seconds)
	default:
		l.failed++
	}
}

func (l *loader) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err == nil {
		l.err = err
	}
}

// result sums up what was recorded in so many seconds.
func (l *loader) result(seconds float64) *run {
	c := l.config
	r := &run{Nodes: c.nodes, Quota: c.quota, Clients: c.clients, Seconds: seconds, Failed: l.failed, Kinds: map[string]kind{}, Others: map[string]float64{}}
	var mix []string
	for _, s := range c.mix {
		mix = append(mix, fmt.Sprintf("%s=%g", s.kind, s.share))
	}
	r.Mix = strings.Join(mix, ",")
	for name, times := range l.times {
		slices.Sort(times)
		sum := 0.0
		for _, t := range times {
			sum += t
		}
		n := len(times)
		r.Kinds[name] = kind{float64(n) / seconds, sum / float64(n), times[n/2], times[n*99/100]}
		r.Served += float64(n) / seconds
	}
	return r
}
