package server

import (
	"net/http"
	"testing"

	"github.com/daypass/daypass/s3"
	"github.com/daypass/daypass/sign"
)

// TestV2SignsEverySubResource checks that Version 2 covers whatever chooses an
// action: otherwise a holder could turn one action into another.
func TestV2SignsEverySubResource(t *testing.T) {
	for _, a := range s3.Actions() {
		// list-type=2 chooses between two forms of one listing; S3 does not
		// sign it either.
		if a.Sub != "" && a.Sub != "list-type" && !sign.V2Signs(a.Sub) {
			t.Errorf("%s: Version 2 does not sign %q", a.Name, a.Sub)
		}
	}
}

// TestSplitHeader checks that a signed header means the same in one line as in
// several, since the signature does not tell them apart.
func TestSplitHeader(t *testing.T) {
	h := headers{sent: http.Header{"Cache-Control": {"private", "no-store"}}}
	if got := h.get("Cache-Control"); got != "private,no-store" {
		t.Errorf("got %q", got)
	}
}

// TestV2PrefixOfHostBucket checks that a Version 2 signature for the key
// "s3/x" does not open "x" behind a base URL with the path /s3.
func TestV2PrefixOfHostBucket(t *testing.T) {
	n, err := newNames([]string{"files.example.com"}, []string{"https://files.example.com/s3"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	p := n.place("bkt.files.example.com", "/s3/x", false)
	if p.hostBucket != "bkt" || p.key != "x" || p.passedOn != "/s3" {
		t.Fatalf("%+v", p)
	}
	result := &sign.Result{Version: sign.V2, Host: sign.Host{Name: "bkt.files.example.com"}}
	if bindsPrefix(result, p) == nil {
		t.Error("a prefix that could be part of the key is accepted")
	}
	result.Version = sign.V4
	if err := bindsPrefix(result, p); err != nil {
		t.Errorf("version 4 signs the host: %v", err)
	}
}
