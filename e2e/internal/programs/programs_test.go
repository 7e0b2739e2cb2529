package programs

import (
	"os"
	"path/filepath"
	"testing"
)

func TestFind(t *testing.T) {
	dir := t.TempDir()
	there := filepath.Join(dir, "there")
	if err := os.WriteFile(there, []byte("#!/bin/sh\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir)
	for _, c := range []struct {
		names []string
		want  string
	}{
		{[]string{"there"}, there},
		{[]string{"missing", "there"}, there},
		{[]string{filepath.Join(dir, "missing"), there}, there},
		{[]string{"missing"}, ""},
	} {
		if got, ok := Find(c.names...); got != c.want || ok != (c.want != "") {
			t.Errorf("%q: %q, %v; want %q", c.names, got, ok, c.want)
		}
	}
}

// A part that is left out is left out even where its program exists.
func TestNeedSkips(t *testing.T) {
	t.Setenv("DAYPASS_E2E_SKIP", "other, shell")
	if got := Need(t, "go", "sh"); got == "" {
		t.Error("sh is there and was not found")
	}
	Need(t, "shell", "sh")
	t.Error("the test was not skipped")
}
