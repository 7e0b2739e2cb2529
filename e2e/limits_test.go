package e2e

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// Limits are minted by five SDKs, offline, and then used by plain net/http.

// A limited is one pass to mint.
type limited struct {
	// Action is get, put, list or form.
	Action string            `json:"action"`
	Key    string            `json:"key"`
	Limits map[string]string `json:"limits"`
	// PIN is a PIN whose tag is to be made and added.
	PIN string `json:"pin"`
}

// A minted is what an SDK made of it; a form has fields.
type minted struct {
	URL    string            `json:"url"`
	Fields map[string]string `json:"fields"`
}

// limitedPasses are what every SDK mints. The last part of a name tells
// nothing but what it is used for.
func limitedPasses() map[string]limited {
	later := time.Now().Add(time.Hour).UTC().Format("20060102T150405Z")
	return map[string]limited{
		"get once":      {Action: "get", Key: seedKey, Limits: map[string]string{"x-daypass-uses": "1"}},
		"put once":      {Action: "put", Key: "once.txt", Limits: map[string]string{"x-daypass-uses": "1"}},
		"put size":      {Action: "put", Key: "sized.txt", Limits: map[string]string{"x-daypass-size": "3-10"}},
		"put type":      {Action: "put", Key: "typed", Limits: map[string]string{"x-daypass-type": "image/*,application/pdf"}},
		"put new":       {Action: "put", Key: "new.txt", Limits: map[string]string{"x-daypass-overwrite": "no"}},
		"get from here": {Action: "get", Key: seedKey, Limits: map[string]string{"x-daypass-ip": "::1,127.0.0.1"}},
		"get elsewhere": {Action: "get", Key: seedKey, Limits: map[string]string{"x-daypass-ip": "203.0.113.0/24"}},
		"get below":     {Action: "get", Key: limitsTree, Limits: map[string]string{"x-daypass-prefix": limitsTree}},
		"list below":    {Action: "list", Limits: map[string]string{"x-daypass-prefix": limitsTree}},
		"get later":     {Action: "get", Key: seedKey, Limits: map[string]string{"x-daypass-not-before": later}},
		"get named":     {Action: "get", Key: seedKey, Limits: map[string]string{"x-daypass-name": label}},
		"get with PIN":  {Action: "get", Key: seedKey, Limits: map[string]string{"x-daypass-name": label}, PIN: "pin ü 🙂"},
		"get etag":      {Action: "get", Key: seedKey, Limits: map[string]string{"x-daypass-etag": `"fe4c0f30aa359c41d9f9a5f69c8c4192"`}},
		"get unknown":   {Action: "get", Key: seedKey, Limits: map[string]string{"x-daypass-colour": "green"}},
		"get malformed": {Action: "get", Key: seedKey, Limits: map[string]string{"x-daypass-uses": "01"}},
		"get capitals":  {Action: "get", Key: seedKey, Limits: map[string]string{"X-Daypass-Uses": "1"}},
		"get too long":  {Action: "get", Key: seedKey, Limits: map[string]string{"x-daypass-until": time.Now().AddDate(0, 0, 8).UTC().Format("20060102T150405Z")}},
		"get both":      {Action: "get", Key: limitsTree, Limits: map[string]string{"x-daypass-prefix": limitsTree, "x-daypass-etag": "x"}},
		"get size":      {Action: "get", Key: seedKey, Limits: map[string]string{"x-daypass-size": "0-10"}},
		"put everything": {Action: "put", Key: "everything.txt", Limits: map[string]string{"x-daypass-uses": "2", "x-daypass-size": "1-10",
			"x-daypass-type": "text/plain", "x-daypass-overwrite": "no", "x-daypass-rate": "1048576", "x-daypass-bind": "ip",
			"x-daypass-name": label, "x-daypass-ip": "127.0.0.0/8", "x-daypass-until": later}},
		"form": {Action: "form", Key: "from a form.txt", Limits: map[string]string{"x-daypass-uses": "1", "x-daypass-size": "1-10", "x-daypass-name": label}},
	}
}

