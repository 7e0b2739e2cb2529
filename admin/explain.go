package admin

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/client"
	"github.com/daypass/daypass/limits"
	"github.com/daypass/daypass/sign"
	"github.com/daypass/daypass/state"
)

// defaultPast is how far back past requests are looked at, and maxPast the most
// that may be asked for.
const (
	defaultPast = 7 * 24 * time.Hour
	maxPast     = 366 * 24 * time.Hour
)

// An explaining is one explanation under way: what is known, then the answer.
type explaining struct {
	*handler
	out *client.Explanation
	now time.Time
	// owner is the account that asks, empty for the operator.
	owner string

	in     *sign.Inspection // nil where only an id was given
	url    string
	trial  *daypass.Trial // nil where nothing was tried
	seen   *state.PassRecord
	key    *daypass.AccessKey // nil where there is none
	parent *daypass.AccessKey // of a temporary key
	limits *limits.Set
	past   past
}

// explain tells what becomes of a pass.
func (h *handler) explain(ctx context.Context, c *call) (any, error) {
	var req client.ExplainRequest
	if err := decode(c.body, &req); err != nil {
		return nil, err
	}
	x := &explaining{handler: h, now: h.Clock().UTC(), owner: c.owner(), url: string(req.URL)}
	x.out = &client.Explanation{ServerTime: x.now, Revocations: []client.Revocation{}, Ends: []client.PassEnd{}, Refusals: []client.PassRefusals{}}
	if err := x.read(&req); err != nil {
		return nil, err
	}
	c.subject = "pass " + x.out.PassID
	if err := x.find(ctx, x.owner); err != nil {
		return nil, err
	}
	if err := x.look(ctx, &req); err != nil {
		return nil, err
	}
	if err := x.try(ctx); err != nil {
		return nil, err
	}
	x.describe()
	x.listRevocationsFor(x.owner)
	if err := x.spend(ctx); err != nil {
		return nil, err
	}
	x.end()
	x.judge()
	return x.out, nil
}

// read finds out which pass is meant.
func (x *explaining) read(req *client.ExplainRequest) (err error) {
	if (req.URL == "") == (req.PassID == "") {
		return invalid("say either url or passId")
	}
	if !req.Since.IsZero() && req.Since.Before(x.now.Add(-maxPast)) {
		return invalid("since is more than a year ago")
	}
	if req.PassID != "" {
		x.out.PassID, err = passID(req.PassID)
		return err
	}
	if x.in, err = inspectURL(x.url); err != nil {
		return err
	}
	x.out.PassID = x.in.PassID
	x.out.Signed = x.in.SignedAt
	return nil
}

// find looks up the pass and its signer, and refuses what the caller may not
// know of. The id of a pass comes from the access key and the signature: whoever
// writes the signature of another pass into a URL of their own key asks about a
// pass that nobody has seen.
func (x *explaining) find(ctx context.Context, owner string) error {
	none := &daypass.Error{Op: "admin", Code: daypass.NoSuchPass}
	p, err := x.Passes.Pass(ctx, x.out.PassID)
	switch {
	case err == nil:
		x.seen = &p
	case daypass.CodeOf(err) != daypass.NoSuchPass:
		return err
	}
	id, token := "", ""
	switch {
	case x.in != nil:
		id = x.in.KeyID
		token, _ = x.in.Query.LookupFold("X-Amz-Security-Token")
	case x.seen != nil:
		id = x.seen.Key
	case len(x.revocationsOf(x.out.PassID, owner)) == 0:
		return none
	}
	if err := x.findKey(ctx, id, token); err != nil {
		return err
	}
	if owner == "" || x.in == nil && x.seen == nil {
		return nil
	}
	if x.seen != nil && x.seen.Owner == owner || x.seen == nil && x.key != nil && x.key.Owner == owner {
		return nil
	}
	return none
}

