package server

import (
	"bytes"
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/audit"
	"github.com/daypass/daypass/limits"
	"github.com/daypass/daypass/sign"
	"github.com/daypass/daypass/state"
)

// eventLog is an EventSink that cleans events as a spool does.
type eventLog struct {
	mu   sync.Mutex
	list []daypass.Event
}

func (l *eventLog) Append(e *daypass.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = append(l.list, *e)
}

func (l *eventLog) sink(c *Config) { c.Events = l }

// take returns the events so far, cleaned, and forgets them.
func (l *eventLog) take() []daypass.Event {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := l.list
	l.list = nil
	for i := range list {
		audit.Clean(&list[i])
	}
	return list
}

// one returns the one event that a request had.
func (l *eventLog) one(t *testing.T) daypass.Event {
	t.Helper()
	list := l.take()
	if len(list) != 1 {
		t.Fatalf("%d events, want 1: %+v", len(list), list)
	}
	return list[0]
}

// newEventEnv is a server without a network, so that events are always the
// same. It knows a bucket photos of alice's and an object key in it.
func newEventEnv(t testing.TB, change ...func(*Config)) (*passEnv, *eventLog) {
	log := &eventLog{}
	e := newPassEnv(t, append([]func(*Config){log.sink, func(c *Config) { c.Rand = zeros{} }}, change...)...)
	e.addr = "files.example.com"
	e.put("key", "content")
	return e, log
}

// TestEvents compares whole events with those that were approved.
func TestEvents(t *testing.T) {
	e, log := newEventEnv(t)
	e.put("gone", "x")
	e.put("p/a.txt", "text")
	named := e.query("GET", "key", limits.Name, "report", limits.Uses, "2", "x-team", "blue")
	cookie := e.query("GET", "p/", limits.Prefix, "p/", limits.Cookie, "1").at("p/a.txt")
	handed := e.serve(cookie).Result().Cookies()[0]
	log.take()
	put := e.signed(request{method: "PUT", target: "/photos/new%20key", body: "12345"})
	batch := `<Delete><Object><Key>gone</Key></Object><Object><Key>a b</Key><VersionId>nonsense</VersionId></Object></Delete>`
	form := e.post(append(e.form(sign.FormRequest{Key: "by-form"}), textFile))
	forged := e.form(sign.FormRequest{Key: "forged"})
	forged[len(forged)-1].value = strings.Repeat("0", 64) // of its signature
	var out []byte
	for _, step := range []struct {
		what   string
		q      request
		events int
	}{
		{"a part, by a pass", named.with("Range", "bytes=1-3", "Referer", "https://example.com/?X-Amz-Signature=aa", "User-Agent", "curl/8"), 1},
		{"not modified", e.query("GET", "key").with("If-None-Match", "*"), 1},
		{"head", e.query("HEAD", "key"), 1},
		{"upload", put, 1},
		{"no such key", e.query("GET", "none", "versionId", "null"), 1},
		{"wrong signature", named.change("X-Amz-Signature=", "X-Amz-Signature=0"), 1},
		{"limit", e.query("GET", "key", limits.IP, "203.0.113.0/24"), 1},
		{"anonymous", request{method: "GET", host: e.addr, target: "/photos/key", header: http.Header{}}, 1},
		{"cookie", e.relative("GET", "/photos/p/a.txt", handed.Name+"="+handed.Value), 1},
		{"form", form, 1},
		{"forged form", e.post(append(forged, textFile)), 1},
		{"copy", e.signed(request{method: "PUT", target: "/photos/copy", header: http.Header{"X-Amz-Copy-Source": {"/photos/key"}}}), 2},
		{"copy of nothing", e.signed(request{method: "PUT", target: "/photos/copy", header: http.Header{"X-Amz-Copy-Source": {"/photos/none"}}}), 2},
		{"batch", e.signed(request{method: "POST", target: "/photos?delete", body: batch, header: http.Header{"Content-Md5": {md5Of(batch)}}}), 3},
		{"buckets", e.signed(request{method: "GET", target: "/"}), 1},
		{"new bucket", e.signed(request{method: "PUT", target: "/new-bucket"}), 1},
		{"preflight", preflightRequest(e.env, "/photos/key", "Origin", "https://example.com", "Access-Control-Request-Method", "PUT"), 1},
		{"sts", request{method: "POST", target: "/", body: "Action=AssumeRole&Version=2011-06-15", header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}}, 1},
		{"PIN of nothing", e.pinForm("/photos/key?x=1", "1234"), 1},
		{"no such action", e.signed(request{method: "POST", target: "/photos/key"}), 1},
		{"malformed", request{method: "GET", target: "/photos/key?a=%zz", header: http.Header{}}, 1},
		{"unknown method", request{method: "BREW", target: "/photos/key", header: http.Header{}}, 1},
	} {
		step.q.host = e.addr
		w := e.serve(step.q)
		events := log.take()
		if len(events) != step.events {
			t.Errorf("%s: %d events, want %d", step.what, len(events), step.events)
		}
		out = append(out, "# "+step.what+"\n"...)
		for i := range events {
			out = append(appendFixed(t, out, &events[i]), '\n')
		}
		if len(events) > 0 && events[0].Status != w.Code {
			t.Errorf("%s: status %d, answered %d", step.what, events[0].Status, w.Code)
		}
	}
	golden(t, "events.txt", &reply{status: 200, body: string(out)})
}

