package cluster

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A scenario is one thing that goes wrong under load.
type scenario struct {
	name string
	// run breaks something and mends it, while the load goes on.
	run func(t *testing.T, r *rig, l *load)
	// errors are the kinds that clients may see, "write: " and so on left out;
	// nothing else may happen to them. Who races for a pass may always be told
	// that another one is being sent it.
	errors []string
	// slowest bounds every answer, good or bad: the deadlines that apply, and as
	// much again for a busy machine. An upload in parts is five requests.
	slowest time.Duration
}

// What clients see when a node says that it cannot, and when a node dies under
// their request. An upload that is refused before its body was read may see its
// connection end before the answer. One who races for a pass that a dead node
// had drawn from is told to come back, since nobody knows what was sent.
var (
	busy = []string{"503 ServiceUnavailable", "503 SlowDown", "cut off"}
	torn = []string{"502 proxy", "503 proxy", "cut off", "503 ServiceUnavailable"}
)

func scenarios() []scenario {
	return []scenario{
		{"quiet", quiet, nil, 20 * time.Second},
		{"rolling restart", rollingRestart, nil, 20 * time.Second},
		{"kill a node", killNode, torn, 20 * time.Second},
		{"kill a gateway", killGateway, busy, 110 * time.Second},
		{"freeze a gateway", freezeGateway, busy, 110 * time.Second},
		{"kill an OSD", killOSD, busy, 110 * time.Second},
		{"kill a second OSD", killSecondOSD, busy, 110 * time.Second},
		{"cut nodes from PostgreSQL", cutNodes, busy, 110 * time.Second},
		{"fail PostgreSQL over", failOver, busy, 110 * time.Second},
	}
}

// calm is how many requests of each kind are answered well before something is
// broken, and after it was mended.
const calm = 100

