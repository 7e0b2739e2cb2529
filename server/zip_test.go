package server

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/limits"
	"github.com/daypass/daypass/sign"
	"github.com/daypass/daypass/state"
	"github.com/daypass/daypass/store"
)

// zipped is a pass for archives of what is below p/.
func (e *passEnv) zipped(more ...string) request {
	return e.tree("GET", append([]string{limits.As, "zip"}, more...)...)
}

// unzip returns the entries of an archive and their contents.
func unzip(t testing.TB, body string) (names []string, contents map[string]string) {
	t.Helper()
	r, err := zip.NewReader(strings.NewReader(body), int64(len(body)))
	if err != nil {
		t.Fatal(err)
	}
	contents = map[string]string{}
	for _, f := range r.File {
		names = append(names, f.Name)
		in, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(in)
		if err != nil {
			t.Fatalf("%s: %v", f.Name, err)
		}
		contents[f.Name] = string(b)
	}
	return names, contents
}

func TestZip(t *testing.T) {
	e := newPassEnv(t)
	text := strings.Repeat("so many words ", 1000)
	for key, body := range map[string]string{
		"p/": "", "p/empty/": "", "p/a.txt": text, "p/é/ü.txt": "umlaut", "p/film.mp4": text, "p/sub/deep/z": "z", "p/nothing": "",
		"p-private/secret": "secret", "secret": "secret",
	} {
		e.put(key, body)
	}
	e.put("p/photo", text, store.Metadata{ContentType: "image/jpeg"})
	e.put("p/page", text, store.Metadata{ContentType: "text/html", ContentEncoding: "gzip"})
	r := e.send(e.zipped())
	e.want(r, 200, "")
	e.private(r)
	if h := r.header; h.Get("Content-Type") != "application/zip" || h.Get("Accept-Ranges") != "none" || h.Get("Content-Length") != "" || h.Get("ETag") != "" ||
		h.Get("Content-Disposition") != `attachment; filename="p.zip"` {
		t.Error(h)
	}
	names, contents := unzip(t, r.body)
	want := []string{"a.txt", "empty/", "film.mp4", "nothing", "page", "photo", "sub/deep/z", "é/ü.txt"}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Error("(-want +got):\n" + diff)
	}
	if contents["a.txt"] != text || contents["photo"] != text || contents["é/ü.txt"] != "umlaut" || contents["nothing"] != "" || contents["sub/deep/z"] != "z" {
		t.Error("contents differ")
	}
	archive, _ := zip.NewReader(strings.NewReader(r.body), int64(len(r.body)))
	for _, f := range archive.File {
		stored := strings.Contains("film.mp4 page photo empty/", f.Name)
		if (f.Method == zip.Store) != stored {
			t.Errorf("%s: method %d", f.Name, f.Method)
		}
		if f.NonUTF8 || !strings.HasSuffix(f.Name, "/") && !f.Modified.Equal(testTime) {
			t.Errorf("%s: %v, modified %v", f.Name, f.NonUTF8, f.Modified)
		}
	}
	// A folder below, and a range, which there is not.
	names, _ = unzip(t, e.send(e.zipped().at("p/sub/").with("Range", "bytes=10-20", "If-Range", `"x"`)).body)
	if diff := cmp.Diff([]string{"deep/z"}, names); diff != "" {
		t.Error("(-want +got):\n" + diff)
	}
}

func TestZipHead(t *testing.T) {
	e := newTree(t)
	head := e.tree("HEAD", limits.As, "zip", limits.Uses, "1")
	r := e.send(head.at("p/sub/"))
	e.want(r, 200, "")
	if r.header.Get("Content-Type") != "application/zip" || r.header.Get("Content-Length") != "" || r.header.Get("Accept-Ranges") != "none" || r.body != "" {
		t.Error(r.header)
	}
	for raw, status := range map[string]int{"p/none/": 404, "p/a.txt": 403, "p-private/": 403, "p/sub/../": 403} {
		if r := e.send(head.at(raw)); r.status != status {
			t.Errorf("%s: status %d", raw, r.status)
		}
	}
	with := newTree(t, func(c *Config) { c.HeadWithGet = true })
	q := with.zipped(limits.Uses, "1").at("p/sub/")
	free := q
	free.method = "HEAD"
	with.want(with.send(free), 200, "")
	with.want(with.send(q), 200, "")
	if r := with.send(free); r.status != 403 {
		t.Errorf("HEAD of what is used up: status %d", r.status)
	}
}

