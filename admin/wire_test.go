package admin

import (
	"testing"
	"time"
)

// TestWritable keeps times within what JSON holds.
func TestWritable(t *testing.T) {
	late := time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)
	if _, err := writable(late).MarshalJSON(); err != nil {
		t.Error(err)
	}
	if soon := late.AddDate(-1, 0, 0); !writable(soon).Equal(soon) || !writable(time.Time{}).IsZero() {
		t.Error("times that JSON holds are changed")
	}
}
