package diskstore

import (
	"testing"

	"github.com/daypass/daypass/store"
	"github.com/daypass/daypass/store/storetest"
)

func TestConformance(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Driver { return openTest(t, Options{Dir: t.TempDir()}) })
}

// openTest opens a driver that the test closes.
func openTest(t testing.TB, opts Options) *Driver {
	t.Helper()
	d, err := Open(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return d
}
