package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// What holders of limited passes do with curl, archivers and a browser.

// mint makes a URL with the command line.
func (u *user) mint(t *testing.T, args ...string) string {
	t.Helper()
	cli := daypass(t)
	cli.env = []string{"AWS_ACCESS_KEY_ID=" + accessKey, "AWS_SECRET_ACCESS_KEY=" + secretKey, "AWS_REGION=" + region,
		"AWS_ENDPOINT_URL=" + u.url, "AWS_CONFIG_FILE=" + os.DevNull, "AWS_SHARED_CREDENTIALS_FILE=" + os.DevNull}
	return strings.TrimSpace(cli.run(t, append([]string{"presign"}, args...)...))
}

// A cutter is a proxy that closes each connection after so many bytes of an
// answer, but for the last ones.
type cutter struct {
	net.Listener
	served atomic.Int64
}

// cut starts a cutter before a server: the first answers end after after[0],
// after[1] … bytes, those that follow are whole.
func cut(t *testing.T, to string, after ...int64) *cutter {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cutter{Listener: l}
	t.Cleanup(func() { l.Close() })
	go func() {
		for i := 0; ; i++ {
			client, err := l.Accept()
			if err != nil {
				return
			}
			limit := int64(1) << 60
			if i < len(after) {
				limit = after[i]
			}
			go c.pass(client, to, limit)
		}
	}()
	return c
}

func (c *cutter) pass(client net.Conn, to string, limit int64) {
	defer client.Close()
	server, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	defer server.Close()
	go io.Copy(server, client)
	n, _ := io.Copy(client, io.LimitReader(server, limit))
	c.served.Add(n)
}

// TestLimitsResume breaks a download twice and resumes it within one use, as
// curl -C - does.
func TestLimitsResume(t *testing.T) {
	t.Parallel()
	u := newUser(serve(t), "limits-resume")
	const size = 3 << 19
	body := string(pattern(size))
	u.fill(t, map[string]string{"film.bin": body})
	// The rate keeps what is on its way well below the allowance of 256 KiB,
	// even where the machine is busy.
	signed := u.mint(t, "get", "s3://limits-resume/film.bin", "--uses", "1", "--rate", "256KiB")
	broken := cut(t, u.addr(), 500_000, 400_000)
	dir := t.TempDir()
	curl := tool{path: need(t, "curl", "curl"), dir: dir, args: []string{"-sS", "-f", "--max-time", "60", "--connect-to", "::" + broken.Addr().String()}}
	for i := range 2 {
		if _, stderr, err := curl.try(t, "-C", "-", "-o", "film.bin", signed); err == nil {
			t.Fatalf("download %d was not broken off: %s", i, stderr)
		}
	}
	if info, err := os.Stat(filepath.Join(dir, "film.bin")); err != nil || info.Size() < 890_000 || info.Size() >= size {
		t.Fatalf("broken off at %v, %v", info, err)
	}
	if _, stderr, err := curl.try(t, "-C", "-", "-o", "film.bin", signed); err != nil {
		t.Fatalf("the rest: %v %s", err, stderr)
	}
	if got := read(t, filepath.Join(dir, "film.bin")); got != body {
		t.Errorf("what was resumed differs, %d bytes", len(got))
	}
	u.do(t, "GET", signed, "", nil).refusedBy(t, 403, "AccessDenied", "x-daypass-uses")
	u.do(t, "GET", signed, "", func(r *http.Request) { r.Header.Set("Range", "bytes=0-999999") }).refusedBy(t, 403, "AccessDenied", "x-daypass-uses")
	if most := int64(size + 256<<10 + 3*4096); broken.served.Load() > most {
		t.Errorf("%d bytes were served, more than the budget and its allowance", broken.served.Load())
	}
}

