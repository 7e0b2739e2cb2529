package instrument

import (
	"context"
	"errors"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/state"
	"github.com/daypass/daypass/state/sqlstate"
	"github.com/daypass/daypass/state/statetest"
	"github.com/daypass/daypass/store"
	"github.com/daypass/daypass/store/diskstore"
	"github.com/daypass/daypass/store/storetest"
)

// counted counts what is observed.
type counted []atomic.Int64

func (c counted) Observe(operation int, took time.Duration) {
	if took < 0 {
		panic("an operation ended before it began")
	}
	c[operation].Add(1)
}

// want fails the test for operations that nothing was observed of.
func (c counted) want(t *testing.T, operations []string) {
	t.Helper()
	for i, name := range operations {
		if c[i].Load() == 0 {
			t.Errorf("nothing was observed of %s", name)
		}
	}
}

// TestStoreConformance runs the conformance suite through the instruments: they
// must change nothing.
func TestStoreConformance(t *testing.T) {
	c := make(counted, len(StoreOperations()))
	storetest.Run(t, func(t *testing.T) store.Driver {
		d, err := diskstore.Open(diskstore.Options{Dir: t.TempDir(), MinFree: 1})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { d.Close() })
		return Store(d, c, nil)
	})
	remoteOperations(t, c)
	c.want(t, StoreOperations())
}

// remote can do what only drivers can that ask another server.
type remote struct{ *diskstore.Driver }

func (d remote) OpenObjectRange(ctx context.Context, ref daypass.ObjectRef, _ store.RangeHint) (*store.Object, store.Body, error) {
	return d.OpenObject(ctx, ref)
}

func (remote) RedirectURL(_ context.Context, req store.RedirectRequest) (string, bool, error) {
	return "https://engine.example/" + req.Ref.Key, true, nil
}

func remoteOperations(t *testing.T, c counted) {
	d, err := diskstore.Open(diskstore.Options{Dir: t.TempDir(), MinFree: 1})
	if err != nil {
		t.Fatal(err)
	}
	s := store.New(Store(remote{d}, c, nil))
	defer s.Close()
	if _, err := s.CreateBucket(t.Context(), store.Bucket{Name: "bucket"}, time.Now()); err != nil {
		t.Fatal(err)
	}
	put(t, s, "a", "content")
	ref := daypass.ObjectRef{Bucket: "bucket", Key: "a"}
	obj, body, err := s.OpenRange(t.Context(), ref, nil, store.RangeHint{})
	if err != nil || obj.Size != int64(len("content")) {
		t.Fatalf("%+v, %v", obj, err)
	}
	body.Close()
	url, ok, err := s.RedirectURL(t.Context(), store.RedirectRequest{Ref: ref})
	if url != "https://engine.example/a" || !ok || err != nil {
		t.Errorf("%q, %v, %v", url, ok, err)
	}
}

