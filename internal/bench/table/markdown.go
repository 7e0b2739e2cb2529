package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/daypass/daypass/internal/bench"
)

// own is the name of the build that goals are for.
const own = "daypass"

// others returns the names of contestants in the order of columns, but for own.
func (r *result) others() (names []string) {
	for _, name := range []string{"nginx", "net/http", "against"} {
		if r.Servers[name] != nil {
			names = append(names, name)
		}
	}
	return names
}

// markdown writes the tables.
func (r *result) markdown() string {
	var b strings.Builder
	m := &r.Machine
	fmt.Fprintf(&b, "%s, %d cores of %s, Linux %s; %s. Rounds: %d, of %g s for each cell; medians.\n\n",
		r.Started.Format("2006-01-02 15:04 UTC"), m.CPUs, m.Processor, m.Kernel, r.Cores, r.Rounds, r.Seconds)
	r.writeRows(&b)
	r.writeLatencies(&b)
	r.writeDisk(&b)
	r.writeServers(&b)
	r.writeMicro(&b)
	return b.String()
}

// writeRow writes one row of a Markdown table.
func writeRow(b *strings.Builder, columns ...string) {
	b.WriteString("| " + strings.Join(columns, " | ") + " |\n")
}

// writeHead writes the head of a table.
func writeHead(b *strings.Builder, columns ...string) {
	writeRow(b, columns...)
	b.WriteString(strings.Repeat("|---", len(columns)) + "|\n")
}

// writeRows writes the processor time of each row, and what it is to be.
func (r *result) writeRows(b *strings.Builder) {
	writeHead(b, append(append([]string{"work"}, r.others()...), own, "to nginx", "goal", "")...)
	for _, c := range r.Rows {
		columns := []string{c.row.title}
		for _, name := range append(r.others(), own) {
			columns = append(columns, c.cell(name))
		}
		writeRow(b, append(columns, fmt.Sprintf("%.2f ×", c.ratio(own, "nginx")), c.row.goal.String(c.row), c.verdict())...)
	}
	b.WriteByte('\n')
}

// cell is processor time and rate of a contestant.
func (c *cells) cell(name string) string {
	cost, ok := c.of(name, c.cost)
	if !ok {
		return "–"
	}
	if c.row.perGiB {
		rate, _ := c.of(name, func(r *bench.Round) float64 { return float64(r.All.Bytes) / r.Seconds / (1 << 20) })
		return fmt.Sprintf("%.3f s/GiB, %s MiB/s", cost, thousands(rate))
	}
	rate, _ := c.of(name, func(r *bench.Round) float64 { return r.All.PerSecond })
	return fmt.Sprintf("%.1f µs, %s/s", cost, thousands(rate))
}

