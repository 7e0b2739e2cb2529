package cluster

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	region    = "us-east-1"
	accessKey = "CLUSTERROOTACCESSKEY"
	secretKey = "cluster/root+secret=key/abcdefghijklmnop"
	masterKey = "jU7QHk1uF8y1J3kH2eRzq0x5o9J6b4s0G2m8T1vWc3M="
	// grace is how long a node serves without state, beyond a second.
	grace = 4 * time.Second
	// upstreamTimeout is how long a node waits for the store.
	upstreamTimeout = 5 * time.Second
	// drain is how long requests may go on after SIGTERM, drainDelay how long
	// a node says that it is not ready before it stops to listen.
	drain = 10 * time.Second
	// drainDelay is several times what HAProxy needs to notice, which on a busy
	// machine may be late.
	drainDelay = 2 * time.Second
)

// A node is one daypass serve, the same addresses at each start.
type node struct {
	room  *room
	name  string
	addr  string // of the S3 endpoint
	ops   string // of the operations listener
	wires []*wire
	store string
	flags []string
	// client goes to this node whatever the host of a URL says.
	client *http.Client

	cmd    *exec.Cmd
	exited chan struct{}

	mu   sync.Mutex
	gaps []gap
}

// newNode prepares a node. Its wires lead to the servers of PostgreSQL.
func newNode(t *testing.T, r *room, name, store string, pg *postgres, flags ...string) *node {
	t.Helper()
	ports := freePorts(t, 2)
	n := &node{room: r, name: name, addr: loopback(ports[0]), ops: loopback(ports[1]), store: store, flags: flags}
	for _, port := range []int{pg.primary, pg.standby} {
		n.wires = append(n.wires, newWire(t, loopback(port)))
	}
	n.client = clientTo(n.addr)
	return n
}

// stateURL names both servers: the node uses the one that takes writes.
func (n *node) stateURL() string {
	return fmt.Sprintf("postgres://postgres:%s@%s,%s/daypass?sslmode=disable&target_session_attrs=read-write&connect_timeout=2",
		dbPassword, n.wires[0].addr(), n.wires[1].addr())
}

// start starts the process and waits until it is ready.
func (n *node) start(t *testing.T) {
	t.Helper()
	n.launch(t)
	n.waitReady(t, 30*time.Second)
}

func (n *node) launch(t *testing.T) {
	t.Helper()
	log, err := os.OpenFile(n.room.path(n.name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	args := append([]string{"serve", "--data", n.room.path(n.name), "--node", n.name, "--store", n.store,
		"--listen", n.addr, "--ops-listen", n.ops, "--region", region, "--trusted-proxy", "127.0.0.1/32",
		"--state-grace", grace.String(), "--drain", drain.String(), "--drain-delay", drainDelay.String()}, n.flags...)
	n.cmd, n.exited = exec.Command(program, args...), make(chan struct{})
	n.cmd.Env = cleanEnv("DAYPASS_ROOT_ACCESS_KEY="+accessKey, "DAYPASS_ROOT_SECRET_KEY="+secretKey, "DAYPASS_MASTER_KEY="+masterKey,
		"DAYPASS_STATE="+n.stateURL(), "AWS_ACCESS_KEY_ID="+upstreamKey, "AWS_SECRET_ACCESS_KEY="+upstreamSecret)
	n.cmd.Stdout, n.cmd.Stderr = log, log
	if err := n.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func(cmd *exec.Cmd, exited chan struct{}) {
		cmd.Wait()
		close(exited)
	}(n.cmd, n.exited)
}

// readiness returns why the node is not ready, or nothing, and all that /readyz
// says.
func (n *node) readiness() (why, text string) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "GET", "http://"+n.ops+"/readyz", nil)
	if err != nil {
		return err.Error(), err.Error()
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err.Error(), err.Error()
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return err.Error(), err.Error()
	}
	if res.StatusCode == http.StatusOK {
		return "", string(body)
	}
	return string(body), string(body)
}

