package main

import (
	"math/rand/v2"
)

// An event is something that happens at a time. Events of the same time
// happen in the order in which they were scheduled.
type event struct {
	at    float64
	order uint64
	run   func()
}

func (e event) before(f event) bool {
	return e.at < f.at || e.at == f.at && e.order < f.order
}

// A clock runs events in the order of their times.
type clock struct {
	now    float64
	order  uint64
	events []event // a binary heap
	random *rand.Rand
}

func newClock(seed uint64) *clock {
	return &clock{random: rand.New(rand.NewPCG(seed, 0x6461797061737321))}
}

// after schedules run for so many seconds from now.
func (c *clock) after(delay float64, run func()) {
	c.order++
	c.events = append(c.events, event{c.now + max(delay, 0), c.order, run})
	i := len(c.events) - 1
	for i > 0 {
		parent := (i - 1) / 2
		if !c.events[i].before(c.events[parent]) {
			break
		}
		c.events[i], c.events[parent] = c.events[parent], c.events[i]
		i = parent
	}
}

// runUntil runs what is scheduled up to and at the end.
func (c *clock) runUntil(end float64) {
	for len(c.events) > 0 && c.events[0].at <= end {
		e := c.pop()
		c.now = e.at
		e.run()
	}
	c.now = end
}

// pop takes the first event off the heap.
func (c *clock) pop() event {
	first := c.events[0]
	last := len(c.events) - 1
	c.events[0] = c.events[last]
	c.events[last] = event{} // so that the closure can be collected
	c.events = c.events[:last]
	for i := 0; ; {
		child := 2*i + 1
		if child >= last {
			break
		}
		if child+1 < last && c.events[child+1].before(c.events[child]) {
			child++
		}
		if !c.events[child].before(c.events[i]) {
			break
		}
		c.events[i], c.events[child] = c.events[child], c.events[i]
		i = child
	}
	return first
}

// exponential draws from the exponential distribution with a mean.
func (c *clock) exponential(mean float64) float64 { return c.random.ExpFloat64() * mean }

// every runs f each interval, first after a random part of it, so that nodes
// do not march in step.
func (c *clock) every(interval float64, f func()) {
	var tick func()
	tick = func() {
		f()
		c.after(interval, tick)
	}
	c.after(c.random.Float64()*interval, tick)
}