// limitsTree is a prefix, label a name, both with what needs escapes.
const limitsTree, label = "a+b c/ü/", "für Ann & Bob + 100% / 🙂"

// limitedUses tell what each of them does.
var limitedUses = map[string]func(t *testing.T, u *user, m minted){
	"get once": func(t *testing.T, u *user, m minted) {
		u.tamper(t, "GET", m.URL)
		u.do(t, "GET", m.URL, "", nil).granted(t, seedBody)
		u.do(t, "GET", m.URL, "", nil).refusedBy(t, 403, "AccessDenied", "x-daypass-uses")
		u.do(t, "GET", respelled(m.URL), "", nil).refusedBy(t, 403, "AccessDenied", "x-daypass-uses")
	},
	"put once": func(t *testing.T, u *user, m minted) {
		u.tamper(t, "PUT", m.URL)
		stored := u.race(t, m.URL, 8)
		u.do(t, "PUT", m.URL, "late", nil).refusedBy(t, 403, "AccessDenied", "x-daypass-uses")
		if got := u.content(t, "once.txt"); len(stored) != 1 || got != stored[0] {
			t.Errorf("racers stored %q, the object is %q", stored, got)
		}
	},
	"put size": func(t *testing.T, u *user, m minted) {
		u.tamper(t, "PUT", m.URL)
		if e := u.do(t, "PUT", m.URL, "01234567890", nil).refusedBy(t, 400, "EntityTooLarge", "x-daypass-size"); e.ProposedSize != "11" || e.MaxSizeAllowed != "10" {
			t.Errorf("%+v", e)
		}
		if e := u.do(t, "PUT", m.URL, "01", nil).refusedBy(t, 400, "EntityTooSmall", "x-daypass-size"); e.ProposedSize != "2" || e.MinSizeAllowed != "3" {
			t.Errorf("%+v", e)
		}
		u.absent(t, "sized.txt")
		u.do(t, "PUT", m.URL, "0123456789", nil).granted(t, "")
	},
	"put type": func(t *testing.T, u *user, m minted) {
		u.do(t, "PUT", m.URL, png, contentType("text/html")).refusedBy(t, 403, "AccessDenied", "x-daypass-type")
		u.do(t, "PUT", m.URL, png, nil).refusedBy(t, 403, "AccessDenied", "x-daypass-type")
		u.do(t, "PUT", m.URL, page, contentType("image/png")).refusedBy(t, 403, "AccessDenied", "x-daypass-type")
		u.absent(t, "typed")
		u.do(t, "PUT", m.URL, png, contentType("Image/PNG")).granted(t, "")
	},
	"put new": func(t *testing.T, u *user, m minted) {
		u.do(t, "PUT", m.URL, "first", nil).granted(t, "")
		u.do(t, "PUT", m.URL, "second", nil).refusedBy(t, 403, "AccessDenied", "x-daypass-overwrite")
		if got := u.content(t, "new.txt"); got != "first" {
			t.Errorf("the object is %q", got)
		}
	},
	"get from here": func(t *testing.T, u *user, m minted) {
		u.do(t, "GET", m.URL, "", nil).granted(t, seedBody)
	},
	"get elsewhere": func(t *testing.T, u *user, m minted) {
		u.tamper(t, "GET", m.URL)
		e := u.do(t, "GET", m.URL, "", nil).refusedBy(t, 403, "AccessDenied", "x-daypass-ip")
		if e.Allowed != "203.0.113.0/24" || e.Asked != "127.0.0.1" {
			t.Errorf("%+v", e)
		}
		u.from(t, "203.0.113.7", "GET", m.URL, "").refusedBy(t, 403, "AccessDenied", "x-daypass-ip") // nobody's proxy
	},
	"get below": func(t *testing.T, u *user, m minted) {
		u.tamper(t, "GET", m.URL)
		u.do(t, "GET", below(m.URL, "x/%2Fy%252F%20z.txt"), "", nil).granted(t, "below")
		for _, outside := range []string{"../" + seedKey, "..%2F..%2F" + seedKey, "%2E%2E/%2E%2E/" + seedKey, ".%2e/x", "./x", "x/../../../" + seedKey, "..%5Cx", "x%00"} {
			u.do(t, "GET", below(m.URL, outside), "", nil).refusedBy(t, 403, "AccessDenied", "x-daypass-prefix")
		}
		path := func(to string) string {
			return regexp.MustCompile(`/a(\+|%2B)b%20c/%C3%BC/\?`).ReplaceAllString(m.URL, to+"?")
		}
		for _, outside := range []string{"/" + seedKey, "/a%2Bb%20c/%C3%BC", "/a%2Bb%20c/%C3%BC-private", "/a%2Bb%20c/", "/a%2Bb%20c//%C3%BC/x", "/a%20b%20c/%C3%BC/x"} {
			u.do(t, "GET", path(outside), "", nil).refusedBy(t, 403, "AccessDenied", "x-daypass-prefix")
		}
		for _, more := range []string{"&versionId=null", "&acl", "&tagging", "&list-type=2", "&partNumber=1"} {
			u.do(t, "GET", below(m.URL, "x")+more, "", nil).refusal(t, 403, "SignatureDoesNotMatch")
		}
		for _, method := range []string{"PUT", "DELETE"} {
			if a := u.do(t, method, below(m.URL, "x"), "smuggled", nil); a.StatusCode != 403 && a.StatusCode != 400 {
				t.Errorf("%s below the prefix answers %d", method, a.StatusCode)
			}
		}
	},
	"list below": func(t *testing.T, u *user, m minted) {
		u.tamper(t, "GET", m.URL)
		for _, paging := range []string{"", "&prefix=a%2Bb+c%2F%C3%BC%2Fx", "&delimiter=%2F&max-keys=7", "&encoding-type=url&start-after=a"} {
			a := u.do(t, "GET", m.URL+paging, "", nil)
			if a.StatusCode != 200 || strings.Contains(a.body, seedKey) || !strings.Contains(a.body, "<KeyCount>1</KeyCount>") {
				t.Errorf("the listing with %s answers %d\n%s", paging, a.StatusCode, a.body)
			}
		}
		for _, prefix := range []string{"", "a", "a%2Bb+c%2F%C3%BC", "seed", "%2F"} {
			u.do(t, "GET", m.URL+"&prefix="+prefix, "", nil).refusedBy(t, 403, "AccessDenied", "x-daypass-prefix")
		}
		u.do(t, "GET", m.URL+"&max-keys=1&max-keys=2", "", nil).refusal(t, 400, "InvalidArgument")
		u.do(t, "GET", m.URL+"&fetch-owner=true", "", nil).refusal(t, 403, "SignatureDoesNotMatch")
	},
	"get later": func(t *testing.T, u *user, m minted) {
		u.tamper(t, "GET", m.URL)
		u.do(t, "GET", m.URL, "", nil).refusedBy(t, 403, "AccessDenied", "x-daypass-not-before")
	},
	"get named": func(t *testing.T, u *user, m minted) {
		u.tamper(t, "GET", m.URL)
		u.do(t, "GET", m.URL, "", nil).granted(t, seedBody)
	},
	"get with PIN": func(t *testing.T, u *user, m minted) {
		u.tamper(t, "GET", m.URL)
		u.do(t, "GET", m.URL, "", nil).refusedBy(t, 403, "AccessDenied", "x-daypass-pin")
		u.do(t, "GET", m.URL, "", pinValue("pin u 🙂")).refusedBy(t, 403, "AccessDenied", "x-daypass-pin")
		u.do(t, "GET", m.URL, "", pinValue("pin ü 🙂")).granted(t, seedBody)
		u.do(t, "GET", m.URL+"&x-daypass-pin-value=pin", "", nil).refusal(t, 403, "SignatureDoesNotMatch")
	},
	"get etag": func(t *testing.T, u *user, m minted) {
		u.do(t, "GET", m.URL, "", nil).granted(t, seedBody)
	},
	"get unknown":   invalid("x-daypass-colour"),
	"get malformed": invalid("x-daypass-uses"),
	"get capitals":  invalid("x-daypass-uses"),
	"get too long":  invalid("x-daypass-until"),
	"get both":      invalid("x-daypass-etag"),
	"get size":      invalid("x-daypass-size"),
	"put everything": func(t *testing.T, u *user, m minted) {
		u.tamper(t, "PUT", m.URL)
		u.do(t, "PUT", m.URL, "everything at once", contentType("text/plain")).refusedBy(t, 400, "EntityTooLarge", "x-daypass-size")
		u.do(t, "PUT", m.URL, "everything", contentType("text/plain; charset=utf-8")).granted(t, "")
		u.do(t, "PUT", m.URL, "everything", contentType("text/plain")).refusedBy(t, 403, "AccessDenied", "x-daypass-overwrite")
	},
	"form": func(t *testing.T, u *user, m minted) {
		without := func(change func(fields map[string]string)) minted {
			other := minted{m.URL, maps.Clone(m.Fields)}
			change(other.Fields)
			return other
		}
		u.sendForm(t, without(func(f map[string]string) { delete(f, "x-daypass-uses") }), "text").refusal(t, 400, "InvalidArgument")
		if a := u.sendForm(t, without(func(f map[string]string) { f["x-daypass-uses"] = "2" }), "text"); a.StatusCode != 400 && a.StatusCode != 403 {
			t.Errorf("with another number of uses the form answers %d\n%s", a.StatusCode, a.body)
		}
		u.sendForm(t, without(func(f map[string]string) { f["x-daypass-rate"] = "2" }), "text").refusal(t, 400, "InvalidArgument")
		u.sendForm(t, m, "more than ten").refusedBy(t, 400, "EntityTooLarge", "x-daypass-size")
		u.absent(t, "from a form.txt")
		if a := u.sendForm(t, m, "text"); a.StatusCode != 204 {
			t.Errorf("the form answers %d\n%s", a.StatusCode, a.body)
		}
		u.sendForm(t, m, "again").refusedBy(t, 403, "AccessDenied", "x-daypass-uses")
		if got := u.content(t, "from a form.txt"); got != "text" {
			t.Errorf("the object is %q", got)
		}
	},
}

