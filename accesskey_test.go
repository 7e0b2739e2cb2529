package daypass_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/daypass/daypass"
)

func TestSecretNeverPrints(t *testing.T) {
	key := daypass.AccessKey{ID: "id", Secret: "plain-secret"}
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%t"} {
		fmt.Fprintf(&out, verb, key.Secret)
		fmt.Fprintf(&out, verb, key)
	}
	fmt.Fprint(&out, key, &key)
	slog.New(slog.NewTextHandler(&out, nil)).Info("x", "key", key, "secret", key.Secret)
	slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "key", key, "secret", key.Secret)
	if err := json.NewEncoder(&out).Encode(key); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(out.String(), "plain-secret") || strings.Contains(out.String(), "706c61696e") {
		t.Errorf("the secret was printed: %s", &out)
	}
}

func TestErrorFaces(t *testing.T) {
	cause := errors.New("disk on fire")
	err := fmt.Errorf("outer: %w", &daypass.Error{Op: "store.PutObject", Code: daypass.NoSuchKey, Message: "no", Err: cause})
	if !errors.Is(err, &daypass.Error{Code: daypass.NoSuchKey}) || errors.Is(err, &daypass.Error{Code: daypass.NoSuchBucket}) {
		t.Error("errors.Is does not go by code")
	}
	if !errors.Is(err, cause) || daypass.CodeOf(err) != daypass.NoSuchKey {
		t.Error("cause or code lost")
	}
	if daypass.CodeOf(cause) != daypass.InternalError || daypass.CodeOf(nil) != "" {
		t.Error("codes of foreign errors")
	}
	if got := err.Error(); got != "outer: store.PutObject: NoSuchKey: no: disk on fire" {
		t.Error(got)
	}
}

func ExampleObjectRef_String() {
	fmt.Println(daypass.ObjectRef{Bucket: "photos", Key: "2026/puppy.jpg", VersionID: "null"})
	// Output: s3://photos/2026/puppy.jpg?versionId=null
}
