package e2e

import (
	"context"
	"encoding/xml"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// A pass is one pre-signed URL that a client made, and what it should do.
type pass struct {
	// Name says how it was made; it begins with the signature version.
	Name string `json:"name"`
	// Action is get, put, head, delete or list.
	Action string `json:"action"`
	Key    string `json:"key"`
	URL    string `json:"url"`
	// Send are headers to send with it.
	Send map[string]string `json:"send"`
	// Want are headers of the answer, or of the object that it uploads.
	Want map[string]string `json:"want"`
	// Refuse is the code of the error to expect, or "expired".
	Refuse string `json:"refuse"`
}

var methods = map[string]string{"get": "GET", "put": "PUT", "head": "HEAD", "delete": "DELETE", "list": "GET"}

func (p pass) v2() bool { return strings.HasPrefix(p.Name, "v2") }

// oddKeys are the keys that every client uses.
var oddKeys = []string{
	"plain.txt",
	"a+b c/ü/日本/🙂//x%20y",
	"a=b&c;d?e#f@g,h:i'j\"k(l)[m]{n}~!*$^|`<>.txt",
	"per%2Fcent%25%2B/trailing/",
	strings.Repeat("k", 1024),
}

// A user opens pre-signed URLs of one bucket by plain net/http.
type user struct {
	*server
	http   *http.Client
	owner  *s3.Client
	bucket string
	keys   []string // for which there are passes to put, get, head and delete
}

func newUser(s *server, bucket string) *user {
	return &user{server: s, http: s.httpClient(), owner: s.s3(), bucket: bucket, keys: oddKeys}
}

// An answer is a response that was read to its end.
type answer struct {
	*http.Response
	body string
}

// do sends a request with the exact URL given.
func (u *user) do(t *testing.T, method, rawURL, body string, change func(*http.Request)) answer {
	t.Helper()
	var content io.Reader
	if method == "PUT" || method == "POST" {
		content = strings.NewReader(body)
	}
	req, err := http.NewRequest(method, rawURL, content)
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(req)
	}
	res, err := u.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	got, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatalf("%s %s: %v", method, rawURL, err)
	}
	return answer{res, string(got)}
}

func (u *user) open(t *testing.T, p pass, body string) answer {
	t.Helper()
	return u.do(t, methods[p.Action], p.URL, body, func(r *http.Request) {
		for name, value := range p.Send {
			r.Header.Set(name, value)
		}
	})
}

// an s3Error is the body of a refusal.
type s3Error struct {
	XMLName          xml.Name `xml:"Error"`
	Code             string
	Message          string
	RequestID        string `xml:"RequestId"`
	HostID           string `xml:"HostId"`
	HeadersNotSigned string
	ServerTime       string
	Expires          string
	AWSAccessKeyID   string `xml:"AWSAccessKeyId"`
	StringToSign     string
	CanonicalRequest string
}

// refusal checks that an answer is an error as S3 sends it.
func (a answer) refusal(t *testing.T, status int, code string) s3Error {
	t.Helper()
	if a.StatusCode != status {
		t.Errorf("%s %s: status %d, want %d %s\n%s", a.Request.Method, a.Request.URL, a.StatusCode, status, code, a.body)
		return s3Error{}
	}
	var e s3Error
	if a.Request.Method == "HEAD" {
		return e
	}
	if err := xml.Unmarshal([]byte(a.body), &e); err != nil {
		t.Errorf("%s %s: body is no S3 error: %v\n%s", a.Request.Method, a.Request.URL, err, a.body)
	}
	if e.Code != code {
		t.Errorf("%s %s: code %s, want %s\n%s", a.Request.Method, a.Request.URL, e.Code, code, a.body)
	}
	if e.RequestID == "" || e.HostID == "" || e.RequestID != a.Header.Get("X-Amz-Request-Id") {
		t.Errorf("RequestId %q, HostId %q, x-amz-request-id %q", e.RequestID, e.HostID, a.Header.Get("X-Amz-Request-Id"))
	}
	return e
}

// success checks the status and body of an answer.
func (a answer) success(t *testing.T, status int, body string) {
	t.Helper()
	if a.StatusCode != status {
		t.Errorf("%s %s: status %d, want %d\n%s", a.Request.Method, a.Request.URL, a.StatusCode, status, a.body)
	} else if a.body != body {
		t.Errorf("%s %s: body %.200q, want %.200q", a.Request.Method, a.Request.URL, a.body, body)
	}
	if a.Header.Get("X-Amz-Request-Id") == "" {
		t.Errorf("%s %s: no x-amz-request-id", a.Request.Method, a.Request.URL)
	}
}

