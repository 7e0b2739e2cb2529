package bench

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"text/tabwriter"
)

// WriteTable writes a report for people: medians of the rounds.
func (r *Report) WriteTable(w io.Writer) error {
	s := &r.Settings
	fmt.Fprintf(w, "%s, %d connections, %d objects of %s, %s\n\n", s.Mix, s.Connections, s.Objects, s.Sizes, r.how())
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "operation\tcount\tper s\tMiB/s\tmean\tp50\tp90\tp99\tp99.9\tmax\terrors\t")
	names := r.operationNames()
	if len(names) != 1 {
		names = append(names, "all")
	}
	for _, name := range names {
		r.writeRow(t, name)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	r.writeServer(w)
	r.writeTrouble(w)
	return nil
}

// how says what ended a round.
func (r *Report) how() string {
	s := &r.Settings
	end := fmt.Sprintf("%g s", s.Seconds)
	if s.Requests > 0 {
		end = fmt.Sprintf("%d requests", s.Requests)
	}
	text := "1 round of " + end
	if n := len(r.Rounds); n > 1 {
		text = fmt.Sprintf("medians of %d rounds of %s", n, end)
	}
	if s.Rate > 0 {
		text += fmt.Sprintf(", %g a second (open loop)", s.Rate)
	}
	return text
}

// operationNames are the operations that were made, in their order.
func (r *Report) operationNames() (names []string) {
	for op := range operations {
		if slices.ContainsFunc(r.Rounds, func(round Round) bool { _, ok := round.Operations[op.String()]; return ok }) {
			names = append(names, op.String())
		}
	}
	return names
}

// stats returns those of an operation, or "all".
func (r *Round) stats(name string) Stats {
	if name == "all" {
		return r.All
	}
	return r.Operations[name]
}

func (r *Report) writeRow(w io.Writer, name string) {
	of := func(value func(Stats, *Round) float64) float64 {
		return r.Median(func(round *Round) float64 { return value(round.stats(name), round) })
	}
	errs := int64(0)
	for i := range r.Rounds {
		for _, n := range r.Rounds[i].stats(name).Errors {
			errs += n
		}
	}
	fmt.Fprintf(w, "%s\t%.0f\t%.0f\t%.1f", name, of(func(s Stats, _ *Round) float64 { return float64(s.Count) }),
		of(func(s Stats, _ *Round) float64 { return s.PerSecond }),
		of(func(s Stats, round *Round) float64 { return float64(s.Bytes) / round.Seconds / (1 << 20) }))
	for _, l := range latencyColumns() {
		fmt.Fprintf(w, "\t%s", FormatMicros(of(func(s Stats, _ *Round) float64 { return l.of(&s.Latency) })))
	}
	fmt.Fprintf(w, "\t%d\t\n", errs)
}

// A latencyColumn is one figure of a distribution.
type latencyColumn struct {
	name string
	of   func(*Latency) float64
}

func latencyColumns() []latencyColumn {
	return []latencyColumn{
		{"mean", func(l *Latency) float64 { return l.Mean }},
		{"p50", func(l *Latency) float64 { return l.P50 }},
		{"p90", func(l *Latency) float64 { return l.P90 }},
		{"p99", func(l *Latency) float64 { return l.P99 }},
		{"p99.9", func(l *Latency) float64 { return l.P999 }},
		{"max", func(l *Latency) float64 { return l.Max }},
	}
}

// FormatMicros writes a time that is given in microseconds, with three digits.
func FormatMicros(us float64) string {
	switch {
	case us >= 1e6:
		return digits(us/1e6) + " s"
	case us >= 1e3:
		return digits(us/1e3) + " ms"
	}
	return digits(us) + " µs"
}

// digits writes a number with at least three digits.
func digits(v float64) string {
	switch {
	case v >= 100:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case v >= 10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return strconv.FormatFloat(v, 'f', 2, 64)
}

// CPUPerOperation is the server's processor time in microseconds for each
// operation of a round; zero where it is not known.
func (r *Round) CPUPerOperation() float64 {
	if r.Server == nil || r.All.Count == 0 {
		return 0
	}
	return r.Server.CPU() / float64(r.All.Count) * 1e6
}

// CPUPerGiB is the server's processor time in seconds for each GiB of bodies.
func (r *Round) CPUPerGiB() float64 {
	if r.Server == nil || r.All.Bytes == 0 {
		return 0
	}
	return r.Server.CPU() / float64(r.All.Bytes) * (1 << 30)
}

// writeServer tells what the server used.
func (r *Report) writeServer(w io.Writer) {
	if len(r.Rounds) == 0 || r.Rounds[0].Server == nil {
		return
	}
	last := r.Rounds[len(r.Rounds)-1].Server
	of := func(value func(*Usage) float64) float64 {
		return r.Median(func(round *Round) float64 { return value(round.Server) })
	}
	fmt.Fprintf(w, "\nserver: %s CPU per operation, %.3f s per GiB (%.2f s user, %.2f s system); memory %.1f MiB, peak %.1f MiB\n",
		FormatMicros(r.Median((*Round).CPUPerOperation)), r.Median((*Round).CPUPerGiB),
		of(func(u *Usage) float64 { return u.UserSeconds }), of(func(u *Usage) float64 { return u.SystemSeconds }),
		float64(last.Resident)/(1<<20), float64(last.Peak)/(1<<20))
	if written := of(func(u *Usage) float64 { return float64(u.Written) }); written > 0 {
		fmt.Fprintf(w, "disk: %.1f MiB written, %.1f MiB read\n", written/(1<<20), of(func(u *Usage) float64 { return float64(u.Read) })/(1<<20))
	}
}

// writeTrouble tells of errors, and of what was not sent.
func (r *Report) writeTrouble(w io.Writer) {
	counts, examples := make(map[string]int64), make(map[string]string)
	unsent := int64(0)
	for i := range r.Rounds {
		round := &r.Rounds[i]
		unsent += round.Unsent
		for name, n := range round.All.Errors {
			counts[name] += n
			examples[name] = round.All.Examples[name]
		}
	}
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		fmt.Fprintf(w, "\nerror: %d × %s", counts[name], name)
		if e := examples[name]; e != name {
			fmt.Fprintf(w, ", such as %q", e)
		}
	}
	if len(counts) > 0 {
		fmt.Fprintln(w)
	}
	if unsent > 0 {
		fmt.Fprintf(w, "\n%d operations were not sent, since no connection was free: the server does not keep up with the rate. Their waiting time is in the row of all.\n", unsent)
	}
	if b := r.ReadBack; b != nil {
		fmt.Fprintf(w, "\nread back: %d objects are what was written", b.Objects)
		if b.Gone > 0 {
			fmt.Fprintf(w, ", %d were deleted", b.Gone)
		}
		for _, name := range slices.Sorted(maps.Keys(b.Errors)) {
			fmt.Fprintf(w, ", %d × %s", b.Errors[name], name)
		}
		fmt.Fprintln(w)
	}
}
