package e2e

import (
	"os"
	"testing"

	"github.com/daypass/daypass/e2e/internal/programs"
)

// program is the daypass binary under test.
var program string

func TestMain(m *testing.M) { os.Exit(programs.Run(m, "..", &program)) }

// need is programs.Need.
func need(t *testing.T, part string, names ...string) string {
	t.Helper()
	return programs.Need(t, part, names...)
}
