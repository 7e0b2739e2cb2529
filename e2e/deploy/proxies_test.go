package deploy

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestHAProxyReads has HAProxy read its configuration.
func TestHAProxyReads(t *testing.T) {
	haproxy := installed(t, "haproxy")
	path, err := filepath.Abs(filepath.Join(examples, "haproxy", "haproxy.cfg"))
	if err != nil {
		t.Fatal(err)
	}
	command(t, haproxy, "-c", "-f", path)
	// With addresses in the place of names there is nothing to warn of.
	addresses := strings.NewReplacer(" node1:", " 127.0.0.1:", " node2:", " 127.0.0.2:", " node3:", " 127.0.0.3:")
	if out := command(t, haproxy, "-c", "-f", copyOf(t, addresses, "haproxy", "haproxy.cfg")); strings.Contains(out, "WARNING") {
		t.Error(out)
	}
}

// TestHAProxyNoticesDraining checks that HAProxy knows that a node drains before
// the node stops taking requests, in each example that has a --drain-delay.
func TestHAProxyNoticesDraining(t *testing.T) {
	m := regexp.MustCompile(`inter (\d+)s fall (\d+)`).FindStringSubmatch(read(t, "haproxy", "haproxy.cfg"))
	if m == nil {
		t.Fatal("HAProxy checks nothing")
	}
	interval, err := time.ParseDuration(m[1] + "s")
	if err != nil {
		t.Fatal(err)
	}
	fall, err := time.ParseDuration(m[2] + "ns")
	if err != nil {
		t.Fatal(err)
	}
	// A check may take as long as the interval.
	notices := interval * (fall + 1)
	for _, file := range [][]string{{"systemd", "daypass-node.service"}, {"compose", "compose.yaml"}} {
		m := regexp.MustCompile(`--drain-delay[ =](\d\S*)`).FindStringSubmatch(read(t, file...))
		if m == nil {
			t.Fatalf("%q has no --drain-delay", file)
		}
		if delay, err := time.ParseDuration(m[1]); err != nil || delay <= notices {
			t.Errorf("%q: the node takes requests for %v, HAProxy needs %v (%v)", file, delay, notices, err)
		}
	}
}

// TestNginxReads has nginx read its configuration, as a file of conf.d.
func TestNginxReads(t *testing.T) {
	nginx := installed(t, "nginx")
	dir := t.TempDir()
	conf := copyOf(t, strings.NewReplacer("/var/log/nginx", dir), "nginx", "daypass.conf")
	main := filepath.Join(dir, "nginx.conf")
	text := "pid " + dir + "/pid;\nerror_log stderr;\nevents {}\nhttp { include " + conf + "; }\n"
	if err := os.WriteFile(main, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if out := command(t, nginx, "-t", "-p", dir, "-c", main); strings.Contains(out, "[warn]") {
		t.Error(out)
	}
}
