package bucketlog

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/audit"
	"github.com/daypass/daypass/audit/spool"
	"github.com/daypass/daypass/internal/durable"
)

var (
	when    = time.Date(2026, 2, 6, 23, 30, 0, 0, time.UTC)
	errAway = errors.New("the target is away")
)

// A world is buckets in memory, of which some are logged.
type world struct {
	t  *testing.T
	mu sync.Mutex // of what follows, where a Delivery runs by itself
	// logging is the destination of each bucket that is logged.
	logging map[string]*Destination
	objects map[string][]byte // by target and key
	// answers are what Put does, by target; nothing is success.
	answers map[string]error
	puts    []string // every attempt
	asked   int      // how often Destination was called
	fail    error    // of Logged and Destination
	// dead is set when the process is lost: nothing works any more. It is set
	// after so many steps, of which some take effect all the same.
	dead  bool
	steps int
	rand  *rand.Rand
}

var errDead = errors.New("the process is gone")

func newWorld(t *testing.T) *world {
	return &world{t: t, logging: map[string]*Destination{}, objects: map[string][]byte{}, answers: map[string]error{}, steps: -1,
		rand: rand.New(rand.NewPCG(1, 2))}
}

// log turns the logging of a bucket on.
func (w *world) log(bucket, target string, keys audit.LogPrefix) {
	keys.Bucket, keys.AccountID, keys.Region = bucket, "111122223333", "us-east-1"
	w.logging[bucket] = &Destination{BucketID: "id of " + bucket, Owner: "alice", Created: when.Add(-time.Hour), Target: target, Keys: keys}
}

// lost reports whether the process is lost at this step, and if so whether the
// step takes effect.
func (w *world) lost() (lost, effect bool) {
	if w.dead {
		return true, false
	}
	if w.steps--; w.steps == -1 {
		w.dead = true
		return true, w.rand.IntN(2) == 0
	}
	return false, true
}

// change changes the world while a Delivery runs.
func (w *world) change(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f()
}

func (w *world) Logged(context.Context) (bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.logging) > 0, w.fail
}

func (w *world) Destination(_ context.Context, bucket string) (*Destination, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked++
	if lost, _ := w.lost(); lost {
		return nil, errDead
	}
	return w.logging[bucket], w.fail
}

func (w *world) Put(_ context.Context, o *Object) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	lost, effect := w.lost()
	w.puts = append(w.puts, o.Target)
	if err := w.answers[o.Target]; err != nil && effect {
		return err
	}
	if name := o.Target + " " + o.Key; effect && w.objects[name] == nil {
		w.objects[name] = slices.Clone(o.Body)
	}
	if lost {
		return errDead
	}
	return nil
}

// A source is a consumer of a spool whose process may be lost.
type source struct {
	*spool.Consumer
	w     *world
	limit spool.Limit
}

func (s *source) Wait(ctx context.Context) (spool.Position, error) {
	return s.Consumer.Wait(ctx, s.limit)
}

func (s *source) Skip(to spool.Position) (bool, error) { return s.Consumer.Skip(to) }

func (s *source) Next(ctx context.Context) (*spool.Batch, error) {
	if lost, effect := s.w.lost(); lost {
		if effect {
			_, _ = s.Consumer.Next(ctx, spool.Limit{Bytes: s.limit.Bytes}) // it is claimed
		}
		return nil, errDead
	}
	return s.Consumer.Next(ctx, spool.Limit{Bytes: s.limit.Bytes})
}

func (s *source) Commit(b *spool.Batch, state []byte) error {
	lost, effect := s.w.lost()
	if effect {
		if err := s.Consumer.Commit(b, state); err != nil {
			return err
		}
	}
	if lost {
		return errDead
	}
	return nil
}

const consumer = "bucket-logs"

