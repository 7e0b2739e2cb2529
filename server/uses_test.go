package server

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/limits"
	"github.com/daypass/daypass/sign"
	"github.com/daypass/daypass/store"
)

// once is a pass for n copies, or n writes.
func (e *passEnv) counted(method, key string, n int, more ...string) request {
	return e.query(method, key, append([]string{limits.Uses, strconv.Itoa(n)}, more...)...)
}

// usedUp checks that a pass is refused for good.
func (e *passEnv) usedUp(q request) {
	e.t.Helper()
	r := e.send(q)
	if q.method == "HEAD" {
		if r.status != 403 {
			e.t.Errorf("HEAD: status %d", r.status)
		}
		return
	}
	e.refused(r, 403, "AccessDenied", limits.Uses)
}

func TestBudgetOfCopies(t *testing.T) {
	e := newPassEnv(t)
	e.put("key", "0123456789")
	for _, n := range []int{1, 2, 5} {
		q := e.counted("GET", "key", n)
		for range n {
			e.granted(e.send(q), 200, "0123456789")
		}
		e.usedUp(q)
		e.usedUp(q.with("Range", "bytes=0-0"))
		if r := e.send(q); r.element("Allowed") != strconv.Itoa(n) || !strings.Contains(r.element("Message"), limits.Uses) {
			t.Error(r.body)
		}
	}
	// Two passes for one object have a budget each.
	e.granted(e.send(e.counted("GET", "key", 1, limits.Name, "other")), 200, "0123456789")
}

// TestBudgetOfRanges reads a copy in pieces, and some of them twice.
func TestBudgetOfRanges(t *testing.T) {
	e := newPassEnv(t)
	e.put("key", "0123456789")
	q := e.counted("GET", "key", 1)
	e.granted(e.send(q.with("Range", "bytes=4-")), 206, "456789")
	e.granted(e.send(q.with("Range", "bytes=0-1")), 206, "01")
	e.usedUp(q) // of which a whole copy is not left
	e.granted(e.send(q.with("Range", "bytes=0-1")), 206, "01")
	e.usedUp(q.with("Range", "bytes=0-0"))
	// A range that S3 does not serve as one is a whole copy.
	q = e.counted("GET", "key", 1, limits.Name, "2")
	e.granted(e.send(q.with("Range", "bytes=0-0,2-2")), 200, "0123456789")
	e.usedUp(q.with("Range", "bytes=0-0"))
	// A part by number is bytes too.
	q = e.counted("GET", "key", 1, "partNumber", "1")
	e.granted(e.send(q), 206, "0123456789")
	e.usedUp(q)
}

func TestBudgetOfNothing(t *testing.T) {
	e := newPassEnv(t, func(c *Config) { c.HeadWithGet = true })
	e.put("empty", "")
	q := e.counted("GET", "empty", 2)
	head := q
	head.method = "HEAD"
	e.granted(e.send(q), 200, "")
	e.granted(e.send(head), 200, "")
	e.granted(e.send(q), 200, "")
	e.usedUp(q)
	e.usedUp(head)
}

// TestBudgetOfPrefix gives each object below a prefix its own copies.
func TestBudgetOfPrefix(t *testing.T) {
	e := newTree(t)
	q := e.tree("GET", limits.Uses, "1")
	for _, key := range []string{"p/a.txt", "p/sub/b.txt"} {
		e.granted(e.send(q.at(key)), 200, key)
		e.usedUp(q.at(key))
	}
	e.usedUp(q.at("p%2F%61.txt"))
	e.want(e.send(q.at("p/none")), 404, "NoSuchKey")
}

// TestBudgetFixesTheObject replaces the object after the first use: a pass for
// a short one must not read a long one, nor two halves of two.
func TestBudgetFixesTheObject(t *testing.T) {
	e := newPassEnv(t, func(c *Config) { c.HeadWithGet = true })
	e.put("key", "short")
	q := e.counted("GET", "key", 9)
	head := q
	head.method = "HEAD"
	e.granted(e.send(head), 200, "")
	e.granted(e.send(q.with("Range", "bytes=0-0")), 206, "s")
	e.put("key", "a longer one")
	r := e.send(q)
	e.refused(r, 403, "AccessDenied", limits.Uses)
	if !strings.Contains(r.element("Message"), "has changed") {
		t.Error(r.body)
	}
	if r := e.send(head); r.status != 403 {
		t.Errorf("HEAD: status %d", r.status)
	}
	e.put("key", "short")
	e.granted(e.send(q), 200, "short")
}

