package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

func TestServedHosts(t *testing.T) {
	r := &revoker{hosts: []string{"files.example.com", "127.0.0.1", "S3.Example.org"}}
	for host, want := range map[string]bool{
		"files.example.com": true, "files.example.com:9000": true, "photos.files.example.com": true, "FILES.example.com": true,
		"localhost:9000": true, "127.0.0.1": true, "[::1]:9000": true, "s3.example.org": true,
		"example.com": false, "badfiles.example.com": false, "files.example.com.evil.org": false, "10.0.0.1": false, "": false,
	} {
		if got := r.serves(host); got != want {
			t.Errorf("serves(%q) is %v", host, got)
		}
	}
}

func TestRedactURL(t *testing.T) {
	for raw, want := range map[string]string{
		"https://user:pass@h:1/a@b?X-Amz-Signature=abc&x=1": "https://h:1/a@b?X-Amz-Signature=REDACTED&x=1",
		"http://h?X-Amz-Security-Token=tok&Signature=abc":   "http://h?X-Amz-Security-Token=REDACTED&Signature=REDACTED",
	} {
		if got := redactURL(raw); got != want {
			t.Errorf("redactURL(%q) is %q", raw, got)
		}
	}
}

// TestUnfinishedSearch proves that "nothing was found" is not said of what
// could not be read.
func TestUnfinishedSearch(t *testing.T) {
	var out, errs bytes.Buffer
	newApp := func(in io.Reader) *app {
		out.Reset()
		errs.Reset()
		return &app{in: in, out: &out, err: &errs, env: func(string) string { return "" }, now: time.Now}
	}
	if code := run(context.Background(), []string{"find-leaks", "-"}, newApp(iotest.ErrReader(errors.New("broken")))); code != exitFailure {
		t.Errorf("exit code %d: %s", code, &errs)
	}
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	if code := run(ended, []string{"find-leaks", t.TempDir(), "-"}, newApp(strings.NewReader("text"))); code != exitFailure {
		t.Errorf("exit code %d: %s", code, &errs)
	}
	s := &leakSearch{app: newApp(nil), ctx: context.Background(), flags: &findLeaksFlags{}}
	if err := s.file("no such file"); err != nil || s.unread != 1 || !strings.Contains(errs.String(), "cannot read") {
		t.Errorf("%v, %d unread: %s", err, s.unread, &errs)
	}
}
