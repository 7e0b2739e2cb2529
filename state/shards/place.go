package shards

import (
	"crypto/sha256"
	"encoding/binary"
	"strings"
)

// taskHead begins the ids of the entries of tasks, which are spread by their
// whole ids.
const taskHead = "task"

// place returns which of n shards what is kept under a key belongs to: the
// first eight bytes of its SHA-256 as a big-endian number, modulo n. It never
// changes, since what was kept would not be found again.
func place(key string, n int) int {
	sum := sha256.Sum256([]byte(key))
	return int(binary.BigEndian.Uint64(sum[:8]) % uint64(n))
}

// placeEntry returns which of n shards an entry belongs to: that of its pass,
// with whose id it begins, or that of its own id where it has none.
func placeEntry(id string, n int) int {
	pass, _, found := strings.Cut(id, "/")
	if !found || pass == "" || pass == taskHead {
		return place(id, n)
	}
	return place(pass, n)
}
