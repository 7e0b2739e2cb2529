package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/client"
)

// askServer asks the server that the flags name, and nobody else. Where it
// cannot, the answer says why.
func (a *app) askServer(ctx context.Context, f *explainFlags, raw string, out *explained) error {
	if f.offline || out.PassID == "" {
		return nil
	}
	since, err := parseSince(f.since, a.now())
	if err != nil {
		return err
	}
	c, err := a.connect(ctx, &f.admin)
	switch {
	case err != nil && exitCode(err) == exitUsage:
		return err
	case err != nil:
		out.NotAsked = "no server was asked: " + err.Error()
		return nil
	}
	before := a.now()
	e, err := c.Explain(ctx, client.ExplainRequest{URL: daypass.Secret(raw), Since: since.UTC()})
	switch {
	case daypass.CodeOf(err) == daypass.NoSuchPass:
		out.NotAsked = "the server says nothing: the URL was signed by a key of another account, or by none that it knows"
		return nil
	case err != nil:
		out.NotAsked = "no server answered: " + refusalText(err)
		return nil
	case e.Signer != nil && e.Signer.State == client.KeyUnknown && e.Signer.Parent == "" && e.Signer.Since.IsZero() && e.Seen == nil:
		out.NotAsked = "the server does not know the access key " + printable(e.Signer.AccessKeyID) +
			": the URL is another server's, or the key was deleted long ago"
		return nil
	}
	out.Server = &e
	// The answer took some time, which is no skew.
	if skew := e.ServerTime.Sub(before.Add(a.now().Sub(before) / 2)); skew.Abs() >= time.Second {
		out.SkewSeconds = skew.Round(time.Second).Seconds()
	}
	return nil
}

// refusalText is what an error says to people.
func refusalText(err error) string {
	var d *daypass.Error
	if errors.As(err, &d) && d.Message != "" {
		return d.Message + " (" + string(d.Code) + ")"
	}
	return err.Error()
}

// mismatch reports whether the server found the signature not to match.
func (e *explained) mismatch() bool {
	return e.Server != nil && e.Server.Signature != nil && e.Server.Signature.Code == "SignatureDoesNotMatch"
}

// provenMethod is the method that the URL was signed for, where the server
// proved that.
func (e *explained) provenMethod() string {
	if e.Server == nil || e.Server.Signature == nil {
		return ""
	}
	return e.Server.Signature.Method
}

// printVerdict prints what the server makes of the URL, and when it ends.
func (a *app) printVerdict(r *explained) {
	e := r.Server
	switch e.Verdict {
	case client.VerdictGood:
		fmt.Fprintln(a.out, a.green("good: the server takes it now"))
	case client.VerdictEarly:
		fmt.Fprintln(a.out, a.amber("not good yet: "+printable(e.Reason)))
	case client.VerdictRefused:
		fmt.Fprintln(a.out, a.amber("refused: "+printable(e.Reason)))
	default:
		fmt.Fprintln(a.out, a.amber("unknown: "+printable(e.Reason)))
	}
	if line := a.realEnd(e); line != "" {
		fmt.Fprintln(a.out, line)
	}
	if r.SkewSeconds != 0 {
		way := "ahead of"
		if r.SkewSeconds < 0 {
			way = "behind"
		}
		skew := time.Duration(r.SkewSeconds * float64(time.Second))
		fmt.Fprintf(a.out, "the server's clock reads %s: it is %s %s this one\n", showTime(e.ServerTime), showDuration(skew), way)
	}
	fmt.Fprintln(a.out)
}

// realEnd says when a pass really ends, and what it says of itself where that
// is something else.
func (a *app) realEnd(e *client.Explanation) string {
	var win, own *client.PassEnd
	for i := range e.Ends {
		end := &e.Ends[i]
		if end.Wins {
			win = end
		}
		if end.Counts && (end.Kind == "expiry" || end.Kind == "until") {
			own = end
		}
	}
	if win == nil {
		return ""
	}
	verb := "really ends: "
	if !win.At.After(e.ServerTime) {
		verb = "really ended: "
	}
	at := a.showEnd(win.At)
	if win.At.IsZero() {
		at = "before now"
	}
	line := verb + at + " (" + printable(win.Words) + ")"
	if own != nil && own != win {
		line += ", not " + showTime(own.At) + " (" + own.Words + ")"
	}
	return line
}

