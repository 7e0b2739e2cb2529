package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/s3"
	"github.com/daypass/daypass/store"
	"github.com/daypass/daypass/store/diskstore"
	"github.com/google/go-cmp/cmp"
)

// A hooked driver calls its hooks before what they are named after.
type hooked struct {
	*diskstore.Driver
	list   func(req store.VersionsRequest)
	remove func(ref daypass.ObjectRef) error
}

func (d *hooked) ListVersions(ctx context.Context, req store.VersionsRequest) (*store.VersionsPage, error) {
	if d.list != nil {
		d.list(req)
	}
	return d.Driver.ListVersions(ctx, req)
}

func (d *hooked) DeleteObject(ctx context.Context, ref daypass.ObjectRef, opts store.DeleteOptions) (store.Deleted, error) {
	if d.remove != nil && opts.Seen != nil {
		if err := d.remove(ref); err != nil {
			return store.Deleted{}, err
		}
	}
	return d.Driver.DeleteObject(ctx, ref, opts)
}

// A memory keeps settings, tasks and events.
type memory struct {
	mu       sync.Mutex
	settings map[string]map[string][]byte
	tasks    map[string][]byte
	events   []daypass.Event
	// updates counts those of tasks; from failAfter on they fail, if it is
	// positive.
	updates, failAfter int
}

var errDown = errors.New("state is down")

func (m *memory) BucketSettings(_ context.Context, id string) (map[string][]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.settings[id]), nil
}

func (m *memory) UpdateTask(_ context.Context, name string, change func([]byte) ([]byte, error)) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.updates++; m.failAfter > 0 && m.updates > m.failAfter {
		return errDown
	}
	next, err := change(m.tasks[name])
	if err == nil && next != nil {
		m.tasks[name] = next
	}
	return err
}

func (m *memory) Append(e *daypass.Event) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.events = append(m.events, *e)
}

// fixture is a store on disk whose time is told by the test.
type fixture struct {
	testing.TB
	store  *store.Store
	driver *hooked
	memory *memory
	clock  atomic.Int64
	bucket store.Bucket
}

const bucketName = "photos"

func newFixture(t testing.TB) *fixture {
	t.Helper()
	f := &fixture{TB: t, memory: &memory{settings: map[string]map[string][]byte{}, tasks: map[string][]byte{}}}
	f.set(start)
	d, err := diskstore.Open(diskstore.Options{Dir: t.TempDir(), MinFree: 1, Now: f.now})
	f.must(err)
	f.driver = &hooked{Driver: d}
	f.store = store.New(f.driver)
	t.Cleanup(func() { f.store.Close() })
	f.create(store.ObjectLock{})
	return f
}

func (f *fixture) create(l store.ObjectLock) {
	f.Helper()
	b, err := f.store.CreateBucket(context.Background(), store.Bucket{Name: bucketName, Owner: "alice", ObjectLock: l}, f.now())
	f.must(err)
	f.bucket = b
}

func (f *fixture) must(err error) {
	f.Helper()
	if err != nil {
		f.Fatal(err)
	}
}

func (f *fixture) now() time.Time          { return time.Unix(0, f.clock.Load()).UTC() }
func (f *fixture) set(t time.Time)         { f.clock.Store(t.UnixNano()) }
func (f *fixture) advance(d time.Duration) { f.clock.Add(int64(d)) }

const day = 24 * time.Hour

func (f *fixture) rules(rules ...s3.LifecycleRule) {
	f.Helper()
	f.must(s3.CheckLifecycle(rules, false))
	c := Configuration{Rules: rules, TransitionMinimum: s3.TransitionMinimum128K}
	f.memory.mu.Lock()
	defer f.memory.mu.Unlock()
	f.memory.settings[f.bucket.ID] = map[string][]byte{Setting: c.Encode()}
}

func (f *fixture) put(key string, tags ...store.Tag) *store.Object {
	f.Helper()
	body, err := store.NewUpload(strings.NewReader(key), store.UploadOptions{Size: int64(len(key))})
	f.must(err)
	o, err := f.store.PutObject(context.Background(), &store.PutRequest{Bucket: bucketName, Key: key, Body: body, Tags: tags, Owner: "alice", Time: f.now()})
	f.must(err)
	return o
}