// invalid expects a limit to be refused itself.
func invalid(limit string) func(t *testing.T, u *user, m minted) {
	return func(t *testing.T, u *user, m minted) {
		e := u.do(t, "GET", m.URL, "", nil).refusal(t, 400, "InvalidArgument")
		if !strings.Contains(strings.ToLower(e.Message), limit) {
			t.Errorf("the message does not name %s: %s", limit, e.Message)
		}
	}
}

func TestLimitsGoSDK(t *testing.T) {
	t.Parallel()
	if text := read(t, "limits_test.go"); !strings.Contains(read(t, limitsDocs+"/README.md"), functionText(text, "withLimits")) {
		t.Error("docs/limits/README.md shows another withLimits than the one that is tested here")
	}
	u := limitsUser(t, "limits-go-sdk")
	signer, ctx := s3.NewPresignClient(u.owner), t.Context()
	u.useLimits(t, func(want map[string]limited) map[string]minted {
		made := map[string]minted{}
		for name, w := range want {
			var req *v4.PresignedHTTPRequest
			var err error
			w.tag()
			switch w.Action {
			case "get":
				req, err = signer.PresignGetObject(ctx, &s3.GetObjectInput{Bucket: &u.bucket, Key: &w.Key}, withLimits(w.Limits))
			case "put":
				req, err = signer.PresignPutObject(ctx, &s3.PutObjectInput{Bucket: &u.bucket, Key: &w.Key}, withLimits(w.Limits))
			case "list":
				var signed string
				signed, _, err = v4Presign(ctx, u, w.Limits)
				req = &v4.PresignedHTTPRequest{URL: signed}
			case "form":
				var form *s3.PresignedPostRequest
				form, err = signer.PresignPostObject(ctx, &s3.PutObjectInput{Bucket: &u.bucket, Key: &w.Key}, func(o *s3.PresignPostOptions) {
					for name, value := range w.Limits {
						o.Conditions = append(o.Conditions, map[string]string{name: value})
					}
				})
				if err == nil {
					maps.Copy(form.Values, w.Limits)
					made[name] = minted{form.URL, form.Values}
					continue
				}
			}
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			made[name] = minted{URL: req.URL}
		}
		return made
	})
}

