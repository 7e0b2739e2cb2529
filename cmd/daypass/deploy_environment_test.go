package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/spf13/pflag"
)

// ownVariables are those of the environment that stand for no flag.
var ownVariables = map[string]bool{
	"DAYPASS_MASTER_KEY": true, "DAYPASS_ROOT_ACCESS_KEY": true, "DAYPASS_ROOT_SECRET_KEY": true,
}

// TestDeployedVariables checks that each DAYPASS_… variable and each flag of
// serve that the examples in deploy/ name is one.
func TestDeployedVariables(t *testing.T) {
	flags := system().serveCommand().Flags()
	variables, named := map[string]bool{}, map[string]bool{}
	flags.VisitAll(func(f *pflag.Flag) { variables[variable(f.Name)] = true })
	variableName := regexp.MustCompile(`\bDAYPASS_[A-Z][A-Z_]*[A-Z]\b`)
	err := filepath.WalkDir(deployDir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, name := range variableName.FindAllString(string(text), -1) {
			named[name] = true
			if !variables[name] && !ownVariables[name] {
				t.Errorf("%s: %s stands for no flag of serve", path, name)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"DAYPASS_STATE", "DAYPASS_STORE", "DAYPASS_MASTER_KEY"} {
		if !named[name] {
			t.Errorf("no example names %s", name)
		}
	}
}

// TestDeployedFlags checks the flags of serve in every example: they are those
// after "serve", in a unit, a command of Compose, a Dockerfile, the chart, or a
// line of the README. What they render to is checked in e2e/deploy.
func TestDeployedFlags(t *testing.T) {
	flags := system().serveCommand().Flags()
	served := regexp.MustCompile(`(?:daypass serve|- serve\b|\[serve,|\["serve",)((?:[^\n]|\\\n|\n\s+(?:- --|-|#|\{\{))*)`)
	flag := regexp.MustCompile(`(?:^|[\s"\[])--([a-z][a-z0-9-]*)`)
	for _, name := range []string{"README.md", "systemd/daypass.service", "systemd/daypass-node.service", "compose/compose.yaml",
		"compose/Dockerfile", "helm/daypass/templates/deployment.yaml"} {
		text, err := os.ReadFile(filepath.Join(deployDir, name))
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, part := range served.FindAllStringSubmatch(string(text), -1) {
			for _, m := range flag.FindAllStringSubmatch(part[1], -1) {
				if n++; flags.Lookup(m[1]) == nil {
					t.Errorf("%s: serve has no --%s", name, m[1])
				}
			}
		}
		if n < 2 {
			t.Errorf("%s: %d flags", name, n)
		}
	}
}
