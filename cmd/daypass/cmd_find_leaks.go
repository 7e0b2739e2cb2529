package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/client"
)

type findLeaksFlags struct {
	admin   adminFlags
	alive   bool
	revoke  bool
	domains []string
}

func (a *app) findLeaksCommand() *cobra.Command {
	var f findLeaksFlags
	cmd := &cobra.Command{
		Use:   "find-leaks FILE|DIRECTORY|-...",
		Short: "Find pre-signed URLs in text, source trees and logs, and revoke those of a Daypass",
		Long: "Find pre-signed URLs of any S3 in files, in all files below directories, or in standard\n" +
			"input: also where they are escaped for JSON, HTML, a shell, e-mail or another URL. It\n" +
			"tells where each stands, what it is for, who signed it and whether it still lives by\n" +
			"the clock. Signatures and session tokens are not printed.\n\n" +
			"Nothing is sent anywhere, unless --revoke is given: then the living URLs of a running\n" +
			"Daypass are revoked, whose host is one of its own and whose signer it knows. The server\n" +
			"is the one that runs on --data, or the one that --admin-url names.\n\n" +
			"The exit code is 1 when living URLs were found, and 0 when none were.",
		Example: "  daypass find-leaks --alive .\n" +
			"  git log -p --all | daypass find-leaks -\n" +
			"  daypass find-leaks /var/log/nginx --revoke --data /var/lib/daypass",
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return a.findLeaks(cmd.Context(), &f, args) },
	}
	fs := cmd.Flags()
	fs.BoolVar(&f.alive, "alive", false, "show only URLs that live")
	fs.BoolVar(&f.revoke, "revoke", false, "revoke the living URLs that a running Daypass honours")
	fs.StringArrayVar(&f.domains, "domain", nil, "domain for virtual-host style, bucket.DOMAIN, which --revoke takes for one of the server's (may repeat)")
	a.addAdminFlags(fs, &f.admin)
	return cmd
}

// A leak is a pre-signed URL that was found, and where it was found first.
type leak struct {
	File   string `json:"file"`
	Line   int64  `json:"line"`
	Column int64  `json:"column"`
	// Count is how often it was found.
	Count int `json:"count"`
	// Host is empty where only path and query were found.
	Host             string    `json:"host,omitempty"`
	Bucket           string    `json:"bucket,omitempty"`
	Key              string    `json:"key,omitempty"`
	SignatureVersion string    `json:"signatureVersion"`
	Signer           string    `json:"signer"`
	Region           string    `json:"region,omitempty"`
	SignedAt         time.Time `json:"signedAt,omitzero"`
	EndsAt           time.Time `json:"endsAt"`
	Alive            bool      `json:"alive"`
	// SessionToken says that a temporary key signed, which may end earlier.
	SessionToken bool   `json:"sessionToken"`
	PassID       string `json:"passId"`
	// URL is without signature and session token.
	URL string `json:"url"`
	// Revocation is what refuses the URL, NotRevoked why it was not revoked.
	Revocation string `json:"revocation,omitempty"`
	NotRevoked string `json:"notRevoked,omitempty"`

	whole daypass.Secret
}

func (a *app) findLeaks(ctx context.Context, f *findLeaksFlags, args []string) error {
	var r *revoker
	if f.revoke {
		// Before the search, which may take long.
		var err error
		if r, err = a.newRevoker(ctx, f); err != nil {
			return err
		}
	}
	s := &leakSearch{app: a, ctx: ctx, flags: f, byPass: map[string]*leak{}, now: a.now()}
	if err := s.run(args); err != nil {
		return err
	}
	living := 0
	for _, l := range s.leaks {
		if !l.Alive {
			continue
		}
		living++
		if r != nil {
			r.revoke(ctx, l)
		}
	}
	if err := a.printLeaks(s.leaks); err != nil {
		return err
	}
	switch {
	case r != nil && r.failed != nil:
		return r.failed
	case living > 0:
		return livingError(living, r)
	case s.unread > 0:
		// Nothing can be said about these.
		return fmt.Errorf("%d files could not be read", s.unread)
	}
	return nil
}

// livingError is what makes the exit code 1.
func livingError(living int, r *revoker) error {
	text := fmt.Sprintf("%d living pre-signed URLs were found", living)
	if living == 1 {
		text = "1 living pre-signed URL was found"
	}
	e := &commandError{code: exitFailure}
	if r == nil {
		e.hint = "--revoke ends those of a running Daypass; what others serve ends when its access key does"
	} else {
		text += fmt.Sprintf("; %d revoked", r.revoked)
	}
	e.err = errors.New(text)
	return e
}