// withLimits adds limits to a request before it is signed.
func withLimits(limits map[string]string) func(*s3.PresignOptions) {
	add := func(ctx context.Context, in middleware.BuildInput, next middleware.BuildHandler) (middleware.BuildOutput, middleware.Metadata, error) {
		if req, ok := in.Request.(*smithyhttp.Request); ok {
			query := req.URL.Query()
			for name, value := range limits {
				query.Set(name, value)
			}
			req.URL.RawQuery = query.Encode()
		}
		return next.HandleBuild(ctx, in)
	}
	return s3.WithPresignClientFromClientOptions(s3.WithAPIOptions(func(stack *middleware.Stack) error {
		return stack.Build.Add(middleware.BuildMiddlewareFunc("Limits", add), middleware.After)
	}))
}

// functionText returns a function as it stands in a source.
func functionText(source, name string) string {
	_, rest, _ := strings.Cut(source, "\nfunc "+name+"(")
	body, _, _ := strings.Cut(rest, "\n}\n")
	return "func " + name + "(" + body + "\n}\n"
}

// v4Presign signs a listing with the SDK's signer: its presign client has
// none.
func v4Presign(ctx context.Context, u *user, limits map[string]string) (string, http.Header, error) {
	query := url.Values{"list-type": {"2"}, "X-Amz-Expires": {"900"}}
	for name, value := range limits {
		query.Set(name, value)
	}
	req, err := http.NewRequestWithContext(ctx, "GET", u.url+"/"+u.bucket+"?"+query.Encode(), nil)
	if err != nil {
		return "", nil, err
	}
	creds, err := u.owner.Options().Credentials.Retrieve(ctx)
	if err != nil {
		return "", nil, err
	}
	return v4.NewSigner().PresignHTTP(ctx, creds, req, "UNSIGNED-PAYLOAD", "s3", region, time.Now(), func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })
}

