package server

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/internal/h1"
	"github.com/daypass/daypass/limits"
	"github.com/daypass/daypass/sign"
	"github.com/daypass/daypass/state"
	"github.com/daypass/daypass/store"
)

// Memory of requests is used again. What a request gets, and what is recorded
// of it, must be what a server gets and records that never had another one.

// A witness has what fresh servers recorded, and reports what others record
// beside that. Requests are told apart by their User-Agent.
type witness struct {
	t         *testing.T
	mu        sync.Mutex
	learning  bool
	answers   int
	events    map[string]daypass.Event
	sightings map[string]bool
}

const rude = "rude" // the User-Agent of who leaves in the middle

// Append implements EventSink.
func (w *witness) Append(e *daypass.Event) {
	got := *e
	got.Time, got.RequestID, got.HostID, got.Peer, got.Total, got.TurnAround, got.Sequencer = time.Time{}, "", "", "", 0, 0, ""
	if got.Code == "SignatureDoesNotMatch" {
		got.Reason = "" // it is explained as long as that takes little
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.learning {
		w.events[e.UserAgent] = got
		w.answers++
		return
	}
	if diff := cmp.Diff(w.events[e.UserAgent], got); diff != "" && e.UserAgent != rude {
		w.t.Errorf("the event of %s (-fresh +reused):\n%s", e.UserAgent, diff)
	}
}

// learned ends the learning once it has seen n answers.
func (w *witness) learned(n int) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.learning = w.learning && w.answers < n
	return !w.learning
}

// Seen implements PassRecorder.
func (w *witness) Seen(p *state.Sighting) {
	text := fmt.Sprintf("%+v", *p)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.learning {
		w.sightings[text] = true
	} else if !w.sightings[text] {
		w.t.Errorf("a fresh server does not see %s", text)
	}
}

// mixed are requests of all kinds, by name.
func mixed(e *passEnv, etag string) map[string]request {
	one, two := customerHeaders(ssec, keyOne), customerHeaders(ssec, keyTwo)
	_, cookie := e.handed()
	pin := e.unlock(e.locked())
	v2 := func(method, key string) request {
		return e.presign(sign.URLRequest{Method: method, Bucket: "photos", Key: key}, sign.PresignOptions{Version: sign.V2})
	}
	many := []string{}
	for i := range 40 {
		many = append(many, fmt.Sprint("odd", i), strings.Repeat("x", i))
	}
	bob := e.query("GET", "p/a.txt")
	bob.target = strings.Replace(bob.target, testKey.ID, "AKIDBOB", 1)
	odd := e.query("GET", "p/a.txt")
	odd.target += "&%zz"
	put := e.query("PUT", "put/a")
	put.body = "written"
	limited := e.query("PUT", "put/b", limits.Size, "3")
	limited.body = "too much"
	return map[string]request{
		"get": e.query("GET", "p/a.txt"), "head": e.query("HEAD", "p/a.txt"), "other": e.query("GET", "q/c"), "big": e.query("GET", "big"),
		"none": e.query("GET", "none"), "head none": e.query("HEAD", "none"), "virtual": e.signed(request{method: "GET", target: "/p/a.txt", host: "photos.localhost"}),
		"range": e.query("GET", "big").with("Range", "bytes=5-70000"), "bad range": e.query("GET", "q/c").with("Range", "bytes=50-"),
		"not modified": e.query("GET", "p/a.txt").with("If-None-Match", etag), "failed": e.query("HEAD", "p/a.txt").with("If-Match", `"x"`),
		"override":    e.query("GET", "p/a.txt", "response-content-disposition", "attachment", "response-content-type", "text/x"),
		"part":        e.query("GET", "p/a.txt", "partNumber", "1"),
		"named":       e.query("GET", "p/a.txt", limits.Name, "report", limits.IP, "127.0.0.0/8,::1", limits.Until, "20260207T000000Z"),
		"elsewhere":   e.query("GET", "p/a.txt", limits.Name, "elsewhere", limits.IP, "10.0.0.0/8"),
		"over":        e.query("GET", "p/a.txt", limits.Until, "20260206T115900Z"),
		"rated":       e.query("GET", "p/a.txt", limits.Rate, "100000000"),
		"uses":        e.query("GET", "p/a.txt", limits.Uses, "1000000"),
		"origin pass": e.query("GET", "p/a.txt", limits.Origin, "https://app.example.com"),
		"tree":        e.tree("GET").at("p/sub/b.txt"), "tree cookie": e.tree("GET", limits.Cookie, "1").at("p/a.txt"), "outside": e.tree("GET").at("secret"),
		"zip": e.zipped(), "zip head": e.tree("HEAD", limits.As, "zip"), "zip of a key": e.zipped().at("p/a.txt"),
		"by cookie": e.relative("GET", "/photos/p/a.txt", cookie), "cookie outside": e.relative("GET", "/photos/secret", cookie),
		"head by cookie": e.relative("HEAD", "/photos/p/sub/b.txt", cookie), "bad cookie": e.relative("GET", "/photos/p/a.txt", cookie+"A"),
		"locked": e.locked(), "prompt": e.locked().with("Accept", browser), "unlocked": e.locked().withCookie(pin),
		"ssec": e.signed(request{method: "GET", target: "/photos/ssec"}.with(one...)), "ssec wrong": e.signed(request{method: "GET", target: "/photos/ssec"}.with(two...)),
		"ssec none": e.signed(request{method: "GET", target: "/photos/ssec"}.with(secure...)), "ssec head": e.signed(request{method: "HEAD", target: "/photos/ssec"}.with(one...)),
		"ssec for plain": e.signed(request{method: "GET", target: "/photos/p/a.txt"}.with(one...)),
		"cors":           e.query("GET", "p/a.txt").with("Origin", "https://app.example.com"), "cors refused": e.query("GET", "p/a.txt").with("Origin", "https://evil.test"),
		"preflight": request{method: "OPTIONS", host: e.addr, target: "/photos/p/a.txt"}.with("Origin", "https://app.example.com", "Access-Control-Request-Method", "GET"),
		"anonymous": e.relative("GET", "/photos/p/a.txt", ""), "anonymous head": e.relative("HEAD", "/photos/p/a.txt", ""),
		"mismatch": e.query("GET", "p/a.txt").change("Expires=900", "Expires=901"), "unsigned": e.query("GET", "p/a.txt").with("x-amz-acl", "private"),
		"panic": bob, "odd query": odd, "many": e.query("GET", "p/a.txt", many...), "header": e.signed(request{method: "GET", target: "/photos/p/a.txt"}),
		"v2": v2("GET", "p/a.txt"), "v2 head": v2("HEAD", "q/c"), "conflict": e.query("GET", "p/a.txt", "acl", "", "tagging", ""),
		"meta": e.query("GET", "p/a.txt", "x-amz-meta-a", "b"), "tagging": e.query("GET", "p/a.txt", "tagging", ""), "method": {method: "DELETE", host: e.addr, target: "/"},
		"list": e.list(), "buckets": e.signed(request{method: "GET", target: "/"}), "expects": e.query("GET", "p/a.txt").with("Expect", "100-continue"),
		"put": put, "put limited": limited, "put exists": e.query("PUT", "p/a.txt", "If-None-Match", "*"), "delete": e.query("DELETE", "never/there"),
	}
}

