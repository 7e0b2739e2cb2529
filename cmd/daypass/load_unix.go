//go:build unix

package main

import (
	"runtime"
	"sync"
	"syscall"
	"time"
)

// A load tells whether this process has as much to do as the machine lets it.
type load struct {
	mu       sync.Mutex
	at       time.Time
	cpu      time.Duration
	switches int64
	last     bool
}

// loadEvery is how often the machine is looked at.
const loadEvery = 100 * time.Millisecond

// It is busy when it takes most of the processors that it may use, or a good
// part while others take them away from it so often in a second, or little while
// they do so this often for each second that it has one: then it would take more.
const (
	mostlyBusy   = 0.75
	partlyBusy   = 0.25
	takenAwayToo = 100
	hardlyBusy   = 0.05
	tornAway     = 200
)

// isBusy reports whether a process is busy that takes so many processors of those
// that it may use, and loses one to others so often in a second.
func isBusy(takes, may, taken float64) bool {
	share := takes / may
	return share >= mostlyBusy || share >= partlyBusy && taken >= takenAwayToo || share >= hardlyBusy && taken >= tornAway*takes
}

// busy reports whether the process was busy in the last tenth of a second or
// so.
func (l *load) busy() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	passed := now.Sub(l.at)
	if passed < loadEvery {
		return l.last
	}
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return false
	}
	cpu := time.Duration(u.Utime.Nano() + u.Stime.Nano())
	switches := int64(u.Nivcsw)
	takes := (cpu - l.cpu).Seconds() / passed.Seconds()
	taken := float64(switches-l.switches) / passed.Seconds()
	// The first look, and one after a long time, say nothing of now: whoever
	// asks waits for the next one, as he does where it is busy.
	l.last = passed >= 10*loadEvery || isBusy(takes, float64(runtime.GOMAXPROCS(0)), taken)
	l.at, l.cpu, l.switches = now, cpu, switches
	return l.last
}
