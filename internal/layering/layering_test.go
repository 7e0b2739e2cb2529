package layering

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const module = "github.com/daypass/daypass"

var root = filepath.Join("..", "..")

func TestCode(t *testing.T) {
	tree, err := parse(root, module)
	if err != nil {
		t.Fatal(err)
	}
	if len(tree.files) < 20 {
		t.Fatalf("only %d files found: this test would miss what it is for", len(tree.files))
	}
	for _, line := range tree.check() {
		t.Error(line)
	}
}

// TestAllowancesAreUsed keeps the tables free of dependencies, functions and
// variables that are gone.
func TestAllowancesAreUsed(t *testing.T) {
	tree, err := parse(root, module)
	if err != nil {
		t.Fatal(err)
	}
	present, imported, declared := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, f := range tree.files {
		present[f.dir] = true
		for _, name := range importsOf(f) {
			imported[f.dir+" "+name] = true
		}
		for _, fn := range functionsOf(f) {
			declared[f.dir+"."+funcName(fn)] = true
		}
		vars := map[string]bool{}
		packageVars(f.ast, vars)
		for name := range vars {
			declared[f.dir+"."+name] = true
		}
	}
	for _, r := range rules {
		for _, module := range r.third {
			if !present[r.dir] {
				continue // planned
			}
			used := false
			for name := range imported {
				path, ok := strings.CutPrefix(name, r.dir+" ")
				used = used || ok && below(path, module)
			}
			if !used {
				t.Errorf("%s may import %s, and does not", r.dir, module)
			}
		}
	}
	for _, exceptions := range []map[string]string{longFunctions, mutable} {
		for name, reason := range exceptions {
			if !declared[name] || reason == "" {
				t.Errorf("there is an exception for %s (%q), which is gone or has no reason", name, reason)
			}
		}
	}
}

func TestText(t *testing.T) {
	names := committed(t)
	if len(names) < 20 {
		t.Fatalf("only %d files found: this test would miss what it is for", len(names))
	}
	for _, name := range names {
		text, err := os.ReadFile(filepath.Join(root, name))
		if os.IsNotExist(err) {
			continue // removed, not yet committed
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range checkText(name, text) {
			t.Error(line)
		}
	}
}

// committed returns the files that are or would be committed.
func committed(t *testing.T) []string {
	cmd := exec.Command("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--deduplicate")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		t.Skipf("git does not list the files of this tree: %v", err)
	}
	var names []string
	for name := range strings.SplitSeq(string(out), "\x00") {
		if info, err := os.Lstat(filepath.Join(root, name)); name != "" && err == nil && info.Mode().IsRegular() {
			names = append(names, name)
		}
	}
	return names
}

// TestViolations proves on a tree that breaks every rule that each is found.
func TestViolations(t *testing.T) {
	tree, err := parse(filepath.Join("testdata", "bad"), module)
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Split(strings.TrimSpace(`
2 of 19 functions have more than 45 lines, which is more than 5 %: state.Long, state.Longer
client/client.go: imports github.com/aws/aws-sdk-go-v2/aws: this engine belongs in cmd/daypass and store/s3store
client/client.go: imports github.com/daypass/daypass/server: client is not above it
cmd/daypass/main.go: imports example.com/unheard/of: not among the dependencies of cmd/daypass
server/server.go: imports github.com/daypass/daypass/store/diskstore: server is not above it
server/server_test.go: imports example.com/unheard/of: not among the dependencies of server
sign/sign.go: imports github.com/daypass/daypass: sign is not above it
sign/sign.go: imports golang.org/x/crypto: not among the dependencies of sign
state/state.go: has an init function
state/state.go: set writes to the package-level variable count
state/state.go: set writes to the package-level variable table
state/state.go: state.Longer has 61 lines, more than 60
state: no package comment
store/store.go: imports github.com/cockroachdb/pebble/v2: this engine belongs in store/diskstore
store/store.go: imports github.com/cockroachdb/pebbles: not among the dependencies of store
util: a package's name says what it holds; "util" does not
util: no row in the table of rules
`), "\n")
	if diff := cmp.Diff(want, tree.check()); diff != "" {
		t.Error("violations found (-want +got):\n" + diff)
	}
}

func TestUnwantedText(t *testing.T) {
	for _, parts := range unwanted {
		word := parts[0] + parts[1]
		got := checkText("f", []byte("one\ntwo "+word+"\n"+word))
		if diff := cmp.Diff([]string{"f:2: names " + word}, got); diff != "" {
			t.Error("(-want +got):\n" + diff)
		}
	}
	if got := checkText("f", []byte("a network/ed program\n")); got != nil {
		t.Error(got)
	}
	if got := checkText("f", make([]byte, maxFile+1)); len(got) != 1 {
		t.Errorf("a file of %d bytes: %q", maxFile+1, got)
	}
}