// appendFixed appends an event as JSON, without what differs between two runs.
func appendFixed(t *testing.T, dst []byte, e *daypass.Event) []byte {
	t.Helper()
	if e.Method != "" && (e.Total <= 0 || e.TurnAround <= 0 || e.TurnAround > e.Total) {
		t.Errorf("%s: total %v, turn-around %v", e.URI, e.Total, e.TurnAround)
	}
	e.Total, e.TurnAround = min(e.Total, 0), 0
	return audit.AppendJSON(dst, e)
}

// TestEventOfConnection looks at what depends on the connection: proxies, TLS,
// and bodies that are not read to their end.
func TestEventOfConnection(t *testing.T) {
	log := &eventLog{}
	e := newPassEnv(t, log.sink, func(c *Config) { c.TrustedProxies = behindProxy() })
	e.put("key", "content")
	e.http.Close()
	e.http = httptest.NewUnstartedServer(e.server)
	e.http.TLS = &tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256}}
	e.http.StartTLS()
	t.Cleanup(e.http.Close)
	e.addr = e.http.Listener.Addr().String()
	get := func(header ...string) daypass.Event {
		q := e.query("GET", "key").with(header...)
		r, err := http.NewRequest(q.method, "https://"+e.addr+q.target, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header = q.header
		resp, err := e.http.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		for range 1000 {
			if got := log.take(); len(got) == 1 {
				return got[0]
			}
			time.Sleep(time.Millisecond)
		}
		t.Fatal("no event")
		return daypass.Event{}
	}
	got := get("X-Forwarded-For", "198.51.100.7, 203.0.113.9")
	if got.TLSVersion != "TLSv1.2" || got.Cipher != "ECDHE-RSA-AES128-GCM-SHA256" || got.Source != "203.0.113.9" ||
		!strings.HasPrefix(got.Peer, "127.0.0.1:") || got.Sent != 7 || got.Host != e.addr {
		t.Errorf("%+v", got)
	}
	if got = get(); got.Source != "127.0.0.1" {
		t.Errorf("source %q", got.Source)
	}
	if got = get("X-Forwarded-For", "nonsense"); got.Source != "" || got.Status != 200 {
		t.Errorf("source %q", got.Source)
	}
}

func TestSourceText(t *testing.T) {
	s := &Server{}
	for peer, want := range map[string]string{
		"192.0.2.1:80": "192.0.2.1", "[2001:db8::1]:80": "2001:db8::1", "[::ffff:192.0.2.1]:80": "192.0.2.1",
		"[fe80::1%eth0]:80": "fe80::1", "@": "", "": "", "192.0.2.1": "",
	} {
		if got := s.sourceText(&http.Request{RemoteAddr: peer}); got != want {
			t.Errorf("%q: %q, want %q", peer, got, want)
		}
	}
}

// TestEventReceived refuses an upload half-way: what counts is what was read.
func TestEventReceived(t *testing.T) {
	e, log := newEventEnv(t)
	body := strings.Repeat("x", 1<<20)
	q := e.query("PUT", "large", limits.Size, "0-10000")
	q.body = body
	if w := e.serve(q); w.Code != 400 {
		t.Fatalf("status %d", w.Code)
	}
	if got := log.one(t); got.Received >= int64(len(body)) || got.ObjectSize != -1 || got.Reason == "" {
		t.Errorf("%+v", got)
	}
	q = e.query("PUT", "large")
	q.body = body
	e.serve(q)
	if got := log.one(t); got.Received != int64(len(body)) || got.ObjectSize != int64(len(body)) || got.Sent != 0 {
		t.Errorf("%+v", got)
	}
}

