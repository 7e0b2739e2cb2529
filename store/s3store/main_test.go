package s3store

import (
	"flag"
	"os"
	"slices"
	"strings"
	"testing"
)

// TestMain makes fewer of the random tests, each step of which crosses HTTP
// twice, unless the command line says how many; over the embedded store, package
// diskstore makes all.
func TestMain(m *testing.M) {
	said := slices.ContainsFunc(os.Args, func(arg string) bool { return strings.Contains(arg, "rapid.checks") })
	if !said {
		if err := flag.Set("rapid.checks", "10"); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}
