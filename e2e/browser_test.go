package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// A browser renders one page at a time and returns its document.
type browser struct{ path string }

func (b browser) open(t *testing.T, url string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), b.path, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic",
		"--disable-dev-shm-usage", "--no-first-run", "--disable-background-networking", "--disable-component-update",
		"--disable-sync", "--user-data-dir="+t.TempDir(), "--virtual-time-budget=10000", "--timeout=30000", "--dump-dom", url)
	cmd.Env = programEnv()
	cmd.WaitDelay = 5 * time.Second
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s\n%s", err, out, &errs)
	}
	return html.UnescapeString(string(out))
}

func TestBrowser(t *testing.T) {
	t.Parallel()
	b := browser{need(t, "browser", "chromium", "chromium-browser", "google-chrome")}
	var script string // what the pages of another site run
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprintf(w, "<!doctype html><pre id=log></pre><script type=module>%s</script>", script)
	}))
	defer site.Close()
	s := serve(t, "--cors-origin", site.URL)
	client, bucket := s.s3(), aws.String("e2e-browser")
	if _, err := client.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: bucket}); err != nil {
		t.Fatal(err)
	}
	put := func(key, contentType, body string) {
		_, err := client.PutObject(t.Context(), &s3.PutObjectInput{Bucket: bucket, Key: &key, ContentType: &contentType, Body: strings.NewReader(body)})
		if err != nil {
			t.Fatal(err)
		}
	}
	signer := s3.NewPresignClient(client)
	get := func(key string, lifetime time.Duration) string {
		req, err := signer.PresignGetObject(t.Context(), &s3.GetObjectInput{Bucket: bucket, Key: &key}, s3.WithPresignExpires(lifetime))
		if err != nil {
			t.Fatal(err)
		}
		return req.URL
	}
	const page, text, later = "a+b c/ü/日本/🙂//x%20y.html", "notes.txt", "later.txt"
	put(page, "text/html; charset=utf-8", "<!doctype html><title>t</title><p id=p>not run</p><script>p.textContent = 'grüße ' + 6 * 7</script>")
	put(text, "text/plain; charset=utf-8", "plain <b>text</b>, grüße\n")
	expired := get(text, time.Second)
	signed := time.Now()

	if dom := b.open(t, get(page, time.Minute)); !strings.Contains(dom, `<p id="p">grüße 42</p>`) {
		t.Errorf("the page shows %s", dom)
	}
	if dom := b.open(t, get(text, time.Minute)); !strings.Contains(dom, "plain <b>text</b>, grüße") {
		t.Errorf("the text shows as %s", dom)
	}
	time.Sleep(time.Until(signed.Add(2 * time.Second)))
	if dom := b.open(t, expired); !strings.Contains(dom, "Request has expired") {
		t.Errorf("the expired URL shows %s", dom)
	}

	// A page of another origin uploads, reads back and sees a refusal.
	upload, err := signer.PresignPutObject(t.Context(), &s3.PutObjectInput{Bucket: bucket, Key: aws.String(later)})
	if err != nil {
		t.Fatal(err)
	}
	script = fmt.Sprintf(`
		const say = (line) => log.textContent += line + '\n';
		try {
			const up = await fetch(%q, { method: 'PUT', body: 'from a page' });
			say('put ' + up.status + ' ' + up.headers.get('ETag'));
			const down = await fetch(%q);
			say('get ' + down.status + ' ' + await down.text());
			const late = await fetch(%q);
			say('late ' + late.status + ' ' + (await late.text()).match(/<Message>(.*)<\/Message>/)[1]);
		} catch (e) { say(e) }`, upload.URL, get(later, time.Minute), expired)
	dom := b.open(t, site.URL)
	for _, want := range []string{`put 200 "1219f418c4a7385836767feed2483369"`, "get 200 from a page", "late 403 Request has expired"} {
		if !strings.Contains(dom, want) {
			t.Errorf("the page lacks %q: %s", want, dom)
		}
	}
	// The same page under another name is another origin, which is not allowed.
	if dom := b.open(t, strings.Replace(site.URL, "127.0.0.1", "localhost", 1)); !strings.Contains(dom, "Failed to fetch") {
		t.Errorf("a page of an origin that is not allowed shows %s", dom)
	}
}

