package diskstore

import (
	"context"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/daypass/daypass"
	"github.com/daypass/daypass/store"
)

func openBench(b *testing.B, opts Options) *Driver {
	opts.Dir = b.TempDir()
	d := openTest(b, opts)
	createTestBucket(b, d)
	return d
}

// spread runs b.N operations in n goroutines.
func spread(b *testing.B, n int, run func(i int64) error) {
	var next atomic.Int64
	var wg sync.WaitGroup
	b.ResetTimer()
	for range n {
		wg.Go(func() {
			for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
				if err := run(i); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "op/s")
}

// BenchmarkPutSmall stores objects of 1 KiB, durably, from 16 writers, and
// reports how many of them share a sync.
func BenchmarkPutSmall(b *testing.B) {
	var syncs atomic.Int64
	count := errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpFileSync || op.Kind == errorfs.OpFileSyncData {
			syncs.Add(1)
		}
		return nil
	})
	d := openBench(b, Options{fs: inject(vfs.Default, count), files: osFiles{}})
	data := content(1, 1<<10)
	b.ReportAllocs()
	syncs.Store(0)
	spread(b, 16, func(i int64) error { return put(d, fmt.Sprintf("dir-%d/key-%d", i%100, i), data) })
	b.ReportMetric(float64(syncs.Load())/float64(b.N), "syncs/op")
}

// BenchmarkPut compares bodies in the index with bodies in files, to settle
// DefaultInlineSize.
func BenchmarkPut(b *testing.B) {
	for _, writers := range []int{1, 16} {
		for _, kib := range []int{4, 8, 16, 32, 64, 128, 256, 1024} {
			for name, inline := range map[string]int{"index": 1 << 20, "file": 1} {
				b.Run(fmt.Sprintf("%d-writers/%dKiB/%s", writers, kib, name), func(b *testing.B) {
					d := openBench(b, Options{InlineSize: inline})
					data := content(1, kib<<10)
					b.SetBytes(int64(len(data)))
					spread(b, writers, func(i int64) error { return put(d, fmt.Sprintf("key-%d", i), data) })
				})
			}
		}
	}
}

// BenchmarkGetSmall reads objects of 1 KiB in 16 goroutines. The set is larger
// than the cache.
func BenchmarkGetSmall(b *testing.B) {
	d := openBench(b, Options{})
	const objects = 50_000
	data := content(1, 1<<10)
	var wg sync.WaitGroup
	for w := range 64 {
		wg.Go(func() {
			for i := w; i < objects; i += 64 {
				if err := put(d, fmt.Sprintf("key-%d", i), data); err != nil {
					b.Error(err)
				}
			}
		})
	}
	wg.Wait()
	b.ReportAllocs()
	spread(b, 16, func(i int64) error {
		_, ok, err := read(d, fmt.Sprintf("key-%d", i*7919%objects))
		if err == nil && !ok {
			err = io.ErrUnexpectedEOF
		}
		return err
	})
}

// BenchmarkGetHot opens objects of 4 KiB that the read cache holds.
func BenchmarkGetHot(b *testing.B) {
	d := openBench(b, Options{})
	data := content(1, 4<<10)
	refs := make([]daypass.ObjectRef, 500)
	for i := range refs {
		refs[i] = testRef(fmt.Sprintf("key-%d", i))
		if err := put(d, refs[i].Key, data); err != nil {
			b.Fatal(err)
		}
	}
	open := func(i int) {
		obj, body, err := d.OpenObject(context.Background(), refs[i%len(refs)])
		if err != nil {
			b.Fatal(err)
		}
		if _, err := body.Range(0, obj.Size); err != nil {
			b.Fatal(err)
		}
		body.Close()
	}
	for i := range refs {
		open(i)
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		open(i)
		i++
	}
}

// BenchmarkList lists 10 common prefixes of 5,000 keys each.
func BenchmarkList(b *testing.B) {
	d := openBench(b, Options{})
	const dirs, objects = 10, 50_000
	for i := range objects {
		key := fmt.Sprintf("dir-%d/key-%d", i%dirs, i)
		rec := &objectRecord{object: store.Object{ETag: "5eb63bbbe01eeed093cb22bb8f5acdc3"}}
		if err := d.db.Set(objectKey(2, key), rec.encode(), pebble.NoSync); err != nil {
			b.Fatal(err)
		}
	}
	bk, err := d.bucket(testBucket)
	if err != nil {
		b.Fatal(err)
	}
	bk.number = 2
	for _, req := range []store.ListRequest{
		{Bucket: testBucket, Delimiter: "/", Max: 1000},
		{Bucket: testBucket, Prefix: "dir-5/", Max: 1000},
	} {
		b.Run(fmt.Sprintf("prefix=%q,delimiter=%q", req.Prefix, req.Delimiter), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				page, err := d.ListObjects(b.Context(), req)
				if err != nil || len(page.Objects)+len(page.CommonPrefixes) < dirs {
					b.Fatal(page, err)
				}
			}
		})
	}
}

// BenchmarkCopyObject copies objects of 1 MiB, durably, in 16 goroutines: each
// an object of its own, or all the same one, whose references are counted one
// after the other; and an object of 10,000 parts.
func BenchmarkCopyObject(b *testing.B) {
	for _, bb := range []struct {
		name   string
		source func(i int64) string
	}{
		{"own", func(i int64) string { return fmt.Sprint(i % 16) }},
		{"same", func(int64) string { return "0" }},
		{"parts", func(int64) string { return "parts" }},
	} {
		b.Run(bb.name, func(b *testing.B) {
			d := openBench(b, Options{})
			for i := range 16 {
				if err := put(d, fmt.Sprint(i), content(1, 1<<20)); err != nil {
					b.Fatal(err)
				}
			}
			putManyParts(b, d, "parts")
			b.ReportAllocs()
			spread(b, 16, func(i int64) error {
				_, err := d.CopyObject(context.Background(), &store.CopyRequest{
					Source: testRef(bb.source(i)), Bucket: testBucket, Key: fmt.Sprintf("copy-%d", i),
				})
				return err
			})
		})
	}
}

// beginManyParts begins an upload of 10,000 parts.
func beginManyParts(b *testing.B, d *Driver, key string) *store.CompleteRequest {
	part := sparsePart(b, d, "part", content(1, 100_000), store.MinPartSize)
	return repeatPart(b, d, createTestUpload(b, d, key), store.MaxParts, part)
}

func putManyParts(b *testing.B, d *Driver, key string) {
	if _, err := store.New(d).CompleteUpload(context.Background(), beginManyParts(b, d, key)); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkCompleteUpload completes uploads of 10,000 parts, with all that the
// store checks and computes.
func BenchmarkCompleteUpload(b *testing.B) {
	d := openBench(b, Options{})
	s := store.New(d)
	b.ReportAllocs()
	for i := range b.N {
		b.StopTimer()
		req := beginManyParts(b, d, fmt.Sprint(i))
		b.StartTimer()
		if _, err := s.CompleteUpload(context.Background(), req); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkOpenParts opens an object of 10,000 parts and reads a little in its
// middle.
func BenchmarkOpenParts(b *testing.B) {
	d := openBench(b, Options{})
	putManyParts(b, d, "parts")
	b.ReportAllocs()
	for b.Loop() {
		obj, body, err := d.OpenObject(context.Background(), testRef("parts"))
		if err != nil {
			b.Fatal(err)
		}
		r, err := body.Range(obj.Size/2, 1000)
		if err != nil {
			b.Fatal(err)
		}
		if n, err := io.Copy(io.Discard, r); n != 1000 {
			b.Fatal(n, err)
		}
		body.Close()
	}
}
