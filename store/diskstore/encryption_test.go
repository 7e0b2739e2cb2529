package diskstore

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/store"
)

// A countedKeys makes a wrapping key for each generation.
type countedKeys struct{ current uint32 }

func (k *countedKeys) Current(context.Context) (uint32, error) { return k.current, nil }

func (k *countedKeys) WrappingKey(generation uint32) (store.Key, error) {
	return store.Key{byte(generation)}, nil
}

// TestRewrapAtEndOfSpace has as many objects as a step looks at, so that the
// step ends where they do: what comes after them must not be passed over.
func TestRewrapAtEndOfSpace(t *testing.T) {
	d, keys, ctx := openTest(t, Options{Dir: t.TempDir()}), &countedKeys{current: 1}, t.Context()
	s := store.New(d, store.WithWrappingKeys(keys))
	if _, err := s.CreateBucket(ctx, store.Bucket{Name: "photos"}, time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	how := store.Sealing{SSE: store.SSES3}
	for _, key := range []string{"begun", "begun too"} {
		if _, err := s.CreateUpload(ctx, &store.MultipartUpload{Bucket: "photos", Key: key, Sealing: how}); err != nil {
			t.Fatal(err)
		}
	}
	e := d.newEdit()
	defer e.close()
	b, err := d.bucket("photos")
	if err != nil {
		t.Fatal(err)
	}
	for i := range rewrapStep {
		if err := e.batch.Set(objectKey(b.number, fmt.Sprint(i)), (&objectRecord{}).encode(), nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := e.commit(); err != nil {
		t.Fatal(err)
	}
	keys.current = 2
	var total store.RewrapCount
	for cursor := []byte(nil); ; {
		next, n, err := s.Rewrap(ctx, cursor)
		if err != nil {
			t.Fatal(err)
		}
		total.Seen, total.Changed = total.Seen+n.Seen, total.Changed+n.Changed
		if cursor = next; cursor == nil {
			break
		}
	}
	if want := (store.RewrapCount{Seen: rewrapStep + 2, Changed: 2}); total.Seen != want.Seen || total.Changed != want.Changed {
		t.Errorf("%+v, want %+v", total, want)
	}
}

// TestRewrapLeavesSpace writes nothing into the margin that is kept free for
// what cannot wait.
func TestRewrapLeavesSpace(t *testing.T) {
	keys, ctx, opts := &countedKeys{current: 1}, t.Context(), Options{Dir: t.TempDir()}
	d, err := Open(opts)
	if err != nil {
		t.Fatal(err)
	}
	s := store.New(d, store.WithWrappingKeys(keys))
	if _, err := s.CreateBucket(ctx, store.Bucket{Name: "photos"}, time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.CreateUpload(ctx, &store.MultipartUpload{Bucket: "photos", Key: "key", Sealing: store.Sealing{SSE: store.SSES3}}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	opts.MinFree = 1 << 62
	s = store.New(openTest(t, opts), store.WithWrappingKeys(keys))
	if _, n, err := s.Rewrap(ctx, nil); err != nil || n.Seen != 1 {
		t.Errorf("nothing to change: %+v, %v", n, err)
	}
	keys.current = 2
	if _, n, err := s.Rewrap(ctx, nil); daypass.CodeOf(err) != daypass.InsufficientStorage || n.Changed != 0 {
		t.Errorf("%+v, %v; want InsufficientStorage", n, err)
	}
}

// TestRewrapDamaged goes past an object whose wrapped key does not open, and
// names it.
func TestRewrapDamaged(t *testing.T) {
	d, keys, ctx := openTest(t, Options{Dir: t.TempDir()}), &countedKeys{current: 1}, t.Context()
	s := store.New(d, store.WithWrappingKeys(keys))
	if _, err := s.CreateBucket(ctx, store.Bucket{Name: "photos"}, time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	how := store.Sealing{SSE: store.SSES3}
	for _, key := range []string{"a", "damaged", "z"} {
		if _, err := s.CreateUpload(ctx, &store.MultipartUpload{Bucket: "photos", Key: key, Sealing: how}); err != nil {
			t.Fatal(err)
		}
	}
	_, _, err := d.Rewrap(ctx, nil, func(_, key string, e *store.Encryption) (*store.Encryption, error) {
		if key != "damaged" {
			return nil, nil
		}
		changed := *e
		changed.Wrapped = append([]byte{}, e.Wrapped...)
		changed.Wrapped[len(changed.Wrapped)-1] ^= 1
		return &changed, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	keys.current = 2
	changed, damaged := 0, []daypass.ObjectRef(nil)
	for cursor := []byte(nil); ; {
		next, n, err := s.Rewrap(ctx, cursor)
		if err != nil {
			t.Fatal(err)
		}
		changed, damaged = changed+n.Changed, append(damaged, n.Damaged...)
		if cursor = next; cursor == nil {
			break
		}
	}
	if changed != 2 || len(damaged) != 1 || damaged[0].Key != "damaged" {
		t.Errorf("%d changed, damaged: %v", changed, damaged)
	}
}
