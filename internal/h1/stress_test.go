//go:build linux

package h1

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestIdleTimesRepeat checks that a connection that has been idle before ends
// in time when it is idle again.
func TestIdleTimesRepeat(t *testing.T) {
	addr, _ := start(t, hello, func(s *http.Server) { s.IdleTimeout, s.ReadHeaderTimeout = 2*time.Second, time.Hour })
	c := dial(t, addr)
	for range 2 {
		c.send(get("/")).want(200, "hello")
		time.Sleep(100 * time.Millisecond)
	}
	c.SetDeadline(time.Now().Add(15 * time.Second))
	c.ends()
}

// TestPanicWhileReading checks that whoever still reads the body of a request
// whose handler has panicked gets an error, and nothing worse.
func TestPanicWhileReading(t *testing.T) {
	errs := make(chan error, 1)
	addr, _ := start(t, func(_ http.ResponseWriter, r *http.Request) {
		begun := make(chan bool)
		go func() {
			buf := make([]byte, 1)
			_, err := r.Body.Read(buf)
			close(begun)
			for err == nil {
				_, err = r.Body.Read(buf)
			}
			_, err = r.Body.Read(buf)
			r.Body.Close()
			errs <- err
		}()
		<-begun
		panic(http.ErrAbortHandler)
	})
	for range 20 {
		dial(t, addr).send(request("PUT", "/", "Content-Length: 100000") + "some")
		if err := <-errs; err == nil || err == io.EOF {
			t.Error(err)
		}
	}
}

// TestContinueWhileWriting checks that nobody writes while the client is being
// asked for a body.
func TestContinueWhileWriting(t *testing.T) {
	addr, _ := start(t, func(w http.ResponseWriter, r *http.Request) {
		own := w.(*response)
		held, release := make(chan bool), make(chan bool)
		go own.conn.raw.Write(func(uintptr) bool { // asking has to wait for this
			close(held)
			<-release
			return true
		})
		<-held
		body := make(chan []byte)
		go func() {
			b, _ := io.ReadAll(r.Body)
			body <- b
		}()
		for own.asked.TryLock() {
			own.asked.Unlock()
			time.Sleep(time.Millisecond)
		}
		time.Sleep(10 * time.Millisecond)
		if !own.ask.Load() {
			t.Error("who writes now does not wait")
		}
		close(release)
		w.Write(<-body)
	})
	c := dial(t, addr).send(request("PUT", "/", "Content-Length: 4", "Expect: 100-continue") + "body")
	for _, want := range []string{"HTTP/1.1 100 Continue\r\n", "\r\n"} {
		if line, err := c.r.ReadString('\n'); line != want || err != nil {
			t.Fatalf("%q, %v", line, err)
		}
	}
	c.want(200, "body")
}

// TestPipelines sends random sequences of requests, with and without bodies, in
// random pieces, to handlers that read and answer in all their ways.
func TestPipelines(t *testing.T) {
	p := newPair(t)
	// These end the connection, so that what comes next may be lost with it.
	var paths []string
	for name := range behaviours {
		switch name {
		case "panic", "abort", "late-panic", "small-panic", "bad-status", "close", "Close", "more-close", "identity", "too-much", "too-little",
			"close-half", "close-body", "status", "full-duplex", "multipart":
		default:
			paths = append(paths, name)
		}
	}
	paths = append(paths, "", "", "", "slow", "slow", "file?Content-Length=9000&Content-Type=a/b&head=200&limit=9000",
		"file?Content-Length=1000&Content-Type=a/b&head=200&section=1000&from=7")
	slices.Sort(paths)
	for seed := range pipelineSeeds {
		r := rand.New(rand.NewPCG(uint64(seed), 1))
		var text []byte
		for range 1 + r.IntN(8) {
			text = append(text, randomRequest(r, "/"+paths[r.IntN(len(paths))])...)
		}
		var pieces [][]byte
		for step := 1 << (1 + r.IntN(17)); len(text) > 0 && len(pieces) < 300; {
			n := min(1+r.IntN(step), len(text))
			pieces, text = append(pieces, text[:n]), text[n:]
		}
		p.same(t, append(pieces, text), time.Duration(r.IntN(3)/2)*50*time.Microsecond)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
	if n := p.handed.Load(); n > 0 {
		t.Errorf("%d connections were handed over", n)
	}
}

const pipelineSeeds = 20

// randomRequest makes a request whose body looks like requests.
func randomRequest(r *rand.Rand, path string) string {
	methods := []string{"GET", "HEAD", "DELETE", "PUT", "PUT", "PUT", "POST"}
	method := methods[r.IntN(len(methods))]
	if method != "PUT" && method != "POST" {
		return request(method, path)
	}
	size := []int{0, 1, 100, 2048, 5000, maxHead - 1, maxHead, maxHead + 1, 20000, maxDrain - 1}[r.IntN(10)]
	body := strings.Repeat(get("/smuggled"), size/len(get("/smuggled"))+1)[:size]
	return request(method, path, fmt.Sprint("Content-Length: ", size)) + body
}

// TestWatchedPipelines answers at about the time when a connection begins to be
// watched, with the next request there already or still to come.
func TestWatchedPipelines(t *testing.T) {
	addr, _ := start(t, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		wait, _ := time.ParseDuration(r.URL.RawQuery)
		select {
		case <-r.Context().Done():
			t.Error("the client is there")
		case <-time.After(wait):
		}
		fmt.Fprint(w, r.URL.Path, len(b))
	})
	var all sync.WaitGroup
	for i := range 50 {
		c, r := dial(t, addr), rand.New(rand.NewPCG(uint64(i), 2))
		all.Go(func() {
			said := make(chan bool, 8)
			go func() {
				for k := range 4 {
					size := r.IntN(2) * 10000
					text := put(fmt.Sprintf("/%d/?%dus", k, int(watchAfter/time.Microsecond)-2000+r.IntN(5000)), strings.Repeat("b", size))
					io.WriteString(c, text)
					said <- size > 0
					if r.IntN(2) == 0 {
						time.Sleep(watchAfter)
					}
				}
			}()
			for k := range 4 {
				resp, err := http.ReadResponse(c.r, nil)
				if err != nil {
					t.Error(err)
					return
				}
				b, err := io.ReadAll(resp.Body)
				want := fmt.Sprintf("/%d/0", k)
				if <-said {
					want = fmt.Sprintf("/%d/10000", k)
				}
				if err != nil || string(b) != want {
					t.Errorf("%q, want %q, %v", b, want, err)
				}
			}
		})
	}
	all.Wait()
}
