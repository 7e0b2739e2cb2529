package bench

import (
	"time"

	"golang.org/x/sys/unix"
)

// sleepUntil waits for an instant with the precision of the kernel's timers,
// some 50 µs: those of the runtime are a millisecond late in an idle process,
// which would count as latency of the server.
func sleepUntil(t time.Time) {
	for {
		left := time.Until(t)
		if left <= 0 {
			return
		}
		ts := unix.NsecToTimespec(int64(left))
		// Interrupted by a signal: what is left is waited for in turn.
		_ = unix.Nanosleep(&ts, nil)
	}
}
