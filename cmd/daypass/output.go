package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
	"unicode/utf8"
)

// Colours are for people at a terminal, unless they do not want them
// (the NO_COLOR convention).

func (a *app) colour(on bool, code, s string) string {
	if !on || a.env("NO_COLOR") != "" {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

func (a *app) red(s string) string   { return a.colour(a.errTerm, "31", s) }
func (a *app) bold(s string) string  { return a.colour(a.terminal, "1", s) }
func (a *app) green(s string) string { return a.colour(a.terminal, "32", s) }
func (a *app) amber(s string) string { return a.colour(a.terminal, "33", s) }

// printJSON prints a value for programs.
func (a *app) printJSON(v any) error {
	e := json.NewEncoder(a.out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// A table is rows in aligned columns; its first row is the head.
type table [][]string

func (t table) write(w io.Writer, head func(string) string) error {
	tw := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	for i, row := range t {
		line := strings.Join(row, "\t")
		if i == 0 {
			line = head(line)
		}
		fmt.Fprintln(tw, line)
	}
	return tw.Flush()
}

// pairs prints names and values, one a line, names aligned.
func (a *app) pairs(rows [][2]string) {
	width := 0
	for _, r := range rows {
		width = max(width, len(r[0]))
	}
	for _, r := range rows {
		fmt.Fprintf(a.out, "%s  %s\n", a.bold(fmt.Sprintf("%-*s", width, r[0])), r[1])
	}
}

// printable writes control characters as escapes, so that text from elsewhere
// cannot steer a terminal.
func printable(s string) string {
	var b strings.Builder
	for i, r := range s {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			fmt.Fprintf(&b, "\\x%02x", s[i])
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

// showTime writes a time as people read it, in UTC.
func showTime(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format("2006-01-02 15:04:05 UTC")
}

// showDuration writes a duration in its two largest units: "1h 30m".
func showDuration(d time.Duration) string {
	if d < 0 {
		d = -d
	}
	d = d.Round(time.Second)
	units := []struct {
		name string
		size time.Duration
	}{{"d", 24 * time.Hour}, {"h", time.Hour}, {"m", time.Minute}, {"s", time.Second}}
	var parts []string
	for _, u := range units {
		if n := d / u.size; n > 0 {
			parts = append(parts, fmt.Sprintf("%d%s", n, u.name))
			d -= n * u.size
		} else if len(parts) > 0 {
			break
		}
		if len(parts) == 2 {
			break
		}
	}
	if len(parts) == 0 {
		return "0s"
	}
	return strings.Join(parts, " ")
}

// parseLifetime parses a duration such as 90s, 15m, 1h30m or 7d.
func parseLifetime(s string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(s, "d"); ok {
		var n int
		if _, err := fmt.Sscanf(days, "%d", &n); err == nil && fmt.Sprint(n) == days && n < 36500 {
			return time.Duration(n) * 24 * time.Hour, nil
		}
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		return 0, fmt.Errorf("%q is not a duration such as 90s, 15m, 12h or 7d", s)
	}
	return d, nil
}

// A lifetimeFlag is a duration flag that also takes days.
type lifetimeFlag time.Duration

// Set parses the flag's text.
func (f *lifetimeFlag) Set(s string) error {
	d, err := parseLifetime(s)
	*f = lifetimeFlag(d)
	return err
}

// String writes the flag's value.
func (f *lifetimeFlag) String() string {
	return strings.ReplaceAll(showDuration(time.Duration(*f)), " ", "")
}

// Type names the flag's type in help texts.
func (f *lifetimeFlag) Type() string { return "duration" }