func TestLimitsMinioGo(t *testing.T) {
	t.Parallel()
	u := limitsUser(t, "limits-minio-go")
	client, err := minio.New(u.addr(), &minio.Options{Creds: credentials.NewStaticV4(accessKey, secretKey, ""), Region: region})
	if err != nil {
		t.Fatal(err)
	}
	u.useLimits(t, func(want map[string]limited) map[string]minted {
		made := map[string]minted{}
		for name, w := range want {
			w.tag()
			query := url.Values{}
			for name, value := range w.Limits {
				query.Set(name, value)
			}
			if w.Action == "list" {
				query.Set("list-type", "2")
			}
			if w.Action == "form" {
				continue // its PostPolicy knows no conditions of one's own
			}
			signed, err := client.Presign(t.Context(), methods[w.Action], u.bucket, w.Key, 15*time.Minute, query)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			made[name] = minted{URL: signed.String()}
		}
		return made
	}, "form")
}

func TestLimitsJavaScriptSDKv3(t *testing.T) {
	t.Parallel()
	limitsScript(t, "limits-js-v3", languages[0], "clients/limits-aws-sdk-v3.mjs")
}

func TestLimitsJavaScriptSDKv2(t *testing.T) {
	t.Parallel()
	limitsScript(t, "limits-js-v2", languages[1], "clients/limits-aws-sdk-v2.mjs")
}