// stateTrouble returns why the node does not reach state, or nothing.
func (n *node) stateTrouble() string {
	_, text := n.readiness()
	if strings.HasPrefix(text, "ok\n") && !strings.Contains(text, "\nstate: ") {
		return ""
	}
	return text
}

// waitReady waits until the node is ready and returns when that was.
func (n *node) waitReady(t *testing.T, limit time.Duration) time.Time {
	t.Helper()
	last := ""
	ok := until(limit, func() bool {
		select {
		case <-n.exited:
			t.Fatalf("%s has ended: %v\n%s", n.name, n.cmd.ProcessState, n.tail())
		default:
		}
		last, _ = n.readiness()
		return last == ""
	})
	if !ok {
		t.Fatalf("%s is not ready after %v: %s\n%s", n.name, limit, last, n.tail())
	}
	return time.Now()
}

// tail is the end of the node's log, requests left out.
func (n *node) tail() string {
	text, err := os.ReadFile(n.room.path(n.name + ".log"))
	if err != nil {
		return err.Error()
	}
	lines := slices.DeleteFunc(strings.Split(string(text), "\n"), func(line string) bool { return strings.Contains(line, " msg=request ") })
	return strings.Join(lines[max(0, len(lines)-15):], "\n")
}

// runs tells whether the process is there.
func (n *node) runs() bool {
	select {
	case <-n.exited:
		return false
	default:
		return true
	}
}

// kill ends the node as a crash would.
func (n *node) kill() {
	n.cmd.Process.Kill()
	<-n.exited
}

// stop asks the node to drain and waits for its end.
func (n *node) stop(t *testing.T) {
	t.Helper()
	if err := n.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatalf("%s: %v\n%s", n.name, err, n.tail())
	}
	select {
	case <-n.exited:
	case <-time.After(drain + drainDelay + 10*time.Second):
		t.Errorf("%s still runs long after SIGTERM\n%s", n.name, n.tail())
		n.kill()
	}
	if code := n.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("%s exited with %d after SIGTERM\n%s", n.name, code, n.tail())
	}
}

// setWires changes how the node reaches PostgreSQL.
func (n *node) setWires(s wireState) {
	for _, w := range n.wires {
		w.set(s)
	}
}

// A clusterRig is all of it, running.
type rig struct {
	*room
	ceph  *ceph
	pg    *postgres
	nodes []*node
	proxy string       // base URL of HAProxy
	http  *http.Client // through HAProxy
}

// startRig starts engines, nodes and the proxy before them.
func startRig(t *testing.T) *rig {
	t.Helper()
	haproxy := need(t, "haproxy", "haproxy", "/usr/sbin/haproxy")
	room := openRoom(t)
	r := &rig{room: room, ceph: startCeph(t, room), pg: startPostgres(t, room)}
	port := freePorts(t, 1)[0]
	r.proxy, r.http = "http://"+loopback(port), clientTo(loopback(port))
	for i := range 3 {
		n := newNode(t, room, fmt.Sprintf("n%d", i+1), r.storeURL(), r.pg, "--public-url", r.proxy)
		r.nodes = append(r.nodes, n)
		n.start(t)
	}
	r.startProxy(t, haproxy, port)
	return r
}

// storeURL is that of the gateways: each bucket is one of theirs.
func (r *rig) storeURL() string {
	return "s3://?endpoint=" + strings.Join(r.ceph.endpoints(), ",") + "&region=" + region +
		"&style=path&timeout=" + upstreamTimeout.String()
}

