package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/daypass/daypass/internal/bench"
	"github.com/daypass/daypass/sign"
)

// A contestant is a server that is measured.
type contestant struct {
	name  string
	cores cores
	// command makes the command line that runs it at an address.
	command func(address string) (*exec.Cmd, error)
	// target is where it is asked.
	target func(address string) (*bench.Target, error)
	// probe is a request that it answers with 200 once it is there: a URL.
	probe func(address string) (string, error)
	// metrics is the URL of its metrics, "" for none.
	metrics string
	// takes says which rows it has.
	takes func(*row) bool

	address string
	cmd     *exec.Cmd
	output  bytes.Buffer
}

// Key of the servers that are measured: they listen on loopback for a while.
const (
	keyID  = "AKIABENCHBENCHBENCH0"
	secret = "bench-bench-bench-bench-bench-bench-0000"
	bucket = "bench"
	region = "us-east-1"
)

// contestants returns all, none of which runs yet.
func contestants(o *options, dir string, c cores) ([]*contestant, error) {
	nginx, err := nginxContestant(filepath.Join(dir, "nginx"))
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	own, err := daypassContestant("daypass", o.daypass, filepath.Join(dir, "daypass"))
	if err != nil {
		return nil, err
	}
	all := []*contestant{own, nginx, {name: "net/http", takes: func(r *row) bool { return r.yardstick },
		command: func(address string) (*exec.Cmd, error) { return exec.Command(self, "-handler", address), nil },
		target:  plainTarget, probe: plainProbe}}
	if o.against != "" {
		before, err := daypassContestant("against", o.against, filepath.Join(dir, "against"))
		if err != nil {
			return nil, err
		}
		all = append(all, before)
	}
	for _, one := range all {
		one.cores = c
	}
	return all, nil
}

func everyRow(*row) bool { return true }

// plainTarget asks without signatures.
func plainTarget(address string) (*bench.Target, error) {
	return bench.Plain("http://"+address+"/{key}", nil)
}

// plainProbe asks for a file that is always there.
func plainProbe(address string) (string, error) { return "http://" + address + "/probe", nil }

// daypassContestant is a build of Daypass, on a data directory of its own.
func daypassContestant(name, program, dir string) (*contestant, error) {
	if _, err := os.Stat(program); err != nil {
		return nil, fmt.Errorf("%w\n  'make build' builds it", err)
	}
	ops, err := freeAddress()
	if err != nil {
		return nil, err
	}
	presigner := func(address string) (*sign.Presigner, error) {
		return sign.NewPresigner(sign.Key{ID: keyID, Secret: secret}, "http://"+address, region)
	}
	return &contestant{name: name, takes: everyRow, metrics: "http://" + ops + "/metrics",
		command: func(address string) (*exec.Cmd, error) {
			cmd := exec.Command(program, "serve", "--data", dir, "--listen", address, "--ops-listen", ops)
			cmd.Env = append(os.Environ(), "DAYPASS_ROOT_ACCESS_KEY="+keyID, "DAYPASS_ROOT_SECRET_KEY="+secret)
			return cmd, nil
		},
		target: func(address string) (*bench.Target, error) {
			p, err := presigner(address)
			if err != nil {
				return nil, err
			}
			return bench.Presigned(p, bench.S3Options{Bucket: bucket})
		},
		probe: func(address string) (string, error) {
			p, err := presigner(address)
			if err != nil {
				return "", err
			}
			return p.URL(time.Now(), "GET", "", "", time.Hour) // lists the buckets
		}}, nil
}

// errNoNginx says what to do.
var errNoNginx = errors.New("nginx is not installed; it is the yardstick\n  as root: apt-get install nginx-light (or nginx), and switch its service off")

// nginxContestant is Debian's nginx: static files, and uploads by WebDAV.
func nginxContestant(dir string) (*contestant, error) {
	program, err := exec.LookPath("nginx")
	if err != nil {
		if program = "/usr/sbin/nginx"; !executable(program) {
			return nil, errNoNginx
		}
	}
	return &contestant{name: "nginx", takes: everyRow, target: plainTarget, probe: plainProbe,
		command: func(address string) (*exec.Cmd, error) {
			if err := writeNginx(dir, address); err != nil {
				return nil, err
			}
			return exec.Command(program, "-p", dir, "-c", filepath.Join(dir, "nginx.conf")), nil
		}}, nil
}

