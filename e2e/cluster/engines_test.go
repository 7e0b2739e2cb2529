package cluster

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// What the nodes are keys for upstream, and the password of PostgreSQL.
const (
	upstreamKey    = "UPSTREAMCLUSTERKEY01"
	upstreamSecret = "upstream/cluster+secret=abcdefghijklmnop"
	dbPassword     = "cluster-test"
)

const (
	osds     = 3
	gateways = 2
)

// An engine room is the directory of all servers of a test. Whatever becomes of
// the test, a process of its own stops everything that was started in it.
type room struct{ dir string }

// openRoom makes the directory and starts its keeper.
func openRoom(t *testing.T) *room {
	t.Helper()
	dir, err := os.MkdirTemp("", "daypass-cluster-")
	if err != nil {
		t.Fatal(err)
	}
	// PostgreSQL, which refuses root, has its files below.
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	r := &room{dir: dir}
	keeper := exec.Command("../engines/keep.sh", dir)
	keeper.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	alive, err := keeper.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := keeper.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		alive.Close()
		if err := keeper.Wait(); err != nil {
			t.Errorf("stopping what ran in %s: %v", dir, err)
		}
		r.leave(t)
	})
	return r
}

// path is a file in the room.
func (r *room) path(name ...string) string { return filepath.Join(append([]string{r.dir}, name...)...) }

// leave removes the room. After a failure it keeps the logs.
func (r *room) leave(t *testing.T) {
	if t.Failed() {
		kept, err := keepLogs(r.dir)
		t.Logf("the logs of all servers are in %s (%v)", kept, err)
	}
	if err := os.RemoveAll(r.dir); err != nil {
		t.Error(err)
	}
}

// keepLogs copies every log below a directory, but not what servers stored.
func keepLogs(dir string) (string, error) {
	kept, err := filepath.Abs("../../.build/cluster-logs")
	if err != nil {
		return "", err
	}
	if err := os.RemoveAll(kept); err != nil {
		return kept, err
	}
	return kept, filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || !strings.HasSuffix(path, ".log") {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		to := filepath.Join(kept, name)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		return os.WriteFile(to, text, 0o644)
	})
}

// script runs one of the scripts in e2e/engines.
func (r *room) script(t *testing.T, env []string, name string, args ...string) {
	t.Helper()
	start := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	// A daemon that outlives the script must not hold its output open.
	log := r.path(name + ".log")
	f, err := os.Create(log)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	cmd := exec.CommandContext(ctx, "../engines/"+name, args...)
	cmd.Env, cmd.Stdout, cmd.Stderr = cleanEnv(env...), f, f
	if err := cmd.Run(); err != nil {
		text, _ := os.ReadFile(log)
		t.Fatalf("%s: %v\n%s", name, err, text)
	}
	t.Logf("%s took %.1f s", name, time.Since(start).Seconds())
}

// freePorts returns ports of loopback that nobody listens on now. They lie below
// those that systems give to connections (RFC 6335 begins these at 49152, Linux
// at 32768): a server that is restarted must find its port free again.
func freePorts(t *testing.T, n int) []int {
	t.Helper()
	const first, end = 12000, 32000
	var ports []int
	for tries := 0; len(ports) < n; tries++ {
		port := first + rand.IntN(end-first)
		l, err := net.Listen("tcp", loopback(port))
		if err != nil && tries < 1000 {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		ports = append(ports, port)
	}
	return ports
}

func loopback(port int) string { return "127.0.0.1:" + strconv.Itoa(port) }

// Ceph is three OSDs, of which two must hold a write, and two gateways.
type ceph struct {
	*room
	conf string
	rgw  []int // ports of the gateways
}

func startCeph(t *testing.T, r *room) *ceph {
	t.Helper()
	need(t, "ceph", "ceph-osd")
	need(t, "ceph", "radosgw")
	ports := freePorts(t, 1+gateways)
	c := &ceph{room: r, conf: r.path("ceph", "ceph.conf"), rgw: ports[1:]}
	args := []string{r.path("ceph")}
	for _, p := range ports {
		args = append(args, strconv.Itoa(p))
	}
	r.script(t, []string{"ACCESS_KEY=" + upstreamKey, "SECRET_KEY=" + upstreamSecret, "OSDS=" + strconv.Itoa(osds)}, "ceph-up.sh", args...)
	return c
}

// endpoints are the base URLs of the gateways.
func (c *ceph) endpoints() []string {
	var urls []string
	for _, p := range c.rgw {
		urls = append(urls, "http://"+loopback(p))
	}
	return urls
}

func (c *ceph) killOSD(t *testing.T, n int)     { c.kill(t, fmt.Sprintf("osd.%d", n)) }
func (c *ceph) killGateway(t *testing.T, n int) { c.kill(t, fmt.Sprintf("client.rgw%d", n)) }

// pid is the process of a daemon, running or not.
func (c *ceph) pid(name string) (int, error) {
	text, err := os.ReadFile(c.path("ceph", "run", name+".pid"))
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(text)))
}