// TestRefusalIsNoDownload checks that error bodies are no bytes of a pass.
func TestRefusalIsNoDownload(t *testing.T) {
	seen := &sightings{}
	e, log := newEventEnv(t, func(c *Config) { c.Passes = seen })
	e.serve(e.query("GET", "none"))
	if got := seen.last(t, 1); got.Sent != 0 || got.Refused != 1 {
		t.Errorf("%+v", got)
	}
	if got := log.one(t); got.Sent == 0 || got.Grant.PassID == "" {
		t.Errorf("%+v", got)
	}
}

// TestEventSigners checks how events name keys of every kind, whether or not a
// policy was asked.
func TestEventSigners(t *testing.T) {
	log := &eventLog{}
	r := newRealm(t, log.sink, writerOwns)
	user := r.user("carol", statement("Allow", "", "s3:* sts:AssumeRole", "*"))
	session, assumed := r.session(r.alice, "GetSessionToken"), r.session(user, "AssumeRole", role("reader")...)
	log.take()
	account := daypass.AccountID("alice")
	for _, c := range []struct {
		key                sign.Key
		arn, id, made, who string
	}{
		{r.alice, arnOf("alice", "root"), account, "", "alice"},
		{user, arnOf("alice", "user/carol"), uniqueID("AIDA", arnOf("alice", "user/carol")), "", "alice"},
		{session, arnOf("alice", "root"), account, r.alice.ID, "alice"},
		{assumed, "arn:aws:sts::" + account + ":assumed-role/reader/job-1", uniqueID("AROA", arnOf("alice", "role/reader")) + ":job-1", arnOf("alice", "role/reader"), "alice"},
		{nobody, "", "", "", ""},
	} {
		for range 2 { // found out, and remembered
			r.as(c.key, "GET", "/photos/key", "")
			got := log.wait(t)
			if got.Principal != c.arn || got.PrincipalID != c.id || got.Session != c.made || got.Grant.Owner != c.who || got.BucketOwner != "alice" {
				t.Errorf("%s: %+v", c.arn, got)
			}
		}
	}
	r.sts(r.alice, "GetCallerIdentity")
	if got := log.wait(t); got.Action != "GetCallerIdentity" || got.Operation != "" || got.Status != 200 || got.Principal != arnOf("alice", "root") {
		t.Errorf("%+v", got)
	}
}

// wait returns the next event, that of a request that has been answered.
func (l *eventLog) wait(t *testing.T) daypass.Event {
	t.Helper()
	for range 2000 {
		l.mu.Lock()
		if len(l.list) > 0 {
			e := l.list[0]
			l.list = l.list[1:]
			l.mu.Unlock()
			return e
		}
		l.mu.Unlock()
		time.Sleep(time.Millisecond)
	}
	t.Fatal("no event")
	return daypass.Event{}
}

// TestEventACL checks which requests needed an access control list.
func TestEventACL(t *testing.T) {
	log := &eventLog{}
	r := newRealm(t, log.sink, writerOwns)
	r.must("PUT", "/photos/open", "x", "x-amz-acl", "public-read")
	r.must("PUT", "/photos?acl", "", "x-amz-acl", "public-read-write")
	for range 2 {
		log.wait(t)
	}
	batch := "<Delete><Object><Key>open</Key></Object></Delete>"
	for _, c := range []struct {
		key                  sign.Key
		method, target, body string
		want                 bool
	}{
		{nobody, "GET", "/photos/open", "", true},
		{r.bob, "GET", "/photos/open", "", true},
		{r.alice, "GET", "/photos/open", "", false},
		{nobody, "GET", "/photos/key", "", false},
		{nobody, "GET", "/photos", "", true},
		{r.alice, "GET", "/photos", "", false},
		{r.bob, "PUT", "/photos/bobs", "x", true},
		{nobody, "POST", "/photos?delete", batch, true},
	} {
		var header []string
		if c.body == batch {
			header = []string{"Content-MD5", md5Of(batch)}
		}
		r.as(c.key, c.method, c.target, c.body, header...)
		got := log.wait(t)
		if c.body == batch {
			got = log.wait(t)
		}
		if got.ACLRequired != c.want {
			t.Errorf("%s %s: %+v", c.method, c.target, got)
		}
	}
}

