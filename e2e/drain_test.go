package e2e

import (
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestDrainDelay stops a server as an init system does: it says so to load
// balancers, goes on serving, and a second signal ends it at once.
func TestDrainDelay(t *testing.T) {
	s := launch(t, t.TempDir(), "--drain-delay", "1h", "--node", "draining")
	t.Cleanup(func() { s.kill() })
	ask := func(url string) (*http.Response, string) {
		t.Helper()
		resp, err := http.Get(url)
		if err != nil {
			t.Fatalf("%v\n%s", err, s.log)
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp, string(text)
	}
	if resp, text := ask(s.ops + "/readyz"); resp.StatusCode != 200 || text != "ok\n" {
		t.Errorf("/readyz: %d %q", resp.StatusCode, text)
	}
	if resp, _ := ask(s.url + "/"); resp.Close {
		t.Error("an answer closes its connection before the end")
	}
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if resp, text := ask(s.ops + "/readyz"); resp.StatusCode == 503 {
			if !strings.Contains(text, "draining") {
				t.Errorf("/readyz says %q", text)
			}
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("/readyz is still 200")
		}
	}
	if resp, _ := ask(s.ops + "/healthz"); resp.StatusCode != 200 {
		t.Errorf("/healthz: %d", resp.StatusCode)
	}
	if _, text := ask(s.ops + "/metrics"); !strings.Contains(text, "\ndaypass_draining 1\n") ||
		!strings.Contains(text, `daypass_node_info{node="draining",state="disk",store="disk"} 1`) {
		t.Error("the metrics do not say so")
	}
	for range 3 {
		if resp, text := ask(s.url + "/"); !resp.Close || !strings.Contains(text, "AccessDenied") {
			t.Errorf("an answer while it drains: %d, close %v", resp.StatusCode, resp.Close)
		}
	}
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case <-s.exited:
	case <-time.After(30 * time.Second):
		t.Fatal("a second signal does not end it")
	}
	if status, ok := s.cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGTERM {
		t.Errorf("it ended with %v", s.cmd.ProcessState)
	}
}
