package admin

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/client"
)

// A past is what is found in past events.
type past struct {
	pass   string
	owner  string // who asks; empty: the operator
	groups map[reasonKey]*client.PassRefusals
	// further counts refusals for reasons beyond maxReasons.
	further int64
	// visitor is who was granted a request last.
	visitor daypass.Visitor
	granted time.Time
	// deleted is when the access key was deleted, and by whom.
	deleted   time.Time
	deletedBy string
}

// maxReasons is how many reasons are told apart.
const maxReasons = 20

// A reasonKey is what refusals have in common.
type reasonKey struct {
	code   daypass.Code
	reason string
}

// add takes an event.
func (p *past) add(e *daypass.Event) {
	switch {
	case e.Action.Service() == daypass.ServiceDaypass:
		if e.Action == daypass.DeleteAccessKey && e.Code == "" && e.Time.After(p.deleted) {
			p.deleted, p.deletedBy = e.Time, e.Grant.AccessKeyID
		}
		return
	case e.Grant.PassID != "" && e.Grant.PassID != p.pass:
		return // another URL, which differs in its signature only
	case e.Code == "":
		if e.Grant.PassID == p.pass && !e.Time.Before(p.granted) {
			p.granted, p.visitor = e.Time, daypass.Visitor{Source: e.Source, Referer: e.Referer, UserAgent: e.UserAgent}
		}
		return
	}
	key := reasonKey{e.Code, exactReason(e)}
	if e.Code == daypass.AccessDenied && p.owner != "" && e.BucketOwner != p.owner {
		key.reason = cmp.Or(e.Message, string(e.Code)) // as the client was told
	}
	g := p.groups[key]
	if g == nil {
		if len(p.groups) >= maxReasons {
			p.further++
			return
		}
		g = &client.PassRefusals{Code: key.code, Reason: key.reason, Help: help(key), First: e.Time, Last: e.Time}
		p.groups[key] = g
	}
	g.Count++
	if e.Time.Before(g.First) {
		g.First = e.Time
	}
	if e.Time.After(g.Last) {
		g.Last = e.Time
	}
}

// list returns the refusals, those that came last first.
func (p *past) list() (list []client.PassRefusals) {
	for _, g := range p.groups {
		g.Help = fmt.Sprintf("refused %s with %s: %s", times(g.Count), g.Code, g.Help)
		list = append(list, *g)
	}
	slices.SortFunc(list, func(a, b client.PassRefusals) int {
		return cmp.Or(b.Last.Compare(a.Last), cmp.Compare(b.Count, a.Count), strings.Compare(a.Reason, b.Reason))
	})
	return list
}

func times(n int64) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

// exactReason is the reason of an event without what it repeats of the code and
// the client's message, without the limit, which stands elsewhere, and without
// what was asked, which differs each time.
func exactReason(e *daypass.Event) string {
	reason := e.Reason
	for {
		// "limits: AccessDenied: …: state.Draw: AccessDenied: …"
		op, after, ok := strings.Cut(reason, string(e.Code)+": ")
		if !ok || strings.Contains(strings.TrimSuffix(op, ": "), " ") {
			break
		}
		reason = after
		if rest, ok := strings.CutPrefix(reason, e.Message+": "); ok && e.Message != "" {
			reason = rest
		}
	}
	reason, _, _ = strings.Cut(reason, " Asked: ")
	reason, _, _ = strings.Cut(reason, " Allowed: ")
	return cmp.Or(strings.TrimSpace(reason), e.Message, string(e.Code))
}

// advice is what to do about refusals whose reason holds a text; the first row
// that fits counts.
var advice = []struct {
	code   daypass.Code // empty: any
	holds  string
	advice string
}{
	{"", "has expired", "it was opened after its end; sign a new URL"},
	{"", "not valid yet", "it was opened before its beginning, or the signer's clock is ahead"},
	{"", "has been revoked", "it was opened after it was revoked"},
	{"", "no use is left", "all uses were drawn; sign a new URL, or restore this pass"},
	{"", "used up", "all uses were drawn; sign a new URL, or restore this pass"},
	{daypass.InvalidAccessKeyID, "", "the access key that signed did not exist, was disabled or had ended"},
	{"", "not signed: ", ""}, // says it all
	{"SignatureDoesNotMatch", "request signature we calculated", "it was opened with another method, host or header than it was signed for, or changed on its way"},
	{"", "", ""},
}

// help says what a reason means.
func help(k reasonKey) string {
	for _, row := range advice {
		if (row.code == "" || row.code == k.code) && strings.Contains(k.reason, row.holds) {
			if row.advice != "" {
				return row.advice
			}
			break
		}
	}
	return k.reason
}
