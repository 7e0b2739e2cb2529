package e2e

import (
	"fmt"
	"html"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
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