const seedKey, seedBody, listedKey = "seed.txt", "seed", "list/one & only.txt"

// check puts all passes to their use and misuse. The bucket exists and is
// otherwise empty.
func (u *user) check(t *testing.T, minted time.Time, passes []pass) {
	for _, key := range []string{seedKey, listedKey} {
		_, err := u.owner.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &u.bucket, Key: aws.String(key), Body: strings.NewReader(seedBody)})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, key := range u.keys {
		sets := map[string]map[string]pass{}
		for _, p := range passes {
			if p.Key == key {
				if sets[p.Name] == nil {
					sets[p.Name] = map[string]pass{}
				}
				sets[p.Name][p.Action] = p
			}
		}
		for _, name := range slices.Sorted(maps.Keys(sets)) {
			t.Run(fmt.Sprintf("%s/%.40s", name, key), func(t *testing.T) { u.life(t, sets[name]) })
		}
	}
	for _, p := range passes {
		if p.Action == "list" || !slices.Contains(u.keys, p.Key) {
			t.Run(p.Name+"/"+p.Action, func(t *testing.T) { u.single(t, minted, p) })
		}
	}
}

// life leads one object from upload to deletion by its four passes.
func (u *user) life(t *testing.T, set map[string]pass) {
	for _, action := range []string{"put", "get", "head", "delete"} {
		if _, ok := set[action]; !ok {
			t.Fatalf("no pass to %s", action)
		}
	}
	get, put, head, del := set["get"], set["put"], set["head"], set["delete"]
	checkVersion(t, get)
	t.Cleanup(func() {
		u.owner.DeleteObject(context.WithoutCancel(t.Context()), &s3.DeleteObjectInput{Bucket: &u.bucket, Key: &get.Key})
	})

	u.open(t, get, "").refusal(t, 404, "NoSuchKey")
	u.open(t, put, "first").success(t, 200, "")
	u.open(t, get, "").success(t, 200, "first")
	u.open(t, put, "second").success(t, 200, "")
	a := u.open(t, head, "")
	a.success(t, 200, "")
	if a.ContentLength != 6 || a.Header.Get("Etag") != `"a9f0e61a137d86aa9db53465e0801612"` {
		t.Errorf("HEAD tells length %d and ETag %s", a.ContentLength, a.Header.Get("Etag"))
	}
	u.do(t, "GET", get.URL, "", func(r *http.Request) { r.Header.Set("Range", "bytes=1-3") }).success(t, 206, "eco")
	for _, p := range set {
		u.misuse(t, p)
	}
	u.open(t, get, "").success(t, 200, "second")
	u.open(t, del, "").success(t, 204, "")
	u.open(t, get, "").refusal(t, 404, "NoSuchKey")
	u.open(t, head, "").refusal(t, 404, "")
}

func checkVersion(t *testing.T, p pass) {
	t.Helper()
	sign := map[bool]string{true: "&Signature=", false: "&X-Amz-Signature="}[p.v2()]
	if !strings.Contains(strings.Replace(p.URL, "?", "&", 1), sign) {
		t.Errorf("this URL is not signed as its test is named: %s", p.URL)
	}
}

// single uses a pass that stands for itself.
func (u *user) single(t *testing.T, minted time.Time, p pass) {
	checkVersion(t, p)
	switch {
	case p.Refuse == "expired":
		time.Sleep(time.Until(minted.Add(2500 * time.Millisecond)))
		e := u.open(t, p, "too late").refusal(t, 403, "AccessDenied")
		if e.Message != "Request has expired" || e.Expires == "" || e.ServerTime == "" {
			t.Errorf("%+v", e)
		}
	case p.Refuse != "":
		u.open(t, p, "refused").refusal(t, statusOf(t, p.Refuse), p.Refuse)
	case p.Action == "put":
		u.upload(t, p)
	case p.Action == "list":
		u.list(t, p)
		u.misuse(t, p)
	default:
		a := u.open(t, p, "")
		a.success(t, 200, map[string]string{"get": seedBody}[p.Action])
		compareHeaders(t, a.Header, p.Want)
	}
	if p.Action == "put" && p.Refuse != "" && p.Key != seedKey {
		_, err := u.owner.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: &u.bucket, Key: &p.Key})
		if err == nil {
			t.Error("the upload was refused, but the object is there")
		}
	}
}