// TestZipStaysInside asks for what is outside the prefix or no folder.
func TestZipStaysInside(t *testing.T) {
	e := newTree(t)
	q := e.zipped()
	for _, raw := range []string{"p", "p/a.txt", "p/sub", "p-private/", "", "secret", "p/../", "p/%2e%2e/", "p/sub/..%2F..%2F", "P/", "/p/", "p%5C..%5C"} {
		if r := e.send(q.at(raw)); r.status != 403 {
			t.Errorf("%s: status %d", raw, r.status)
		}
	}
	e.refused(e.send(q.at("p/a.txt")), 403, "AccessDenied", limits.As)
	e.want(e.send(q.at("p/none/")), 404, "NoSuchKey")
	for what, bad := range map[string]request{
		"stripped":      q.without(limits.As),
		"added":         e.tree("GET").change("?", "?x-daypass-as=zip&"),
		"other value":   q.change("x-daypass-as=zip", "x-daypass-as=tar"),
		"as an object":  e.tree("GET").at("p/"),
		"other bucket":  q.change("/photos/", "/other/"),
		"sub-resource":  q.change("?", "?tagging&"),
		"paging":        q.change("?", "?prefix=secret&"),
		"a version":     q.change("?", "?versionId=null&"),
		"no prefix":     e.query("GET", "p/", limits.As, "zip"),
		"listing":       e.list(limits.As, "zip"),
		"upload":        e.tree("PUT", limits.As, "zip"),
		"anonymous":     {method: "GET", host: e.addr, target: "/photos/p/?x-daypass-as=zip", header: http.Header{}},
		"header signed": e.signed(request{method: "GET", target: "/photos/p/?x-daypass-as=zip&x-daypass-prefix=p%2F"}),
	} {
		if r := e.send(bad); r.status < 400 || r.status >= 500 || strings.HasPrefix(r.body, "PK") {
			t.Errorf("%s: status %d", what, r.status)
		}
	}
}

// TestZipPermissions checks listing and every object by the signer's policy.
func TestZipPermissions(t *testing.T) {
	r := newRealm(t)
	for _, key := range []string{"p/a", "p/b", "p/sub/c", "q/d"} {
		r.put(key, key)
	}
	all := statement("Allow", "", "s3:GetObject", "arn:aws:s3:::photos/*")
	lists := func(prefix string) string {
		return statement("Allow", "", "s3:ListBucket", "arn:aws:s3:::photos", `{"StringEquals":{"s3:prefix":"`+prefix+`"}}`)
	}
	for name, test := range map[string]struct {
		statements []string
		at         string
		status     int
	}{
		"all":           {[]string{all, lists("p/")}, "p/", 200},
		"no listing":    {[]string{all}, "p/", 403},
		"other listing": {[]string{all, lists("q/")}, "p/", 403},
		"narrower":      {[]string{all, lists("p/sub/")}, "p/", 403},
		"below":         {[]string{all, lists("p/sub/")}, "p/sub/", 200},
		"one missing":   {[]string{statement("Allow", "", "s3:GetObject", "arn:aws:s3:::photos/p/a"), lists("p/")}, "p/", 403},
		"one denied":    {[]string{all, lists("p/"), statement("Deny", "", "s3:GetObject", "arn:aws:s3:::photos/p/sub/*")}, "p/", 403},
		// The prefix is what is listed, and says nothing of the objects.
		"condition": {[]string{statement("Allow", "", "s3:*", "*", `{"StringEquals":{"s3:prefix":"p/"}}`)}, "p/", 403},
	} {
		key := r.user("user-"+strings.ReplaceAll(name, " ", "-"), test.statements...)
		q := r.presignFor("http://"+r.addr, key, sign.URLRequest{Method: "GET", Bucket: "photos", Key: "p/", Query: pairs([]string{limits.Prefix, "p/", limits.As, "zip"})})
		if a := r.send(q.at(test.at)); a.status != test.status {
			t.Errorf("%s: status %d, want %d\n%.300s", name, a.status, test.status, a.body)
		}
	}
}

