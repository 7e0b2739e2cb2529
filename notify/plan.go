package notify

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/audit/spool"
	"github.com/daypass/daypass/limits"
	"github.com/daypass/daypass/s3"
)

// Buckets knows the notifications that buckets have.
type Buckets interface {
	// Notifications returns those of a bucket, none where there is no such
	// bucket, or now one of another owner: whoever makes a bucket under a name
	// that became free must not learn what was in the one before. It is called
	// once for each bucket of a batch.
	Notifications(ctx context.Context, bucket, owner string) (s3.Notifications, error)
}

// Marks remembers which event was the first of its kind that befell a pass.
type Marks interface {
	// MarkPass stores a claim unless there is one and returns the one that is
	// stored, until some time after the pass ends. It may be called
	// concurrently.
	MarkPass(ctx context.Context, pass, kind, claim string, ends time.Time) (first string, err error)
	// PassSpent reports whether the pass whose use an event tells of has no use
	// left by now. It may be called concurrently.
	PassSpent(ctx context.Context, e *daypass.Event) (bool, error)
}

// refusalsTold is how many refusals of a pass are told of.
const refusalsTold = 10

// Bounds of what is remembered of passes: the refusals that are being counted,
// and the marks that are known.
const (
	maxCounted = 512
	maxMarks   = 8192
)

// parallelMarks is how many marks are asked for at a time.
const parallelMarks = 16

// A counted is a pass and how often it was refused.
type counted struct {
	Pass string `json:"p"`
	N    int    `json:"n"`
}

// A planner turns events into the messages of an endpoint.
type planner struct {
	endpoint *Endpoint
	region   string
	buckets  Buckets
	marks    Marks
	// known are claims that were first, by pass and kind. Marks are not asked
	// again for these.
	known map[string]string
}

// A candidate is a message that is sent if its event was the first of its kind
// for a pass.
type candidate struct {
	event    int
	kind     Kind
	refusals int
	claim    string
	// ask says that it counts only if the pass has no use left.
	ask   bool
	first bool
}

// An owned is a bucket as an event knew it.
type owned struct{ bucket, owner string }

// A plan is what is to be sent for a batch.
type plan struct {
	messages []Message
	// refused are the counts after the batch.
	refused []counted
}

// plan makes the messages of a batch in its order, given the refusals that were
// counted before. The same batch gives the same messages.
func (p *planner) plan(ctx context.Context, b *spool.Batch, refused []counted) (*plan, error) {
	candidates, refused := p.candidates(b, refused)
	if err := p.decide(ctx, b, candidates); err != nil {
		return nil, err
	}
	out := &plan{refused: refused}
	configs := make(map[owned]s3.Notifications)
	for i := range b.Events {
		e := &b.Events[i]
		if err := p.objectMessages(ctx, out, b, i, configs); err != nil {
			return nil, err
		}
		for ; len(candidates) > 0 && candidates[0].event == i; candidates = candidates[1:] {
			c := &candidates[0]
			if !c.first {
				continue
			}
			body, err := passBody(e, c.kind, c.refusals)
			if err != nil {
				return nil, err
			}
			out.add(b, i, "pass "+e.Grant.PassID, body, string(c.kind))
		}
		if e.Action == daypass.RevokePasses && succeeded(e) && p.endpoint.wants(PassRevoked) && p.concerns(e) {
			body, err := revokedBody(e)
			if err != nil {
				return nil, err
			}
			out.add(b, i, e.Subject, body, string(PassRevoked))
		}
	}
	return out, nil
}

// add adds a message about an event.
func (o *plan) add(b *spool.Batch, i int, about string, body []byte, parts ...string) {
	o.messages = append(o.messages, Message{ID: "msg_" + b.EventID(i, parts...), About: about, Time: b.Events[i].Time, Body: body})
}

// concerns reports whether a revocation is one that the operator wants to be
// told of. One that names no bucket may be about any.
func (p *planner) concerns(e *daypass.Event) bool {
	return e.Object.Bucket == "" || p.endpoint.Bucket == "" || p.endpoint.Bucket == e.Object.Bucket
}

func succeeded(e *daypass.Event) bool { return e.Code == "" && e.Status >= 200 && e.Status < 400 }

// objectMessages adds what the operator and the bucket want to be told of what
// an event did to an object, and the test that follows a new configuration.
func (p *planner) objectMessages(ctx context.Context, out *plan, b *spool.Batch, i int, configs map[owned]s3.Notifications) error {
	e := &b.Events[i]
	name, kind := objectEvent(e)
	test := e.Action == "PutBucketNotificationConfiguration" && e.Sequencer != ""
	if name == "" && !test {
		return nil
	}
	about := e.Object.Bucket + "/" + e.Object.Key
	if name != "" && p.endpoint.wants(kind) && p.endpoint.covers(e.Object) {
		body, err := objectMessage(e, name, kind, p.endpoint.Name, p.region)
		if err != nil {
			return err
		}
		out.add(b, i, about, body, "operator")
	}
	if !p.endpoint.IsOpenTo(e.Object.Bucket) {
		return nil
	}
	of := owned{e.Object.Bucket, e.BucketOwner}
	list, ok := configs[of]
	if !ok {
		var err error
		if list, err = p.buckets.Notifications(ctx, of.bucket, of.owner); err != nil {
			return err
		}
		configs[of] = list
	}
	for j := range list {
		n := &list[j]
		to, region, err := n.DestinationName()
		if err != nil || to != p.endpoint.Name || region != p.region || !test && !n.Matches(name, e.Object.Key) {
			continue
		}
		var body []byte
		if test {
			body, err = testMessage(e)
		} else {
			body, err = objectMessage(e, name, kind, n.ID, p.region)
		}
		if err != nil {
			return err
		}
		out.add(b, i, about, body, "bucket", n.ID)
		if test {
			break // one for each destination
		}
	}
	return nil
}