// Test304DrawsNothing checks what is free: at most, the ledger is asked whether
// the object is still the one.
func Test304DrawsNothing(t *testing.T) {
	e := newPassEnv(t)
	etag := e.put("key", "0123456789").ETag
	q := e.counted("GET", "key", 1)
	for _, c := range []struct {
		q      request
		status int
	}{
		{q.with("If-None-Match", `"`+etag+`"`), 304}, {q.with("If-Modified-Since", testTime.Format(http.TimeFormat)), 304},
		{q.with("If-Match", `"x"`), 412}, {q.with("Range", "bytes=10-"), 416}, {q.with("Range", "bytes=-0"), 416},
		{e.counted("GET", "none", 1), 404}, {e.counted("GET", "key", 1, "partNumber", "7"), 416},
		{e.counted("GET", "key", 1, "versionId", "3sL4kqtJlcpXroDTDmJ.rmSpXd3dIbrH"), 404},
	} {
		r := e.send(c.q)
		if r.status != c.status {
			t.Errorf("status %d, want %d\n%s", r.status, c.status, r.body)
		}
		e.private(r)
	}
	if asked := e.ledger.asked(); strings.ReplaceAll(strings.TrimSpace(asked), "Exhausted", "") != "     " {
		t.Errorf("the ledger was asked for %s", asked)
	}
	e.granted(e.send(q), 200, "0123456789")
	e.usedUp(q)
	// What was never paid for stays free.
	if r := e.send(q.with("If-None-Match", `"`+etag+`"`)); r.status != 304 {
		t.Errorf("status %d", r.status)
	}
	// Of another object the holder learns nothing.
	other := e.put("key", "9876543210+").ETag
	for _, q := range []request{q.with("If-None-Match", `"`+other+`"`), q.with("Range", "bytes=99-")} {
		if r := e.send(q); r.status != 403 || r.header.Get("ETag") != "" || r.header.Get("Content-Range") != "" {
			t.Errorf("status %d, %v", r.status, r.header)
		}
	}
}

func TestHEADFreeUntilExhausted(t *testing.T) {
	e := newPassEnv(t, func(c *Config) { c.HeadWithGet = true })
	e.put("key", "0123456789")
	q := e.counted("GET", "key", 1)
	head := q
	head.method = "HEAD"
	for range 5 {
		e.granted(e.send(head), 200, "")
	}
	if asked := e.ledger.asked(); strings.Contains(asked, "Draw") {
		t.Errorf("the ledger was asked for %s", asked)
	}
	e.granted(e.send(q.with("Range", "bytes=0-8")), 206, "012345678")
	e.granted(e.send(head), 200, "")
	e.granted(e.send(q.with("Range", "bytes=9-")), 206, "9")
	e.usedUp(head)
	e.usedUp(head.with("Range", "bytes=0-0"))
	// A pass for HEAD alone is free for ever.
	only := e.counted("HEAD", "key", 1)
	for range 3 {
		e.granted(e.send(only), 200, "")
	}
}

// A bigDriver has one object of zeros.
type bigDriver struct {
	store.Driver
	size int64
}

func (bigDriver) Bucket(context.Context, string) (store.Bucket, error) {
	return store.Bucket{Name: "photos", Owner: "alice"}, nil
}

func (d bigDriver) Object(_ context.Context, ref daypass.ObjectRef) (*store.Object, error) {
	return &store.Object{Bucket: ref.Bucket, Key: ref.Key, Size: d.size, ETag: "e", ModTime: testTime}, nil
}

func (d bigDriver) OpenObject(ctx context.Context, ref daypass.ObjectRef) (*store.Object, store.Body, error) {
	obj, err := d.Object(ctx, ref)
	return obj, zeroBody{}, err
}

type zeroBody struct{}

func (zeroBody) Range(_, n int64) (io.Reader, error) { return io.LimitReader(zeros{}, n), nil }
func (zeroBody) Close() error                        { return nil }

// newBig returns a server with one object of a size.
func newBig(t *testing.T, size int64) *passEnv {
	return newPassEnv(t, func(c *Config) { c.Store = store.New(bigDriver{size: size}) })
}

// A receiver takes the answer of a handler, until it breaks.
type receiver struct {
	header http.Header
	status int
	// got counts the bytes that were handed over; after breaks of them
	// nothing more is taken. Of those, the last lost ones never arrive.
	got    int64
	breaks int64 // negative: never
	// took, where set, is told of every byte handed over.
	took func(n int64)
}

