package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/audit"
	"github.com/daypass/daypass/audit/spool"
)

type logsFlags struct {
	data, pass, since string
	all               bool
	filter            spool.Filter
}

func (a *app) logsCommand() *cobra.Command {
	var f logsFlags
	cmd := &cobra.Command{
		Use:   "logs",
		Short: "Show the requests that a server had: who, with which URL, and why refused",
		Long: "Show the requests that a server had, the oldest first: who asked for what, with which\n" +
			"URL, and why it was refused. Those that change something\n" +
			"through the admin API are among them. They are read from the data directory, whether or not a\n" +
			"server runs on it. At a terminal it is a table; in a pipe, fields with tabs between;\n" +
			"with --json, one JSON object a line.",
		Example: "  daypass logs --since 1h --refused\n  daypass logs --pass \"$URL\"\n  daypass logs --name newsletter -f",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 { // which may be a URL, so it is not repeated
				return usagef("logs takes no arguments\na URL or a pass id goes with --pass")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return a.logs(cmd.Context(), &f) },
	}
	fs := cmd.Flags()
	a.addDataFlag(fs, &f.data)
	fs.StringVar(&f.pass, "pass", "", "requests with this pass: its id, its URL, or - for a URL on standard input")
	fs.StringVar(&f.filter.Name, "name", "", "requests with passes of this label")
	fs.StringVar(&f.filter.Bucket, "bucket", "", "requests for this bucket")
	fs.StringVar(&f.since, "since", "", "requests since a time (RFC 3339), or for so long: 1h, 7d")
	fs.BoolVar(&f.filter.Refused, "refused", false, "requests that were refused or failed")
	fs.BoolVar(&f.all, "all", false, "requests that only read from the admin API, too")
	fs.BoolVarP(&f.filter.Follow, "follow", "f", false, "go on with what comes, until interrupted")
	return cmd
}

func (a *app) logs(ctx context.Context, f *logsFlags) (err error) {
	if f.pass != "" {
		p, err := a.parsePass(f.pass)
		if err != nil {
			return err
		}
		f.filter.Pass = p.id
	}
	if f.filter.Since, err = parseSince(f.since, a.now()); err != nil {
		return err
	}
	out := a.newLogPrinter(f.filter.Follow)
	show := func(e spool.Entry) error {
		if e.Event != nil && !f.all && readsOnly(e.Event) {
			return nil
		}
		return out.print(e)
	}
	if err := readEvents(ctx, f.data, f.filter, show); err != nil {
		return err
	}
	return out.end()
}

// readsOnly reports whether an event is of a request to the admin API that read
// something, as every command does that talks to a server.
func readsOnly(e *daypass.Event) bool {
	if e.Action.Service() != daypass.ServiceDaypass || e.Code != "" {
		return false
	}
	name := string(e.Action)
	return strings.HasPrefix(name, "Get") || strings.HasPrefix(name, "List") || e.Action == daypass.ExplainPass
}

// readEvents reads the events of a data directory until the context ends,
// which is no error.
func readEvents(ctx context.Context, data string, f spool.Filter, show func(spool.Entry) error) error {
	dir := eventsDir(data)
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return &commandError{code: exitNotFound, err: fmt.Errorf("no events are in %s", data),
			hint: "--data names the directory of a server that has run"}
	}
	err := spool.Read(ctx, dir, f, show)
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return nil
	}
	return err
}

// parseSince reads a time, or a duration before now.
func parseSince(text string, now time.Time) (time.Time, error) {
	if d, err := parseLifetime(text); err == nil {
		return now.Add(-d.Abs()), nil
	}
	t, err := parseMoment("--since", text, now)
	if err != nil {
		return t, usagef("--since %q is neither a time, such as 2026-12-24T18:00:00Z, nor a duration such as 1h or 7d", text)
	}
	return t, nil
}

// A logPrinter prints events one a line.
type logPrinter struct {
	app    *app
	out    *bufio.Writer
	follow bool
	line   []byte
	head   bool // is printed
}

func (a *app) newLogPrinter(follow bool) *logPrinter {
	return &logPrinter{app: a, out: bufio.NewWriter(a.out), follow: follow}
}