func executable(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.Mode()&0o111 != 0
}

// nginxConfig is one worker with sendfile and keep-alive, without a log: what
// nginx is fastest with.
const nginxConfig = `%sworker_processes 1;
daemon off;
pid %[2]s/pid;
error_log %[2]s/error.log;
events { worker_connections 1024; }
http {
	access_log off;
	sendfile on;
	tcp_nopush on;
	keepalive_requests 1000000000;
	client_max_body_size 0;
	client_body_buffer_size 16k;
	client_body_temp_path %[2]s/tmp;
	server {
		listen %[3]s;
		root %[2]s/files;
		location / { dav_methods PUT; create_full_put_path on; }
	}
}
`

func writeNginx(dir, address string) error {
	if err := os.MkdirAll(filepath.Join(dir, "files"), 0o755); err != nil {
		return err
	}
	user := ""
	if os.Geteuid() == 0 {
		user = "user root;\n" // else it would drop to one who may not write here
	}
	if err := os.WriteFile(filepath.Join(dir, "files", "probe"), []byte("here"), 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "nginx.conf"), fmt.Appendf(nil, nginxConfig, user, dir, address), 0o644)
}

// freeAddress returns an address that nobody listens on.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// start starts the server and returns after how long it answered a request.
func (c *contestant) start(ctx context.Context) (time.Duration, error) {
	if c.address == "" {
		address, err := freeAddress()
		if err != nil {
			return 0, err
		}
		c.address = address
	}
	cmd, err := c.command(c.address)
	if err != nil {
		return 0, err
	}
	c.output.Reset()
	cmd.Stderr = io.Discard
	if c.name == "nginx" {
		cmd.Stderr = &c.output
	}
	url, err := c.probe(c.address)
	if err != nil {
		return 0, err
	}
	begin := time.Now()
	if err := c.cores.start(cmd); err != nil {
		return 0, err
	}
	c.cmd = cmd
	if err := answers(ctx, url); err != nil {
		return 0, fmt.Errorf("%s does not answer: %w\n%s", c.name, err, c.output.String())
	}
	return time.Since(begin), nil
}

// pid is the id of the server's process.
func (c *contestant) pid() int { return c.cmd.Process.Pid }

// stop ends the server.
func (c *contestant) stop() error {
	if c.cmd == nil {
		return nil
	}
	cmd := c.cmd
	c.cmd = nil
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	late := time.AfterFunc(stopTime, func() { cmd.Process.Kill() })
	defer late.Stop()
	// A server that was told to end may say so by its exit code.
	var exit *exec.ExitError
	if err := cmd.Wait(); err != nil && !errors.As(err, &exit) {
		return err
	}
	return nil
}

// stopTime is how long a server may take to end.
const stopTime = 30 * time.Second

// answers waits until a URL is answered with 200. It asks anew each fifth of a
// millisecond, over connections of its own.
func answers(ctx context.Context, url string) error {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}
	var last error
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline) && ctx.Err() == nil; time.Sleep(200 * time.Microsecond) {
		resp, err := client.Get(url)
		if err != nil {
			last = err
			continue
		}
		resp.Body.Close()
		if resp.StatusCode == http.StatusOK {
			return nil
		}
		last = errors.New(resp.Status)
	}
	return errors.Join(ctx.Err(), last)
}

// syncsMetric counts how often a server has synced its files.
const syncsMetric = "daypass_store_syncs_total"

// counters returns the counters of the server that tables need; none where it
// has none.
func (c *contestant) counters(ctx context.Context) map[string]float64 {
	if c.metrics == "" {
		return nil
	}
	text, err := fetch(ctx, c.metrics)
	if err != nil {
		return nil
	}
	if v, ok := metric(text, syncsMetric); ok {
		return map[string]float64{syncsMetric: v}
	}
	return nil
}

func fetch(ctx context.Context, url string) (string, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 16<<20))
	return string(text), err
}

// metric sums the series of a counter in the text format of Prometheus.
func metric(text, name string) (sum float64, found bool) {
	for line := range strings.Lines(text) {
		rest, ok := strings.CutPrefix(line, name)
		if !ok || rest == "" || rest[0] != '{' && rest[0] != ' ' {
			continue
		}
		fields := strings.Fields(rest)
		v, err := strconv.ParseFloat(fields[len(fields)-1], 64)
		if err != nil {
			continue
		}
		sum, found = sum+v, true
	}
	return sum, found
}
