package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// testConfig is a deployment with round figures, which nobody measured.
func testConfig() *config {
	mix, _ := parseMix("get=1")
	return &config{
		Seed: 3, Duration: 20, Warmup: 2, Nodes: 3, Cores: 2, Speed: 1, Balance: "round-robin", Service: "exponential",
		Clients: 64, Mix: mix, Keys: 50, Buckets: 10, Hot: 1, UsedUp: 20, CacheTTL: 1,
		Shards: 1, ShardCores: 2, RTT: 0.2e-3, Places: 1 << 20, Detect: 2, Grace: 60,
		Costs: costs{
			Node:       map[string]float64{"get": 1e-3, "fresh": 1e-3, "counted": 1.2e-3, "hot": 1.2e-3, "exhausted": 0.5e-3, "put": 1.5e-3, "redirect": 1e-3},
			Wait:       map[string]float64{"get": 2e-3, "put": 5e-3},
			NodeCommit: 100e-6, Commits: []commit{{1, 320e-6}, {101, 2320e-6}}, Seen: 20e-6, Read: 50e-6, Poll: 50e-6, Sync: 1e-3,
		},
	}
}

func simulate(t *testing.T, c *config) *report {
	t.Helper()
	if err := c.check(); err != nil {
		t.Fatal(err)
	}
	s := newSimulation(c)
	s.run()
	return s.report()
}

