package deploy

import (
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
)

// loadCompose copies the example, makes its secrets as the README says, and has
// Compose's own library load it, schema and all.
func loadCompose(t *testing.T) *types.Project {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "deploy", "compose")
	if err := os.CopyFS(filepath.Dir(dir), os.DirFS(examples)); err != nil {
		t.Fatal(err)
	}
	command(t, "sh", filepath.Join(dir, "secrets.sh"))
	options, err := cli.NewProjectOptions([]string{filepath.Join(dir, "compose.yaml")}, cli.WithWorkingDirectory(dir))
	if err != nil {
		t.Fatal(err)
	}
	project, err := options.LoadProject(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return project
}

// TestCompose checks the services: their flags, what they mount, and that they
// are given the time to drain.
func TestCompose(t *testing.T) {
	project := loadCompose(t)
	nodes := 0
	for name, s := range project.Services {
		if s.Build == nil {
			continue
		}
		checkFlags(t, s.Command)
		if !s.ReadOnly || !slices.Contains(s.CapDrop, "ALL") {
			t.Errorf("%s may do more than it needs to", name)
		}
		if strings.HasPrefix(name, "node") {
			nodes++
			if s.StopGracePeriod == nil || drainTime(t, s.Command) >= time.Duration(*s.StopGracePeriod) {
				t.Errorf("%s is stopped before it has drained", name)
			}
			checkNodeEnvironment(t, s.Environment, project)
		}
		if _, err := os.Stat(filepath.Join(examples, "compose", filepath.Base(s.Build.Dockerfile))); err != nil {
			t.Error(err)
		}
	}
	if nodes != 3 {
		t.Errorf("%d nodes", nodes)
	}
	proxy := project.Services["proxy"]
	if len(proxy.Volumes) != 1 || !strings.HasSuffix(proxy.Volumes[0].Source, "deploy/haproxy/haproxy.cfg") {
		t.Errorf("the proxy mounts %+v", proxy.Volumes)
	}
	// HAProxy names the nodes as the services are called.
	for _, m := range regexp.MustCompile(`(?m)^    server \S+ (\S+):9000$`).FindAllStringSubmatch(read(t, "haproxy", "haproxy.cfg"), -1) {
		if _, there := project.Services[m[1]]; !there {
			t.Errorf("HAProxy asks %s, which is no service", m[1])
		}
	}
}

// checkNodeEnvironment checks that nodes have what they share, and that the key
// of the upstream is none of theirs.
func checkNodeEnvironment(t *testing.T, env types.MappingWithEquals, project *types.Project) {
	t.Helper()
	value := func(name string) string {
		if v := env[name]; v != nil {
			return *v
		}
		t.Errorf("nodes have no %s", name)
		return ""
	}
	if len(value("DAYPASS_MASTER_KEY")) != 64 || !strings.HasPrefix(value("DAYPASS_STATE"), "postgres://") {
		t.Error("state or master key is none")
	}
	objects := project.Services["objects"].Environment["DAYPASS_ROOT_ACCESS_KEY"]
	if objects == nil || *objects != value("AWS_ACCESS_KEY_ID") || *objects == value("DAYPASS_ROOT_ACCESS_KEY") {
		t.Error("the upstream's key is another than its own, or one of the nodes'")
	}
	proxies := ""
	for _, arg := range project.Services["node1"].Command {
		proxies += strings.TrimPrefix(arg, "--trusted-proxy=") + " "
	}
	subnet := project.Networks["inside"].Ipam.Config[0].Subnet
	if _, err := netip.ParsePrefix(subnet); err != nil || !strings.Contains(proxies, subnet+" ") {
		t.Errorf("nodes do not trust proxies in %s", subnet)
	}
}

// TestDockerfile checks what of the Dockerfile can be checked without an engine:
// that what it copies is there, and that its command line is one.
func TestDockerfile(t *testing.T) {
	text := read(t, "compose", "Dockerfile")
	for _, m := range regexp.MustCompile(`(?m)^COPY ([^-\n]+)$`).FindAllStringSubmatch(text, -1) {
		parts := strings.Fields(m[1])
		for _, source := range parts[:len(parts)-1] {
			if _, err := os.Stat(filepath.Join("../..", source)); err != nil {
				t.Error(err)
			}
		}
	}
	m := regexp.MustCompile(`(?m)^CMD \[(.*)\]$`).FindStringSubmatch(text)
	if m == nil {
		t.Fatal("the image runs nothing")
	}
	checkFlags(t, strings.Split(strings.ReplaceAll(m[1], `"`, ""), ", "))
	version := regexp.MustCompile(`(?m)^go (\d+\.\d+)`)
	module, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	if m := version.FindSubmatch(module); m == nil || !strings.Contains(text, "FROM golang:"+string(m[1])+" ") {
		t.Errorf("go.mod wants Go %s, the Dockerfile has another", m[1])
	}
}
