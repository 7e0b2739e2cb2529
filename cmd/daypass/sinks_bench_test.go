package main

import (
	"bufio"
	"context"
	"crypto/md5"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/audit"
	"github.com/daypass/daypass/notify"
	"github.com/daypass/daypass/sign"
	"github.com/daypass/daypass/state"
	"github.com/daypass/daypass/store"
)

// BenchmarkSinks downloads objects by pre-signed URLs, over connections that stay
// open, from a server that records nothing and from one with all sinks, in
// turns. It tells how many requests the second serves per second of those of the
// first, and the processor time of both servers per request. "Later" is what the
// sinks still have to do when the load ends, since they let requests go first;
// the last figure counts the time until they have done it.
func BenchmarkSinks(b *testing.B) {
	for _, size := range []int{4 << 10, 256 << 10} {
		b.Run(fmt.Sprintf("%dKiB", size>>10), func(b *testing.B) { benchSinks(b, size) })
	}
}

func benchSinks(b *testing.B, size int) {
	servers := []*benchServerProcess{startBenchServer(b, "off", size), startBenchServer(b, "on", size)}
	var took [2]time.Duration
	for _, s := range servers {
		s.downloads(b, 2000) // so that connections and caches are warm
		s.ask(b, "cpu")
		s.signal(b, syscall.SIGSTOP)
	}
	b.ResetTimer()
	const round = 25000
	for left := b.N; left > 0; left -= round {
		for i, s := range servers {
			s.signal(b, syscall.SIGCONT)
			took[i] += s.downloads(b, min(left, round))
			s.signal(b, syscall.SIGSTOP) // the other has the machine for itself
		}
	}
	b.StopTimer()
	for _, s := range servers {
		s.signal(b, syscall.SIGCONT)
	}
	n := float64(b.N)
	off, on := servers[0].ask(b, "cpu"), servers[1].ask(b, "cpu")
	later := servers[1].ask(b, "drain")
	rest := servers[1].ask(b, "cpu")
	b.ReportMetric(n/took[0].Seconds(), "off/s")
	b.ReportMetric(n/took[1].Seconds(), "on/s")
	b.ReportMetric(100*took[0].Seconds()/took[1].Seconds(), "%-of-off")
	b.ReportMetric(off.Seconds()*1e6/n, "off-CPU-µs")
	b.ReportMetric(on.Seconds()*1e6/n, "on-CPU-µs")
	b.ReportMetric(rest.Seconds()*1e6/n, "later-CPU-µs")
	b.ReportMetric(100*took[0].Seconds()/(took[1]+later).Seconds(), "%-of-off-with-later")
}

// sinkClients is how many connections BenchmarkSinks has, benchURLs how many
// passes are used in turn.
const (
	sinkClients = 16
	benchURLs   = 1000
)

// A benchServerProcess is a server in a process of its own, and the connections
// to it.
type benchServerProcess struct {
	process *os.Process
	in      io.Writer
	out     *bufio.Scanner
	urls    []string
	size    int
	clients []rawClient
}

func startBenchServer(b *testing.B, sinks string, size int) *benchServerProcess {
	cmd := exec.Command("bench-node", sinks, b.TempDir(), fmt.Sprint(size))
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	check(b, err)
	out, err := cmd.StdoutPipe()
	check(b, err)
	check(b, cmd.Start())
	b.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGCONT)
		in.Close()
		if err := cmd.Wait(); err != nil {
			b.Error(err)
		}
	})
	s := &benchServerProcess{process: cmd.Process, in: in, out: bufio.NewScanner(out), size: size}
	for range benchURLs {
		s.urls = append(s.urls, s.line(b))
	}
	address, _, _ := strings.Cut(strings.TrimPrefix(s.urls[0], "http://"), "/")
	for range sinkClients {
		conn, err := net.Dial("tcp", address)
		check(b, err)
		b.Cleanup(func() { conn.Close() })
		s.clients = append(s.clients, rawClient{conn, bufio.NewReaderSize(conn, 64<<10)})
	}
	return s
}