// TestCopySourceOfOtherBucket checks whom the event of a source names.
func TestCopySourceOfOtherBucket(t *testing.T) {
	e, log := newEventEnv(t)
	e.serve(e.signed(request{method: "POST", target: "/photos/big?uploads"}))
	e.bucket("other-photos")
	log.take()
	e.serve(e.signed(request{method: "PUT", target: "/other-photos/big?partNumber=1&uploadId=none", header: http.Header{"X-Amz-Copy-Source": {"photos/key?versionId=null"}}}))
	list := log.take()
	if len(list) != 2 {
		t.Fatalf("%+v", list)
	}
	want := daypass.ObjectRef{Bucket: "photos", Key: "key", VersionID: "null"}
	if whole, src := list[0], list[1]; whole.Operation != "REST.COPY.PART" || whole.Status != 404 || whole.CopySource == "" ||
		src.Operation != "REST.COPY.PART_GET" || src.Status != 200 || src.Object != want || src.BucketOwner != "alice" ||
		src.ObjectSize != 7 || src.Total >= 0 || src.URI != "" || src.RequestID != whole.RequestID {
		t.Errorf("%+v", list)
	}
}

// TestEventsHoldNoSecret sends everything that is secret in every way there is,
// granted and refused, and looks for it in what a spool would write.
func TestEventsHoldNoSecret(t *testing.T) {
	log := &eventLog{}
	r := newRealm(t, log.sink, func(c *Config) { c.Ledger = c.Keys.(*state.State) })
	session := r.session(r.alice, "GetSessionToken")
	secrets := []string{r.alice.Secret, session.Secret, session.Token, rightPIN, "99887766"}
	tag, err := limits.NewPIN(strings.NewReader("sixteen bytes...and some more of it"), daypass.Secret(r.alice.Secret), rightPIN)
	if err != nil {
		t.Fatal(err)
	}
	send := func(q request) *reply {
		secrets = append(secrets, secretsOf(q)...)
		return r.send(q)
	}
	for _, k := range []sign.Key{r.alice, session} {
		for _, v := range []sign.Version{sign.V2, sign.V4, sign.V4A} {
			byURL := r.presignFor("http://"+r.addr, k, sign.URLRequest{Method: "GET", Bucket: "photos", Key: "key"}, sign.PresignOptions{Version: v})
			header := request{method: "GET", host: r.addr, target: "/photos/key", header: http.Header{}}
			req := &http.Request{Method: "GET", URL: &url.URL{}, RequestURI: header.target, Host: header.host, Header: header.header}
			if _, err := sign.NewSigner(k, sign.SignerOptions{Region: testRegion, Version: v}).Sign(req, sign.UnsignedPayload, r.now); err != nil {
				t.Fatal(err)
			}
			for _, q := range []request{byURL, header} {
				send(q.with("Referer", "http://"+byURL.host+byURL.target, "User-Agent", byURL.target))
				send(q.change("/key", "/other")) // does not match
				send(q.change("/photos/key", "/photos/"+byURL.target))
				if strings.Contains(q.target, "Signature=") {
					send(q.change("Signature=", "Signature=%zz"))
				}
				send(q.with("Authorization", header.header.Get("Authorization")+"x"))
				send(q.with("X-Amz-Copy-Source", "photos/key?"+byURL.target))
			}
		}
	}
	pinned := r.presignFor("http://"+r.addr, r.alice, sign.URLRequest{Method: "GET", Bucket: "photos", Key: "key", Query: pairs([]string{limits.PIN, tag.String()})})
	send(pinned.with(pinHeader, rightPIN))
	send(pinned.with(pinHeader, "99887766"))
	send(r.pinForm(pinned.target, "99887766"))
	for _, k := range send(r.pinForm(pinned.target, rightPIN)).cookies() {
		secrets = append(secrets, k.Value)
		send(pinned.withCookie(k))
	}
	tree := r.presignFor("http://"+r.addr, r.alice, sign.URLRequest{Method: "GET", Bucket: "photos", Key: "p/", Query: pairs([]string{limits.Prefix, "p/", limits.Cookie, "1"})})
	r.put("p/a", "x")
	for _, k := range send(tree.at("p/a")).cookies() {
		secrets = append(secrets, k.Value)
		send(r.relative("GET", "/photos/p/a", k.Name+"="+k.Value))
	}
	r.sendForms(send, session)
	r.grep(log, secrets, 70)
}

// secretParam finds signatures and tokens in URLs, headers and forms.
var secretParam = regexp.MustCompile(`(?i)(?:signature=|security-token=|AWS [^ :]+:|name="(?:x-amz-)?signature"\s+|name="x-amz-security-token"\s+)([^&\s]+)`)

