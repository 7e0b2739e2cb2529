package bench

import (
	"math"
	"strings"
	"testing"
)

func TestMannWhitney(t *testing.T) {
	for _, tc := range []struct {
		x, y []float64
		want float64
	}{
		// Exact two-sided values, as R's wilcox.test gives them.
		{[]float64{1, 2, 3, 4}, []float64{5, 6, 7, 8}, 2.0 / 70},
		{[]float64{5, 6, 7, 8}, []float64{1, 2, 3, 4}, 2.0 / 70},
		{[]float64{1, 2, 3, 4, 5}, []float64{6, 7, 8, 9, 10}, 2.0 / 252},
		{[]float64{1, 2, 3, 5}, []float64{4, 6, 7, 8}, 4.0 / 70},
		{[]float64{1, 3, 5, 7}, []float64{2, 4, 6, 8}, 48.0 / 70},
		{[]float64{1, 1, 1, 1}, []float64{1, 1, 1, 1}, 1},
		// Too few for any difference to mean anything.
		{[]float64{1, 2, 3}, []float64{7, 8, 9}, -1},
		{[]float64{1}, []float64{2}, -1},
		{[]float64{1, 2, 3}, []float64{4, 5, 6, 7, 8}, 2.0 / 56},
	} {
		if got := mannWhitney(tc.x, tc.y); math.Abs(got-tc.want) > 1e-9 {
			t.Errorf("mannWhitney(%v, %v) = %g, want %g", tc.x, tc.y, got, tc.want)
		}
	}
}

func TestRankSums(t *testing.T) {
	sum := 0.0
	counts := rankSums(5, 7)
	for i, n := range counts {
		sum += n
		if n != counts[len(counts)-1-i] {
			t.Errorf("not symmetric at %d", i)
		}
	}
	if sum != 792 || counts[0] != 1 || counts[1] != 1 || counts[2] != 2 {
		t.Errorf("%v of %v", counts, sum)
	}
}

// reportOf makes a report of rounds with these numbers of operations in ten
// seconds, each of which costs the server 50 µs.
func reportOf(counts ...int64) *Report {
	r := &Report{Format: reportFormat, Settings: Settings{Mix: "get=1", Connections: 16, Objects: 1, Seconds: 10}}
	for _, n := range counts {
		s := Stats{Count: n, PerSecond: float64(n) / 10, Bytes: n << 12, Latency: Latency{Mean: 1e7 / float64(n), P50: 100, P90: 200, P99: 300, P999: 400, Max: 500}}
		r.Rounds = append(r.Rounds, Round{Seconds: 10, All: s, Operations: map[string]Stats{"get": s},
			Server: &Usage{UserSeconds: float64(n) * 40e-6, SystemSeconds: float64(n) * 10e-6, Resident: 30 << 20, Peak: 40 << 20}})
	}
	return r
}

func TestCompare(t *testing.T) {
	rowOf := func(c *Comparison, name string) Change {
		for _, r := range c.Rows {
			if r.Figure == name {
				return r
			}
		}
		t.Fatalf("no row %q", name)
		return Change{}
	}
	faster := Compare(reportOf(1000, 1010, 1020, 990), reportOf(2000, 2020, 2040, 1980))
	if r := rowOf(faster, "operations"); math.Abs(r.Ratio-2) > 0.001 || r.A != 100.5 || r.P > 0.03 || strings.Contains(r.verdict(), "scatter") {
		t.Errorf("twice as many: %+v, %s", r, r.verdict())
	}
	if r := rowOf(faster, "CPU per operation"); r.Ratio < 0.999 || r.Ratio > 1.001 || r.A < 49.9 || r.A > 50.1 {
		t.Errorf("CPU: %+v", r)
	}
	if r := rowOf(faster, "p99"); r.Ratio != 1 || !strings.HasPrefix(r.verdict(), "within scatter") {
		t.Errorf("p99: %+v, %s", r, r.verdict())
	}
	if r := rowOf(Compare(reportOf(1000, 1100, 900, 1050), reportOf(1010, 1090, 950, 1060)), "operations"); !strings.HasPrefix(r.verdict(), "within scatter") {
		t.Errorf("scatter: %+v, %s", r, r.verdict())
	}
	if r := rowOf(Compare(reportOf(1000), reportOf(2000)), "operations"); r.P != -1 || !strings.Contains(r.verdict(), "4 rounds") {
		t.Errorf("one round: %+v, %s", r, r.verdict())
	}
	other := reportOf(1000)
	other.Settings.Connections, other.Rounds[0].Server = 4, nil
	c := Compare(reportOf(1000), other)
	if len(c.Different) != 1 || c.Different[0] != "connections: 16, 4" {
		t.Errorf("different: %v", c.Different)
	}
	var table strings.Builder
	if err := c.WriteTable(&table); err != nil || !strings.Contains(table.String(), "the loads differ") || strings.Contains(table.String(), "CPU") {
		t.Errorf("%v\n%s", err, table.String())
	}
}

func TestParseReportRefuses(t *testing.T) {
	for _, text := range []string{"", "[]", "{}", `{"format":2,"rounds":[{}]}`, `{"format":1,"rounds":[]}`} {
		if _, err := ParseReport([]byte(text)); err == nil {
			t.Errorf("ParseReport(%q) is no error", text)
		}
	}
}
