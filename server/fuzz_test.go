package server

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// FuzzUnsigned sends requests without a valid signature. Each is answered
// with a refusal, and the store stays as it was.
func FuzzUnsigned(f *testing.F) {
	e := newEnv(f)
	e.put("key", "content")
	s, err := New(testConfig(e.store))
	if err != nil {
		f.Fatal(err)
	}
	signed := e.query("PUT", "key", "x-amz-meta-a", "1").target
	for _, method := range []string{"GET", "PUT", "DELETE", "POST", "HEAD", "OPTIONS"} {
		f.Add(method, "localhost", "/photos/key", "", "", "")
		f.Add(method, "photos.localhost", "/key?versionId=null", "X-Amz-Copy-Source", "x", "body")
		f.Add(method, "localhost", strings.Replace(signed, "Signature=", "Signature=0", 1), "Content-Md5", "x", "body")
		f.Add(method, "localhost", "/photos?delete", "Authorization", "AWS4-HMAC-SHA256 Credential=a/b/c/d/e, SignedHeaders=host, Signature=0", "<Delete/>")
		f.Add(method, "localhost", "//", "Authorization", "AWS a:b", "")
	}
	f.Fuzz(func(t *testing.T, method, host, target, name, value, body string) {
		r := &http.Request{Method: method, Host: host, RequestURI: target, URL: &url.URL{}, ContentLength: int64(len(body)),
			Header: http.Header{name: {value}}, Body: http.NoBody, ProtoMajor: 1, ProtoMinor: 1}
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if w.Code < 400 {
			t.Errorf("%s %s: status %d", method, target, w.Code)
		}
		if method != "HEAD" && !bytes.Contains(w.Body.Bytes(), []byte("<Code>")) {
			t.Errorf("%s %s: %s", method, target, w.Body)
		}
	})
}