// TestLimitsWholeCopies lets many clients race for two copies.
func TestLimitsWholeCopies(t *testing.T) {
	t.Parallel()
	u := newUser(serve(t), "limits-copies")
	body := string(pattern(300 << 10))
	u.fill(t, map[string]string{"song": body})
	signed := u.mint(t, "get", "s3://limits-copies/song", "--uses", "2")
	var whole atomic.Int64
	var wg sync.WaitGroup
	for range 12 {
		wg.Go(func() {
			if a := u.do(t, "GET", signed, "", nil); a.StatusCode == 200 && a.body == body {
				whole.Add(1)
			} else {
				a.refusedBy(t, 403, "AccessDenied", "x-daypass-uses")
			}
		})
	}
	wg.Wait()
	if whole.Load() != 2 {
		t.Errorf("%d copies of 2", whole.Load())
	}
}

// TestLimitsZip opens the archive of a tree with three archivers.
func TestLimitsZip(t *testing.T) {
	t.Parallel()
	u := newUser(serve(t), "limits-zip")
	want := map[string]string{"index.html": "<p>hello", "bilder/ü 🙂.txt": "grüße", "deep/er/one": string(pattern(1 << 20)), "empty": ""}
	objects := map[string]string{"holiday-private/secret": "secret", "other": "other"}
	for name, body := range want {
		objects["holiday/"+name] = body
	}
	u.fill(t, objects)
	signed := u.mint(t, "get", "s3://limits-zip/holiday/", "--prefix", "--zip", "--uses", "1")
	dir := t.TempDir()
	curl := tool{path: need(t, "curl", "curl"), dir: dir}
	head := curl.run(t, "-sS", "-f", "-o", "tree.zip", "-D", "-", "-r", "5-9", signed)
	for _, line := range []string{"200", "content-type: application/zip", "content-disposition: attachment", "accept-ranges: none", "cache-control: private, no-store"} {
		if !strings.Contains(strings.ToLower(head), line) {
			t.Errorf("the answer lacks %q: %s", line, head)
		}
	}
	check := func(t *testing.T, got map[string]string) {
		t.Helper()
		for name, body := range want {
			if got[name] != body {
				t.Errorf("%s: %.50q", name, got[name])
			}
		}
		if len(got) != len(want) {
			t.Errorf("%d files, want %d", len(got), len(want))
		}
	}
	for name, extract := range map[string][]string{
		"unzip":  {need(t, "zip", "unzip"), "-q", filepath.Join(dir, "tree.zip")},
		"bsdtar": {need(t, "zip", "bsdtar"), "-xf", filepath.Join(dir, "tree.zip")},
		"python": {need(t, "python", "/usr/bin/python3"), "-m", "zipfile", "-e", filepath.Join(dir, "tree.zip"), "."},
	} {
		t.Run(name, func(t *testing.T) {
			out := tool{path: extract[0], dir: t.TempDir(), env: []string{"LC_ALL=C.UTF-8"}}
			out.run(t, extract[1:]...)
			check(t, files(t, out.dir))
		})
	}
	// Each object has its own budget, and the archive has used it up.
	one := u.mint(t, "get", "s3://limits-zip/holiday/", "--prefix", "--uses", "1")
	u.do(t, "GET", below(one, "index.html"), "", nil).granted(t, want["index.html"])
	u.do(t, "GET", below(one, "index.html"), "", nil).refusedBy(t, 403, "AccessDenied", "x-daypass-uses")
	// A subtree is as good as the tree, what is beside it is not.
	sub := u.mint(t, "get", "s3://limits-zip/holiday/", "--prefix", "--zip")
	curl.run(t, "-sS", "-f", "-o", "sub.zip", below(sub, "deep/"))
	if out := (tool{path: need(t, "zip", "bsdtar"), dir: dir}).run(t, "-tf", "sub.zip"); !strings.Contains(out, "er/one\n") || strings.Contains(out, "index") {
		t.Errorf("the subtree holds %s", out)
	}
	u.do(t, "GET", strings.Replace(sub, "/holiday/", "/holiday-private/", 1), "", nil).refusedBy(t, 403, "AccessDenied", "x-daypass-prefix")
}