var errReset = errors.New("connection reset by peer")

func (r *receiver) Header() http.Header    { return r.header }
func (r *receiver) WriteHeader(status int) { r.status = status }
func (r *receiver) FlushError() error {
	if r.breaks >= 0 && r.got >= r.breaks {
		return errReset
	}
	return nil
}

func (r *receiver) Write(p []byte) (n int, err error) {
	n = len(p)
	if r.breaks >= 0 && r.got+int64(n) > r.breaks {
		n, err = int(r.breaks-r.got), errReset
	}
	r.got += int64(n)
	if r.took != nil {
		r.took(int64(n))
	}
	return n, err
}

// An exactReceiver tells how much of a failed write it took, as net/http does
// for HTTP/1.
type exactReceiver struct{ *receiver }

func (r exactReceiver) ReadFrom(src io.Reader) (int64, error) {
	return io.Copy(struct{ io.Writer }{r.receiver}, src)
}

// take sends a request to the handler and takes at most so many bytes of the
// answer, all of them where that is negative.
func (e *passEnv) take(q request, breaks int64, took ...func(int64)) (w *receiver, broken bool) {
	w = &receiver{header: http.Header{}, breaks: breaks}
	if len(took) > 0 {
		w.took = took[0]
	}
	r := httptest.NewRequest(q.method, q.target, nil)
	r.Host, r.Header = q.host, q.header.Clone()
	defer func() {
		if v := recover(); v != nil && v != http.ErrAbortHandler {
			panic(v)
		} else if v != nil {
			broken = true
		}
	}()
	e.server.ServeHTTP(exactReceiver{w}, r)
	return w, false
}

// from asks for the rest of an object.
func (q request) from(off int64) request { return q.with("Range", fmt.Sprintf("bytes=%d-", off)) }

// TestDrawBeforeBytes checks that no byte is handed over that was not drawn
// before, that a long answer draws chunk by chunk, and that a whole object is
// admitted only if all of it is there.
func TestDrawBeforeBytes(t *testing.T) {
	for _, whole := range []bool{true, false} {
		testDrawBeforeBytes(t, whole)
	}
}

func testDrawBeforeBytes(t *testing.T, whole bool) {
	for _, size := range []int64{1, 4 << 10, drawChunk, 2*drawChunk - 1, 2 * drawChunk, 40<<20 + 7} {
		e := newBig(t, size)
		var drawn, sent int64
		var draws []int64
		e.ledger.draw = func(total, fits int64) error {
			want := total
			if whole && drawn == 0 {
				want = size
			}
			if fits != want || sent != drawn {
				t.Errorf("size %d: total %d, fits %d, drawn %d, sent %d", size, total, fits, drawn, sent)
			}
			drawn, draws = total, append(draws, total)
			return nil
		}
		q, status, chunks := e.counted("GET", "key", 1), 200, max(1, size/drawChunk)
		if !whole {
			q, status = q.from(0), 206
		}
		w, broken := e.take(q, -1, func(n int64) {
			if sent += n; sent > drawn {
				t.Errorf("size %d: sent %d, drawn %d", size, sent, drawn)
			}
		})
		if broken || w.status != status || sent != size || drawn != size {
			t.Errorf("size %d: status %d, sent %d, draws %v", size, w.status, sent, draws)
		}
		if int64(len(draws)) != chunks {
			t.Errorf("size %d: draws %v", size, draws)
		}
	}
}

// TestBrokenDownloadResumes breaks a download again and again, losing a little
// each time, and still gets its one copy.
func TestBrokenDownloadResumes(t *testing.T) {
	const size, lost = 8 << 20, 32 << 10
	e := newBig(t, size)
	q := e.counted("GET", "key", 1)
	var have int64
	for range 8 { // 8 × 32 KiB is the allowance
		w, broken := e.take(q.from(have), 512<<10)
		if !broken || w.status != 206 {
			t.Fatalf("status %d at %d", w.status, have)
		}
		have += w.got - lost
	}
	w, broken := e.take(q.from(have), -1)
	if broken || w.status != 206 || have+w.got != size {
		t.Errorf("status %d, %d of %d bytes", w.status, have+w.got, size)
	}
	if w, _ := e.take(q.from(size-1), -1); w.status != 403 {
		t.Errorf("status %d after the last byte", w.status)
	}
}

