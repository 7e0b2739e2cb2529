package diskstore

import (
	"testing"

	"github.com/daypass/daypass/store"
	"github.com/daypass/daypass/store/storetest"
)

func TestConformance(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Driver {
		d := openTest(t, Options{Dir: t.TempDir()})
		t.Cleanup(func() { checkConsistency(t, d) })
		return d
	})
}

// A copylessDriver is a driver that cannot copy, so that the store must.
type copylessDriver struct {
	store.Driver
	store.Multiparter
	store.Versioner
}

func TestConformanceWithoutCopies(t *testing.T) {
	if testing.Short() {
		t.Skip("most of it is what TestConformance does")
	}
	storetest.Run(t, func(t *testing.T) store.Driver {
		d := openTest(t, Options{Dir: t.TempDir()})
		t.Cleanup(func() { checkConsistency(t, d) })
		return copylessDriver{d, d, d}
	})
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
