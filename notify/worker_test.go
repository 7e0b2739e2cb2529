package notify

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/audit/spool"
)

func mustURL(t testing.TB, text string) *url.URL {
	t.Helper()
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// A delivery is a message as it came.
type delivery struct {
	id, key   string
	at        time.Duration // since start
	status    int
	sequencer string
}

// A receiver is an endpoint without a network.
type receiver struct {
	t      *testing.T
	secret Secret
	// answer gives the status for a key and how often it came before.
	answer func(key string, before int) int
	header http.Header
	delay  time.Duration
	slow   func(body string) bool // which messages are delayed; nil: all

	mu   sync.Mutex
	list []delivery
	seen map[string]int
}

// RoundTrip implements http.RoundTripper.
func (r *receiver) RoundTrip(req *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	if err := Verify([]Secret{r.secret}, req.Header, body, time.Now()); err != nil {
		r.t.Error(err)
	}
	key := string(body)
	if _, rest, ok := strings.Cut(key, `"key":"`); ok {
		key, _, _ = strings.Cut(rest, `"`)
	}
	if r.slow == nil || r.slow(string(body)) {
		time.Sleep(r.delay)
	}
	if err := req.Context().Err(); err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	status := r.answer(key, r.seen[key])
	r.seen[key]++
	_, sequencer, _ := strings.Cut(string(body), `"sequencer":"`)
	r.list = append(r.list, delivery{req.Header.Get(HeaderID), key, time.Since(start), status, sequencer})
	if status == 0 {
		return nil, fmt.Errorf("connection refused")
	}
	return &http.Response{StatusCode: status, Header: r.header, Body: io.NopCloser(strings.NewReader("ok"))}, nil
}

// keys are those that were taken, in order.
func (r *receiver) keys() (list []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, d := range r.list {
		if d.status == 200 {
			list = append(list, d.key)
		}
	}
	return list
}

// A bench is a spool and a worker over it.
type bench struct {
	*receiver
	t        *testing.T
	dir      string
	spool    *spool.Spool
	stop     func()
	log      bytes.Buffer
	outcomes map[string]int
}

func newBench(t *testing.T, dir string, answer func(key string, before int) int) *bench {
	b := &bench{t: t, dir: dir, outcomes: map[string]int{},
		receiver: &receiver{t: t, secret: mustSecret(t, vectorSecret), answer: answer, seen: map[string]int{}, header: http.Header{}}}
	b.start()
	return b
}

func (b *bench) start() {
	b.t.Helper()
	var err error
	if b.spool, err = spool.Open(spool.Options{Dir: b.dir, Consumers: []string{"c"}, FlushEvery: time.Millisecond}); err != nil {
		b.t.Fatal(err)
	}
	w, err := NewWorker(Config{
		Endpoint: &Endpoint{Name: "hook", URL: mustURL(b.t, "https://u:pass@example.com/path?token=t"), Secrets: []Secret{b.secret}, Kinds: Kinds()},
		Consumer: b.spool.Consumer("c"), Marks: newMarks(), Now: time.Now, Log: slog.New(slog.NewTextHandler(&b.log, nil)),
		Observe: func(o string) { b.outcomes[o]++ },
	})
	if err != nil {
		b.t.Fatal(err)
	}
	w.sender.client.Transport = b.receiver
	ctx, cancel := context.WithCancel(b.t.Context())
	done := make(chan bool)
	go func() {
		w.Run(ctx, func(err error) { b.t.Error(err) })
		close(done)
	}()
	// What the worker did may be looked at once it has stopped.
	b.stop = sync.OnceFunc(func() {
		cancel()
		<-done
		b.spool.Close()
	})
}

// restart goes on as after a crash.
func (b *bench) restart() {
	b.stop()
	b.start()
}

func (b *bench) put(keys ...string) {
	for _, key := range keys {
		e := created()
		e.Time, e.Object.Key = time.Now(), key
		b.spool.Append(&e)
	}
	if err := b.spool.Sync(b.t.Context()); err != nil {
		b.t.Fatal(err)
	}
}

func numbered(from, to int) (keys []string) {
	for i := from; i < to; i++ {
		keys = append(keys, fmt.Sprintf("k%04d", i))
	}
	return keys
}

// oneID checks that each key came under one id, and each id for one key.
func (b *bench) oneID() {
	b.t.Helper()
	ids, keys := map[string]string{}, map[string]string{}
	for _, d := range b.list {
		if ids[d.key] == "" {
			ids[d.key] = d.id
		}
		if keys[d.id] == "" {
			keys[d.id] = d.key
		}
		if ids[d.key] != d.id || keys[d.id] != d.key {
			b.t.Errorf("%s came as %s and %s", d.key, d.id, ids[d.key])
		}
	}
}

func always(status int) func(string, int) int { return func(string, int) int { return status } }

func TestDelivery(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, dir, always(200))
		defer func() { b.stop() }()
		b.put(numbered(0, 500)...)
		time.Sleep(time.Minute)
		b.restart()
		b.put(numbered(500, 510)...)
		time.Sleep(time.Minute)
		b.stop()
		got := b.keys()
		slices.Sort(got)
		if want := numbered(0, 510); !slices.Equal(got, want) {
			t.Errorf("%d messages, want %d", len(got), len(want))
		}
		b.oneID()
		if b.outcomes[Delivered] != 510 || len(b.outcomes) != 1 {
			t.Error(b.outcomes)
		}
	})
}