// TestAllowanceIsPerUse breaks downloads off at their very end, to have them
// again for nothing.
func TestAllowanceIsPerUse(t *testing.T) {
	for _, size := range []int64{4, 1 << 10, 1 << 20, 8 << 20} {
		for _, uses := range []int64{1, 3} {
			e := newBig(t, size)
			q := e.counted("GET", "key", int(uses))
			var got int64
			for range 100 {
				e.hostile(q.from(0), size-1, func(n int64) { got += n })
				e.hostile(q.from(size-1), 0, func(n int64) { got += n })
			}
			if most := uses * (size + min(256<<10, size/4)); got > most {
				t.Errorf("%d uses of %d bytes: %d bytes were handed over, want at most %d", uses, size, got, most)
			}
		}
	}
}

// TestFailedWriteIsHandedOver resets streams of HTTP/2 within a write, of which
// net/http then says that nothing was written.
func TestFailedWriteIsHandedOver(t *testing.T) {
	const size, window = 4 << 20, 65535
	e := newBig(t, size)
	srv := httptest.NewUnstartedServer(e.server)
	srv.EnableHTTP2 = true
	srv.StartTLS()
	defer srv.Close()
	srv.Client().Transport.(*http.Transport).HTTP2 = &http.HTTP2Config{MaxReceiveBufferPerStream: window}
	q := e.presignFor(srv.URL, testKey, sign.URLRequest{Method: "GET", Bucket: "photos", Key: "key", Query: pairs([]string{limits.Uses, "1"})})
	for range 3 {
		r, err := http.NewRequest("GET", srv.URL+q.target, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Range", "bytes=0-")
		resp, err := srv.Client().Do(r)
		if err != nil || resp.StatusCode != 206 || resp.ProtoMajor != 2 {
			t.Fatalf("%v, %v", resp, err)
		}
		time.Sleep(50 * time.Millisecond) // until the window is full
		resp.Body.Close()
	}
	var settled []int64
	for range 1000 {
		if settled = e.ledger.outcomes(); len(settled) == 3 {
			break
		}
		time.Sleep(time.Millisecond)
	}
	for _, sent := range settled {
		if sent < window || sent >= size {
			t.Errorf("%d bytes count as handed over, the client has %d", sent, window)
		}
	}
	if len(settled) != 3 {
		t.Errorf("settled %v", settled)
	}
}

// TestWholeAnswerReturnsNothing has the connection break behind the last byte.
func TestWholeAnswerReturnsNothing(t *testing.T) {
	e := newBig(t, 1<<20)
	q := e.counted("GET", "key", 1)
	if w, broken := e.take(q, 1<<20+1); broken || w.got != 1<<20 {
		t.Fatalf("%d bytes", w.got)
	}
	if w, _ := e.take(q.from(0), -1); w.status != 403 || w.header.Get("Content-Range") != "" {
		t.Errorf("status %d", w.status)
	}
}

// TestPlayerSeeks opens a film to its end and then seeks, with the first
// answers still open.
func TestPlayerSeeks(t *testing.T) {
	const size = 100 << 20
	e := newBig(t, size)
	q := e.counted("GET", "key", 1)
	block, done := make(chan struct{}), make(chan *receiver, 3)
	for i := range int64(3) {
		var mine int64
		opened := make(chan struct{})
		go func() {
			w, _ := e.take(q.from(i<<20), 64<<10, func(n int64) {
				if mine += n; n > 0 && mine == 64<<10 {
					close(opened)
					<-block
				}
			})
			done <- w
		}()
		<-opened
	}
	// Three chunks are outstanding: what is left is still there for a seek.
	w, broken := e.take(q.from(60<<20), -1)
	if broken || w.status != 206 || w.got != 40<<20 {
		t.Errorf("seek: status %d, %d bytes", w.status, w.got)
	}
	close(block)
	for range 3 {
		if w := <-done; w.status != 206 {
			t.Errorf("open: status %d", w.status)
		}
	}
	w, _ = e.take(q.with("Range", "bytes=0-62390271"), -1) // 59.5 MiB: 60 MiB less what the openings took, and the allowance
	if w.status != 206 || w.got != 62390272 {
		t.Errorf("rest: status %d, %d bytes", w.status, w.got)
	}
}

// TestCrashCostsNoMoreThanChunks loses the end of a response.
func TestCrashCostsNoMoreThanChunks(t *testing.T) {
	const size = 64 << 20
	e := newBig(t, size)
	q := e.counted("GET", "key", 1)
	crashed := make(chan struct{})
	go e.take(q.from(0), -1, func(int64) {
		close(crashed)
		<-t.Context().Done() // and never comes back
	})
	<-crashed
	w, _ := e.take(q.with("Range", fmt.Sprintf("bytes=%d-", drawChunk)), -1)
	if w.status != 206 || w.got != size-drawChunk {
		t.Errorf("status %d, %d bytes", w.status, w.got)
	}
}

// TestChunkThatDoesNotFit opens two answers that do not fit together.
func TestChunkThatDoesNotFit(t *testing.T) {
	const size = 32 << 20
	e := newBig(t, size)
	q := e.counted("GET", "key", 1)
	if w, _ := e.take(q.with("Range", "bytes=0-16777215"), -1); w.status != 206 {
		t.Fatalf("status %d", w.status)
	}
	w, broken := e.take(q.from(8<<20), -1) // 24 MiB, of which 16 are left
	if !broken || w.status != 206 || w.got != 16<<20 {
		t.Errorf("status %d, %d bytes", w.status, w.got)
	}
	if w, _ := e.take(q, -1); w.status != 403 || w.got > 4<<10 {
		t.Errorf("status %d, %d bytes", w.status, w.got)
	}
}

// TestLastBytesAreUsable sends what is left of a budget, where no whole chunk
// is.
func TestLastBytesAreUsable(t *testing.T) {
	const size = 32 << 20
	e := newBig(t, size)
	q := e.counted("GET", "key", 1)
	if w, _ := e.take(q.with("Range", "bytes=0-5242879"), -1); w.status != 206 {
		t.Fatalf("status %d", w.status)
	}
	// 27 MiB are left: three chunks, and a part of the fourth.
	w, broken := e.take(q.from(4<<20), -1)
	if missing := 27<<20 - w.got; !broken || w.status != 206 || missing < 0 || missing > leastDraw {
		t.Errorf("status %d, %d bytes, %d of what is left unused", w.status, w.got, missing)
	}
}

// TestStateFails checks that nothing is served or stored without state.
func TestStateFails(t *testing.T) {
	e := newPassEnv(t)
	e.put("key", "content")
	get, put := e.counted("GET", "key", 1), e.counted("PUT", "new", 1)
	put.body = "content"
	bind := e.query("GET", "key", limits.Bind, "ip")
	e.driver.fail.Store(true)
	for _, q := range []request{get, put, bind} {
		if r := e.send(q); r.status < 500 || strings.Contains(r.body, "content") || strings.Contains(r.body, "memory") {
			t.Errorf("status %d\n%s", r.status, r.body)
		}
	}
	if e.exists("new") {
		t.Error("something was stored")
	}
	e.driver.fail.Store(false)
	e.granted(e.send(get), 200, "content")
	e.granted(e.send(put), 200, "")
	e.granted(e.send(bind), 200, "content")
}

// TestGoneBeforeTheAnswer draws for a client that has gone away.
func TestGoneBeforeTheAnswer(t *testing.T) {
	e := newPassEnv(t)
	e.put("key", "content")
	q := e.counted("GET", "key", 1)
	ctx, cancel := context.WithCancel(t.Context())
	e.ledger.drawn = cancel
	r := httptest.NewRequestWithContext(ctx, q.method, q.target, nil)
	r.Host = q.host
	w := httptest.NewRecorder()
	e.server.ServeHTTP(w, r)
	if w.Code == 200 {
		t.Error("the answer began")
	}
	e.ledger.drawn = nil
	e.granted(e.send(q), 200, "content")
}

// TestRealConnections breaks downloads on the wire, where net/http and the
// kernel hold bytes that the client never sees.
func TestRealConnections(t *testing.T) {
	const size = 4 << 20
	e := newBig(t, size)
	q := e.counted("GET", "key", 2)
	var have int64
	for i := 0; have < size && i < 100; i++ {
		conn := e.dial()
		if err := q.from(have).write(conn); err != nil {
			t.Fatal(err)
		}
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil || resp.StatusCode != 206 && resp.StatusCode != 503 {
			t.Fatalf("%v, %v", resp, err)
		}
		if resp.StatusCode == 206 {
			n, _ := io.CopyN(io.Discard, resp.Body, size) // the first of many never end
			have += n
		}
		conn.SetLinger(0)
		conn.Close()
	}
	if have != size {
		t.Errorf("%d of %d bytes", have, size)
	}
}

// TestRacersOneDownload lets many clients have the one copy.
func TestRacersOneDownload(t *testing.T) {
	e := newPassEnv(t)
	e.put("key", strings.Repeat("x", 64<<10))
	q := e.counted("GET", "key", 1)
	var whole, sent atomic.Int64
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			w, _ := e.take(q, -1, func(n int64) {})
			switch w.status {
			case 200:
				whole.Add(1)
				sent.Add(w.got)
			case 403, 503:
			default:
				t.Errorf("status %d", w.status)
			}
		})
	}
	wg.Wait()
	if whole.Load() != 1 || sent.Load() != 64<<10 {
		t.Errorf("%d copies, %d bytes", whole.Load(), sent.Load())
	}
}

