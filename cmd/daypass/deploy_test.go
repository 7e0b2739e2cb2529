package main

import (
	"encoding/json"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/internal/instrument"
	"github.com/daypass/daypass/lifecycle"
	"github.com/daypass/daypass/notify"
	"github.com/daypass/daypass/s3"
)

// The dashboard, the alerts and their tests in deploy/ name metrics, labels and
// error codes. They must be those of /metrics.

const deployDir = "../../deploy"

// scraped are the labels that Prometheus adds, and the ones of histograms'
// buckets.
var scraped = []string{"job", "instance", "le"}

// alerting is a label of alerts.
const alerting = "alertname"

// offered returns the labels of each metric of /metrics, and which of them are
// histograms.
func offered(t *testing.T) (labels map[string][]string, histograms map[string]bool) {
	t.Helper()
	m := newMetrics(openSpool(t))
	m.times, m.lifecycle = newOperationTimes(), lifecycle.New(lifecycle.Config{})
	used, refused := passEvent(), refusedEvent()
	m.Append(&used)
	m.Append(&refused)
	registry := m.gatherer()
	descriptions := make(chan *prometheus.Desc)
	go func() {
		registry.Describe(descriptions)
		newSpanCollector(nil).Describe(descriptions) // there where traces are exported
		newBackendCollector(nil).Describe(descriptions)
		newDiskCollector(nil).Describe(descriptions)
		encryption := prometheus.NewRegistry()
		new(rotation).describe(encryption)
		encryption.Describe(descriptions)
		close(descriptions)
	}()
	described := regexp.MustCompile(`^Desc\{fqName: "([^"]+)".*, constLabels: \{([^}]*)\}, variableLabels: \{([^}]*)\}\}$`)
	labels = map[string][]string{"up": scraped}
	for d := range descriptions {
		m := described.FindStringSubmatch(d.String())
		if m == nil {
			t.Fatalf("the description of a metric reads otherwise: %s", d)
		}
		names := append([]string{}, scraped...)
		for _, label := range strings.FieldsFunc(m[2]+","+m[3], func(r rune) bool { return r == ',' }) {
			name, _, _ := strings.Cut(label, "=")
			names = append(names, name)
		}
		labels[m[1]] = append(labels[m[1]], names...)
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	histograms = map[string]bool{}
	for _, f := range families {
		histograms[f.GetName()] = f.GetType().String() == "HISTOGRAM" || f.GetType().String() == "SUMMARY"
	}
	return labels, histograms
}

// queried is a metric in an expression, with what selects its series.
var (
	queried   = regexp.MustCompile(`\b((?:daypass|go|process)_[a-z0-9_]+|up)(?:\{([^}]*)\})?`)
	selector  = regexp.MustCompile(`([a-z_]+)(?:=~|!~|!=|=)\\?"([^"\\]*)`)
	grouping  = regexp.MustCompile(`\b(?:by|on) \(([a-z_, ]*)\)`)
	templated = regexp.MustCompile(`\{\{ ?(?:\$labels\.)?([a-z_]+) ?\}\}`)
)

// checkExpressions checks what a text with expressions names.
func checkExpressions(t *testing.T, where, text string) (metrics int) {
	t.Helper()
	labels, histograms := offered(t)
	known := append([]string{alerting}, scraped...)
	for _, of := range labels {
		known = append(known, of...)
	}
	for _, m := range queried.FindAllStringSubmatch(text, -1) {
		name := m[1]
		for _, suffix := range []string{"_bucket", "_count", "_sum"} {
			base := strings.TrimSuffix(name, suffix)
			// A histogram without a series yet is told by its name.
			if base != name && labels[base] != nil && (histograms[base] || strings.HasSuffix(base, "_duration_seconds")) {
				name = base
			}
		}
		if labels[name] == nil {
			t.Errorf("%s: no metric %s", where, m[1])
			continue
		}
		metrics++
		for _, s := range selector.FindAllStringSubmatch(m[2], -1) {
			if !slices.Contains(labels[name], s[1]) {
				t.Errorf("%s: %s has no label %s", where, name, s[1])
			}
			checkValue(t, where, name, s[1], s[2])
		}
	}
	for _, re := range []*regexp.Regexp{grouping, templated} {
		for _, m := range re.FindAllStringSubmatch(text, -1) {
			for _, label := range strings.FieldsFunc(m[1], func(r rune) bool { return r == ',' || r == ' ' }) {
				if !slices.Contains(known, label) {
					t.Errorf("%s: %s names a label that no metric has", where, m[0])
				}
			}
		}
	}
	return metrics
}

// checkValue checks the values of labels that come from a table.
func checkValue(t *testing.T, where, metric, label, value string) {
	t.Helper()
	valid := true
	among := func(values ...string) bool {
		return !slices.ContainsFunc(strings.Split(value, "|"), func(v string) bool { return !slices.Contains(values, v) })
	}
	switch metric + " " + label {
	case "daypass_refusals_total code":
		code := daypass.Code(value)
		valid = code == daypass.InternalError || s3.Message(code) != s3.Message(daypass.InternalError)
	case "daypass_pass_requests_total outcome":
		valid = among("used", "exhausted", "revoked", "refused")
	case "daypass_webhook_deliveries_total outcome":
		valid = among(notify.Delivered, notify.Failed, notify.Dropped, notify.Discarded)
	case "daypass_store_duration_seconds operation":
		valid = among(instrument.StoreOperations()...)
	case "daypass_state_duration_seconds operation":
		valid = among(instrument.StateOperations()...)
	case "daypass_requests_total status":
		valid = regexp.MustCompile(`^[1-5](\.\.|\d\d)$`).MatchString(value)
	}
	if !valid {
		t.Errorf("%s: %s of %s is never %q", where, label, metric, value)
	}
}

// TestDeployedAlerts checks what the alerts name.
func TestDeployedAlerts(t *testing.T) {
	for _, name := range []string{"alerts.yml", "alerts_test.yml"} {
		text, err := os.ReadFile(filepath.Join(deployDir, "prometheus", name))
		if err != nil {
			t.Fatal(err)
		}
		if n := checkExpressions(t, name, string(text)); n < 15 {
			t.Errorf("%s names %d metrics", name, n)
		}
	}
}

// TestAlertsAreTested checks that each alert fires in alerts_test.yml, and that
// each says what to do.
func TestAlertsAreTested(t *testing.T) {
	read := func(name string) string {
		text, err := os.ReadFile(filepath.Join(deployDir, "prometheus", name))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	tests := read("alerts_test.yml")
	alerts := strings.Split(read("alerts.yml"), "- alert: ")[1:]
	if len(alerts) < 10 {
		t.Fatalf("%d alerts", len(alerts))
	}
	for _, alert := range alerts {
		name, _, _ := strings.Cut(alert, "\n")
		if !strings.Contains(tests, `alertname="`+name+`"`) {
			t.Errorf("%s fires in no test", name)
		}
		for _, member := range []string{"expr: ", "labels: {severity: ", "summary: ", "description: ", "next: "} {
			if !strings.Contains(alert, " "+member) {
				t.Errorf("%s has no %s", name, member)
			}
		}
	}
}

// A dashboard is what is checked of Grafana's JSON.
type dashboard struct {
	Title, UID    string
	SchemaVersion int
	Templating    struct {
		List []struct {
			Name, Type string
			Definition string
		}
	}
	Annotations struct{ List []struct{ Expr string } }
	Panels      []struct {
		ID                       int
		Type, Title, Description string
		Datasource               struct{ UID string }
		GridPos                  struct{ X, Y, W, H int }
		Targets                  []struct {
			Expr, LegendFormat, RefID string
			Datasource                struct{ UID string }
		}
	}
}

func readDashboard(t *testing.T) dashboard {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(deployDir, "grafana", "daypass.json"))
	if err != nil {
		t.Fatal(err)
	}
	var d dashboard
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// TestDashboard checks that panels have their place, a data source that the
// reader picks, and queries for metrics that there are.
func TestDashboard(t *testing.T) {
	d := readDashboard(t)
	if d.Title == "" || d.UID == "" || d.SchemaVersion < 41 || len(d.Panels) < 30 {
		t.Errorf("title %q, uid %q, schema %d, %d panels", d.Title, d.UID, d.SchemaVersion, len(d.Panels))
	}
	var variables []string
	for _, v := range d.Templating.List {
		variables = append(variables, v.Name+" "+v.Type)
		checkExpressions(t, "variable "+v.Name, v.Definition)
	}
	if want := []string{"datasource datasource", "job query", "instance query"}; !slices.Equal(variables, want) {
		t.Errorf("variables %q, want %q", variables, want)
	}
	for _, a := range d.Annotations.List {
		checkExpressions(t, "annotation", a.Expr)
	}
	ids, taken := map[int]bool{}, map[[2]int]string{}
	for _, p := range d.Panels {
		if ids[p.ID] || p.Title == "" {
			t.Errorf("panel %d %q has the id of another, or no title", p.ID, p.Title)
		}
		ids[p.ID] = true
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other, there := taken[[2]int{x, y}]; there || x > 23 {
					t.Fatalf("%q lies outside or on %q", p.Title, other)
				}
				taken[[2]int{x, y}] = p.Title
			}
		}
		if p.Type == "row" {
			continue
		}
		if len(p.Targets) == 0 || p.Datasource.UID != "${datasource}" {
			t.Errorf("%q: %d queries to %q", p.Title, len(p.Targets), p.Datasource.UID)
		}
		for _, q := range p.Targets {
			if q.Datasource.UID != "${datasource}" || !strings.Contains(q.Expr, `job=~"$job",instance=~"$instance"`) {
				t.Errorf("%q asks %q for %s", p.Title, q.Datasource.UID, q.Expr)
			}
			if checkExpressions(t, p.Title, q.Expr+" "+q.LegendFormat) == 0 {
				t.Errorf("%q asks for nothing: %s", p.Title, q.Expr)
			}
		}
	}
}

// TestEveryMetricIsShown checks that no metric of Daypass is left out of the
// dashboard.
func TestEveryMetricIsShown(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(deployDir, "grafana", "daypass.json"))
	if err != nil {
		t.Fatal(err)
	}
	labels, _ := offered(t)
	for name := range labels {
		if strings.HasPrefix(name, "daypass_") && !regexp.MustCompile(`\b`+name+`(_bucket|_sum|_count)?\b`).Match(text) {
			t.Errorf("no panel shows %s", name)
		}
	}
}

// TestDeployREADME checks that the pages of deploy/ name files that are there,
// and metrics that are.
func TestDeployREADME(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(deployDir, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	checkExpressions(t, "README.md", string(text))
	err = filepath.WalkDir(deployDir, func(file string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || e.Name() == "README.md" {
			return err
		}
		name, err := filepath.Rel(deployDir, file)
		if err == nil && !toldOf(string(text), filepath.ToSlash(name)) {
			t.Errorf("the README does not tell of %s", name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// toldOf reports whether a page links to a file, or to a directory that it is in.
func toldOf(page, file string) bool {
	for name := file; name != "."; name = path.Dir(name) {
		if strings.Contains(page, "("+name+")") {
			return true
		}
	}
	return false
}
