package main

import (
	"bufio"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
)

// forgetUnused gives back what only the start of a server or the last requests
// needed: unused pages of the heap, and the mapping of those pages of the program
// itself that were read. A process maps 64 KiB around each instruction that it
// runs for the first time, and the start runs some of nearly everything. What is
// needed again is mapped again from the page cache, without reading the disk as
// long as the kernel has it there; that takes microseconds, once for each 64 KiB.
//
// Nothing depends on it, so that its errors mean nothing.
func forgetUnused() {
	debug.FreeOSMemory()
	program, err := os.Executable()
	if err != nil {
		return
	}
	f, err := os.Open("/proc/self/smaps")
	if err != nil {
		return
	}
	defer f.Close()
	var m mapping
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if m.read(lines.Text()) && m.path == program {
			m.forget()
		}
	}
}

// A mapping is a part of the address space, as proc_pid_smaps(5) tells of it.
type mapping struct {
	start, end uintptr
	mode, path string
	anonymous  bool // some of it was written to: it is in memory or was swapped out
}

// read reads one line and reports whether it is the last that is needed to know
// the mapping.
func (m *mapping) read(line string) (complete bool) {
	if rest, ok := strings.CutPrefix(line, "Anonymous:"); ok {
		m.anonymous = strings.TrimSpace(rest) != "0 kB"
		return false
	}
	if rest, ok := strings.CutPrefix(line, "Swap:"); ok {
		m.anonymous = m.anonymous || strings.TrimSpace(rest) != "0 kB"
		return true
	}
	from, rest, ok := strings.Cut(line, "-")
	fields := strings.Fields(rest)
	if !ok || len(fields) < 5 {
		return false
	}
	start, err := strconv.ParseUint(from, 16, 64)
	end, err2 := strconv.ParseUint(fields[0], 16, 64)
	if err == nil && err2 == nil {
		// Mode, offset, device and inode come before the path.
		*m = mapping{start: uintptr(start), end: uintptr(end), mode: fields[1], path: strings.Join(fields[5:], " "), anonymous: true}
	}
	return false
}

// forget unmaps the pages of a private mapping of a file that was never written
// to, and so can be had from the file again: those of a program whose addresses were
// relocated cannot, nor can those with a debugger's breakpoints.
func (m *mapping) forget() {
	if strings.Contains(m.mode, "w") || !strings.HasSuffix(m.mode, "p") || m.anonymous || m.end <= m.start {
		return
	}
	_, _, _ = syscall.Syscall(syscall.SYS_MADVISE, m.start, m.end-m.start, syscall.MADV_DONTNEED)
}