// TestRacersLongDownloads has more racers than uses, whose answers draw chunk
// by chunk: each is complete or refused, none breaks off.
func TestRacersLongDownloads(t *testing.T) {
	const size, uses, racers = 40 << 20, 3, 12
	e := newBig(t, size)
	q := e.counted("GET", "key", uses)
	var whole atomic.Int64
	var wg sync.WaitGroup
	for range racers {
		wg.Go(func() {
			switch w, broken := e.take(q, -1, func(int64) {}); {
			case w.status == 200 && !broken && w.got == size:
				whole.Add(1)
			case w.status != 403 && w.status != 503:
				t.Errorf("status %d, %d bytes, broken %v", w.status, w.got, broken)
			}
		})
	}
	wg.Wait()
	if whole.Load() != uses {
		t.Errorf("%d copies of %d uses", whole.Load(), uses)
	}
}

// TestBudgetProperty has honest and hostile clients share passes: never is more
// handed over than the budget and its allowance, and who loses little gets
// everything.
func TestBudgetProperty(t *testing.T) {
	for seed := range uint64(12) {
		rnd := rand.New(rand.NewPCG(seed, 4))
		size := []int64{1, 3, 1000, 100_000, 3 << 20, 20 << 20, 40 << 20}[rnd.IntN(7)]
		uses := int64(1 + rnd.IntN(4))
		e := newBig(t, size)
		q := e.counted("GET", "key", int(uses))
		var handed atomic.Int64
		most := uses * (size + min(256<<10, size/4))
		took := func(n int64) {
			if handed.Add(n) > most {
				t.Errorf("seed %d: %d uses of %d bytes: %d bytes, want at most %d", seed, uses, size, handed.Load(), most)
			}
		}
		var wg sync.WaitGroup
		for range 8 {
			hostile := rand.New(rand.NewPCG(rnd.Uint64(), 5))
			wg.Go(func() {
				for range 6 {
					off := hostile.Int64N(size)
					again := q.from(off)
					if hostile.IntN(3) == 0 {
						again, off = q, 0
					}
					breaks := hostile.Int64N(size-off+1) - hostile.Int64N(2)
					if w := e.hostile(again, breaks, took); w.status != 200 && w.status != 206 && w.status != 403 && w.status != 503 {
						t.Errorf("seed %d: status %d", seed, w.status)
					}
				}
			})
		}
		wg.Wait()
		if w, _ := e.take(q, -1); w.status == 200 {
			took(w.got)
		}
	}
}

