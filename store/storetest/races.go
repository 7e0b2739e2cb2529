package storetest

import (
	"bytes"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/store"
)

// together runs n goroutines that begin at the same moment.
func together(n int, run func(i int)) {
	var wg sync.WaitGroup
	begin := make(chan struct{})
	for i := range n {
		wg.Go(func() {
			<-begin
			run(i)
		})
	}
	close(begin)
	wg.Wait()
}

// testCreationRace lets many create one key; exactly one may succeed.
func testCreationRace(s *suite) {
	s.createBucket(bucketName)
	racers := s.rounds(1000)
	if testing.Short() {
		racers = 50
	}
	for _, size := range []int{100, 300 << 10} {
		key := fmt.Sprint(size)
		var winners atomic.Int64
		winner := -1
		together(racers, func(i int) {
			err := s.putHeard(key, pattern(i, size), store.WriteConditions{IfNoneMatch: "*"})
			if err == nil {
				winners.Add(1)
				winner = i
				return
			}
			s.wantCode("a loser", err, daypass.PreconditionFailed)
		})
		if n := winners.Load(); n != 1 {
			s.Fatalf("%d of %d racers stored an object of %d bytes, want 1", n, racers, size)
		}
		s.wantBody(key, pattern(winner, size))
		racers = min(racers, 50) // large bodies are slow
	}
}

// testCompareAndSwapRace counts up under If-Match; no step may be lost.
func testCompareAndSwapRace(s *suite) {
	s.createBucket(bucketName)
	s.mustPut("counter", []byte("0"))
	const workers, steps = 8, 10
	together(workers, func(int) {
		for done := 0; done < steps; {
			obj, data, err := s.get("counter")
			if err != nil {
				s.Error(err)
				return
			}
			var n int
			fmt.Sscan(string(data), &n)
			_, err = s.put("counter", fmt.Append(nil, n+1), store.WriteConditions{IfMatch: obj.ETag})
			if err == nil {
				done++
			} else {
				s.wantCode("a lost step", err, daypass.PreconditionFailed)
			}
		}
	})
	s.wantBody("counter", fmt.Append(nil, workers*steps))
}

// testOverwriteRace overwrites one key with bodies of many sizes while others
// read it: every read yields one body, whole.
func testOverwriteRace(s *suite) {
	s.createBucket(bucketName)
	rounds := s.rounds(60)
	if testing.Short() {
		rounds = 15
	}
	sizes := []int{10, 5_000, 40_000, 400_000}
	body := func(i int) []byte { return pattern(i, sizes[i%len(sizes)]+i) }
	bySize := make(map[int][]byte)
	for i := range 4 * rounds {
		bySize[len(body(i))] = body(i)
	}
	s.mustPut("key", body(0))
	together(8, func(worker int) {
		for i := range rounds {
			if worker < 4 {
				s.mustPut("key", body(worker*rounds+i))
				continue
			}
			obj, data, err := s.get("key")
			if err != nil {
				s.Errorf("reading while it is overwritten: %v", err)
			} else if want := bySize[int(obj.Size)]; !bytes.Equal(data, want) || obj.ETag != etag(string(want)) {
				s.Errorf("a read yields %d bytes that nobody wrote under ETag %s", len(data), obj.ETag)
			}
		}
	})
}

// testBucketDeletionRace deletes a bucket while objects are put into it. An
// acknowledged object keeps its bucket alive.
func testBucketDeletionRace(s *suite) {
	rounds := s.rounds(30)
	if testing.Short() {
		rounds = 10
	}
	for round := range rounds {
		s.createBucket(bucketName)
		var deleted bool
		stored := make([]bool, 8)
		together(len(stored)+1, func(i int) {
			if i == len(stored) {
				err := s.store.DeleteBucket(s.ctx, bucketName)
				deleted = err == nil
				if err != nil {
					s.wantCode("DeleteBucket", err, daypass.BucketNotEmpty)
				}
				return
			}
			_, err := s.put(fmt.Sprint(i), pattern(i, 100), store.WriteConditions{})
			stored[i] = err == nil
			if err != nil {
				s.wantCode("PutObject", err, daypass.NoSuchBucket)
			}
		})
		for i, ok := range stored {
			if ok && deleted {
				s.Fatalf("round %d: the bucket was deleted with an acknowledged object", round)
			}
			if ok {
				s.wantBody(fmt.Sprint(i), pattern(i, 100))
				s.remove(fmt.Sprint(i))
			}
		}
		if !deleted {
			s.must(s.store.DeleteBucket(s.ctx, bucketName))
		}
	}
}