// TestOrder changes few objects often, and half of the messages take long: the
// changes of each object come in order all the same.
func TestOrder(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, dir, always(200))
		defer func() { b.stop() }()
		b.slow = func(body string) bool { return strings.Contains(body, `0","size`) || strings.Contains(body, `0"}`) }
		b.delay = time.Second
		for i := range 200 {
			e := created()
			e.Object.Key, e.Sequencer = fmt.Sprint("k", i%3), fmt.Sprintf("%016X", i)
			b.spool.Append(&e)
		}
		time.Sleep(time.Hour)
		b.stop()
		last := map[string]string{}
		atOnce := false
		for i, d := range b.list {
			if d.sequencer <= last[d.key] {
				t.Errorf("%s: %s came after %s", d.key, d.sequencer, last[d.key])
			}
			last[d.key] = d.sequencer
			atOnce = atOnce || i > 0 && b.list[i-1].at == d.at
		}
		if len(b.list) != 200 || !atOnce {
			t.Errorf("%d messages, several at once: %v", len(b.list), atOnce)
		}
	})
}

// TestSchedule fails one message for ever: it is tried as Standard Webhooks
// recommends, holds up no other, and is dropped after more than three days.
func TestSchedule(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, dir, func(key string, _ int) int {
			if key == "poison" {
				return 500
			}
			return 200
		})
		defer func() { b.stop() }()
		b.put("poison")
		for range 100 {
			b.put(fmt.Sprint("fine ", time.Since(start)))
			time.Sleep(time.Hour)
		}
		b.stop()
		var tries []time.Duration
		fine := 0
		for _, d := range b.list {
			if d.key == "poison" {
				tries = append(tries, d.at)
			} else {
				fine++
			}
		}
		if fine != 100 || len(tries) != len(schedule)+1 {
			t.Fatalf("%d others, %d tries", fine, len(tries))
		}
		for i, wait := range schedule {
			if d := tries[i+1] - tries[i]; d < wait || d > wait+wait/10+6*time.Minute {
				t.Errorf("try %d came after %v, want %v", i+2, d, wait)
			}
		}
		if last := tries[len(tries)-1] - tries[0]; last < lifetime || last > lifetime+lifetime/10 {
			t.Errorf("the last try came after %v", last)
		}
		if b.outcomes[Dropped] != 1 || b.outcomes[Failed] != len(schedule) || !strings.Contains(b.log.String(), "is dropped") {
			t.Errorf("%v\n%s", b.outcomes, b.log.String())
		}
	})
}

