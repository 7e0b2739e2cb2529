package e2e

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

const (
	region    = "us-east-1"
	accessKey = "E2EROOTACCESSKEY0001"
	secretKey = "e2e/root+secret=key/abcdefghijklmnopqrst"
)

// A server is a running daypass serve.
type server struct {
	dir string // its data directory
	url string // of the S3 endpoint, http://127.0.0.1:PORT
	ops string // of the operations listener
	cmd *exec.Cmd
	log *output
	// exited is closed when the process is gone.
	exited chan struct{}
}

// addr is the host and port of the S3 endpoint.
func (s *server) addr() string { return strings.TrimPrefix(s.url, "http://") }

// localhost is the endpoint under the name that allows virtual-host style.
func (s *server) localhost() string {
	_, port, _ := net.SplitHostPort(s.addr())
	return "http://localhost:" + port
}

// serve starts the program on a new data directory and stops it after the
// test.
func serve(t *testing.T, flags ...string) *server {
	t.Helper()
	s := launch(t, t.TempDir(), flags...)
	t.Cleanup(func() { s.stop(t) })
	return s
}

// launch starts the program on a data directory and waits until it is ready. Its
// log has every request, so that nothing secret gets into any line unseen.
func launch(t *testing.T, dir string, flags ...string) *server {
	t.Helper()
	args := append([]string{"serve", "--data", dir, "--listen", "127.0.0.1:0",
		"--ops-listen", "127.0.0.1:0", "--region", region, "--domain", "localhost", "--log-level", "debug"}, flags...)
	s := &server{dir: dir, cmd: exec.Command(program, args...), log: newOutput(), exited: make(chan struct{})}
	s.cmd.Env = programEnv("DAYPASS_ROOT_ACCESS_KEY="+accessKey, "DAYPASS_ROOT_SECRET_KEY="+secretKey)
	s.cmd.Stdout, s.cmd.Stderr = s.log, s.log
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		s.cmd.Wait()
		close(s.exited)
	}()
	line, err := s.log.wait(regexp.MustCompile(`(?i)\bready\b.*`), s.exited, 30*time.Second)
	if err != nil {
		s.cmd.Process.Kill()
		t.Fatalf("daypass serve: %v\n%s", err, s.log)
	}
	addrs := regexp.MustCompile(`127\.0\.0\.1:\d+`).FindAllString(line, -1)
	if len(addrs) != 2 {
		s.cmd.Process.Kill()
		t.Fatalf("the line that says ready names %q, not the two listeners: %s", addrs, line)
	}
	s.url, s.ops = "http://"+addrs[0], "http://"+addrs[1]
	return s
}

// programEnv is the environment for the program: ours without any setting of
// Daypass or AWS, and more.
func programEnv(more ...string) []string {
	var env []string
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "DAYPASS_") && !strings.HasPrefix(v, "AWS_") {
			env = append(env, v)
		}
	}
	return append(env, more...)
}

// stop asks the server to drain and fails the test if it does not.
func (s *server) stop(t *testing.T) {
	t.Helper()
	if s.cmd.Process.Signal(syscall.SIGTERM) != nil {
		return // gone already
	}
	select {
	case <-s.exited:
	case <-time.After(30 * time.Second):
		s.kill()
		t.Errorf("daypass serve still runs 30 s after SIGTERM\n%s", s.log)
	}
	if code := s.cmd.ProcessState.ExitCode(); code != 0 && code != -1 {
		t.Errorf("daypass serve exited with %d\n%s", code, s.log)
	}
	log := s.log.String()
	if strings.Contains(log, secretKey) || regexp.MustCompile(`(?i)signature=[0-9a-z%+/]{20}`).MatchString(log) {
		t.Errorf("the log holds a secret or a signature")
	}
	if t.Failed() {
		t.Logf("the server's output ends with:\n%s", log[max(0, len(log)-4000):])
	}
}

// kill ends the server as a crash would.
func (s *server) kill() {
	s.cmd.Process.Kill()
	<-s.exited
}

// httpClient reaches the server whatever the host of the URL says.
func (s *server) httpClient() *http.Client {
	return &http.Client{
		Timeout: time.Minute,
		Transport: &http.Transport{
			DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, network, s.addr())
			},
			MaxIdleConnsPerHost: 16,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// s3 returns a client with the root key.
func (s *server) s3(opts ...func(*s3.Options)) *s3.Client {
	return s3.New(s3.Options{
		BaseEndpoint: aws.String(s.localhost()),
		Region:       region,
		Credentials:  credentials.NewStaticCredentialsProvider(accessKey, secretKey, ""),
		HTTPClient:   s.httpClient(),
		UsePathStyle: true,
	}, opts...)
}

// output collects what a process prints.
type output struct {
	mu      sync.Mutex
	text    strings.Builder
	changed chan struct{}
}

func newOutput() *output { return &output{changed: make(chan struct{}, 1)} }

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	select {
	case o.changed <- struct{}{}:
	default:
	}
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// wait returns the first whole line in which re matches, as soon as there is
// one.
func (o *output) wait(re *regexp.Regexp, exited <-chan struct{}, limit time.Duration) (string, error) {
	timeout := time.After(limit)
	for {
		lines := bufio.NewReader(strings.NewReader(o.String()))
		for {
			line, err := lines.ReadString('\n')
			if err == io.EOF {
				break // the last line may not be whole
			}
			if re.MatchString(line) {
				return strings.TrimRight(line, "\r\n"), nil
			}
		}
		select {
		case <-o.changed:
		case <-exited:
			return "", errors.New("exited early")
		case <-timeout:
			return "", fmt.Errorf("printed no line that matches %s within %v", re, limit)
		}
	}
}