// TestZipRevoked revokes the pass, and one object below it.
func TestZipRevoked(t *testing.T) {
	for _, prefix := range []string{"p/", "p/sub/", "p/a.txt", ""} {
		e := newTree(t)
		e.want(e.send(e.zipped()), 200, "")
		if _, err := e.state.Revoke(t.Context(), state.Revocation{Bucket: "photos", Prefix: prefix}); err != nil {
			t.Fatal(err)
		}
		if r := e.send(e.zipped()); r.status != 403 || r.element("Revocation") == "" {
			t.Errorf("%q: status %d", prefix, r.status)
		}
	}
}

func TestZipDisposition(t *testing.T) {
	e := newPassEnv(t)
	for _, prefix := range []string{"a b/", "é\"x/", "..x/y/", "CON/", "100%/", "a;b/"} {
		e.put(prefix+"key", "content")
		q := e.query("GET", prefix, limits.Prefix, prefix, limits.As, "zip")
		r := e.send(q)
		_, params, err := mime.ParseMediaType(r.header.Get("Content-Disposition"))
		if want := safeName(lastName(prefix)) + ".zip"; err != nil || params["filename"] != want {
			t.Errorf("%s: %s: %v, want %s", prefix, r.header.Get("Content-Disposition"), err, want)
		}
	}
	r := e.send(e.query("GET", "a b/", limits.Prefix, "a b/", limits.As, "zip", "response-content-disposition", "inline", "response-cache-control", "public"))
	if e.private(r); r.header.Get("Content-Disposition") != "inline" {
		t.Error(r.header)
	}
}

// TestZipUses draws every object from a budget of its own.
func TestZipUses(t *testing.T) {
	e := newTree(t)
	e.put("p/big", strings.Repeat("x", 3*drawChunk))
	q := e.zipped(limits.Uses, "2")
	for range 2 {
		e.want(e.send(q), 200, "")
	}
	e.refused(e.send(q), 403, "AccessDenied", limits.Uses)
	// A folder whose objects were archived in another is used up too, and one
	// that was not is there.
	e.put("p/new/x", "x")
	e.refused(e.send(q.at("p/sub/")), 403, "AccessDenied", limits.Uses)
	names, _ := unzip(t, e.send(q.at("p/new/")).body)
	if len(names) != 1 {
		t.Error(names)
	}
	// Where not the first object is used up, nothing of the others is.
	q = e.zipped(limits.Uses, "1")
	e.want(e.send(q.at("p/sub/")), 200, "")
	e.refused(e.send(q), 403, "AccessDenied", limits.Uses)
	e.want(e.send(q.at("p/new/")), 200, "")
	// What was never handed over is given back.
	e.ledger.mu.Lock()
	e.ledger.settled = nil
	e.ledger.mu.Unlock()
	e.want(e.send(e.zipped(limits.Uses, "1", limits.Name, "again").at("p/new/")), 200, "")
	if e.ledger.settled[0] != 1 {
		t.Errorf("settled %v", e.ledger.settled)
	}
}

// brokenZip checks that an answer breaks off, so that nobody takes it for a
// whole archive.
func (e *passEnv) brokenZip(q request) {
	e.t.Helper()
	answer := e.raw(q)
	if answer == "" {
		return // broken before anything was handed over
	}
	head, body, ok := strings.Cut(answer, "\r\n\r\n")
	if !ok || !strings.Contains(head, " 200 OK") || !strings.Contains(head, "Transfer-Encoding: chunked") {
		e.t.Fatalf("%.300s", answer)
	}
	if strings.HasSuffix(body, "0\r\n\r\n") || strings.Contains(body, "PK\x05\x06") {
		e.t.Errorf("the archive ends as if it were whole: %q", body[max(0, len(body)-100):])
	}
}

