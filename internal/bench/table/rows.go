package main

import (
	"fmt"
	"strings"

	"github.com/daypass/daypass/internal/bench"
)

// A row is one kind of work.
type row struct {
	name, title string
	op          bench.Operation
	size        int64
	rangeSize   int64
	objects     int
	connections int
	// perGiB measures processor time for each GiB of bodies rather than for
	// each operation.
	perGiB bool
	// yardstick says that the handler of net/http has this row.
	yardstick bool
	goal      goal
}

// A goal is what a row is to reach: at most so much processor time, or so many
// times that of nginx.
type goal struct {
	atMost  float64 // µs for each operation, or s for each GiB
	ofNginx float64
}

const (
	small = 4 << 10
	big   = 64 << 20
)

// rows is the table: the work of issue and documentation.
func rows() []row {
	return []row{
		{name: "get4k", title: "pre-signed GET 4 KiB", op: bench.Get, size: small, objects: 1000, connections: 16, yardstick: true, goal: goal{ofNginx: 2.5}},
		{name: "range16k", title: "pre-signed GET, 16 KiB range of 64 MiB", op: bench.Range, size: big, rangeSize: 16 << 10, objects: 2, connections: 16, goal: goal{ofNginx: 3}},
		{name: "put4k", title: "pre-signed PUT 4 KiB, durable before the answer", op: bench.Put, size: small, objects: 4000, connections: 16, yardstick: true, goal: goal{atMost: 60}},
		{name: "get64m", title: "pre-signed GET 64 MiB", op: bench.Get, size: big, objects: 2, connections: 4, perGiB: true, goal: goal{atMost: 0.36}},
		{name: "put64m", title: "pre-signed PUT 64 MiB, with MD5 and CRC64, one at a time", op: bench.Put, size: big, objects: 4, connections: 1, perGiB: true, yardstick: true, goal: goal{atMost: 2.7}},
		{name: "put64m4", title: "the same, four at once", op: bench.Put, size: big, objects: 4, connections: 4, perGiB: true, yardstick: true, goal: goal{atMost: 1.8}},
	}
}

func rowNames() (names []string) {
	for _, r := range rows() {
		names = append(names, r.name)
	}
	return names
}

// chosenRows returns the rows of a list of names, all for none.
func chosenRows(names string) ([]row, error) {
	if names == "" {
		return rows(), nil
	}
	var out []row
	for name := range strings.SplitSeq(names, ",") {
		n := len(out)
		for _, r := range rows() {
			if r.name == strings.TrimSpace(name) {
				out = append(out, r)
			}
		}
		if len(out) == n {
			return nil, fmt.Errorf("there is no row %q; there are %s", name, strings.Join(rowNames(), ", "))
		}
	}
	return out, nil
}

// config returns the load of a row.
func (r *row) config(t *bench.Target, pid int, seconds float64) bench.Config {
	c := bench.Config{Target: t, Sizes: bench.Sizes{{Bytes: r.size, Weight: 1}}, RangeSize: r.rangeSize, Objects: r.objects,
		Prefix: r.name + "/", Connections: r.connections, Duration: duration(seconds), WarmUp: duration(min(seconds/4, 1)), Processes: []int{pid}, Seed: 1}
	c.Mix[r.op] = 1
	return c
}

// cost is the processor time of a round, in the row's unit.
func (r *row) cost(round *bench.Round) float64 {
	if r.perGiB {
		return round.CPUPerGiB()
	}
	return round.CPUPerOperation()
}

// unit is what cost is in.
func (r *row) unit() string {
	if r.perGiB {
		return "CPU s/GiB"
	}
	return "µs"
}
