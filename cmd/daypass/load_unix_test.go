//go:build unix

package main

import "testing"

// TestIsBusy has machines of two and of 64 processors.
func TestIsBusy(t *testing.T) {
	for _, c := range []struct {
		what              string
		takes, may, taken float64
		want              bool
	}{
		{"idle", 0, 2, 0, false},
		{"idle, on a machine that others load", 0.01, 2, 50, false},
		{"a little, undisturbed", 0.2, 2, 5, false},
		{"a little, for others leave no more", 0.2, 2, 60, true},
		{"half, undisturbed", 1, 2, 20, false},
		{"half, among others", 1, 2, 120, true},
		{"all", 1.9, 2, 0, true},
		{"a few of many", 4, 64, 150, false},
		{"a few of many, for others leave no more", 4, 64, 900, true},
	} {
		if got := isBusy(c.takes, c.may, c.taken); got != c.want {
			t.Errorf("%s: %v", c.what, got)
		}
	}
}
