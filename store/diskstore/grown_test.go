package diskstore

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/daypass/daypass/store"
)

// grownKey returns the key of one of the objects that grow makes. As in life,
// neighbours in the listing were not stored one after the other.
func grownKey(i int) string {
	return fmt.Sprintf("dir-%03d/object-%016x", i%1000, uint64(i)*0x9E3779B97F4A7C15)
}

// grow fills a bucket with n objects of 600 bytes, which is beyond what stays
// with its key.
func grow(b *testing.B, d *Driver, n int) {
	bk, err := d.bucket(testBucket)
	if err != nil {
		b.Fatal(err)
	}
	data := content(1, 600)
	batch := d.db.NewBatch()
	for i := range n {
		body, err := d.stageSmall(nil, data)
		if err != nil {
			b.Fatal(err)
		}
		rec := &objectRecord{segments: body.segments(), object: store.Object{
			Size: body.size, ETag: fmt.Sprintf("%032x", rand.Uint64()), Owner: "root", ModTime: time.Unix(int64(i), 0),
			Metadata:  store.Metadata{ContentType: "application/octet-stream"},
			Checksums: []store.Checksum{{Algorithm: "CRC64NVME", Value: "rosUhgp5mIg="}},
		}}
		e := &edit{d: d, batch: batch}
		if err := e.addBody(body); err != nil {
			b.Fatal(err)
		}
		if err := batch.Set(objectKey(bk.number, grownKey(i)), rec.encode(), nil); err != nil {
			b.Fatal(err)
		}
		if batch.Count() >= 2000 {
			if err := d.apply(batch, pebble.NoSync); err != nil {
				b.Fatal(err)
			}
			batch.Reset()
		}
	}
	if err := d.apply(batch, pebble.NoSync); err != nil {
		b.Fatal(err)
	}
}

// openGrown opens a store with many objects: 200,000, or as many as
// DAYPASS_BENCH_OBJECTS says. DAYPASS_BENCH_DIR names a directory where it is
// kept for the next time.
func openGrown(b *testing.B) (*Driver, int) {
	n := 200_000
	if v, err := strconv.Atoi(os.Getenv("DAYPASS_BENCH_OBJECTS")); err == nil {
		n = v
	}
	opts := Options{Dir: os.Getenv("DAYPASS_BENCH_DIR"), ReadCacheSize: -1}
	if opts.Dir == "" {
		opts.Dir = b.TempDir()
	}
	d := openTest(b, opts)
	if _, err := d.bucket(testBucket); err != nil {
		createTestBucket(b, d)
		grow(b, d, n)
	}
	return d, n
}

// BenchmarkGrown reads, writes and lists in a bucket with many objects, none of
// which is in the read cache. The figures are to be compared with those of
// other numbers of objects.
func BenchmarkGrown(b *testing.B) {
	d, n := openGrown(b)
	b.Run("get", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, ok, err := read(d, grownKey(rand.IntN(n))); !ok || err != nil {
				b.Fatal(ok, err)
			}
		}
	})
	for name, key := range map[string]func() string{
		"put-new":     func() string { return grownKey(n + rand.IntN(1<<30)) },
		"put-another": func() string { return grownKey(rand.IntN(n)) },
	} {
		b.Run(name, func(b *testing.B) {
			data := content(1, 600)
			b.ReportAllocs()
			spread(b, 16, func(int64) error { return put(d, key(), data) })
		})
	}
	for name, req := range map[string]store.ListRequest{
		"list":          {Bucket: testBucket, Prefix: "dir-500/", Max: 1000},
		"list-prefixes": {Bucket: testBucket, Delimiter: "/", Max: 1000},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := d.ListObjects(context.Background(), req); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
