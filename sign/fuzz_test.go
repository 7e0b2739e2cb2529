package sign

import (
	"bytes"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// FuzzSignVerify signs whatever it is given and verifies it; then it changes
// one byte of the request line, which must be refused unless the change is a
// mere re-spelling.
func FuzzSignVerify(f *testing.F) {
	f.Add("GET", "bucket", "a/b c", "x", "y", uint16(3), byte('z'), uint8(0))
	f.Add("PUT", "b", "é%2F//..", "response-content-disposition", "+ =&;", uint16(60), byte('%'), uint8(1))
	f.Add("HEAD", "b", "", "versionId", "null", uint16(200), byte('a'), uint8(2))
	f.Fuzz(func(t *testing.T, method, bucket, key, name, value string, at uint16, b byte, version uint8) {
		if strings.ContainsAny(method, " \r\n") || method == "" {
			return
		}
		v := []Version{V4, V2, V4A}[version%3]
		p := newPresigner(t, docKey, "https://h.example", PresignOptions{Version: v})
		u, err := p.Presign(URLRequest{Method: method, Bucket: bucket, Key: key, Lifetime: time.Hour, Time: testNow,
			Query: Query{{Name: name, Value: value}}})
		if err != nil {
			return
		}
		verifier := NewVerifier(keysOf(docKey), Options{Region: "us-east-1"})
		r := wire(t, method, u)
		if _, err := verifier.Verify(r, testNow); err != nil {
			t.Fatalf("%s %s: %v", method, u, err)
		}
		changed := []byte(r.RequestURI)
		i := 1 + int(at)%(len(changed)-1)
		if changed[i] == b {
			return
		}
		changed[i] = b
		r2 := wire(t, method, "https://h.example"+string(changed))
		if res, err := verifier.Verify(r2, testNow); err == nil && res.Scheme != Anonymous && !respelled(r.RequestURI, string(changed), v) {
			t.Fatalf("%s: changed at %d to %q and still accepted:\n%s\n%s", v, i, b, r.RequestURI, changed)
		}
	})
}

// respelled reports whether two targets decode to the same path and
// parameters; Version 2 does not sign most parameters at all.
func respelled(a, b string, v Version) bool {
	pathA, queryA, _ := strings.Cut(a, "?")
	pathB, queryB, _ := strings.Cut(b, "?")
	decA, err1 := UnescapePath(pathA)
	decB, err2 := UnescapePath(pathB)
	qa, err3 := ParseQuery(queryA)
	qb, err4 := ParseQuery(queryB)
	if err1 != nil || err2 != nil || err3 != nil || err4 != nil || decA != decB {
		return false
	}
	if v == V2 {
		return signedV2(qa) == signedV2(qb)
	}
	return qa.Encode() == qb.Encode()
}

// signedV2 is what Version 2 signs of a query.
func signedV2(q Query) string {
	var out Query
	for _, p := range q {
		if isAuthParam(p.Name) || v2SubResources[p.Name] || isAmz(p.Name) ||
			strings.EqualFold(p.Name, "content-type") || strings.EqualFold(p.Name, "content-md5") {
			out = append(out, p)
		}
	}
	return out.Encode()
}

// FuzzVerify gives the verifier hostile requests: it must answer or refuse,
// never panic, and never accept what nobody signed.
func FuzzVerify(f *testing.F) {
	f.Add("GET", "/b/k?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=a%2F20261123%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20261123T120000Z&X-Amz-Expires=60&X-Amz-SignedHeaders=host&X-Amz-Signature=00", "", "")
	f.Add("PUT", "/b/k", "AWS4-HMAC-SHA256 Credential=a/20261123/us-east-1/s3/aws4_request,SignedHeaders=host;x-amz-date,Signature=00", "20261123T120000Z")
	f.Add("GET", "/b/k?AWSAccessKeyId=a&Expires=1900000000&Signature=AAAA", "", "")
	f.Add("GET", "/", "AWS a:AAAA", "Mon, 23 Nov 2026 12:00:00 GMT")
	f.Fuzz(func(t *testing.T, method, target, auth, date string) {
		r := &http.Request{Method: method, Host: "h", RequestURI: target, URL: &url.URL{}, Header: http.Header{}}
		if auth != "" {
			r.Header.Set("Authorization", auth)
			r.Header.Set("X-Amz-Date", date)
			r.Header.Set("X-Amz-Content-Sha256", UnsignedPayload)
		}
		res, err := NewVerifier(keysOf(Key{ID: "a", Secret: "unguessable"}), Options{Region: "us-east-1"}).Verify(r, testNow)
		if err == nil && res.Scheme != Anonymous {
			t.Errorf("accepted as %+v", res)
		}
		if err != nil && codeOf(err) == "" {
			t.Errorf("not a refusal: %v", err)
		}
	})
}

// FuzzChunkReader reads hostile framing; nothing unsigned may come through to
// a clean end where chunks are signed.
func FuzzChunkReader(f *testing.F) {
	body, _ := framed(f, V4, true, "hello, world", crcTrailer)
	f.Add(body, int64(12), true)
	f.Add([]byte("c\r\nhello, world\r\n0\r\nx-amz-checksum-crc32:A\r\n\r\n"), int64(12), false)
	f.Fuzz(func(t *testing.T, body []byte, length int64, signed bool) {
		good, res := framed(t, V4, signed, "hello, world", crcTrailer)
		got, err := io.ReadAll(NewChunkReader(bytes.NewReader(body), res, length, announced(crcTrailer)))
		if err != nil && codeOf(err) == "" {
			t.Errorf("not a refusal: %v", err)
		}
		if err == nil && signed && string(got) != "hello, world" {
			t.Errorf("unsigned content %q accepted beside %q", got, good)
		}
	})
}

// FuzzParseQuery checks that parsing and encoding agree.
func FuzzParseQuery(f *testing.F) {
	f.Add("a=b&c&d=%20+&&=x&a=1")
	f.Fuzz(func(t *testing.T, raw string) {
		q, err := ParseQuery(raw)
		if err != nil {
			return
		}
		canonical := q.Encode()
		again, err := ParseQuery(canonical)
		if err != nil || again.Encode() != canonical {
			t.Errorf("%q: %q, then %q (%v)", raw, canonical, again.Encode(), err)
		}
		plain := make(Query, len(q))
		for i, p := range q {
			plain[i] = Param{Name: p.Name, Value: p.Value}
		}
		if plain.Encode() != canonical {
			t.Errorf("%q: kept spelling %q differs from %q", raw, canonical, plain.Encode())
		}
	})
}
