package server

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/s3"
)

const (
	compatibilityPage  = "../docs/compatibility.md"
	compatibilityStart = "<!-- actions: written by go test ./server -update -->\n"
	compatibilityEnd   = "<!-- end of actions -->\n"
)

// TestCompatibilityPage keeps the list of actions in the documentation true:
// every action of the table, and whether it is implemented.
func TestCompatibilityPage(t *testing.T) {
	page, err := os.ReadFile(compatibilityPage)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok1 := strings.Cut(string(page), compatibilityStart)
	old, tail, ok2 := strings.Cut(rest, compatibilityEnd)
	if !ok1 || !ok2 {
		t.Fatalf("%s lacks the marks of the list of actions", compatibilityPage)
	}
	list := actionTable()
	if *update {
		text := head + compatibilityStart + list + compatibilityEnd + tail
		if err := os.WriteFile(compatibilityPage, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if old != list {
		t.Errorf("%s is not up to date: go test ./server -run TestCompatibilityPage -update", compatibilityPage)
	}
}

// actionTable writes a row for each action, once, in the order of the table.
func actionTable() string {
	var b strings.Builder
	b.WriteString("| action | permission | state |\n|---|---|---|\n")
	seen := make(map[daypass.Action]bool)
	for _, a := range s3.Actions() {
		if seen[a.Name] {
			continue
		}
		seen[a.Name] = true
		state := "501 NotImplemented"
		if operationOf(a.Name) != nil {
			state = "supported"
		}
		fmt.Fprintf(&b, "| %s | %s | %s |\n", a.Name, a.Permission, state)
	}
	return b.String()
}
