package e2e

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// trailProgram writes a trail of some hours into a directory, and tells of it.
const trailProgram = `package main

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/audit/trail"
)

type source struct {
	now    time.Time
	batch  int
	state  []byte
	cancel context.CancelFunc
}

func (s *source) Next(ctx context.Context) (trail.Batch, error) {
	if s.batch == 10 {
		s.cancel()
		return trail.Batch{}, ctx.Err()
	}
	e := daypass.Event{Time: s.now, RequestID: fmt.Sprint(s.batch), Action: daypass.GetObject, Object: daypass.ObjectRef{Bucket: "photos", Key: "puppy.jpg"}}
	return trail.Batch{Time: s.now, Unique: fmt.Sprintf("%016d", s.batch), Events: slices.Values([]*daypass.Event{&e, &e})}, nil
}
func (s *source) Commit(state []byte) error { s.state, s.now = state, s.now.Add(20*time.Minute); s.batch++; return nil }
func (s *source) State() []byte { return s.state }
func (s *source) SetState(state []byte) error { s.state = state; return nil }

func main() {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil { panic(err) }
	ctx, cancel := context.WithCancel(context.Background())
	s := &source{now: time.Date(2026, 3, 3, 14, 20, 27, 0, time.UTC), cancel: cancel}
	w, err := trail.NewWriter(trail.Config{Account: "111122223333", Region: "us-east-1", Bucket: "trail", Name: "daypass-a", Key: key,
		Storage: trail.Dir(os.Getenv("TRAIL_DIR")), Now: func() time.Time { return s.now }})
	if err != nil { panic(err) }
	w.Run(ctx, s, func(error) bool { return true }, func(err error) { panic(err) })
	json.NewEncoder(os.Stdout).Encode(map[string]string{"key": base64.StdEncoding.EncodeToString(x509.MarshalPKCS1PublicKey(&key.PublicKey)),
		"fingerprint": trail.Fingerprint(&key.PublicKey)})
}
`

// TestTrailByAWSCommandLine has the AWS command line validate a trail: its own
// check of digests, their signatures and their chain, and of log files.
func TestTrailByAWSCommandLine(t *testing.T) {
	t.Parallel()
	need(t, "awscli", "/usr/bin/aws")
	dir := t.TempDir()
	var told struct{ Key, Fingerprint string }
	out := (tool{path: "go", args: []string{"run"}, dir: "..", env: []string{"TRAIL_DIR=" + dir}}).
		run(t, write(t, filepath.Join(t.TempDir(), "main.go"), trailProgram))
	if err := json.Unmarshal([]byte(out), &told); err != nil {
		t.Fatal(err)
	}
	python := tool{path: need(t, "python", "/usr/bin/python3"), env: []string{"PYTHONDONTWRITEBYTECODE=1", "AWS_CONFIG_FILE=" + os.DevNull},
		args: []string{"clients/cloudtrail_validate.py", dir, "arn:aws:cloudtrail:us-east-1:111122223333:trail/daypass-a",
			"2026-03-03T14:00:00Z", "2026-03-03T18:00:00Z", told.Key, told.Fingerprint}}
	valid := python.run(t)
	if !strings.Contains(valid, "3/3 digest files valid") || !strings.Contains(valid, "8/8 log files valid") || strings.Contains(valid, "INVALID") {
		t.Fatalf("the AWS command line says:\n%s", valid)
	}
	var digests, logs []string
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		switch {
		case !strings.HasSuffix(path, ".gz"):
		case strings.Contains(path, "CloudTrail-Digest"):
			digests = append(digests, path)
		default:
			logs = append(logs, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ from, to, finding string }{
		"another log file":    {logs[0], logs[1], "hash value doesn't match"},
		"a log file is gone":  {"", logs[2], "INVALID: not found"},
		"another digest":      {digests[0], digests[1], "INVALID"},
		"the first is gone":   {"", digests[0], "INVALID: not found"},
		"a signature is gone": {"", digests[2] + ".metadata", "INVALID: signature"},
	} {
		t.Run(name, func(t *testing.T) {
			before := read(t, c.to)
			defer write(t, c.to, before)
			if c.from == "" {
				if err := os.Remove(c.to); err != nil {
					t.Fatal(err)
				}
			} else {
				write(t, c.to, read(t, c.from))
			}
			if out, errs, err := python.try(t); err == nil || !strings.Contains(out+errs, c.finding) {
				t.Errorf("%v\n%s%s", err, out, errs)
			}
		})
	}
}
