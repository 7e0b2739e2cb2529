package bench

import (
	"bufio"
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// stalling answers GETs over a pipe, each after some work, but for one second in
// which it does nothing.
type stalling struct {
	from, until time.Time
	work        time.Duration
}

func (s *stalling) dial(context.Context, string, string) (net.Conn, error) {
	client, server := net.Pipe()
	go s.serve(server)
	return client, nil
}

func (s *stalling) serve(c net.Conn) {
	defer c.Close()
	in := bufio.NewReader(c)
	for {
		for {
			line, err := in.ReadString('\n')
			if err != nil {
				return
			}
			if line == "\r\n" {
				break
			}
		}
		if now := time.Now(); now.After(s.from) && now.Before(s.until) {
			time.Sleep(time.Until(s.until))
		}
		time.Sleep(s.work)
		if _, err := io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody"); err != nil {
			return
		}
	}
}

// runStalled measures a server that stalls from second 1 to second 2 of three,
// over one connection, and returns the round.
func runStalled(t *testing.T, rate float64, requests int64, work time.Duration) (round Round) {
	synctest.Test(t, func(t *testing.T) {
		s := &stalling{from: time.Now().Add(time.Second - time.Millisecond), until: time.Now().Add(2 * time.Second), work: work}
		target, err := Plain("http://127.0.0.1/{key}", nil)
		if err != nil {
			t.Fatal(err)
		}
		c := Config{Target: target, Mix: Mix{Get: 1}, Sizes: Sizes{{4, 1}}, Objects: 1, Connections: 1, Duration: 3 * time.Second,
			Requests: requests, Rate: rate, dial: s.dial, sleep: func(t time.Time) { time.Sleep(time.Until(t)) }}
		r, err := NewRunner(c)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		report, err := r.Run(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		round = report.Rounds[0]
	})
	return round
}

// TestOpenLoop shows that a stall counts for every operation that was to begin
// meanwhile, although one only was under way.
func TestOpenLoop(t *testing.T) {
	round := runStalled(t, 100, 0, 0)
	l := &round.All.Latency
	if round.All.Count != 300 || round.Unsent != 0 {
		t.Fatalf("%d operations, %d unsent; want 300 and 0", round.All.Count, round.Unsent)
	}
	// Operations of the stalled second waited 1, 0.99, 0.98 … seconds: the
	// slowest tenth of all 300 are thirty, the last of which waited 0.7 s.
	for _, q := range []struct {
		name      string
		got, want float64
	}{{"p50", l.P50, 0}, {"p90", l.P90, 0.70e6}, {"p99", l.P99, 0.97e6}, {"max", l.Max, 1e6}, {"mean", l.Mean, 505e3 / 3}} {
		if q.got < q.want*0.98-20 || q.got > q.want*1.02+20 {
			t.Errorf("%s is %.0f µs, want %.0f µs", q.name, q.got, q.want)
		}
	}
}

// TestOpenLoopTooFast counts operations for which no connection was free.
func TestOpenLoopTooFast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPace(10, time.Now(), time.Second, 0, func(t time.Time) { time.Sleep(time.Until(t)) })
		go p.release(t.Context())
		var waits []time.Duration
		for {
			at, ok := p.next(time.Now)
			if !ok {
				break
			}
			waits = append(waits, time.Since(at))
			time.Sleep(260 * time.Millisecond)
		}
		// It was free after 0, 260, 520 and 780 ms.
		if len(waits) != 4 || waits[1] != 160*time.Millisecond || waits[3] != 480*time.Millisecond {
			t.Errorf("operations waited %v", waits)
		}
		left := p.waiting(time.Now())
		if len(left) != 6 || left[0] != 640*time.Millisecond || left[5] != 140*time.Millisecond {
			t.Errorf("left are %v", left)
		}
	})
}

// TestOpenLoopRequests carries out a number of operations to the last.
func TestOpenLoopRequests(t *testing.T) {
	if round := runStalled(t, 1000, 1500, 0); round.All.Count != 1500 || round.Unsent != 0 {
		t.Errorf("%d operations, %d unsent; want 1500 and 0", round.All.Count, round.Unsent)
	}
}

// TestClosedLoop is the same server in closed loop, where the stall is one slow
// operation among two thousand: what open loop is for.
func TestClosedLoop(t *testing.T) {
	round := runStalled(t, 0, 0, time.Millisecond)
	l := &round.All.Latency
	if n := round.All.Count; n < 1990 || n > 2001 || l.P999 > 1100 || l.Max < 0.9e6 {
		t.Errorf("%d operations, p99.9 %.0f µs, max %.0f µs", n, l.P999, l.Max)
	}
}

func TestTargetTemplate(t *testing.T) {
	for _, bad := range []string{"", "http://host/", "http://host", "/{key}", "ftp://host/{key}", "http://{key}/", "http://host/{key}{key}"} {
		if _, err := Plain(bad, nil); err == nil {
			t.Errorf("Plain(%q) is no error", bad)
		}
	}
	target, err := Plain("https://host/a/{key}?x=y", nil)
	if err != nil {
		t.Fatal(err)
	}
	head, err := target.heads.head(nil, request{op: Put, key: "b c/d", size: 7}, time.Time{})
	want := "PUT /a/b%20c/d?x=y HTTP/1.1\r\nHost: host\r\n"
	if err != nil || !strings.HasPrefix(string(head), want) || !strings.HasSuffix(string(head), "\r\nContent-Length: 7\r\n") || target.Dial != "host:443" || target.TLS == nil {
		t.Errorf("%q, %v, %+v", head, err, target)
	}
}
