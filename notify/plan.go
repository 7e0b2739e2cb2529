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
	// known are claims that were first. Marks are not asked again for these.
	known map[marked]claimed
}

// A marked is a kind of thing that befalls a pass.
type marked struct {
	pass string
	kind Kind
}

// A claimed is the claim that was first, and the event that was asked about: no
// other needs its claim compared, which takes a hash.
type claimed struct {
	claim string
	at    spool.Position
}

// A candidate is a message that is sent if its event was the first of its kind
// for a pass.
type candidate struct {
	event    int // in the batch
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
	candidates, others, refused := p.sift(b, refused)
	if err := p.decide(ctx, b, candidates); err != nil {
		return nil, err
	}
	out := &plan{refused: refused}
	configs := make(map[owned]s3.Notifications)
	for len(candidates)+len(others) > 0 {
		i := firstOf(candidates, others)
		e := b.Event(i)
		if len(others) > 0 && others[0] == i {
			others = others[1:]
			if err := p.objectMessages(ctx, out, b, i, e, configs); err != nil {
				return nil, err
			}
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
			out.add(b, i, e, "pass "+e.Grant.PassID, body, string(c.kind))
		}
		if p.tellsRevocation(e) {
			body, err := revokedBody(e)
			if err != nil {
				return nil, err
			}
			out.add(b, i, e, e.Subject, body, string(PassRevoked))
		}
	}
	return out, nil
}

// firstOf returns the first event of two lists, of which one may be empty.
func firstOf(candidates []candidate, others []int) int {
	switch {
	case len(candidates) == 0:
		return others[0]
	case len(others) == 0:
		return candidates[0].event
	}
	return min(candidates[0].event, others[0])
}

// add adds a message about an event.
func (o *plan) add(b *spool.Batch, i int, e *daypass.Event, about string, body []byte, parts ...string) {
	o.messages = append(o.messages, Message{ID: "msg_" + b.EventID(i, parts...), About: about, Time: e.Time, Body: body})
}

// tellsRevocation reports whether an event is a revocation that the operator
// wants to be told of.
func (p *planner) tellsRevocation(e *daypass.Event) bool {
	return e.Action == daypass.RevokePasses && succeeded(e) && p.endpoint.wants(PassRevoked) && p.concerns(e)
}

// tellsObject reports whether an event may be one that the operator or a bucket
// wants to be told of, for what it did to an object or for the configuration
// that it changed.
func (p *planner) tellsObject(e *daypass.Event) bool {
	if e.Sequencer == "" {
		return false
	}
	name, kind := objectEvent(e)
	return (name != "" || isTest(e)) && p.endpoint.IsOpenTo(e.Object.Bucket) ||
		name != "" && p.endpoint.wants(kind) && p.endpoint.covers(e.Object)
}

// isTest reports whether an event is a new configuration of notifications, which
// a test follows.
func isTest(e *daypass.Event) bool {
	return e.Action == "PutBucketNotificationConfiguration" && e.Sequencer != ""
}

// concerns reports whether a revocation is one that the operator wants to be
// told of. One that names no bucket may be about any.
func (p *planner) concerns(e *daypass.Event) bool {
	return e.Object.Bucket == "" || p.endpoint.Bucket == "" || p.endpoint.Bucket == e.Object.Bucket
}

func succeeded(e *daypass.Event) bool { return e.Code == "" && e.Status >= 200 && e.Status < 400 }

// objectMessages adds what the operator and the bucket want to be told of what
// an event did to an object, and the test that follows a new configuration.
func (p *planner) objectMessages(ctx context.Context, out *plan, b *spool.Batch, i int, e *daypass.Event, configs map[owned]s3.Notifications) error {
	name, kind := objectEvent(e)
	test := isTest(e)
	if name == "" && !test {
		return nil
	}
	about := e.Object.Bucket + "/" + e.Object.Key
	if name != "" && p.endpoint.wants(kind) && p.endpoint.covers(e.Object) {
		body, err := objectMessage(e, name, kind, p.endpoint.Name, p.region)
		if err != nil {
			return err
		}
		out.add(b, i, e, about, body, "operator")
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
		out.add(b, i, e, about, body, "bucket", n.ID)
		if test {
			break // one for each destination
		}
	}
	return nil
}

