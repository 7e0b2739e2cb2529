package main

import (
	"runtime"
	"runtime/debug"
	rtmetrics "runtime/metrics"
	"sync/atomic"
)

// How much garbage may gather before it is collected. Of what a server has in
// use most is memory that the collector need not look into, as are the store's
// tables in memory, caches and pieces of bodies: collecting does not cost more
// because there is more of it, so that garbage need not be in proportion to it
// (GOGC). It is what keeps collecting rare when little is in use, and no more
// until so much is in use that most of it must be connections, which have to be
// looked into.
const (
	usualGarbage = 8 << 20
	// mostGarbage is in percent of what is in use; the start of a server and a
	// server at rest have no need of more.
	mostGarbage = 100
)

// garbage returns how much may gather while so many bytes are in use, in percent
// of those.
func garbage(live uint64) int {
	if live <= usualGarbage {
		return mostGarbage
	}
	return int(max(usualGarbage, live/2-min(usualGarbage, live/2)) * 100 / live)
}

// startGarbage is for the start of a server, all of whose garbage is less than
// one collection costs: none until the heap is three times as large as it
// usually is at its smallest.
const startGarbage = 300

// spendMemory puts off collections until saveMemory, unless the environment says
// otherwise.
func spendMemory(getenv func(string) string) {
	if getenv("GOGC") == "" {
		debug.SetGCPercent(startGarbage)
	}
}

// saveMemory bounds garbage as garbage says, unless the environment says
// otherwise.
func saveMemory(getenv func(string) string) {
	if getenv("GOGC") == "" {
		newCollection().follow()
	}
}

// A collection follows what is in use from one collection to the next.
type collection struct {
	live    []rtmetrics.Sample
	percent int
	end     atomic.Bool
}

func newCollection() *collection {
	return &collection{live: []rtmetrics.Sample{{Name: "/gc/heap/live:bytes"}}}
}

// A cycle is what nobody uses, so that each collection finds it.
type cycle struct{ _ *cycle }

// follow adjusts the percentage now, and after each collection until the end.
func (c *collection) follow() {
	if c.end.Load() {
		return
	}
	rtmetrics.Read(c.live)
	if p := garbage(c.live[0].Value.Uint64()); p < c.percent-c.percent/16 || p > c.percent+c.percent/16 {
		c.percent = p
		debug.SetGCPercent(p) // stops everything for some microseconds
	}
	runtime.AddCleanup(new(cycle), (*collection).follow, c)
}
