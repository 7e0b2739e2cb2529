package audit

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// files returns what is in a directory, by name.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	out := make(map[string]string)
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		out[e.Name()] = string(b)
	}
	return out
}

func openLog(t *testing.T, opts LogFileOptions) *LogFile {
	t.Helper()
	f, err := OpenLogFile(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func write(t *testing.T, f *LogFile, lines string) {
	t.Helper()
	if n, err := f.Write([]byte(lines)); err != nil || n != len(lines) {
		t.Fatal(n, err)
	}
}

func TestLogFileRotatesBySize(t *testing.T) {
	dir, now := t.TempDir(), when
	f := openLog(t, LogFileOptions{Path: filepath.Join(dir, "access.log"), MaxBytes: 10, Keep: 3, Now: func() time.Time { return now }})
	for _, line := range []string{"0001\n", "0002\n", "0003\n", "a line longer than ten\n", "0005\n", "0006\n", "0007\n"} {
		write(t, f, line)
	}
	got := files(t, dir)
	want := map[string]string{
		"access.log":                      "0007\n",
		"access.log.20260206T000038Z":     "0001\n0002\n",
		"access.log.20260206T000038Z-001": "0003\n",
		"access.log.20260206T000038Z-002": "a line longer than ten\n",
		"access.log.20260206T000038Z-003": "0005\n0006\n",
	}
	delete(want, "access.log.20260206T000038Z") // the oldest of four
	if len(got) != len(want) {
		t.Errorf("%q", got)
	}
	for name, text := range want {
		if got[name] != text {
			t.Errorf("%s: %q, want %q", name, got[name], text)
		}
	}
}

func TestLogFileRotatesByAge(t *testing.T) {
	dir, now := t.TempDir(), time.Now()
	opts := LogFileOptions{Path: filepath.Join(dir, "access.log"), MaxAge: time.Hour, Now: func() time.Time { return now }}
	f := openLog(t, opts)
	now = now.Add(2 * time.Hour)
	write(t, f, "1\n") // an empty file is not rotated
	write(t, f, "2\n")
	if got := files(t, dir); len(got) != 2 && len(got) != 1 {
		t.Errorf("%q", got)
	}
	now = now.Add(time.Hour)
	f.Close()
	f = openLog(t, opts)
	now = now.Add(2 * time.Hour)
	write(t, f, "3\n")
	if got := files(t, dir); got["access.log"] != "3\n" {
		t.Errorf("%q", got)
	}
}

func TestLogFileReopen(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "access.log")
	f := openLog(t, LogFileOptions{Path: path})
	write(t, f, "1\n")
	os.Rename(path, path+".1")
	write(t, f, "2\n")
	if err := f.Reopen(); err != nil {
		t.Fatal(err)
	}
	write(t, f, "3\n")
	if got := files(t, dir); got["access.log"] != "3\n" || got["access.log.1"] != "1\n2\n" {
		t.Errorf("%q", got)
	}
	os.Rename(path, path+".2")
	os.Mkdir(path, 0o700)
	if err := f.Reopen(); err == nil {
		t.Error("a directory was opened")
	}
	write(t, f, "4\n")
	if b, _ := os.ReadFile(path + ".2"); string(b) != "3\n4\n" {
		t.Errorf("%q", b)
	}
	f.Close()
	if err := f.Reopen(); !errors.Is(err, os.ErrClosed) {
		t.Error(err)
	}
	if _, err := f.Write([]byte("5\n")); !errors.Is(err, os.ErrClosed) {
		t.Error(err)
	}
}

func TestLogFileStdout(t *testing.T) {
	var out bytes.Buffer
	f := openLog(t, LogFileOptions{Path: "-", MaxBytes: 1, Stdout: &out})
	write(t, f, "1\n")
	if err := f.Reopen(); err != nil {
		t.Error(err)
	}
	write(t, f, "2\n")
	if n, err := f.Resume(1, []byte("x")); n != 0 || err != nil || out.String() != "1\n2\n" {
		t.Errorf("%d %v %q", n, err, out.String())
	}
}

// TestLogFileResume cuts the process off after any byte of a write.
func TestLogFileResume(t *testing.T) {
	const before, lines = "before\n", "1\n2\n3\n"
	for n := range len(lines) + 1 {
		for _, rotated := range []bool{false, true} {
			path := filepath.Join(t.TempDir(), "access.log")
			text := before + lines[:n]
			if rotated {
				text = lines[:n]
			}
			os.WriteFile(path, []byte(text), 0o600)
			f := openLog(t, LogFileOptions{Path: path})
			skip, err := f.Resume(int64(len(before)), []byte(lines))
			if err != nil || skip != n {
				t.Errorf("%d, want %d, %v", skip, n, err)
			}
			write(t, f, lines[skip:])
			if b, _ := os.ReadFile(path); !strings.HasSuffix(string(b), lines) || strings.Count(string(b), "1") != 1 {
				t.Errorf("%q", b)
			}
		}
	}
	path := filepath.Join(t.TempDir(), "access.log")
	os.WriteFile(path, []byte("others wrote"), 0o600)
	if n, err := openLog(t, LogFileOptions{Path: path}).Resume(3, []byte(lines)); n != 0 || err != nil {
		t.Error(n, err)
	}
}
