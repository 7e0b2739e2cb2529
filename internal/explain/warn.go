package explain

import (
	"net/url"
	"strings"
	"time"

	"github.com/daypass/daypass/limits"
	"github.com/daypass/daypass/sign"
)

// warn collects what may go wrong although the URL is in order.
func (r *Report) warn(in *sign.Inspection, o Options) {
	add := func(text string) { r.Warnings = append(r.Warnings, text) }
	temporary := strings.HasPrefix(in.KeyID, "ASIA")
	if in.HasToken || temporary {
		add("signed with temporary credentials: the session token may end sooner than the URL")
	}
	if temporary && !in.HasToken {
		add("the access key is a temporary one, but X-Amz-Security-Token is missing: S3 will refuse it")
	}
	if in.SignedAt.Sub(o.Now) > sign.MaxSkew {
		add("signed in the future: the signer's clock is ahead, or this one is behind")
	}
	if in.Version == sign.V2 {
		add("Signature Version 2: newer S3 regions refuse it, and it does not sign most parameters")
	}
	if in.ExpiresAt.Sub(in.SignedAt) > sign.MaxLifetime && in.Version != sign.V2 {
		add("valid for more than seven days: S3 will refuse it")
	}
	if u, err := url.Parse(r.Endpoint); err == nil {
		if isLoopback(u.Hostname()) {
			add("the host is this machine: nobody else can open the URL, and the signature holds for this host only")
		} else if u.Scheme == "http" {
			add("plain HTTP: whoever sees the traffic can use the URL")
		}
	}
	for _, h := range r.SignedHeaders {
		if h != "host" && !in.Query.Has(h) {
			add("the header " + h + " is signed: it must be sent with exactly the value that was signed")
		}
	}
	r.warnLimits(in, o)
	switch {
	case r.Mistake != "":
		add("the signature is not the one that this secret makes for the URL: " + r.Mistake)
	case r.Checked && !r.Matches && r.Difference == nil:
		add("the signature is not the one that this secret makes for the URL: another secret, a URL that was changed after signing, or a signed header with another value")
	}
	r.warnRefusal(o)
}

// warnLimits says what the limits of a URL mean here and elsewhere.
func (r *Report) warnLimits(in *sign.Inspection, o Options) {
	if !hasLimits(in.Query) {
		return
	}
	add := func(text string) { r.Warnings = append(r.Warnings, text) }
	if r.LimitError != "" {
		add("Daypass refuses the URL: " + r.LimitError)
	}
	if !r.NotBefore.IsZero() && o.Now.Before(r.NotBefore) {
		add("the URL is not good yet: it begins at " + r.NotBefore.UTC().Format(time.RFC3339))
	}
	if in.Version == sign.V2 {
		return // nothing there is protected anyway
	}
	text := "plain S3 ignores the limits: there, whoever has the URL may use it"
	switch {
	case in.Query.Has(limits.Prefix) && in.Query.Get("list-type") == "2":
		text += " to list the whole bucket"
	case in.Query.Has(limits.Prefix):
		text += " for exactly " + r.resource()
	}
	add(text + " until " + in.ExpiresAt.UTC().Format(time.RFC3339))
}

// warnRefusal says what the code of a refusal means.
func (r *Report) warnRefusal(o Options) {
	if o.Refused == nil {
		return
	}
	add := func(text string) { r.Warnings = append(r.Warnings, text) }
	switch o.Refused.Code {
	case "InvalidAccessKeyId":
		add("the server does not know the access key " + r.Signer + ": another server, or the key was deleted or disabled")
	case "AuthorizationQueryParametersError":
		if o.Refused.Region != "" && o.Refused.Region != r.Region {
			add("signed for region " + r.Region + ", but the bucket is in " + o.Refused.Region)
		}
	case "AccessDenied":
		if o.Refused.HeadersNotSigned != "" {
			add("sent but not signed: " + o.Refused.HeadersNotSigned + "; sign these headers, or do not send them")
		}
	}
	if t := o.Refused.ServerTime; !t.IsZero() {
		if skew := t.Sub(o.Now); skew > time.Minute || skew < -time.Minute {
			add("the server's clock read " + t.UTC().Format(time.RFC3339) + " when it answered")
		}
	}
}
