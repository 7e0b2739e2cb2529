package main

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/daypass/daypass/internal/bench"
)

var update = flag.Bool("update", false, "rewrite the golden file")

// sample makes a result in which Daypass costs cost times nginx in each row.
func sample(cost float64) *result {
	r := &result{Started: time.Date(2026, 2, 6, 12, 0, 0, 0, time.UTC), Machine: bench.Machine{OS: "linux", Arch: "amd64", CPUs: 2, Processor: "Some Processor", Kernel: "6.1"},
		Cores: "servers on core 0, client on core 1", Rounds: 3, Seconds: 3, Syncs: []float64{900, 1000, 1100},
		Micro: map[string]float64{"Floor": 600, "PresignGet": 1100, "VerifyGet": 1600}, Servers: map[string]*server{
			"nginx": {Idle: 15 << 20, Peak: 16 << 20, Start: []float64{10, 11, 12}}, "net/http": {Idle: 8 << 20, Peak: 14 << 20, Start: []float64{5, 6, 7}},
			own: {Idle: 25 << 20, Peak: 60 << 20, Start: []float64{30, 31, 90}}}}
	for _, row := range rows() {
		c := newCells(&row)
		for _, name := range []string{"nginx", "net/http", own} {
			if name == "net/http" && !row.yardstick {
				continue
			}
			for n := range 3 {
				c.Turns[name] = append(c.Turns[name], sampleRound(&row, name, cost, float64(n+1)))
			}
		}
		r.Rows = append(r.Rows, c)
	}
	return r
}

// sampleRound is a round on a machine that is slower by a factor; Daypass costs
// cost times as much as the others.
func sampleRound(r *row, name string, cost, slow float64) bench.Round {
	count := int64(10_000)
	if r.perGiB {
		count = 100
	}
	seconds := 0.1 * slow
	if name == own {
		seconds *= cost
	}
	all := bench.Stats{Count: count, PerSecond: float64(count) / 3 / slow, Bytes: count * r.size, Latency: bench.Latency{P50: 100 * slow, P99: 5000 * slow}}
	round := bench.Round{Seconds: 3, All: all, Server: &bench.Usage{UserSeconds: seconds, Written: all.Bytes * 3 / 2}}
	if name == own {
		round.Counters = map[string]float64{syncsMetric: float64(count) / 4}
	}
	return round
}

func TestMarkdown(t *testing.T) {
	golden := filepath.Join("testdata", "table.md")
	got := sample(2).markdown()
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestVerdict has ratios taken within rounds: nginx of a slow round does not
// make Daypass of a fast one look good.
func TestVerdict(t *testing.T) {
	get := func(cost float64) *cells { return sample(cost).Rows[0] }
	if r := get(2.4).ratio(own, "nginx"); r < 2.399 || r > 2.401 {
		t.Errorf("ratio %g", r)
	}
	if v := get(2.4).verdict(); v != "holds" {
		t.Errorf("2.4 × nginx: %s", v)
	}
	if v := get(2.6).verdict(); v == "holds" {
		t.Errorf("2.6 × nginx: %s", v)
	}
	if v := sample(4).Rows[2].verdict(); v == "holds" { // 4 × 20 µs
		t.Errorf("80 µs where 60 µs are the goal: %s", v)
	}
}

func TestUploadGoal(t *testing.T) {
	r := sample(1)
	put := r.Rows[2]
	if _, v := r.uploadGoal(put); !strings.Contains(v, "with 1,000 syncs/s") {
		t.Errorf("slow disk: %s", v)
	}
	r.Syncs = []float64{3500}
	if _, v := r.uploadGoal(put); v != "**missed**" {
		t.Errorf("fast disk: %s", v)
	}
	for i := range put.Turns[own] {
		put.Turns[own][i].All.PerSecond = 12_000
	}
	if _, v := r.uploadGoal(put); v != "holds" {
		t.Errorf("fast enough: %s", v)
	}
}

func TestParseBenchmarks(t *testing.T) {
	got := parseBenchmarks(`goos: linux
BenchmarkFloor-2         	  505318	       612.0 ns/op
BenchmarkFloor-2         	  505318	       599.5 ns/op
BenchmarkVerifyGet-2     	  202318	      1490 ns/op	      96 B/op	       1 allocs/op
PASS
`)
	if diff := cmp.Diff(map[string]float64{"Floor": 599.5, "VerifyGet": 1490}, got); diff != "" {
		t.Error(diff)
	}
}

func TestMetric(t *testing.T) {
	text := "# HELP a_total x\na_total 3\na_total{file=\"wal\"} 4e1\na_total_other 7\nb{a_total=\"1\"} 9\n"
	if v, ok := metric(text, "a_total"); !ok || v != 43 {
		t.Errorf("%g, %v", v, ok)
	}
	if _, ok := metric(text, "c_total"); ok {
		t.Error("a counter that is not there was found")
	}
}

func TestChosenRows(t *testing.T) {
	r, err := chosenRows("put4k, get4k")
	if err != nil || len(r) != 2 || r[0].name != "put4k" {
		t.Errorf("%v, %v", r, err)
	}
	if _, err := chosenRows("get4k,nothing"); err == nil {
		t.Error("a row that there is not is no error")
	}
	if r, err := chosenRows(""); err != nil || len(r) != len(rows()) {
		t.Errorf("%v, %v", r, err)
	}
}

func TestUpdatePage(t *testing.T) {
	name := filepath.Join(t.TempDir(), "page.md")
	page := "# Page\n\n" + beginMark + "old\n" + endMark + "\nafter\n"
	if err := os.WriteFile(name, []byte(page), 0o644); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time finds what the first wrote
		if err := updatePage(name, "| new |\n"); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(name)
	if want := "# Page\n\n" + beginMark + "\n| new |\n\n" + endMark + "\nafter\n"; err != nil || string(got) != want {
		t.Errorf("%v\n%s", err, got)
	}
	if err := os.WriteFile(name, []byte("no marks"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := updatePage(name, "x"); err == nil {
		t.Error("a page without marks is no error")
	}
}

// TestPageHasMarks keeps docs/performance.md fit for the tables.
func TestPageHasMarks(t *testing.T) {
	page, err := os.ReadFile("../../../docs/performance.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(page), beginMark) || !strings.Contains(string(page), endMark) {
		t.Error("docs/performance.md lacks the marks of the tables")
	}
}
