// Package flame draws flame graphs: what a program spent its time in, with its
// callers below, as one static picture in SVG. It reads what `perf script`
// prints of a profile with stacks.
package flame

import (
	"bufio"
	"fmt"
	"io"
	"strings"
)

// A Frame is a function in a stack, the time in it and below it, and whom it
// called.
type Frame struct {
	Name string
	// Samples are those of this frame and of all that it called.
	Samples int64
	Calls   map[string]*Frame
}

// add adds samples to a stack, outermost function first.
func (f *Frame) add(stack []string, n int64) {
	f.Samples += n
	for _, name := range stack {
		next := f.Calls[name]
		if next == nil {
			next = &Frame{Name: name}
			if f.Calls == nil {
				f.Calls = make(map[string]*Frame)
			}
			f.Calls[name] = next
		}
		next.Samples += n
		f = next
	}
}

// maxDepth bounds stacks: what is deeper is left out.
const maxDepth = 512

// ReadPerf reads what `perf script -F comm,ip,sym` prints: for each sample a line
// that begins with the command's name, then a line of address and function for
// each frame, innermost first, then an empty line. Its result is the frame of
// everything.
func ReadPerf(r io.Reader) (*Frame, error) {
	root := &Frame{Name: "all"}
	var stack []string
	finish := func() {
		if len(stack) == 0 {
			return
		}
		for i, j := 0, len(stack)-1; i < j; i, j = i+1, j-1 {
			stack[i], stack[j] = stack[j], stack[i]
		}
		root.add(stack, 1)
		stack = stack[:0]
	}
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Text()
		switch {
		case strings.TrimSpace(line) == "":
			finish()
		case line[0] != ' ' && line[0] != '\t':
			finish() // the head of the next sample
		default:
			if name := function(line); name != "" && len(stack) < maxDepth {
				stack = append(stack, name)
			}
		}
	}
	finish()
	if err := lines.Err(); err != nil {
		return nil, err
	}
	if root.Samples == 0 {
		return nil, fmt.Errorf("no stacks; the input is what 'perf script -F comm,ip,sym' prints of 'perf record -g'")
	}
	return root, nil
}

// function returns the name in a line "   55d1a2 runtime.mallocgc", without the
// offset and the file that perf may add; empty for a line of something else.
func function(line string) string {
	_, name, ok := strings.Cut(strings.TrimSpace(line), " ")
	if !ok {
		return ""
	}
	name = strings.TrimSpace(name)
	if at := strings.LastIndex(name, " ("); at > 0 {
		name = name[:at]
	}
	if at := strings.LastIndex(name, "+0x"); at > 0 {
		name = name[:at]
	}
	return shorten(name)
}

// shorten leaves out the directories of a Go package: its last element tells
// which it is, or the one before where that is a major version.
func shorten(name string) string {
	// The path ends before the first parenthesis or bracket, which may hold
	// paths of its own.
	end := len(name)
	if i := strings.IndexAny(name, "([{"); i >= 0 {
		end = i
	}
	at := strings.LastIndexByte(name[:end], '/')
	if at < 0 {
		return name
	}
	short := name[at+1:]
	version, rest, ok := strings.Cut(short, ".")
	if ok && len(version) >= 2 && version[0] == 'v' && strings.Trim(version[1:], "0123456789") == "" {
		return name[strings.LastIndexByte(name[:at], '/')+1:at] + "." + rest
	}
	return short
}
