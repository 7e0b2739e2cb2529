package main

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
)

// A report is what a run came to. Rates are per second.
type report struct {
	Config config       `json:"config"`
	Kinds  []kindReport `json:"kinds"`
	// Served is the rate of all requests that were answered as they should;
	// Inside is how many were under way, on average.
	Served float64       `json:"served_per_s"`
	Inside float64       `json:"inside"`
	Node   nodeReport    `json:"node"`
	State  []shardReport `json:"state"`
	Store  storeReport   `json:"store"`
	// Lost are draws whose answer never left: what a crash costs holders.
	Lost int `json:"lost_draws"`
	// Unseen are passes whose statistics were not written, since there were too
	// many.
	Unseen  int      `json:"lost_statistics"`
	Seconds []second `json:"seconds,omitempty"`
}

type kindReport struct {
	Kind        string  `json:"kind"`
	Served      float64 `json:"served_per_s"`
	Unavailable int     `json:"unavailable"`
	Broken      int     `json:"broken"`
	Refused     int     `json:"refused"`
	Mean        float64 `json:"mean_s"`
	P50         float64 `json:"p50_s"`
	P99         float64 `json:"p99_s"`
	Worst       float64 `json:"worst_s"`
}

// A nodeReport is about all nodes together.
type nodeReport struct {
	Mean        float64 `json:"mean_cpu"` // share of the cores that is busy
	Busiest     float64 `json:"busiest_cpu"`
	KeyHits     float64 `json:"key_hits"` // share of look-ups
	SettingHits float64 `json:"setting_hits"`
}

type shardReport struct {
	CPU          float64 `json:"cpu"`
	Changes      float64 `json:"changes_per_s"` // of entries of the ledger
	Seen         float64 `json:"seen_per_s"`    // statistics of passes
	Transactions float64 `json:"transactions_per_s"`
	Batch        float64 `json:"changes_per_transaction"`
	Reads        float64 `json:"reads_per_s"`
	Polls        float64 `json:"polls_per_s"`
	Flushes      float64 `json:"flushes_per_s"`
	Waiting      int     `json:"waiting"` // changes at the end
}

type storeReport struct {
	Requests float64 `json:"requests_per_s"`
	Busy     float64 `json:"busy"` // requests under way
}

// report tells what came of a run.
func (s *simulation) report() *report {
	r := &report{Config: *s.config, Inside: s.inside.mean(), Lost: s.lost, Seconds: s.seconds}
	d := s.config.Duration
	for _, k := range s.kinds {
		of := s.results[k.Name]
		r.Kinds = append(r.Kinds, kindReport{Kind: k.Name, Served: float64(of.count[served]) / d,
			Unavailable: of.count[unavailable], Broken: of.count[broken], Refused: of.count[refused],
			Mean: of.times.mean(), P50: of.times.quantile(0.5), P99: of.times.quantile(0.99), Worst: of.times.worst})
		r.Served += float64(of.count[served]) / d
	}
	var keys, settings [2]int
	for _, n := range s.nodes {
		u := n.cpu.utilization()
		r.Node.Mean += u / float64(len(s.nodes))
		r.Node.Busiest = max(r.Node.Busiest, u)
		r.Unseen += n.seen.lost
		keys[0], keys[1] = keys[0]+n.keys.hits, keys[1]+n.keys.misses
		settings[0], settings[1] = settings[0]+n.settings.hits, settings[1]+n.settings.misses
	}
	r.Node.KeyHits, r.Node.SettingHits = hitRate(keys), hitRate(settings)
	for _, sh := range s.shards {
		r.State = append(r.State, sh.report(d))
	}
	r.Store = storeReport{float64(s.upstream.done) / d, s.upstream.work.mean()}
	return r
}

func (s *shard) report(d float64) shardReport {
	r := shardReport{CPU: s.cpu.utilization(), Changes: float64(s.changes) / d, Seen: float64(s.seen) / d, Transactions: float64(s.transactions) / d,
		Reads: float64(s.reads) / d, Polls: float64(s.polls) / d, Flushes: float64(s.flush.flushes) / d}
	if s.transactions > 0 {
		r.Batch = float64(s.changes+s.seen) / float64(s.transactions)
	}
	for _, w := range s.writers {
		r.Waiting += len(w.queue)
	}
	return r
}

func hitRate(counts [2]int) float64 {
	if counts[0] == 0 {
		return 0
	}
	return float64(counts[0]) / float64(counts[0]+counts[1])
}

func (r *report) json(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

// table prints the report for people.
func (r *report) table(w io.Writer, timeline bool) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "request\tserved/s\tmean ms\tp50 ms\tp99 ms\tworst ms\t503\tbroken\trefused\t")
	for _, k := range r.Kinds {
		fmt.Fprintf(t, "%s\t%.0f\t%.2f\t%.2f\t%.2f\t%.2f\t%d\t%d\t%d\t\n",
			k.Kind, k.Served, 1e3*k.Mean, 1e3*k.P50, 1e3*k.P99, 1e3*k.Worst, k.Unavailable, k.Broken, k.Refused)
	}
	fmt.Fprintf(t, "all\t%.0f\t\t\t\t\t\t\t\t\n", r.Served)
	fmt.Fprintln(t)
	fmt.Fprintln(t, "shard\tcpu %\tchanges/s\tpasses seen/s\ttransactions/s\tper transaction\tflushes/s\treads/s\tpolls/s\twaiting\t")
	for i, s := range r.State {
		fmt.Fprintf(t, "%d\t%.1f\t%.0f\t%.0f\t%.0f\t%.1f\t%.0f\t%.0f\t%.0f\t%d\t\n",
			i, 100*s.CPU, s.Changes, s.Seen, s.Transactions, s.Batch, s.Flushes, s.Reads, s.Polls, s.Waiting)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "\nnodes: %d, cpu %.1f %% (busiest %.1f %%), keys from the cache %.1f %%, settings %.1f %%\n"+
		"store: %.0f requests/s, %.1f under way; %.1f requests under way in all; %d draws and the statistics of %d passes lost\n",
		r.Config.Nodes, 100*r.Node.Mean, 100*r.Node.Busiest, 100*r.Node.KeyHits, 100*r.Node.SettingHits,
		r.Store.Requests, r.Store.Busy, r.Inside, r.Lost, r.Unseen)
	if err != nil || !timeline {
		return err
	}
	return r.timeline(w)
}

// timeline prints what ended in each second.
func (r *report) timeline(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "\nsecond\tserved\t503\tbroken\trefused\t")
	for i, s := range r.Seconds {
		fmt.Fprintf(t, "%d\t%d\t%d\t%d\t%d\t\n", i, s[served], s[unavailable], s[broken], s[refused])
	}
	return t.Flush()
}