func (f *fixture) versions() []*store.Object {
	f.Helper()
	var all []*store.Object
	req := store.VersionsRequest{Bucket: bucketName, Max: 1000}
	for {
		page, err := f.driver.Driver.ListVersions(context.Background(), req)
		f.must(err)
		if all = append(all, page.Versions...); !page.Truncated {
			return all
		}
		req.KeyMarker, req.VersionMarker = page.NextKey, page.NextVersion
	}
}

// keys returns what there is: a key for each version, with a sign for what it is.
func (f *fixture) keys() (keys []string) {
	f.Helper()
	for _, v := range f.versions() {
		name := v.Key
		if v.DeleteMarker {
			name += " (marker)"
		}
		if !v.IsLatest {
			name += " (old)"
		}
		keys = append(keys, name)
	}
	return keys
}

func (f *fixture) want(keys ...string) {
	f.Helper()
	if diff := cmp.Diff(keys, f.keys()); diff != "" {
		f.Errorf("versions (-want +got):\n%s", diff)
	}
}

// worker returns a worker that never waits, and takes small steps.
func (f *fixture) worker(change ...func(*Config)) *Worker {
	c := Config{Store: f.store, Settings: f.memory, Journal: f.memory, Events: f.memory, Node: "one", Clock: f.now,
		Rest: func(ctx context.Context, _ time.Duration) error { return ctx.Err() }, Log: slog.New(slog.DiscardHandler)}
	for _, f := range change {
		f(&c)
	}
	w := New(c)
	w.stride = stride{page: 3, save: 1, slice: 2}
	return w
}

func (f *fixture) round(w *Worker) {
	f.Helper()
	f.must(w.Round(context.Background()))
}

// wantStats compares what was counted, but for what was scanned.
func (f *fixture) wantStats(w *Worker, want Stats) {
	f.Helper()
	got := w.Stats()
	if want.Scanned == 0 {
		got.Scanned = 0
	}
	if diff := cmp.Diff(want, got); diff != "" {
		f.Errorf("stats (-want +got):\n%s", diff)
	}
}

func allDays(id string, days int64) s3.LifecycleRule {
	return expireAfter(id, days, s3.LifecycleFilter{})
}

func TestWorker(t *testing.T) {
	f := newFixture(t)
	f.put("logs/old")
	f.put("old")
	f.advance(day)
	f.put("logs/new")
	f.put("logs/tagged", store.Tag{Key: "keep", Value: "yes"})
	f.rules(expireAfter("logs", 2, s3.LifecycleFilter{Prefix: ptr("logs/")}),
		expireAfter("tagged", 1, s3.LifecycleFilter{Tag: &s3.Tag{Key: "keep", Value: "no"}}))
	w := f.worker()
	w.cfg.Sequencer = func() string { return "1" }
	f.round(w)
	f.want("logs/new", "logs/old", "logs/tagged", "old")
	f.set(start.Add(3*day - time.Nanosecond)) // the rule is due at the next midnight
	f.round(w)
	f.want("logs/new", "logs/old", "logs/tagged", "old")
	f.set(start.Add(3 * day))
	f.round(w)
	f.want("logs/new", "logs/tagged", "old")
	f.set(start.Add(4 * day))
	f.round(w)
	f.want("old")
	f.wantStats(w, Stats{Expired: 3, Passes: 4})
	e := f.memory.events[0]
	if len(e.RequestID) != 16 {
		t.Errorf("the request id is %q", e.RequestID)
	}
	e.RequestID = ""
	want := daypass.Event{Time: start.Add(3 * day), Action: ActionExpired, Operation: "S3.EXPIRE.OBJECT", Object: daypass.ObjectRef{Bucket: bucketName, Key: "logs/old"},
		BucketOwner: "alice", Grant: daypass.Grant{Scheme: daypass.SchemeService}, Principal: "AmazonS3", ObjectSize: 8, Total: -1,
		Sequencer: "1"}
	if diff := cmp.Diff(want, e); diff != "" {
		t.Errorf("event (-want +got):\n%s", diff)
	}
}

func (f *fixture) versioning(v store.Versioning) {
	f.Helper()
	f.must(f.store.SetVersioning(context.Background(), bucketName, v))
}

