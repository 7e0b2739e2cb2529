package main

import (
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/daypass/daypass/client"
	"github.com/daypass/daypass/sign"
)

// noteLimits says on standard error what the limits of a URL do not do.
func (a *app) noteLimits(f *presignFlags, r *sign.URLRequest, l *client.Limits, raw string) {
	u, err := url.Parse(raw)
	if err != nil {
		return
	}
	switch {
	case isAmazon(u.Hostname()):
		a.note("warning: Amazon S3 ignores the limits: only Daypass enforces them")
	case !f.local:
		a.note("the limits hold where a Daypass serves the URL; any other S3 ignores them")
	}
	if l.Prefix != "" && r.Key == "" && !f.local {
		a.note("warning: any other S3 lists the whole bucket with this URL, not only what is below %s", l.Prefix)
	}
	a.noteUses(l.Uses)
	if end := r.Time.Add(r.Lifetime); l.Until.After(end) {
		a.note("without Daypass the URL ends at %s (X-Amz-Expires), not at --until", showTime(end))
	}
	if l.TLS && u.Scheme == "http" {
		a.note("warning: the URL begins with http://, which --require-tls refuses")
	}
}

// noteUses warns of what uses a link up before its reader does.
func (a *app) noteUses(uses int64) {
	if uses == 1 {
		a.note("mail scanners and chat previews open links too, and take the only use; --uses 2 leaves one for the reader")
	}
}

// note prints a line about what was done.
func (a *app) note(format string, args ...any) {
	fmt.Fprintf(a.err, "daypass: "+format+"\n", args...)
}

// isAmazon reports whether a host is one of Amazon S3.
func isAmazon(host string) bool {
	host = strings.ToLower(host)
	return strings.HasSuffix(host, ".amazonaws.com") || strings.HasSuffix(host, ".amazonaws.com.cn")
}

// showEnd writes when something ends and how long that is from now.
func (a *app) showEnd(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return showTime(t) + a.relative(t)
}
