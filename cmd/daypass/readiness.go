package main

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

// A node is ready while requests should be sent to it. What a request needs and
// the node does not have now makes it not ready, so that a load balancer takes
// another; with none that is better, the node still answers.

// readyz answers whether requests should be sent to this node: "ok" or "not
// ready", then a line for each reason and for what is on its way to be one.
func (n *node) readyz(w http.ResponseWriter, _ *http.Request) {
	reasons := n.unready()
	answer(w, len(reasons) == 0)
	for _, line := range append(reasons, n.ailing(len(reasons) > 0)...) {
		fmt.Fprintln(w, line)
	}
}

// unready returns why no requests should be sent to this node.
func (n *node) unready() (reasons []string) {
	switch {
	case n.draining.Load():
		reasons = append(reasons, "draining: this node is about to end")
	case !n.ready.Load():
		return []string{"starting"}
	}
	if err := n.state.Serving(); err != nil {
		reasons = append(reasons, "state: out of reach for longer than --state-grace"+n.since())
	}
	if n.upstream != nil && !n.upstreamReachable() {
		reasons = append(reasons, "store: no endpoint of the upstream answers")
		n.tryUpstream()
	}
	return reasons
}

// ailing returns what does not work and is no reason yet.
func (n *node) ailing(unready bool) (notes []string) {
	if n.state.Healthy() != nil && n.state.Serving() == nil {
		notes = append(notes, "state: out of reach"+n.since()+"; what needs none is served for --state-grace")
	}
	if n.upstream == nil || unready && !n.upstreamReachable() {
		return notes
	}
	for _, e := range n.upstream.Endpoints() {
		if e.Open {
			notes = append(notes, "store: "+endpointName(e)+" does not answer")
		}
	}
	return notes
}

// since tells for how long state has been out of reach.
func (n *node) since() string {
	at := n.state.LastContact()
	if at.IsZero() {
		return ""
	}
	return ", last seen " + showDuration(n.app.now().Sub(at)) + " ago"
}

// upstreamReachable reports whether an endpoint of the upstream takes requests.
func (n *node) upstreamReachable() bool {
	all := n.upstream.Endpoints()
	for _, e := range all {
		if !e.Open {
			return true
		}
	}
	return len(all) == 0
}

// tryTime bounds one look at whether the upstream answers again.
const tryTime = 30 * time.Second

// tryUpstream looks, in the background, whether the upstream answers again. A node
// that is not ready gets no requests that would find out.
func (n *node) tryUpstream() {
	if !n.trying.CompareAndSwap(false, true) {
		return
	}
	go func() {
		defer n.trying.Store(false)
		ctx, cancel := context.WithTimeout(context.Background(), tryTime)
		defer cancel()
		if _, err := n.upstream.ListBuckets(ctx, "", "", 1); err != nil {
			n.log.Debug("the upstream does not answer yet", "err", err)
		}
	}()
}

// leaving makes connections move to other nodes while this one drains: each ends
// with its next answer.
func (n *node) leaving(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !n.asked.Load() { // nearly always set: there is nothing to write
			n.asked.Store(true)
		}
		if n.draining.Load() {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}

// drain tells load balancers that this node is about to end, and goes on serving
// until they know. It ends early when a listener fails.
func (n *node) drain() error {
	n.draining.Store(true)
	if n.config.drainDelay <= 0 {
		return nil
	}
	n.log.Info("draining: requests are taken for a while yet", "delay", n.config.drainDelay)
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	go func() {
		select {
		case err := <-n.failed:
			cancel(err)
		case <-ctx.Done():
		}
	}()
	if n.rest(ctx, n.config.drainDelay) != nil {
		return context.Cause(ctx)
	}
	return nil
}
