package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// tick is what /proc counts processor time in: USER_HZ is 100 on every machine
// that Linux runs on today.
const tick = 0.01

// A stat is what /proc tells of a process.
type stat struct {
	parent int
	cpu    float64 // seconds, its own and that of children that have ended
}

func readStat(pid int) (stat, error) {
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return stat{}, err
	}
	// The second field is the name, in parentheses, and may hold anything.
	_, rest, _ := strings.Cut(string(text[strings.LastIndexByte(string(text), ')'):]), " ")
	fields := strings.Fields(rest) // the third field is fields[0]
	if len(fields) < 15 {
		return stat{}, fmt.Errorf("/proc/%d/stat: %q", pid, text)
	}
	var s stat
	s.parent, err = strconv.Atoi(fields[1])
	for _, i := range []int{11, 12, 13, 14} { // utime, stime, cutime, cstime
		n, e := strconv.ParseUint(fields[i], 10, 64)
		if e != nil {
			return stat{}, e
		}
		s.cpu += float64(n) * tick
	}
	return s, err
}

// cpuOf returns the processor time of processes and of all below them.
func cpuOf(pids []int) (sum float64, err error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return 0, err
	}
	stats := map[int]stat{}
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil {
			if s, err := readStat(pid); err == nil { // it may be gone by now
				stats[pid] = s
			}
		}
	}
	wanted := map[int]bool{}
	for _, pid := range pids {
		if _, there := stats[pid]; !there {
			return 0, fmt.Errorf("there is no process %d", pid)
		}
		wanted[pid] = true
	}
	for pid, s := range stats {
		for at, depth := pid, 0; at > 1 && depth < 64; at, depth = stats[at].parent, depth+1 {
			if wanted[at] {
				sum += s.cpu
				break
			}
		}
	}
	return sum, nil
}

// residentOf returns how many bytes of memory a process has.
func residentOf(pid int) (float64, error) {
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "status"))
	if err != nil {
		return 0, err
	}
	_, after, _ := strings.Cut(string(text), "VmRSS:")
	var kib float64
	if _, err := fmt.Sscan(after, &kib); err != nil {
		return 0, fmt.Errorf("/proc/%d/status has no VmRSS", pid)
	}
	return kib * 1024, nil
}
