package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/daypass/daypass/sign"
)

// The access key of the servers under test.
const (
	rootID     = "AKIDROOTROOTROOT0000"
	rootSecret = "secretsecretsecretsecretsecretsecret0000"
	region     = "us-east-1"
)

// clockTick is the unit of CPU time in /proc, in seconds: USER_HZ, which is 100
// on every Linux that Go runs on.
const clockTick = 0.01

// startTimeout is how long a server may take to answer.
const startTimeout = 2 * time.Minute

// A process is a server under test.
type process struct {
	cmd     *exec.Cmd
	address string
	log     string
	exited  chan struct{}
	sign    *sign.Presigner
	// started is how long it took from before the process was made to the
	// first answered request.
	started time.Duration
}

// freeAddress returns an address on which nobody listens.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// A probe is the first request that a server must answer with 200.
type probe struct{ method, bucket, key string }

// startServer starts the program over a data directory and waits for its first
// answer. more are further flags of serve.
func startServer(ctx context.Context, program, data string, first probe, more ...string) (*process, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	args := append([]string{"serve", "--data", data, "--listen", address, "--ops-listen", ""}, more...)
	cmd := exec.Command(program, args...)
	cmd.Env = append(os.Environ(), "DAYPASS_ROOT_ACCESS_KEY="+rootID, "DAYPASS_ROOT_SECRET_KEY="+rootSecret)
	p := &process{cmd: cmd, address: address, log: filepath.Clean(data) + ".log"}
	if p.sign, err = sign.NewPresigner(sign.Key{ID: rootID, Secret: rootSecret}, "http://"+address, region); err != nil {
		return nil, err
	}
	url, err := p.url(first.method, first.bucket, first.key)
	if err != nil {
		return nil, err
	}
	return p, p.start(ctx, request{method: first.method, url: url})
}

// start runs the process until it has answered a request.
func (p *process) start(ctx context.Context, first request) error {
	log, err := os.Create(p.log)
	if err != nil {
		return err
	}
	defer log.Close()
	p.cmd.Stdout, p.cmd.Stderr = log, log
	p.exited = make(chan struct{})
	before := time.Now()
	if err := p.cmd.Start(); err != nil {
		return err
	}
	go func() {
		p.cmd.Wait()
		close(p.exited)
	}()
	if err := p.answer(ctx, first); err != nil {
		p.kill()
		return fmt.Errorf("%w (see %s)", err, p.log)
	}
	p.started = time.Since(before)
	return nil
}

// answer waits until the process has answered a request.
func (p *process) answer(ctx context.Context, first request) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for {
		c, err := dial(p.address)
		if err == nil {
			defer c.close()
			_, err = c.do(first)
			return err
		}
		select {
		case <-p.exited:
			return errors.New("the server has ended")
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(200 * time.Microsecond):
		}
	}
}

// url returns a pre-signed URL. params are names and values in turn.
func (p *process) url(method, bucket, key string, params ...string) (string, error) {
	return p.urlWith(method, bucket, key, nil, params...)
}

// urlWith returns a pre-signed URL for a request that also has headers.
func (p *process) urlWith(method, bucket, key string, header http.Header, params ...string) (string, error) {
	req := sign.URLRequest{Method: method, Bucket: bucket, Key: key, Time: time.Now().UTC(), Lifetime: 24 * time.Hour, Header: header}
	for i := 0; i+1 < len(params); i += 2 {
		req.Query = append(req.Query, sign.Param{Name: params[i], Value: params[i+1]})
	}
	return p.sign.Presign(req)
}

// stop ends the process as an operator does, and waits.
func (p *process) stop() {
	p.cmd.Process.Signal(syscall.SIGTERM)
	<-p.exited
}

// kill ends the process as a crash does, and waits.
func (p *process) kill() {
	p.cmd.Process.Kill()
	<-p.exited
}

// cpu returns the CPU time that the process has used, in seconds, and its
// children, such as nginx's workers.
func (p *process) cpu() (float64, error) {
	var total float64
	for _, pid := range p.family() {
		t, err := cpuOf(pid)
		if err != nil {
			return 0, err
		}
		total += t
	}
	return total, nil
}

// family returns the ids of the process and its children.
func (p *process) family() []string {
	pid := strconv.Itoa(p.cmd.Process.Pid)
	children, _ := os.ReadFile("/proc/" + pid + "/task/" + pid + "/children") // not in every kernel
	return append([]string{pid}, strings.Fields(string(children))...)
}

func cpuOf(pid string) (float64, error) {
	text, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	if len(fields) < 13 {
		return 0, errors.New("malformed /proc/PID/stat")
	}
	user, err := strconv.ParseFloat(fields[11], 64)
	if err != nil {
		return 0, err
	}
	system, err := strconv.ParseFloat(fields[12], 64)
	return (user + system) * clockTick, err
}

// rss returns the resident set of the process and its children, in bytes.
func (p *process) rss() (int64, error) {
	var total int64
	for _, pid := range p.family() {
		text, err := os.ReadFile("/proc/" + pid + "/status")
		if err != nil {
			return 0, err
		}
		for line := range strings.Lines(string(text)) {
			var kib int64
			if n, _ := fmt.Sscanf(line, "VmRSS: %d kB", &kib); n == 1 {
				total += kib << 10
			}
		}
	}
	return total, nil
}