func (f *fixture) operations() (out []string) {
	for _, e := range f.memory.events {
		out = append(out, e.Operation+" "+e.Object.Key)
	}
	return out
}

func TestWorkerVersions(t *testing.T) {
	f := newFixture(t)
	f.put("a")
	f.versioning(store.VersioningEnabled)
	f.put("a")
	f.put("b")
	f.rules(allDays("current", 1), s3.LifecycleRule{ID: "old", Status: s3.Enabled, Filter: &s3.LifecycleFilter{},
		NoncurrentVersionExpiration: &s3.NoncurrentExpiration{NoncurrentDays: ptr[int64](2)}})
	w := f.worker()
	f.set(start.Add(2 * day))
	f.round(w)
	f.want("a (marker)", "a (old)", "a (old)", "b (marker)", "b (old)")
	f.set(start.Add(3 * day)) // the null version of a has not been current since the start
	f.round(w)
	f.want("a (marker)", "a (old)", "b (marker)", "b (old)")
	f.set(start.Add(5 * day)) // the others not since the markers came
	f.round(w)
	f.want("a (marker)", "b (marker)")
	f.set(start.Add(6 * day)) // the markers are alone, and old enough
	f.round(w)
	f.want()
	f.wantStats(w, Stats{Expired: 2, Noncurrent: 3, Markers: 2, Passes: 4})
	if diff := cmp.Diff([]string{"S3.CREATE.DELETEMARKER a", "S3.CREATE.DELETEMARKER b", "S3.EXPIRE.OBJECT a", "S3.EXPIRE.OBJECT a",
		"S3.EXPIRE.OBJECT b", "S3.EXPIRE.OBJECT a", "S3.EXPIRE.OBJECT b"}, f.operations()); diff != "" {
		t.Error(diff)
	}
	for _, e := range f.memory.events {
		if e.Object.VersionID == "" {
			t.Errorf("%s names no version", e.Operation)
		}
	}
}

func TestWorkerSuspended(t *testing.T) {
	f := newFixture(t)
	f.versioning(store.VersioningEnabled)
	f.put("kept")
	f.versioning(store.VersioningSuspended)
	f.put("null")
	f.rules(allDays("current", 1))
	f.set(start.Add(2 * day))
	w := f.worker()
	f.round(w)
	// The null marker takes the place of the null version.
	f.want("kept (marker)", "kept (old)", "null (marker)")
	f.wantStats(w, Stats{Expired: 2, Passes: 1})
}

func TestWorkerNewerNoncurrent(t *testing.T) {
	f := newFixture(t)
	f.versioning(store.VersioningEnabled)
	for range 10 { // more than two pages and one slice
		f.put("key")
	}
	f.put("other")
	f.rules(s3.LifecycleRule{ID: "old", Status: s3.Enabled, Filter: &s3.LifecycleFilter{},
		NoncurrentVersionExpiration: &s3.NoncurrentExpiration{NoncurrentDays: ptr[int64](1), NewerNoncurrentVersions: ptr[int64](3)}})
	f.set(start.Add(2 * day))
	f.round(f.worker())
	f.want("key", "key (old)", "key (old)", "key (old)", "other")
}

func TestWorkerLocked(t *testing.T) {
	f := newFixture(t)
	f.must(f.store.DeleteBucket(context.Background(), bucketName))
	f.create(store.ObjectLock{Enabled: true, Default: store.DefaultRetention{Mode: store.Compliance, Days: 10}})
	f.put("key")
	f.put("key")
	f.rules(allDays("current", 1), s3.LifecycleRule{ID: "old", Status: s3.Enabled, Filter: &s3.LifecycleFilter{},
		NoncurrentVersionExpiration: &s3.NoncurrentExpiration{NoncurrentDays: ptr[int64](1)}})
	f.set(start.Add(5 * day))
	w := f.worker()
	f.round(w)
	f.want("key (marker)", "key (old)", "key (old)")
	f.wantStats(w, Stats{Expired: 1, Locked: 1, Passes: 1})
	f.set(start.Add(11 * day))
	f.round(w)
	f.want("key (marker)")
}

