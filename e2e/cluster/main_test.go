package cluster

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// program is the daypass binary under test: one built from this tree, or the
// one that DAYPASS_E2E_PROGRAM names.
var program = os.Getenv("DAYPASS_E2E_PROGRAM")

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	if program != "" {
		return m.Run()
	}
	dir, err := os.MkdirTemp("", "daypass-cluster-program-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	program = filepath.Join(dir, "daypass")
	cmd := exec.Command("go", "build", "-trimpath", "-o", program, "./cmd/daypass")
	cmd.Dir = "../.."
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "go build ./cmd/daypass: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// need returns the first of the named programs that exists. Where there is
// none, the test fails, unless DAYPASS_E2E_SKIP names its part, which skips
// the test in any case.
func need(t *testing.T, part string, names ...string) string {
	t.Helper()
	parts := strings.FieldsFunc(os.Getenv("DAYPASS_E2E_SKIP"), func(r rune) bool { return r == ',' || r == ' ' })
	if slices.Contains(parts, part) {
		t.Skipf("DAYPASS_E2E_SKIP=%s", os.Getenv("DAYPASS_E2E_SKIP"))
	}
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Fatalf("none of %q is installed; run make setup", names)
	return ""
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