func TestStateConformance(t *testing.T) {
	c := make(counted, len(StateOperations()))
	statetest.Run(t, func(t *testing.T) state.Driver {
		d, err := sqlstate.OpenSQLite(t.Context(), filepath.Join(t.TempDir(), "state.db"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { d.Close() })
		return State(d, c, nil)
	})
	c.want(t, StateOperations())
}

// TestEveryMethod finds methods of drivers that are not instrumented.
func TestEveryMethod(t *testing.T) {
	methods := func(types ...reflect.Type) (names []string) {
		for _, typ := range types {
			for i := range typ.NumMethod() {
				if name := typ.Method(i).Name; name != "Close" {
					names = append(names, name)
				}
			}
		}
		slices.Sort(names)
		return names
	}
	for _, tt := range []struct {
		operations, methods []string
	}{
		{StoreOperations(), methods(reflect.TypeFor[store.Driver](), reflect.TypeFor[store.Versioner](), reflect.TypeFor[store.Updater](),
			reflect.TypeFor[store.Multiparter](), reflect.TypeFor[store.Copier](), reflect.TypeFor[store.Locker](), reflect.TypeFor[store.Rewrapper](),
			reflect.TypeFor[store.Redirector]())},
		{StateOperations(), methods(reflect.TypeFor[state.Driver]())},
	} {
		if got := slices.Sorted(slices.Values(tt.operations)); !slices.Equal(got, tt.methods) {
			t.Errorf("instrumented: %v\nthe driver has: %v", got, tt.methods)
		}
	}
}

// bare is a driver without optional interfaces.
type bare struct{ store.Driver }

// parted is a driver that has multipart uploads, and cannot copy.
type parted struct {
	store.Driver
	store.Multiparter
}

// TestCopyPartWithoutCopier makes a part from an object of a driver that cannot
// copy.
func TestCopyPartWithoutCopier(t *testing.T) {
	d, err := diskstore.Open(diskstore.Options{Dir: t.TempDir(), MinFree: 1})
	if err != nil {
		t.Fatal(err)
	}
	s := store.New(Store(parted{d, d}, nil, nil))
	defer s.Close()
	if _, err := s.CreateBucket(t.Context(), store.Bucket{Name: "bucket"}, time.Now()); err != nil {
		t.Fatal(err)
	}
	put(t, s, "a", "content")
	u, err := s.CreateUpload(t.Context(), &store.MultipartUpload{Bucket: "bucket", Key: "b"})
	if err != nil {
		t.Fatal(err)
	}
	p, err := s.CopyPart(t.Context(), &store.PartCopyRequest{Bucket: "bucket", Key: "b", UploadID: u.ID, Number: 1,
		Source: daypass.ObjectRef{Bucket: "bucket", Key: "a"}, Size: -1})
	if err != nil || p.Size != int64(len("content")) {
		t.Errorf("%+v, %v", p, err)
	}
}

// TestCapabilities checks that the instruments claim nothing that the driver
// inside cannot do.
func TestCapabilities(t *testing.T) {
	d, err := diskstore.Open(diskstore.Options{Dir: t.TempDir(), MinFree: 1})
	if err != nil {
		t.Fatal(err)
	}
	c := make(counted, len(StoreOperations()))
	// Twice, since nothing forbids it.
	s := store.New(Store(Store(bare{d}, c, nil), nil, nil))
	defer s.Close()
	ctx := t.Context()
	if _, err := s.CreateBucket(ctx, store.Bucket{Name: "bucket"}, time.Now()); err != nil {
		t.Fatal(err)
	}
	if err := s.SetVersioning(ctx, "bucket", store.VersioningEnabled); daypass.CodeOf(err) != daypass.NotImplemented {
		t.Errorf("versioning of a driver that has none: %v", err)
	}
	if _, err := s.ListUploads(ctx, store.UploadsRequest{Bucket: "bucket", Max: 1}); daypass.CodeOf(err) != daypass.NotImplemented {
		t.Errorf("multipart uploads of a driver that has none: %v", err)
	}
	put(t, s, "a", "content")
	// Without a Copier the store reads and writes.
	if _, err := s.CopyObject(ctx, &store.CopyRequest{Source: daypass.ObjectRef{Bucket: "bucket", Key: "a"}, Bucket: "bucket", Key: "b"}); err != nil {
		t.Errorf("copy: %v", err)
	}
	if c[opCopyObject].Load() != 0 || c[opPutObject].Load() != 2 {
		t.Errorf("%d copies and %d puts, want 0 and 2", c[opCopyObject].Load(), c[opPutObject].Load())
	}
}

func put(t testing.TB, s *store.Store, key, body string) {
	t.Helper()
	u, err := store.NewUpload(strings.NewReader(body), store.UploadOptions{Size: int64(len(body))})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.PutObject(context.Background(), &store.PutRequest{Bucket: "bucket", Key: key, Body: u}); err != nil {
		t.Fatal(err)
	}
}

// TestBody checks that the body of an object is the driver's own, which goes
// out by sendfile.
func TestBody(t *testing.T) {
	d, err := diskstore.Open(diskstore.Options{Dir: t.TempDir(), MinFree: 1})
	if err != nil {
		t.Fatal(err)
	}
	w := Store(d, make(counted, len(StoreOperations())), nil)
	s := store.New(w)
	defer s.Close()
	if _, err := s.CreateBucket(t.Context(), store.Bucket{Name: "bucket"}, time.Now()); err != nil {
		t.Fatal(err)
	}
	put(t, s, "large", strings.Repeat("x", 1<<20))
	ref := daypass.ObjectRef{Bucket: "bucket", Key: "large"}
	var types [2]reflect.Type
	for i, driver := range []store.Driver{d, w} {
		_, body, err := driver.OpenObject(t.Context(), ref)
		if err != nil {
			t.Fatal(err)
		}
		defer body.Close()
		types[i] = reflect.TypeOf(body)
	}
	if types[0] != types[1] {
		t.Errorf("the body is a %v, want a %v", types[1], types[0])
	}
}

// stepLog notes steps.
type stepLog struct {
	mu    sync.Mutex
	lines []string
}

type stepKey struct{}

func (l *stepLog) note(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, line)
}