func (x *explaining) findKey(ctx context.Context, id, token string) error {
	if id == "" || x.in == nil && state.IsSession(id) {
		return nil
	}
	k, parent, err := x.Keys.FindKey(ctx, id, token)
	if code := daypass.CodeOf(err); err != nil && code != daypass.NoSuchAccessKey {
		return err
	}
	if k.ID != "" {
		x.key, x.parent = &k, parent
	}
	return nil
}

// look goes through past events.
func (x *explaining) look(ctx context.Context, req *client.ExplainRequest) (err error) {
	if x.Past == nil {
		return nil
	}
	q := PastQuestion{Pass: x.out.PassID, Since: req.Since}
	if q.Since.IsZero() {
		q.Since = x.now.Add(-defaultPast)
	}
	if x.in != nil {
		_, rest, _ := strings.Cut(x.url, "://")
		rest, _, _ = strings.Cut(rest, "#")
		_, query, _ := strings.Cut(rest, "?")
		q.Target = x.in.Path + "?" + query
	}
	switch {
	case x.keyGone() && x.in != nil:
		q.Subject = "key " + x.in.KeyID
	case x.keyGone():
		q.Subject = "key " + x.seen.Key
	case x.key != nil && x.key.Session != nil && x.parent == nil:
		q.Subject = "key " + x.key.Session.Parent
	}
	select {
	case x.explaining <- struct{}{}:
		defer func() { <-x.explaining }()
	case <-ctx.Done():
		return ctx.Err()
	}
	x.past = past{pass: q.Pass, owner: x.owner, groups: make(map[reasonKey]*client.PassRefusals)}
	x.out.PastFrom, x.out.PastWhole, err = x.Past(ctx, q, x.past.add)
	x.out.Refusals = append(x.out.Refusals, x.past.list()...)
	if x.past.further > 0 {
		x.note(fmt.Sprintf("refused %s for further reasons", times(x.past.further)))
	}
	return err
}

// try asks the server what it makes of the URL.
func (x *explaining) try(ctx context.Context) (err error) {
	if x.in == nil {
		return nil
	}
	set, err := limits.Parse(x.in.Query)
	if err == nil {
		x.limits = set
	}
	if x.Try == nil {
		return nil
	}
	until := x.in.ExpiresAt
	if x.limits != nil && x.limits.Until.After(until) {
		until = x.limits.Until
	}
	x.trial, err = x.Try(ctx, x.url, x.past.visitor, until)
	x.hideForeign()
	return err
}

// hideForeign leaves out what the policies of a bucket of another account say:
// its owner tells that nobody, and the S3 endpoint neither.
func (x *explaining) hideForeign() {
	t := x.trial
	if t == nil || x.owner == "" || t.BucketOwner == x.owner {
		return
	}
	told := *t
	if code := daypass.CodeOf(t.Refusal); code == daypass.AccessDenied {
		told.Refusal = &daypass.Error{Code: code, Message: "Access Denied"}
	}
	told.Policies, told.Depends, told.Inexact = nil, nil, false
	x.trial = &told
	x.note("the bucket is another account's: what its policies say is not told")
}

// describe says what the pass is.
func (x *explaining) describe() {
	o := x.out
	if p := x.seen; p != nil {
		seen := x.wirePass(p)
		o.Seen = &seen
		o.Action, o.Bucket, o.Key, o.Name = p.Action, p.Bucket, p.Object, p.Name
		o.Signed = cmp.Or(o.Signed, p.Signed)
		if x.limits == nil {
			if q, err := sign.ParseQuery(p.Limits); err == nil {
				x.limits, _ = limits.Parse(q) // it was parsed when the pass was used
			}
		}
	}
	if t := x.trial; t != nil {
		o.Signature = x.signatureCheck()
		if t.Signature == nil || o.Action == "" {
			o.Action = string(t.Action)
			o.Bucket, o.Key = t.Object.Bucket, t.Object.Key
		}
	}
	if x.limits != nil {
		o.Name, o.Limits = x.limits.Name, x.limits.Words()
		if x.limits.NotBefore.After(o.Signed) {
			o.Begins = x.limits.NotBefore
		}
		if x.limits.Prefix != "" {
			o.Key = x.limits.Prefix
		}
	}
	o.Signer = x.signer()
}