// TestAway takes an endpoint away for a day, during which the server crashes
// again and again: afterwards it gets everything, each under one id.
func TestAway(t *testing.T) {
	for what, status := range map[string]int{"errors": 503, "no connection": 0} {
		dir := t.TempDir()
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t, dir, func(string, int) int {
				if time.Since(start) < 24*time.Hour {
					return status
				}
				return 200
			})
			defer func() { b.stop() }()
			for i := range 24 {
				b.put(numbered(10*i, 10*i+10)...)
				time.Sleep(time.Hour)
				if i%3 == 0 {
					b.restart()
				}
			}
			b.put("last")
			time.Sleep(30 * time.Minute)
			b.stop()
			got := map[string]bool{}
			for _, key := range b.keys() {
				got[key] = true
			}
			for _, key := range append(numbered(0, 240), "last") {
				if !got[key] {
					t.Errorf("%s: %s did not come", what, key)
				}
			}
			b.oneID()
			failed := len(b.list) - len(b.keys())
			if failed > 24*13+100 {
				t.Errorf("%s: %d attempts failed", what, failed)
			}
			if text := b.log.String(); strings.Contains(text, "token") || strings.Contains(text, "path") || strings.Contains(text, "u:pass") || !strings.Contains(text, "https://example.com") {
				t.Errorf("the log has the URL, or not even its host:\n%s", text)
			}
		})
	}
}

// TestAwayForGood never takes anything: messages wait, but not for ever.
func TestAwayForGood(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, dir, always(500))
		defer func() { b.stop() }()
		for i := range 7 * 24 {
			b.put(numbered(i, i+1)...)
			time.Sleep(time.Hour)
		}
		b.stop()
		behind := b.spool.Stats().Lag["c"]
		if b.outcomes[Dropped] < 2*24 || behind > 5*24*1000 {
			t.Errorf("%v, %d bytes behind", b.outcomes, behind)
		}
	})
}

// TestGone sends nothing after 410 until the next start.
func TestGone(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, dir, func(key string, before int) int {
			switch {
			case key == "first" && before == 0:
				return 500
			case time.Since(start) < time.Hour:
				return 410
			}
			return 200
		})
		defer func() { b.stop() }()
		b.put("first")
		time.Sleep(time.Second)
		b.put(numbered(0, 20)...)
		time.Sleep(2 * time.Hour)
		b.put("unwanted")
		time.Sleep(100 * time.Hour)
		b.stop()
		if n := len(b.list); n > 1+concurrency || len(b.keys()) > 0 || b.spool.Stats().Lag["c"] > 0 {
			t.Errorf("%d attempts, %v", n, b.keys())
		}
		if !strings.Contains(b.log.String(), "410") || b.outcomes[Discarded] == 0 {
			t.Errorf("%v\n%s", b.outcomes, b.log.String())
		}
		b.restart()
		b.put("after")
		time.Sleep(time.Minute)
		if got := b.keys(); !slices.Equal(got, []string{"after"}) {
			t.Error(got)
		}
	})
}

