//go:build linux

package h1

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"net/http/httputil"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A pair is a server of net/http and one of this package, with the same
// handler, which tells all that it sees of a request.
type pair struct {
	plain, own string // addresses
	server     *Server
	handed     atomic.Int64 // connections that the second one has handed over
	file       string
	logs       [2]logText
}

// A logText is what a server has logged.
type logText struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logText) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logText) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func newPair(t testing.TB, change ...func(*http.Server)) *pair {
	t.Helper()
	p := &pair{file: filepath.Join(t.TempDir(), "file")}
	if err := os.WriteFile(p.file, bytes.Repeat([]byte("0123456789"), 10<<10), 0o600); err != nil {
		t.Fatal(err)
	}
	listen := func(i int) (*http.Server, net.Listener) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		s := &http.Server{Handler: http.HandlerFunc(p.handle), ErrorLog: log.New(&p.logs[i], "", 0), MaxHeaderBytes: 20 << 10}
		for _, f := range change {
			f(s)
		}
		return s, l
	}
	std, l := listen(0)
	p.plain = l.Addr().String()
	go std.Serve(l)
	behind, l := listen(1)
	p.own = l.Addr().String()
	inner := behind.ConnContext
	behind.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		if _, ok := c.(*net.TCPConn); !ok {
			p.handed.Add(1)
		}
		if inner != nil {
			return inner(ctx, c)
		}
		return ctx
	}
	p.server = New(behind)
	go p.server.Serve(l)
	t.Cleanup(func() {
		std.Close()
		p.server.Close()
	})
	return p
}

// handle does what the query asks for, and tells what the request was.
func (p *pair) handle(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Method", r.Method)
	if f := behaviours[strings.Trim(r.URL.Path, "/")]; f != nil {
		f(p, w, r)
		return
	}
	body, err := io.ReadAll(r.Body)
	var b bytes.Buffer
	fmt.Fprintf(&b, "%q %#v %q %d %d\n", r.Method, *r.URL, r.Proto, r.ProtoMajor, r.ProtoMinor)
	for _, name := range slices.Sorted(maps.Keys(r.Header)) {
		fmt.Fprintf(&b, "%q: %q %d\n", name, r.Header[name], cap(r.Header[name]))
	}
	fmt.Fprintf(&b, "%q %q length %d close %v %q %q\nbody %q %v none %v\n", r.Host, r.RequestURI, r.ContentLength, r.Close,
		r.TransferEncoding, r.Trailer, body, err, r.Body == http.NoBody)
	fmt.Fprintf(&b, "%v %v %v\n", r.Context().Value(http.ServerContextKey) != nil, r.Context().Value(http.LocalAddrContextKey) != nil, r.TLS)
	w.Header().Set("Content-Type", "text/plain")
	w.Header().Set("Content-Length", strconv.Itoa(b.Len()))
	w.Write(b.Bytes())
}

// talk sends pieces to a server, ends, and returns all that the server said, and
// whether it closed with something unread, so that some of it may be lost.
func talk(t testing.TB, addr string, pieces [][]byte, pause time.Duration) (answer []byte, reset bool) {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	go func() {
		for _, piece := range pieces {
			if _, err := conn.Write(piece); err != nil {
				return
			}
			time.Sleep(pause)
		}
		conn.(*net.TCPConn).CloseWrite()
	}()
	answer, err = io.ReadAll(conn)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("no end of the answer: %q", answer)
	}
	return answer, err != nil
}

// normal puts answers into a form that can be compared: header lines sorted,
// the date taken out, chunks joined.
func normal(t testing.TB, answer []byte) string {
	t.Helper()
	var out strings.Builder
	for r := bufio.NewReader(bytes.NewReader(answer)); ; {
		if _, err := r.Peek(1); err != nil {
			return out.String()
		}
		var lines []string
		for {
			line, err := r.ReadString('\n')
			if strings.HasPrefix(line, "Date: ") {
				if _, err := time.Parse("Date: "+http.TimeFormat+"\r\n", line); err != nil {
					t.Errorf("%q: %v", line, err)
				}
				line = "Date: D\r\n"
			}
			if err != nil || line == "\r\n" {
				lines = append(lines, line)
				break
			}
			lines = append(lines, line)
		}
		slices.Sort(lines[1:])
		fmt.Fprintf(&out, "%q\n", lines)
		out.WriteString(bodyOf(r, lines))
	}
}

// bodyOf reads a body as its framing says.
func bodyOf(r *bufio.Reader, lines []string) string {
	has := func(line string) bool { return slices.Contains(lines, line+"\r\n") }
	status := strings.TrimPrefix(lines[0], "HTTP/1.1 ")
	if has("X-Method: HEAD") || status[0] == '1' || strings.HasPrefix(status, "204") || strings.HasPrefix(status, "304") {
		return ""
	}
	if has("Transfer-Encoding: chunked") {
		body, err := io.ReadAll(httputil.NewChunkedReader(r))
		trailers := ""
		for err == nil {
			line, _ := r.ReadString('\n')
			trailers += line
			if line == "\r\n" || line == "" {
				break
			}
		}
		return fmt.Sprintf("%q %q %v\n", body, trailers, err)
	}
	var src io.Reader = r
	for _, line := range lines {
		if text, ok := strings.CutPrefix(line, "Content-Length: "); ok {
			n, _ := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
			src = io.LimitReader(r, n)
		}
	}
	body, err := io.ReadAll(src)
	return fmt.Sprintf("%q %v\n", body, err)
}

// same sends the same to both servers and compares their answers. Where one
// resets the connection, that is tried again.
func (p *pair) same(t testing.TB, pieces [][]byte, pause time.Duration) {
	t.Helper()
	var a, b string
	often := false
	for range 20 {
		var want []byte
		var lost bool
		var done sync.WaitGroup
		done.Go(func() { want, lost = talk(t, p.plain, pieces, pause) })
		got, lostToo := talk(t, p.own, pieces, pause)
		done.Wait()
		if a, b = normal(t, want), normal(t, got); a == b {
			return
		}
		often = often || lost
		if !lost && !lostToo {
			often = false
			break
		}
	}
	if !often {
		t.Errorf("sent %q\nnet/http says\n%s\nh1 says\n%s", pieces, a, b)
	}
}