// serverRows are what the server says of the URL in a word.
func (a *app) serverRows(e *client.Explanation) (rows [][2]string) {
	if e == nil {
		return nil
	}
	add := func(name, value string) {
		if value != "" {
			rows = append(rows, [2]string{name, printable(value)})
		}
	}
	if s := e.Signature; s != nil {
		switch s.State {
		case client.SignatureGood:
			add("server", "the signature is good, for "+s.Method)
		case client.SignatureWrong:
			add("server", "the signature is not good: "+s.Reason)
		default:
			add("server", "the signature cannot be checked: "+s.Reason)
		}
	}
	add("access key", signerWords(e.Signer))
	if e.Uses != nil {
		add("uses", e.Uses.Words)
	}
	if p := e.Seen; p != nil {
		add("used", fmt.Sprintf("%d times, refused %d times, %s sent", p.Uses, p.Refused, showSize(p.BytesSent)))
		add("first used", strings.TrimPrefix(a.showEnd(p.FirstSeen), "-"))
		add("last used", strings.TrimPrefix(a.showEnd(p.LastSeen), "-"))
	} else {
		add("used", "not yet")
	}
	for _, r := range e.Revocations {
		add("revoked", fmt.Sprintf("by %s at %s (revocation %s)", r.CreatedBy, showTime(r.Created), r.ID))
	}
	return rows
}

// signerWords says in which state the signer's key is.
func signerWords(s *client.Signer) string {
	if s == nil {
		return ""
	}
	words := s.State
	if s.State == client.KeyUnknown && (s.Parent != "" || !s.Since.IsZero()) {
		words = "deleted"
	}
	if s.Parent != "" {
		words = "temporary, made with " + s.Parent + ", which is " + words
	}
	if !s.Since.IsZero() {
		words += " at " + showTime(s.Since) + " by " + dash(s.By)
	}
	if s.Owner != "" {
		words += ", of the account " + s.Owner
	}
	return words
}

// printServer prints the tables of what the server says.
func (a *app) printServer(r *explained) error {
	e := r.Server
	if len(e.Ends) > 1 {
		fmt.Fprintln(a.out)
		rows := table{{"ENDS", "BECAUSE"}}
		for _, end := range e.Ends {
			at := showTime(end.At)
			if end.At.IsZero() {
				at = "before now"
			}
			words := printable(end.Words)
			if end.Wins {
				words += "  <- really"
			}
			rows = append(rows, []string{at, words})
		}
		if err := rows.write(a.out, a.bold); err != nil {
			return err
		}
	}
	for _, n := range e.Notes {
		fmt.Fprintf(a.out, "%s %s\n", a.amber("note:"), printable(n))
	}
	return a.printRefusals(e)
}

// printRefusals prints past refusals, and how far back they were looked for.
func (a *app) printRefusals(e *client.Explanation) error {
	back := "since " + showTime(e.PastFrom)
	if e.PastFrom.IsZero() {
		back = "in what is kept"
	}
	if !e.PastWhole {
		back += ", which is not all that is kept"
	}
	if len(e.Refusals) == 0 {
		fmt.Fprintf(a.out, "\nno refusals %s\n", back)
		return nil
	}
	fmt.Fprintln(a.out)
	rows := table{{"REFUSED", "CODE", "FIRST", "LAST", "WHY"}}
	for _, g := range e.Refusals {
		rows = append(rows, []string{fmt.Sprintf("%dx", g.Count), printable(string(g.Code)), showTime(g.First), showTime(g.Last), printable(g.Reason)})
	}
	if err := rows.write(a.out, a.bold); err != nil {
		return err
	}
	for _, g := range e.Refusals {
		fmt.Fprintln(a.out, printable(g.Help))
	}
	fmt.Fprintf(a.out, "looked at requests %s\n", back)
	return nil
}
