package server

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/limits"
	"github.com/daypass/daypass/state"
	"github.com/daypass/daypass/store"
)

// A stubTracer gives each request the same trace, and records nothing.
type stubTracer struct{ id string }

func (s stubTracer) Request(r *http.Request, _ bool) (context.Context, RequestSpan) {
	return r.Context(), s
}
func (stubTracer) Step(ctx context.Context, _ string) (context.Context, func(error)) { return ctx, nil }
func (s stubTracer) TraceID() string                                                 { return s.id }
func (stubTracer) End(*daypass.Event)                                                {}

// A tornLedger loses what it is told last.
type tornLedger struct{ *state.State }

var errTorn = errors.New("the ledger is torn")

func (tornLedger) Settle(context.Context, state.Budget, state.Token, int64, bool) error {
	return errTorn
}
func (tornLedger) Release(context.Context, state.Count, state.Token, bool) error { return errTorn }

// stickySettings are none, and cannot be deleted.
type stickySettings struct{ Settings }

func (stickySettings) BucketSettings(context.Context, string) (map[string][]byte, error) {
	return nil, nil
}

func (stickySettings) DeleteBucketSettings(context.Context, string) error { return errTorn }

// noRandomness is a source that fails.
type noRandomness struct{}

func (noRandomness) Read(p []byte) (int, error) { return 0, errors.New("no randomness") }

// picky panics for one access key.
type picky struct{ keyMap }

func (k picky) AccessKey(ctx context.Context, id string) (daypass.AccessKey, error) {
	if id == "AKIDBOB" {
		panic("secret cause")
	}
	return k.keyMap.AccessKey(ctx, id)
}

// TestLogNamesRequests does whatever makes the server log something and looks
// for the ids of the request in each line.
func TestLogNamesRequests(t *testing.T) {
	const trace = "4bf92f3577b34da6a3ce929d0e0e4736"
	for _, tracer := range []Tracer{nil, stubTracer{trace}} {
		log, answered := &lockedBuffer{}, map[string]bool{}
		config := func(c *Config) {
			c.Logger, c.Tracer = slog.New(slog.NewJSONHandler(log, nil)), tracer
			c.Keys = picky{testKeys()}
		}
		note := func(h http.Header) { answered[h.Get("X-Amz-Request-Id")] = true }
		e := newPassEnv(t, config, func(c *Config) {
			c.Ledger, c.Settings = tornLedger{c.Ledger.(*spyLedger).State}, stickySettings{}
		})
		e.put("key", "content")
		note(e.serve(e.query("GET", "key")).Header())
		note(e.serve(e.query("GET", "key", limits.Uses, "1")).Header())    // cannot be settled
		note(e.serve(e.query("DELETE", "key", limits.Uses, "1")).Header()) // cannot be released
		note(e.serve(e.query("GET", "none").at("altered")).Header())       // does not match, which is diagnosed
		note(e.do("PUT", "/empty", "").header)                             // a bucket
		note(e.do("DELETE", "/empty", "").header)                          // whose settings stay
		q := e.query("GET", "key")
		q.target = strings.Replace(q.target, testKey.ID, "AKIDBOB", 1) // a panic
		note(e.serve(q).Header())
		broken := newEnv(t, config, func(c *Config) { c.Store = store.New(panickyDriver{}) }) // an object that cannot be deleted
		body := "<Delete><Object><Key>a</Key></Object></Delete>"
		note(broken.do("POST", "/photos?delete", body, "Content-MD5", md5Of(body)).header)
		dull := newEnv(t, config, func(c *Config) { c.Rand, c.PINKey = noRandomness{}, make([]byte, 32) })
		note(dull.do("GET", "/photos", "").header)
		checkLog(t, log.String(), answered, tracer != nil, trace)
	}
}

func checkLog(t *testing.T, log string, answered map[string]bool, traced bool, trace string) {
	t.Helper()
	messages := map[string]bool{}
	lines := bufio.NewScanner(strings.NewReader(log))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var entry map[string]any
		if err := json.Unmarshal(lines.Bytes(), &entry); err != nil {
			t.Fatal(err)
		}
		messages[entry["msg"].(string)] = true
		id, _ := entry["request_id"].(string)
		if !answered[id] {
			t.Errorf("a line with the request id %q, which no answer had: %s", id, lines.Text())
		}
		if got, ok := entry["trace_id"]; ok != traced || traced && got != trace {
			t.Errorf("a line with the trace id %v: %s", got, lines.Text())
		}
	}
	for _, want := range []string{"request", "panic", "delete", "settings of a deleted bucket", "no randomness for a request id",
		"the draw of a response could not be settled, so it stays drawn", "a reserved use could not be released, so it stays reserved"} {
		if !messages[want] {
			t.Errorf("nothing was logged of %q", want)
		}
	}
}

// TestLogsThroughIDs finds uses of the log that could leave the ids out:
// whatever concerns a request logs with logOf.
func TestLogsThroughIDs(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	call := regexp.MustCompile(`cfg\.Logger\.(Debug|Info|Warn|Error|Log|LogAttrs)\b.*`)
	var found []string
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		for line := range bytes.Lines(text) {
			if m := call.Find(line); m != nil {
				found = append(found, name+": "+string(m))
			}
		}
	}
	// The record of the request itself begins with the ids.
	want := []string{`record.go: cfg.Logger.LogAttrs(ctx, level, "request", attrs...)`}
	if !slices.Equal(found, want) {
		t.Errorf("logged without ids: %q", found)
	}
}

// TestLogRedacts asks for URLs that were escaped as a whole, so that a signature
// is part of a key.
func TestLogRedacts(t *testing.T) {
	const signature = "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
	e := newEnv(t)
	for _, path := range []string{"/photos/key%3FX-Amz-Signature=" + signature, "/X-Amz-Signature=" + signature, "/photos/X-Amz-Security-Token=" + signature + "?acl"} {
		e.do("GET", path, "")
	}
	log := e.log.String()
	if strings.Count(log, "REDACTED") < 3 || strings.Contains(log, signature) {
		t.Errorf("the log:\n%s", log)
	}
}

// TestLogLevel checks which requests are logged where those that did not fail
// are not wanted.
func TestLogLevel(t *testing.T) {
	for _, level := range []slog.Level{slog.LevelDebug, slog.LevelInfo} {
		log := &lockedBuffer{}
		e := newEnv(t, func(c *Config) {
			c.Logger, c.LogLevel = slog.New(slog.NewTextHandler(log, nil)), level
			c.Keys = picky{testKeys()}
		})
		e.put("key", "content")
		e.want(e.send(e.query("GET", "key")), 200, "")
		e.want(e.send(e.query("GET", "none")), 404, "NoSuchKey")
		q := e.query("GET", "key")
		q.target = strings.Replace(q.target, testKey.ID, "AKIDBOB", 1) // a panic
		e.want(e.send(q), 500, "InternalError")
		e.http.Close() // waits until all is logged
		for status, want := range map[string]bool{"200": level == slog.LevelInfo, "404": level == slog.LevelInfo, "500": true} {
			if got := strings.Contains(log.String(), "msg=request") && strings.Contains(log.String(), "status="+status); got != want {
				t.Errorf("level %v: status %s is logged: %v", level, status, got)
			}
		}
	}
}
