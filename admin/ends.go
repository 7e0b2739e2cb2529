package admin

import (
	"slices"
	"strings"
	"time"

	"github.com/daypass/daypass/client"
	"github.com/daypass/daypass/sign"
	"github.com/daypass/daypass/state"
)

// The kinds of ends.
const (
	endExpiry       = "expiry"
	endUntil        = "until"
	endMaxLifetime  = "maxLifetime"
	endMaxAge       = "maxSignatureAge"
	endSessionToken = "sessionToken"
	endKey          = "key"
	endKeyDisabled  = "keyDisabled"
	endKeyDeleted   = "keyDeleted"
	endPolicy       = "policy"
	endRevocation   = "revocation"
)

// end collects what ends the pass, and finds the earliest.
func (x *explaining) end() {
	x.endOfURL()
	x.endOfKey()
	x.endByPolicy()
	for i := range x.out.Revocations {
		r := &x.out.Revocations[i]
		x.addEnd(endRevocation, r.Created, "revoked by "+orUnknown(r.CreatedBy)+", by "+revocationWords(r))
	}
	ends := x.out.Ends
	slices.SortStableFunc(ends, func(a, b client.PassEnd) int { return a.At.Compare(b.At) })
	for i := range ends {
		if ends[i].Counts {
			ends[i].Wins, x.out.EndsAt = true, ends[i].At
			break
		}
	}
}

func (x *explaining) addEnd(kind string, at time.Time, words string) {
	x.out.Ends = append(x.out.Ends, client.PassEnd{Kind: kind, At: at.UTC(), Words: words, Counts: true})
}

// endOfURL adds the ends that the URL itself has, and those that the server
// sets to every URL.
func (x *explaining) endOfURL() {
	signed := x.out.Signed
	until := time.Time{}
	if x.limits != nil {
		until = x.limits.Until
	}
	switch {
	case x.in != nil:
		x.addEnd(endExpiry, x.in.ExpiresAt, "its own expiry")
		if !until.IsZero() {
			e := &x.out.Ends[len(x.out.Ends)-1]
			e.Counts, e.Words = false, "its own expiry, in whose place x-daypass-until is"
		}
	case x.seen != nil && !x.seen.Ends.IsZero() && until.IsZero():
		x.addEnd(endExpiry, x.seen.Ends, "its own expiry")
	}
	if !until.IsZero() {
		x.addEnd(endUntil, until, "the limit x-daypass-until")
	}
	if x.in != nil && !signed.IsZero() {
		x.beginAt(signed.Add(-sign.MaxSkew))
	}
	if x.in != nil && x.MaxLifetime > 0 && signed.IsZero() {
		x.beginAt(x.in.ExpiresAt.Add(-x.MaxLifetime)) // until then it lives for too long
	}
	if x.MaxLifetime > 0 && !signed.IsZero() {
		x.addEnd(endMaxLifetime, signed.Add(x.MaxLifetime), "the server lets no pass live for longer (--max-lifetime)")
	}
	if x.MaxSignatureAge > 0 && !signed.IsZero() {
		x.addEnd(endMaxAge, signed.Add(x.MaxSignatureAge), "the server takes no older signature (--max-signature-age)")
	}
}

// endOfKey adds when the access key ends.
func (x *explaining) endOfKey() {
	if x.key == nil {
		if x.keyGone() {
			x.addEnd(endKeyDeleted, x.past.deleted, x.goneWords())
		}
		return
	}
	lasting, whose := x.key, "the access key"
	if x.key.Session != nil {
		x.addEnd(endSessionToken, x.key.Expires, "the session token ends")
		lasting, whose = x.parent, "the access key that the session was made with"
	}
	switch {
	case lasting == nil:
		x.addEnd(endKeyDeleted, x.past.deleted, whose+" was deleted"+x.deletedBy())
		return
	case lasting.Disabled:
		x.addEnd(endKeyDisabled, lasting.DisabledAt, whose+" was disabled by "+orUnknown(lasting.DisabledBy))
	}
	if !lasting.Expires.IsZero() {
		x.addEnd(endKey, lasting.Expires, whose+" ends")
	}
}

// keyGone reports whether the server has no such access key. Of a temporary one
// only its token tells.
func (x *explaining) keyGone() bool {
	return x.key == nil && (x.in != nil || x.seen != nil && !state.IsSession(x.seen.Key))
}

// goneWords says that the server has no such access key.
func (x *explaining) goneWords() string {
	switch {
	case !x.past.deleted.IsZero():
		return "the access key was deleted" + x.deletedBy()
	case x.in == nil:
		return "the server has no access key " + x.seen.Key
	case state.IsSession(x.in.KeyID):
		return "the server has no access key " + x.in.KeyID + ", or its session token is not right"
	}
	return "the server has no access key " + x.in.KeyID
}

func (x *explaining) deletedBy() string {
	if x.past.deleted.IsZero() {
		return ""
	}
	return " by " + orUnknown(x.past.deletedBy)
}

// endByPolicy adds when policies that allow it stop to, or stopped last. What
// they said before that does not matter any more.
func (x *explaining) endByPolicy() {
	if x.trial == nil || len(x.trial.Policies) == 0 {
		return
	}
	changes := x.trial.Policies
	at := 0
	for i := range changes {
		if !changes[i].At.After(x.now) {
			at = i
		}
	}
	stop := at // where they stop to allow it
	switch {
	case changes[at].Allowed:
		stop = at + 1
	case at+1 < len(changes):
		x.note("policies allow it from " + changes[at+1].At.UTC().Format(time.RFC3339) + " on")
		x.beginAt(changes[at+1].At)
		stop = at + 2
	case at == 0:
		x.note("policies do not allow it, as far as the URL and past requests tell: " + changes[0].Why)
		stop = len(changes)
	}
	if stop < len(changes) {
		x.addEnd(endPolicy, changes[stop].At, "a policy stops to allow it: "+changes[stop].Why)
	}
	if stop+1 < len(changes) {
		x.note("policies allow it again later")
	}
	if x.trial.Inexact {
		x.note("a condition on the time in a policy is none that can be computed with: the end by policy is approximate")
	}
}

// beginAt says that the pass is not good earlier, if that is still to come.
func (x *explaining) beginAt(at time.Time) {
	if x.now.Before(at) && x.out.Begins.Before(at) {
		x.out.Begins = at.UTC()
	}
}

func (x *explaining) note(text string) { x.out.Notes = append(x.out.Notes, text) }

func orUnknown(who string) string {
	if who == "" {
		return "an unknown caller"
	}
	return who
}

// revocationWords says which kind of revocation it is.
func revocationWords(r *client.Revocation) string {
	var all []string
	add := func(text, value string) {
		if value != "" {
			all = append(all, text+value)
		}
	}
	if r.PassID != "" {
		all = append(all, "this pass")
	}
	add("name ", r.Name)
	add("access key ", r.AccessKeyID)
	if r.Bucket != "" {
		add("place s3://", r.Bucket+"/"+r.Prefix)
	}
	if !r.Before.IsZero() {
		add("signing before ", r.Before.UTC().Format(time.RFC3339))
	}
	if len(all) == 0 {
		add("account ", r.Owner)
	}
	return strings.Join(all, " and ")
}