func TestWorkerUploads(t *testing.T) {
	f := newFixture(t)
	for i := range 8 {
		_, err := f.store.CreateUpload(context.Background(), &store.MultipartUpload{Bucket: bucketName, Key: fmt.Sprint("in/", i/2), Initiated: f.now()})
		f.must(err)
	}
	_, err := f.store.CreateUpload(context.Background(), &store.MultipartUpload{Bucket: bucketName, Key: "in/new", Initiated: f.now().Add(day)})
	f.must(err)
	f.rules(s3.LifecycleRule{ID: "abort", Status: s3.Enabled, Filter: &s3.LifecycleFilter{Prefix: ptr("in/")},
		AbortIncompleteMultipartUpload: &s3.AbortIncomplete{DaysAfterInitiation: ptr[int64](1)}})
	f.set(start.Add(2 * day))
	w := f.worker()
	f.round(w)
	f.wantStats(w, Stats{Uploads: 8, Passes: 1})
	page, err := f.store.ListUploads(context.Background(), store.UploadsRequest{Bucket: bucketName, Max: 10})
	f.must(err)
	if len(page.Uploads) != 1 || page.Uploads[0].Key != "in/new" || f.memory.events[0].Operation != "S3.DELETE.UPLOAD" {
		t.Errorf("%d uploads are left, %v", len(page.Uploads), f.operations())
	}
}

// TestWorkerChanged overwrites an object between the scan and its removal.
func TestWorkerChanged(t *testing.T) {
	f := newFixture(t)
	f.put("key")
	f.put("tagged")
	f.rules(allDays("d", 1))
	f.set(start.Add(2 * day))
	f.driver.remove = func(ref daypass.ObjectRef) error {
		if ref.Key == "key" {
			f.put("key")
		}
		return nil
	}
	w := f.worker()
	f.round(w)
	f.want("key")
	f.wantStats(w, Stats{Expired: 1, Changed: 1, Passes: 1})
}

// TestWorkerOnceADay checks when there is work and when not.
func TestWorkerOnceADay(t *testing.T) {
	f := newFixture(t)
	w := f.worker()
	passes := func(want int64) {
		t.Helper()
		f.round(w)
		if got := w.Stats().Passes; got != want {
			t.Errorf("%d passes, want %d", got, want)
		}
	}
	passes(0)
	f.rules(allDays("d", 5))
	passes(1)
	passes(1)
	f.advance(day - time.Nanosecond)
	passes(1)
	f.advance(time.Nanosecond)
	passes(2)
	f.rules(allDays("d", 4))
	passes(3)
	w = f.worker() // which knows what was done
	passes(0)
	f.advance(day)
	passes(1)
}

// begins returns a function that tells behind which key the next listing begins.
func (f *fixture) begins() func() string {
	var markers []string
	f.driver.list = func(req store.VersionsRequest) { markers = append(markers, req.KeyMarker) }
	return func() string {
		f.Helper()
		if len(markers) == 0 {
			f.Fatal("nothing was listed")
		}
		return markers[0]
	}
}

// TestWorkerResumes stops in the middle and goes on there.
func TestWorkerResumes(t *testing.T) {
	f := newFixture(t)
	const n = 60
	for i := range n {
		f.put(fmt.Sprintf("key%02d", i))
	}
	f.rules(allDays("d", 1))
	f.set(start.Add(2 * day))
	ctx, cancel := context.WithCancel(context.Background())
	removed := 0
	f.driver.remove = func(daypass.ObjectRef) error {
		if removed++; removed == 31 {
			cancel()
		}
		return nil
	}
	w := f.worker()
	if err := w.Round(ctx); !errors.Is(err, context.Canceled) {
		t.Fatalf("%v, want that it was stopped", err)
	}
	f.driver.remove = nil
	left := len(f.versions())
	if left == 0 || left == n {
		t.Fatalf("%d of %d are left", left, n)
	}
	begins := f.begins()
	again := f.worker(func(c *Config) { c.Node = "two" }) // the lease was given up
	f.round(again)
	f.want()
	if first := begins(); first < "key20" {
		t.Errorf("it went on behind %q", first)
	}
	if got := w.Stats().Expired + again.Stats().Expired; got != n {
		t.Errorf("%d were removed, want %d", got, n)
	}
}