func statusOf(t *testing.T, code string) int {
	status, ok := map[string]int{
		"AccessDenied": 403, "SignatureDoesNotMatch": 403, "InvalidAccessKeyId": 403,
		"AuthorizationQueryParametersError": 400, "BadDigest": 400, "PreconditionFailed": 412,
	}[code]
	if !ok {
		t.Fatalf("unknown code %q", code)
	}
	return status
}

// upload uses a PUT and compares what is stored.
func (u *user) upload(t *testing.T, p pass) {
	body := "uploaded by " + p.Name
	u.open(t, p, body).success(t, 200, "")
	url, err := s3.NewPresignClient(u.owner).PresignGetObject(t.Context(), &s3.GetObjectInput{Bucket: &u.bucket, Key: &p.Key})
	if err != nil {
		t.Fatal(err)
	}
	a := u.do(t, "GET", url.URL, "", nil)
	a.success(t, 200, body)
	compareHeaders(t, a.Header, p.Want)
}

func compareHeaders(t *testing.T, got http.Header, want map[string]string) {
	t.Helper()
	for name, value := range want {
		if got.Get(name) != value {
			t.Errorf("%s: %q, want %q", name, got.Get(name), value)
		}
	}
}

// list uses a listing of the keys below list/.
func (u *user) list(t *testing.T, p pass) {
	a := u.open(t, p, "")
	var page struct {
		XMLName  xml.Name `xml:"ListBucketResult"`
		Name     string
		Encoding string `xml:"EncodingType"`
		Contents []struct{ Key string }
	}
	if err := xml.Unmarshal([]byte(a.body), &page); err != nil || a.StatusCode != 200 {
		t.Fatalf("status %d, %v\n%s", a.StatusCode, err, a.body)
	}
	if page.Name != u.bucket || len(page.Contents) != 1 {
		t.Fatalf("got %+v", page)
	}
	key := page.Contents[0].Key
	if page.Encoding == "url" {
		key, _ = url.QueryUnescape(key)
	}
	if key != listedKey {
		t.Errorf("lists %q, want %q", key, listedKey)
	}
}

// misuse tries what a holder of a pass might try; all of it must be refused.
func (u *user) misuse(t *testing.T, p pass) {
	t.Helper()
	for _, m := range misuses {
		rawURL, method, change := p.URL, methods[p.Action], func(*http.Request) {}
		if m.url != nil {
			if rawURL = m.url(p); rawURL == "" {
				continue
			}
		}
		if m.method != nil {
			method = m.method(p)
		}
		if m.change != nil {
			change = m.change
		}
		status, code := m.v4.status, m.v4.code
		if p.v2() {
			status, code = m.v2.status, m.v2.code
		}
		if status == 0 || method == "" {
			continue // the signature does not cover it
		}
		if rawURL == p.URL && m.url != nil {
			t.Errorf("%s: the URL was not changed", m.name)
		}
		a := u.do(t, method, rawURL, "smuggled", func(r *http.Request) {
			for name, value := range p.Send {
				r.Header.Set(name, value)
			}
			change(r)
		})
		if p.Action == "list" && m.renames && (a.StatusCode == 400 || a.StatusCode == 405) {
			continue // no action lists by this name, so the signature is not looked at
		}
		e := a.refusal(t, status, code)
		if t.Failed() {
			t.Fatalf("misuse of a pass to %s: %s", p.Action, m.name)
		}
		if code == "SignatureDoesNotMatch" && method != "HEAD" && (e.AWSAccessKeyID != accessKey || e.StringToSign == "" || (e.CanonicalRequest == "") != p.v2()) {
			t.Errorf("%s: the error does not tell what was signed: %+v", m.name, e)
		}
	}
}

// A verdict is how a misuse is refused; the zero verdict is that it does not
// apply.
type verdict struct {
	status int
	code   string
}

var (
	mismatch  = verdict{403, "SignatureDoesNotMatch"}
	denied    = verdict{403, "AccessDenied"}
	parameter = verdict{400, "AuthorizationQueryParametersError"}
)