// treeDriver is a store whose one bucket holds what a function says.
type treeDriver struct {
	store.Driver
	keys []string // in order
	size func(key string) int64
	open func(key string) error
}

func (d *treeDriver) Bucket(context.Context, string) (store.Bucket, error) {
	return store.Bucket{Name: "photos", ID: "1", Owner: "alice"}, nil
}

func (d *treeDriver) CreateBucket(context.Context, store.Bucket) error { return nil }
func (d *treeDriver) Close() error                                     { return nil }

func (d *treeDriver) object(key string) *store.Object {
	return &store.Object{Bucket: "photos", Key: key, Size: d.size(key), ETag: "e", ModTime: testTime, Owner: "alice",
		Metadata: store.Metadata{ContentType: "application/zip"}}
}

func (d *treeDriver) ListObjects(_ context.Context, req store.ListRequest) (*store.ListPage, error) {
	page := &store.ListPage{}
	from, _ := slices.BinarySearch(d.keys, max(req.Prefix, req.After))
	for _, key := range d.keys[from:] {
		switch {
		case key == req.After:
		case !strings.HasPrefix(key, req.Prefix):
			return page, nil
		case len(page.Objects) == req.Max:
			page.Truncated, page.Next = true, page.Objects[req.Max-1].Key
			return page, nil
		default:
			page.Objects = append(page.Objects, d.object(key))
		}
	}
	return page, nil
}

func (d *treeDriver) Object(_ context.Context, ref daypass.ObjectRef) (*store.Object, error) {
	return d.object(ref.Key), nil
}

func (d *treeDriver) OpenObject(_ context.Context, ref daypass.ObjectRef) (*store.Object, store.Body, error) {
	if d.open != nil {
		if err := d.open(ref.Key); err != nil {
			return nil, nil, err
		}
	}
	return d.object(ref.Key), endlessZeros{}, nil
}

// endlessZeros is a body of any length.
type endlessZeros struct{}

