package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A bench is one run of the measurements.
type bench struct {
	// program is the server under test.
	program string
	// stores is where the stores are kept, work where they are copied to.
	stores, work string
	sizes        []int
	rounds       int
	// plain says that stores have objects in treeBucket only.
	plain  bool
	report report
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := measure(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "growth:", err)
		os.Exit(1)
	}
}

// questions are what can be measured, by the names that -only takes.
func (b *bench) questions() []question {
	return []question{
		{"list", b.measureLists},
		{"objects", b.measureObjects},
		{"start", b.measureStarts},
		{"connections", b.measureConnections},
		{"mixed", b.measureMixed},
		{"huge", b.measureHuge},
	}
}

type question struct {
	name    string
	measure func(context.Context) error
}

func measure(ctx context.Context, args []string) error {
	fs := flag.NewFlagSet("growth", flag.ExitOnError)
	sizes := fs.String("objects", "10000,1000000", "sizes of the stores to compare, ten million included if there is the time")
	only := fs.String("only", "", "questions to answer, by comma: list, objects, start, connections, mixed, huge; empty: all")
	program := fs.String("program", "", "the program to measure; empty: one that is built now")
	stores := fs.String("stores", "", "directory where stores are kept for the next run; empty: they are made anew and removed")
	out := fs.String("out", ".build/bench/growth", "where the report goes, without .md and .json")
	rounds := fs.Int("rounds", 5, "rounds of what is compared in turn")
	plain := fs.Bool("plain", false, "stores have objects only, no versions and nothing deleted: half the time to make them")
	update := fs.String("update", "", "page whose tables of growth are replaced by those of this run")
	fs.Parse(args)

	b := &bench{program: *program, stores: *stores, rounds: *rounds, plain: *plain}
	for text := range strings.SplitSeq(*sizes, ",") {
		n, err := strconv.Atoi(text)
		if err != nil || n < prefixes {
			return fmt.Errorf("-objects: %q is not a number of at least %d objects", text, prefixes)
		}
		b.sizes = append(b.sizes, n)
	}
	slices.Sort(b.sizes)
	work, err := os.MkdirTemp(*stores, "growth-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	if b.work, err = filepath.Abs(work); err != nil { // nginx takes no other
		return err
	}
	if b.stores == "" {
		b.stores = b.work
	}
	if err := b.run(ctx, *only, *out); err != nil || *update == "" {
		return err
	}
	return updatePage(*update, b.report.markdown())
}

// run answers the questions and writes the report.
func (b *bench) run(ctx context.Context, only, out string) error {
	if b.program == "" {
		b.program = filepath.Join(b.work, "daypass")
		build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", b.program, "./cmd/daypass")
		build.Env, build.Stderr = append(os.Environ(), "CGO_ENABLED=0"), os.Stderr
		if err := build.Run(); err != nil {
			return fmt.Errorf("build the program (in the root of the module): %w", err)
		}
	}
	b.report = report{Date: time.Now().UTC().Format(time.DateOnly), Machine: machine(runtime.NumCPU())}
	b.report.Load[0] = load()
	for _, q := range b.questions() {
		if only != "" && !slices.Contains(strings.Split(only, ","), q.name) {
			continue
		}
		if err := q.measure(ctx); err != nil {
			b.showLogs()
			return fmt.Errorf("%s: %w", q.name, err)
		}
	}
	b.report.Load[1] = load()
	fmt.Print(b.report.markdown())
	return b.report.write(out)
}

// showLogs shows how the logs of the servers end, before they are removed.
func (b *bench) showLogs() {
	logs, _ := filepath.Glob(filepath.Join(b.work, "*.log")) // the pattern is well formed
	for _, name := range logs {
		text, err := os.ReadFile(name)
		if err != nil {
			continue
		}
		lines := strings.Split(strings.TrimSpace(string(text)), "\n")
		fmt.Fprintf(os.Stderr, "%s ends:\n%s\n", name, strings.Join(lines[max(len(lines)-20, 0):], "\n"))
	}
}

// table adds a table to the report.
func (b *bench) table(name, goal string, columns ...string) *table {
	t := &table{Name: name, Goal: goal, Columns: columns}
	b.report.Tables = append(b.report.Tables, t)
	return t
}

// store returns the directory of a copy of the store of n objects, which is
// made where it is not there. The copy may be changed. The operating system has
// its files in memory, so that what is measured is not the disk.
func (b *bench) store(ctx context.Context, n int) (string, error) {
	made := filepath.Join(b.stores, "store-"+strconv.Itoa(n))
	if b.plain {
		made = filepath.Join(b.stores, "plain-"+strconv.Itoa(n))
	}
	if err := makeStore(ctx, b.program, made, n, b.plain); err != nil {
		return "", err
	}
	copied, err := os.MkdirTemp(b.work, "store-")
	if err != nil {
		return "", err
	}
	if err := copyStore(made, copied); err != nil {
		return "", err
	}
	return copied, warm(copied)
}

// serve starts a server over a copy of the store of n objects.
func (b *bench) serve(ctx context.Context, n int, more ...string) (*process, error) {
	dir, err := b.store(ctx, n)
	if err != nil {
		return nil, err
	}
	return startServer(ctx, b.program, dir, b.first(n), more...)
}

// first is the first request to a store of n objects.
func (b *bench) first(n int) probe { return probe{"GET", treeBucket, treeKey(0, n)} }

// showCount writes a number of objects as people do.
func showCount(n int) string {
	switch {
	case n >= 1_000_000 && n%1_000_000 == 0:
		return strconv.Itoa(n/1_000_000) + " M"
	case n >= 1000 && n%1000 == 0:
		return strconv.Itoa(n/1000) + ",000"
	}
	return strconv.Itoa(n)
}