// misuses is the table of them.
var misuses = []struct {
	name   string
	method func(pass) string
	url    func(pass) string
	change func(*http.Request)
	v4, v2 verdict
	// renames says that the change may name no action at all.
	renames bool
}{
	{name: "GET instead", method: instead("GET"), v4: mismatch, v2: mismatch, renames: true},
	{name: "HEAD instead", method: instead("HEAD"), v4: mismatch, v2: mismatch, renames: true},
	{name: "PUT instead", method: instead("PUT"), v4: mismatch, v2: mismatch, renames: true},
	{name: "DELETE instead", method: instead("DELETE"), v4: mismatch, v2: mismatch, renames: true},
	{name: "another key", url: func(p pass) string { return strings.Replace(p.URL, "?", "x?", 1) }, v4: mismatch, v2: mismatch, renames: true},
	{name: "another bucket", url: otherBucket, v4: mismatch, v2: mismatch},
	{name: "another signature", url: otherSignature, v4: mismatch, v2: mismatch},
	{name: "longer lifetime", url: longer, v4: mismatch, v2: mismatch},
	{name: "another access key", url: func(p pass) string { return strings.Replace(p.URL, accessKey, "E2EUNKNOWN", 1) },
		v4: verdict{403, "InvalidAccessKeyId"}, v2: verdict{403, "InvalidAccessKeyId"}},
	{name: "without lifetime", url: func(p pass) string { return lifetime.ReplaceAllString(p.URL, "$1") + "&x=" }, v4: parameter, v2: denied},
	{name: "without signature", url: func(p pass) string { return signature.ReplaceAllString(p.URL, "$1") + "&x=" }, v4: parameter, v2: denied},
	{name: "parameter appended", url: func(p pass) string { return p.URL + "&v=4.6" }, v4: mismatch},
	{name: "sub-resource appended", url: withSubresource, v4: mismatch, v2: mismatch, renames: true},
	{name: "response header appended", url: func(p pass) string { return p.URL + "&response-content-type=text%2Fhtml" }, v4: mismatch, v2: mismatch},
	{name: "limit appended", url: func(p pass) string { return p.URL + "&x-daypass-name=x" }, v4: mismatch, v2: verdict{400, "InvalidArgument"}},
	{name: "unsigned header", change: func(r *http.Request) { r.Header.Set("X-Amz-Meta-Smuggled", "1") }, v4: denied, v2: mismatch},
	{name: "unsigned ACL", change: func(r *http.Request) { r.Header.Set("X-Amz-Acl", "public-read") }, v4: denied, v2: mismatch},
	{name: "copy source", change: func(r *http.Request) { r.Header.Set("X-Amz-Copy-Source", "/other/secret") }, v4: denied, v2: mismatch},
	{name: "another host", change: func(r *http.Request) { r.Host = "other.example" }, v4: mismatch, renames: true},
	{name: "forwarded host", change: func(r *http.Request) {
		r.Header.Set("X-Forwarded-Host", r.URL.Host)
		r.Host = "other.example"
	}, v4: mismatch, renames: true},
	{name: "two mechanisms", change: func(r *http.Request) { r.Header.Set("Authorization", "AWS "+accessKey+":c2lnbmF0dXJl") },
		v4: verdict{400, "InvalidArgument"}, v2: verdict{400, "InvalidArgument"}},
}

// instead uses a pass with another method than it is for.
func instead(method string) func(pass) string {
	return func(p pass) string {
		if methods[p.Action] == method {
			return ""
		}
		return method
	}
}

// withSubresource turns an object into its ACL, where that has the method.
func withSubresource(p pass) string {
	if p.Action == "head" || p.Action == "delete" {
		return ""
	}
	return p.URL + "&acl"
}

var (
	lifetime  = regexp.MustCompile(`([?&])(?:X-Amz-)?Expires=(\d+)&?`)
	signature = regexp.MustCompile(`([?&])(?:X-Amz-)?Signature=([^&]+)&?`)
)

func longer(p pass) string {
	return replaceGroup(lifetime, p.URL, func(digits string) string {
		n, _ := strconv.Atoi(digits)
		return strconv.Itoa(n + 1)
	})
}

// otherSignature changes one digit, so that the form stays right.
func otherSignature(p pass) string {
	return replaceGroup(signature, p.URL, func(sig string) string {
		i := 4
		for sig[i] < 'a' || sig[i] > 'f' || sig[i-1] == '%' || sig[i-2] == '%' {
			if i++; i == len(sig)-2 {
				return "AAAA" + sig[4:]
			}
		}
		return sig[:i] + map[bool]string{true: "b", false: "a"}[sig[i] == 'a'] + sig[i+1:]
	})
}

// replaceGroup replaces the second group of the first match.
func replaceGroup(re *regexp.Regexp, s string, f func(string) string) string {
	m := re.FindStringSubmatchIndex(s)
	if m == nil {
		return s
	}
	return s[:m[4]] + f(s[m[4]:m[5]]) + s[m[5]:]
}

// otherBucket names another bucket in the place of this one.
func otherBucket(p pass) string {
	return strings.Replace(p.URL, "e2e-", "e3e-", 1)
}