// thousands writes a whole number with commas.
func thousands(v float64) string {
	text := strconv.FormatFloat(v, 'f', 0, 64)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// String writes the goal of a row.
func (g goal) String(r *row) string {
	switch {
	case g.ofNginx > 0:
		return fmt.Sprintf("≤ %g × nginx", g.ofNginx)
	case r.perGiB:
		return fmt.Sprintf("≤ %g s/GiB", g.atMost)
	}
	return fmt.Sprintf("≤ %g µs", g.atMost)
}

// verdict says whether the row reaches its goal.
func (c *cells) verdict() string {
	cost, ok := c.of(own, c.cost)
	if !ok {
		return "–"
	}
	g := c.row.goal
	if g.ofNginx > 0 {
		return holds(c.ratio(own, "nginx") <= g.ofNginx)
	}
	return holds(cost <= g.atMost)
}

func holds(yes bool) string {
	if yes {
		return "holds"
	}
	return "**missed**"
}

// writeLatencies writes what a client waits for.
func (r *result) writeLatencies(b *strings.Builder) {
	b.WriteString("What clients wait for, in closed loop: median and 99th percentile.\n\n")
	names := append(r.others(), own)
	writeHead(b, append([]string{"work"}, names...)...)
	for _, c := range r.Rows {
		columns := []string{c.row.title}
		for _, name := range names {
			p50, ok := c.of(name, func(r *bench.Round) float64 { return r.All.Latency.P50 })
			p99, _ := c.of(name, func(r *bench.Round) float64 { return r.All.Latency.P99 })
			if !ok {
				columns = append(columns, "–")
				continue
			}
			columns = append(columns, bench.FormatMicros(p50)+", "+bench.FormatMicros(p99))
		}
		writeRow(b, columns...)
	}
	b.WriteByte('\n')
}

// writeDisk writes what uploads cost the disk.
func (r *result) writeDisk(b *strings.Builder) {
	fmt.Fprintf(b, "The disk: %s syncs a second, one after the other (4 KiB appended, fdatasync).\n\n", thousands(median(r.Syncs)))
	writeHead(b, "uploads", "PUTs per sync", "bytes written for each of the bodies", "goal", "")
	for _, c := range r.Rows {
		if c.row.op.String() != "put" {
			continue
		}
		perSync := "not counted"
		if v, _ := c.of(own, putsPerSync); v > 0 {
			perSync = fmt.Sprintf("%.2f", v)
		}
		amplified, _ := c.of(own, amplification)
		aim, verdict := "–", "–"
		if c.row.name == "put4k" {
			aim, verdict = r.uploadGoal(c)
		}
		writeRow(b, c.row.title, perSync, fmt.Sprintf("%.2f", amplified), aim, verdict)
	}
	b.WriteByte('\n')
}

// putsPerSync is how many uploads became durable with each sync, 0 where the
// server does not count these.
func putsPerSync(r *bench.Round) float64 {
	if r.Counters[syncsMetric] <= 0 {
		return 0
	}
	return float64(r.All.Count) / r.Counters[syncsMetric]
}

// amplification is how many bytes the server wrote for each byte of a body.
func amplification(r *bench.Round) float64 {
	if r.Server == nil || r.All.Bytes == 0 {
		return 0
	}
	return float64(r.Server.Written) / float64(r.All.Bytes)
}

// Uploads each second, where the disk syncs so often.
const (
	goalPuts  = 10_000
	goalSyncs = 3_000
)

// uploadGoal is the rate of small uploads, which depends on the disk.
func (r *result) uploadGoal(c *cells) (aim, verdict string) {
	aim = fmt.Sprintf("≥ %s/s where the disk makes %s syncs/s", thousands(goalPuts), thousands(goalSyncs))
	rate, ok := c.of(own, func(r *bench.Round) float64 { return r.All.PerSecond })
	switch {
	case !ok:
		return aim, "–"
	case rate >= goalPuts:
		return aim, holds(true)
	case median(r.Syncs) < goalSyncs:
		return aim, fmt.Sprintf("%s/s with %s syncs/s", thousands(rate), thousands(median(r.Syncs)))
	}
	return aim, holds(false)
}

// writeServers writes memory and start.
func (r *result) writeServers(b *strings.Builder) {
	names := append(r.others(), own)
	writeHead(b, append(append([]string{"server"}, names...), "goal", "")...)
	line := func(title string, value func(*server) float64, unit, aim string, atMost float64) {
		columns := []string{title}
		for _, name := range names {
			columns = append(columns, fmt.Sprintf("%.1f %s", value(r.server(name)), unit))
		}
		writeRow(b, append(columns, aim, holds(value(r.server(own)) <= atMost))...)
	}
	mib := func(n int64) float64 { return float64(n) / (1 << 20) }
	line("memory, idle", func(s *server) float64 { return mib(s.Idle) }, "MiB", "≤ 30 MiB", 30)
	line("memory, most under the load above", func(s *server) float64 { return mib(s.Peak) }, "MiB", "≤ 80 MiB", 80)
	line("start to first answer", func(s *server) float64 { return median(s.Start) }, "ms", "≤ 50 ms", 50)
	b.WriteByte('\n')
}

// writeMicro writes what signatures cost.
func (r *result) writeMicro(b *strings.Builder) {
	if r.Micro == nil {
		return
	}
	writeHead(b, "signatures", "time", "to the hashing floor", "goal", "")
	floor := r.Micro["Floor"]
	for _, s := range []struct {
		name, title string
		atMost      float64
	}{{"PresignGet", "presign one URL", 1500}, {"VerifyGet", "verify one URL", 2000}} {
		ns := r.Micro[s.name]
		ok := ns <= s.atMost && ns <= 2.5*floor
		writeRow(b, s.title, fmt.Sprintf("%.2f µs", ns/1e3), fmt.Sprintf("%.2f ×", ns/floor),
			fmt.Sprintf("≤ %g µs, ≤ 2.5 × the floor", s.atMost/1e3), holds(ok))
	}
	writeRow(b, "the floor: SHA-256 of a canonical request, one HMAC", fmt.Sprintf("%.2f µs", floor/1e3), "", "", "")
	b.WriteByte('\n')
}
