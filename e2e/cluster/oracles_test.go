package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"syscall"
	"testing"
	"time"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// The tests of this file need no engines: they show that what judges the
// cluster can tell good from bad.

// TestJudge checks what is thought of a node that serves a revoked pass.
func TestJudge(t *testing.T) {
	start := time.Now()
	at := func(seconds float64) time.Time { return start.Add(time.Duration(seconds * float64(time.Second))) }
	n := &node{gaps: []gap{{from: at(10), mended: at(20), to: at(22)}, {from: at(30), since: at(30.5)}}}
	for _, c := range []struct {
		acked, served float64
		want          verdict
	}{
		{5, 5.9, inTime},
		{5, 7.9, inTime},
		{5, 8.1, tooLate},
		{8, 12, tooLate},    // it had two seconds to learn of it, and four
		{9.5, 12, blind},    // it had half a second
		{12, 14.9, blind},   // made while it could not know
		{12, 15.1, blindly}, // the grace of 4 s and a second are over
		{12, 21, blindly},   // if it serves again, it must know
		{20.5, 21, inTime},  // it may have found state before that
		{12, 25.1, tooLate}, // it has said that it reaches state
		{25, 31, tooLate},   // made between the gaps, known before the second
		{31, 34.9, blind},   // still cut off
		{31, 35.4, blind},   // it was cut off half a second after the gap began
		{31, 35.6, blindly},
		{31, 100, blindly},
		{29.5, 29.9, inTime},
	} {
		if got, _ := n.judge(at(c.acked), at(c.served)); got != c.want {
			t.Errorf("revoked at %v, served at %v: %d, want %d", c.acked, c.served, got, c.want)
		}
	}
}

// TestSilence checks how times without a good answer are measured.
func TestSilence(t *testing.T) {
	start := time.Now()
	at := func(seconds int) time.Time { return start.Add(time.Duration(seconds) * time.Second) }
	r := &record{begun: start, healed: at(6), outcomes: []outcome{
		{read, at(0), at(1), ""}, {read, at(1), at(2), ""}, {read, at(2), at(7), "503"}, {read, at(7), at(9), ""},
		{write, at(0), at(1), ""}, {write, at(1), at(12), "503"},
	}}
	for what, c := range map[string][2]time.Duration{
		"silence of reads":   {r.silence(read), 7 * time.Second},
		"silence of writes":  {r.silence(write), 11 * time.Second},
		"silence of draws":   {r.silence(draw), 12 * time.Second},
		"reads again after":  {r.served(read), 3 * time.Second},
		"writes again after": {r.served(write), -1},
		"slowest":            {r.slowest(), 11 * time.Second},
	} {
		if c[0] != c[1] {
			t.Errorf("%s: %v, want %v", what, c[0], c[1])
		}
	}
	if got := r.errors(at(2)); len(got) != 1 || got["read: 503"] != 1 {
		t.Errorf("errors are %v", got)
	}
}

// TestKinds checks the names of errors.
func TestKinds(t *testing.T) {
	for want, err := range map[string]error{
		"cut off":            fmt.Errorf("read: %w", syscall.ECONNRESET),
		"refused connection": fmt.Errorf("dial: %w", syscall.ECONNREFUSED),
		"no answer in time":  fmt.Errorf("get: %w", context.DeadlineExceeded),
		"some other":         errors.New("some other"),
		"502 proxy":          answered(502, "BadGateway"),
		"503 SlowDown":       answered(503, "SlowDown"),
	} {
		if got := kindOf(err); got != want {
			t.Errorf("%v is %q, want %q", err, got, want)
		}
	}
	if got := kindOf(&net.OpError{Op: "write", Err: net.ErrClosed}); got != "cut off" {
		t.Errorf("a connection that was closed under a body is %q", got)
	}
	res := &http.Response{StatusCode: 503}
	for body, want := range map[string]string{
		"<Error><Code>ServiceUnavailable</Code><Message>What is left of this pass is being sent to others.</Message></Error>": held,
		"<Error><Code>SlowDown</Code></Error>": "503 SlowDown",
		"<html>No server is available</html>":  "503 proxy",
	} {
		if got := kindOfAnswer(res, []byte(body)); got != want {
			t.Errorf("%s is %q, want %q", body, got, want)
		}
	}
}

// answered is the SDK's error for an answer with a status.
func answered(status int, code string) error {
	return &smithyhttp.ResponseError{
		Response: &smithyhttp.Response{Response: &http.Response{StatusCode: status}},
		Err:      &smithy.GenericAPIError{Code: code},
	}
}

// TestWire checks that a wire carries, freezes and cuts connections.
func TestWire(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go io.Copy(c, c) // an echo
		}
	}()
	w := newWire(t, l.Addr().String())
	c, err := net.Dial("tcp", w.addr())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	echo := func(text string, wait time.Duration) (string, error) {
		if _, err := io.WriteString(c, text); err != nil {
			return "", err
		}
		buf := make([]byte, 16)
		c.SetReadDeadline(time.Now().Add(wait))
		n, err := c.Read(buf)
		return string(buf[:n]), err
	}
	if got, err := echo("one", 10*time.Second); got != "one" {
		t.Fatalf("a whole wire carries %q, %v", got, err)
	}
	w.set(silent)
	if got, err := echo("two", 100*time.Millisecond); kindOf(err) != "no answer in time" {
		t.Fatalf("a silent wire carries %q, %v", got, err)
	}
	w.set(whole)
	if got, err := echo("", 10*time.Second); got != "two" {
		t.Fatalf("a wire that is whole again carries %q, %v", got, err)
	}
	w.set(cut)
	if got, err := echo("three", 10*time.Second); got != "" || kindOf(err) != "cut off" {
		t.Fatalf("a cut wire carries %q, %v", got, err)
	}
}
