package cluster

import (
	"context"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"
)

// conformance runs the conformance suite of stores over this Ceph, in both
// mappings of buckets. Races and models take this Ceph many minutes: they are
// left out unless DAYPASS_CLUSTER_CONFORMANCE is "all".
func (r *rig) conformance(t *testing.T) {
	limit, more := 7*time.Minute, []string{"-skip", "/(Race|AgainstModel)$"}
	if os.Getenv("DAYPASS_CLUSTER_CONFORMANCE") == "all" {
		limit, more = time.Hour, nil
	}
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	log := r.path("conformance.log")
	f, err := os.Create(log)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	args := append([]string{"test", "-count=1", "-v", "-short", "-timeout", "1h", "-run", "^TestRealUpstream"}, more...)
	cmd := exec.CommandContext(ctx, "go", append(args, "./store/s3store", "-rapid.checks=10", "-rapid.nofailfile")...)
	cmd.Dir = "../.."
	cmd.Env = cleanEnv("DAYPASS_TEST_S3="+r.storeURL(), "DAYPASS_TEST_S3_ENGINE=ceph16", "AWS_ACCESS_KEY_ID="+upstreamKey, "AWS_SECRET_ACCESS_KEY="+upstreamSecret)
	cmd.Stdout, cmd.Stderr = f, f
	start := time.Now()
	err = cmd.Run()
	out, failed := os.ReadFile(log)
	if failed != nil {
		t.Fatal(failed)
	}
	passed, skipped := strings.Count(string(out), "--- PASS"), strings.Count(string(out), "--- SKIP")
	if err != nil || passed == 0 {
		frames := regexp.MustCompile(`(?m)^ *(=== |--- (PASS|SKIP)).*\n`)
		t.Fatalf("%v after %.0f s, %d tests passed\n%s", err, time.Since(start).Seconds(), passed, frames.ReplaceAllString(string(out), ""))
	}
	t.Logf("measured: the conformance suite over Ceph: %d tests passed, %d skipped, %.0f s", passed, skipped, time.Since(start).Seconds())
}