func (endlessZeros) Close() error { return nil }
func (endlessZeros) Range(_, n int64) (io.Reader, error) {
	return io.LimitReader(endlessZeros{}, n), nil
}
func (endlessZeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func newFakeTree(t *testing.T, d *treeDriver) *passEnv {
	return newPassEnv(t, func(c *Config) { c.Store = store.New(d) })
}

// A sparse keeps an answer without its zeros, so that it may be huge.
type sparse struct {
	header http.Header
	status int
	size   int64
	blocks map[int64][]byte
}

const sparseBlock = 64 << 10

var noBytes [sparseBlock]byte

func (w *sparse) Header() http.Header    { return w.header }
func (w *sparse) WriteHeader(status int) { w.status = status }

func (w *sparse) Write(p []byte) (int, error) {
	for done := 0; done < len(p); {
		at := w.size % sparseBlock
		part := p[done:min(len(p), done+int(sparseBlock-at))]
		if !bytes.Equal(part, noBytes[:len(part)]) {
			block := w.blocks[w.size/sparseBlock]
			if block == nil {
				block = make([]byte, sparseBlock)
				w.blocks[w.size/sparseBlock] = block
			}
			copy(block[at:], part)
		}
		w.size, done = w.size+int64(len(part)), done+len(part)
	}
	return len(p), nil
}

// ReadAt implements io.ReaderAt.
func (w *sparse) ReadAt(p []byte, off int64) (int, error) {
	for done := 0; done < len(p); {
		if off >= w.size {
			return done, io.EOF
		}
		at := off % sparseBlock
		n := min(len(p)-done, int(sparseBlock-at), int(w.size-off))
		clear(p[done : done+n])
		if block := w.blocks[off/sparseBlock]; block != nil {
			copy(p[done:done+n], block[at:])
		}
		done, off = done+n, off+int64(n)
	}
	return len(p), nil
}

// download calls the handler for an archive and reads it.
func (e *passEnv) download(q request) *zip.Reader {
	e.t.Helper()
	w := &sparse{header: http.Header{}, blocks: map[int64][]byte{}}
	r, err := http.NewRequest(q.method, "http://"+q.host+q.target, nil)
	if err != nil {
		e.t.Fatal(err)
	}
	r.RequestURI, r.RemoteAddr = q.target, "127.0.0.1:99"
	e.server.ServeHTTP(w, r)
	archive, err := zip.NewReader(w, w.size)
	if w.status != 200 || err != nil {
		e.t.Fatalf("status %d, %d bytes: %v", w.status, w.size, err)
	}
	return archive
}

// TestZip64Size archives an object larger than 4 GiB, and one after it.
func TestZip64Size(t *testing.T) {
	if testing.Short() {
		t.Skip("moves 4 GiB")
	}
	const huge = 4<<30 + 5
	e := newFakeTree(t, &treeDriver{keys: []string{"p/huge", "p/z"}, size: func(key string) int64 {
		return map[string]int64{"p/huge": huge, "p/z": 10}[key]
	}})
	archive := e.download(e.zipped())
	for i, size := range []int64{huge, 10} {
		f := archive.File[i]
		in, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		if n, err := io.Copy(io.Discard, in); n != size || err != nil || int64(f.UncompressedSize64) != size {
			t.Errorf("%s: %d of %d bytes: %v", f.Name, n, size, err)
		}
	}
}

// numberedKeys are n keys in order.
func numberedKeys(n int) []string {
	keys := make([]string, n)
	for i := range keys {
		keys[i] = fmt.Sprintf("p/%08d", i)
	}
	return keys
}

// TestZip64Count archives more objects than a ZIP without extension can count,
// and refuses more than the server takes.
func TestZip64Count(t *testing.T) {
	d := &treeDriver{keys: numberedKeys(70_000), size: func(string) int64 { return 0 }}
	e := newFakeTree(t, d)
	archive := e.download(e.zipped())
	if n := len(archive.File); n != 70_000 || archive.File[n-1].Name != "00069999" {
		t.Errorf("%d entries", n)
	}
	d.keys = append([]string{"p/"}, numberedKeys(maxTree)...)
	if n := len(e.download(e.zipped()).File); n != maxTree {
		t.Errorf("%d entries", n)
	}
	d.keys = numberedKeys(maxTree + 1)
	r := e.send(e.zipped())
	if e.want(r, 400, "InvalidRequest"); !strings.Contains(r.element("Message"), "100000") {
		t.Error(r.body)
	}
}

// TestZipVanished has objects vanish, or fail, between listing and reading.
func TestZipVanished(t *testing.T) {
	// A broken archive may still be under way when its client has gone.
	var gone atomic.Value
	var size atomic.Int64
	gone.Store("")
	size.Store(10)
	d := &treeDriver{keys: []string{"p/a", "p/b"}, size: func(string) int64 { return size.Load() }, open: func(key string) error {
		if key == gone.Load() {
			return &daypass.Error{Code: daypass.NoSuchKey}
		}
		return nil
	}}
	e := newFakeTree(t, d)
	e.want(e.send(e.zipped()), 200, "")
	gone.Store("p/a")
	e.want(e.send(e.zipped()), 404, "NoSuchKey")
	gone.Store("p/b")
	e.brokenZip(e.zipped())
	size.Store(1 << 20)
	e.brokenZip(e.zipped())
	size.Store(10)
	gone.Store("")
	e.ledger.draw = func(total, fits int64) error { return errors.New("state is gone") }
	e.want(e.send(e.zipped(limits.Uses, "1")), 500, "InternalError")
	e.ledger.draw = nil
	e.want(e.send(e.zipped(limits.Uses, "1")), 200, "")
}

// TestZipClientLeaves has a client leave in the middle: what was not handed
// over returns, and all of the next object.
func TestZipClientLeaves(t *testing.T) {
	d := &treeDriver{keys: []string{"p/a", "p/b"}, size: func(string) int64 { return 1 << 30 }}
	e := newFakeTree(t, d)
	conn := e.dial()
	if err := e.zipped(limits.Uses, "1").write(conn); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(conn, make([]byte, 1<<20)); err != nil {
		t.Fatal(err)
	}
	conn.Close()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		e.ledger.mu.Lock()
		settled := slices.Clone(e.ledger.settled)
		e.ledger.mu.Unlock()
		if slices.Sort(settled); len(settled) == 2 && settled[0] == 0 && settled[1] < 1<<30 && settled[1] >= 1<<20 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("settled %v", settled)
		}
	}
}

