package limits_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/limits"
)

// TestPINVectors checks the published vectors, which were computed by another
// implementation from the definition.
func TestPINVectors(t *testing.T) {
	doc, err := os.ReadFile("testdata/pin_vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors []struct {
		Secret, PIN, Value string
		SaltHex            string `json:"salt_hex"`
		TagHex             string `json:"tag_hex"`
	}
	if err := json.Unmarshal(doc, &vectors); err != nil || len(vectors) < 5 {
		t.Fatal(len(vectors), err)
	}
	for _, v := range vectors {
		salt, _ := hex.DecodeString(v.SaltHex)
		tag, err := limits.NewPIN(bytes.NewReader(salt), daypass.Secret(v.Secret), v.PIN)
		if err != nil {
			t.Fatal(err)
		}
		if tag.String() != v.Value || hex.EncodeToString(tag.Tag[:]) != v.TagHex {
			t.Errorf("%s: got %s, want %s", v.PIN, tag, v.Value)
		}
		parsed, ok := limits.ParsePIN(v.Value)
		if !ok || *parsed != *tag || !parsed.Matches(daypass.Secret(v.Secret), v.PIN) {
			t.Errorf("%s does not match %s", v.PIN, v.Value)
		}
	}
	for _, other := range vectors[1:] {
		if tag, _ := limits.ParsePIN(vectors[0].Value); other.PIN != vectors[0].PIN && tag.Matches(daypass.Secret(vectors[0].Secret), other.PIN) {
			t.Errorf("%s matches as well", other.PIN)
		}
	}
}

func TestPINMatches(t *testing.T) {
	tag, err := limits.NewPIN(strings.NewReader(strings.Repeat("s", 16)), "secret", "1234")
	if err != nil {
		t.Fatal(err)
	}
	if !tag.Matches("secret", "1234") {
		t.Error("the PIN does not match")
	}
	for _, pin := range []string{"", "1", "123", "12345", "1234\x00", "1234 ", " 1234", "１２３４", "4321", strings.Repeat("1234", 1000)} {
		if tag.Matches("secret", pin) {
			t.Errorf("%q matches", pin)
		}
	}
	if tag.Matches("Secret", "1234") || tag.Matches("", "1234") {
		t.Error("another secret matches")
	}
	for i := range tag.Salt {
		changed := *tag
		changed.Salt[i] ^= 1
		if changed.Matches("secret", "1234") {
			t.Error("another salt matches")
		}
	}
	for i := range tag.Tag {
		changed := *tag
		changed.Tag[i] ^= 0x80
		if changed.Matches("secret", "1234") {
			t.Error("another tag matches")
		}
	}
}

func TestNewPINRefuses(t *testing.T) {
	for _, pin := range []string{"", "123", "ééé", "12\n34", "1234\xff", "12\u008534", strings.Repeat("1", 65), strings.Repeat("é", 65)} {
		tag, err := limits.NewPIN(strings.NewReader(strings.Repeat("s", 16)), "secret", pin)
		wantInvalid(t, limits.PIN, err)
		if tag != nil || pin != "" && strings.Contains(err.Error()+err.(*daypass.Error).Details[1].Value, pin) {
			t.Errorf("%q: the refusal repeats the PIN: %v", pin, err)
		}
	}
	for _, pin := range []string{"1234", "éééé", strings.Repeat("é", 64), "    "} {
		if _, err := limits.NewPIN(strings.NewReader(strings.Repeat("s", 16)), "secret", pin); err != nil {
			t.Errorf("%q: %v", pin, err)
		}
	}
	broken := errors.New("no randomness")
	if _, err := limits.NewPIN(iotest.ErrReader(broken), "secret", "1234"); !errors.Is(err, broken) {
		t.Error(err)
	}
	if _, err := limits.NewPIN(strings.NewReader("short"), "secret", "1234"); err == nil {
		t.Error("a short salt is taken")
	}
}
