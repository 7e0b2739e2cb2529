package deploy

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/daypass/daypass/e2e/internal/programs"
)

// program is the daypass binary whose flags the examples use.
var program string

const examples = "../../deploy"

func TestMain(m *testing.M) { os.Exit(programs.Run(m, "../..", &program)) }

// installed returns the path of a program, also where only root finds it, or of
// one that e2e/setup put into .build. Where there is none, the test is skipped.
func installed(t *testing.T, name string) string {
	t.Helper()
	found, ok := programs.Find(name, "/usr/sbin/"+name, "../../.build/"+name)
	if !ok {
		t.Skipf("%s is not installed", name)
	}
	absolute, err := filepath.Abs(found)
	if err != nil {
		t.Fatal(err)
	}
	return absolute
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
