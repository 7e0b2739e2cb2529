package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// A report is all that a run has measured.
type report struct {
	Date    string `json:"date"`
	Machine string `json:"machine"`
	// Load is the machine's load average at the beginning and the end.
	Load   [2]string `json:"load"`
	Tables []*table  `json:"tables"`
}

// A table is the answer to one question about growth.
type table struct {
	Name string `json:"name"`
	// Goal is what the figures are to keep to.
	Goal    string   `json:"goal"`
	Columns []string `json:"columns"`
	Rows    []row    `json:"rows"`
}

// A row has a figure for each column; those that were not measured are -1.
type row struct {
	Name    string    `json:"name"`
	Figures []float64 `json:"figures"`
}

// missing stands for a figure that was not measured.
const missing = -1

func (t *table) add(name string, figures ...float64) {
	t.Rows = append(t.Rows, row{Name: name, Figures: figures})
	fmt.Fprintf(os.Stderr, "%s: %s:", t.Name, name)
	for i, f := range figures {
		fmt.Fprintf(os.Stderr, " %s %s;", t.Columns[i], showFigure(f))
	}
	fmt.Fprintln(os.Stderr)
}

// markdown returns the report as tables in Markdown.
func (r *report) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, %s. Load average %s before, %s after.\n", r.Date, r.Machine, r.Load[0], r.Load[1])
	for _, t := range r.Tables {
		fmt.Fprintf(&b, "\n### %s\n\n%s\n\n| |", t.Name, t.Goal)
		for _, c := range t.Columns {
			fmt.Fprintf(&b, " %s |", c)
		}
		b.WriteString("\n|---|" + strings.Repeat("--:|", len(t.Columns)) + "\n")
		for _, row := range t.Rows {
			fmt.Fprintf(&b, "| %s |", row.Name)
			for _, f := range row.Figures {
				fmt.Fprintf(&b, " %s |", showFigure(f))
			}
			b.WriteByte('\n')
		}
	}
	return b.String()
}

// showFigure shows three digits that matter.
func showFigure(f float64) string {
	switch {
	case f == missing:
		return "–"
	case f >= 100 || f == float64(int64(f)):
		return fmt.Sprintf("%.0f", f)
	case f >= 10:
		return fmt.Sprintf("%.1f", f)
	}
	return fmt.Sprintf("%.2f", f)
}

// write writes the report as NAME.md and NAME.json.
func (r *report) write(name string) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(name+".json", append(data, '\n'), 0o644); err != nil {
		return err
	}
	return os.WriteFile(name+".md", []byte(r.markdown()), 0o644)
}

// machine says what was measured on.
func machine(cpus int) string {
	model := "unknown processor"
	if info, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(info)) {
			if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
				model = strings.TrimSpace(value)
				break
			}
		}
	}
	return fmt.Sprintf("%d × %s", cpus, model)
}

// load returns the load averages.
func load() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	fields := strings.Fields(string(text))
	return strings.Join(fields[:min(3, len(fields))], " ")
}

// quantile returns the given part of the sorted durations, in milliseconds.
func quantile(sorted []time.Duration, q float64) float64 {
	if len(sorted) == 0 {
		return missing
	}
	at := min(int(q*float64(len(sorted))), len(sorted)-1)
	return float64(sorted[at]) / float64(time.Millisecond)
}

// median returns the middle of some figures.
func median(figures []float64) float64 {
	if len(figures) == 0 {
		return missing
	}
	sorted := slices.Sorted(slices.Values(figures))
	return sorted[len(sorted)/2]
}

// The marks between which a page has the tables.
const (
	beginMark = "<!-- begin: make bench-growth -->\n"
	endMark   = "<!-- end: make bench-growth -->\n"
)

// updatePage replaces what lies between the marks of a page.
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
