package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/audit"
	"github.com/daypass/daypass/audit/spool"
	"github.com/daypass/daypass/client"
	"github.com/daypass/daypass/limits"
	"github.com/daypass/daypass/sign"
)

func (a *app) passShow(f *adminFlags) *cobra.Command {
	return &cobra.Command{
		Use:     "show URL|ID",
		Short:   "Tell what was seen of one pass, and whether it is revoked",
		Example: "  daypass pass show 6UA7BJ6BIATTWKW63HZQT2RNM3\n  daypass pass show \"$URL\"",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			arg, err := a.parsePass(args[0])
			if err != nil {
				return err
			}
			c, err := a.connect(cmd.Context(), f)
			if err != nil {
				return err
			}
			p, err := c.Pass(cmd.Context(), arg.id)
			if daypass.CodeOf(err) == daypass.NoSuchPass {
				return hinted(err, "what happens shows within a few seconds\n'daypass explain URL' tells what the URL permits")
			}
			if err != nil {
				return err
			}
			var last []daypass.Event
			if f.endpoint == "" {
				if last, err = lastEvents(cmd.Context(), f.data, &p); err != nil {
					return err
				}
			}
			return a.printPass(&p, a.explainPass(cmd.Context(), c, arg), last)
		},
	}
}

// explainPass asks what else the server knows of a pass; nil where it does not
// say, which a note tells.
func (a *app) explainPass(ctx context.Context, c *client.Client, arg passArgument) *client.Explanation {
	req := client.ExplainRequest{URL: daypass.Secret(arg.url)}
	if arg.url == "" {
		req.PassID = arg.id
	}
	e, err := c.Explain(ctx, req)
	if err != nil {
		a.note("when it really ends is not known: %s", refusalText(err))
		return nil
	}
	return &e
}

// timeline is how many of the last events of a pass are shown.
const timeline = 10

// lastEvents returns the last events of a pass, the oldest first.
func lastEvents(ctx context.Context, data string, p *client.Pass) (last []daypass.Event, err error) {
	if p.FirstSeen.IsZero() {
		return nil, nil
	}
	// What is seen of a pass has another clock than its events.
	f := spool.Filter{Pass: p.PassID, Since: p.FirstSeen.Add(-time.Hour)}
	err = readEvents(ctx, data, f, func(e spool.Entry) error {
		if e.Event != nil {
			last = append(last[max(0, len(last)-timeline+1):], *e.Event)
		}
		return nil
	})
	return last, err
}

// printPass prints a pass, what the server explains of it, and its timeline.
func (a *app) printPass(p *client.Pass, e *client.Explanation, last []daypass.Event) error {
	if a.json {
		out := struct {
			*client.Pass
			Explanation *client.Explanation `json:"explanation,omitempty"`
			Events      []json.RawMessage   `json:"events,omitempty"`
		}{Pass: p, Explanation: e}
		for i := range last {
			out.Events = append(out.Events, audit.AppendJSON(nil, &last[i]))
		}
		return a.printJSON(out)
	}
	rows := a.passRows(p)
	if e != nil {
		if e.Uses != nil {
			rows = append(rows, [2]string{"drawn", e.Uses.Words})
		}
		if end := a.realEnd(e); end != "" {
			rows = append(rows, [2]string{"end", end})
		}
	}
	a.pairs(rows)
	if e != nil && len(e.Refusals) > 0 {
		if err := a.printRefusals(e); err != nil {
			return err
		}
	}
	if len(last) == 0 {
		return nil
	}
	fmt.Fprintln(a.out)
	events := table{{"LAST REQUESTS", "STATUS", "ACTION", "SOURCE", "BYTES", "OBJECT", "WHY"}}
	for i := range last {
		e := &last[i]
		events = append(events, []string{showTime(e.Time), strconv.Itoa(e.Status), dash(string(e.Action)), dash(printable(e.Source)),
			showSize(e.Sent + e.Received), printable(eventObject(e)), dash(printable(eventReason(e)))})
	}
	return events.write(a.out, a.bold)
}

// passRows is what there is to say about a pass.
func (a *app) passRows(p *client.Pass) [][2]string {
	rows := [][2]string{{"pass id", p.PassID}}
	add := func(name, value string) {
		if value != "" && value != "-" {
			rows = append(rows, [2]string{name, printable(value)})
		}
	}
	add("name", p.Name)
	add("action", p.Action)
	add("object", passObject(p))
	add("signed by", p.AccessKeyID)
	add("owner", p.Owner)
	add("signed", a.showEnd(p.Signed))
	add("ends", a.showEnd(p.Ends))
	for _, words := range limitWords(p.Limits) {
		add("limit", words)
	}
	add("first used", a.showEnd(p.FirstSeen))
	add("last used", a.showEnd(p.LastSeen))
	if p.Action == "" {
		add("uses", "none yet")
	} else {
		add("uses", strconv.FormatInt(p.Uses, 10))
		add("refused", strconv.FormatInt(p.Refused, 10))
		add("sent", showSize(p.BytesSent))
		add("received", showSize(p.BytesReceived))
	}
	status := a.green(a.passStatus(p))
	if p.Revoked {
		status = a.amber(fmt.Sprintf("revoked by %s", printable(p.RevokedBy)))
	}
	return append(rows, [2]string{"status", status})
}

// limitWords says what limits mean, or shows them as they are.
func limitWords(values map[string]string) []string {
	var q sign.Query
	for name, value := range values {
		q = append(q, sign.Param{Name: name, Value: value})
	}
	set, err := limits.Parse(q)
	if err != nil {
		return []string{q.Encode()}
	}
	return set.Words()
}