// exchanged sends a request over a connection and returns the answer as text
// without what differs each time. over says that the connection ends.
func (q request) exchanged(conn net.Conn, r *bufio.Reader) (text string, over bool, err error) {
	if err := q.write(conn); err != nil {
		return "", true, err
	}
	resp, err := http.ReadResponse(r, &http.Request{Method: q.method})
	if err != nil {
		return "", true, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	for _, name := range []string{"X-Amz-Request-Id", "X-Amz-Id-2", "Date"} {
		if n := len(resp.Header[name]); n != 1 {
			err = fmt.Errorf("%d of %s, %v", n, name, err)
		}
		resp.Header.Del(name)
	}
	exposed := strings.Split(resp.Header.Get("Access-Control-Expose-Headers"), ", ")
	slices.Sort(exposed) // they come in any order
	resp.Header["Access-Control-Expose-Headers"] = exposed
	if resp.Header.Get("Content-Type") == "application/zip" { // declared where it was complete soon enough
		resp.Header.Del("Content-Length")
	}
	var b bytes.Buffer
	fmt.Fprintln(&b, resp.Status, resp.Close)
	_ = resp.Header.Write(&b)
	b.WriteString(masked(string(body)))
	return b.String(), resp.Close, err
}

// listening serves a handler by one of the implementations of HTTP/1.1.
func listening(t testing.TB, h http.Handler, quick bool) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: h}
	serve := s.Serve
	t.Cleanup(func() { s.Close() })
	if quick {
		front := h1.New(s)
		t.Cleanup(func() { front.Close() })
		serve = front.Serve
	}
	go serve(l)
	return l.Addr().String()
}