func (p *logPrinter) print(e spool.Entry) error {
	p.line = p.line[:0]
	switch {
	case p.app.json && e.Event == nil:
		p.line = appendGapJSON(p.line, e.Gap)
	case p.app.json:
		p.line = audit.AppendJSON(p.line, e.Event)
	case e.Event == nil:
		p.app.note("%s", e.Gap)
		return nil
	case p.app.terminal:
		p.columns(e.Event)
	default:
		p.line = append(p.line, strings.Join(eventFields(e.Event), "\t")...)
	}
	p.out.Write(append(p.line, '\n'))
	if p.follow {
		return p.out.Flush()
	}
	return nil
}

func (p *logPrinter) end() error { return p.out.Flush() }

// logColumns are the columns for people, as wide as most of what stands in
// them.
const logColumns = "%-19s  %-6s  %-13s  %-15s  %9s  %-26s  %s"

func (p *logPrinter) columns(e *daypass.Event) {
	if !p.head {
		p.head = true
		fmt.Fprintln(p.out, p.app.bold(fmt.Sprintf(logColumns, "TIME (UTC)", "STATUS", "ACTION", "SOURCE", "BYTES", "PASS", "OBJECT")))
	}
	status := fmt.Sprintf("%-6d", e.Status)
	if e.Code != "" {
		status = p.app.amber(status)
	}
	p.line = fmt.Appendf(p.line, logColumns, e.Time.UTC().Format(time.DateTime), status, dash(string(e.Action)), dash(printable(e.Source)),
		showSize(e.Sent+e.Received), passLabel(e), printable(eventSubject(e)))
	if why := eventReason(e); why != "" {
		p.line = fmt.Appendf(p.line, "  %s", p.app.amber(printable(why)))
	}
}

// passLabel is how people know who it was: the label of the pass, its id, or
// the access key.
func passLabel(e *daypass.Event) string {
	for _, s := range []string{e.Grant.Name, e.Grant.PassID, e.Grant.AccessKeyID} {
		if s != "" {
			return printable(s)
		}
	}
	return "-"
}

// eventObject is the object or bucket that an event was about.
func eventObject(e *daypass.Event) string {
	if e.Object.Bucket == "" {
		return "-"
	}
	return e.Object.String()
}

// eventSubject is what an event was about, for people: of a request to the
// admin API what it names.
func eventSubject(e *daypass.Event) string {
	if e.Subject != "" {
		return e.Subject
	}
	return eventObject(e)
}

// eventReason says why a request was refused: the code, and what operators
// are told.
func eventReason(e *daypass.Event) string {
	why := e.Reason
	if why == "" {
		why = e.Message
	}
	if e.Code == "" || strings.Contains(why, string(e.Code)) {
		return why
	}
	return strings.TrimSuffix(string(e.Code)+": "+why, ": ")
}

// eventFields are the fields for programs. More may be added at the end.
func eventFields(e *daypass.Event) []string {
	fields := []string{e.Time.UTC().Format("2006-01-02T15:04:05.000Z"), strconv.Itoa(e.Status), string(e.Code), string(e.Action),
		string(e.Grant.Scheme), e.Source, strconv.FormatInt(e.Sent, 10), strconv.FormatInt(e.Received, 10), e.Grant.AccessKeyID,
		e.Grant.PassID, e.Grant.Name, eventObject(e), e.RequestID, eventReason(e), e.Subject}
	for i := range fields {
		fields[i] = dash(printable(fields[i]))
	}
	return fields
}

// appendGapJSON appends a gap as the only member of an object.
func appendGapJSON(dst []byte, g spool.Gap) []byte {
	b, err := json.Marshal(map[string]any{"gap": struct {
		Loss   spool.Loss `json:"loss"`
		Events uint64     `json:"events,omitempty"`
		Bytes  uint64     `json:"bytes,omitempty"`
		From   time.Time  `json:"from,omitzero"`
		To     time.Time  `json:"to,omitzero"`
	}{g.Loss, g.Events, g.Bytes, g.From, g.To}})
	if err != nil {
		return dst // a gap has nothing that cannot be written
	}
	return append(dst, b...)
}