// sendForms sends signed forms, right and wrong, and a question to STS.
func (r *realm) sendForms(send func(request) *reply, k sign.Key) {
	for _, v := range []sign.Version{sign.V2, sign.V4, sign.V4A} {
		p, err := sign.NewPresigner(k, "http://"+r.addr, testRegion, sign.PresignOptions{Version: v})
		if err != nil {
			r.t.Fatal(err)
		}
		signed, err := p.Form(sign.FormRequest{Bucket: "photos", Key: "by-form", Lifetime: time.Hour, Time: testTime})
		if err != nil {
			r.t.Fatal(err)
		}
		var fields []formField
		for _, f := range signed.Fields {
			fields = append(fields, formField{name: f.Name, value: f.Value})
		}
		send(r.post(append(fields, textFile)))
		send(r.post(append(replaced(fields, "key", "elsewhere"), textFile)))
	}
	send(r.stsRequest(r.alice, "GetSessionToken"))
	send(r.stsRequest(k, "AssumeRole", "RoleArn", "x"))
}

// secretsOf returns the signatures and tokens that a request carries, as they
// are and percent-encoded.
func secretsOf(q request) (found []string) {
	text := q.target + " " + q.header.Get("Authorization") + " " + q.body
	for _, m := range secretParam.FindAllStringSubmatch(text, -1) {
		found = append(found, m[1])
		if plain, err := url.QueryUnescape(m[1]); err == nil {
			found = append(found, plain)
		}
	}
	return found
}

// grep looks for secrets in events, in every form that is written.
func (r *realm) grep(log *eventLog, secrets []string, least int) {
	r.t.Helper()
	r.http.Close() // waits for all requests
	events := log.take()
	if len(events) < least {
		r.t.Errorf("%d events only", len(events))
	}
	granted := 0
	for i := range events {
		e := &events[i]
		if e.Status < 400 {
			granted++
		}
		written := [][]byte{audit.AppendEvent(nil, e), audit.AppendJSON(nil, e), audit.AppendAccessLog(nil, e)}
		for _, secret := range secrets {
			for _, line := range written {
				if len(secret) > 5 && bytes.Contains(line, []byte(secret)) {
					r.t.Errorf("%q in %q", secret, line)
				}
			}
		}
	}
	if granted < 20 || len(secrets) < 60 {
		r.t.Errorf("%d events of requests that were granted, %d secrets", granted, len(secrets))
	}
}

// TestEventOfPanic checks that a request that fails is told of too.
func TestEventOfPanic(t *testing.T) {
	e, log := newEventEnv(t, func(c *Config) { c.Keys = panicKeys{} })
	e.serve(e.query("GET", "key"))
	if got := log.one(t); got.Status != 500 || got.Code != daypass.InternalError || !strings.Contains(got.Reason, "panic") || got.Operation != "REST.GET.OBJECT" {
		t.Errorf("%+v", got)
	}
}

// TestNamesOfCiphers checks that every suite that Go offers has a name as
// OpenSSL has it.
func TestNamesOfCiphers(t *testing.T) {
	for _, suite := range tls.CipherSuites() {
		name := cipherName(suite.ID)
		if old := suite.SupportedVersions[0] < tls.VersionTLS13; name == "" || old == strings.HasPrefix(name, "TLS_") {
			t.Errorf("%s: %q", suite.Name, name)
		}
	}
}

// counting is an EventSink that copies events, as a spool's queue does.
type counting struct {
	mu   sync.Mutex
	slot daypass.Event
	n    int
}

func (c *counting) Append(e *daypass.Event) {
	c.mu.Lock()
	c.slot = *e
	c.n++
	c.mu.Unlock()
}

// BenchmarkEvents is BenchmarkGetPass without and with events.
func BenchmarkEvents(b *testing.B) {
	for _, with := range []struct {
		name string
		sink EventSink
	}{{"off", nil}, {"on", &counting{}}} {
		b.Run(with.name, func(b *testing.B) {
			e := newPassEnv(b, func(c *Config) { c.Logger, c.Events = nil, with.sink })
			e.put("key", strings.Repeat("x", 4<<10))
			q := e.query("GET", "key", limits.Name, "report")
			r := httptest.NewRequest("GET", q.target, nil)
			r.Host, r.RemoteAddr = q.host, "127.0.0.1:99"
			b.ReportAllocs()
			for b.Loop() {
				w := &nowhere{header: make(http.Header, 16)}
				e.server.ServeHTTP(w, r)
			}
		})
	}
}

// BenchmarkEmit is what an event costs the goroutine of its request.
func BenchmarkEmit(b *testing.B) {
	e := newPassEnv(b, func(c *Config) { c.Logger, c.Events = nil, &counting{} })
	e.put("key", "content")
	q := e.query("GET", "key", limits.Name, "report")
	r := httptest.NewRequest("GET", q.target, nil)
	r.Host, r.RemoteAddr = q.host, "127.0.0.1:99"
	s := e.server
	x := s.begin(&nowhere{header: make(http.Header, 16)}, r)
	if err := s.serve(x); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		s.emit(x, time.Millisecond)
	}
}