// startProxy starts HAProxy and waits until it has found the nodes.
func (r *rig) startProxy(t *testing.T, haproxy string, port int) {
	t.Helper()
	config, err := os.ReadFile("../engines/haproxy.cfg")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(r.path("haproxy.cfg"), config, 0o644); err != nil {
		t.Fatal(err)
	}
	log, err := os.Create(r.path("haproxy.log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd := exec.Command(haproxy, "-db", "-f", r.path("haproxy.cfg"))
	cmd.Env = cleanEnv("DAYPASS_PROXY_SOCKET="+r.path("haproxy.sock"), "DAYPASS_PROXY_LISTEN="+loopback(port))
	for i, n := range r.nodes {
		_, ops, _ := net.SplitHostPort(n.ops)
		cmd.Env = append(cmd.Env, fmt.Sprintf("DAYPASS_NODE%d=%s", i+1, n.addr), fmt.Sprintf("DAYPASS_NODE%d_OPS=%s", i+1, ops))
	}
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go cmd.Wait()
	if !until(10*time.Second, func() bool {
		res, err := r.http.Get(r.proxy + "/")
		if err != nil {
			return false
		}
		res.Body.Close()
		return res.StatusCode == http.StatusForbidden // nobody signed this
	}) {
		text, _ := os.ReadFile(r.path("haproxy.log"))
		t.Fatalf("HAProxy does not answer: %s", text)
	}
}

// clientTimeout is how long a client waits for an answer and its body: longer
// than the nodes may need, so that one which hangs is told from one that fails.
const clientTimeout = 30 * time.Second

// clientTo returns a client whose connections all go to one address. It does
// not follow redirects.
func clientTo(addr string) *http.Client {
	return &http.Client{
		Timeout: clientTimeout,
		Transport: &http.Transport{
			DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
				return (&net.Dialer{Timeout: 2 * time.Second}).DialContext(ctx, network, addr)
			},
			MaxIdleConnsPerHost: 32,
			// Sooner than HAProxy gives idle connections up, or a request could
			// be on its way to one that is being closed.
			IdleConnTimeout: 5 * time.Second,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// until asks again and again, for a limited time, and returns whether the
// answer was yes.
func until(limit time.Duration, yes func() bool) bool {
	end := time.Now().Add(limit)
	for !yes() {
		if time.Now().After(end) {
			return false
		}
		time.Sleep(20 * time.Millisecond)
	}
	return true
}

// A gap is a time in which a node did not reach state.
type gap struct {
	from   time.Time
	since  time.Time // it surely did not any more; zero: from
	mended time.Time // the node could reach state again; zero: not yet
	to     time.Time // the node said that it reaches state; zero: not yet
}

// loseState notes that a node loses sight of state from now on.
func (n *node) loseState() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.gaps = append(n.gaps, gap{from: time.Now()})
}

// lostState notes that what loseState announced is done.
func (n *node) lostState() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.gaps[len(n.gaps)-1].since = time.Now()
}

// mendState notes that nothing stands between the node and state any more.
func (n *node) mendState() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.gaps[len(n.gaps)-1].mended = time.Now()
}

// findState notes that the node says that it reaches state again.
func (n *node) findState() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.gaps[len(n.gaps)-1].to = time.Now()
}

// inGap tells whether the node has lost sight of state.
func (n *node) inGap() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.gaps) > 0 && n.gaps[len(n.gaps)-1].to.IsZero()
}

// A verdict is what to think of a node that served a revoked pass.
type verdict int

const (
	inTime  verdict = iota // less than a second after, and the slack
	blind                  // it did not reach state, and within its grace
	tooLate                // it reached state for more than a second
	blindly                // it did not reach state, and its grace was over
)

// judge decides about a pass that was revoked at one time and served at
// another, and returns when the node lost sight of state, where it had.
func (n *node) judge(acked, served time.Time) (verdict, time.Time) {
	n.mu.Lock()
	defer n.mu.Unlock()
	late := served.Sub(acked) > lasting+slack
	for _, g := range n.gaps {
		// Outside of a gap, and a second around it, the node should know.
		if acked.Before(g.from.Add(-lasting)) || served.Before(g.from) || !g.to.IsZero() && served.After(g.to.Add(lasting+slack)) {
			continue
		}
		since := g.from
		if !g.since.IsZero() {
			since = g.since
		}
		switch {
		case served.Sub(since) <= lasting+grace:
			return blind, g.from
		case !g.mended.IsZero() && served.After(g.mended) && !late:
			return inTime, g.from // it may have found state, and not this revocation yet
		}
		return blindly, g.from
	}
	if late {
		return tooLate, time.Time{}
	}
	return inTime, time.Time{}
}

// forgetGaps begins anew.
func (n *node) forgetGaps() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.gaps = nil
}
