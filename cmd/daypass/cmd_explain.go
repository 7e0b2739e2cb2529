package main

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/daypass/daypass/client"
	"github.com/daypass/daypass/internal/explain"
	"github.com/daypass/daypass/sign"
)

type explainFlags struct {
	method, secretFile, tokenFile, errorFile string
	domains                                  []string
	canonical, offline                       bool
	since                                    string
	admin                                    adminFlags
}

func (a *app) explainCommand() *cobra.Command {
	var f explainFlags
	cmd := &cobra.Command{
		Use:   "explain URL",
		Short: "Tell what a pre-signed URL permits, until when, and why it was refused",
		Long: "Tell what a pre-signed URL permits, who signed it, until when and with which limits.\n" +
			"The Daypass server that runs on --data, or at --admin-url, is asked what it knows:\n" +
			"whether it would take the URL now, why it refused it in the past, how much is used up,\n" +
			"and when the URL really ends. Where there is none the URL itself is all there is. It is\n" +
			"sent nowhere else, and with --offline nowhere at all.\n\n" +
			"With the signer's secret the signature is checked; the method that it was made for is\n" +
			"found out with it. With the XML body that the server answered, both sides' canonical\n" +
			"requests are compared and the first difference is named, with its usual cause.\n\n" +
			"The secret is read from a file or from AWS_SECRET_ACCESS_KEY when AWS_ACCESS_KEY_ID is\n" +
			"the URL's access key. A URL of \"-\" is read from standard input.",
		Example: "  daypass explain 'https://…?X-Amz-Signature=…'\n" +
			"  daypass explain \"$URL\" --since 30d\n" +
			"  daypass explain \"$URL\" --error answer.xml --secret-key-file secret.txt",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.explain(cmd.Context(), &f, args[0])
		},
	}
	fs := cmd.Flags()
	fs.StringVar(&f.method, "method", "", "method that the URL is opened with")
	fs.StringVar(&f.secretFile, "secret-key-file", "", "file with the signer's secret; - is standard input")
	fs.StringVar(&f.tokenFile, "session-token-file", "", "file with the signer's session token")
	fs.StringVar(&f.errorFile, "error", "", "file with the XML body of the refusal; - is standard input")
	fs.StringArrayVar(&f.domains, "domain", nil, "domain for virtual-host style, bucket.DOMAIN (may repeat)")
	fs.BoolVar(&f.canonical, "canonical", false, "print the canonical requests")
	fs.BoolVar(&f.offline, "offline", false, "ask no server")
	fs.StringVar(&f.since, "since", "7d", "how far back past refusals are looked for: a time (RFC 3339), or for so long: 1h, 30d")
	a.addAdminFlags(fs, &f.admin)
	return cmd
}

// An explained is what there is to say about a URL, and what a server says.
type explained struct {
	*explain.Report
	// Server is what the server says; nil where none was asked, or it knows
	// nothing of the URL, which NotAsked says why.
	Server   *client.Explanation `json:"server,omitempty"`
	NotAsked string              `json:"notAsked,omitempty"`
	// SkewSeconds is how much the server's clock is ahead of this one.
	SkewSeconds float64 `json:"skewSeconds,omitempty"`
}

func (a *app) explain(ctx context.Context, f *explainFlags, raw string) error {
	if raw == "-" {
		text, err := a.readAll("-")
		if err != nil {
			return err
		}
		raw = strings.TrimSpace(string(text))
	}
	o, err := a.explainOptions(f, raw)
	if err != nil {
		return err
	}
	r, err := explain.URL(raw, o)
	if err != nil {
		return explainError(err)
	}
	out := explained{Report: r}
	if err := a.askServer(ctx, f, raw, &out); err != nil {
		return err
	}
	if m := out.provenMethod(); m != "" && r.Method == "" {
		o.Method = m
		if out.Report, err = explain.URL(raw, o); err != nil {
			return explainError(err)
		}
	}
	if a.json {
		err = a.printJSON(out)
	} else {
		err = a.printReport(&out, f)
	}
	if err == nil && (r.Checked && !r.Matches || out.mismatch()) {
		return &commandError{code: exitMismatch, err: errors.New("the signature does not match")}
	}
	return err
}

// explainError says in a command's words why a URL is not a pre-signed one.
func explainError(err error) error {
	var e *sign.Error
	if !errors.As(err, &e) {
		return err
	}
	return usagef("this is not a pre-signed URL that S3 would take: %s\nquote the URL in the shell: '&' ends a command otherwise", e.Message)
}

func (a *app) explainOptions(f *explainFlags, raw string) (explain.Options, error) {
	o := explain.Options{Now: a.now(), Method: strings.ToUpper(f.method), Domains: f.domains}
	var err error
	if o.Secret, err = a.explainSecret(f, raw); err != nil {
		return o, err
	}
	if f.tokenFile != "" {
		text, err := a.readAll(f.tokenFile)
		if err != nil {
			return o, err
		}
		o.Token = strings.TrimSpace(string(text))
	}
	if f.errorFile != "" {
		o.Refused, err = a.readRefusal(f.errorFile)
	}
	return o, err
}