// TestGoneBeforePlan answers 410 while a batch is given out that cannot be
// planned.
func TestGoneBeforePlan(t *testing.T) {
	s, err := spool.Open(spool.Options{Dir: t.TempDir(), Consumers: []string{"c"}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	m := newMarks()
	m.err = io.ErrUnexpectedEOF
	w, err := NewWorker(Config{Endpoint: &Endpoint{Name: "hook", URL: mustURL(t, "https://example.com"), Kinds: Kinds()},
		Consumer: s.Consumer("c"), Marks: m, Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	e := passUse("A")
	s.Append(&e)
	if err := s.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := w.step(t.Context()); !errors.Is(err, m.err) {
		t.Fatal(err)
	}
	w.gone = true
	if err := w.step(t.Context()); err != nil {
		t.Fatal(err)
	}
	if behind := s.Stats().Lag["c"]; behind > 0 {
		t.Errorf("%d bytes behind", behind)
	}
}

// TestClockAhead goes on after the clock was years ahead.
func TestClockAhead(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, dir, func(_ string, before int) int { return []int{500, 200}[min(before, 1)] })
		defer func() { b.stop() }()
		b.put("k")
		time.Sleep(time.Second)
		b.stop()
		s, err := spool.Open(spool.Options{Dir: dir, Consumers: []string{"c"}})
		if err != nil {
			t.Fatal(err)
		}
		var p progress
		if err := json.Unmarshal(s.Consumer("c").State(), &p); err != nil || len(p.Parked) != 1 {
			t.Fatal(p, err)
		}
		p.Parked[0].Due = p.Parked[0].Due.AddDate(4, 0, 0)
		state, err := json.Marshal(&p)
		if err == nil {
			err = s.Consumer("c").SetState(state)
		}
		if err := errors.Join(err, s.Close()); err != nil {
			t.Fatal(err)
		}
		b.start()
		time.Sleep(time.Minute)
		if got := b.keys(); !slices.Equal(got, []string{"k"}) {
			t.Error(got)
		}
	})
}

// TestMixed fails two of three first attempts, so that successes and failures
// come together.
func TestMixed(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, dir, func(key string, before int) int {
			if before == 0 && key[len(key)-1]%3 > 0 {
				return 500
			}
			return 200
		})
		defer func() { b.stop() }()
		b.put(numbered(0, 100)...)
		time.Sleep(24 * time.Hour)
		b.stop()
		if n := len(b.keys()); n != 100 || b.outcomes[Dropped] > 0 {
			t.Errorf("%d messages came; %v", n, b.outcomes)
		}
		b.oneID()
	})
}

// TestThrottled waits as long as the endpoint asks for.
func TestThrottled(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, dir, func(_ string, before int) int {
			if time.Since(start) < 10*time.Minute {
				return 429
			}
			return 200
		})
		b.header.Set("Retry-After", "1200")
		defer func() { b.stop() }()
		b.put(numbered(0, 4)...)
		time.Sleep(time.Hour)
		b.stop()
		var at []time.Duration
		for _, d := range b.list {
			at = append(at, d.at)
		}
		if len(b.keys()) != 4 || len(at) != 8 || at[4] < 20*time.Minute || at[4] > 23*time.Minute {
			t.Errorf("%v", at)
		}
	})
}

// TestCrash loses the process at any time: nothing is lost, and few messages
// come twice.
func TestCrash(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, dir, func(key string, before int) int {
			if before == 0 && strings.HasSuffix(key, "7") {
				return 500
			}
			return 200
		})
		defer func() { b.stop() }()
		b.delay = 30 * time.Millisecond
		for i := range 40 {
			b.put(numbered(25*i, 25*i+25)...)
			time.Sleep(time.Duration(i) * 7 * time.Millisecond)
			b.restart()
		}
		time.Sleep(10 * time.Hour)
		b.stop()
		got := map[string]int{}
		for _, key := range b.keys() {
			got[key]++
		}
		if missing := 1000 - len(slices.Collect(maps.Keys(got))); missing != 0 {
			t.Errorf("%d messages are missing", missing)
		}
		b.oneID()
		if b.spool.Stats().Lag["c"] > 0 {
			t.Error("it did not catch up")
		}
	})
}

// TestOthersAreNotTold has events that no webhook is for.
func TestOthersAreNotTold(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, dir, always(200))
		defer func() { b.stop() }()
		for range 100 {
			b.spool.Append(&daypass.Event{Action: daypass.GetObject, Status: 200, Method: "GET"})
		}
		time.Sleep(time.Minute)
		b.stop()
		if len(b.list) > 0 || b.spool.Stats().Lag["c"] > 0 {
			t.Errorf("%d messages", len(b.list))
		}
	})
}