// runs tells whether a daemon is there.
func (c *ceph) runs(name string) bool {
	pid, err := c.pid(name)
	return err == nil && syscall.Kill(pid, 0) == nil
}

func (c *ceph) signal(t *testing.T, name string, s syscall.Signal) {
	t.Helper()
	pid, err := c.pid(name)
	if err == nil {
		err = syscall.Kill(pid, s)
	}
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

// kill ends a daemon as a crash would.
func (c *ceph) kill(t *testing.T, name string) {
	t.Helper()
	c.signal(t, name, syscall.SIGKILL)
	// The port and the lock of the dead are free once it is gone.
	if !until(10*time.Second, func() bool { return !c.runs(name) }) {
		t.Fatalf("%s survives SIGKILL", name)
	}
}

func (c *ceph) startOSD(t *testing.T, n int) {
	t.Helper()
	out, err := exec.Command("ceph-osd", "-c", c.conf, "-i", strconv.Itoa(n)).CombinedOutput()
	if err != nil {
		t.Fatalf("OSD %d: %v\n%s", n, err, out)
	}
}

// startGateway starts a gateway and waits until it answers.
func (c *ceph) startGateway(t *testing.T, n int) {
	t.Helper()
	cmd := exec.Command("radosgw", "-c", c.conf, "-n", fmt.Sprintf("client.rgw%d", n), "--rgw-data="+c.path("ceph", fmt.Sprintf("rgw%d", n)),
		"--rgw-frontends=beast endpoint="+loopback(c.rgw[n]))
	if err := cmd.Run(); err != nil { // it becomes a daemon
		t.Fatalf("gateway %d: %v", n, err)
	}
	client := clientTo(loopback(c.rgw[n]))
	if !until(30*time.Second, func() bool {
		res, err := client.Get("http://" + loopback(c.rgw[n]) + "/")
		return err == nil && res.Body.Close() == nil
	}) {
		t.Fatalf("gateway %d does not answer", n)
	}
}

// waitOSDs waits until the monitor knows that so many OSDs are up.
func (c *ceph) waitOSDs(t *testing.T, up int) {
	t.Helper()
	cmd := exec.Command("../engines/ceph-mon.py", c.conf)
	cmd.Stdin = strings.NewReader(fmt.Sprintf("osds %d\n", up))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("waiting for %d OSDs: %v\n%s", up, err, out)
	}
}

// PostgreSQL is a primary and a standby that has every commit before it is
// acknowledged.
type postgres struct {
	*room
	bin              string
	primary, standby int // ports
}

func startPostgres(t *testing.T, r *room) *postgres {
	t.Helper()
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/pg_ctl")
	ctl := need(t, "postgres", append(found, "pg_ctl")...)
	ports := freePorts(t, 2)
	p := &postgres{room: r, bin: filepath.Dir(ctl), primary: ports[0], standby: ports[1]}
	r.script(t, []string{"PGPASSWORD=" + dbPassword}, "postgres-up.sh", r.path("postgres"), strconv.Itoa(p.primary), strconv.Itoa(p.standby))
	return p
}

// killPrimary ends the primary with all its processes, as a power cut would.
func (p *postgres) killPrimary(t *testing.T) {
	t.Helper()
	text, err := os.ReadFile(p.path("postgres", "primary", "postmaster.pid"))
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(text), "\n")
	pid, err := strconv.Atoi(first)
	if err != nil {
		t.Fatal(err)
	}
	// The postmaster first, so that it does not restart what dies.
	for _, pid := range append([]int{pid}, children(pid)...) {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && err != syscall.ESRCH {
			t.Fatal(err)
		}
	}
}

// children returns the processes that a process has started.
func children(parent int) []int {
	var found []int
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, file := range stats {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // gone
		}
		// pid (name) state ppid …, as proc(5) has it; the name may hold spaces.
		fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if err == nil && len(fields) > 1 && fields[1] == strconv.Itoa(parent) {
			found = append(found, pid)
		}
	}
	return found
}

// promote makes the standby the primary.
func (p *postgres) promote(t *testing.T) {
	t.Helper()
	args := []string{filepath.Join(p.bin, "pg_ctl"), "-D", p.path("postgres", "standby"), "-w", "-t", "60", "promote"}
	if os.Getuid() == 0 {
		args = append([]string{"runuser", "-u", "postgres", "--"}, args...)
	}
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir = p.path("postgres")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("promote the standby: %v\n%s", err, out)
	}
}
