package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"testing"
	"time"
)

func TestJavaScriptSDKv2(t *testing.T) {
	t.Parallel()
	script(t, "e2e-js-v2", need(t, "node", "node"), "clients/aws-sdk-v2.mjs")
}

func TestJavaScriptSDKv3(t *testing.T) {
	t.Parallel()
	script(t, "e2e-js-v3", need(t, "node", "node"), "clients/aws-sdk-v3.mjs")
}

func TestBoto3(t *testing.T) {
	t.Parallel()
	script(t, "e2e-boto3", need(t, "python", "/usr/bin/python3"), "clients/boto3_client.py")
}

// script runs a client in another language against a server of its own, then
// uses the URLs that it made. The client tells of each step and URL in a line
// of JSON.
func script(t *testing.T, bucket string, command ...string) {
	s := serve(t)
	settings, err := json.Marshal(map[string]any{
		"endpoint": s.localhost(), "region": region, "accessKeyId": accessKey, "secretAccessKey": secretKey,
		"bucket": bucket, "keys": oddKeys,
	})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), command[0], command[1:]...)
	cmd.Env = programEnv("DAYPASS_E2E="+string(settings), "AWS_SDK_JS_SUPPRESS_MAINTENANCE_MODE_MESSAGE=1",
		"AWS_CONFIG_FILE="+os.DevNull, "AWS_SHARED_CREDENTIALS_FILE="+os.DevNull, "AWS_EC2_METADATA_DISABLED=true")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	minted := time.Now()
	if err != nil {
		t.Fatalf("%v\n%s\n%s", err, out, &stderr)
	}
	var passes []pass
	steps := 0
	lines := bufio.NewScanner(bytes.NewReader(out))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var line struct {
			Step  string `json:"step"`
			Error string `json:"error"`
			Pass  *pass  `json:"pass"`
		}
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			t.Fatalf("%v in %q", err, lines.Text())
		}
		if line.Pass != nil {
			passes = append(passes, *line.Pass)
			continue
		}
		steps++
		t.Run(line.Step, func(t *testing.T) {
			if line.Error != "" {
				t.Error(line.Error)
			}
		})
	}
	if err := lines.Err(); err != nil || steps < 20 || len(passes) < 20 {
		t.Fatalf("%d steps and %d passes: %v\n%s", steps, len(passes), err, &stderr)
	}
	newUser(s, bucket).check(t, minted, passes)
}