// TestBrowserUpload lets a page of another origin upload a large file in
// parts, and a form upload a small one.
func TestBrowserUpload(t *testing.T) {
	t.Parallel()
	b := browser{need(t, "browser", "chromium", "chromium-browser", "google-chrome")}
	var page string
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		if r.URL.Path == "/done" {
			fmt.Fprintf(w, "<!doctype html><p>arrived with %s</p>", html.EscapeString(r.URL.RawQuery))
			return
		}
		io.WriteString(w, page)
	}))
	defer site.Close()
	s := serve(t) // without --cors-origin: the bucket's own rules decide
	u := newUser(s, "e2e-browser-upload")
	ctx, client, bucket := t.Context(), u.owner, &u.bucket
	if _, err := client.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: bucket}); err != nil {
		t.Fatal(err)
	}
	page = u.uploadPage(t)
	if dom := b.open(t, site.URL); !strings.Contains(dom, "Failed to fetch") {
		t.Errorf("without CORS rules the page shows %s", dom)
	}
	allow := types.CORSRule{AllowedOrigins: []string{site.URL}, AllowedMethods: []string{"PUT", "POST"}, AllowedHeaders: []string{"*"}}
	rules := func(rule types.CORSRule) {
		t.Helper()
		_, err := client.PutBucketCors(ctx, &s3.PutBucketCorsInput{Bucket: bucket, CORSConfiguration: &types.CORSConfiguration{CORSRules: []types.CORSRule{rule}}})
		if err != nil {
			t.Fatal(err)
		}
	}
	rules(allow)
	if dom := b.open(t, site.URL); !strings.Contains(dom, ": no ETag, 200") {
		t.Errorf("without ETag exposed the page shows %s", dom)
	}
	allow.ExposeHeaders = []string{"ETag"}
	rules(allow)
	const size = 3<<18 + 5<<20*2
	completes := func() {
		t.Helper()
		if dom := b.open(t, site.URL); !strings.Contains(dom, "complete: 200 CompleteMultipartUploadResult") {
			t.Fatalf("the page shows %s", dom)
		}
	}
	completes()
	get, err := client.GetObject(ctx, &s3.GetObjectInput{Bucket: bucket, Key: aws.String(uploadKey)})
	if err != nil {
		t.Fatal(err)
	}
	defer get.Body.Close()
	if body, err := io.ReadAll(get.Body); err != nil || !bytes.Equal(body, pattern(size)) {
		t.Errorf("what the page uploaded has %d bytes, %v", len(body), err)
	}

	page = u.uploadPage(t)
	daypass(t).run(t, "bucket", "cors", "set", "s3://"+u.bucket, "--preset", "upload", "--origin", site.URL, "--data", s.dir)
	completes()

	page = u.formPage(t, site.URL+"/done")
	if dom := b.open(t, site.URL); !strings.Contains(dom, "arrived with") || !strings.Contains(dom, "key=forms%2F") {
		t.Errorf("after the form the browser shows %s", dom)
	}
	form, err := client.GetObject(ctx, &s3.GetObjectInput{Bucket: bucket, Key: aws.String("forms/grüße & 1.txt")})
	if err != nil {
		t.Fatal(err)
	}
	defer form.Body.Close()
	if body, err := io.ReadAll(form.Body); err != nil || string(body) != "from a form" || *form.ContentType != "text/plain" {
		t.Errorf("the form stored %q as %s, %v", body, *form.ContentType, err)
	}
}

const uploadKey = "from a page/ü+ 1.bin"

// uploadPage is a page that uploads a file in three parts, each with a URL of
// its own.
func (u *user) uploadPage(t *testing.T) string {
	begun, err := u.owner.CreateMultipartUpload(t.Context(), &s3.CreateMultipartUploadInput{Bucket: &u.bucket, Key: aws.String(uploadKey)})
	if err != nil {
		t.Fatal(err)
	}
	signer := s3.NewPresignClient(u.owner)
	var urls []string
	for i := range 3 {
		signed, err := signer.PresignUploadPart(t.Context(), &s3.UploadPartInput{Bucket: &u.bucket, Key: aws.String(uploadKey),
			UploadId: begun.UploadId, PartNumber: aws.Int32(int32(i + 1))})
		if err != nil {
			t.Fatal(err)
		}
		urls = append(urls, signed.URL)
	}
	told, err := json.Marshal(map[string]any{"parts": urls, "complete": u.presign(t, "POST", uploadKey, url.Values{"uploadId": {*begun.UploadId}})})
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf(`<!doctype html><pre id=log></pre><script type=module>
		const say = (line) => log.textContent += line + '\n';
		const told = %s, size = 5 << 20;
		const file = new Blob([new Uint8Array((3 << 18) + 2 * size).map((_, i) => i %% 251)]);
		try {
			const etags = await Promise.all(told.parts.map(async (url, i) => {
				const answer = await fetch(url, { method: 'PUT', body: file.slice(i * size, (i + 1) * size) });
				const etag = answer.headers.get('ETag');
				if (!etag) throw 'part ' + (i + 1) + ': no ETag, ' + answer.status;
				return etag;
			}));
			const parts = etags.map((etag, i) => '<Part><PartNumber>' + (i + 1) + '</PartNumber><ETag>' + etag + '</ETag></Part>');
			const answer = await fetch(told.complete, { method: 'POST', body: '<CompleteMultipartUpload>' + parts.join('') + '</CompleteMultipartUpload>' });
			const tree = new DOMParser().parseFromString(await answer.text(), 'text/xml');
			say('complete: ' + answer.status + ' ' + tree.documentElement.localName);
		} catch (e) { say(e) }</script>`, told)
}

// formPage is a page with a form that a script fills in and sends.
func (u *user) formPage(t *testing.T, done string) string {
	signed, err := s3.NewPresignClient(u.owner).PresignPostObject(t.Context(), &s3.PutObjectInput{Bucket: &u.bucket, Key: aws.String("forms/${filename}")},
		func(o *s3.PresignPostOptions) {
			o.Conditions = []any{[]any{"starts-with", "$key", "forms/"}, map[string]string{"success_action_redirect": done},
				map[string]string{"Content-Type": "text/plain"}, []any{"content-length-range", 1, 100}}
		})
	if err != nil {
		t.Fatal(err)
	}
	signed.Values["success_action_redirect"], signed.Values["Content-Type"] = done, "text/plain"
	var fields strings.Builder
	for name, value := range signed.Values {
		fmt.Fprintf(&fields, "<input type=hidden name=\"%s\" value=\"%s\">", html.EscapeString(name), html.EscapeString(value))
	}
	return fmt.Sprintf(`<!doctype html><form id=f action="%s" method=post enctype="multipart/form-data">%s<input type=file name=file id=file></form>
		<script>
			const files = new DataTransfer();
			files.items.add(new File(['from a form'], 'grüße & 1.txt', { type: 'text/html' }));
			file.files = files.files;
			f.submit();
		</script>`, html.EscapeString(signed.URL), fields.String())
}