// files reads a directory, by relative name.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			name, _ := filepath.Rel(dir, path)
			found[name] = read(t, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// TestLimitsRevocation ends passes through the socket, each at once.
func TestLimitsRevocation(t *testing.T) {
	t.Parallel()
	u := newUser(serve(t), "limits-revoke")
	u.fill(t, map[string]string{"a/1": "one", "a/2": "two", "b": "three"})
	cli := daypass(t)
	pass := func(args ...string) string {
		return cli.run(t, append([]string{"pass"}, append(args, "--data", u.dir)...)...)
	}
	revoked := func(signed string) {
		t.Helper()
		a := u.do(t, "GET", signed, "", nil)
		if e := a.refusal(t, 403, "AccessDenied"); e.Message != "This pass has been revoked." || !strings.Contains(a.body, "<Revocation>") {
			t.Errorf("%s: %s", signed, a.body)
		}
	}
	ok := func(signed, body string) {
		t.Helper()
		u.do(t, "GET", signed, "", nil).success(t, 200, body)
	}

	named := u.mint(t, "get", "s3://limits-revoke/a/1", "--name", "for Ann", "--uses", "5")
	unused := u.mint(t, "get", "s3://limits-revoke/a/1", "--name", "never used")
	plain := u.mint(t, "get", "s3://limits-revoke/b")
	ok(named, "one")
	ok(named, "one")
	ok(plain, "three")

	pass("revoke", unused)
	revoked(unused)
	ok(named, "one")
	pass("restore", unused)
	ok(unused, "one")

	pass("revoke", named)
	revoked(named)
	pass("restore", named)
	ok(named, "one")

	pass("revoke", "--name", "for Ann")
	revoked(named)
	revoked(u.mint(t, "get", "s3://limits-revoke/a/2", "--name", "for Ann"))
	ok(u.mint(t, "get", "s3://limits-revoke/a/2", "--name", "for Bob"), "two")
	ok(plain, "three")

	tree := u.mint(t, "get", "s3://limits-revoke/a/", "--prefix")
	ok(below(tree, "2"), "two")
	pass("revoke", "--prefix", "s3://limits-revoke/a/")
	revoked(below(tree, "2"))
	revoked(u.mint(t, "get", "s3://limits-revoke/a/2"))
	ok(plain, "three")

	pass("revoke", plain)
	revoked(plain)
	fresh := u.mint(t, "get", "s3://limits-revoke/b", "--expires", "20m")
	ok(fresh, "three") // signing again is the key owner's right

	pass("revoke", "--key", accessKey, "--yes")
	revoked(fresh)
	if _, err := u.owner.HeadBucket(t.Context(), &s3.HeadBucketInput{Bucket: &u.bucket}); err != nil {
		t.Errorf("revoking a key's passes disabled the key: %v", err)
	}
	u.listed(t, cli, named)
}

// listed waits until the list of passes tells of a pass that was used.
func (u *user) listed(t *testing.T, cli tool, signed string) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for {
		out := cli.run(t, "pass", "list", "--json", "--data", u.dir)
		if strings.Contains(out, "for Ann") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("after 30 s the list lacks the pass: %s", out)
		}
		time.Sleep(200 * time.Millisecond)
	}
	show := cli.run(t, "pass", "show", signed, "--data", u.dir)
	for _, want := range []string{"for Ann", "GetObject", "limits-revoke", "a/1"} {
		if !strings.Contains(show, want) {
			t.Errorf("pass show lacks %q: %s", want, show)
		}
	}
	if strings.Contains(show, secretKey) {
		t.Error("pass show prints the secret")
	}
}

// A tab is a page in a browser that is steered by the DevTools protocol.
type tab struct {
	t       *testing.T
	to      io.Writer
	from    *bufio.Reader
	session string
	id      int
}

