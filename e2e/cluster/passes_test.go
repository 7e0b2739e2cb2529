package cluster

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

const (
	passBucket = "passes"
	passKey    = "one"
	passSize   = 48 << 10
	// passAllowance is what may be sent beyond the budget of one use, for
	// broken downloads: a quarter of the object (docs/design.md, Uses).
	passAllowance = passSize / 4
	// passesAtOnce are raced for at a time, each for at most passLife.
	passesAtOnce = 3
	passLife     = 8 * time.Second
	// lasting is how long after a revocation was acknowledged a node that
	// reaches state may go on serving.
	lasting = time.Second
	// slack is for a machine that gives a node no processor for a while; the
	// figures tell what was seen.
	slack = 2 * time.Second
)

// A passes is all one-time passes of a load.
type passes struct {
	mu  sync.Mutex
	all []*oneTime
}

// A oneTime is a pass for one download.
type oneTime struct {
	url      string
	mu       sync.Mutex
	complete []string // who had all of it, when
	bytes    int      // that clients got of it, altogether
}

// drawAll makes one-time passes and lets clients race for each, through the
// proxy and on every node.
func (l *load) drawAll(ctx context.Context) {
	slots := make(chan struct{}, passesAtOnce)
	var races sync.WaitGroup
	defer races.Wait()
	for n := 0; ctx.Err() == nil; n++ {
		slots <- struct{}{}
		p := &oneTime{url: l.rig.presign("GET", passBucket, passKey, "uses", "1", "name", fmt.Sprintf("%s %d", l.name, n))}
		l.passes.mu.Lock()
		l.passes.all = append(l.passes.all, p)
		l.passes.mu.Unlock()
		races.Go(func() {
			l.race(ctx, p)
			<-slots
		})
		pause(ctx, 50*time.Millisecond)
	}
}

// race lets one client for the proxy and one for each node draw a pass.
func (l *load) race(ctx context.Context, p *oneTime) {
	end := time.Now().Add(passLife)
	var all sync.WaitGroup
	all.Go(func() { l.drawUntil(ctx, p, "proxy", l.rig.http, end) })
	for _, n := range l.rig.nodes {
		all.Go(func() { l.drawUntil(ctx, p, n.name, n.client, end) })
	}
	all.Wait()
}

// drawUntil tries until it has the object or is told that it cannot.
func (l *load) drawUntil(ctx context.Context, p *oneTime, who string, client *http.Client, end time.Time) {
	for {
		start := time.Now()
		kind, final := p.draw(who, client)
		switch {
		case final && kind == "":
			l.add(draw, start, "")
		case !final && who == "proxy":
			// Who goes to a node directly finds it dead or cut off; that is no
			// error of the cluster.
			l.add(draw, start, kind)
		}
		if final || ctx.Err() != nil || time.Now().After(end) || p.used() {
			return
		}
		pause(ctx, retryPause)
	}
}

// used tells whether somebody has had the object: who cannot reach a node then
// need not wait for it.
func (p *oneTime) used() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.complete) > 0
}

