package server

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/store"
)

// eventChannel gets copies of events.
type eventChannel chan daypass.Event

// Append implements EventSink.
func (c eventChannel) Append(e *daypass.Event) { c <- *e }

// TestSentIsCounted checks that events count what was sent: all of it where the
// client took it, and of a download that breaks off no less than the client has
// and no more than it has and buffers hold.
func TestSentIsCounted(t *testing.T) {
	const size, most = 64 << 20, 24 << 20
	events := make(eventChannel, 1)
	e := newEnv(t, func(c *Config) { c.MinBodyRate, c.Events = 1<<10, events })
	u, err := store.NewUpload(io.LimitReader(zeros{}, size), store.UploadOptions{Size: size})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.store.PutObject(t.Context(), &store.PutRequest{Bucket: "photos", Key: "large", Body: u, Time: testTime}); err != nil {
		t.Fatal(err)
	}
	e.put("small", strings.Repeat("x", 5<<10))
	h := e.http.Config.Handler
	for _, quick := range []bool{true, false} {
		addr := listening(t, h, quick)
		for _, c := range []struct {
			key, ranged string
			size, takes int64
		}{
			{"small", "", 5 << 10, 5 << 10}, {"small", "bytes=7-1000", 994, 994}, {"large", "bytes=100-300099", 300000, 300000},
			{"large", "bytes=5-70", 66, 66}, {"large", "", size, size}, {"large", "", size, 1 << 20},
			{"large", "bytes=1000-", size - 1000, 3<<20 + 1}, {"large", "", size, 0},
		} {
			conn, err := net.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			conn.SetDeadline(time.Now().Add(30 * time.Second))
			q := e.query("GET", c.key)
			if c.ranged != "" {
				q = q.with("Range", c.ranged)
			}
			if err := q.write(conn); err != nil {
				t.Fatal(err)
			}
			resp, err := http.ReadResponse(bufio.NewReaderSize(conn, 16), nil)
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.CopyN(io.Discard, resp.Body, c.takes)
			if err != nil || resp.ContentLength != c.size {
				t.Fatalf("%d of %d bytes, %v", got, resp.ContentLength, err)
			}
			if c.takes < c.size {
				_ = conn.(*net.TCPConn).SetLinger(0)
			}
			conn.Close()
			ev := <-events
			whole := c.takes == c.size
			if whole && ev.Sent != c.size || ev.Sent < c.takes || ev.Sent > c.takes+most || ev.Status != resp.StatusCode || (ev.Reason == "") != whole {
				t.Errorf("h1 %v, %s %s: %d of %d bytes are taken, %d counted, status %d, %q", quick, c.key, c.ranged, c.takes, c.size, ev.Sent, ev.Status, ev.Reason)
			}
		}
	}
}