// The same seed gives the same run, and another seed another one.
func TestDeterminism(t *testing.T) {
	text := func(seed uint64) string {
		c := testConfig()
		c.Seed = seed
		c.Mix, _ = parseMix("get=0.6,counted=0.2,hot=0.1,put=0.1")
		c.Failures = []failure{{"node", 1, 3, 4}, {"shard", 0, 10, 2}}
		var b bytes.Buffer
		if err := simulate(t, c).json(&b); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	first := text(3)
	if text(3) != first {
		t.Error("the same seed gave another run")
	}
	if text(4) == strings.Replace(first, `"seed": 3`, `"seed": 4`, 1) {
		t.Error("another seed gave the same run")
	}
}

// Each node asks state for each key and each bucket that it sees once a
// second, whatever the rate.
func TestCachesBoundReads(t *testing.T) {
	for _, rate := range []float64{5000, 10000} {
		c := testConfig()
		c.Rate, c.Nodes, c.Cores, c.Duration = rate, 4, 8, 8
		r := simulate(t, c)
		near(t, "reads", r.State[0].Reads, float64(c.Nodes*(c.Keys+c.Buckets)), 0.05)
		near(t, "polls", r.State[0].Polls, float64(c.Nodes), 0.05)
	}
	c := testConfig()
	c.Rate, c.Nodes, c.Cores, c.Keys = 2000, 1, 8, 1_000_000
	r := simulate(t, c)
	if r.Node.KeyHits > 0.01 {
		t.Errorf("%.1f %% of a million keys were found in a cache of %d", 100*r.Node.KeyHits, cachedKeys)
	}
	near(t, "reads of a key for each request", r.State[0].Reads, 2000+10, 0.05)
}

// A set of a cache keeps what was loaded last.
func TestCache(t *testing.T) {
	c := newCache(newClock(1), 1, 0, 2*cacheWays)
	var same []int // ids of one set
	for id := 0; len(same) <= cacheWays; id++ {
		if &c.set(id)[0] == &c.places[0] {
			same = append(same, id)
		}
	}
	for i, id := range same {
		c.clock.now = float64(i) / 10
		c.put(id)
	}
	if c.fresh(same[0]) || !c.fresh(same[1]) || !c.fresh(same[cacheWays]) {
		t.Error("the cache did not give up the oldest of a set")
	}
	c.clock.now = 1.15
	if c.fresh(same[1]) || !c.fresh(same[2]) {
		t.Error("an entry is not as fresh as it should be")
	}
}

// A counted pass changes state twice, once before it is answered; one that is
// exhausted asks once a second and node.
func TestChangesOfState(t *testing.T) {
	c := testConfig()
	c.Rate = 1000
	c.Mix, _ = parseMix("get=0.8,counted=0.2")
	r := simulate(t, c)
	near(t, "changes", r.State[0].Changes, 2*0.2*c.Rate, 0.05)
	if r.Kinds[1].Mean < r.Kinds[0].Mean+c.Costs.Sync+roundTrips*c.RTT {
		t.Errorf("a counted request takes %v, another %v", r.Kinds[1].Mean, r.Kinds[0].Mean)
	}
	c.Mix, _ = parseMix("exhausted=1")
	r = simulate(t, c)
	near(t, "questions", r.State[0].Changes, float64(c.Nodes*c.UsedUp), 0.1)
}

// Each pass that is seen is a row of statistics, up to what a node holds.
func TestStatistics(t *testing.T) {
	c := testConfig()
	c.Rate, c.Shards = 2000, 2
	c.Mix, _ = parseMix("fresh=1")
	r := simulate(t, c)
	for _, s := range r.State {
		near(t, "passes seen", s.Seen, c.Rate/2, 0.1)
	}
	if r.Unseen != 0 {
		t.Errorf("%d passes are not known of", r.Unseen)
	}
	c.Duration = 8
	c.Rate, c.Nodes, c.Cores, c.Shards, c.Costs.Seen = 40_000, 1, 64, 1, 100e-6
	if r = simulate(t, c); r.Unseen == 0 || r.State[0].Seen > 20_000 {
		t.Errorf("%.0f a second were written, %d lost", r.State[0].Seen, r.Unseen)
	}
}

// Shards share the changes, and a batch grows with the load.
func TestBatches(t *testing.T) {
	c := testConfig()
	c.Mix, _ = parseMix("counted=1")
	c.Rate, c.Nodes, c.Cores, c.Shards, c.Duration = 4000, 3, 8, 4, 8
	r := simulate(t, c)
	for _, s := range r.State {
		near(t, "changes of a shard", s.Changes, 2*c.Rate/4, 0.1)
	}
	c.Shards, c.Nodes = 1, 1
	few := simulate(t, c).State[0].Batch
	c.Rate = 8000
	c.Cores = 16
	if many := simulate(t, c).State[0].Batch; many < 1.5*few {
		t.Errorf("%.1f changes a transaction at 4000/s, %.1f at 8000/s", few, many)
	}
}

// One row is changed by one transaction at a time: transactions are bounded by
// how long each holds it, however many nodes there are.
func TestHotRow(t *testing.T) {
	c := testConfig()
	c.Mix, _ = parseMix("hot=1")
	c.Nodes, c.Cores, c.Clients, c.Duration = 8, 16, 400, 5
	r := simulate(t, c)
	state := r.State[0]
	holds := c.Costs.transaction(state.Batch) + (roundTrips-2)*c.RTT + c.Costs.Sync
	if state.Transactions > 1.02/holds || state.Transactions < 0.9/holds {
		t.Errorf("%.0f transactions/s, and %.0f can have the row, one after the other", state.Transactions, 1/holds)
	}
	c.Hot = 1_000_000
	if spread := simulate(t, c); spread.Served < 1.5*r.Served {
		t.Errorf("a million passes are used %.0f times a second, one %.0f", spread.Served, r.Served)
	}
}

// When a node dies its requests break, the others take over, and no request
// is lost sight of.
func TestNodeFailure(t *testing.T) {
	c := testConfig()
	c.Rate, c.Nodes = 1500, 3
	c.Mix, _ = parseMix("get=0.5,counted=0.5")
	c.Failures = []failure{{"node", 1, 5, 5}}
	r := simulate(t, c)
	var k kindReport
	for _, kind := range r.Kinds {
		k.Broken += kind.Broken
		k.Refused += kind.Refused
		k.Unavailable += kind.Unavailable
	}
	if k.Broken == 0 || k.Broken > 200 || k.Refused != 0 || k.Unavailable != 0 {
		t.Errorf("%d broken, %d refused, %d unavailable", k.Broken, k.Refused, k.Unavailable)
	}
	near(t, "served", r.Served, c.Rate, 0.02)
	if r.Lost == 0 {
		t.Error("no draw was lost with the node")
	}
	c.Nodes = 1
	c.Failures[0].Index = 0
	r = simulate(t, c)
	if refused := r.Kinds[0].Refused + r.Kinds[1].Refused; refused < int(0.9*c.Rate*(5+c.Detect)) {
		t.Errorf("%d requests were refused without any node", refused)
	}
}

// While state is away, passes without counted limits are served from what is
// cached, and counted ones get 503; afterwards all are served again.
func TestShardFailure(t *testing.T) {
	c := testConfig()
	c.Rate = 1000
	c.Mix, _ = parseMix("get=0.5,counted=0.5")
	c.Failures = []failure{{"shard", 0, 5, 4}}
	r := simulate(t, c)
	get, counted := r.Kinds[0], r.Kinds[1]
	if get.Unavailable != 0 || counted.Unavailable < 1300 || counted.Unavailable > 1700 {
		t.Errorf("%d of the plain and %d of the counted requests were unavailable; state was away for 4 s, of which the last second is waited for",
			get.Unavailable, counted.Unavailable)
	}
	if last := r.Seconds[15]; last[unavailable] != 0 || last[served] < 900 {
		t.Errorf("later %d were served and %d unavailable", last[served], last[unavailable])
	}
	if r.State[0].Waiting > 100 {
		t.Errorf("%d changes still wait", r.State[0].Waiting)
	}
	c.Grace, c.Failures[0].For = 2, 10
	if r = simulate(t, c); r.Kinds[0].Unavailable == 0 {
		t.Error("no plain request was refused at the end of the grace")
	}
}

func TestBalance(t *testing.T) {
	for _, how := range []string{"round-robin", "least", "random"} {
		c := testConfig()
		c.Balance, c.Rate = how, 3000
		c.Mix, _ = parseMix("redirect=1")
		if r := simulate(t, c); r.Node.Busiest > 1.05*r.Node.Mean {
			t.Errorf("%s: the busiest node is %.3f, the mean %.3f", how, r.Node.Busiest, r.Node.Mean)
		}
	}
}

func TestRefusals(t *testing.T) {
	for _, args := range []string{
		"-nodes 0", "-mix nothing=1", "-mix get=-1", "-mix get=NaN", "-fail node:9@1+1", "-fail moon:0@1+1", "-fail node:0@1",
		"-speed 0", "-measurements nowhere", "-skew 0.5", "-balance best", "-clients 0", "-plan", "more", "-service odd",
	} {
		if err := run(strings.Fields(args+" -duration 0.1"), new(bytes.Buffer), new(bytes.Buffer)); err == nil {
			t.Errorf("%s is no error", args)
		}
	}
}

// The program prints a table and JSON, with the built-in figures.
func TestRun(t *testing.T) {
	var out bytes.Buffer
	args := "-duration 1 -warmup 0.5 -mix get=0.9,counted=0.1 -timeline"
	if err := run(strings.Fields(args), &out, &out); err != nil || !strings.Contains(out.String(), "served/s") {
		t.Errorf("%v: %s", err, &out)
	}
	out.Reset()
	if err := run(strings.Fields(args+" -json"), &out, &out); err != nil {
		t.Fatal(err)
	}
	var r report
	if err := json.Unmarshal(out.Bytes(), &r); err != nil || r.Served <= 0 || r.Config.Duration != 1 {
		t.Errorf("%v: %s", err, &out)
	}
}

// Transactions between two measured sizes are on the line between them.
func TestTransaction(t *testing.T) {
	c := costs{Commits: []commit{{1, 2}, {11, 4}, {101, 40}}}
	for changes, want := range map[float64]float64{0: 2, 1: 2, 6: 3, 11: 4, 56: 22, 101: 40, 202: 80} {
		near(t, fmt.Sprintf("transaction of %.0f", changes), c.transaction(changes), want, 1e-9)
	}
}

// What is not named, or says not where it comes from, is no measurement.
func TestMeasurements(t *testing.T) {
	const good = `{"machines": {"a": "one"}, "figures": [{"name": "x", "value": 1, "unit": "s", "machine": "a", "date": "2026-01-01", "command": "go test"}]}`
	if _, err := parseMeasurements([]byte(good)); err != nil {
		t.Error(err)
	}
	for _, change := range []string{`"go test"`, `"2026-01-01"`, `"a", "date"`, `"s"`, `"x"`} {
		if _, err := parseMeasurements([]byte(strings.Replace(good, change, strings.Replace(`""`+change, change, "", 1), 1))); change != `"a", "date"` && err == nil {
			t.Errorf("without %s it is taken", change)
		}
	}
	m, err := parseMeasurements(measured)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.costs(); err != nil {
		t.Error(err)
	}
}