// TestWorkerKilled ends a worker without a word: its successor goes on where it
// was, and another node only once the lease is over.
func TestWorkerKilled(t *testing.T) {
	f := newFixture(t)
	for i := range 60 {
		f.put(fmt.Sprintf("key%02d", i))
	}
	f.rules(allDays("d", 1))
	f.set(start.Add(2 * day))
	f.memory.failAfter = 6
	if err := f.worker().Round(context.Background()); !errors.Is(err, errDown) {
		t.Fatal(err)
	}
	f.memory.failAfter = 0
	left := len(f.versions())
	if left == 0 || left == 60 {
		t.Fatalf("%d are left", left)
	}
	f.round(f.worker(func(c *Config) { c.Node = "two" }))
	if got := len(f.versions()); got != left {
		t.Errorf("another node has removed %d in spite of the lease", left-got)
	}
	begins := f.begins()
	second := f.worker()
	f.memory.failAfter = f.memory.updates + 2
	if err := second.Round(context.Background()); !errors.Is(err, errDown) {
		t.Fatal(err)
	}
	if begins() == "" {
		t.Error("it began anew")
	}
	f.memory.failAfter = 0
	f.advance(leaseTime)
	f.round(f.worker(func(c *Config) { c.Node = "two" }))
	f.want()
}

// TestWorkerLosesLease lets another node take over from one that sleeps for too
// long.
func TestWorkerLosesLease(t *testing.T) {
	f := newFixture(t)
	for i := range 20 {
		f.put(fmt.Sprintf("key%02d", i))
	}
	f.rules(allDays("d", 1))
	f.set(start.Add(2 * day))
	one, two := f.worker(), f.worker(func(c *Config) { c.Node = "two" })
	f.driver.remove = func(ref daypass.ObjectRef) error {
		if ref.Key == "key04" {
			f.driver.remove = nil
			f.advance(leaseTime)
			f.round(two)
		}
		return nil
	}
	f.round(one)
	f.want()
	f.wantStats(one, Stats{Expired: 4, Changed: 1})
	f.wantStats(two, Stats{Expired: 16, Passes: 1})
}