func (r *rig) chaos(t *testing.T) {
	figures := new(table)
	defer figures.print(t)
	r.makeBucket(t, loadBucket)
	r.makeBucket(t, passBucket)
	if err := r.preparePasses(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, s := range scenarios() {
		t.Run(s.name, func(t *testing.T) {
			r.mend(t)
			l := startLoad(t, r, s.name)
			defer func() {
				l.finish()
				l.tellFaults()
				if t.Failed() {
					r.tell(t)
				}
			}()
			l.more(calm)
			s.run(t, r, l)
			l.more(calm)
			l.finish()
			for _, n := range r.nodes {
				n.waitReady(t, 30*time.Second)
			}
			l.check()
			l.checkPasses(s.name == "quiet")
			l.checkRevoked()
			s.judge(t, l)
			figures.add(l.record)
		})
	}
}

// mend starts what a scenario before may have left broken when it failed.
func (r *rig) mend(t *testing.T) {
	for i := range osds {
		if !r.ceph.runs(fmt.Sprintf("osd.%d", i)) {
			r.ceph.startOSD(t, i)
		}
	}
	r.ceph.waitOSDs(t, osds)
	for i := range gateways {
		if name := fmt.Sprintf("client.rgw%d", i); r.ceph.runs(name) {
			r.ceph.signal(t, name, syscall.SIGCONT)
		} else {
			r.ceph.startGateway(t, i)
		}
	}
	for _, n := range r.nodes {
		n.setWires(whole)
		if n.runs() {
			n.waitReady(t, 30*time.Second)
		} else {
			n.start(t)
		}
		n.waitState(t, 30*time.Second)
		n.forgetGaps()
	}
}

// tell says how the nodes are.
func (r *rig) tell(t *testing.T) {
	for _, n := range r.nodes {
		_, text := n.readiness()
		t.Logf("%s says %q; the last of its log, requests left out:\n%s", n.name, text, n.tail())
	}
}

// judge checks what clients saw against what they may see.
func (s scenario) judge(t *testing.T, l *load) {
	kinds := l.errors(time.Time{})
	for _, kind := range slices.Sorted(maps.Keys(kinds)) {
		if _, name, _ := strings.Cut(kind, ": "); kind != draw+": "+held && !slices.Contains(s.errors, name) {
			t.Errorf("%d times a client saw %q; with %q it may see %q", kinds[kind], kind, s.name, s.errors)
		}
	}
	if slowest := l.record.slowest(); slowest > s.slowest {
		t.Errorf("an answer took %.1f s; with %q none may take more than %v", slowest.Seconds(), s.name, s.slowest)
	}
	if l.acknowledged < 2*calm || len(l.passes.all) < calm/10 || l.record.revoked == 0 {
		t.Errorf("too little happened to prove anything: %d objects, %d passes, %d revocations", l.acknowledged, len(l.passes.all), l.record.revoked)
	}
}

// quiet breaks nothing: it shows that the load itself makes no errors.
func quiet(_ *testing.T, _ *rig, l *load) { l.more(2 * calm) }

// rollingRestart restarts one node after the other as an upgrade does.
func rollingRestart(t *testing.T, r *rig, l *load) {
	for _, n := range r.nodes {
		n.stop(t)
		n.start(t)
		l.more(calm / 2)
	}
}

// killNode ends a node without warning and starts it again.
func killNode(t *testing.T, r *rig, l *load) {
	n := r.nodes[0]
	n.kill()
	dead := time.Now()
	l.healed = dead // the others serve; this is how long the proxy needs to see it
	l.more(2 * calm)
	if late := l.late(dead.Add(6 * time.Second)); len(late) > 0 {
		t.Errorf("6 s after a node died clients still see errors: %v", late)
	}
	start := time.Now()
	n.start(t)
	l.readyAfter = time.Since(start)
	l.more(calm / 2)
}

// killGateway ends the gateway that the nodes prefer: they go to the other one.
func killGateway(t *testing.T, r *rig, l *load) {
	r.ceph.killGateway(t, 0)
	dead := time.Now()
	l.healed = dead
	l.more(2 * calm)
	if late := l.late(dead.Add(10 * time.Second)); len(late) > 0 {
		t.Errorf("10 s after a gateway died clients still see errors: %v", late)
	}
	r.ceph.startGateway(t, 0)
}

// freezeGateway has the gateway that the nodes prefer take requests and not
// answer: deadlines notice.
func freezeGateway(t *testing.T, r *rig, l *load) {
	r.ceph.signal(t, "client.rgw0", syscall.SIGSTOP)
	frozen := time.Now()
	l.healed = frozen
	l.more(2 * calm)
	if late := l.late(frozen.Add(3 * upstreamTimeout)); len(late) > 0 {
		t.Errorf("%v after a gateway froze clients still see errors: %v", 3*upstreamTimeout, late)
	}
	r.ceph.signal(t, "client.rgw0", syscall.SIGCONT)
}

// killOSD ends one of three OSDs: two are enough to go on.
func killOSD(t *testing.T, r *rig, l *load) {
	r.ceph.killOSD(t, 0)
	l.healed = time.Now()
	r.ceph.waitOSDs(t, osds-1)
	l.more(2 * calm)
	r.ceph.startOSD(t, 0)
	r.ceph.waitOSDs(t, osds)
}

// killSecondOSD leaves one of three: nothing can be written, and what cannot
// be done must be said in time.
func killSecondOSD(t *testing.T, r *rig, l *load) {
	r.ceph.killOSD(t, 1)
	r.ceph.waitOSDs(t, osds-1)
	r.ceph.killOSD(t, 2)
	down := time.Now()
	// Every writer has been told so at least twice.
	if !until(time.Minute, func() bool { return l.told(write, down) >= 2*writers }) {
		t.Errorf("a minute after Ceph stopped writing, clients saw only %v", l.errors(down))
	}
	if n := l.good(write, down.Add(3*time.Second)); n > 0 {
		t.Errorf("%d writes were acknowledged with one OSD of three: the test did not break what it should", n)
	}
	r.ceph.startOSD(t, 1)
	r.ceph.startOSD(t, 2)
	l.healed = time.Now()
	r.ceph.waitOSDs(t, osds)
}

// late returns the errors since a time, but for passes that are held.
func (r *record) late(since time.Time) map[string]int {
	kinds := r.errors(since)
	delete(kinds, draw+": "+held)
	return kinds
}

// told counts the errors of a kind of request since a time.
func (r *record) told(op string, since time.Time) int {
	n := 0
	for kind, count := range r.errors(since) {
		if strings.HasPrefix(kind, op+": ") {
			n += count
		}
	}
	return n
}

// cutNodes takes PostgreSQL from two nodes: one gets no answers, the other no
// connections.
func cutNodes(t *testing.T, r *rig, l *load) {
	broken := map[*node]wireState{r.nodes[1]: silent, r.nodes[2]: cut}
	var fresh []string
	for range 2 {
		fresh = append(fresh, r.presign("GET", passBucket, passKey, "uses", "1", "name", l.name+" while cut"))
	}
	from := time.Now()
	for n, how := range broken {
		n.loseState()
		n.setWires(how)
		n.lostState()
	}
	since := time.Now()
	var checks, watches sync.WaitGroup
	for i, n := range r.nodes[1:] {
		checks.Go(func() { l.withoutState(n, from, since, fresh[i]) })
	}
	// What the load revokes may have been asked of a node that cannot.
	for i := range 3 {
		l.revoke(t.Context(), &watches, r.nodes[0], fmt.Sprintf("%s revoked while cut %d", l.name, i))
	}
	checks.Wait()
	watches.Wait()
	// A node that vanishes inside a transaction holds up revocations for two
	// seconds, so that some are made well before the graces end.
	if l.blindly() == 0 {
		t.Error("no node served a pass that it could not know to be revoked: nothing was revoked while they were cut off, or they refuse too early")
	}
	l.more(calm)
	for n := range broken {
		n.mendState()
		n.setWires(whole)
	}
	l.healed = time.Now()
	for n := range broken {
		n.waitState(t, 30*time.Second)
		n.findState()
	}
	l.readyAfter = time.Since(l.healed)
}

// blindly is how long after it lost sight of state a node served a pass that
// was revoked.
func (r *record) blindly() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.slowestCut
}