func openSpool(t *testing.T, dir string) *spool.Spool {
	t.Helper()
	s, err := spool.Open(spool.Options{Dir: dir, Consumers: []string{consumer}, FlushEvery: time.Millisecond, Now: func() time.Time { return when }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// A fixture is a delivery over a spool.
type fixture struct {
	*world
	dir               string
	spool             *spool.Spool
	limit             spool.Limit
	delivery          *Delivery
	failures, refused []string
	lostBytes         int
	now               time.Time
	most              int64
}

func newFixture(t *testing.T) *fixture {
	f := &fixture{world: newWorld(t), dir: t.TempDir(), limit: spool.Limit{Bytes: 1 << 20}, now: when}
	f.start()
	return f
}

// start is the start of a process.
func (f *fixture) start() {
	f.t.Helper()
	f.dead, f.steps = false, -1
	f.spool = openSpool(f.t, f.dir)
	var err error
	f.delivery, err = New(Config{Source: &source{f.spool.Consumer(consumer), f.world, f.limit}, Buckets: f.world, Dir: f.queueDir(), MaxBytes: f.most,
		Now:    func() time.Time { return f.now },
		Failed: func(err error) { f.failures = append(f.failures, err.Error()) },
		Lost:   func(n int) { f.lostBytes += n }, Refused: func(err error) { f.refused = append(f.refused, err.Error()) }})
	if err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) queueDir() string { return filepath.Join(f.dir, "queue") }

// restart loses the process and starts another.
func (f *fixture) restart() {
	f.t.Helper()
	f.spool.Close()
	f.start()
}

// record records the event of a request for a key, and makes it durable.
func (f *fixture) record(bucket, key string, change ...func(*daypass.Event)) {
	f.t.Helper()
	e := daypass.Event{Time: when, RequestID: key, Action: daypass.GetObject, Operation: "REST.GET.OBJECT", BucketOwner: "alice", Status: 200,
		Object: daypass.ObjectRef{Bucket: bucket, Key: key}, Grant: daypass.Grant{Scheme: daypass.SchemeAnonymous}, Method: "GET", URI: "/" + bucket + "/" + key}
	for _, c := range change {
		c(&e)
	}
	f.spool.Append(&e)
	if err := f.spool.Sync(f.t.Context()); err != nil {
		f.t.Fatal(err)
	}
}

// step does one step, which must not fail.
func (f *fixture) step() {
	f.t.Helper()
	if err := f.delivery.step(f.t.Context()); err != nil {
		f.t.Fatal(err)
	}
}

// lines returns the keys of requests in all objects, in the order of the
// objects' names.
func (f *fixture) lines() (keys []string) {
	var names []string
	for name := range f.objects {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		keys = append(keys, linesOf(f.t, f.objects[name])...)
	}
	return keys
}

// sorted returns the keys of requests in order.
func (f *fixture) sorted() []string {
	keys := f.lines()
	slices.Sort(keys)
	return keys
}

func linesOf(t *testing.T, body []byte) (keys []string) {
	t.Helper()
	for line := range strings.Lines(string(body)) {
		e, err := audit.ParseAccessLog(strings.TrimSuffix(line, "\n"))
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		keys = append(keys, e.Key)
	}
	return keys
}

func (f *fixture) names() (names []string) {
	for name := range f.objects {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func (f *fixture) queued() (names []string) {
	entries, _ := os.ReadDir(f.queueDir())
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func want(t *testing.T, what string, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// masked takes the unique part off a name.
func masked(names []string) (out []string) {
	for _, n := range names {
		out = append(out, n[:len(n)-16]+strings.Map(func(r rune) rune {
			if strings.ContainsRune("0123456789ABCDEF", r) {
				return 'U'
			}
			return r
		}, n[len(n)-16:]))
	}
	return out
}

// TestKeys delivers to all kinds of keys.
func TestKeys(t *testing.T) {
	f := newFixture(t)
	f.log("simple", "logs", audit.LogPrefix{Prefix: "s/"})
	f.log("bare", "logs", audit.LogPrefix{})
	f.log("events", "logs", audit.LogPrefix{Prefix: "p/", Partitioned: true, EventTime: true})
	f.log("delivered", "logs", audit.LogPrefix{Prefix: "p/", Partitioned: true})
	tomorrow := func(e *daypass.Event) { e.Time = when.Add(time.Hour) }
	for _, bucket := range []string{"simple", "bare", "events", "delivered"} {
		f.record(bucket, bucket+"1")
		f.record(bucket, bucket+"2", tomorrow)
		f.record(bucket, bucket+"3")
	}
	f.step()
	want(t, "names", masked(f.names()), []string{
		"logs 2026-02-06-23-30-00-UUUUUUUUUUUUUUUU",
		"logs p/111122223333/us-east-1/delivered/2026/02/06/2026-02-06-23-30-00-UUUUUUUUUUUUUUUU",
		"logs p/111122223333/us-east-1/events/2026/02/06/2026-02-06-00-00-00-UUUUUUUUUUUUUUUU",
		"logs p/111122223333/us-east-1/events/2026/02/07/2026-02-07-00-00-00-UUUUUUUUUUUUUUUU",
		"logs s/2026-02-06-23-30-00-UUUUUUUUUUUUUUUU",
	})
	want(t, "lines", f.lines(), []string{"bare1", "bare2", "bare3", "delivered1", "delivered2", "delivered3", "events1", "events3", "events2", "simple1", "simple2", "simple3"})
	if f.asked != 4 || len(f.queued()) != 0 {
		t.Errorf("%d look-ups, in the queue %v", f.asked, f.queued())
	}
}

// TestNotLogged leaves out what is not of a bucket that is logged.
func TestNotLogged(t *testing.T) {
	f := newFixture(t)
	f.log("logged", "logs", audit.LogPrefix{})
	f.record("other", "a")
	f.record("logged", "no owner", func(e *daypass.Event) { e.BucketOwner = "" })
	f.record("logged", "of another", func(e *daypass.Event) { e.BucketOwner = "bob" })
	f.record("logged", "before it was made", func(e *daypass.Event) { e.Time = when.Add(-time.Hour - time.Millisecond) })
	f.record("logged", "of the admin API", func(e *daypass.Event) { e.Action, e.Operation = "RevokePasses", "" })
	f.record("", "no bucket")
	f.step()
	want(t, "names", f.names(), []string(nil))
	f.record("logged", "b")
	f.step()
	want(t, "lines", f.lines(), []string{"b"})
	delete(f.logging, "logged")
	f.log("third", "logs", audit.LogPrefix{})
	f.record("logged", "turned off")
	f.step()
	want(t, "lines", f.lines(), []string{"b"})
}

// TestSkip does not read what nobody has logged.
func TestSkip(t *testing.T) {
	f := newFixture(t)
	f.record("photos", "a")
	f.step()
	if lag := f.spool.Stats().Lag[consumer]; lag != 0 || f.asked != 0 {
		t.Errorf("lag %d, %d look-ups", lag, f.asked)
	}
	f.log("photos", "logs", audit.LogPrefix{})
	f.record("photos", "b")
	f.step()
	want(t, "lines", f.lines(), []string{"b"})
	if _, err := os.Stat(f.queueDir()); err != nil {
		t.Error(err)
	}
	// A question that cannot be answered is no.
	f.fail = errAway
	f.record("photos", "c")
	if err := f.delivery.step(t.Context()); !errors.Is(err, errAway) {
		t.Error(err)
	}
	f.fail = nil
	f.step()
	want(t, "lines", f.sorted(), []string{"b", "c"})
}

// TestAway keeps what a target does not take, delivers to others meanwhile,
// and asks the target less and less often.
func TestAway(t *testing.T) {
	f := newFixture(t)
	f.log("photos", "away", audit.LogPrefix{})
	f.log("films", "here", audit.LogPrefix{})
	f.answers["away"] = errAway
	f.record("photos", "p0")
	f.record("films", "f0")
	f.step()
	want(t, "lines", f.lines(), []string{"f0"})
	for n := range 50 {
		f.now = f.now.Add(10 * time.Second)
		f.record("photos", fmt.Sprint("p", n+1))
		f.record("films", fmt.Sprint("f", n+1))
		f.step()
	}
	if n := len(f.lines()); n != 51 || len(f.queued()) != 51 {
		t.Errorf("%d lines, %d files in the queue", n, len(f.queued()))
	}
	tries := 0
	for _, target := range f.puts {
		if target == "away" {
			tries++
		}
	}
	if tries < 9 || tries > 14 || len(f.failures) != tries {
		t.Errorf("%d tries in 500 s, %d failures: %v", tries, len(f.failures), f.failures)
	}
	f.restart()
	delete(f.answers, "away")
	if err := f.delivery.deliver(t.Context()); err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	for _, key := range f.lines() {
		seen[key]++
	}
	for n := range 51 {
		for _, name := range []string{fmt.Sprint("p", n), fmt.Sprint("f", n)} {
			if seen[name] != 1 {
				t.Errorf("%s is there %d times", name, seen[name])
			}
		}
	}
	if len(f.queued()) != 0 {
		t.Errorf("in the queue: %v", f.queued())
	}
}

// TestTakenAway does not write again what was delivered, and then taken away,
// while the rest of its batch waited.
func TestTakenAway(t *testing.T) {
	f := newFixture(t)
	f.log("photos", "away", audit.LogPrefix{})
	f.log("films", "here", audit.LogPrefix{})
	f.answers["away"] = errAway
	f.record("photos", "p")
	f.record("films", "f")
	f.step()
	want(t, "lines", f.lines(), []string{"f"})
	clear(f.objects)
	clear(f.answers)
	f.restart()
	if err := f.delivery.deliver(t.Context()); err != nil {
		t.Fatal(err)
	}
	want(t, "lines", f.lines(), []string{"p"})
}

// TestRefused drops what a target will never take.
func TestRefused(t *testing.T) {
	f := newFixture(t)
	f.log("photos", "gone", audit.LogPrefix{})
	f.log("films", "here", audit.LogPrefix{})
	f.answers["gone"] = fmt.Errorf("%w: no such bucket", ErrRefused)
	for n := range 3 {
		f.record("photos", fmt.Sprint("p", n))
		f.record("films", fmt.Sprint("f", n))
		f.step()
	}
	want(t, "lines", f.sorted(), []string{"f0", "f1", "f2"})
	if len(f.queued()) != 0 || len(f.refused) != 1 || f.lostBytes < 300 || len(f.failures) > 0 {
		t.Errorf("in the queue %v, told %v, lost %d, failed %v", f.queued(), f.refused, f.lostBytes, f.failures)
	}
	f.now = f.now.Add(2 * time.Hour)
	f.record("photos", "p3")
	f.step()
	if len(f.refused) != 2 || !strings.Contains(f.refused[1], "photos") || !strings.Contains(f.refused[1], "no such bucket") {
		t.Errorf("told %q", f.refused)
	}
	delete(f.answers, "gone")
	f.record("photos", "p4")
	f.step()
	if !slices.Contains(f.lines(), "p4") || slices.Contains(f.lines(), "p3") {
		t.Errorf("%v", f.lines())
	}
}

// TestUnreadable goes on without the log of a bucket whose setting cannot be
// read.
func TestUnreadable(t *testing.T) {
	f := newFixture(t)
	f.log("photos", "logs", audit.LogPrefix{})
	f.record("photos", "a")
	f.fail = nil
	buckets := unreadable{f.world}
	f.delivery.cfg.Buckets = buckets
	f.record("films", "b")
	f.step()
	want(t, "lines", f.lines(), []string{"a"})
	if len(f.refused) != 1 || !strings.Contains(f.refused[0], "films") {
		t.Errorf("%q", f.refused)
	}
}

type unreadable struct{ *world }

func (u unreadable) Destination(ctx context.Context, bucket string) (*Destination, error) {
	if bucket == "films" {
		return nil, fmt.Errorf("%w: nonsense", ErrRefused)
	}
	return u.world.Destination(ctx, bucket)
}

// TestFull drops the oldest of a queue that is full.
func TestFull(t *testing.T) {
	f := newFixture(t)
	f.most = 4000
	f.restart()
	f.log("photos", "away", audit.LogPrefix{})
	f.answers["away"] = errAway
	for n := range 50 {
		f.record("photos", fmt.Sprint(n))
		f.step()
	}
	files := f.queued()
	if f.delivery.queue.bytes > 4000 || len(files) < 3 || f.lostBytes < 10000 || len(f.refused) != 1 {
		t.Errorf("%d bytes in %v, %d lost, %q", f.delivery.queue.bytes, files, f.lostBytes, f.refused)
	}
	delete(f.answers, "away")
	f.restart()
	if err := f.delivery.deliver(t.Context()); err != nil {
		t.Fatal(err)
	}
	if lines := f.lines(); len(lines) != len(files) || !slices.Contains(lines, "49") {
		t.Errorf("%v", lines)
	}
}

// TestDamaged puts a file aside that is none, and goes on.
func TestDamaged(t *testing.T) {
	f := newFixture(t)
	f.log("photos", "away", audit.LogPrefix{})
	f.answers["away"] = errAway
	for n := range 3 {
		f.record("photos", fmt.Sprint(n))
		f.step()
	}
	files := f.queued()
	path := filepath.Join(f.queueDir(), files[1])
	b, _ := os.ReadFile(path)
	os.WriteFile(path, b[:len(b)-1], 0o600)
	os.WriteFile(path+durable.TemporarySuffix, nil, 0o600)
	os.WriteFile(filepath.Join(f.queueDir(), "notes"), nil, 0o600)
	delete(f.answers, "away")
	f.restart()
	if err := f.delivery.deliver(t.Context()); err == nil || !strings.Contains(err.Error(), "put aside") {
		t.Error(err)
	}
	want(t, "lines", f.sorted(), []string{"0", "2"})
	want(t, "queue", f.queued(), []string{files[1] + damagedSuffix, "notes"})
	if err := f.delivery.deliver(t.Context()); err != nil {
		t.Error(err)
	}
	for _, text := range []string{"", "\n", "{}\n", "[{\"size\":-1}]\n", "[{\"size\":9223372036854775807}]\nx"} {
		if objects, err := decode([]byte(text)); err == nil {
			t.Errorf("%q: %v", text, objects)
		}
	}
}

// TestFileTakenAway goes on where somebody takes a file away, and tells of it once.
func TestFileTakenAway(t *testing.T) {
	f := newFixture(t)
	f.log("photos", "away", audit.LogPrefix{})
	f.answers["away"] = errAway
	for n := range 2 {
		f.record("photos", fmt.Sprint(n))
		f.step()
	}
	delete(f.answers, "away")
	f.restart()
	if err := os.Remove(filepath.Join(f.queueDir(), f.queued()[0])); err != nil {
		t.Fatal(err)
	}
	if err := f.delivery.deliver(t.Context()); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	want(t, "lines", f.sorted(), []string{"1"})
	if err := f.delivery.deliver(t.Context()); err != nil || f.delivery.queue.bytes != 0 {
		t.Errorf("%v, %d bytes", err, f.delivery.queue.bytes)
	}
}

// TestOnce loses the process at any step, again and again, while targets are
// away and settings change, also between the attempts. Every event is in one
// object, once.
func TestOnce(t *testing.T) {
	for seed := range uint64(30) {
		f := newFixture(t)
		f.limit.Bytes = 600
		r := rand.New(rand.NewPCG(seed, 0))
		f.world.rand = r
		sources, targets := []string{"a", "b", "c"}, []string{"x", "y"}
		change := func() {
			for _, s := range sources {
				if r.IntN(2) == 0 || f.logging[s] == nil {
					f.log(s, targets[r.IntN(2)], audit.LogPrefix{Prefix: fmt.Sprint(r.IntN(3), "/"), Partitioned: r.IntN(2) == 0, EventTime: r.IntN(2) == 0})
				}
			}
			clear(f.answers)
			if r.IntN(3) == 0 {
				f.answers[targets[r.IntN(2)]] = errAway
			}
		}
		var recorded []string
		for range 30 {
			change()
			for range r.IntN(6) {
				key := fmt.Sprint(len(recorded))
				f.record(sources[r.IntN(3)], key, func(e *daypass.Event) { e.Time = when.Add(time.Duration(r.IntN(3)) * time.Hour) })
				recorded = append(recorded, key)
			}
			f.steps = r.IntN(8)
			f.run(r.IntN(12))
			if f.dead || r.IntN(4) == 0 {
				f.restart()
			}
		}
		clear(f.answers)
		f.restart()
		f.run(1000)
		got := f.sorted()
		slices.Sort(recorded)
		if diff := cmp.Diff(recorded, got); diff != "" || len(f.queued()) > 0 || len(f.refused) > 0 {
			t.Fatalf("seed %d: in the queue %v, refused %v (-want +got):\n%s", seed, f.queued(), f.refused, diff)
		}
	}
}

// run does steps while there is something to do, until the process is lost.
func (f *fixture) run(most int) {
	for range most {
		f.now = f.now.Add(time.Second)
		ctx, cancel := context.WithCancel(f.t.Context())
		lag := f.spool.Stats().Lag[consumer]
		if lag == 0 && len(f.delivery.queue.files) == 0 {
			cancel()
			return
		}
		// What is left is delivered again at any time.
		err := error(nil)
		if lag == 0 || f.world.rand.IntN(3) == 0 {
			err = f.delivery.deliver(ctx)
		} else {
			err = f.delivery.step(ctx)
		}
		cancel()
		if f.dead {
			return
		}
		if err != nil {
			f.t.Fatal(err)
		}
	}
}

// TestRun delivers after the interval, retries without being asked, and ends
// with its context.
func TestRun(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		f := &fixture{world: newWorld(t), dir: dir, limit: spool.Limit{Wait: 5 * time.Minute}}
		f.start()
		f.delivery.cfg.Now = time.Now
		f.log("photos", "logs", audit.LogPrefix{})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan bool)
		go func() {
			f.delivery.Run(ctx)
			close(done)
		}()
		f.record("photos", "a")
		time.Sleep(4 * time.Minute)
		synctest.Wait()
		want(t, "early", len(f.objects), 0)
		f.change(func() { f.answers["logs"] = errAway })
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		want(t, "away", len(f.objects), 0)
		f.change(func() { delete(f.answers, "logs"); f.fail = errAway })
		f.record("photos", "b")
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		want(t, "back", f.lines(), []string{"a"})
		time.Sleep(5 * time.Minute)
		f.change(func() { f.fail = nil })
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		want(t, "all", len(f.lines()), 2)
		if len(f.failures) < 5 || len(f.failures) > 30 {
			t.Errorf("%d failures", len(f.failures))
		}
		cancel()
		<-done
		f.spool.Close()
	})
}

// TestState refuses a state that is none.
func TestState(t *testing.T) {
	s := openSpool(t, t.TempDir())
	c := s.Consumer(consumer)
	if err := c.SetState([]byte("nonsense")); err != nil {
		t.Fatal(err)
	}
	if _, err := New(Config{Source: &source{Consumer: c}}); err == nil {
		t.Error("no error")
	}
}

// TestDiskFails loses nothing where the queue cannot be written.
func TestDiskFails(t *testing.T) {
	f := newFixture(t)
	f.log("photos", "logs", audit.LogPrefix{})
	if err := os.WriteFile(f.queueDir(), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	f.record("photos", "a")
	for range 2 {
		if err := f.delivery.step(t.Context()); err == nil {
			t.Error("no error")
		}
	}
	want(t, "lines", f.lines(), []string(nil))
	if err := os.Remove(f.queueDir()); err != nil {
		t.Fatal(err)
	}
	f.record("photos", "b")
	f.step()
	want(t, "lines", f.lines(), []string{"a"})
	f.step()
	want(t, "lines", f.sorted(), []string{"a", "b"})
}

// BenchmarkCollect measures what one event of a batch costs.
func BenchmarkCollect(b *testing.B) {
	w := &world{logging: map[string]*Destination{}, steps: -1}
	w.log("photos", "logs", audit.LogPrefix{})
	events, err := spool.Open(spool.Options{Dir: b.TempDir(), Consumers: []string{consumer}})
	if err != nil {
		b.Fatal(err)
	}
	defer events.Close()
	for i := range 1000 {
		bucket := "photos"
		if i%2 == 0 {
			bucket = "films"
		}
		events.Append(&daypass.Event{Time: when, RequestID: "3E57427F3EXAMPLE", HostID: "s9lzHYrFp76ZVxRcpX9+5cjAnEH2ROuNkd2BHfIa6UkFVdtjf5mKR3/eTPFvsiP/", Action: daypass.GetObject,
			Operation: "REST.GET.OBJECT", BucketOwner: "alice", Status: 200, Object: daypass.ObjectRef{Bucket: bucket, Key: "some/key.jpg"},
			Grant: daypass.Grant{Scheme: daypass.SchemeQuery, Owner: "alice", SignatureVersion: "SigV4"}, Method: "GET", URI: "/photos/some/key.jpg?X-Amz-Signature=redacted", UserAgent: "curl/8"})
	}
	if err := events.Sync(b.Context()); err != nil {
		b.Fatal(err)
	}
	batch, err := events.Consumer(consumer).Next(b.Context(), spool.Limit{})
	if err != nil || batch.Len() != 1000 {
		b.Fatal(err)
	}
	d := &Delivery{cfg: Config{Buckets: w}}
	b.ReportAllocs()
	for b.Loop() {
		if objects, err := d.collect(b.Context(), batch); len(objects) != 1 || err != nil {
			b.Fatal(len(objects), err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/event")
}