func (a *app) explainSecret(f *explainFlags, raw string) (string, error) {
	if f.secretFile != "" {
		text, err := a.readAll(f.secretFile)
		return strings.TrimRight(string(text), "\r\n"), err
	}
	in, err := sign.Inspect(raw)
	if err == nil && in.KeyID == a.env("AWS_ACCESS_KEY_ID") {
		return a.env("AWS_SECRET_ACCESS_KEY"), nil
	}
	return "", nil
}

func (a *app) readRefusal(path string) (*explain.Refusal, error) {
	text, err := a.readAll(path)
	if err != nil {
		return nil, err
	}
	var doc errorDocument
	if err := xml.Unmarshal(text, &doc); err != nil {
		return nil, usagef("%s is not the XML body of an S3 error: %v", path, err)
	}
	r := &explain.Refusal{Code: doc.Code, Message: doc.Message, CanonicalRequest: doc.CanonicalRequest,
		HeadersNotSigned: doc.HeadersNotSigned, Region: doc.Region}
	if t, err := time.Parse(time.RFC3339, doc.ServerTime); err == nil {
		r.ServerTime = t
	}
	return r, nil
}

func (a *app) printReport(r *explained, f *explainFlags) error {
	if r.NotAsked != "" {
		a.note("%s", r.NotAsked)
	}
	if r.Server != nil {
		a.printVerdict(r)
	}
	a.pairs(append(a.reportRows(r.Report, r.Server == nil), a.serverRows(r.Server)...))
	if r.Difference != nil {
		a.printDifference(r.Difference)
	}
	for _, w := range r.Warnings {
		fmt.Fprintf(a.out, "%s %s\n", a.amber("warning:"), printable(w))
	}
	if r.Server != nil {
		if err := a.printServer(r); err != nil {
			return err
		}
	}
	if f.canonical {
		a.printCanonical("canonical request of the URL", r.Ours)
		a.printCanonical("canonical request of the server", r.Theirs)
	}
	return nil
}

// reportRows is what the URL says; the state by this clock is left out where a
// server tells more.
func (a *app) reportRows(r *explain.Report, state bool) [][2]string {
	rows := [][2]string{{"signature", versionNames[r.SignatureVersion] + ", in the query"}}
	add := func(name, value string) {
		if value != "" {
			rows = append(rows, [2]string{name, printable(value)})
		}
	}
	add("permits", r.Permits)
	add("action", string(r.Action))
	add("endpoint", r.Endpoint)
	add("bucket", r.Bucket)
	add("key", r.Key)
	add("version", r.VersionID)
	add("signed by", r.Signer)
	add("region", r.Region)
	if !r.SignedAt.IsZero() {
		add("signed", showTime(r.SignedAt)+a.relative(r.SignedAt))
	}
	if !r.NotBefore.IsZero() {
		add("begins", a.showEnd(r.NotBefore))
	}
	add("expires", a.showEnd(r.EndsAt))
	if state {
		rows = append(rows, [2]string{"state", a.validity(r)})
	}
	add("signed headers", strings.Join(r.SignedHeaders, ", "))
	for _, p := range r.Parameters {
		if !sign.IsLimit(p.Name) || r.LimitError != "" {
			add("parameter", p.Name+" = "+p.Value)
		}
	}
	for _, words := range r.Limits {
		add("limit", words)
	}
	add("pass id", r.PassID)
	if r.Checked {
		check := a.amber("the signature does not match this secret")
		if r.Matches {
			check = a.green("the signature is right")
		}
		rows = append(rows, [2]string{"check", check})
	}
	return rows
}

var versionNames = map[string]string{"SigV4": "Signature Version 4", "SigV4A": "Signature Version 4A", "SigV2": "Signature Version 2"}

func (a *app) relative(t time.Time) string {
	d := t.Sub(a.now())
	if d < 0 {
		return " (" + showDuration(d) + " ago)"
	}
	return " (in " + showDuration(d) + ")"
}

func (a *app) validity(r *explain.Report) string {
	switch {
	case r.Expired:
		return a.amber("expired")
	case r.LimitError != "":
		return a.amber("refused by Daypass for its limits")
	case r.SignedAt.Sub(a.now()) > sign.MaxSkew || a.now().Before(r.NotBefore):
		return a.amber("not valid yet")
	}
	return a.green("within its time")
}

func (a *app) printDifference(d *explain.Difference) {
	name := d.Part
	if d.Name != "" {
		name += " " + d.Name
	}
	fmt.Fprintf(a.out, "\n%s %s\n", a.bold("first difference:"), printable(name))
	a.pairs([][2]string{{"  of the URL", printable(dash(d.Signed))}, {"  of the server", printable(dash(d.Seen))}, {"  usual cause", printable(d.Cause)}})
}

func (a *app) printCanonical(title, text string) {
	if text != "" {
		fmt.Fprintf(a.out, "\n%s\n", a.bold(title))
		for line := range strings.Lines(text) {
			fmt.Fprintln(a.out, printable(strings.TrimSuffix(line, "\n")))
		}
	}
}
