package lifecycle

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/daypass/daypass/s3"
)

// BenchmarkScan measures how many objects a worker that removes nothing and never
// waits looks at in a second, over an index on disk.
func BenchmarkScan(b *testing.B) {
	const objects, writers = 40_000, 16
	f := newFixture(b)
	var all sync.WaitGroup
	for n := range writers {
		all.Go(func() {
			for i := n; i < objects; i += writers {
				f.put(fmt.Sprintf("photos/2026/%08d.jpg", i))
			}
		})
	}
	all.Wait()
	for _, rules := range []int{1, 1000} {
		b.Run(fmt.Sprint("rules=", rules), func(b *testing.B) {
			config := []s3.LifecycleRule{expireAfter("last", 365, s3.LifecycleFilter{Prefix: ptr("photos/")})}
			for i := range rules - 1 {
				config = append(config, expireAfter(fmt.Sprint(i), 365, s3.LifecycleFilter{Prefix: ptr(fmt.Sprintf("photos/2025/%04d", i))}))
			}
			f.rules(config...)
			w := New(Config{Store: f.store, Settings: f.memory, Journal: f.memory, Node: "bench", Clock: f.now, ScanRate: 1e9,
				Rest: func(ctx context.Context, _ time.Duration) error { return ctx.Err() }})
			b.ReportAllocs()
			for b.Loop() {
				f.set(start.Add(time.Duration(w.Stats().Passes%300) * day))
				w.done = map[string]progress{}
				f.memory.tasks = map[string][]byte{}
				f.round(w)
			}
			b.ReportMetric(float64(w.Stats().Scanned)/b.Elapsed().Seconds(), "objects/s")
		})
	}
}

// BenchmarkVersion measures what a rule costs for one object.
func BenchmarkVersion(b *testing.B) {
	r := Compile([]s3.LifecycleRule{expireAfter("d", 30, s3.LifecycleFilter{Prefix: ptr("photos/")})})
	f := newFixture(b)
	o := f.put("photos/a")
	b.ReportAllocs()
	for b.Loop() {
		if r.Version(o, Place{}).Action != Expire {
			b.Fatal("not expired")
		}
	}
}
