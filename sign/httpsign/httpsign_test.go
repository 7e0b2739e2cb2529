package httpsign_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/daypass/daypass/sign"
	"github.com/daypass/daypass/sign/httpsign"
)

var testKey = sign.Key{ID: "AKIAIOSFODNN7EXAMPLE", Secret: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"}

func keys(_ context.Context, id, _ string) (sign.Key, bool, error) {
	return testKey, id == testKey.ID, nil
}

func Example() {
	guard := &httpsign.Guard{Verifier: sign.NewVerifier(sign.KeysFunc(keys), sign.Options{Region: "us-east-1"})}
	report := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, "signed by", httpsign.FromContext(r.Context()).KeyID)
	})
	server := httptest.NewServer(guard.Wrap(report))
	defer server.Close()

	p, err := sign.NewPresigner(testKey, server.URL, "us-east-1")
	if err != nil {
		log.Fatal(err)
	}
	url, err := p.URL(time.Now(), "GET", "reports", "2026/q1.html", 5*time.Minute)
	if err != nil {
		log.Fatal(err)
	}
	resp, err := http.Get(url)
	if err != nil {
		log.Fatal(err)
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	fmt.Print(resp.StatusCode, " ", string(body))
	// Output: 200 signed by AKIAIOSFODNN7EXAMPLE
}

// echo answers with the body, or the error of reading it.
var echo = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	b, err := io.ReadAll(r.Body)
	if err != nil {
		httpsign.RefuseXML(w, r, err)
		return
	}
	w.Write(b)
})

func TestGuard(t *testing.T) {
	guard := &httpsign.Guard{Verifier: sign.NewVerifier(sign.KeysFunc(keys), sign.Options{Region: "us-east-1"})}
	server := httptest.NewServer(guard.Wrap(echo))
	defer server.Close()
	p, err := sign.NewPresigner(testKey, server.URL, "us-east-1")
	if err != nil {
		t.Fatal(err)
	}
	hello := "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824" // SHA-256 of "hello"
	request := func(sha string) string {
		u, err := p.Presign(sign.URLRequest{Method: "PUT", Bucket: "b", Key: "k", Lifetime: time.Minute, Time: time.Now(), PayloadSHA256: sha})
		if err != nil {
			t.Fatal(err)
		}
		return u
	}
	limited, err := p.Presign(sign.URLRequest{Method: "PUT", Bucket: "b", Key: "k", Lifetime: time.Minute, Time: time.Now(),
		Query: sign.Query{{Name: "x-daypass-uses", Value: "1"}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, url, body string
		status          int
		want            string
	}{
		{"signed", request(""), "anything", 200, "anything"},
		{"signed body", request(hello), "hello", 200, "hello"},
		{"other body", request(hello), "jello", 400, "XAmzContentSHA256Mismatch"},
		{"unsigned", server.URL + "/b/k", "", 403, "AccessDenied"},
		{"limited", limited, "", 501, "x-daypass-uses"},
		{"tampered", strings.Replace(request(""), "/k?", "/kk?", 1), "", 403, "SignatureDoesNotMatch"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, err := http.NewRequest("PUT", c.url, strings.NewReader(c.body))
			if err != nil {
				t.Fatal(err)
			}
			status, body := do(t, r)
			if status != c.status || !strings.Contains(body, c.want) {
				t.Errorf("%d %s", status, body)
			}
		})
	}
}

func do(t *testing.T, r *http.Request) (int, string) {
	t.Helper()
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

func TestGuardChunked(t *testing.T) {
	guard := &httpsign.Guard{Verifier: sign.NewVerifier(sign.KeysFunc(keys), sign.Options{Region: "us-east-1"})}
	server := httptest.NewServer(guard.Wrap(echo))
	defer server.Close()
	content := strings.Repeat("0123456789", 20_000)
	signer := sign.NewSigner(testKey, sign.SignerOptions{Region: "us-east-1"})
	for _, spoil := range []bool{false, true} {
		r, err := http.NewRequest("PUT", server.URL+"/b/k", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-Amz-Decoded-Content-Length", fmt.Sprint(len(content)))
		seed, err := signer.Sign(r, signer.StreamingPayload(true, false), time.Now())
		if err != nil {
			t.Fatal(err)
		}
		var framed bytes.Buffer
		w := sign.NewChunkWriter(&framed, seed, nil)
		io.WriteString(w, content)
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if spoil {
			framed.Bytes()[70_000] ^= 1
		}
		r.Body, r.ContentLength = io.NopCloser(&framed), int64(framed.Len())
		status, body := do(t, r)
		if ok := status == 200 && body == content; ok == spoil {
			t.Errorf("spoilt %v: %d %.200s", spoil, status, body)
		}
	}
}

func TestGuardKeySourceFails(t *testing.T) {
	broken := sign.KeysFunc(func(context.Context, string, string) (sign.Key, bool, error) {
		return sign.Key{}, false, io.ErrClosedPipe
	})
	guard := &httpsign.Guard{Verifier: sign.NewVerifier(broken, sign.Options{Region: "us-east-1"}),
		Clock: func() time.Time { return time.Unix(1_800_000_000, 0) }}
	p, err := sign.NewPresigner(testKey, "http://example.com", "us-east-1")
	if err != nil {
		t.Fatal(err)
	}
	u, err := p.URL(time.Unix(1_800_000_000, 0), "GET", "b", "k", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	guard.Wrap(echo).ServeHTTP(w, httptest.NewRequest("GET", u, nil))
	if w.Code != 500 || strings.Contains(w.Body.String(), "closed pipe") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}
