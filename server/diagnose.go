package server

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/s3"
	"github.com/daypass/daypass/sign"
)

// diagnose tells the operator which known mistake explains a signature that
// does not match, as a further cause of x.err. The client learns nothing of
// it: its answer is out by then, or at least written, and it takes the same
// work whichever mistake it is.
func (s *Server) diagnose(x *exchange) {
	refusal, ok := x.err.(*daypass.Error)
	if !ok || refusal.Op != "sign" || refusal.Code != s3.SignatureDoesNotMatch || refusal.Err != nil ||
		x.target == nil || x.target.action == nil {
		return
	}
	began := time.Now()
	if !s.diagnoses.enter(began) {
		return
	}
	// What net/http holds back goes out first. If it cannot, the client is
	// gone, or the server flushes by itself.
	_ = http.NewResponseController(&x.w).Flush()
	began = time.Now()
	words := s.mistake(x)
	s.diagnoses.leave(began, time.Now())
	if words == "" {
		return
	}
	explained := *refusal
	explained.Err = errors.New(words)
	x.err = &explained
}

// mistake words the mistake behind a signature, empty where none is known.
func (s *Server) mistake(x *exchange) string {
	var few [8]sign.Host
	req, err := s.signRequest(x.r, x.target, few[:0])
	if err != nil {
		return ""
	}
	claimed := s.claimedHosts(x.r)
	suspects := append(claimed[:len(claimed):len(claimed)], s.names.suspects(x.target.place)...)
	m, ok := s.verifier.Diagnose(context.WithoutCancel(x.r.Context()), &req, suspects[:min(len(suspects), maxSuspects)], s.cfg.Clock())
	switch {
	case !ok:
		return ""
	case m.Host.Name != "" && slices.Contains(claimed, m.Host):
		return m.Words + ", which forwarding headers of " + x.r.RemoteAddr + " name: that is no trusted proxy"
	}
	return m.Words
}

// maxSuspects is how many hosts are suspected beside those that may sign.
const maxSuspects = 10

// claimedHosts are the hosts that a proxy which is not trusted says the client
// named, if it is a proxy.
func (s *Server) claimedHosts(r *http.Request) (hosts []sign.Host) {
	if s.trusts(r.RemoteAddr) {
		return nil
	}
	v := view{host: r.Host, sent: r.Host}
	if v.forward(r.Header); !v.forwarded {
		return nil
	}
	hosts = []sign.Host{{Name: v.host, Prefix: v.prefix}, {Name: v.host}, {Name: v.sent, Prefix: v.prefix}}
	if v.port != "" {
		hosts = append(hosts, sign.Host{Name: v.host + ":" + v.port, Prefix: v.prefix})
	}
	// Under its own host, the request has been verified.
	return slices.DeleteFunc(hosts, func(h sign.Host) bool { return h == sign.Host{Name: r.Host} })
}

// suspects are the configured hosts without regard to what the path means
// under them.
func (n *names) suspects(p place) (hosts []sign.Host) {
	add := func(host, prefix string) {
		if p.hostBucket != "" {
			host = p.hostBucket + "." + host
		}
		hosts = append(hosts, sign.Host{Name: host, Prefix: prefix})
	}
	for i := range n.public {
		name := &n.public[i]
		add(name.host, name.prefix)
		if name.prefix != "" {
			add(name.host, "")
		}
	}
	for _, d := range n.domains {
		add(d, "")
	}
	return hosts
}

// Bounds of all diagnoses together, so that a flood of refused requests costs
// next to nothing: how many there may be in a second, and how long they may
// take.
const (
	maxDiagnoses     = 50
	maxDiagnosesTime = 20 * time.Millisecond
)

// A gate keeps to these bounds.
type gate struct {
	mu     sync.Mutex
	second int64 // that is counted
	passed int
	spent  time.Duration
}

// enter reports whether there may be one more diagnosis.
func (g *gate) enter(now time.Time) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if second := now.Unix(); second != g.second {
		g.second, g.passed, g.spent = second, 0, 0
	}
	if g.passed >= maxDiagnoses || g.spent >= maxDiagnosesTime {
		return false
	}
	g.passed++
	return true
}

// leave counts the time that a diagnosis took.
func (g *gate) leave(began, ended time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.spent += ended.Sub(began)
}
