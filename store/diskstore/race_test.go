//go:build race

package diskstore

// raceEnabled says that the race detector makes everything slower.
const raceEnabled = true
