// Command table measures Daypass against nginx, and against a handler of
// net/http that does nothing, on one machine in one run, and writes the table
// of docs/performance.md. `make bench` runs it.
//
// The server that is measured has one core and the client another; contestants
// take turns within each round, so that what else the machine does falls on
// all alike; figures are medians over the rounds, ratios medians of the ratios
// within a round.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// options are what a run is to do.
type options struct {
	daypass, against string
	out              string
	rounds           int
	seconds          float64
	rows             string
	micro, profile   bool
	update           string
	handler          string // be the yardstick, at this address
}

func main() {
	var o options
	flag.StringVar(&o.daypass, "daypass", ".build/daypass", "program to measure")
	flag.StringVar(&o.against, "against", "", "another build of it, to measure beside it")
	flag.StringVar(&o.out, "out", ".build/bench", "directory for data and results")
	flag.IntVar(&o.rounds, "rounds", 5, "rounds")
	flag.Float64Var(&o.seconds, "seconds", 3, "seconds that each contestant has in each row of a round")
	flag.StringVar(&o.rows, "rows", "", "rows to measure, separated by commas (default: all): "+strings.Join(rowNames(), ", "))
	flag.BoolVar(&o.micro, "micro", true, "measure signing and verifying too, with go test")
	flag.BoolVar(&o.profile, "profile", false, "draw flame graphs of GET and PUT, with perf")
	flag.StringVar(&o.update, "update", "", "page whose marked part becomes the tables; flame graphs go into the directory of its name")
	flag.StringVar(&o.handler, "handler", "", "be the yardstick that listens at this address")
	flag.Parse()
	if o.handler != "" {
		fmt.Fprintln(os.Stderr, "bench:", serveYardstick(o.handler))
		os.Exit(1)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, &o)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o *options) error {
	rows, err := chosenRows(o.rows)
	if err != nil {
		return err
	}
	if o.rounds < 1 || o.seconds <= 0 {
		return errors.New("rounds and seconds are positive")
	}
	dir, err := filepath.Abs(filepath.Join(o.out, "data"))
	if err != nil {
		return err
	}
	if err := fresh(dir); err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	cores, err := pinClient()
	if err != nil {
		return err
	}
	all, err := contestants(o, dir, cores)
	if err != nil {
		return err
	}
	m := &measurement{options: o, rows: rows, contestants: all, dir: dir, log: os.Stderr}
	defer m.stop()
	result, err := m.run(ctx)
	if err != nil {
		return err
	}
	result.Cores = cores.String()
	return result.write(o)
}

// fresh makes a directory that is empty.
func fresh(dir string) error {
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	return os.MkdirAll(dir, 0o755)
}

// duration is a number of seconds.
func duration(seconds float64) time.Duration {
	return time.Duration(seconds * float64(time.Second))
}