// openTab starts a browser with one page.
func (b browser) openTab(t *testing.T) *tab {
	t.Helper()
	dir := t.TempDir()
	cmd := exec.Command(b.path, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-dev-shm-usage",
		"--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--user-data-dir="+dir, "--remote-debugging-pipe")
	cmd.Env = programEnv()
	read1, write1, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	read2, write2, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.ExtraFiles = []*os.File{read1, write2} // its descriptors 3 and 4
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	read1.Close()
	write2.Close()
	deadline := time.AfterFunc(2*time.Minute, func() { cmd.Process.Kill() })
	p := &tab{t: t, to: write1, from: bufio.NewReader(read2)}
	t.Cleanup(func() {
		deadline.Stop()
		p.to.Write([]byte(`{"id":1000000,"method":"Browser.close"}` + "\x00"))
		write1.Close()
		io.Copy(io.Discard, read2)
		cmd.Wait()
	})
	var target struct{ TargetID string }
	p.call("Target.createTarget", map[string]any{"url": "about:blank"}, &target)
	var attached struct{ SessionID string }
	p.call("Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &attached)
	p.session = attached.SessionID
	p.call("Emulation.setFocusEmulationEnabled", map[string]any{"enabled": true}, nil)
	return p
}

// call sends a command and waits for its answer.
func (p *tab) call(method string, params map[string]any, result any) {
	p.t.Helper()
	p.id++
	message := map[string]any{"id": p.id, "method": method, "params": params}
	if p.session != "" {
		message["sessionId"] = p.session
	}
	text, err := json.Marshal(message)
	if err != nil {
		p.t.Fatal(err)
	}
	if _, err := p.to.Write(append(text, 0)); err != nil {
		p.t.Fatalf("%s: %v", method, err)
	}
	for {
		line, err := p.from.ReadBytes(0)
		if err != nil {
			p.t.Fatalf("%s: the browser is gone: %v", method, err)
		}
		var answer struct {
			ID     int
			Result json.RawMessage
			Error  *struct{ Message string }
		}
		if err := json.Unmarshal(bytes.TrimRight(line, "\x00"), &answer); err != nil {
			p.t.Fatal(err)
		}
		if answer.ID != p.id {
			continue // an event, or an earlier answer
		}
		if answer.Error != nil {
			p.t.Fatalf("%s: %s", method, answer.Error.Message)
		}
		if result != nil {
			if err := json.Unmarshal(answer.Result, result); err != nil {
				p.t.Fatal(err)
			}
		}
		return
	}
}

func (p *tab) navigate(url string) {
	p.t.Helper()
	p.call("Page.navigate", map[string]any{"url": url}, nil)
}

// eval runs a script in the page and returns its value as text.
func (p *tab) eval(script string) string {
	p.t.Helper()
	var got struct {
		Result           struct{ Value any }
		ExceptionDetails any
	}
	p.call("Runtime.evaluate", map[string]any{"expression": script, "returnByValue": true, "awaitPromise": true}, &got)
	if got.ExceptionDetails != nil {
		return fmt.Sprint("exception: ", got.ExceptionDetails)
	}
	return fmt.Sprint(got.Result.Value)
}

// until waits for a script's value.
func (p *tab) until(script, want string) {
	p.t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for {
		got := p.eval(script)
		if strings.Contains(got, want) {
			return
		}
		if time.Now().After(deadline) {
			p.t.Fatalf("%s is %q, want %q; the page is\n%s", script, got, want, p.eval("document.documentElement?.outerHTML"))
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// enter fills in the PIN of the page that asks for it, and sends it as a person does.
func (p *tab) enter(pin string) {
	p.t.Helper()
	p.until("document.querySelector('input[name=pin]') ? 'there' : ''", "there")
	p.eval("document.querySelector('input[name=pin]').focus()")
	p.call("Input.insertText", map[string]any{"text": pin}, nil)
	if got := p.eval("document.querySelector('input[name=pin]').value"); got != pin {
		p.t.Fatalf("the field holds %q", got)
	}
	p.eval("window.seen = 1; document.querySelector('button').click()")
	p.until("String(window.seen) + document.readyState", "undefinedcomplete")
}

// TestLimitsPINInBrowser opens a pass with a PIN as a person does.
func TestLimitsPINInBrowser(t *testing.T) {
	t.Parallel()
	b := browser{need(t, "browser", "chromium", "chromium-browser", "google-chrome")}
	u := newUser(serve(t), "limits-pin")
	const key = "a+b c/ü %20&amp;.txt"
	u.fill(t, map[string]string{key: "the text"})
	plain := u.mint(t, "get", "s3://limits-pin/"+key, "--pin", "2468 ü", "--uses", "2", "--response-content-type", "text/plain; charset=utf-8")
	p := b.openTab(t)
	p.navigate(plain)
	p.enter("wrong one")
	p.until("document.body.innerText", "not the PIN")
	p.enter("2468 ü")
	p.until("document.body.innerText", "the text")
	if got := p.eval("document.cookie"); got != "" {
		t.Errorf("scripts can read the cookie: %s", got)
	}
	p.navigate("about:blank")
	p.until("location.href", "about:blank")
	p.navigate(plain) // the cookie stands for the PIN, and this is the second use
	p.until("document.body.innerText", "the text")
	p.navigate(plain)
	p.until("document.documentElement.textContent", "x-daypass-uses")

	// Another pass is asked for its own PIN, and so is who has no cookie.
	other := u.mint(t, "get", "s3://limits-pin/"+key, "--pin", "1357", "--response-content-type", "text/plain")
	p.navigate(other)
	p.enter("1357")
	p.until("document.documentElement.textContent", "the text")
	u.do(t, "GET", other, "", nil).refusedBy(t, 403, "AccessDenied", "x-daypass-pin")
	// The prompt is for people; it is neither cached nor framed.
	a := u.do(t, "GET", other, "", func(r *http.Request) { r.Header.Set("Accept", "text/html,*/*") })
	if a.StatusCode != 403 || !strings.HasPrefix(a.Header.Get("Content-Type"), "text/html") || a.Header.Get("Cache-Control") != "private, no-store" ||
		!strings.Contains(a.Header.Get("Content-Security-Policy"), "frame-ancestors 'none'") {
		t.Errorf("the prompt answers %d, %v", a.StatusCode, a.Header)
	}
}

// TestLimitsCookieInBrowser opens a page below a prefix, whose images come by
// relative links.
func TestLimitsCookieInBrowser(t *testing.T) {
	t.Parallel()
	b := browser{need(t, "browser", "chromium", "chromium-browser", "google-chrome")}
	u := newUser(serve(t), "limits-cookie")
	html := `<!doctype html><img src="a%20b.png"><img src="deep/ü.png"><img src="../private/c.png"><script>
		onload = async () => {
			const status = async (path) => (await fetch(path)).status;
			const widths = [...document.images].map((i) => i.naturalWidth);
			const more = await Promise.all(['deep/ü.png', 'none.png', 'a%20b.png?x=1', '../private/c.png'].map(status));
			document.title = 'widths ' + widths + ' statuses ' + more;
		}</script>`
	u.fill(t, map[string]string{"album/index.html": html, "album/a b.png": png, "album/deep/ü.png": png, "private/c.png": png})
	signed := u.mint(t, "get", "s3://limits-cookie/album/", "--prefix", "--cookie")
	p := b.openTab(t)
	p.navigate(below(signed, "index.html"))
	// What is not there and what is outside look alike to who may not list.
	p.until("document.title", "widths 1,1,0 statuses 200,")
	statuses := strings.Split(strings.TrimPrefix(p.eval("document.title"), "widths 1,1,0 statuses "), ",")
	for i, want := range [][]string{{"200"}, {"403", "404"}, {"403"}, {"403"}} {
		if !slices.Contains(want, statuses[i]) {
			t.Errorf("fetch %d: %s, want %s", i, statuses[i], want)
		}
	}
	if got := p.eval("document.cookie"); got != "" {
		t.Errorf("scripts can read the cookie: %s", got)
	}
	daypass(t).run(t, "pass", "revoke", signed, "--data", u.dir)
	if got := p.eval("fetch('deep/ü.png', { cache: 'no-store' }).then((r) => r.status)"); got != strconv.Itoa(http.StatusForbidden) {
		t.Errorf("after revoking, the cookie still answers %s", got)
	}
	// Without the option there is no cookie.
	without := u.mint(t, "get", "s3://limits-cookie/album/", "--prefix")
	if a := u.do(t, "GET", below(without, "index.html"), "", nil); a.StatusCode != 200 || a.Header.Get("Set-Cookie") != "" {
		t.Errorf("without the option: %d, %v", a.StatusCode, a.Header)
	}
}

// TestLimitsOriginInBrowser embeds a picture in pages of two sites.
func TestLimitsOriginInBrowser(t *testing.T) {
	t.Parallel()
	b := browser{need(t, "browser", "chromium", "chromium-browser", "google-chrome")}
	var picture string
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprintf(w, `<!doctype html><img src="%[1]s"><script>onload = async () => {
			const fetched = await fetch('%[1]s').then((r) => r.status);
			document.title = 'width ' + document.images[0].naturalWidth + ' fetch ' + fetched;
		}</script>`, picture)
	}))
	defer site.Close()
	u := newUser(serve(t, "--cors-origin", "*"), "limits-origin")
	u.fill(t, map[string]string{"p.png": png})
	picture = u.mint(t, "get", "s3://limits-origin/p.png", "--origin", "https://app.example.com", "--origin", site.URL)
	p := b.openTab(t)
	p.navigate(site.URL)
	p.until("document.title", "width 1 fetch 200")
	p.navigate(strings.Replace(site.URL, "127.0.0.1", "localhost", 1))
	p.until("document.title", "width 0 fetch 403")
	p.navigate(picture) // by hand
	p.until("document.documentElement.textContent", "x-daypass-origin")
}

// TestLimitsPINTries guesses PINs until nobody may any more.
func TestLimitsPINTries(t *testing.T) {
	t.Parallel()
	u := newUser(serve(t, "--trusted-proxy", "127.0.0.1"), "limits-tries")
	u.fill(t, map[string]string{"k": "the text"})
	signed := u.mint(t, "get", "s3://limits-tries/k", "--pin", "2468", "--uses", "3")
	guess := func(addr, pin string) answer { return u.from(t, addr, "GET", signed, "", "x-daypass-pin-value", pin) }
	for i := range 10 {
		guess("203.0.113.7", strconv.Itoa(1000+i)).refusedBy(t, 403, "AccessDenied", "x-daypass-pin")
	}
	slow := guess("203.0.113.7", "2468") // the right one does not help now
	slow.refusal(t, 503, "SlowDown")
	if wait, err := strconv.Atoi(slow.Header.Get("Retry-After")); err != nil || wait < 1 || wait > 60 {
		t.Errorf("Retry-After: %s", slow.Header.Get("Retry-After"))
	}
	guess("203.0.113.8", "2468").granted(t, "the text")
	// All of a /64 are one address.
	for i := range 10 {
		guess(fmt.Sprintf("2001:db8::%x", i+1), strconv.Itoa(1000+i)).refusedBy(t, 403, "AccessDenied", "x-daypass-pin")
	}
	guess("2001:db8::ffff:1", "2468").refusal(t, 503, "SlowDown")
	guess("2001:db8:0:1::1", "2468").granted(t, "the text")
	for i := range 80 {
		guess(fmt.Sprintf("198.51.100.%d", i), "0000").refusedBy(t, 403, "AccessDenied", "x-daypass-pin")
	}
	a := guess("192.0.2.1", "2468") // a hundred failures: locked for everybody
	if a.StatusCode != 403 || strings.Contains(a.body, "the text") {
		t.Errorf("after a hundred failures the right PIN gets %d\n%s", a.StatusCode, a.body)
	}
	daypass(t).run(t, "pass", "restore", signed, "--data", u.dir)
	guess("192.0.2.1", "2468").granted(t, "the text")
}

// TestLimitsSurviveCrash kills the server: what was used stays used, and what
// was revoked stays revoked.
func TestLimitsSurviveCrash(t *testing.T) {
	t.Parallel()
	s := serve(t)
	u := newUser(s, "limits-crash")
	u.fill(t, map[string]string{"k": "the text"})
	once := u.mint(t, "get", "s3://limits-crash/k", "--uses", "1")
	twice := u.mint(t, "get", "s3://limits-crash/k", "--uses", "2")
	upload := u.mint(t, "put", "s3://limits-crash/new", "--uses", "1")
	bound := u.mint(t, "get", "s3://limits-crash/k", "--bind")
	revoked := u.mint(t, "get", "s3://limits-crash/k", "--name", "revoked")
	u.do(t, "GET", once, "", nil).granted(t, "the text")
	u.do(t, "GET", twice, "", nil).granted(t, "the text")
	u.do(t, "PUT", upload, "new text", nil).granted(t, "")
	u.do(t, "GET", bound, "", nil).granted(t, "the text")
	u.do(t, "GET", revoked, "", nil).granted(t, "the text")
	daypass(t).run(t, "pass", "revoke", revoked, "--data", u.dir)
	s.kill()

	again := launch(t, s.dir, "--trusted-proxy", "127.0.0.1")
	t.Cleanup(func() { again.stop(t) })
	u = newUser(again, "limits-crash")
	u.do(t, "GET", once, "", nil).refusedBy(t, 403, "AccessDenied", "x-daypass-uses")
	u.do(t, "GET", twice, "", nil).granted(t, "the text")
	u.do(t, "GET", twice, "", nil).refusedBy(t, 403, "AccessDenied", "x-daypass-uses")
	u.do(t, "PUT", upload, "late text", nil).refusedBy(t, 403, "AccessDenied", "x-daypass-uses")
	u.do(t, "GET", bound, "", nil).granted(t, "the text")
	u.from(t, "203.0.113.7", "GET", bound, "").refusedBy(t, 403, "AccessDenied", "x-daypass-bind")
	u.do(t, "GET", revoked, "", nil).refusal(t, 403, "AccessDenied")
	if got := u.content(t, "new"); got != "new text" {
		t.Errorf("the upload is %q", got)
	}
}

// TestLimitsOtherWays signs with other versions and styles, and for other
// actions.
func TestLimitsOtherWays(t *testing.T) {
	t.Parallel()
	u := newUser(serve(t), "limits-ways")
	u.fill(t, map[string]string{"a/k": "the text", "gone": "x"})
	u.url = u.localhost()
	for _, how := range [][]string{{"--signature", "v4a"}, {"--virtual-host"}, {"--virtual-host", "--signature", "v4a"}} {
		t.Run(strings.Join(how, " "), func(t *testing.T) {
			once := u.mint(t, append([]string{"get", "s3://limits-ways/a/k", "--uses", "1"}, how...)...)
			u.tamper(t, "GET", once)
			u.do(t, "GET", once, "", nil).granted(t, "the text")
			u.do(t, "GET", once, "", nil).refusedBy(t, 403, "AccessDenied", "x-daypass-uses")
			tree := u.mint(t, append([]string{"get", "s3://limits-ways/a/", "--prefix"}, how...)...)
			u.do(t, "GET", below(tree, "k"), "", nil).granted(t, "the text")
			u.do(t, "GET", strings.Replace(tree, "/a/?", "/gone?", 1), "", nil).refusedBy(t, 403, "AccessDenied", "x-daypass-prefix")
			list := u.mint(t, append([]string{"list", "s3://limits-ways/a/", "--prefix"}, how...)...)
			if a := u.do(t, "GET", list, "", nil); a.StatusCode != 200 || !strings.Contains(a.body, "<Key>a/k</Key>") || strings.Contains(a.body, "gone") {
				t.Errorf("the listing answers %d\n%s", a.StatusCode, a.body)
			}
		})
	}
	gone := u.mint(t, "delete", "s3://limits-ways/gone", "--uses", "1")
	u.do(t, "DELETE", gone, "", nil).success(t, 204, "")
	u.fill(t, map[string]string{"gone": "again"})
	u.do(t, "DELETE", gone, "", nil).refusedBy(t, 403, "AccessDenied", "x-daypass-uses")
	if got := u.content(t, "gone"); got != "again" {
		t.Errorf("the object is %q", got)
	}
	head := u.mint(t, "head", "s3://limits-ways/a/k", "--uses", "1")
	for range 3 {
		u.do(t, "HEAD", head, "", nil).granted(t, "")
	}

	// What cannot be enforced is refused when it is minted.
	cli := daypass(t)
	cli.env = append(cli.env, "AWS_ACCESS_KEY_ID="+accessKey, "AWS_SECRET_ACCESS_KEY="+secretKey, "AWS_ENDPOINT_URL="+u.url)
	for _, args := range [][]string{
		{"get", "s3://b/k", "--uses", "1", "--signature", "v2"},
		{"get", "s3://b/k", "--max-size", "1"},
		{"get", "s3://b/k", "--no-overwrite"},
		{"put", "s3://b/k", "--etag", "x"},
		{"put", "s3://b/k/", "--prefix"},
		{"list", "s3://b/k/", "--prefix", "--uses", "1"},
		{"delete", "s3://b/k", "--bind"},
		{"get", "s3://b/k/", "--prefix", "--zip", "--cookie"},
		{"get", "s3://b/k", "--uses", ""},
	} {
		if out, _, err := cli.try(t, append([]string{"presign"}, args...)...); err == nil || out != "" {
			t.Errorf("presign %q prints %q", args, out)
		}
	}
}

// TestLimitsParts bounds the parts of an upload, and nothing that could not
// be bounded.
func TestLimitsParts(t *testing.T) {
	t.Parallel()
	u := newUser(serve(t), "limits-parts")
	u.fill(t, nil)
	key, part := "k", int32(1)
	begun, err := u.owner.CreateMultipartUpload(t.Context(), &s3.CreateMultipartUploadInput{Bucket: &u.bucket, Key: &key})
	if err != nil {
		t.Fatal(err)
	}
	signer := s3.NewPresignClient(u.owner)
	sign := func(limits map[string]string) string {
		t.Helper()
		req, err := signer.PresignUploadPart(t.Context(), &s3.UploadPartInput{Bucket: &u.bucket, Key: &key, UploadId: begun.UploadId, PartNumber: &part}, withLimits(limits))
		if err != nil {
			t.Fatal(err)
		}
		return req.URL
	}
	sized := sign(map[string]string{"x-daypass-size": "2-4", "x-daypass-uses": "1"})
	u.do(t, "PUT", sized, "12345", nil).refusedBy(t, 400, "EntityTooLarge", "x-daypass-size")
	u.do(t, "PUT", sized, "1", nil).refusedBy(t, 400, "EntityTooSmall", "x-daypass-size")
	u.do(t, "PUT", sized, "1234", nil).granted(t, "")
	u.do(t, "PUT", sized, "4321", nil).refusedBy(t, 403, "AccessDenied", "x-daypass-uses")
	for name, value := range map[string]string{"x-daypass-type": "text/plain", "x-daypass-overwrite": "no", "x-daypass-etag": "x", "x-daypass-prefix": "k/"} {
		if a := u.do(t, "PUT", sign(map[string]string{name: value}), "1234", nil); a.StatusCode != 400 && name != "x-daypass-prefix" || a.StatusCode == 200 {
			t.Errorf("%s on a part answers %d\n%s", name, a.StatusCode, a.body)
		}
	}
	for _, query := range []string{"uploads=", "uploadId=" + *begun.UploadId} {
		signed := u.mint(t, "post", "s3://limits-parts/k", "--query", query, "--query", "x-daypass-name=n")
		if a := u.do(t, "POST", signed, "", nil); a.StatusCode != 200 && a.StatusCode != 400 || strings.Contains(a.body, "InvalidArgument") {
			t.Errorf("a name on %s answers %d\n%s", query, a.StatusCode, a.body)
		}
		cli := daypass(t)
		cli.env = append(cli.env, "AWS_ACCESS_KEY_ID="+accessKey, "AWS_SECRET_ACCESS_KEY="+secretKey, "AWS_ENDPOINT_URL="+u.url)
		if out, _, err := cli.try(t, "presign", "post", "s3://limits-parts/k", "--query", query, "--max-size", "10"); err == nil || out != "" {
			t.Errorf("a size on %s is minted: %s", query, out)
		}
	}
}
