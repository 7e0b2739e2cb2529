package bench

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"text/tabwriter"
)

// ParseReport reads a report that was written as JSON.
func ParseReport(text []byte) (*Report, error) {
	var r Report
	if err := json.Unmarshal(text, &r); err != nil {
		return nil, fmt.Errorf("not a report of daypass bench: %w", err)
	}
	switch {
	case r.Format != reportFormat:
		return nil, fmt.Errorf("a report of format %d; this version reads format %d", r.Format, reportFormat)
	case len(r.Rounds) == 0:
		return nil, fmt.Errorf("a report without rounds")
	}
	return &r, nil
}

// A Comparison is how two reports differ.
type Comparison struct {
	// Different are the settings in which they differ, each as "name: a, b":
	// figures of different loads say little about each other.
	Different []string `json:"differentSettings,omitempty"`
	Rows      []Change `json:"rows"`
}

// A Change is one figure of both.
type Change struct {
	// Operation is "all", or empty for figures of the whole server.
	Operation string `json:"operation,omitempty"`
	Figure    string `json:"figure"`
	Unit      string `json:"unit"`
	// A and B are medians of the rounds.
	A float64 `json:"a"`
	B float64 `json:"b"`
	// Ratio is B / A; zero where A is.
	Ratio float64 `json:"ratio"`
	// P is how likely a difference at least as large is by chance alone
	// (Mann-Whitney U test, exact, two-sided); -1 where there are too few
	// rounds to tell anything.
	P float64 `json:"p"`
}

// significant is the P below which a difference is taken for one.
const significant = 0.05

// A figure is one number of a round.
type figure struct {
	name, unit string
	of         func(r *Round, operation string) float64
}

// operationFigures are of each operation, serverFigures of the whole server.
func operationFigures() []figure {
	out := []figure{
		{"operations", "1/s", func(r *Round, op string) float64 { return r.stats(op).PerSecond }},
		{"bytes", "MiB/s", func(r *Round, op string) float64 { return float64(r.stats(op).Bytes) / r.Seconds / (1 << 20) }},
	}
	for _, l := range latencyColumns() {
		out = append(out, figure{l.name, "µs", func(r *Round, op string) float64 {
			s := r.stats(op)
			return l.of(&s.Latency)
		}})
	}
	return out
}

func serverFigures() []figure {
	of := func(value func(*Usage) int64) func(*Round, string) float64 {
		return func(r *Round, _ string) float64 { return float64(value(r.Server)) / (1 << 20) }
	}
	return []figure{
		{"CPU per operation", "µs", func(r *Round, _ string) float64 { return r.CPUPerOperation() }},
		{"CPU per GiB", "s", func(r *Round, _ string) float64 { return r.CPUPerGiB() }},
		{"memory", "MiB", of(func(u *Usage) int64 { return u.Resident })},
		{"peak memory", "MiB", of(func(u *Usage) int64 { return u.Peak })},
		{"disk written", "MiB", of(func(u *Usage) int64 { return u.Written })},
	}
}

// Compare compares two reports, round by round.
func Compare(a, b *Report) *Comparison {
	c := &Comparison{Different: differences(&a.Settings, &b.Settings)}
	for _, op := range append(a.operationNames(), "all") {
		if op != "all" && !slices.Contains(b.operationNames(), op) {
			continue
		}
		if op == "all" && len(a.operationNames()) == 1 {
			continue
		}
		for _, f := range operationFigures() {
			c.add(a, b, op, f)
		}
	}
	if a.measuresServer() && b.measuresServer() {
		for _, f := range serverFigures() {
			c.add(a, b, "", f)
		}
	}
	return c
}

func (r *Report) measuresServer() bool {
	return !slices.ContainsFunc(r.Rounds, func(round Round) bool { return round.Server == nil })
}

