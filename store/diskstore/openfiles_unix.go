//go:build unix

package diskstore

import "golang.org/x/sys/unix"

// openFiles returns how many files the index may keep open: as many as large
// stores have, within a quarter of what the process may open.
func openFiles() int {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return minOpenFiles
	}
	return int(max(minOpenFiles, min(uint64(limit.Cur)/4, maxOpenFiles)))
}