// hostile is take where refusals do not count: their bodies are no content.
func (e *passEnv) hostile(q request, breaks int64, took func(int64)) *receiver {
	var w *receiver
	var held int64
	w, _ = e.take(q, breaks, func(n int64) { held += n })
	if w.status == 200 || w.status == 206 {
		took(held)
	}
	return w
}

// TestHonestProperty has honest clients download their copies over bad
// connections, at the same time.
func TestHonestProperty(t *testing.T) {
	for seed := range uint64(12) {
		rnd := rand.New(rand.NewPCG(seed, 6))
		size := []int64{1000, 300_000, 3 << 20, 20 << 20}[rnd.IntN(4)]
		const clients = 4
		e := newBig(t, size)
		q := e.counted("GET", "key", clients)
		var wg sync.WaitGroup
		for range clients {
			mine := rand.New(rand.NewPCG(rnd.Uint64(), 7))
			wg.Go(func() {
				if got := e.honest(q, size, mine); got != size {
					t.Errorf("seed %d: %d of %d bytes", seed, got, size)
				}
			})
		}
		wg.Wait()
		e.usedUpSoon(q, size)
	}
}

// honest downloads an object, resuming where it was when the connection broke,
// and loses no more in total than the allowance of a use.
func (e *passEnv) honest(q request, size int64, rnd *rand.Rand) (have int64) {
	left := min(256<<10, size/4)
	for try := 0; have < size && try < 200; try++ {
		breaks := int64(-1)
		if try < 6 {
			breaks = rnd.Int64N(size - have + 1)
		}
		w, broken := e.take(q.from(have), breaks)
		if w.status != 206 {
			time.Sleep(time.Millisecond)
			continue
		}
		lost := int64(0)
		if broken {
			lost = min(left, rnd.Int64N(max(1, w.got/8+1)), w.got)
		}
		left -= lost
		have += w.got - lost
	}
	return have
}

