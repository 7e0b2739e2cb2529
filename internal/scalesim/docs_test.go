package main

import (
	"bytes"
	"os"
	"runtime"
	"strings"
	"testing"
)

// TestPage checks that docs/scale.md shows what its commands print.
func TestPage(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("other processors round otherwise")
	}
	text, err := os.ReadFile("../../docs/scale.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := strings.Split(string(text), "```console\n$ go run ./internal/scalesim ")[1:]
	if len(blocks) < 2 {
		t.Fatalf("%d commands", len(blocks))
	}
	for _, block := range blocks {
		command, rest, _ := strings.Cut(block, "\n")
		want, _, _ := strings.Cut(rest, "```")
		var out bytes.Buffer
		if err := run(strings.Fields(command), &out, &out); err != nil {
			t.Fatal(err)
		}
		if got := unpadded(out.String()); got != unpadded(want) {
			t.Errorf("%s prints\n%s", command, got)
		}
	}
}

// unpadded is text without the spaces at the ends of its lines, which editors
// remove.
func unpadded(text string) string {
	var lines []string
	for line := range strings.Lines(text) {
		lines = append(lines, strings.TrimRight(line, " \n"))
	}
	return strings.TrimSpace(strings.Join(lines, "\n"))
}
