package main

import (
	"cmp"
	_ "embed" // measurements.json
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// measured is what was measured, with the machine, the date and the command of
// each figure.
//
//go:embed measurements.json
var measured []byte

// Measurements are figures that were measured on one or more machines.
type measurements struct {
	// Machines are described by what a reader needs to judge the figures.
	Machines map[string]string `json:"machines"`
	Figures  []figure          `json:"figures"`
}

// A figure is one measured number.
type figure struct {
	Name    string  `json:"name"`
	Value   float64 `json:"value"`
	Unit    string  `json:"unit"` // s, B, or 1/s
	Machine string  `json:"machine"`
	Date    string  `json:"date"` // YYYY-MM-DD
	// Command is what printed the number, or what it was computed from.
	Command string `json:"command"`
	Note    string `json:"note,omitempty"`
}

// parseMeasurements reads measurements and refuses those that do not say
// where they come from.
func parseMeasurements(text []byte) (*measurements, error) {
	var m measurements
	if err := json.Unmarshal(text, &m); err != nil {
		return nil, fmt.Errorf("measurements: %w", err)
	}
	seen := map[string]bool{}
	for _, f := range m.Figures {
		switch {
		case f.Name == "" || seen[f.Name]:
			return nil, fmt.Errorf("measurements: %q has no name or that of another", f.Name)
		case m.Machines[f.Machine] == "" || f.Date == "" || f.Command == "":
			return nil, fmt.Errorf("measurements: %s does not say on which machine, when and how", f.Name)
		case f.Value < 0 || f.Unit != "s" && f.Unit != "B" && f.Unit != "1/s":
			return nil, fmt.Errorf("measurements: %s is %v %s; units are s, B and 1/s", f.Name, f.Value, f.Unit)
		}
		seen[f.Name] = true
	}
	return &m, nil
}

// value returns the figure of a name.
func (m *measurements) value(name string) (float64, error) {
	for _, f := range m.Figures {
		if f.Name == name {
			return f.Value, nil
		}
	}
	return 0, fmt.Errorf("measurements: there is no %s", name)
}

// costs are what the parts of a deployment take for their work: seconds of a
// core, unless said otherwise.
type costs struct {
	// Node is what a node takes for a request of a kind, and Wait how long the
	// store takes for a get or a put.
	Node, Wait map[string]float64
	// NodeCommit is what a node takes for a transaction, besides the requests
	// whose changes are in it.
	NodeCommit float64
	// Commits is what PostgreSQL takes for transactions of some numbers of
	// changes, in order; Seen what the statistics of a pass add; Read is for a
	// look-up, and Poll for the refreshes of a node in a second.
	Commits          []commit
	Seen, Read, Poll float64
	// Sync is how long a commit waits for the disk and the standby.
	Sync float64
}

// A commit is what a transaction of so many changes takes.
type commit struct{ Changes, Takes float64 }

// commits returns the figures state.commit.N, in order of N.
func (m *measurements) commits() (points []commit) {
	for _, f := range m.Figures {
		if text, ok := strings.CutPrefix(f.Name, "state.commit."); ok {
			if n, err := strconv.ParseFloat(text, 64); err == nil {
				points = append(points, commit{n, f.Value})
			}
		}
	}
	slices.SortFunc(points, func(a, b commit) int { return cmp.Compare(a.Changes, b.Changes) })
	return points
}

// transaction is what PostgreSQL takes for a transaction of so many changes:
// on the line between the two measured numbers around it, or beyond the last as
// much for each change as there on average.
func (c *costs) transaction(changes float64) float64 {
	i, found := slices.BinarySearchFunc(c.Commits, changes, func(p commit, n float64) int { return cmp.Compare(p.Changes, n) })
	switch {
	case found || i == 0:
		return c.Commits[i].Takes
	case i == len(c.Commits):
		last := c.Commits[i-1]
		return last.Takes * changes / last.Changes
	}
	a, b := c.Commits[i-1], c.Commits[i]
	return a.Takes + (b.Takes-a.Takes)*(changes-a.Changes)/(b.Changes-a.Changes)
}

// costs returns the measured costs of nodes over an upstream store.
func (m *measurements) costs() (costs, error) {
	c := costs{Node: map[string]float64{}, Wait: map[string]float64{}}
	var missing []string
	get := func(into *float64, name string) {
		v, err := m.value(name)
		if err != nil {
			missing = append(missing, name)
		}
		*into = v
	}
	for _, k := range kinds() {
		var node, wait float64
		get(&node, "node."+k.Name)
		get(&wait, "store."+k.Store)
		c.Node[k.Name], c.Wait[k.Store] = node, wait
	}
	get(&c.NodeCommit, "node.commit")
	c.Commits = m.commits()
	if len(c.Commits) < 2 {
		missing = append(missing, "state.commit of two numbers of changes")
	}
	get(&c.Seen, "state.seen")
	get(&c.Read, "state.read")
	get(&c.Poll, "state.poll")
	get(&c.Sync, "state.sync")
	if missing != nil {
		return c, fmt.Errorf("measurements lack %s", strings.Join(missing, ", "))
	}
	return c, nil
}
