package main

import (
	"runtime/debug"
	"testing"
)

func TestSaveMemory(t *testing.T) {
	for env, want := range map[string]int{"": gcPercent, "200": 100} {
		before := debug.SetGCPercent(100)
		saveMemory(func(name string) string {
			if name != "GOGC" {
				t.Errorf("$%s is asked for", name)
			}
			return env
		})
		if got := debug.SetGCPercent(before); got != want {
			t.Errorf("GOGC=%q: %d %%, want %d", env, got, want)
		}
	}
}