// draw uses the pass once. It is final when it gave the object or refused it
// for good.
func (p *oneTime) draw(who string, client *http.Client) (kind string, final bool) {
	a, err := fetch(context.Background(), client, p.url)
	kind = a.kind(err)
	if a.Response == nil || a.StatusCode != http.StatusOK && a.StatusCode != http.StatusPartialContent {
		return kind, err == nil && a.StatusCode == http.StatusForbidden
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.bytes += len(a.body)
	if kind != "" {
		return kind, false
	}
	if !bytes.Equal(a.body, passContent()) {
		return "other content", false
	}
	p.complete = append(p.complete, fmt.Sprintf("%s at %s", who, time.Now().Format("15:04:05.000")))
	return "", true
}

// passContent is the object that passes are for.
func passContent() []byte {
	b := make([]byte, passSize)
	rand.NewChaCha8([32]byte{1}).Read(b)
	return b
}

// checkPasses tries every pass again on every node: what was used stays used,
// and what was not is good for one use at most.
func (l *load) checkPasses(quiet bool) {
	l.t.Helper()
	for _, p := range l.passes.all {
		if quiet && len(p.complete) != 1 {
			l.fault("one-time pass not used once", "nothing is broken, and a one-time pass was used %d times: %v", len(p.complete), p.complete)
		}
		if len(p.complete) == 0 {
			l.unused++
		}
	}
	each(l.passes.all, func(p *oneTime) {
		for _, n := range l.rig.nodes {
			p.draw(n.name+" afterwards", n.client)
		}
	})
	for _, p := range l.passes.all {
		switch len(p.complete) {
		case 0:
		case 1:
			l.once++
		default:
			l.twice++
			l.fault("one-time pass used twice", "a one-time pass was used %d times: by %v", len(p.complete), p.complete)
		}
		if p.bytes > passSize+passAllowance {
			l.fault("budget exceeded", "of a one-time pass for %d bytes, %d were sent, more than the %d allowed; complete: %v",
				passSize, p.bytes, passSize+passAllowance, p.complete)
		}
	}
}

// A revocations is all passes that a load revoked.
type revocations struct {
	mu  sync.Mutex
	all []*revocation
}

// A revocation is one pass and when each node last served it.
type revocation struct {
	url   string
	by    string
	acked time.Time
}

// revokeAll makes passes, revokes each through some node that reaches state,
// and watches every node until it refuses.
func (l *load) revokeAll(ctx context.Context) {
	var watches sync.WaitGroup
	defer watches.Wait()
	for n := 0; ctx.Err() == nil; n++ {
		if by := l.rig.informed(); by != nil {
			l.revoke(ctx, &watches, by, fmt.Sprintf("%s revoked %d", l.name, n))
		}
		pause(ctx, 300*time.Millisecond)
	}
}

// informed returns some node that reaches state, as far as this test knows.
func (r *rig) informed() *node {
	for _, i := range rand.Perm(len(r.nodes)) {
		if n := r.nodes[i]; !n.inGap() {
			return n
		}
	}
	return nil
}

// revoke revokes a new pass through a node. One that is not acknowledged may
// be in force or not, and is forgotten.
func (l *load) revoke(ctx context.Context, watches *sync.WaitGroup, by *node, name string) {
	p := &revocation{by: by.name, url: l.rig.presign("GET", passBucket, passKey, "name", name)}
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if by.revoke(limited, p.url) != nil {
		return
	}
	p.acked = time.Now()
	l.revoked.mu.Lock()
	l.revoked.all = append(l.revoked.all, p)
	l.revoked.mu.Unlock()
	for _, n := range l.rig.nodes {
		watches.Go(func() { l.watch(ctx, p, n) })
	}
}

// watch tries a revoked pass on a node until the node has refused it long
// enough, or the load ends.
func (l *load) watch(ctx context.Context, p *revocation, n *node) {
	refused := 0
	for ctx.Err() == nil && refused < 3 {
		start := time.Now()
		a, err := fetch(context.WithoutCancel(ctx), n.client, p.url)
		if err != nil || a.StatusCode != http.StatusOK {
			refused++
			pause(ctx, lasting/2)
			continue
		}
		refused = 0
		l.judge(p, n, start)
		pause(ctx, 50*time.Millisecond)
	}
}

// judge decides about a node that served a revoked pass at that time.
func (l *load) judge(p *revocation, n *node, at time.Time) {
	after := at.Sub(p.acked)
	verdict, lost := n.judge(p.acked, at)
	l.mu.Lock()
	if verdict == blind || verdict == blindly {
		l.slowestCut = max(l.slowestCut, at.Sub(lost))
	} else {
		l.slowestRevoke = max(l.slowestRevoke, after)
	}
	l.mu.Unlock()
	switch verdict {
	case tooLate:
		l.fault("served after a revocation", "%s reaches state and served a pass %.2f s after it was revoked by %s", n.name, after.Seconds(), p.by)
	case blindly:
		l.fault("served beyond the grace", "%s served a pass %.2f s after it was revoked (by %s), %.2f s after it lost sight of state: the grace is %v and a second",
			n.name, after.Seconds(), p.by, at.Sub(lost).Seconds(), grace)
	}
}

// checkRevoked tries every revoked pass again on every node.
func (l *load) checkRevoked() {
	l.t.Helper()
	l.record.revoked = len(l.revoked.all)
	each(l.revoked.all, func(p *revocation) {
		for _, n := range l.rig.nodes {
			var kind string
			// What cannot be answered for a moment is not served: only that
			// would be wrong at once.
			until(10*time.Second, func() bool {
				a, err := fetch(context.Background(), n.client, p.url)
				kind = a.kind(err)
				return kind == "" || kind == "403 AccessDenied"
			})
			if kind != "403 AccessDenied" {
				l.fault("revoked and not refused", "a pass that %s revoked %.0f s ago answers %q on %s", p.by, time.Since(p.acked).Seconds(), kind, n.name)
			}
		}
	})
}

// preparePasses uploads what the passes are for.
func (r *rig) preparePasses(ctx context.Context) error {
	_, err := r.s3().PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String(passBucket), Key: aws.String(passKey), Body: bytes.NewReader(passContent())})
	return err
}