// sift goes through a batch, of which few events lead to messages. It returns
// what may be the first of its kind for a pass and the numbers of the other
// events that tell of something, both in the batch's order, and the refusals that
// were counted after it.
func (p *planner) sift(b *spool.Batch, refused []counted) (list []candidate, others []int, after []counted) {
	passes := p.endpoint.wants(PassFirstUse) || p.endpoint.wants(PassExhausted) || p.endpoint.wants(PassRefused)
	s := sifting{planner: p, batch: b, seen: make(map[marked]bool), exhausted: make(map[string]candidate)}
	if passes {
		s.refused = append(s.refused, refused...)
	}
	for i, e := range b.Events() {
		if p.tellsObject(e) || p.tellsRevocation(e) {
			others = append(others, i)
		}
		// Only a signature that was good makes a pass; a part of a request is
		// no request.
		if passes && e.Grant.PassID != "" && e.Method != "" && p.endpoint.covers(e.Object) {
			s.pass(i, e)
		}
	}
	for _, c := range s.exhausted {
		c.claim = b.EventID(c.event, string(PassExhausted))
		s.list = append(s.list, c)
	}
	// What is exhausted was used before.
	slices.SortStableFunc(s.list, func(a, b candidate) int { return cmp.Compare(a.event, b.event) })
	return s.list, others, s.refused
}

// A sifting is the search for what befell passes in a batch.
type sifting struct {
	*planner
	batch     *spool.Batch
	list      []candidate
	refused   []counted
	seen      map[marked]bool
	exhausted map[string]candidate // by pass
}

// pass looks at a request with a pass.
func (s *sifting) pass(i int, e *daypass.Event) {
	switch {
	case isUse(e):
		s.add(i, e, PassFirstUse, 0)
	case e.Code != "" && s.endpoint.wants(PassRefused):
		var n int
		if s.refused, n = count(s.refused, e.Grant.PassID); n == refusalsTold {
			s.add(i, e, PassRefused, n)
		}
	}
	s.mayExhaust(i, e)
}

// decided reports whether another event is known to have been the first.
func (s *sifting) decided(i int, of marked) bool {
	first, ok := s.known[of]
	return ok && first.at != s.batch.At(i)
}

func (s *sifting) add(i int, e *daypass.Event, k Kind, refusals int) {
	of := marked{e.Grant.PassID, k}
	if !s.endpoint.wants(k) || s.decided(i, of) || s.seen[of] {
		return
	}
	of.pass = strings.Clone(of.pass)
	s.seen[of] = true
	s.list = append(s.list, candidate{event: i, kind: k, refusals: refusals, claim: s.batch.EventID(i, string(k))})
}

// mayExhaust notes an event that shows that a pass has no use left: the first
// refusal for that in a batch, or else its last use, after which state is asked.
func (s *sifting) mayExhaust(i int, e *daypass.Event) {
	refused := isExhausted(e)
	if !s.endpoint.wants(PassExhausted) || !refused && !(isUse(e) && strings.Contains(e.Limits, limits.Uses+"=")) {
		return
	}
	have, ok := s.exhausted[e.Grant.PassID]
	if ok && !have.ask || s.decided(i, marked{e.Grant.PassID, PassExhausted}) {
		return
	}
	s.exhausted[strings.Clone(e.Grant.PassID)] = candidate{event: i, kind: PassExhausted, ask: !refused}
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
	var c counted
	for i := range list {
		if list[i].Pass == pass {
			c = list[i]
			list = append(list[:i], list[i+1:]...)
			break
		}
	}
	if c.Pass == "" {
		c.Pass = strings.Clone(pass)
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
		p.known = make(map[marked]claimed)
	}
	var mu sync.Mutex
	var failed error
	next := make(chan *candidate)
	var workers sync.WaitGroup
	for range min(parallelMarks, len(list)) {
		workers.Go(func() {
			for c := range next {
				e := b.Event(c.event)
				first, err := p.mark(ctx, e, c)
				mu.Lock()
				if err != nil {
					failed = err
				} else if first != "" {
					// The id is a part of the event, which is not to be remembered.
					p.known[marked{strings.Clone(e.Grant.PassID), c.kind}] = claimed{first, b.At(c.event)}
				}
				c.first = first == c.claim
				mu.Unlock()
			}
		})
	}
	for i := range list {
		c := &list[i]
		of := marked{b.Event(c.event).Grant.PassID, c.kind}
		mu.Lock()
		first, ok := p.known[of]
		mu.Unlock()
		if ok {
			c.first = first.claim == c.claim
			continue
		}
		next <- c
	}
	close(next)
	workers.Wait()
	return failed
}