func TestLimitsBoto3(t *testing.T) {
	t.Parallel()
	limitsScript(t, "limits-boto3", languages[2], "clients/limits_boto3.py")
}

// limitsScript mints with what the docs say of a language, and a script that
// follows it.
func limitsScript(t *testing.T, bucket string, l language, script string) {
	u := limitsUser(t, bucket)
	u.useLimits(t, func(want map[string]limited) map[string]minted {
		told, err := json.Marshal(map[string]any{"bucket": bucket, "mint": want, "vectors": json.RawMessage(read(t, pinVectors))})
		if err != nil {
			t.Fatal(err)
		}
		blocks := slices.DeleteFunc(docBlocks(t), func(b block) bool { return b.page != "README" && strings.Contains(b.text, "url = ") })
		var made struct {
			Minted map[string]minted
			Tags   []string
		}
		out := l.run(t, u.server, l.program(blocks)+read(t, script), "DAYPASS_E2E="+string(told))
		if err := json.Unmarshal([]byte(out[strings.Index(out, "{"):]), &made); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		checkTags(t, made.Tags)
		if m, ok := made.Minted["version 2"]; ok {
			checkVersion(t, pass{Name: "v2", URL: m.URL})
			invalid("x-daypass-uses")(t, u, m)
		}
		return made.Minted
	})
}

// pinVectors are the test vectors of the PIN's derivation.
const pinVectors = "../limits/testdata/pin_vectors.json"

type pinVector struct {
	Secret, PIN, Value string
	Salt               string `json:"salt_hex"`
}

func readVectors(t *testing.T) (vectors []pinVector) {
	t.Helper()
	if err := json.Unmarshal([]byte(read(t, pinVectors)), &vectors); err != nil || len(vectors) < 3 {
		t.Fatalf("%d vectors, %v", len(vectors), err)
	}
	return vectors
}

// TestLimitsPINVectors checks that the docs repeat the vectors, and that this
// package makes the same tags of them.
func TestLimitsPINVectors(t *testing.T) {
	t.Parallel()
	text := read(t, limitsDocs+"/pin.md")
	var tags []string
	for _, v := range readVectors(t) {
		salt, err := hex.DecodeString(v.Salt)
		if err != nil {
			t.Fatal(err)
		}
		tags = append(tags, pinTag(v.Secret, v.PIN, salt))
		if !strings.Contains(text, v.PIN) || !strings.Contains(text, v.Salt) || !strings.Contains(text, v.Value) {
			t.Errorf("docs/limits/pin.md lacks the vector of PIN %q", v.PIN)
		}
	}
	checkTags(t, tags)
}

// tag makes the tag of a PIN where one is wanted, as docs/limits/pin.md
// describes it.
func (w *limited) tag() {
	if w.PIN == "" {
		return
	}
	w.Limits = maps.Clone(w.Limits)
	w.Limits["x-daypass-pin"] = pinTag(secretKey, w.PIN, []byte("0123456789abcdef"))
}

func pinTag(secret, pin string, salt []byte) string {
	mac := func(key []byte, text string) []byte {
		h := hmac.New(sha256.New, key)
		h.Write([]byte(text))
		return h.Sum(nil)
	}
	key := mac(mac([]byte(secret), "daypass"), "daypass_pin")
	length := func(n int) string { return string([]byte{0, 0, byte(n >> 8), byte(n)}) }
	tag := mac(key, length(len(salt))+string(salt)+length(len(pin))+pin)
	return base64.RawURLEncoding.EncodeToString(salt) + "." + base64.RawURLEncoding.EncodeToString(tag)
}

// checkTags compares tags that were made from the test vectors.
func checkTags(t *testing.T, tags []string) {
	t.Helper()
	vectors := readVectors(t)
	if len(tags) != len(vectors) {
		t.Fatalf("%d tags of %d vectors", len(tags), len(vectors))
	}
	for i, v := range vectors {
		if tags[i] != v.Value {
			t.Errorf("PIN %q: %s, want %s", v.PIN, tags[i], v.Value)
		}
	}
}

