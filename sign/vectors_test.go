package sign

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A vector is one case of AWS's public signing suite.
type vector struct {
	dir     string
	Context struct {
		Credentials struct {
			ID     string `json:"access_key_id"`
			Secret string `json:"secret_access_key"`
			Token  string `json:"token"`
		} `json:"credentials"`
		Expiration       int       `json:"expiration_in_seconds"`
		Normalize        bool      `json:"normalize"`
		Region           string    `json:"region"`
		Service          string    `json:"service"`
		SignBody         bool      `json:"sign_body"`
		Timestamp        time.Time `json:"timestamp"`
		OmitSessionToken bool      `json:"omit_session_token"`
	}
}

func loadVectors(t *testing.T, version string) []vector {
	t.Helper()
	dirs, err := filepath.Glob("testdata/vectors/" + version + "/*")
	if err != nil || len(dirs) < 38 {
		t.Fatalf("%d vectors, %v", len(dirs), err)
	}
	var out []vector
	for _, dir := range dirs {
		v := vector{dir: dir}
		if err := json.Unmarshal([]byte(v.file(t, "context.json")), &v.Context); err != nil {
			t.Fatal(err)
		}
		out = append(out, v)
	}
	return out
}

func (v *vector) file(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(v.dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// incomplete skips the two cases that the suite publishes without any
// expected output.
func (v *vector) incomplete(t *testing.T) {
	if _, err := os.Stat(filepath.Join(v.dir, "header-signature.txt")); err != nil {
		t.Skip("the public suite gives a request but no expected output for this case")
	}
}

func (v *vector) key() Key {
	c := v.Context.Credentials
	return Key{ID: c.ID, Secret: c.Secret, Token: c.Token}
}

// request parses a request file, which net/http would refuse: its path may
// hold blanks and raw UTF-8.
func (v *vector) request(t *testing.T, name string) *Request {
	t.Helper()
	s := bufio.NewScanner(strings.NewReader(v.file(t, name)))
	s.Scan()
	method, rest, _ := strings.Cut(s.Text(), " ")
	target := strings.TrimSuffix(rest, " HTTP/1.1")
	rawPath, rawQuery, _ := strings.Cut(target, "?")
	r := &Request{Method: method, Header: make(http.Header), ContentLength: -1, BodySHA256: EmptySHA256}
	for last := ""; s.Scan() && s.Text() != ""; {
		line := s.Text()
		if line[0] == ' ' || line[0] == '\t' { // a folded header line
			vs := r.Header[last]
			vs[len(vs)-1] += "\n" + line
			continue
		}
		k, val, _ := strings.Cut(line, ":")
		last = http.CanonicalHeaderKey(k)
		r.Header[last] = append(r.Header[last], val)
	}
	for s.Scan() {
		r.BodySHA256 = sha256Hex(s.Text())
	}
	r.Path = v.path(rawPath)
	r.Query, _ = ParseQuery(rawQuery)
	if rawQuery != "" && strings.ContainsAny(rawQuery, "+") {
		t.Fatalf("%s: a plus in a vector's query", v.dir)
	}
	r.Hosts = []Host{{Name: r.Header.Get("Host")}}
	return r
}

// path does what other services do to a path before signing; S3 does not.
func (v *vector) path(raw string) string {
	raw = EscapePath(raw)
	if !v.Context.Normalize {
		return raw
	}
	clean := path.Clean(raw)
	if strings.HasSuffix(raw, "/") && clean != "/" {
		clean += "/"
	}
	return clean
}

func sha256Hex(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

// verifier accepts the vector's key. Where the token was added after signing,
// which S3 does not do, the key is taken to have none.
func (v *vector) verifier() *Verifier {
	keys := KeysFunc(func(_ context.Context, id, _ string) (Key, bool, error) {
		k := v.key()
		if v.Context.OmitSessionToken {
			k.Token = ""
		}
		return k, id == k.ID, nil
	})
	return NewVerifier(keys, Options{Region: v.Context.Region, Service: v.Context.Service})
}

func versions() map[string]string { return map[string]string{"v4": algorithmV4, "v4a": algorithmV4A} }

// TestVectorsVerify checks every signed request of the suite, and that it is
// refused once its signature is another's.
func TestVectorsVerify(t *testing.T) {
	for version := range versions() {
		for _, v := range loadVectors(t, version) {
			for _, scheme := range []string{"header", "query"} {
				t.Run(scheme+"/"+filepath.Base(version)+"/"+filepath.Base(v.dir), func(t *testing.T) {
					v.incomplete(t)
					r := v.request(t, scheme+"-signed-request.txt")
					if v.Context.OmitSessionToken {
						r.Header.Del("X-Amz-Security-Token")
						r.Query = without(r.Query, paramToken)
					}
					now := v.Context.Timestamp.Add(time.Minute)
					res, err := v.verifier().VerifyRequest(t.Context(), r, now)
					if err != nil {
						t.Fatal(err)
					}
					if res.KeyID != "AKIDEXAMPLE" || string(res.Scheme) != scheme {
						t.Errorf("result %+v", res)
					}
					r.Method = "PATCH"
					if _, err = v.verifier().VerifyRequest(t.Context(), r, now); codeOf(err) != CodeSignatureDoesNotMatch {
						t.Errorf("with another method: %v", err)
					}
				})
			}
		}
	}
}

func without(q Query, name string) Query {
	var out Query
	for _, p := range q {
		if p.Name != name {
			out = append(out, p)
		}
	}
	return out
}

func codeOf(err error) Code {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// TestVectorsSign compares canonical request, string to sign and signature of
// every vector, byte by byte.
func TestVectorsSign(t *testing.T) {
	for version, algorithm := range versions() {
		for _, v := range loadVectors(t, version) {
			for _, scheme := range []string{"header", "query"} {
				t.Run(scheme+"/"+version+"/"+filepath.Base(v.dir), func(t *testing.T) { v.testSign(t, scheme, algorithm) })
			}
		}
	}
}

func (v *vector) testSign(t *testing.T, scheme, algorithm string) {
	v.incomplete(t)
	r := v.request(t, "request.txt")
	now := v.Context.Timestamp
	req := v4Request{algorithm: algorithm, date: now, dateText: now.Format(longLayout), payload: r.BodySHA256}
	day := now.Format(shortLayout)
	req.cred.scope = credentialScope(day, v.Context.Region, v.Context.Service, algorithm)
	if scheme == "header" {
		v.addHeaders(r, now, algorithm)
		req.signed = signedNames(signable(r.Header))
	} else {
		req.signed = signedNames(signable(r.Header))
		v.addParams(r, now, algorithm, req.cred.scope, req.signed)
	}
	s, c := getScratch(), check{Request: r}
	if err := c.canonicalV4(s, &req, r.Method, r.Hosts[0]); err != nil {
		t.Fatal(err)
	}
	compare(t, "canonical request", string(s.canon), v.file(t, scheme+"-canonical-request.txt"))
	compare(t, "string to sign", string(s.sts), v.file(t, scheme+"-string-to-sign.txt"))
	want := strings.TrimSpace(v.file(t, scheme+"-signature.txt"))
	var cache keyCache
	if algorithm == algorithmV4 {
		k := cache.get(v.key(), day, v.Context.Region, v.Context.Service)
		compare(t, "signature", hex.EncodeToString(k.sum(nil, s.sts)), want)
		return
	}
	v.checkECDSA(t, cache.ecdsaKey(v.key()), s.sts, want)
}

func (v *vector) addHeaders(r *Request, now time.Time, algorithm string) {
	r.Header.Set("X-Amz-Date", now.Format(longLayout))
	if algorithm == algorithmV4A {
		r.Header.Set("X-Amz-Region-Set", v.Context.Region)
	}
	if v.Context.SignBody {
		r.Header.Set("X-Amz-Content-Sha256", r.BodySHA256)
	}
	if tok := v.Context.Credentials.Token; tok != "" && !v.Context.OmitSessionToken {
		r.Header.Set("X-Amz-Security-Token", tok)
	}
}

func (v *vector) addParams(r *Request, now time.Time, algorithm, scope, signed string) {
	r.Query = append(r.Query, Param{Name: paramAlgorithm, Value: algorithm},
		Param{Name: paramCredential, Value: v.Context.Credentials.ID + "/" + scope}, Param{Name: paramDate, Value: now.Format(longLayout)},
		Param{Name: paramExpires, Value: strconv.Itoa(v.Context.Expiration)}, Param{Name: paramSignedHeaders, Value: signed})
	if algorithm == algorithmV4A {
		r.Query = append(r.Query, Param{Name: paramRegionSet, Value: v.Context.Region})
	}
	if tok := v.Context.Credentials.Token; tok != "" && !v.Context.OmitSessionToken {
		r.Query = append(r.Query, Param{Name: paramToken, Value: tok})
	}
}

// checkECDSA compares the derived public key with the vector's and verifies
// the vector's signature; ECDSA signatures themselves are random.
func (v *vector) checkECDSA(t *testing.T, key *ecdsa.PrivateKey, sts []byte, signature string) {
	var pub struct{ X, Y string }
	if err := json.Unmarshal([]byte(v.file(t, "public-key.json")), &pub); err != nil {
		t.Fatal(err)
	}
	raw, err := key.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	compare(t, "public key", hex.EncodeToString(raw), "04"+pub.X+pub.Y)
	der, err := hex.DecodeString(signature)
	if err != nil || !verifyECDSA(&key.PublicKey, sts, der) {
		t.Errorf("the vector's signature does not verify (%v)", err)
	}
}

func compare(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s\n got %q\nwant %q", what, got, want)
	}
}