func (x *explaining) signatureCheck() *client.SignatureCheck {
	t := x.trial
	switch {
	case t.Signature == nil:
		return &client.SignatureCheck{State: client.SignatureGood, Method: t.Method}
	case len(t.Unproven) > 0:
		return &client.SignatureCheck{State: client.SignatureUnproven,
			Reason: "it covers " + strings.Join(t.Unproven, ", ") + ", which the URL does not hold: whoever opens it must send exactly what was signed"}
	}
	code, reason := reasonFor(t.Signature)
	return &client.SignatureCheck{State: client.SignatureWrong, Code: code, Reason: reason}
}

// signer tells in which state the access key is.
func (x *explaining) signer() *client.Signer {
	s := &client.Signer{State: client.KeyUnknown}
	switch {
	case x.in != nil:
		s.AccessKeyID = x.in.KeyID
	case x.seen != nil:
		s.AccessKeyID, s.Owner = x.seen.Key, x.seen.Owner
	default:
		return nil
	}
	if x.key == nil {
		s.Since, s.By = x.past.deleted, x.past.deletedBy
		return s
	}
	s.Name, s.Owner, s.State = x.key.Name, x.key.Owner, client.KeyEnabled
	lasting := x.key
	if x.key.Session != nil {
		s.Parent = x.key.Session.Parent
		if lasting = x.parent; lasting == nil {
			s.State, s.Since, s.By = client.KeyUnknown, x.past.deleted, x.past.deletedBy
			return s
		}
	}
	switch {
	case lasting.Disabled:
		s.State, s.Since, s.By = client.KeyDisabled, lasting.DisabledAt, lasting.DisabledBy
	case ended(x.key, x.now) || ended(lasting, x.now):
		s.State = client.KeyEnded
	}
	return s
}

func ended(k *daypass.AccessKey, now time.Time) bool {
	return !k.Expires.IsZero() && !now.Before(k.Expires)
}

// listRevocationsFor finds those that match the pass, as far as a caller may
// know of them: all that match a pass of one's own.
func (x *explaining) listRevocationsFor(owner string) {
	list := x.revocationsOf(x.out.PassID, owner)
	if x.in != nil || x.seen != nil {
		s := &state.Subject{Pass: x.out.PassID, Name: x.out.Name, Bucket: x.out.Bucket, Object: x.out.Key, Signed: x.out.Signed}
		if x.out.Signer != nil {
			s.Owner, s.Key = x.out.Signer.Owner, x.out.Signer.AccessKeyID
		}
		list = x.Passes.RevocationsOn(s)
		if t := x.trial; t != nil && t.Object.Key != s.Object {
			// The URL is for a key below the prefix of its pass.
			s.Object = t.Object.Key
			for _, r := range x.Passes.RevocationsOn(s) {
				if !slices.ContainsFunc(list, func(known state.Revocation) bool { return known.ID == r.ID }) {
					list = append(list, r)
				}
			}
		}
	}
	for i := range list {
		x.out.Revocations = append(x.out.Revocations, wireRevocation(&list[i]))
	}
}

// spend tells how much is used up.
func (x *explaining) spend(ctx context.Context) error {
	if x.limits == nil || x.limits.Uses == 0 {
		return nil
	}
	sum, err := x.Passes.Spending(ctx, x.out.PassID)
	if err != nil {
		return err
	}
	u := &client.PassUses{Allowed: x.limits.Uses, Objects: sum.Budgets, Outstanding: sum.Outstanding, BytesDrawn: sum.Drawn}
	download := x.out.Action == string(daypass.GetObject)
	switch {
	case !download:
		used := float64(sum.Used)
		u.Drawn = &used
	case x.limits.Prefix == "" && x.trial != nil && x.trial.Size >= 0:
		one := float64(max(1, x.trial.Size)) // an empty object counts as one byte
		drawn := float64(int64(100*float64(sum.Drawn)/one)) / 100
		u.Drawn, u.BytesAllowed = &drawn, int64(min(one*float64(u.Allowed), 1<<62))
	case sum.Budgets == 0:
		u.Drawn = new(float64)
	}
	u.Words = usesWords(u, x.limits.Prefix != "")
	x.out.Uses = u
	return nil
}