// withoutState checks what a node does that has lost sight of state, which began
// after one time and before another: within the grace it serves what is not
// counted, afterwards nothing.
func (l *load) withoutState(n *node, from, since time.Time, counted string) {
	var uses sync.WaitGroup
	defer uses.Wait()
	uses.Go(func() {
		a, err := fetch(context.Background(), n.client, counted)
		if kind := a.kind(err); kind != "503 ServiceUnavailable" {
			l.t.Errorf("%s: %s has lost sight of state and answers %q to a one-time pass", l.name, n.name, kind)
		}
	})
	plain, served, refused := l.rig.presign("GET", passBucket, passKey), time.Duration(0), ""
	until(lasting+grace+10*time.Second, func() bool {
		start := time.Now()
		a, err := fetch(context.Background(), n.client, plain)
		after := start.Sub(since)
		// What the node knew then was a quarter of a second old, and more on a
		// busy machine.
		early := time.Since(from) < lasting+grace-slack
		if refused = a.kind(err); refused == "" {
			served = after
		} else if early {
			l.fault("refused within the grace", "%s has lost sight of state for %.2f s, and answers %q to a pass without limits; the grace is %v",
				n.name, after.Seconds(), refused, grace)
		}
		return refused != "" && after > lasting+grace
	})
	if refused != "503 ServiceUnavailable" {
		l.t.Errorf("%s: %s has lost sight of state for longer than the grace, and answers %q to a pass without limits", l.name, n.name, refused)
	}
	if served > lasting+grace {
		l.t.Errorf("%s: %s served for %.2f s without state; the grace is %v and a second", l.name, n.name, served.Seconds(), grace)
	}
}

// waitState waits until a node says that it reaches state.
func (n *node) waitState(t *testing.T, limit time.Duration) {
	t.Helper()
	last := ""
	if !until(limit, func() bool { last = n.stateTrouble(); return last == "" }) {
		t.Fatalf("%s does not reach state after %v: %s\n%s", n.name, limit, last, n.tail())
	}
}

// failOver kills the primary of PostgreSQL and promotes its standby.
func failOver(t *testing.T, r *rig, l *load) {
	for _, n := range r.nodes {
		n.loseState()
	}
	r.pg.killPrimary(t)
	l.healed = time.Now()
	for _, n := range r.nodes {
		n.lostState()
	}
	for _, n := range r.nodes {
		n.mendState() // each may find the promoted server before this test does
	}
	r.pg.promote(t)
	for _, n := range r.nodes {
		n.waitState(t, 30*time.Second)
		n.findState()
	}
	l.readyAfter = time.Since(l.healed)
}