// TestZipRate sends an archive at the rate of its pass.
func TestZipRate(t *testing.T) {
	d := &treeDriver{keys: []string{"p/a"}, size: func(string) int64 { return 300_000 }}
	e := newFakeTree(t, d)
	began := time.Now()
	e.download(e.zipped(limits.Rate, "1000000"))
	if took := time.Since(began); took < 150*time.Millisecond || took > 5*time.Second {
		t.Errorf("300 kB at 1 MB/s took %v", took)
	}
}

func TestZipNames(t *testing.T) {
	for keys, want := range map[string]string{
		"a|a/b|a/c":           "a|a (2)/b|a (2)/c",
		"../x|./x|x":          "_/x|_ (2)/x|x",
		"...":                 "_",
		"/x|//x|a//b|a/b":     "x|x (2)|a/b|a/b (2)",
		"A|a|a (2)":           "A|a (2)|a (2) (2)",
		"A.txt|a.TXT":         "A.txt|a (2).TXT",
		".profile|.PROFILE":   ".profile|.PROFILE (2)",
		"C:/x|C:x":            "C_/x|C_x",
		`\\host\share|a\..\b`: `__host_share|a_.._b`,
		"con|NUL.txt|aux/x|com1.|LPT9 .x|COM¹|common|nul": "_con|_NUL.txt|_aux/x|_com1|_LPT9 .x|_COM¹|common|_nul",
		"a.|a. .|b |dir./x":                    "a|a (2)|b|dir/x",
		"a\x00b|a\x1fb|a\x7fb|a\u0085b|a\nb":   "a_b|a_b (2)|a_b (3)|a_b (4)|a_b (5)",
		"exe\u202egnp.x|a\u2028b|\u200fx":      "exe_gnp.x|a_b|_x",
		"\u017f|S|s|\u212a|k":                  "\u017f|S (2)|s (3)|\u212a|k (2)",
		"é|É|日本|🙂":                             "é|É (2)|日本|🙂",
		"a/|a/b|b/|c//|d/./|e/../|a b/c d.e f": "a/|a/b|b/||d/_/|e/_/|a b/c d.e f",
	} {
		var n namer
		var got []string
		for key := range strings.SplitSeq(keys, "|") {
			got = append(got, n.name(key))
		}
		if diff := cmp.Diff(want, strings.Join(got, "|")); diff != "" {
			t.Errorf("%q (-want +got):\n%s", keys, diff)
		}
	}
}

func TestSafeName(t *testing.T) {
	for segment, want := range map[string]string{"<>:\"|?*\\/": "_________", "": "_", " ": "_", ". .": "_", " x": " x", "x\xff": "x_", "nul .x": "_nul .x"} {
		if got := safeName(segment); got != want {
			t.Errorf("%q: %q, want %q", segment, got, want)
		}
	}
}

// TestZipNamesAreCheap gives one name to very many objects.
func TestZipNamesAreCheap(t *testing.T) {
	var n namer
	began := time.Now()
	for i := range maxTree {
		var key [6]byte
		for j, rest := len(key)-1, i; j >= 0; j, rest = j-1, rest/30 {
			key[j] = byte(rest%30) + 1
		}
		if name := n.name(string(key[:])); i == maxTree-1 && name != fmt.Sprintf("______ (%d)", maxTree) {
			t.Error(name)
		}
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("%v for %d names", took, maxTree)
	}
}