// TestReusedAgainstFresh sends requests of all kinds in any order over several
// connections, while others break off, and compares answers, events and
// sightings with those of servers that serve one request only.
func TestReusedAgainstFresh(t *testing.T) {
	seen := &witness{t: t, learning: true, events: map[string]daypass.Event{}, sightings: map[string]bool{}}
	var cfg *Config
	e := newTree(t, func(c *Config) {
		throughProxy(c)
		c.Keys, c.Events, c.Passes, c.PINKey, cfg = picky{testKeys()}, seen, seen, make([]byte, pinKeyBytes), c
		c.CORSOrigins, c.MinBodyRate, c.MaxRequestDuration = []string{"https://app.example.com"}, 1<<10, time.Hour
	})
	e.put("big", strings.Repeat("0123456789", 400_000), store.Metadata{ContentType: "image/x", User: map[string]string{"a": "b"}})
	if put := e.do("PUT", "/photos/ssec", "sealed", customerHeaders(ssec, keyOne)...); put.status != 200 {
		t.Fatal(put.body)
	}
	cases := mixed(e, e.send(e.query("HEAD", "p/a.txt")).header.Get("ETag"))
	config := *cfg
	config.Logger = nil
	once := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := New(config)
		if err != nil {
			panic(err)
		}
		s.ServeHTTP(w, r)
	})
	fresh := map[bool]string{true: listening(t, once, true), false: listening(t, once, false)}
	names, want := []string{}, [2]map[string]string{{}, {}}
	for name, q := range cases {
		names = append(names, name)
		q = q.with("User-Agent", name)
		cases[name] = q
		for i, quick := range []bool{true, false} {
			conn, err := net.Dial("tcp", fresh[quick])
			if err != nil {
				t.Fatal(err)
			}
			if want[i][name], _, err = q.exchanged(conn, bufio.NewReader(conn)); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			conn.Close()
		}
	}
	slices.Sort(names)
	for !seen.learned(2 * len(names)) {
		time.Sleep(time.Millisecond) // net/http sends an answer before it is recorded
	}
	s, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	leaves := e.signed(request{method: "GET", target: "/photos/big"}).with("User-Agent", rude)
	var done sync.WaitGroup
	for i, addr := range []string{listening(t, s, true), listening(t, s, false)} {
		for k := range 4 {
			done.Go(func() {
				random := rand.New(rand.NewPCG(uint64(i), uint64(k)))
				var conn net.Conn
				var r *bufio.Reader
				for range 400 {
					if conn == nil {
						var err error
						if conn, err = net.Dial("tcp", addr); err != nil {
							t.Error(err)
							return
						}
						r = bufio.NewReader(conn)
					}
					name := names[random.IntN(len(names))]
					got, over, err := cases[name].exchanged(conn, r)
					if err != nil || got != want[i][name] {
						t.Errorf("%s: %v (-fresh +reused)\n%.3000s", name, err, cmp.Diff(want[i][name], got))
					}
					if over || err != nil {
						conn.Close()
						conn = nil
					}
				}
				if conn != nil {
					conn.Close()
				}
			})
		}
		done.Go(func() {
			for range 40 {
				conn, err := net.Dial("tcp", addr)
				if err != nil {
					t.Error(err)
					return
				}
				_ = leaves.write(conn)
				_, _ = io.CopyN(io.Discard, conn, 1000)
				_ = conn.(*net.TCPConn).SetLinger(0)
				conn.Close()
			}
		})
	}
	done.Wait()
}

// TestSlowTakers checks that who takes an answer too slowly is cut off, whichever
// implementation of HTTP/1.1 bounds the time.
func TestSlowTakers(t *testing.T) {
	const size = 32 << 20
	e := newEnv(t, func(c *Config) { c.MinBodyRate, c.BodyGrace = 1<<20, 300*time.Millisecond })
	u, err := store.NewUpload(io.LimitReader(zeros{}, size), store.UploadOptions{Size: size})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.store.PutObject(t.Context(), &store.PutRequest{Bucket: "photos", Key: "large", Body: u, Time: testTime}); err != nil {
		t.Fatal(err)
	}
	e.put("small", strings.Repeat("x", 5<<10))
	for _, quick := range []bool{true, false} {
		gone := make(chan struct{}, 1)
		addr := listening(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			defer func() {
				if strings.Contains(r.URL.Path, "large") {
					gone <- struct{}{}
				}
			}()
			e.http.Config.Handler.ServeHTTP(w, r)
		}), quick)
		for _, target := range []string{"large", "small"} {
			conn, err := net.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			_ = conn.(*net.TCPConn).SetReadBuffer(4 << 10)
			conn.SetDeadline(time.Now().Add(20 * time.Second))
			if target == "small" { // one after the other, and none is taken
				for q := e.query("GET", target); err == nil; {
					err = q.write(conn)
				}
				if errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("h1 %v: the connection stays", quick)
				}
				continue
			}
			if err := e.query("GET", target).write(conn); err != nil {
				t.Fatal(err)
			}
			over := time.After(20 * time.Second)
			for cut := false; !cut; {
				select {
				case <-gone:
					cut = true
				case <-over:
					t.Fatalf("h1 %v: a byte now and then is enough", quick)
				case <-time.After(20 * time.Millisecond):
					_, _ = conn.Read(make([]byte, 1))
				}
			}
		}
	}
}