func limitsUser(t *testing.T, bucket string, flags ...string) *user {
	t.Helper()
	u := newUser(serve(t, flags...), bucket)
	u.fill(t, map[string]string{seedKey: seedBody, limitsTree + "x//y%2F z.txt": "below"})
	return u
}

// useLimits mints all passes and uses them; but for those that an SDK cannot
// make.
func (u *user) useLimits(t *testing.T, mint func(map[string]limited) map[string]minted, except ...string) {
	t.Helper()
	want := limitedPasses()
	made := mint(want)
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if slices.Contains(except, name) {
			continue
		}
		t.Run(name, func(t *testing.T) {
			if made[name].URL == "" || limitedUses[name] == nil {
				t.Fatalf("was not made, or has no use: %+v", made[name])
			}
			limitedUses[name](t, u, made[name])
		})
	}
}

// tamper changes, removes, renames and adds limits, all of which must break
// the signature.
func (u *user) tamper(t *testing.T, method, signed string) {
	t.Helper()
	found := regexp.MustCompile(`&?x-daypass-[a-z-]+=[^&]*`).FindAllString(signed, -1)
	if len(found) == 0 {
		t.Fatalf("no limit in %s", signed)
	}
	for _, parameter := range found {
		name, value, _ := strings.Cut(strings.TrimPrefix(parameter, "&"), "=")
		for _, other := range []string{
			strings.Replace(signed, parameter, "", 1),
			strings.Replace(signed, name+"=", "x-daypass-rate=", 1),
			strings.Replace(signed, name+"="+value, name+"="+value+"0", 1),
			strings.Replace(signed, name+"=", name+"=0", 1),
			strings.Replace(signed, name+"=", strings.ToUpper(name)+"=", 1),
		} {
			if other == signed {
				continue // it was the rate
			}
			a := u.do(t, method, strings.Replace(other, "?&", "?", 1), "smuggled", nil)
			if a.StatusCode == 400 && strings.Contains(a.body, name) && name == "x-daypass-prefix" {
				continue // what cannot be a prefix says not even what was signed
			}
			a.refusal(t, 403, "SignatureDoesNotMatch")
		}
	}
	u.do(t, method, signed+"&x-daypass-rate=1", "smuggled", nil).refusal(t, 403, "SignatureDoesNotMatch")
	if a := u.do(t, method, signed+found[0], "smuggled", nil); a.StatusCode != 403 && a.StatusCode != 400 {
		t.Errorf("with a repeated limit the answer is %d\n%s", a.StatusCode, a.body)
	}
}

// race uploads several bodies at once and returns those that were stored.
func (u *user) race(t *testing.T, signed string, racers int) (stored []string) {
	t.Helper()
	var mu sync.Mutex
	var wg sync.WaitGroup
	for i := range racers {
		wg.Go(func() {
			body := strings.Repeat(string(rune('a'+i)), 10)
			for {
				a := u.do(t, "PUT", signed, body, nil)
				if a.StatusCode == 503 && a.Header.Get("Retry-After") != "" {
					time.Sleep(50 * time.Millisecond) // another one is at it
					continue
				}
				mu.Lock()
				defer mu.Unlock()
				if a.StatusCode == 200 {
					stored = append(stored, body)
				} else {
					a.refusedBy(t, 403, "AccessDenied", "x-daypass-uses")
				}
				return
			}
		})
	}
	wg.Wait()
	return stored
}

// respelled spells a URL in another way.
func respelled(signed string) string {
	path, query, _ := strings.Cut(signed, "?")
	pairs := strings.Split(query, "&")
	slices.Reverse(pairs)
	return strings.Replace(path, "seed", "%73eed", 1) + "?" + strings.Join(pairs, "&")
}

// below puts the rest of a key behind the prefix that a URL was signed for.
func below(signed, rest string) string { return strings.Replace(signed, "?", rest+"?", 1) }

func contentType(value string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set("Content-Type", value) }
}