func (s *benchServerProcess) line(b *testing.B) string {
	if !s.out.Scan() {
		b.Fatal("the server ended")
	}
	return s.out.Text()
}

func (s *benchServerProcess) signal(b *testing.B, what os.Signal) {
	check(b, s.process.Signal(what))
}

// ask asks the server for a duration.
func (s *benchServerProcess) ask(b *testing.B, what string) time.Duration {
	_, err := fmt.Fprintln(s.in, what)
	check(b, err)
	d, err := time.ParseDuration(s.line(b))
	check(b, err)
	return d
}

// downloads downloads so often, and returns how long that took.
func (s *benchServerProcess) downloads(b *testing.B, times int) time.Duration {
	var next atomic.Int64
	var wg sync.WaitGroup
	start := time.Now()
	for i := range s.clients {
		wg.Go(func() {
			for n := next.Add(1); n <= int64(times); n = next.Add(1) {
				if err := s.clients[i].download(s.urls[n%benchURLs], s.size); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	return time.Since(start)
}

// benchNode is the process of a benchServerProcess. It prints its URLs and then
// answers: "cpu" with the processor time since the last time, "drain" with how
// long it took until every sink had everything.
func benchNode(args []string) error {
	n, urls, err := newBenchNode(args[0] == "on", args[1], args[2])
	if err != nil {
		return err
	}
	fmt.Println(strings.Join(urls, "\n"))
	if stop, err := benchProfile(args[0]); err != nil {
		return err
	} else {
		defer stop()
	}
	var last time.Duration
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		start := time.Now()
		answer := time.Duration(0)
		switch in.Text() {
		case "cpu":
			var u syscall.Rusage
			if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
				return err
			}
			all := time.Duration(u.Utime.Nano() + u.Stime.Nano())
			answer, last = all-last, all
		case "drain":
			if err := n.spool.Sync(context.Background()); err != nil {
				return err
			}
			n.sinks.hurry()
			for n.behind() {
				time.Sleep(time.Millisecond)
			}
			if st := n.spool.Stats(); st.Dropped > 0 {
				return fmt.Errorf("%d events were dropped", st.Dropped)
			}
			answer = time.Since(start)
		}
		fmt.Println(answer)
	}
	return n.close()
}

// benchProfile writes profiles of the process into the directory that
// BENCH_PROFILE names, if it does.
func benchProfile(name string) (stop func(), err error) {
	dir := os.Getenv("BENCH_PROFILE")
	if dir == "" {
		return func() {}, nil
	}
	cpu, err := os.Create(filepath.Join(dir, name+".cpu"))
	if err != nil {
		return nil, err
	}
	runtime.SetMutexProfileFraction(100)
	if err := pprof.StartCPUProfile(cpu); err != nil {
		return nil, err
	}
	return func() {
		pprof.StopCPUProfile()
		cpu.Close()
		for _, kind := range []string{"mutex", "allocs"} {
			if f, err := os.Create(filepath.Join(dir, name+"."+kind)); err == nil {
				pprof.Lookup(kind).WriteTo(f, 0)
				f.Close()
			}
		}
	}, nil
}

func newBenchNode(sinks bool, dir, size string) (n *node, urls []string, err error) {
	ctx, a := context.Background(), system()
	a.out, a.err = io.Discard, io.Discard
	config := nodeConfig{data: dir, listen: "127.0.0.1:0", drain: time.Second,
		signingKey: func(ctx context.Context, s *state.State) (daypass.AccessKey, error) { return s.RootKey(ctx) }}
	config.server.Region = "us-east-1"
	config.events = eventConfig{maxAge: time.Hour, maxBytes: 1 << 30, logInterval: 5 * time.Minute}
	if sinks {
		config.opsListen = "127.0.0.1:0"
		config.events.accessLog = audit.LogFileOptions{Path: filepath.Join(dir, "access.log")}
		config.events.trail = filepath.Join(dir, "trail")
		config.events.webhookAllow = notify.Allowlist{netip.MustParsePrefix("127.0.0.0/8")}
		secret := filepath.Join(dir, "secret")
		if err := os.WriteFile(secret, []byte("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"), 0o600); err != nil {
			return nil, nil, err
		}
		receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
		if err := config.events.webhooks.Set("name=all,url=" + receiver.URL + ",secret-file=" + secret +
			",events=object-created object-removed pass-first-use pass-exhausted pass-refused pass-revoked"); err != nil {
			return nil, nil, err
		}
	}
	if n, err = a.openNode(ctx, config, slog.New(slog.DiscardHandler)); err != nil {
		return nil, nil, err
	}
	if err = a.ensureRoot(ctx, n); err != nil {
		return nil, nil, err
	}
	if sinks {
		err = n.listen(ctx)
	} else {
		err = n.listenS3() // events go nowhere
	}
	if err == nil {
		urls, err = n.benchObject(ctx, size)
	}
	if err == nil && sinks {
		err = n.benchLogging(ctx)
	}
	return n, urls, err
}

// benchLogging has the access log of the bucket delivered to another.
func (n *node) benchLogging(ctx context.Context) error {
	root, err := n.state.RootKey(ctx)
	if err != nil {
		return err
	}
	if _, err := n.store.CreateBucket(ctx, store.Bucket{Name: "logs", Owner: root.Owner}, time.Now()); err != nil {
		return err
	}
	p, err := sign.NewPresigner(sign.Key{ID: root.ID, Secret: string(root.Secret)}, n.base, "us-east-1")
	if err != nil {
		return err
	}
	put := func(bucket, sub, body string) error {
		sum := md5.Sum([]byte(body))
		digest := base64.StdEncoding.EncodeToString(sum[:])
		u, err := p.Presign(sign.URLRequest{Method: "PUT", Bucket: bucket, Time: time.Now(), Lifetime: time.Minute,
			Query: []sign.Param{{Name: sub}}, Header: http.Header{"Content-Md5": {digest}}})
		if err != nil {
			return err
		}
		r, err := http.NewRequest("PUT", u, strings.NewReader(body))
		if err != nil {
			return err
		}
		r.Header.Set("Content-Md5", digest)
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			return err
		}
		defer answer.Body.Close()
		if answer.StatusCode >= 300 {
			text, _ := io.ReadAll(answer.Body)
			return fmt.Errorf("%s: %s", answer.Status, text)
		}
		return nil
	}
	err = put("logs", "policy", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"logging.s3.amazonaws.com"},"Action":"s3:PutObject","Resource":"arn:aws:s3:::logs/*"}]}`)
	if err != nil {
		return err
	}
	return put("bucket", "logging", "<BucketLoggingStatus><LoggingEnabled><TargetBucket>logs</TargetBucket><TargetPrefix>p/</TargetPrefix></LoggingEnabled></BucketLoggingStatus>")
}

// benchObject makes an object and passes for it.
func (n *node) benchObject(ctx context.Context, size string) (urls []string, err error) {
	root, err := n.state.RootKey(ctx)
	if err != nil {
		return nil, err
	}
	if _, err = n.store.CreateBucket(ctx, store.Bucket{Name: "bucket", Owner: root.Owner}, time.Now()); err != nil {
		return nil, err
	}
	var bytes int64
	if _, err := fmt.Sscan(size, &bytes); err != nil {
		return nil, err
	}
	upload, err := store.NewUpload(io.LimitReader(rand.Reader, bytes), store.UploadOptions{Size: bytes})
	if err != nil {
		return nil, err
	}
	if _, err = n.store.PutObject(ctx, &store.PutRequest{Bucket: "bucket", Key: "object", Body: upload, Time: time.Now()}); err != nil {
		return nil, err
	}
	p, err := sign.NewPresigner(sign.Key{ID: root.ID, Secret: string(root.Secret)}, n.base, "us-east-1")
	if err != nil {
		return nil, err
	}
	for i := range benchURLs {
		u, err := p.Presign(sign.URLRequest{Method: "GET", Bucket: "bucket", Key: "object", Time: time.Now(), Lifetime: time.Hour + time.Duration(i)*time.Second})
		if err != nil {
			return nil, err
		}
		urls = append(urls, u)
	}
	return urls, nil
}
