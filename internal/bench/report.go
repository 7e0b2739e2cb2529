package bench

import (
	"encoding/base64"
	"runtime"
	"slices"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// A Report is what a run found out.
type Report struct {
	// Format is the version of this format.
	Format   int       `json:"format"`
	Started  time.Time `json:"started"`
	Machine  Machine   `json:"machine"`
	Settings Settings  `json:"settings"`
	Rounds   []Round   `json:"rounds"`
	// ReadBack tells how many written objects were read back and compared,
	// after all rounds; nil where that was not asked for.
	ReadBack *ReadBack `json:"readBack,omitempty"`
}

// reportFormat is the version of the format of reports.
const reportFormat = 1

// A Machine is where the client ran.
type Machine struct {
	OS        string `json:"os"`
	Arch      string `json:"arch"`
	CPUs      int    `json:"cpus"`
	Processor string `json:"processor,omitempty"`
	Kernel    string `json:"kernel,omitempty"`
}

// Settings are what load was made.
type Settings struct {
	Target      string  `json:"target"`
	TLS         bool    `json:"tls,omitempty"`
	Mix         string  `json:"mix"`
	Sizes       string  `json:"sizes"`
	RangeSize   int64   `json:"rangeSize,omitempty"`
	Objects     int     `json:"objects"`
	Connections int     `json:"connections"`
	Seconds     float64 `json:"seconds,omitempty"`
	Requests    int64   `json:"requests,omitempty"`
	WarmUp      float64 `json:"warmUpSeconds,omitempty"`
	Rate        float64 `json:"rate,omitempty"`
	Verify      bool    `json:"verify,omitempty"`
}

// A Round is one measurement.
type Round struct {
	Seconds float64 `json:"seconds"`
	// All is of all operations together.
	All        Stats            `json:"all"`
	Operations map[string]Stats `json:"operations"`
	// Unsent is how many operations of an open loop no connection was free
	// for. Their waiting time is in the latencies.
	Unsent int64 `json:"unsent,omitempty"`
	// Server is what the server's processes used, nil where none was named.
	Server *Usage `json:"server,omitempty"`
	// Counters is what counters of the server have grown by.
	Counters map[string]float64 `json:"counters,omitempty"`
	// ClientCPU is the processor time of this program in seconds.
	ClientCPU float64 `json:"clientCPUSeconds"`
}

// Stats are of one kind of operation.
type Stats struct {
	// Count is how many were carried out; errors are not among them.
	Count     int64   `json:"count"`
	PerSecond float64 `json:"perSecond"`
	// Bytes of bodies, both ways.
	Bytes   int64            `json:"bytes"`
	Latency Latency          `json:"latency"`
	Errors  map[string]int64 `json:"errors,omitempty"`
	// Examples has one message of each error.
	Examples map[string]string `json:"examples,omitempty"`
	// Histogram is in HdrHistogram's format V2, in base64; its unit is 100 ns.
	Histogram string `json:"histogram,omitempty"`
}

// Latency is a distribution, in microseconds.
type Latency struct {
	Mean float64 `json:"mean"`
	P50  float64 `json:"p50"`
	P90  float64 `json:"p90"`
	P99  float64 `json:"p99"`
	P999 float64 `json:"p99.9"`
	Max  float64 `json:"max"`
}

// A ReadBack is what became of objects that were written.
type ReadBack struct {
	Objects int64            `json:"objects"`
	Gone    int64            `json:"gone,omitempty"` // deleted by the run itself
	Errors  map[string]int64 `json:"errors,omitempty"`
}

func (r *Runner) report() *Report {
	c := &r.config
	s := Settings{Target: c.Target.Dial, TLS: c.Target.TLS != nil, Mix: c.Mix.String(), Sizes: c.Sizes.String(), Objects: c.Objects,
		Connections: c.Connections, Requests: c.Requests, WarmUp: c.WarmUp.Seconds(), Rate: c.Rate, Verify: c.Verify}
	if c.Mix[Range] > 0 {
		s.RangeSize = c.RangeSize
	}
	if c.Requests <= 0 {
		s.Seconds = c.Duration.Seconds()
	}
	return &Report{Format: reportFormat, Started: r.now().UTC().Truncate(time.Second), Machine: ThisMachine(), Settings: s}
}

// ThisMachine describes the machine that the program runs on.
func ThisMachine() Machine {
	m := Machine{OS: runtime.GOOS, Arch: runtime.GOARCH, CPUs: runtime.NumCPU()}
	m.Processor, m.Kernel = processorAndKernel()
	return m
}

// collect makes a round of what the workers recorded.
func (r *Runner) collect(elapsed time.Duration) Round {
	out := Round{Seconds: elapsed.Seconds(), Operations: make(map[string]Stats)}
	var all stats
	for op := range operations {
		var of stats
		for _, s := range r.shards {
			of.merge(&s.stats[op])
		}
		all.merge(&of)
		if of.count > 0 || len(of.errors) > 0 {
			out.Operations[op.String()] = of.export(elapsed)
		}
	}
	for _, s := range r.shards {
		out.Unsent += s.unsent
		if s.unknown != nil {
			all.merge(&stats{latency: s.unknown})
		}
	}
	out.All = all.export(elapsed)
	return out
}

func (st *stats) export(elapsed time.Duration) Stats {
	out := Stats{Count: st.count, PerSecond: float64(st.count) / elapsed.Seconds(), Bytes: st.bytes, Errors: st.errors, Examples: st.example}
	if st.latency != nil {
		out.Latency = latencyOf(st.latency)
		// A histogram in memory can always be encoded.
		if text, err := st.latency.EncodeV2(); err == nil {
			out.Histogram = base64.StdEncoding.EncodeToString(text)
		}
	}
	return out
}

func latencyOf(h *hdrhistogram.Histogram) Latency {
	unit := latencyUnit.Seconds() * 1e6
	at := func(percentile float64) float64 { return float64(h.ValueAtPercentile(percentile)) * unit }
	return Latency{Mean: h.Mean() * unit, P50: at(50), P90: at(90), P99: at(99), P999: at(99.9), Max: float64(h.Max()) * unit}
}

// ErrorCount is how many operations failed, in all rounds and when objects were
// read back.
func (r *Report) ErrorCount() (n int64) {
	for i := range r.Rounds {
		for _, m := range r.Rounds[i].All.Errors {
			n += m
		}
	}
	if r.ReadBack != nil {
		for _, m := range r.ReadBack.Errors {
			n += m
		}
	}
	return n
}

// Median returns the median over all rounds of what a function takes from a
// round; NaN-free: a report has at least one round.
func (r *Report) Median(of func(*Round) float64) float64 {
	return median(r.values(of))
}

func (r *Report) values(of func(*Round) float64) []float64 {
	out := make([]float64, len(r.Rounds))
	for i := range r.Rounds {
		out[i] = of(&r.Rounds[i])
	}
	return out
}

func median(values []float64) float64 {
	v := slices.Sorted(slices.Values(values))
	if len(v) == 0 {
		return 0
	}
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}
