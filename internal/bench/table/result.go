package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/daypass/daypass/internal/bench"
)

// A result is what a run found out.
type result struct {
	Started time.Time     `json:"started"`
	Machine bench.Machine `json:"machine"`
	Cores   string        `json:"cores"`
	Rounds  int           `json:"rounds"`
	Seconds float64       `json:"seconds"`
	Rows    []*cells      `json:"rows"`
	// Servers is by name of the contestant.
	Servers map[string]*server `json:"servers"`
	// Syncs is how often the disk syncs each second, once for each round.
	Syncs []float64 `json:"syncsPerSecond"`
	// Micro is in nanoseconds, by the benchmark's name.
	Micro map[string]float64 `json:"microNanoseconds,omitempty"`
}

// cells are the turns of all contestants in one row.
type cells struct {
	Name  string                   `json:"name"`
	Turns map[string][]bench.Round `json:"turns"`
	row   *row
}

func newCells(r *row) *cells {
	return &cells{Name: r.name, Turns: make(map[string][]bench.Round), row: r}
}

// A server is what was measured of one besides the rows.
type server struct {
	Idle int64 `json:"idleResidentBytes"`
	Peak int64 `json:"peakResidentBytes"`
	// Start is how long it took to the first answer, in milliseconds.
	Start []float64 `json:"startMilliseconds"`
}

func (r *result) server(name string) *server {
	s := r.Servers[name]
	if s == nil {
		s = &server{}
		r.Servers[name] = s
	}
	return s
}

// of returns the median of a figure of a contestant; false where it had no turn.
func (c *cells) of(name string, figure func(*bench.Round) float64) (float64, bool) {
	turns := c.Turns[name]
	values := make([]float64, len(turns))
	for i := range turns {
		values[i] = figure(&turns[i])
	}
	return median(values), len(turns) > 0
}

func (c *cells) cost(r *bench.Round) float64 { return c.row.cost(r) }

// ratio is the median of the ratios of a contestant's cost to another's, each
// within one round.
func (c *cells) ratio(name, to string) float64 {
	var values []float64
	for i, t := range c.Turns[name] {
		if i < len(c.Turns[to]) {
			if base := c.cost(&c.Turns[to][i]); base > 0 {
				values = append(values, c.cost(&t)/base)
			}
		}
	}
	return median(values)
}

// write writes the results as JSON and Markdown, prints the latter, and puts it
// into a page.
func (r *result) write(o *options) error {
	if err := os.MkdirAll(o.out, 0o755); err != nil {
		return err
	}
	text, err := json.MarshalIndent(r, "", "\t")
	if err != nil {
		return err
	}
	page := r.markdown()
	fmt.Print(page)
	err = errors.Join(os.WriteFile(filepath.Join(o.out, "table.json"), append(text, '\n'), 0o644),
		os.WriteFile(filepath.Join(o.out, "table.md"), []byte(page), 0o644))
	if err != nil || o.update == "" {
		return err
	}
	if err := updatePage(o.update, page); err != nil || !o.profile {
		return err
	}
	return copyPictures(o)
}

// copyPictures puts the flame graphs beside the page.
func copyPictures(o *options) error {
	dir := strings.TrimSuffix(o.update, ".md")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, name := range profiled {
		picture, err := os.ReadFile(filepath.Join(o.out, name+".svg"))
		if errors.Is(err, os.ErrNotExist) {
			continue // its row was not measured
		}
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, name+".svg"), picture, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// The marks between which a page has the tables.
const (
	beginMark = "<!-- begin: make bench -->\n"
	endMark   = "<!-- end: make bench -->\n"
)

// updatePage replaces what stands between the marks of a page.
func updatePage(name, tables string) error {
	text, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	before, rest, ok := strings.Cut(string(text), beginMark)
	_, after, end := strings.Cut(rest, endMark)
	if !ok || !end {
		return fmt.Errorf("%s does not have the lines %q and %q", name, strings.TrimSpace(beginMark), strings.TrimSpace(endMark))
	}
	return os.WriteFile(name, []byte(before+beginMark+"\n"+tables+"\n"+endMark+after), 0o644)
}
