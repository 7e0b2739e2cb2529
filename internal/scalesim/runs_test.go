package main

import (
	"encoding/json"
	"math"
	"os"
	"slices"
	"testing"
)

// tolerance is how far the simulation may be off what was measured, in
// throughput.
const tolerance = 0.20

// A measuredRun is one of testdata/runs.json, as internal/scalesim/measure
// prints them.
type measuredRun struct {
	Nodes   int     `json:"nodes"`
	Quota   float64 `json:"quota"`
	Clients int     `json:"clients"`
	Mix     string  `json:"mix"`
	Served  float64 `json:"served_per_s"`
	NodeCPU float64 `json:"node_cpu_s"`
	Commits float64 `json:"commits_per_request"`
	Failed  int     `json:"failed"`
}

// TestMeasuredRuns compares the simulation with measured runs of 1, 2 and 3
// nodes. What a request takes of a node's processor comes from one node under one
// kind of request alone; how many a second 1, 2 and 3 nodes then serve of a mix is
// what is predicted. docs/scale.md tells how the runs were made.
func TestMeasuredRuns(t *testing.T) {
	text, err := os.ReadFile("testdata/runs.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Costs []measuredRun // of one kind each
		Runs  []measuredRun
	}
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	figures, err := parseMeasurements(measured)
	if err != nil {
		t.Fatal(err)
	}
	built, err := figures.costs()
	if err != nil {
		t.Fatal(err)
	}
	node, times := map[string]float64{}, map[string]float64{}
	for _, r := range file.Costs {
		mix, err := parseMix(r.Mix)
		if err != nil || len(mix) != 1 || r.Failed > 0 {
			t.Fatalf("%+v: %v", r, err)
		}
		node[mix[0].Kind] += r.NodeCPU - r.Commits*built.NodeCommit
		times[mix[0].Kind]++
	}
	for kind := range node {
		node[kind] /= times[kind]
	}
	runs := means(file.Runs)
	if len(runs) < 9 {
		t.Fatalf("%d runs", len(runs))
	}
	for _, r := range runs {
		c := testConfig()
		if c.Costs, err = figures.costs(); err != nil {
			t.Fatal(err)
		}
		c.Costs.Node = node
		for what := range c.Costs.Wait { // the store of the runs was a Daypass
			if c.Costs.Wait[what], err = figures.value("store.daypass." + what); err != nil {
				t.Fatal(err)
			}
		}
		c.Nodes, c.Cores, c.Quota, c.Clients, c.RTT, c.Keys, c.Buckets = r.Nodes, 1, r.Quota, r.Clients, 0.1e-3, 1, 1
		if c.Mix, err = parseMix(r.Mix); err != nil {
			t.Fatal(err)
		}
		got := simulate(t, c).Served
		t.Logf("%d nodes, %-20s measured %4.0f/s, predicted %4.0f/s, %+.1f %%", r.Nodes, r.Mix, r.Served, got, 100*(got/r.Served-1))
		if math.Abs(got/r.Served-1) > tolerance || r.Failed > 0 {
			t.Errorf("%d nodes, %s: measured %.0f/s with %d failures, predicted %.0f/s", r.Nodes, r.Mix, r.Served, r.Failed, got)
		}
	}
}

// means puts runs of the same nodes under the same load together.
func means(runs []measuredRun) (all []measuredRun) {
	var n []float64
	for _, r := range runs {
		i := slices.IndexFunc(all, func(m measuredRun) bool { return m.Nodes == r.Nodes && m.Mix == r.Mix && m.Clients == r.Clients })
		if i < 0 {
			all, n = append(all, r), append(n, 1)
			continue
		}
		n[i]++
		all[i].Served += (r.Served - all[i].Served) / n[i]
		all[i].Failed += r.Failed
	}
	return all
}