func (c *Comparison) add(a, b *Report, op string, f figure) {
	x := a.values(func(r *Round) float64 { return f.of(r, op) })
	y := b.values(func(r *Round) float64 { return f.of(r, op) })
	row := Change{Operation: op, Figure: f.name, Unit: f.unit, A: median(x), B: median(y), P: mannWhitney(x, y)}
	if row.A == 0 && row.B == 0 {
		return // nothing of that kind was done
	}
	if row.A != 0 {
		row.Ratio = row.B / row.A
	}
	c.Rows = append(c.Rows, row)
}

// differences are the settings that differ.
func differences(a, b *Settings) (out []string) {
	for _, s := range []struct {
		name string
		a, b any
	}{
		{"mix", a.Mix, b.Mix}, {"sizes", a.Sizes, b.Sizes}, {"range size", a.RangeSize, b.RangeSize}, {"objects", a.Objects, b.Objects},
		{"connections", a.Connections, b.Connections}, {"rate", a.Rate, b.Rate}, {"TLS", a.TLS, b.TLS}, {"verify", a.Verify, b.Verify},
		{"seconds", a.Seconds, b.Seconds}, {"requests", a.Requests, b.Requests},
	} {
		if s.a != s.b {
			out = append(out, fmt.Sprintf("%s: %v, %v", s.name, s.a, s.b))
		}
	}
	return out
}

// WriteTable writes a comparison for people.
func (c *Comparison) WriteTable(w io.Writer) error {
	if len(c.Different) > 0 {
		fmt.Fprintf(w, "the loads differ: %s\n\n", strings.Join(c.Different, "; "))
	}
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(t, "operation\tfigure\tA\tB\tB / A\tdifference")
	for _, row := range c.Rows {
		ratio := "-"
		if row.Ratio != 0 {
			ratio = digits(row.Ratio)
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\n", row.Operation, row.Figure, row.value(row.A), row.value(row.B), ratio, row.verdict())
	}
	return t.Flush()
}

func (r *Change) value(v float64) string {
	if r.Unit == "µs" {
		return FormatMicros(v)
	}
	return digits(v) + " " + r.Unit
}

// verdict says whether a difference is more than scatter.
func (r *Change) verdict() string {
	switch {
	case r.P < 0:
		return "cannot be told from scatter: 4 rounds of each are needed"
	case r.P >= significant:
		return fmt.Sprintf("within scatter (p=%.2f)", r.P)
	}
	return fmt.Sprintf("p=%.3f", r.P)
}

// mannWhitney returns the probability that two samples from one distribution
// differ in rank as much as these do (Mann and Whitney 1947), exact where no
// values are equal; two equal ones count half. It is -1 where the samples are
// too small for any outcome to be significant.
func mannWhitney(x, y []float64) float64 {
	n, m := len(x), len(y)
	counts := rankSums(n, m)
	total := 0.0
	for _, c := range counts {
		total += c
	}
	if 2*counts[0]/total >= significant {
		return -1
	}
	u := 0.0
	for _, a := range x {
		for _, b := range y {
			switch {
			case a < b:
				u++
			case a == b:
				u += 0.5
			}
		}
	}
	u = math.Ceil(min(u, float64(n*m)-u))
	p := 0.0
	for i := 0; i <= int(u) && i < len(counts); i++ {
		p += counts[i]
	}
	return min(1, 2*p/total)
}

// rankSums returns in how many orders of n and m values the statistic U is 0, 1
// and so on to n·m: the coefficients of the Gaussian binomial.
func rankSums(n, m int) []float64 {
	counts := make([]float64, n*m+1)
	counts[0] = 1
	for i := 1; i <= n; i++ {
		// Times (1 - q^(m+i)), then divided by (1 - q^i).
		for k := n * m; k >= m+i; k-- {
			counts[k] -= counts[k-m-i]
		}
		for k := i; k <= n*m; k++ {
			counts[k] += counts[k-i]
		}
	}
	return counts
}
