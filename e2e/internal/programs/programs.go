// Package programs gives end-to-end tests the daypass binary under test, and
// finds the other programs that they run.
package programs

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Run runs the tests of a package and returns their exit code. Before, it sets
// binary to the absolute path of the daypass program under test: the one that
// DAYPASS_E2E_PROGRAM names, or one that it builds from the tree at root and
// removes afterwards. The binary is static, as released ones are.
func Run(m *testing.M, root string, binary *string) int {
	if *binary = os.Getenv("DAYPASS_E2E_PROGRAM"); *binary != "" {
		return m.Run()
	}
	dir, err := os.MkdirTemp("", "daypass-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	*binary = filepath.Join(dir, "daypass")
	cmd := exec.Command("go", "build", "-trimpath", "-o", *binary, "./cmd/daypass")
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "go build ./cmd/daypass: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// Need returns the path of the first of the named programs that exists. Where
// there is none, the test fails, unless DAYPASS_E2E_SKIP names its part, which
// skips the test in any case.
func Need(t *testing.T, part string, names ...string) string {
	t.Helper()
	parts := strings.FieldsFunc(os.Getenv("DAYPASS_E2E_SKIP"), func(r rune) bool { return r == ',' || r == ' ' })
	if slices.Contains(parts, part) {
		t.Skipf("DAYPASS_E2E_SKIP=%s", os.Getenv("DAYPASS_E2E_SKIP"))
	}
	path, ok := Find(names...)
	if !ok {
		t.Fatalf("none of %q is installed; run make setup", names)
	}
	return path
}

// Find returns the path of the first of the named programs that exists: names
// are looked up in PATH, those with a slash are files.
func Find(names ...string) (path string, ok bool) {
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path, true
		}
	}
	return "", false
}
