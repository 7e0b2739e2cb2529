package main

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestStateURLs checks what --state takes, and that no password is shown.
func TestStateURLs(t *testing.T) {
	const unreadable = "postgres://… (a password must be percent-encoded: / is %2F, ? is %3F, # is %23, @ is %40)"
	for _, c := range []struct {
		text, shown string
		password    bool
	}{
		{"postgres://localhost/daypass", "postgres://localhost/daypass", false},
		{"postgresql://daypass@db:5432/daypass?sslmode=require", "postgres://db:5432/daypass", false},
		{"postgres://daypass:s3cr3t@db/daypass", "postgres://db/daypass", true},
		{"postgres://daypass:s3c@r3t@db/daypass", "postgres://db/daypass", true},
		{"postgres://a:5432,b:5433/daypass?target_session_attrs=read-write", "postgres://a:5432,b:5433/daypass", false},
		{"postgres://u@a,b/daypass?password=s3cr3t", "postgres://a,b/daypass", true},
		{"postgres://u@a,b/daypass?%70assword=s3cr3t", "postgres://a,b/daypass", true},
		{"postgres://u@a/daypass?password=s3cr3t;x", "postgres://a/daypass", true},
		{"postgres://u@a/daypass?sslpassword=s3cr3t", "postgres://a/daypass", true},
		// A password whose characters should have been encoded may end up anywhere.
		{"postgres://u:s3c/r3t@db:5432/daypass", unreadable, true},
		{"postgres://u:s3c?r3t@db:5432/daypass", unreadable, true},
		{"postgres://u:5432/s3cr3t@db/daypass", unreadable, true},
		{"postgres://u:5432?s3cr3t=x@db/daypass", unreadable, true},
		{"postgres://u:s3cr3t", unreadable, true},
		{"postgres://[::1]:5432,[fe80::1%eth0]/daypass", "postgres://[::1]:5432,[fe80::1%eth0]/daypass", false},
		{"postgres://u@%2Frun%2Fpostgresql/daypass", "postgres://%2Frun%2Fpostgresql/daypass", false},
		{"postgres:///daypass?host=/run/postgresql", "postgres:///daypass", false},
	} {
		var f dsnFlag
		if err := f.Set(c.text); err != nil {
			t.Errorf("%s: %v", c.text, err)
			continue
		}
		if f.password() != c.password || f.String() != c.shown || !slices.Equal(f, dsnFlag{c.text}) {
			t.Errorf("%s: password %v, shown as %q", c.text, f.password(), f.String())
		}
	}
	for _, text := range []string{"", " \n ", "mysql://u:s3cr3t@h/d", "host=db password=s3cr3t", "postgres:s3cr3t"} {
		var f dsnFlag
		if err := f.Set(text); err == nil || strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("%q: %v", text, err)
		}
	}
	var f dsnFlag
	if err := f.Set("postgres://a/x\n\n  postgres://b/y\r\n"); err != nil || !slices.Equal(f, dsnFlag{"postgres://a/x", "postgres://b/y"}) {
		t.Errorf("lines: %q, %v", []string(f), err)
	}
}

// TestBackendFlags checks which flags do not go together.
func TestBackendFlags(t *testing.T) {
	file := filepath.Join(t.TempDir(), "state")
	if err := os.WriteFile(file, []byte("postgres://u:s3cr3t@a/x\npostgres://u:s3cr3t@b/x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := (&backendFlags{stateFile: file, redirect: "off"}).config(false)
	if err != nil || len(c.state) != 2 || !c.shared() || !c.apart() {
		t.Errorf("--state-file: %d URLs, %v", len(c.state), err)
	}
	if err := os.Chmod(file, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := (&backendFlags{stateFile: file, redirect: "off"}).config(false); exitCode(err) != exitUsage || strings.Contains(err.Error(), "s3cr3t") {
		t.Errorf("a file with a password that every user may read: %v", err)
	}
	one := dsnFlag{"postgres://a/x"}
	for name, f := range map[string]backendFlags{
		"both states":            {state: one, stateFile: file},
		"a file that is missing": {stateFile: file + "x"},
		"a store that is no S3":  {store: "file:///tmp"},
		"redirect alone":         {redirect: "get"},
		"redirect to nowhere":    {store: "s3://b", redirect: "yes"},
		"a node with spaces":     {node: "a b"},
		"a node that is a path":  {node: "../x"},
		"a node that is long":    {node: strings.Repeat("a", 64)},
	} {
		if f.redirect == "" {
			f.redirect = "off"
		}
		if _, err := f.config(false); exitCode(err) != exitUsage {
			t.Errorf("%s: %v", name, err)
		}
	}
	f := backendFlags{store: "s3://b", redirect: "off"}
	if _, err := f.config(true); err == nil || !strings.Contains(err.Error(), "the upstream's") {
		t.Errorf("--encrypt with an upstream: %v", err)
	}
}

// TestOneLine checks that a database that is tried in several ways is told of once.
func TestOneLine(t *testing.T) {
	err := oneLine{errors.New("sqlstate.OpenPostgres: failed to connect to `user=u`:\n\tdb (10.0.0.1): refused\n\tdb (10.0.0.1): refused\n\tdb (10.0.0.2): no route")}
	if got, want := err.Error(), "sqlstate.OpenPostgres: failed to connect to `user=u`: db (10.0.0.1): refused; db (10.0.0.2): no route"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
