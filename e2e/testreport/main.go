// Command testreport reads the events of "go test -json" on standard input
// and prints what a person wants to know: every package, every failed test
// with its output, every skipped test with its reason, figures that tests
// have measured, and the sums. It fails when a test failed or none ran.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

func main() {
	if err := run(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "testreport:", err)
		os.Exit(1)
	}
}

// An event is one line of "go test -json", as "go doc test2json" tells.
type event struct {
	Action     string
	Package    string
	ImportPath string
	Test       string
	Output     string
	Elapsed    float64
}

// A report collects the output of each test until its verdict is known.
type report struct {
	out                     io.Writer
	output                  map[string][]string
	failedIn                map[string]bool // packages with a failed test
	passed, failed, skipped int
	broken                  int // packages that failed outside of any test
}

func run(in io.Reader, out io.Writer) error {
	r := &report{out: out, output: map[string][]string{}, failedIn: map[string]bool{}}
	lines := bufio.NewReader(in)
	for {
		line, err := lines.ReadString('\n')
		if line != "" {
			r.line(line)
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
	}
	fmt.Fprintf(out, "%d passed, %d failed, %d skipped\n", r.passed, r.failed, r.skipped)
	if n := r.failed + r.broken; n > 0 {
		return fmt.Errorf("%d tests or packages failed", n)
	}
	if r.passed == 0 {
		return fmt.Errorf("no test ran")
	}
	return nil
}

// line handles one line; what is no event, such as a build error, passes
// through.
func (r *report) line(line string) {
	var e event
	if json.Unmarshal([]byte(line), &e) != nil || e.Action == "" {
		fmt.Fprint(r.out, line)
		return
	}
	id := e.Package + " " + e.Test
	switch e.Action {
	case "output", "build-output":
		r.collect(id, e)
	case "pass", "fail", "skip":
		if e.Test == "" {
			r.packageDone(id, e)
		} else {
			r.testDone(id, e)
		}
		delete(r.output, id)
	}
}

func (r *report) collect(id string, e event) {
	switch {
	case e.Action == "build-output":
		fmt.Fprint(r.out, e.Output)
	case isFrame(e.Output):
	default:
		r.output[id] = append(r.output[id], e.Output)
	}
}

// isFrame tells whether a line of output is the frame that "go test -v"
// draws around each test.
func isFrame(line string) bool {
	line = strings.TrimLeft(line, " ")
	return strings.HasPrefix(line, "=== ") || strings.HasPrefix(line, "--- ")
}

// measured stands before figures that are worth seeing where all is well.
const measured = "measured: "

func (r *report) testDone(id string, e event) {
	switch e.Action {
	case "pass":
		r.passed++
		for _, line := range r.output[id] {
			if _, figure, ok := strings.Cut(line, measured); ok {
				fmt.Fprintf(r.out, "%s %s%s", e.Test, measured, figure)
			}
		}
		return
	case "fail":
		r.failed++
		r.failedIn[e.Package] = true
	case "skip":
		r.skipped++
	}
	fmt.Fprintf(r.out, "--- %s: %s %s (%s)\n%s", strings.ToUpper(e.Action), e.Package, e.Test,
		seconds(e.Elapsed), strings.Join(r.output[id], ""))
}

func (r *report) packageDone(id string, e event) {
	if e.Action == "fail" {
		if !r.failedIn[e.Package] {
			r.broken++
		}
		for _, line := range r.output[id] {
			if !strings.HasPrefix(line, "FAIL") {
				fmt.Fprint(r.out, line)
			}
		}
		fmt.Fprintf(r.out, "FAIL\t%s\t%s\n", e.Package, seconds(e.Elapsed))
		return
	}
	word := map[string]string{"pass": "ok  ", "skip": "?   "}[e.Action]
	for _, line := range r.output[id] {
		if strings.HasPrefix(line, word) {
			fmt.Fprint(r.out, line)
			return
		}
	}
	fmt.Fprintf(r.out, "%s\t%s\t%s\n", word, e.Package, seconds(e.Elapsed))
}

func seconds(s float64) time.Duration {
	return time.Duration(s * float64(time.Second)).Round(10 * time.Millisecond)
}