// usedUpSoon checks that no further copy can be had.
func (e *passEnv) usedUpSoon(q request, size int64) {
	e.t.Helper()
	if w, _ := e.take(q, -1); w.status != 403 {
		e.t.Errorf("status %d after the last copy", w.status)
	}
}

// TestRacersOneUpload lets a thousand clients use a pass for one upload.
func TestRacersOneUpload(t *testing.T) {
	e := newPassEnv(t)
	q := e.counted("PUT", "key", 1)
	var won atomic.Int64
	var winner atomic.Value
	var wg sync.WaitGroup
	for i := range 1000 {
		wg.Go(func() {
			mine := q
			mine.header, mine.body = q.header.Clone(), fmt.Sprintf("content of %d", i)
			switch w := e.serve(mine); w.Code {
			case 200:
				won.Add(1)
				winner.Store(mine.body)
			case 403:
			case 503:
				if w.Header().Get("Retry-After") == "" {
					t.Error("no Retry-After")
				}
			default:
				t.Errorf("status %d\n%s", w.Code, w.Body)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 || e.content("key") != winner.Load() {
		t.Errorf("%d uploads were stored", won.Load())
	}
	q.body = "late"
	e.usedUp(q)
}

// TestRacersManyUploads lets a hundred clients use a pass for ten.
func TestRacersManyUploads(t *testing.T) {
	e := newPassEnv(t)
	q := e.counted("PUT", "key", 10)
	q.body = "content"
	var won atomic.Int64
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			for {
				switch e.serve(q).Code {
				case 200:
					won.Add(1)
				case 503:
					time.Sleep(time.Millisecond)
					continue
				}
				return
			}
		})
	}
	wg.Wait()
	if won.Load() != 10 {
		t.Errorf("%d uploads were stored", won.Load())
	}
}

// TestUploadFailureGivesUseBack fails in every way that proves that nothing was
// stored, and then succeeds.
func TestUploadFailureGivesUseBack(t *testing.T) {
	e := newPassEnv(t)
	e.put("there", "old")
	q := e.counted("PUT", "key", 1)
	q.body = "content"
	short := q.with("Content-Length", "100")
	for what, c := range map[string]struct {
		q      request
		status int
	}{
		"checksum": {q.with("Content-Md5", md5Of("other")), 400},
		"digest":   {q.with("Content-Md5", "nonsense"), 400},
		"refused":  {q.with("If-Match", `"x"`), 404},
		"framing":  {q.with("Transfer-Encoding", "chunked"), 501},
		"ignored":  {q.with("If-None-Match", `"x"`), 501},
		"unsigned": {q.with("x-amz-acl", "private"), 403},
		"length":   {request{method: "PUT", host: q.host, target: q.target, noLength: true}, 411},
	} {
		if what == "framing" {
			c.q.body, c.q.noLength = "7\r\ncontent\r\n0\r\n\r\n", true
		}
		if r := e.send(c.q); r.status != c.status {
			t.Errorf("%s: status %d\n%s", what, r.status, r.body)
		}
		if e.exists("key") {
			t.Fatalf("%s: something was stored", what)
		}
	}
	conn := e.dial()
	if err := short.write(conn); err != nil {
		t.Fatal(err)
	}
	conn.CloseWrite()
	e.want(e.read(bufio.NewReader(conn), "PUT"), 400, "IncompleteBody")
	conn.Close()
	e.granted(e.send(q), 200, "")
	e.usedUp(q)
	if got := e.content("key"); got != "content" {
		t.Errorf("stored %q", got)
	}
}

// failingCommits is a driver that reads every body and then fails.
type failingCommits struct {
	store.Driver
	fail func()
}

func (d failingCommits) PutObject(ctx context.Context, r *store.PutRequest) (*store.Object, error) {
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		return nil, err
	}
	d.fail()
	return nil, errors.New("the disk is on fire")
}

func (failingCommits) Bucket(context.Context, string) (store.Bucket, error) {
	return store.Bucket{Name: "photos", Owner: "alice"}, nil
}

