package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
)

func main() {
	if err := run(os.Args[1:], os.Stdout, os.Stderr); err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(os.Stderr, "scalesim:", err)
			os.Exit(1)
		}
	}
}

// options are what the flags say besides the deployment.
type options struct {
	json, timeline, plan bool
	figures              string
	target               target
}

// run reads the flags, simulates, and prints.
func run(args []string, out, errs io.Writer) error {
	c, o, err := parseFlags(args, errs)
	if err != nil {
		return err
	}
	figures, err := readMeasurements(o.figures)
	if err != nil {
		return err
	}
	if c.Costs, err = figures.costs(); err != nil {
		return err
	}
	if o.plan {
		p, err := o.target.plan(c, figures)
		if err != nil {
			return err
		}
		if !o.json {
			if err := p.table(out); err != nil {
				return err
			}
		}
	}
	if err := c.check(); err != nil {
		return err
	}
	s := newSimulation(c)
	s.run()
	if o.json {
		return s.report().json(out)
	}
	return s.report().table(out, o.timeline)
}

// readMeasurements reads a file, or what is built in where none is named.
func readMeasurements(path string) (*measurements, error) {
	if path == "" {
		return parseMeasurements(measured)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return parseMeasurements(text)
}

// parseFlags returns the deployment that the flags describe.
func parseFlags(args []string, errs io.Writer) (*config, *options, error) {
	c, o := &config{}, &options{}
	fs := flag.NewFlagSet("scalesim", flag.ContinueOnError)
	fs.SetOutput(errs)
	addRunFlags(fs, c, o)
	addPartFlags(fs, c)
	addLoadFlags(fs, c)
	addTargetFlags(fs, &o.target)
	mix := fs.String("mix", "get=1", "what the load consists of: get, counted, hot, exhausted, put, redirect, each with its share")
	fs.Func("fail", "a failure, such as node:0@10+5 or shard:0@10+3: which, from which second, for how many (may repeat)", func(text string) error {
		f, err := parseFailure(text)
		c.Failures = append(c.Failures, f)
		return err
	})
	if err := fs.Parse(args); err != nil {
		return nil, nil, err
	}
	if fs.NArg() > 0 {
		return nil, nil, fmt.Errorf("%q is no flag", fs.Arg(0))
	}
	var err error
	c.Mix, err = parseMix(*mix)
	return c, o, err
}

func addRunFlags(fs *flag.FlagSet, c *config, o *options) {
	fs.Uint64Var(&c.Seed, "seed", 1, "what chance begins with; the same seed gives the same output")
	fs.Float64Var(&c.Duration, "duration", 10, "seconds that are measured")
	fs.Float64Var(&c.Warmup, "warmup", 2, "seconds before them")
	fs.BoolVar(&o.json, "json", false, "print JSON")
	fs.BoolVar(&o.timeline, "timeline", false, "print each second, too")
	fs.StringVar(&o.figures, "measurements", "", "file of measured figures; empty: those that are built in")
	fs.BoolVar(&o.plan, "plan", false, "work out nodes and shards for -rate first, and simulate those")
}

func addPartFlags(fs *flag.FlagSet, c *config) {
	fs.IntVar(&c.Nodes, "nodes", 3, "nodes")
	fs.IntVar(&c.Cores, "cores", 2, "cores of a node")
	fs.Float64Var(&c.Speed, "speed", 1, "how fast a core is, against the one that was measured")
	fs.Float64Var(&c.Quota, "quota", 0, "share of its one core that a node may use, in each 10 ms, as the kernel does it; 0: all")
	fs.StringVar(&c.Balance, "balance", "round-robin", "how the load balancer picks: round-robin, least or random")
	fs.StringVar(&c.Service, "service", "exponential", "how the work of requests varies: exponential or fixed")
	fs.IntVar(&c.Shards, "shards", 1, "databases of state")
	fs.IntVar(&c.ShardCores, "shard-cores", 2, "cores of each")
	fs.Float64Var(&c.RTT, "rtt", 0.2e-3, "seconds from a node to a database and back")
	fs.IntVar(&c.Places, "store-places", 1<<20, "how many requests the store works on at a time")
	fs.Float64Var(&c.CacheTTL, "cache", 60, "seconds after which cached keys and settings are read again, changed or not")
	fs.Float64Var(&c.Grace, "grace", 60, "seconds that cached keys serve while state is away")
	fs.Float64Var(&c.Detect, "detect", 2, "seconds until the load balancer sees that a node is back")
}

func addLoadFlags(fs *flag.FlagSet, c *config) {
	fs.Float64Var(&c.Rate, "rate", 0, "requests per second that arrive, whatever became of others (open loop)")
	fs.IntVar(&c.Clients, "clients", 64, "clients that each wait for an answer before they go on (closed loop, where -rate is 0)")
	fs.Float64Var(&c.Think, "think", 0, "seconds that each waits between, on average")
	fs.IntVar(&c.Keys, "keys", 100, "access keys that sign")
	fs.IntVar(&c.Buckets, "buckets", 100, "buckets")
	fs.Float64Var(&c.Skew, "skew", 0, "exponent of Zipf's law by which keys sign, above 1; 0: all alike")
	fs.IntVar(&c.Hot, "hot-passes", 1, "passes that the kind hot uses")
	fs.IntVar(&c.UsedUp, "exhausted-passes", 100, "passes that the kind exhausted uses")
}
