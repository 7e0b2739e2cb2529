package state

import (
	"bytes"
	"strings"
	"testing"
)

// Bytes that would favour some letters are passed over.
func TestRandomSecretIsFair(t *testing.T) {
	var source []byte
	for b := 248; b <= 255; b++ {
		source = append(source, byte(b))
	}
	source = append(source, 247, 0, 61, 62)
	source = append(source, make([]byte, 128)...)
	got, err := randomSecret(bytes.NewReader(source))
	if want := "9A9A" + strings.Repeat("A", 36); err != nil || string(got) != want {
		t.Errorf("randomSecret = %q, %v; want %q", string(got), err, want)
	}
}
