package deploy

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// program is the daypass binary whose flags the examples use: one built from
// this tree, or the one that DAYPASS_E2E_PROGRAM names.
var program = os.Getenv("DAYPASS_E2E_PROGRAM")

const examples = "../../deploy"

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	if program != "" {
		return m.Run()
	}
	dir, err := os.MkdirTemp("", "daypass-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	program = filepath.Join(dir, "daypass")
	cmd := exec.Command("go", "build", "-o", program, "./cmd/daypass")
	cmd.Dir = "../.."
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "go build ./cmd/daypass: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// installed returns the path of a program, also where only root finds it, or of
// one that e2e/setup put into .build. Where there is none, the test is skipped.
func installed(t *testing.T, name string) string {
	t.Helper()
	for _, path := range []string{name, "/usr/sbin/" + name, "../../.build/" + name} {
		if found, err := exec.LookPath(path); err == nil {
			absolute, err := filepath.Abs(found)
			if err != nil {
				t.Fatal(err)
			}
			return absolute
		}
	}
	t.Skipf("%s is not installed", name)
	return ""
}

// command runs a program and returns what it prints.
func command(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
	return string(out)
}

func read(t *testing.T, path ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(append([]string{examples}, path...)...))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// copyOf writes a changed copy of an example and returns its path.
func copyOf(t *testing.T, changes *strings.Replacer, path ...string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), path[len(path)-1])
	if err := os.WriteFile(name, []byte(changes.Replace(read(t, path...))), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// checkFlags has the program read the flags of a command line: it refuses what
// it does not know and values that are none.
func checkFlags(t *testing.T, args []string) {
	t.Helper()
	if len(args) < 3 || args[0] != "serve" || slices.Contains(args, "--help") {
		t.Fatalf("the command line is %q", args)
	}
	command(t, program, append(args, "--help")...)
}