func (a *app) printLeaks(leaks []*leak) error {
	if a.json {
		return a.printJSON(leaks)
	}
	for _, l := range leaks {
		a.printLeak(l)
	}
	if len(leaks) == 0 {
		fmt.Fprintln(a.err, "no pre-signed URL was found")
	}
	return nil
}

func (a *app) printLeak(l *leak) {
	state := "ended"
	if l.Alive {
		state = a.amber("alive")
	}
	file := l.File
	if file == "-" {
		file = "(standard input)"
	}
	fmt.Fprintf(a.out, "%s: %s, ends %s\n", a.bold(fmt.Sprintf("%s:%d:%d", printable(file), l.Line, l.Column)), state, a.showEnd(l.EndsAt))
	line := func(format string, args ...any) { fmt.Fprintf(a.out, "  "+format+"\n", args...) }
	what := "the list of buckets"
	if l.Bucket != "" {
		what = daypass.ObjectRef{Bucket: l.Bucket, Key: l.Key}.String()
	}
	if l.Host != "" {
		what += " at " + l.Host
	}
	line("%s", printable(what))
	signed := "signed by " + l.Signer
	if !l.SignedAt.IsZero() {
		signed += ", " + showTime(l.SignedAt)
	}
	if l.SessionToken {
		signed += ", with a session token, which may end earlier"
	}
	line("%s", printable(signed))
	line("%s", printable(l.URL))
	pass := "pass " + l.PassID
	if l.Count > 1 {
		pass += fmt.Sprintf(", found %d times", l.Count)
	}
	line("%s", pass)
	if l.Revocation != "" {
		line("%s", a.green("revoked (revocation "+printable(l.Revocation)+")"))
	}
	if l.NotRevoked != "" {
		line("%s", a.amber("not revoked: "+printable(l.NotRevoked)))
	}
}

// A revoker revokes URLs on the server that serves them.
type revoker struct {
	client  *client.Client
	hosts   []string // names, without ports
	revoked int
	failed  error // the first error other than that a URL is not the server's
}

func (a *app) newRevoker(ctx context.Context, f *findLeaksFlags) (*revoker, error) {
	c, err := a.connect(ctx, &f.admin)
	if err != nil {
		return nil, err
	}
	info, err := c.Server(ctx)
	if daypass.CodeOf(err) == daypass.AccessDenied && f.admin.endpoint != "" {
		// An account may revoke without being told about the server.
		info.PublicURLs, err = []string{f.admin.endpoint}, nil
	}
	if err != nil {
		return nil, err
	}
	r := &revoker{client: c, hosts: append([]string{}, f.domains...)}
	for _, base := range info.PublicURLs {
		if u, err := url.Parse(base); err == nil {
			r.hosts = append(r.hosts, u.Hostname())
		}
	}
	return r, nil
}

// serves reports whether a host is the server's, in virtual-host style too.
// The port does not count: proxies have their own.
func (r *revoker) serves(host string) bool {
	name := strings.ToLower(hostName(host))
	for _, own := range r.hosts {
		own = strings.ToLower(own)
		if name == own || strings.HasSuffix(name, "."+own) || loopback("//"+host) && loopback("//"+own) {
			return true
		}
	}
	return false
}

// hostName is a host without its port.
func hostName(host string) string {
	u := url.URL{Host: host}
	return u.Hostname()
}

// revoke revokes a URL where it is the server's. The access key goes with it,
// so that the server refuses the URL of a signer that it does not know.
func (r *revoker) revoke(ctx context.Context, l *leak) {
	if l.Host != "" && !r.serves(l.Host) {
		l.NotRevoked = "the host is none of the server's; --domain " + hostName(l.Host) + " makes it one"
		return
	}
	if p, err := r.client.Pass(ctx, l.PassID); err == nil && p.Revoked {
		l.Revocation = p.RevokedBy
		r.revoked++
		return
	}
	made, err := r.client.Revoke(ctx, client.NewRevocation{URL: l.whole, AccessKeyID: l.Signer})
	switch {
	case err == nil:
		l.Revocation = made.ID
		r.revoked++
	case daypass.CodeOf(err) == daypass.NoSuchAccessKey:
		l.NotRevoked = "the server does not know the access key, and so refuses the URL"
	default:
		l.NotRevoked = "the server refused to"
		if r.failed == nil {
			r.failed = err
		}
	}
}
