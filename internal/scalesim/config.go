package main

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A kind is a kind of request.
type kind struct {
	Name string
	// Store is what it asks the store for, get (HEAD or GET) or put, and Asks
	// how often, one after the other.
	Store string
	Asks  int
	// Draws says what of state it changes before it is answered.
	Draws draws
	// Fresh says that each request is of a pass of its own, so that its
	// statistics are a row of its own.
	Fresh bool
}

type draws int

const (
	drawsNothing   draws = iota
	drawsFresh           // of a pass that nobody else uses
	drawsHot             // of one of a few passes that everybody uses
	drawsExhausted       // of a pass that has nothing left
)

// kinds are the requests that there are: downloads by one of a few passes and by
// a pass of its own each, without and with a number of uses; by a pass that many
// share, and by one that has nothing left; uploads; and redirects.
func kinds() []kind {
	return []kind{
		{Name: "get", Store: "get", Asks: 1},
		{Name: "fresh", Store: "get", Asks: 1, Fresh: true},
		{Name: "counted", Store: "get", Asks: 2, Draws: drawsFresh, Fresh: true},
		{Name: "hot", Store: "get", Asks: 2, Draws: drawsHot},
		{Name: "exhausted", Store: "get", Asks: 1, Draws: drawsExhausted},
		{Name: "put", Store: "put", Asks: 1},
		{Name: "redirect", Store: "get", Asks: 1},
	}
}

// A share is how much of the load is of a kind.
type share struct {
	Kind  string  `json:"kind"`
	Share float64 `json:"share"`
}

// A failure takes a node or a shard away for a while.
type failure struct {
	What  string  `json:"what"` // node or shard
	Index int     `json:"index"`
	At    float64 `json:"at"`
	For   float64 `json:"for"`
}

// A config is one deployment under one load.
type config struct {
	Seed     uint64  `json:"seed"`
	Duration float64 `json:"duration_s"` // that is measured
	Warmup   float64 `json:"warmup_s"`   // before it

	Nodes   int     `json:"nodes"`
	Cores   int     `json:"cores"` // of a node
	Speed   float64 `json:"speed"` // of a core, against the measured one
	Quota   float64 `json:"quota"` // of the one core of a node, in each 10 ms; 0: all
	Balance string  `json:"balance"`
	Service string  `json:"service"` // how work varies: fixed or exponential

	Rate    float64 `json:"rate_per_s"` // open loop; 0: closed
	Clients int     `json:"clients"`    // closed loop
	Think   float64 `json:"think_s"`
	Mix     []share `json:"mix"`

	Keys     int     `json:"keys"`
	Buckets  int     `json:"buckets"`
	Skew     float64 `json:"skew"` // exponent of Zipf's law, over 1; 0: all alike
	Hot      int     `json:"hot_passes"`
	UsedUp   int     `json:"exhausted_passes"`
	CacheTTL float64 `json:"cache_s"`

	Shards     int     `json:"shards"`
	ShardCores int     `json:"shard_cores"`
	RTT        float64 `json:"rtt_s"` // from a node to a shard and back
	Places     int     `json:"store_places"`

	Detect   float64   `json:"detect_s"` // until the balancer leaves a dead node out
	Grace    float64   `json:"grace_s"`
	Failures []failure `json:"failures,omitempty"`
	Costs    costs     `json:"costs"`
}

// check refuses what cannot be simulated.
func (c *config) check() error {
	switch {
	case c.Nodes < 1 || c.Cores < 1 || c.Shards < 1 || c.ShardCores < 1 || c.Places < 1:
		return errors.New("nodes, cores, shards, shard cores and places of the store are at least 1")
	case c.Speed <= 0 || c.Duration <= 0 || c.Warmup < 0 || c.RTT < 0 || c.Think < 0 || c.Rate < 0:
		return errors.New("speed and duration are above 0; warm-up, round trip, thinking and rate are not below")
	case c.Quota < 0 || c.Quota > 0 && c.Cores != 1:
		return errors.New("a quota is a share of the core of nodes that have one")
	case c.Rate == 0 && c.Clients < 1:
		return errors.New("name a rate (open loop) or clients (closed loop)")
	case c.Skew != 0 && c.Skew <= 1:
		return errors.New("skew is 0 or above 1")
	case c.Keys < 1 || c.Buckets < 1 || c.Hot < 1 || c.UsedUp < 1:
		return errors.New("there is at least one key, bucket, hot and exhausted pass")
	case c.Balance != "round-robin" && c.Balance != "least" && c.Balance != "random":
		return fmt.Errorf("balance is round-robin, least or random, not %q", c.Balance)
	case c.Service != "fixed" && c.Service != "exponential":
		return fmt.Errorf("service is fixed or exponential, not %q", c.Service)
	}
	for _, f := range c.Failures {
		n := map[string]int{"node": c.Nodes, "shard": c.Shards}[f.What]
		if f.Index < 0 || f.Index >= n || f.At < 0 || f.For < 0 {
			return fmt.Errorf("no %s %d can fail at %v for %v s", f.What, f.Index, f.At, f.For)
		}
	}
	return nil
}

// parseMix reads what the load consists of: get=0.9,put=0.1.
func parseMix(text string) ([]share, error) {
	known := kinds()
	var mix []share
	sum := 0.0
	for part := range strings.SplitSeq(text, ",") {
		name, value, _ := strings.Cut(part, "=")
		v, err := strconv.ParseFloat(value, 64)
		if err != nil || !(v > 0) || v > 1e9 || !slices.ContainsFunc(known, func(k kind) bool { return k.Name == name }) {
			return nil, fmt.Errorf("%q is no part of a mix such as get=0.9,counted=0.05,put=0.05", part)
		}
		sum += v
		mix = append(mix, share{name, v})
	}
	for i := range mix {
		mix[i].Share /= sum
	}
	return mix, nil
}

// parseFailure reads a failure: node:0@10+5 is node 0 from second 10 for 5 s.
func parseFailure(text string) (f failure, err error) {
	what, rest, _ := strings.Cut(text, ":")
	index, times, _ := strings.Cut(rest, "@")
	at, length, _ := strings.Cut(times, "+")
	f.What = what
	var errs [3]error
	f.Index, errs[0] = strconv.Atoi(index)
	f.At, errs[1] = strconv.ParseFloat(at, 64)
	f.For, errs[2] = strconv.ParseFloat(length, 64)
	if errors.Join(errs[:]...) != nil || what != "node" && what != "shard" {
		return failure{}, fmt.Errorf("%q is no failure such as node:0@10+5 or shard:1@20+3", text)
	}
	return f, nil
}
