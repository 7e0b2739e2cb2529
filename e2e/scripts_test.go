package e2e

import (
	"bufio"
	"bytes"
	"cmp"
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

// TestBoto3Objects goes through uploads in parts, copies, versions and tags.
func TestBoto3Objects(t *testing.T) {
	t.Parallel()
	steps(t, serve(t), settings{Bucket: "e2e-boto3-objects"}, need(t, "python", "/usr/bin/python3"), "clients/boto3_objects.py")
}

// TestBoto3Access lets others in by forms, policies, CORS and sessions.
func TestBoto3Access(t *testing.T) {
	t.Parallel()
	steps(t, serve(t), settings{Bucket: "e2e-boto3-access"}, need(t, "python", "/usr/bin/python3"), "clients/boto3_access.py")
}

// TestBoto3ACL does so by access control lists, where these count.
func TestBoto3ACL(t *testing.T) {
	t.Parallel()
	const ownership = "ObjectWriter"
	steps(t, serve(t, "--default-object-ownership", ownership), settings{Bucket: "e2e-boto3-acl", ObjectOwnership: ownership},
		need(t, "python", "/usr/bin/python3"), "clients/boto3_access.py")
}

func TestJavaScriptSDKv3Objects(t *testing.T) {
	t.Parallel()
	steps(t, serve(t), settings{Bucket: "e2e-js-v3-objects"}, need(t, "node", "node"), "clients/aws-sdk-v3-objects.mjs")
}

func TestJavaScriptSDKv2Objects(t *testing.T) {
	t.Parallel()
	steps(t, serve(t), settings{Bucket: "e2e-js-v2-objects"}, need(t, "node", "node"), "clients/aws-sdk-v2-objects.mjs")
}

// settings are what a client in another language is told.
type settings struct {
	Endpoint        string   `json:"endpoint"`
	Region          string   `json:"region"`
	AccessKeyID     string   `json:"accessKeyId"`
	SecretAccessKey string   `json:"secretAccessKey"`
	Bucket          string   `json:"bucket"`
	Keys            []string `json:"keys"`
	// ObjectOwnership is what new buckets have, where that is not S3's.
	ObjectOwnership string `json:"objectOwnership"`
	// CABundle is the file with the certificate of an endpoint that speaks TLS.
	CABundle string `json:"caBundle"`
}

// script runs a client in another language against a server of its own, then
// uses the URLs that it made.
func script(t *testing.T, bucket string, command ...string) {
	s := serve(t)
	minted, passes := steps(t, s, settings{Bucket: bucket, Keys: oddKeys}, command...)
	if len(passes) < 20 {
		t.Fatalf("only %d passes", len(passes))
	}
	newUser(s, bucket).check(t, minted, passes)
}

// steps runs a client and reports each of its steps as a test. The client
// tells of each step and URL in a line of JSON.
func steps(t *testing.T, s *server, told settings, command ...string) (minted time.Time, passes []pass) {
	t.Helper()
	told.Endpoint, told.Region, told.AccessKeyID, told.SecretAccessKey = cmp.Or(told.Endpoint, s.localhost()), region, accessKey, secretKey
	text, err := json.Marshal(told)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), command[0], command[1:]...)
	cmd.Env = programEnv("DAYPASS_E2E="+string(text), "AWS_SDK_JS_SUPPRESS_MAINTENANCE_MODE_MESSAGE=1", "PYTHONDONTWRITEBYTECODE=1",
		"AWS_CONFIG_FILE="+os.DevNull, "AWS_SHARED_CREDENTIALS_FILE="+os.DevNull, "AWS_EC2_METADATA_DISABLED=true")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	minted = time.Now()
	if err != nil {
		t.Fatalf("%v\n%s\n%s", err, out, &stderr)
	}
	count := 0
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
		count++
		t.Run(line.Step, func(t *testing.T) {
			if line.Error != "" {
				t.Error(line.Error)
			}
		})
	}
	if err := lines.Err(); err != nil || count < 6 {
		t.Fatalf("%d steps: %v\n%s", count, err, &stderr)
	}
	return minted, passes
}