func pinValue(pin string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set("x-daypass-pin-value", pin) }
}

// Contents that say what they are.
const (
	png  = "\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00\x1f\x15\xc4\x89\x00\x00\x00\rIDATx\x9cc\xf8\xff\xff?\x00\x05\xfe\x02\xfe\xa7\x9a\xa0\xa0\x00\x00\x00\x00IEND\xaeB`\x82"
	page = "<!doctype html><html><script>alert(1)</script></html>"
)

// sendForm sends a form by multipart/form-data.
func (u *user) sendForm(t *testing.T, m minted, file string) answer {
	t.Helper()
	const boundary = "e2e-form-boundary"
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(m.Fields)) {
		b.WriteString("--" + boundary + "\r\nContent-Disposition: form-data; name=\"" + name + "\"\r\n\r\n" + m.Fields[name] + "\r\n")
	}
	b.WriteString("--" + boundary + "\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\n" + file + "\r\n--" + boundary + "--\r\n")
	return u.do(t, "POST", m.URL, b.String(), contentType("multipart/form-data; boundary="+boundary))
}

// fill makes the bucket, if need be, and puts objects into it.
func (u *user) fill(t *testing.T, objects map[string]string) {
	t.Helper()
	ctx := t.Context()
	if _, err := u.owner.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: &u.bucket}); err != nil {
		if _, err := u.owner.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &u.bucket}); err != nil {
			t.Fatal(err)
		}
	}
	for key, body := range objects {
		kind := "application/octet-stream"
		if strings.HasSuffix(key, ".html") {
			kind = "text/html; charset=utf-8"
		}
		if _, err := u.owner.PutObject(ctx, &s3.PutObjectInput{Bucket: &u.bucket, Key: &key, Body: strings.NewReader(body), ContentType: aws.String(kind)}); err != nil {
			t.Fatal(err)
		}
	}
}

// content reads an object as its owner.
func (u *user) content(t *testing.T, key string) string {
	t.Helper()
	req, err := s3.NewPresignClient(u.owner).PresignGetObject(t.Context(), &s3.GetObjectInput{Bucket: &u.bucket, Key: &key})
	if err != nil {
		t.Fatal(err)
	}
	a := u.do(t, "GET", req.URL, "", nil)
	if a.StatusCode != 200 {
		t.Errorf("%s: status %d\n%s", key, a.StatusCode, a.body)
	}
	return a.body
}

func (u *user) absent(t *testing.T, key string) {
	t.Helper()
	if _, err := u.owner.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: &u.bucket, Key: &key}); err == nil {
		t.Errorf("%s was refused, but is stored", key)
	}
}

// granted checks a success that no cache may keep.
func (a answer) granted(t *testing.T, body string) {
	t.Helper()
	a.success(t, 200, body)
	if got := a.Header.Get("Cache-Control"); got != "private, no-store" {
		t.Errorf("%s: Cache-Control: %q", a.Request.URL, got)
	}
}

// A limitError is a refusal by a limit.
type limitError struct {
	Code, Message                                string
	Limit, Allowed, Asked                        string
	ProposedSize, MaxSizeAllowed, MinSizeAllowed string
}

// refusedBy checks a refusal by a limit, which no cache may keep either.
func (a answer) refusedBy(t *testing.T, status int, code, limit string) (e limitError) {
	t.Helper()
	a.refusal(t, status, code)
	if err := xml.Unmarshal([]byte(a.body), &e); err != nil {
		t.Errorf("%v\n%s", err, a.body)
	}
	if e.Limit != limit || e.Allowed == "" || !strings.Contains(a.body, "<Asked>") {
		t.Errorf("%s: refused by %q, allowed %q, asked %q, want %s\n%s", a.Request.URL, e.Limit, e.Allowed, e.Asked, limit, a.body)
	}
	if got := a.Header.Get("Cache-Control"); got != "private, no-store" {
		t.Errorf("%s: Cache-Control: %q", a.Request.URL, got)
	}
	return e
}