// TestWorkerNodes lets several nodes work at once: everything goes once.
func TestWorkerNodes(t *testing.T) {
	f := newFixture(t)
	f.versioning(store.VersioningEnabled)
	const n = 100
	for i := range n {
		f.put(fmt.Sprintf("key%02d", i))
	}
	f.rules(allDays("d", 1))
	f.set(start.Add(2 * day))
	var all sync.WaitGroup
	for i := range 4 {
		w := f.worker(func(c *Config) { c.Node = fmt.Sprint(i) })
		all.Go(func() {
			for range 5 {
				if err := w.Round(context.Background()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if got := len(f.memory.events); got != n {
		t.Errorf("%d events, want %d", got, n)
	}
	if got := len(f.versions()); got != 2*n {
		t.Errorf("%d versions and markers, want %d", got, 2*n)
	}
}

// TestWorkerAnotherBucket replaces the bucket while its rules are carried out.
func TestWorkerAnotherBucket(t *testing.T) {
	f := newFixture(t)
	f.rules(allDays("d", 1))
	f.set(start.Add(2 * day))
	swapped := false
	f.driver.list = func(store.VersionsRequest) {
		if swapped {
			return
		}
		swapped = true
		f.must(f.store.DeleteBucket(context.Background(), bucketName))
		f.create(store.ObjectLock{})
		f.set(start)
		f.put("key")
		f.set(start.Add(2 * day))
	}
	w := f.worker()
	f.round(w)
	f.want("key")
	f.wantStats(w, Stats{})
}

// TestWorkerNewRules takes the rules away while they are carried out, and sets
// others.
func TestWorkerNewRules(t *testing.T) {
	for name, change := range map[string]func(f *fixture){
		"none":   func(f *fixture) { delete(f.memory.settings, f.bucket.ID) },
		"others": func(f *fixture) { f.rules(allDays("d", 100)) },
	} {
		f := newFixture(t)
		for i := range 20 {
			f.put(fmt.Sprintf("key%02d", i))
		}
		f.rules(allDays("d", 1))
		f.set(start.Add(2 * day))
		f.driver.remove = func(ref daypass.ObjectRef) error {
			if ref.Key == "key04" {
				change(f)
			}
			return nil
		}
		w := f.worker()
		w.stride.slice = 100
		f.round(w)
		if got := len(f.versions()); got != 14 {
			t.Errorf("%s: %d are left, want all but two pages of 20", name, got)
		}
	}
}

// TestWorkerFails lets removals fail.
func TestWorkerFails(t *testing.T) {
	f := newFixture(t)
	for i := range 30 {
		f.put(fmt.Sprintf("key%02d", i))
	}
	f.rules(allDays("d", 1))
	f.set(start.Add(2 * day))
	broken := errors.New("broken")
	f.driver.remove = func(ref daypass.ObjectRef) error {
		if ref.Key == "key11" {
			return broken
		}
		return nil
	}
	w := f.worker()
	w.stride.page = 100
	f.round(w)
	f.want("key11")
	f.wantStats(w, Stats{Expired: 29, Failed: 1, Passes: 1})

	// A store that can remove nothing is not asked for everything.
	f = newFixture(t)
	for i := range 30 {
		f.put(fmt.Sprintf("key%02d", i))
	}
	f.rules(allDays("d", 1))
	f.set(start.Add(2 * day))
	f.driver.remove = func(daypass.ObjectRef) error { return broken }
	w = f.worker()
	w.stride.page = 100
	if err := w.Round(context.Background()); !errors.Is(err, broken) {
		t.Errorf("%v, want that it is broken", err)
	}
	f.wantStats(w, Stats{Failed: maxFailures})
	f.driver.remove = nil
	f.round(w)
	if left := f.keys(); len(left) > maxFailures-1 {
		t.Errorf("after it was mended: %v", left)
	}
}

// TestWorkerPaces adds up what the worker rests while no time passes.
func TestWorkerPaces(t *testing.T) {
	f := newFixture(t)
	for i := range 90 {
		f.put(fmt.Sprintf("key%02d", i))
	}
	rested := map[bool]time.Duration{}
	deleting := false
	w := f.worker(func(c *Config) {
		c.ScanRate, c.DeleteRate = 1000, 10
		c.Rest = func(_ context.Context, d time.Duration) error { rested[deleting] = d; return nil }
	})
	w.scan.now, w.deletion.now = f.now, f.now
	w.stride = stride{page: 10, save: 1, slice: 100}
	f.rules(allDays("d", 100))
	f.round(w)
	// What comes behind the last page waits for nothing.
	if want := 80 * time.Millisecond; rested[false] != want {
		t.Errorf("rested %v for 90 versions at 1000 a second, want %v", rested[false], want)
	}
	f.rules(allDays("d", 1))
	f.driver.remove = func(daypass.ObjectRef) error { deleting = true; return nil }
	f.advance(2 * day)
	f.driver.list = func(store.VersionsRequest) { deleting = false }
	w.stride.page = 100
	f.round(w)
	if want := 9 * time.Second; rested[true] != want {
		t.Errorf("rested %v for 90 removals at 10 a second, want %v", rested[true], want)
	}
}

// TestWorkerAgainstModel lets the worker loose on random histories, and compares
// what it leaves with what the naive model says.
func TestWorkerAgainstModel(t *testing.T) {
	f := newFixture(t)
	for seed := range uint64(25) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		if seed > 0 {
			f.memory.settings, f.driver.list = map[string]map[string][]byte{}, nil
			f.empty()
			f.must(f.store.DeleteBucket(context.Background(), bucketName))
			f.set(start)
			f.create(store.ObjectLock{})
		}
		f.history(rnd)
		config := f.someRules(rnd)
		f.rules(config...)
		f.advance(time.Duration(rnd.IntN(24*10)) * time.Hour)
		before := f.versions()
		keep, marked := f.expected(config, before)
		w := f.worker()
		// Whole buckets at a time: what is looked at again, where a slice ends,
		// may be due by then for what was removed before.
		w.stride = stride{page: 1 + rnd.IntN(4), save: 1, slice: 1000}
		f.round(w)
		var left []string
		for _, v := range f.versions() {
			known := slices.ContainsFunc(before, func(o *store.Object) bool {
				return o.Key == v.Key && o.VersionID == v.VersionID && o.DeleteMarker == v.DeleteMarker
			})
			switch {
			case known:
				left = append(left, v.Key+" "+v.VersionID)
			case v.DeleteMarker && marked[v.Key]:
				delete(marked, v.Key)
			default:
				t.Errorf("seed %d: %s %s came from nowhere", seed, v.Key, v.VersionID)
			}
		}
		if diff := cmp.Diff(keep, left); diff != "" || len(marked) > 0 {
			t.Fatalf("seed %d: without a marker %v, versions (-want +got):\n%s", seed, marked, diff)
		}
	}
}

// empty removes everything.
func (f *fixture) empty() {
	for _, v := range f.versions() {
		_, err := f.store.DeleteObject(context.Background(), daypass.ObjectRef{Bucket: bucketName, Key: v.Key, VersionID: v.VersionID}, store.DeleteOptions{})
		f.must(err)
	}
}

// history writes and deletes at random for some days.
func (f *fixture) history(rnd *rand.Rand) {
	f.versioning(store.VersioningEnabled)
	for range 5 + rnd.IntN(25) {
		f.advance(time.Duration(rnd.IntN(12)) * time.Hour)
		key := []string{"a", "ab", "abc", "b", "c"}[rnd.IntN(5)]
		if rnd.IntN(3) == 0 {
			_, err := f.store.DeleteObject(context.Background(), daypass.ObjectRef{Bucket: bucketName, Key: key}, store.DeleteOptions{Time: f.now()})
			f.must(err)
			continue
		}
		var tags []store.Tag
		if n := rnd.IntN(3); n > 0 {
			tags = append(tags, store.Tag{Key: "k", Value: fmt.Sprint(n)})
		}
		f.put(key, tags...)
	}
}

func (f *fixture) someRules(rnd *rand.Rand) (rules []s3.LifecycleRule) {
	for i := range 1 + rnd.IntN(3) {
		and := &s3.LifecycleAnd{Prefix: ptr([]string{"", "a", "ab"}[rnd.IntN(3)])}
		r := s3.LifecycleRule{ID: fmt.Sprint(i), Status: s3.Enabled, Filter: &s3.LifecycleFilter{And: and}}
		days := ptr(int64(1 + rnd.IntN(6)))
		switch rnd.IntN(4) {
		case 0:
			r.Expiration = &s3.LifecycleExpiration{Days: days}
			if rnd.IntN(2) == 0 {
				and.Tags = []s3.Tag{{Key: "k", Value: "1"}}
			}
		case 1:
			r.Expiration = &s3.LifecycleExpiration{ExpiredObjectDeleteMarker: ptr(true)}
		case 2:
			r.NoncurrentVersionExpiration = &s3.NoncurrentExpiration{NoncurrentDays: days}
		case 3:
			r.NoncurrentVersionExpiration = &s3.NoncurrentExpiration{NoncurrentDays: days, NewerNoncurrentVersions: ptr(int64(1 + rnd.IntN(2)))}
		}
		rules = append(rules, r)
	}
	return rules
}

// expected says which versions stay, and over which keys a delete marker comes.
func (f *fixture) expected(config []s3.LifecycleRule, versions []*store.Object) (keep []string, marked map[string]bool) {
	marked = map[string]bool{}
	for len(versions) > 0 {
		n := 1
		for n < len(versions) && versions[n].Key == versions[0].Key {
			n++
		}
		gone := naive(config, versions[:n], f.now())
		for i, v := range versions[:n] {
			if gone[i] && i == 0 && !v.DeleteMarker {
				marked[v.Key] = true
				gone[i] = false
			}
			if !gone[i] {
				keep = append(keep, v.Key+" "+v.VersionID)
			}
		}
		versions = versions[n:]
	}
	return keep, marked
}

// TestStartAndClose runs the worker in the background.
func TestStartAndClose(t *testing.T) {
	f := newFixture(t)
	f.put("key")
	f.rules(allDays("d", 1))
	f.set(start.Add(2 * day))
	rested := make(chan struct{})
	w := f.worker(func(c *Config) {
		c.Rest = func(ctx context.Context, d time.Duration) error {
			if d != DefaultInterval {
				return ctx.Err()
			}
			select {
			case rested <- struct{}{}:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	})
	w.Start()
	<-rested
	<-rested // after the first round
	f.must(w.Close())
	f.want()
	f.must(New(Config{}).Close())
}