func usesWords(u *client.PassUses, prefix bool) string {
	words := ""
	switch {
	case prefix:
		words = fmt.Sprintf("%d bytes drawn of %d objects, each of which has %d uses", u.BytesDrawn, u.Objects, u.Allowed)
	case u.Drawn == nil:
		words = fmt.Sprintf("%d bytes drawn of %d uses", u.BytesDrawn, u.Allowed)
	default:
		words = fmt.Sprintf("%s of %d uses drawn", strconv.FormatFloat(*u.Drawn, 'f', -1, 64), u.Allowed)
	}
	if u.Outstanding > 0 {
		words += fmt.Sprintf(", %d under way", u.Outstanding)
	}
	return words
}

// judge says what becomes of the pass now.
func (x *explaining) judge() {
	o := x.out
	verdict := func(v string, code daypass.Code, format string, args ...any) {
		o.Verdict, o.Code, o.Reason = v, code, fmt.Sprintf(format, args...)
	}
	win := slices.IndexFunc(o.Ends, func(e client.PassEnd) bool { return e.Wins })
	over := win >= 0 && !o.Ends[win].At.After(x.now)
	switch {
	case o.Signature != nil && o.Signature.State == client.SignatureWrong && x.key != nil:
		verdict(client.VerdictRefused, o.Signature.Code, "the signature is not good: %s", o.Signature.Reason)
	case over:
		verdict(client.VerdictRefused, x.refusalCode(), "%s", o.Ends[win].Words)
	case x.usedUp():
		verdict(client.VerdictRefused, daypass.AccessDenied, "%s", o.Uses.Words)
	case !o.Begins.IsZero() && x.now.Before(o.Begins):
		verdict(client.VerdictEarly, daypass.AccessDenied, "it begins at %s", o.Begins.UTC().Format(time.RFC3339))
	case x.trial != nil && x.trial.Signature == nil && x.trial.Refusal != nil:
		code, reason := reasonFor(x.trial.Refusal)
		if len(x.trial.Depends) > 0 {
			verdict(client.VerdictUnknown, "", "policies ask for %s of whoever opens it, which is not known: %s", strings.Join(x.trial.Depends, ", "), reason)
			return
		}
		verdict(client.VerdictRefused, code, "%s", reason)
	case x.trial == nil && x.seen == nil:
		verdict(client.VerdictUnknown, "", "nothing was seen of it, and its URL was not given")
	case x.in == nil:
		verdict(client.VerdictUnknown, "", "its URL was not given, so that neither the signature was checked nor policies were asked")
	case o.Signature != nil && o.Signature.State != client.SignatureGood:
		verdict(client.VerdictUnknown, "", "the signature cannot be checked: %s", o.Signature.Reason)
	default:
		verdict(client.VerdictGood, "", "")
	}
}

func (x *explaining) refusalCode() daypass.Code {
	switch {
	case x.keyGone():
		return daypass.InvalidAccessKeyID
	case x.trial == nil || x.trial.Refusal == nil:
		return ""
	}
	return daypass.CodeOf(x.trial.Refusal)
}

// usedUp reports whether nothing is left, and nothing will come back.
func (x *explaining) usedUp() bool {
	u := x.out.Uses
	return u != nil && u.Drawn != nil && *u.Drawn >= float64(u.Allowed) && u.Outstanding == 0
}

// reasonFor words a refusal exactly, without what operators know anyway.
func reasonFor(err error) (daypass.Code, string) {
	code, reason := daypass.CodeOf(err), strings.ReplaceAll(err.Error(), "\n", "; ")
	var e *daypass.Error
	if errors.As(err, &e) {
		reason = e.Message
		if e.Err != nil {
			reason = strings.TrimPrefix(reason+": "+strings.ReplaceAll(e.Err.Error(), "\n", "; "), ": ")
		}
	}
	return code, cmp.Or(reason, string(code))
}
