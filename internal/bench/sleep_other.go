//go:build !linux

package bench

import "time"

// sleepUntil waits for an instant.
func sleepUntil(t time.Time) { time.Sleep(time.Until(t)) }
