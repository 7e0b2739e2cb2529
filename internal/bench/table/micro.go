package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strconv"
	"strings"
)

// microBenchmarks are of package sign: the hashing that nobody can do without,
// and what is compared with it.
var microBenchmarks = [...]string{"Floor", "PresignGet", "VerifyGet"}

// micro runs the benchmarks of signing and verifying and returns nanoseconds: of
// each the fastest of several runs, since these compute and nothing else, so that
// all that differs is what else the machine does.
func micro(ctx context.Context, log io.Writer) (map[string]float64, error) {
	fmt.Fprintln(log, "signing and verifying")
	pattern := "^Benchmark(" + strings.Join(microBenchmarks[:], "|") + ")$"
	cmd := exec.CommandContext(ctx, "go", "test", "-run", "^$", "-bench", pattern, "-count", "9", "-benchtime", "0.2s", "./sign")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	text, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go test of package sign: %w\n%s%s", err, text, stderr.String())
	}
	out := parseBenchmarks(string(text))
	for _, name := range microBenchmarks {
		if out[name] == 0 {
			return nil, fmt.Errorf("package sign has no Benchmark%s any more", name)
		}
	}
	return out, nil
}

// parseBenchmarks returns the least ns/op of each benchmark.
func parseBenchmarks(text string) map[string]float64 {
	out := make(map[string]float64)
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) < 4 || f[3] != "ns/op" {
			continue
		}
		name, _, _ := strings.Cut(strings.TrimPrefix(f[0], "Benchmark"), "-")
		if ns, err := strconv.ParseFloat(f[2], 64); err == nil && (out[name] == 0 || ns < out[name]) {
			out[name] = ns
		}
	}
	return out
}

// median is the middle one, or the mean of both; 0 of none.
func median(values []float64) float64 {
	v := slices.Sorted(slices.Values(values))
	if len(v) == 0 {
		return 0
	}
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}
