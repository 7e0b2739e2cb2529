package notify

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/daypass/daypass"
)

const vectorSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

func mustSecret(t testing.TB, text string) Secret {
	t.Helper()
	s, err := ParseSecret(daypass.Secret(text))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestSignVector signs the message that the libraries of Standard Webhooks test
// with.
func TestSignVector(t *testing.T) {
	got := mustSecret(t, vectorSecret).Sign("msg_p5jXN8AQM9LWM0D4loKWxJek", time.Unix(1614265330, 0), []byte(`{"test": 2432232314}`))
	if want := "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestParseSecret(t *testing.T) {
	for n, ok := range map[int]bool{0: false, 23: false, 24: true, 32: true, 64: true, 65: false} {
		text := "whsec_" + base64.StdEncoding.EncodeToString(make([]byte, n))
		if _, err := ParseSecret(daypass.Secret(text)); (err == nil) != ok {
			t.Errorf("%d bytes: %v", n, err)
		}
		if _, err := ParseSecret(daypass.Secret(strings.TrimPrefix(text, "whsec_"))); err == nil {
			t.Error("a secret without its prefix")
		}
	}
	if _, err := ParseSecret("whsec_" + daypass.Secret(strings.Repeat("ä", 30))); err == nil || strings.Contains(err.Error(), "ä") {
		t.Error(err)
	}
}

func TestSecretIsNotShown(t *testing.T) {
	s := mustSecret(t, vectorSecret)
	e := Endpoint{Secrets: []Secret{s}}
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "secret", s, "endpoint", e)
	text := fmt.Sprintf("%v %+v %#v %x %s %v %+v", s, s, s, s, s, e, &e) + log.String()
	for _, secret := range []string{string(s.key), fmt.Sprint(s.key), fmt.Sprintf("%x", s.key), "MfKQ9r8G"} {
		if strings.Contains(text, secret) {
			t.Errorf("%q", text)
		}
	}
}

func TestVerify(t *testing.T) {
	old, current := mustSecret(t, "whsec_"+strings.Repeat("b2xk", 8)), mustSecret(t, vectorSecret)
	now, body := time.Unix(1700000000, 0), []byte(`{"a":1}`)
	good := http.Header{}
	good.Set("webhook-id", "msg_1")
	good.Set("webhook-timestamp", "1700000000")
	good.Set("webhook-signature", "v1a,AAAA v1 v1,!! "+signAll([]Secret{current, old}, "msg_1", now, body))
	with := func(name, value string) http.Header {
		h := good.Clone()
		h.Set(name, value)
		return h
	}
	for _, c := range []struct {
		what   string
		secret Secret
		header http.Header
		body   string
		at     time.Duration
		ok     bool
	}{
		{"current", current, good, `{"a":1}`, 0, true},
		{"old", old, good, `{"a":1}`, 0, true},
		{"late", old, good, `{"a":1}`, Tolerance, true},
		{"early", old, good, `{"a":1}`, -Tolerance, true},
		{"too late", old, good, `{"a":1}`, Tolerance + time.Second, false},
		{"too early", old, good, `{"a":1}`, -Tolerance - time.Second, false},
		{"other secret", mustSecret(t, "whsec_"+strings.Repeat("YWJj", 8)), good, `{"a":1}`, 0, false},
		{"other body", current, good, `{"a":2}`, 0, false},
		{"other id", current, with("webhook-id", "msg_2"), `{"a":1}`, 0, false},
		{"other time", current, with("webhook-timestamp", "1700000001"), `{"a":1}`, 0, false},
		{"no time", current, with("webhook-timestamp", "x"), `{"a":1}`, 0, false},
		{"no id", current, with("webhook-id", ""), `{"a":1}`, 0, false},
		{"other scheme", current, with("webhook-signature", "v2,"+current.Sign("msg_1", now, body)[3:]), `{"a":1}`, 0, false},
	} {
		if err := Verify([]Secret{c.secret}, c.header, []byte(c.body), now.Add(c.at)); (err == nil) != c.ok {
			t.Errorf("%s: %v", c.what, err)
		}
	}
}

func ExampleVerify() {
	secret, err := ParseSecret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	if err != nil {
		fmt.Println(err)
		return
	}
	body, now := []byte(`{"test": 2432232314}`), time.Unix(1614265330, 0)
	h := http.Header{}
	h.Set("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek")
	h.Set("webhook-timestamp", "1614265330")
	h.Set("webhook-signature", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=")
	fmt.Println(Verify([]Secret{secret}, h, body, now))
	// Output: <nil>
}
