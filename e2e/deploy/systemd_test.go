package deploy

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

var units = []string{"daypass.service", "daypass-node.service"}

// TestUnits has systemd read the units, and say what a process could do that
// went wrong.
func TestUnits(t *testing.T) {
	analyze := installed(t, "systemd-analyze")
	// systemd wants programs and files to be there.
	empty := filepath.Join(t.TempDir(), "node.env")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	here := strings.NewReplacer("/usr/local/bin/daypass", program, "=/etc/daypass/node.env", "="+empty)
	for _, name := range units {
		unit := copyOf(t, here, "systemd", name)
		if out := command(t, analyze, "verify", "--man=no", unit); out != "" {
			t.Errorf("%s: %s", name, out)
		}
		out := command(t, analyze, "security", "--offline=true", "--no-pager", unit)
		m := regexp.MustCompile(`Overall exposure level for \S+ ([0-9.]+)`).FindStringSubmatch(out)
		if m == nil {
			t.Fatalf("%s: %s", name, out)
		}
		if level, err := strconv.ParseFloat(m[1], 64); err != nil || level > 1.5 {
			t.Errorf("%s: exposure %s, of 10\n%s", name, m[1], out)
		}
	}
}

// TestUnitFlags checks the command lines of the units, and that systemd waits
// for longer than the program drains.
func TestUnitFlags(t *testing.T) {
	for _, name := range units {
		text := strings.ReplaceAll(read(t, "systemd", name), "\\\n", " ")
		start := regexp.MustCompile(`(?m)^ExecStart=/usr/local/bin/daypass (.*)$`).FindStringSubmatch(text)
		stop := regexp.MustCompile(`(?m)^TimeoutStopSec=(\d+)$`).FindStringSubmatch(text)
		if start == nil || stop == nil {
			t.Fatalf("%s starts and stops nothing", name)
		}
		args := strings.Fields(start[1])
		checkFlags(t, args)
		patience, err := time.ParseDuration(stop[1] + "s")
		if err != nil {
			t.Fatal(err)
		}
		if drains := drainTime(t, args); patience <= drains {
			t.Errorf("%s: systemd waits for %v, the program for %v", name, patience, drains)
		}
	}
}

// drainTime is how long a command line lets the program take to end.
func drainTime(t *testing.T, args []string) (sum time.Duration) {
	t.Helper()
	line := strings.Join(args, " ") + " "
	for _, m := range regexp.MustCompile(`--drain(?:-delay)?[ =](\S+) `).FindAllStringSubmatch(line, -1) {
		d, err := time.ParseDuration(m[1])
		if err != nil {
			t.Fatal(err)
		}
		sum += d
	}
	if sum < 10*time.Second {
		t.Errorf("%q drains for %v", args, sum)
	}
	return sum
}