func (l *stepLog) Step(ctx context.Context, name string) (context.Context, func(error)) {
	l.note("begin " + name)
	return context.WithValue(ctx, stepKey{}, name), func(err error) { l.note("end " + name + ": " + string(daypass.CodeOf(err))) }
}

// panicking is a driver whose calls panic or fail, and that tells in which step
// they were.
type panicking struct {
	state.Driver
	in any
}

func (d *panicking) Key(ctx context.Context, _ string) (state.KeyRecord, error) {
	d.in = ctx.Value(stepKey{})
	return state.KeyRecord{}, &daypass.Error{Code: daypass.NoSuchAccessKey}
}

func (d *panicking) RootKey(context.Context) (state.KeyRecord, error) { panic(errors.New("broken")) }

func TestSteps(t *testing.T) {
	log, inner := &stepLog{}, &panicking{}
	c := make(counted, len(StateOperations()))
	d := State(inner, c, log)
	if _, err := d.Key(t.Context(), "id"); daypass.CodeOf(err) != daypass.NoSuchAccessKey {
		t.Errorf("Key: %v", err)
	}
	if inner.in != "state.Key" {
		t.Errorf("the driver was called in the step %v", inner.in)
	}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("a panic was swallowed")
			}
		}()
		_, _ = d.RootKey(t.Context())
	}()
	want := []string{"begin state.Key", "end state.Key: NoSuchAccessKey", "begin state.RootKey", "end state.RootKey: "}
	if !slices.Equal(log.lines, want) {
		t.Errorf("steps: %q\nwant: %q", log.lines, want)
	}
	if c[doKey].Load() != 1 || c[doRootKey].Load() != 1 {
		t.Error("a call that failed was not observed")
	}
}

// quick is a driver that does nothing.
type quick struct{ store.Driver }

func (quick) Bucket(context.Context, string) (store.Bucket, error) { return store.Bucket{}, nil }

func TestNoAllocations(t *testing.T) {
	d := Store(quick{}, make(counted, len(StoreOperations())), nil)
	ctx := t.Context()
	if n := testing.AllocsPerRun(100, func() { _, _ = d.Bucket(ctx, "bucket") }); n != 0 {
		t.Errorf("a call makes %v allocations", n)
	}
}

func BenchmarkCall(b *testing.B) {
	d := Store(quick{}, make(counted, len(StoreOperations())), nil)
	ctx := b.Context()
	b.ReportAllocs()
	for b.Loop() {
		_, _ = d.Bucket(ctx, "bucket")
	}
}
