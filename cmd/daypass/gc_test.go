package main

import (
	"runtime"
	"runtime/debug"
	"testing"
	"time"
)

// TestGarbage checks that what may gather is enough for a small heap, bounded
// for that of a busy server, and in proportion for a large one.
func TestGarbage(t *testing.T) {
	const mib = 1 << 20
	for live, want := range map[uint64]int{0: 100, 4 * mib: 100, 8 * mib: 100, 16 * mib: 50, 32 * mib: 25, 64 * mib: 37, 1024 * mib: 49} {
		if got := garbage(live); got != want {
			t.Errorf("%d MiB: %d %%, want %d", live/mib, got, want)
		}
	}
	most := uint64(0)
	for live := uint64(mib); live < 1024*mib; live += mib {
		heap := live + live*uint64(garbage(live))/100
		if heap < most {
			t.Errorf("%d MiB in use have a smaller heap than less", live/mib)
		}
		most = heap
	}
}

// TestGOGC checks that whoever sets GOGC decides.
func TestGOGC(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(70))
	for _, f := range []func(func(string) string){spendMemory, saveMemory} {
		f(func(name string) string {
			if name != "GOGC" {
				t.Errorf("$%s is asked for", name)
			}
			return "70"
		})
	}
	if got := debug.SetGCPercent(70); got != 70 {
		t.Errorf("GOGC=70: %d %%", got)
	}
}

// TestCollectionFollows fills the heap and checks that collections make the
// percentage what it is to be then.
func TestCollectionFollows(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(70))
	c := newCollection()
	c.follow()
	seen := func() int {
		p := debug.SetGCPercent(70)
		debug.SetGCPercent(p)
		return p
	}
	var much [][]byte
	for range 64 {
		much = append(much, make([]byte, 1<<20))
	}
	// What follows a collection runs beside the program.
	collect := func(least, most int) {
		t.Helper()
		for n := 0; seen() < least || seen() > most; n++ {
			if n == 1000 {
				t.Fatalf("%d %% after %d collections, want %d to %d", seen(), n, least, most)
			}
			runtime.GC()
			time.Sleep(time.Millisecond)
		}
	}
	collect(25, 45)
	runtime.KeepAlive(much)
	much = nil
	collect(71, 100)
	c.end.Store(true)
}