// FuzzZipNames checks that no set of keys gives a path that leads out of the
// folder, or two that are one.
func FuzzZipNames(f *testing.F) {
	f.Add("a\na/b\n../../etc/passwd\nC:\\x\n\x00\nCON\na.\nA")
	f.Add("//x\n/\n..\n.\na/../../b\nnul.txt\n🙂/\xff\n")
	f.Fuzz(func(t *testing.T, text string) {
		keys := strings.Split(text, "\n")
		slices.Sort(keys)
		var n namer
		seen, folders := map[string]string{}, map[string]bool{}
		for _, key := range slices.Compact(keys) {
			if key == "" {
				continue
			}
			name := n.name(key)
			if name == "" {
				if !strings.HasSuffix(key, "/") {
					t.Fatalf("%q has no name", key)
				}
				continue
			}
			checkZipName(t, key, name)
			folded := foldName(strings.TrimSuffix(name, "/"))
			if other, ok := seen[folded]; ok {
				t.Fatalf("%q and %q are both %q", key, other, name)
			}
			seen[folded] = key
			for dir := filepath.Dir(folded); dir != "."; dir = filepath.Dir(dir) {
				folders[dir] = true
			}
		}
		for dir := range folders {
			if key, ok := seen[dir]; ok && !strings.HasSuffix(key, "/") {
				t.Fatalf("%q is a file and a folder", dir)
			}
		}
	})
}

func checkZipName(t *testing.T, key, name string) {
	t.Helper()
	if !filepath.IsLocal(name) || !utf8.ValidString(name) || strings.ContainsAny(name, "\\:\x00<>\"|?*") || strings.HasPrefix(name, "/") {
		t.Fatalf("%q became %q", key, name)
	}
	for segment := range strings.SplitSeq(strings.TrimSuffix(name, "/"), "/") {
		if segment == "" || strings.Trim(segment, ".") == "" || strings.HasSuffix(segment, ".") || strings.HasSuffix(segment, " ") || isDevice(segment) {
			t.Fatalf("%q became %q", key, name)
		}
	}
	if strings.HasSuffix(key, "/") != strings.HasSuffix(name, "/") {
		t.Fatalf("%q became %q", key, name)
	}
}

func TestKeyList(t *testing.T) {
	keys := []string{"", "a", "a/", "a/b", "a/bc", strings.Repeat("x", 1024), strings.Repeat("x", 1023) + "y", "é", "é/ü"}
	var l keyList
	for _, key := range keys {
		l.add(key)
	}
	if diff := cmp.Diff(keys, slices.Collect(l.all())); diff != "" || l.n != len(keys) {
		t.Error("(-want +got):\n" + diff)
	}
}

func TestIsCompressed(t *testing.T) {
	for _, test := range []struct {
		key, mediaType, encoding string
		want                     bool
	}{
		{"a.jpg", "", "", true}, {"a.JPG", "binary/octet-stream", "", true}, {"a.txt", "text/plain", "", false}, {"a", "", "", false},
		{"a", "image/png", "", true}, {"a", "image/svg+xml", "", false}, {"a", "image/bmp", "", false}, {"a", "video/mp4; codecs=x", "", true},
		{"a", "audio/wav", "", false}, {"a", "audio/mpeg", "", true}, {"a", "application/json", "", false}, {"a", "application/gzip", "", true},
		{"a", "application/epub+zip", "", true}, {"a", "font/woff2", "", true}, {"a", "font/ttf", "", false}, {"a", "text/html", "br", true},
		{"a", "text/html", "identity", false}, {"a", "application/vnd.openxmlformats-officedocument.wordprocessingml.document", "", true},
	} {
		obj := &store.Object{Key: test.key, Metadata: store.Metadata{ContentType: test.mediaType, ContentEncoding: test.encoding}}
		if got := isCompressed(obj); got != test.want {
			t.Errorf("%+v: %v", test, got)
		}
	}
}
