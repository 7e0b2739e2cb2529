package cluster

import (
	"os"
	"strings"
	"testing"

	"github.com/daypass/daypass/e2e/internal/programs"
)

// program is the daypass binary under test.
var program string

func TestMain(m *testing.M) { os.Exit(programs.Run(m, "../..", &program)) }

// need is programs.Need.
func need(t *testing.T, part string, names ...string) string {
	t.Helper()
	return programs.Need(t, part, names...)
}

// cleanEnv is the environment for a program: ours without any setting of
// Daypass, AWS or PostgreSQL, and more.
func cleanEnv(more ...string) []string {
	var env []string
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "DAYPASS_") && !strings.HasPrefix(v, "AWS_") && !strings.HasPrefix(v, "PG") {
			env = append(env, v)
		}
	}
	return append(env, more...)
}