// candidates returns what may be the first of its kind in a batch, in its
// order, and the refusals that were counted after it.
func (p *planner) candidates(b *spool.Batch, refused []counted) (list []candidate, after []counted) {
	if !p.endpoint.wants(PassFirstUse) && !p.endpoint.wants(PassExhausted) && !p.endpoint.wants(PassRefused) {
		return nil, nil
	}
	after = append(after, refused...)
	seen := make(map[string]bool)
	add := func(i int, k Kind, refusals int) {
		id := b.Events[i].Grant.PassID + string(k)
		if p.endpoint.wants(k) && !seen[id] {
			seen[id] = true
			list = append(list, candidate{event: i, kind: k, refusals: refusals, claim: b.EventID(i, string(k))})
		}
	}
	exhausted := make(map[string]candidate)
	for i := range b.Events {
		e := &b.Events[i]
		// Only a signature that was good makes a pass; a part of a request is
		// no request.
		if e.Grant.PassID == "" || e.Method == "" || !p.endpoint.covers(e.Object) {
			continue
		}
		switch {
		case isUse(e):
			add(i, PassFirstUse, 0)
		case e.Code != "" && p.endpoint.wants(PassRefused):
			var n int
			if after, n = count(after, e.Grant.PassID); n == refusalsTold {
				add(i, PassRefused, n)
			}
		}
		p.mayExhaust(b, i, exhausted)
	}
	for _, c := range exhausted {
		list = append(list, c)
	}
	// What is exhausted was used before.
	slices.SortStableFunc(list, func(a, b candidate) int { return cmp.Compare(a.event, b.event) })
	return list, after
}

// mayExhaust notes an event that shows that a pass has no use left: the first
// refusal for that in a batch, or else its last use, after which state is asked.
func (p *planner) mayExhaust(b *spool.Batch, i int, exhausted map[string]candidate) {
	e := &b.Events[i]
	have, ok := exhausted[e.Grant.PassID]
	refused := isExhausted(e)
	if !p.endpoint.wants(PassExhausted) || ok && !have.ask || !refused && !(isUse(e) && strings.Contains(e.Limits, limits.Uses+"=")) {
		return
	}
	exhausted[e.Grant.PassID] = candidate{event: i, kind: PassExhausted, claim: b.EventID(i, string(PassExhausted)), ask: !refused}
}

// isUse reports whether a request used its pass: HEAD and giving the PIN do
// not.
func isUse(e *daypass.Event) bool {
	return succeeded(e) && e.Action != daypass.HeadObject && e.Action != "EnterPIN"
}

// isExhausted reports whether a request was refused because its pass has no use
// left.
func isExhausted(e *daypass.Event) bool {
	return e.Code == daypass.AccessDenied && strings.Contains(e.Message, limits.Uses)
}

// count adds a refusal of a pass and returns its number. The passes are in order
// of their last refusal; where there are too many, the one that was refused
// longest ago is forgotten, and one that was refused often enough too.
func count(list []counted, pass string) ([]counted, int) {
	c := counted{Pass: pass}
	for i := range list {
		if list[i].Pass == pass {
			c = list[i]
			list = append(list[:i], list[i+1:]...)
			break
		}
	}
	if c.N++; c.N >= refusalsTold {
		return list, c.N
	}
	if len(list) >= maxCounted {
		list = append(list[:0], list[1:]...)
	}
	return append(list, c), c.N
}

// mark claims a candidate to be the first of its kind and returns the claim that
// is; none where it does not count.
func (p *planner) mark(ctx context.Context, e *daypass.Event, c *candidate) (first string, err error) {
	if c.ask {
		if spent, err := p.marks.PassSpent(ctx, e); !spent || err != nil {
			return "", err
		}
	}
	return p.marks.MarkPass(ctx, e.Grant.PassID, string(c.kind), c.claim, e.Grant.ExpiresAt)
}

// decide finds out which candidates are the first of their kind.
func (p *planner) decide(ctx context.Context, b *spool.Batch, list []candidate) error {
	if len(p.known) > maxMarks {
		p.known = nil
	}
	if p.known == nil {
		p.known = make(map[string]string)
	}
	var mu sync.Mutex
	var failed error
	next := make(chan *candidate)
	var workers sync.WaitGroup
	for range min(parallelMarks, len(list)) {
		workers.Go(func() {
			for c := range next {
				g := &b.Events[c.event].Grant
				first, err := p.mark(ctx, &b.Events[c.event], c)
				mu.Lock()
				if err != nil {
					failed = err
				} else if first != "" {
					p.known[g.PassID+string(c.kind)] = first
				}
				c.first = first == c.claim
				mu.Unlock()
			}
		})
	}
	for i := range list {
		c := &list[i]
		mu.Lock()
		first, ok := p.known[b.Events[c.event].Grant.PassID+string(c.kind)]
		mu.Unlock()
		if ok {
			c.first = first == c.claim
			continue
		}
		next <- c
	}
	close(next)
	workers.Wait()
	return failed
}
