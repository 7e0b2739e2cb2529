package e2e

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// promtool is Prometheus's own check of rules, configurations and metrics.
func promtool(t *testing.T, dir string) tool {
	t.Helper()
	path, err := filepath.Abs(need(t, "promtool", "promtool", "../.build/promtool"))
	if err != nil {
		t.Fatal(err)
	}
	return tool{path: path, dir: dir}
}

// TestAlerts checks the alerts and runs their tests.
func TestAlerts(t *testing.T) {
	t.Parallel()
	prom := promtool(t, "../deploy/prometheus")
	prom.run(t, "check", "rules", "alerts.yml")
	prom.run(t, "check", "config", "prometheus.yml")
	prom.run(t, "test", "rules", "alerts_test.yml")

	_, after, _ := strings.Cut(read(t, "../deploy/README.md"), "```yaml\n")
	example, _, found := strings.Cut(after, "```\n")
	if !found {
		t.Fatal("the README has no alert")
	}
	file := write(t, filepath.Join(t.TempDir(), "readme.yml"), "groups:\n- name: readme\n  rules:\n"+strings.ReplaceAll("\n"+example, "\n", "\n  "))
	if out := prom.run(t, "check", "rules", file); !strings.Contains(out, "1 rules found") {
		t.Error(out)
	}
}

// grafanaVariables are what Grafana puts in place before it asks.
var grafanaVariables = strings.NewReplacer("$__rate_interval", "5m", "$__range", "1h", "$job", "daypass", "$instance", ".*")

// TestDashboardQueries has Prometheus read each query of the dashboard, as if it
// were a rule.
func TestDashboardQueries(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	prom := promtool(t, dir)
	var dashboard struct {
		Panels []struct{ Targets []struct{ Expr string } }
	}
	if err := json.Unmarshal([]byte(read(t, "../deploy/grafana/daypass.json")), &dashboard); err != nil {
		t.Fatal(err)
	}
	rules, n := "groups:\n  - name: dashboard\n    rules:\n", 0
	for _, p := range dashboard.Panels {
		for _, q := range p.Targets {
			n++
			rules += fmt.Sprintf("      - record: query_%d\n        expr: %q\n", n, grafanaVariables.Replace(q.Expr))
		}
	}
	write(t, filepath.Join(dir, "dashboard.yml"), rules)
	if out := prom.run(t, "check", "rules", "dashboard.yml"); n < 30 || !strings.Contains(out, fmt.Sprintf("%d rules found", n)) {
		t.Errorf("%d queries: %s", n, out)
	}
}

// TestMetricsFormat has Prometheus read the metrics of a server that was used,
// which its linter finds nothing to say of.
func TestMetricsFormat(t *testing.T) {
	t.Parallel()
	prom := promtool(t, "")
	u := newUser(serve(t, "--access-log", filepath.Join(t.TempDir(), "access.log")), "metrics")
	u.fill(t, map[string]string{"a.txt": "a"})
	url, err := s3.NewPresignClient(u.owner).PresignGetObject(t.Context(), &s3.GetObjectInput{Bucket: &u.bucket, Key: aws.String("a.txt")})
	if err != nil {
		t.Fatal(err)
	}
	u.do(t, "GET", url.URL, "", nil).success(t, 200, "a")
	u.do(t, "GET", url.URL+"0", "", nil).refusal(t, 403, "SignatureDoesNotMatch")
	// A request is counted after its client has the answer.
	var text string
	for _, line := range []string{
		`daypass_requests_total{action="GetObject",scheme="query",status="200"} 1`,
		`daypass_refusals_total{code="SignatureDoesNotMatch"} 1`,
		`daypass_pass_requests_total{outcome="used"} 1`,
		`daypass_events_lag_bytes{sink="access-log"} `,
	} {
		waitFor(t, line, func() bool {
			text = get(t, u.ops+"/metrics")
			return strings.Contains(text, "\n"+line)
		})
	}
	prom.stdin = text
	if out, errs, err := prom.try(t, "check", "metrics"); err != nil || out+errs != "" {
		t.Errorf("%v\n%s%s", err, out, errs)
	}
}
