package bench

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// tick is the unit of times in /proc, which Linux fixed at 100 a second for
// programs (time(7)).
const tick = 10 * time.Millisecond

// TakeSample returns what processes and their children have used.
func TakeSample(roots []int) (*Sample, error) {
	children, err := children()
	if err != nil {
		return nil, err
	}
	var s Sample
	seen := make(map[int]bool)
	for _, pid := range roots {
		if _, err := readStat(pid); err != nil {
			return nil, fmt.Errorf("process %d: %w", pid, err)
		}
		s.addTree(pid, children, seen)
	}
	return &s, nil
}

// addTree adds a process and its children. One that ends meanwhile is left out:
// its time is then in its parent's.
func (s *Sample) addTree(pid int, children map[int][]int, seen map[int]bool) {
	if seen[pid] {
		return
	}
	seen[pid] = true
	if st, err := readStat(pid); err == nil {
		s.User += st.user
		s.System += st.system
		s.addFields(pid)
	}
	for _, child := range children[pid] {
		s.addTree(child, children, seen)
	}
}

// addFields adds memory and input/output. What may not be read stays zero.
func (s *Sample) addFields(pid int) {
	status := readFields(pid, "status")
	s.Resident += status["VmRSS"] << 10
	s.Peak += status["VmHWM"] << 10
	io := readFields(pid, "io")
	s.Read += io["read_bytes"]
	s.Written += io["write_bytes"]
	s.ReadCalls += io["syscr"]
	s.WriteCalls += io["syscw"]
}

// readFields reads a file of /proc of lines "name: number".
func readFields(pid int, name string) map[string]int64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, name))
	if err != nil {
		return nil
	}
	out := make(map[string]int64)
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(line, ":")
		fields := strings.Fields(value)
		if len(fields) == 0 {
			continue
		}
		if n, err := strconv.ParseInt(fields[0], 10, 64); err == nil {
			out[name] = n
		}
	}
	return out
}

// A stat is what /proc/PID/stat says (proc_pid_stat(5)). Times are with those of
// children that were waited for.
type stat struct {
	parent       int
	user, system time.Duration
}

func readStat(pid int) (stat, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return stat{}, err
	}
	// The name, in parentheses, may hold anything.
	fields := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
	if len(fields) < 15 {
		return stat{}, fmt.Errorf("/proc/%d/stat has %d fields", pid, len(fields))
	}
	number := func(i int) int64 {
		n, _ := strconv.ParseInt(string(fields[i]), 10, 64)
		return n
	}
	return stat{parent: int(number(1)),
		user:   time.Duration(number(11)+number(13)) * tick,
		system: time.Duration(number(12)+number(14)) * tick}, nil
}

// children returns the children of every process.
func children() (map[int][]int, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	out := make(map[int][]int)
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if st, err := readStat(pid); err == nil {
			out[st.parent] = append(out[st.parent], pid)
		}
	}
	return out, nil
}

// ownCPU is the processor time that this process has used.
func ownCPU() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// processorAndKernel names both for people.
func processorAndKernel() (processor, kernel string) {
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		lines := strings.Split(string(text), "\n")
		if i := slices.IndexFunc(lines, func(l string) bool { return strings.HasPrefix(l, "model name") }); i >= 0 {
			_, name, _ := strings.Cut(lines[i], ":")
			processor = strings.TrimSpace(name)
		}
	}
	var u unix.Utsname
	if err := unix.Uname(&u); err == nil {
		kernel = unix.ByteSliceToString(u.Release[:])
	}
	return processor, kernel
}