// TestCommitFailureKeepsUse fails where something may have been stored.
func TestCommitFailureKeepsUse(t *testing.T) {
	for what, fail := range map[string]func(){"error": func() {}, "panic": func() { panic("on purpose") }} {
		e := newPassEnv(t, func(c *Config) { c.Store = store.New(failingCommits{fail: fail}) })
		q := e.counted("PUT", "key", 1)
		q.body = "content"
		if r := e.send(q.with("Content-Md5", md5Of("other"))); r.status != 400 {
			t.Errorf("%s: status %d\n%s", what, r.status, r.body)
		}
		if r := e.send(q); r.status != 500 {
			t.Errorf("%s: status %d\n%s", what, r.status, r.body)
		}
		e.usedUp(q)
		if got := fmt.Sprint(e.ledger.released); got != "[false true]" {
			t.Errorf("%s: released %s", what, got)
		}
	}
}

// TestHeldUpload keeps a reservation for as long as a body takes.
func TestHeldUpload(t *testing.T) {
	e := newPassEnv(t)
	q := e.counted("PUT", "key", 1)
	conn := e.dial()
	defer conn.Close()
	if err := q.head(7).write(conn); err != nil {
		t.Fatal(err)
	}
	io.WriteString(conn, "con")
	for range 1000 {
		if strings.Contains(e.ledger.asked(), "Reserve") {
			break
		}
		time.Sleep(time.Millisecond)
	}
	other := q
	other.body = "other"
	r := e.send(other)
	if e.want(r, 503, "ServiceUnavailable"); r.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	e.private(r)
	io.WriteString(conn, "tent")
	e.granted(e.read(bufio.NewReader(conn), "PUT"), 200, "")
	e.usedUp(other)
	if got := e.content("key"); got != "content" {
		t.Errorf("stored %q", got)
	}
}

// TestCountedWrites counts the successes of writes other than uploads.
func TestCountedWrites(t *testing.T) {
	e := newPassEnv(t)
	e.put("key", "content")
	copying := e.presign(sign.URLRequest{Method: "PUT", Bucket: "photos", Key: "copy", Query: pairs([]string{limits.Uses, "1"}),
		Header: http.Header{"X-Amz-Copy-Source": {"/photos/key"}}})
	tagging := e.counted("PUT", "key", 1, "tagging", "")
	tagging.body = "<Tagging><TagSet></TagSet></Tagging>"
	tagging = tagging.with("Content-Md5", md5Of(tagging.body))
	for what, q := range map[string]request{
		"copy": copying, "tagging": tagging, "untagging": e.counted("DELETE", "key", 1, "tagging", ""),
		"multipart": e.counted("POST", "key", 1, "uploads", ""), "delete": e.counted("DELETE", "other", 1),
	} {
		if r := e.send(q); r.status >= 300 {
			t.Errorf("%s: status %d\n%s", what, r.status, r.body)
		}
		if r := e.send(q); r.status != 403 || r.element("Limit") != limits.Uses {
			t.Errorf("%s again: status %d\n%s", what, r.status, r.body)
		}
	}
	// A failure gives the use back.
	none := e.presign(sign.URLRequest{Method: "PUT", Bucket: "photos", Key: "copy2", Query: pairs([]string{limits.Uses, "1"}),
		Header: http.Header{"X-Amz-Copy-Source": {"/photos/late"}}})
	e.want(e.send(none), 404, "NoSuchKey")
	e.put("late", "content")
	e.want(e.send(none), 200, "")
	// Reads other than downloads and listings are not counted, so refused.
	e.invalid(e.send(e.counted("GET", "key", 1, "tagging", "")), "cannot be enforced for GetObjectTagging")
	e.invalid(e.send(e.presign(sign.URLRequest{Method: "GET", Bucket: "photos", Query: pairs([]string{"list-type", "2", limits.Uses, "1"})})), "cannot be enforced for ListObjectsV2")
}

// TestTokensAreNotTheClients checks that what a client sends does not become
// the token of a draw: two requests alike are two draws.
func TestTokensAreNotTheClients(t *testing.T) {
	e := newPassEnv(t)
	e.put("key", "content")
	q := e.counted("GET", "key", 1).with("X-Request-Id", "1", "Amz-Sdk-Invocation-Id", "00000000-0000-0000-0000-000000000001", "Idempotency-Key", "1")
	e.granted(e.send(q), 200, "content")
	e.usedUp(q)
	seen := map[[16]byte]bool{}
	for range 100 {
		token, err := e.state.NewToken()
		if err != nil || seen[token] {
			t.Fatalf("%x, %v", token, err)
		}
		seen[token] = true
	}
}
