package cluster

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/smithy-go"
)

// What clients of the load do.
const (
	write = "write"
	read  = "read"
	draw  = "draw" // of a one-time pass
)

// An outcome is one request of the load.
type outcome struct {
	op         string
	start, end time.Time
	kind       string // of the error; empty: it was answered as it should be
}

// A record is what the load of one scenario came to.
type record struct {
	mu       sync.Mutex
	outcomes []outcome
	healed   time.Time // when what was broken was whole again
	// Of the checks after the load.
	acknowledged, unknown int
	once, unused, twice   int
	revoked               int
	slowestRevoke         time.Duration // on a node that reaches state
	slowestCut            time.Duration // on a node that does not, since it was cut
	readyAfter            time.Duration
	begun                 time.Time
	name                  string
}

func (r *record) add(op string, start time.Time, kind string) {
	o := outcome{op: op, start: start, end: time.Now(), kind: kind}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.outcomes = append(r.outcomes, o)
}

// good counts what was answered well and begun since a time.
func (r *record) good(op string, since time.Time) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for _, o := range r.outcomes {
		if o.op == op && o.kind == "" && o.start.After(since) {
			n++
		}
	}
	return n
}

// errors counts errors by kind, of requests begun since a time.
func (r *record) errors(since time.Time) map[string]int {
	r.mu.Lock()
	defer r.mu.Unlock()
	kinds := map[string]int{}
	for _, o := range r.outcomes {
		if o.kind != "" && !o.start.Before(since) {
			kinds[o.op+": "+o.kind]++
		}
	}
	return kinds
}

// silence is the longest time in which no request of a kind was answered well.
func (r *record) silence(op string) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	var ends []time.Time
	last := r.begun
	for _, o := range r.outcomes {
		if o.op == op && o.kind == "" {
			ends = append(ends, o.end)
		}
		if o.end.After(last) {
			last = o.end
		}
	}
	slices.SortFunc(ends, time.Time.Compare)
	longest, before := time.Duration(0), r.begun
	for _, end := range append(ends, last) {
		longest, before = max(longest, end.Sub(before)), end
	}
	return longest
}

// served is how long after the cure the first request of a kind was answered
// well; negative where none was.
func (r *record) served(op string) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	first := time.Duration(-1)
	for _, o := range r.outcomes {
		if o.op == op && o.kind == "" && o.end.After(r.healed) {
			if d := o.end.Sub(r.healed); first < 0 || d < first {
				first = d
			}
		}
	}
	return first
}

// slowest is the longest that an answer took, good or bad.
func (r *record) slowest() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	longest := time.Duration(0)
	for _, o := range r.outcomes {
		longest = max(longest, o.end.Sub(o.start))
	}
	return longest
}

// kindOf names an error as a person would.
func kindOf(err error) string {
	var api smithy.APIError
	var res interface{ HTTPStatusCode() int }
	var timeout net.Error
	switch {
	case errors.As(err, &res) && res.HTTPStatusCode() == http.StatusBadGateway:
		return "502 proxy" // no node answers 502; the SDK makes a code of the status
	case errors.As(err, &res) && res.HTTPStatusCode() != 0 && errors.As(err, &api):
		return fmt.Sprintf("%d %s", res.HTTPStatusCode(), api.ErrorCode())
	case errors.Is(err, syscall.ECONNREFUSED):
		return "refused connection"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "no answer in time"
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "cut off"
	case errors.Is(err, net.ErrClosed):
		// The connection ended, after an answer perhaps, while the body of the
		// request was still being sent.
		return "cut off"
	}
	return err.Error()
}

// held is the refusal of who waited in vain for what another client is being
// sent: to come back later. However fast nodes are, that client may be slow, and
// a node that died gives nothing back.
const held = "503 held"

// kindOfAnswer names a refusal: its status and S3's code, or "proxy" where
// HAProxy answered.
func kindOfAnswer(res *http.Response, body []byte) string {
	var e struct{ Code, Message string }
	if xml.Unmarshal(body, &e) != nil || e.Code == "" {
		e.Code = "proxy"
	}
	if res.StatusCode == http.StatusServiceUnavailable && strings.Contains(e.Message, "is being sent to others") {
		return held
	}
	return fmt.Sprintf("%d %s", res.StatusCode, e.Code)
}

// A table is the figures of all scenarios.
type table struct{ rows [][]string }

var heads = []string{"scenario", "requests", "failed", "errors", "longest without a good answer: write, read, draw",
	"served again after the cure: write, read, draw", "nodes whole after", "slowest answer", "objects: acknowledged and all there, refused", "one-time passes: used once, not at all, twice",
	"revocations: made, slowest refusal, slowest on a node without state"}

func (f *table) add(r *record) {
	all, failed := len(r.outcomes), 0
	kinds := r.errors(time.Time{})
	var list []string
	for _, kind := range slices.Sorted(maps.Keys(kinds)) {
		failed += kinds[kind]
		list = append(list, fmt.Sprintf("%d %s", kinds[kind], kind))
	}
	again := "-"
	if !r.healed.IsZero() {
		again = fmt.Sprintf("%s, %s, %s", secs(r.served(write)), secs(r.served(read)), secs(r.served(draw)))
	}
	whole := "-"
	if r.readyAfter > 0 {
		whole = secs(r.readyAfter)
	}
	f.rows = append(f.rows, []string{r.name, fmt.Sprint(all), fmt.Sprint(failed), orNone(strings.Join(list, "; ")),
		fmt.Sprintf("%s, %s, %s", secs(r.silence(write)), secs(r.silence(read)), secs(r.silence(draw))), again, whole, secs(r.slowest()),
		fmt.Sprintf("%d, %d", r.acknowledged, r.unknown), fmt.Sprintf("%d, %d, %d", r.once, r.unused, r.twice),
		fmt.Sprintf("%d, %s, %s", r.revoked, secs(r.slowestRevoke), secs(r.slowestCut))})
}

// secs prints seconds; a negative time is one that never came.
func secs(d time.Duration) string {
	if d < 0 {
		return "never"
	}
	return fmt.Sprintf("%.2f s", d.Seconds())
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

// print shows the table and keeps it where the build keeps its results.
func (f *table) print(t *testing.T) {
	line := func(cells []string) string { return "| " + strings.Join(cells, " | ") + " |" }
	lines := []string{line(heads), "|" + strings.Repeat("---|", len(heads))}
	for _, row := range f.rows {
		lines = append(lines, line(row))
	}
	for _, l := range lines {
		t.Logf("measured: %s", l)
	}
	if err := os.MkdirAll("../../.build", 0o755); err != nil {
		t.Error(err)
	}
	if err := os.WriteFile("../../.build/cluster.md", []byte(strings.Join(lines, "\n")+"\n"), 0o644); err != nil {
		t.Error(err)
	}
}
