package e2e

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

const (
	idleBudget    = 30 << 20 // resident memory of an idle server
	idleAnonymous = 9 << 20  // that part of it that the kernel can neither share nor drop
	// streamBudget is what 8 concurrent transfers may add: two pieces of a
	// mebibyte each, of which one is written while the other arrives, and half
	// as much again for garbage that is not collected yet.
	streams, streamBudget = 8, 24 << 20
)

// memory returns a size from /proc/PID/status in bytes.
func (s *server) memory(t *testing.T, field string) int {
	t.Helper()
	f, err := os.Open(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if words := strings.Fields(lines.Text()); words[0] == field+":" {
			kib, err := strconv.Atoi(words[1])
			if err != nil {
				t.Fatal(err)
			}
			return kib << 10
		}
	}
	t.Fatalf("/proc has no %s", field)
	return 0
}

// rests waits until a server that nobody asks has given back what it does not
// need, and returns the memory that is left.
func (s *server) rests(t *testing.T) int {
	t.Helper()
	idle := s.memory(t, "VmRSS")
	for until := time.Now().Add(30 * time.Second); idle > idleBudget && time.Now().Before(until); idle = s.memory(t, "VmRSS") {
		time.Sleep(time.Second)
	}
	return idle
}

func TestMemory(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("memory is read from Linux's /proc")
	}
	s := serve(t)
	u := newUser(s, "memory")
	if _, err := u.owner.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &u.bucket}); err != nil {
		t.Fatal(err)
	}
	signer := s3.NewPresignClient(u.owner)
	sign := func(i int) (put, get string) {
		key := fmt.Sprintf("large-%d", i)
		p, err := signer.PresignPutObject(t.Context(), &s3.PutObjectInput{Bucket: &u.bucket, Key: &key})
		if err != nil {
			t.Fatal(err)
		}
		g, err := signer.PresignGetObject(t.Context(), &s3.GetObjectInput{Bucket: &u.bucket, Key: &key})
		if err != nil {
			t.Fatal(err)
		}
		return p.URL, g.URL
	}
	for i := range 20 {
		put, get := sign(i)
		u.do(t, "PUT", put, "small", nil).success(t, 200, "")
		u.do(t, "GET", get, "", nil).success(t, 200, "small")
	}
	idle := s.rests(t)
	t.Logf("measured: idle %.1f MiB resident, %.1f anonymous, peak %.1f", mib(idle), mib(s.memory(t, "RssAnon")), mib(s.memory(t, "VmHWM")))
	if idle > idleBudget {
		t.Errorf("an idle server takes %.1f MiB, more than %d", mib(idle), idleBudget>>20)
	}
	if own := s.memory(t, "RssAnon"); own > idleAnonymous {
		t.Errorf("%.1f MiB of an idle server's memory are its own, more than %d", mib(own), idleAnonymous>>20)
	}
	put, get := sign(0)
	// The first large transfers fill the pools that later ones share.
	u.large(t, put, get, 32<<20)
	before := s.memory(t, "RssAnon")
	peak := s.watch(t, func() { u.large(t, put, get, 256<<20) })
	t.Logf("measured: 256 MiB up and down: from %.1f to at most %.1f MiB anonymous", mib(before), mib(peak))
	if peak > before+streamBudget/2 {
		t.Errorf("one large transfer takes %.1f MiB more", mib(peak-before))
	}
	before = s.memory(t, "RssAnon")
	peak = s.watch(t, func() {
		var all sync.WaitGroup
		for i := range streams {
			put, get := sign(i)
			all.Go(func() { u.large(t, put, get, 48<<20) })
		}
		all.Wait()
	})
	t.Logf("measured: %d × 48 MiB up and down: from %.1f to at most %.1f MiB anonymous", streams, mib(before), mib(peak))
	if peak > before+streamBudget {
		t.Errorf("%d large transfers take %.1f MiB more", streams, mib(peak-before))
	}
	busy := s.memory(t, "VmRSS")
	idle = s.rests(t)
	t.Logf("measured: at rest again %.1f MiB resident, before %.1f", mib(idle), mib(busy))
	if idle > idleBudget {
		t.Errorf("a server at rest keeps %.1f MiB, more than %d", mib(idle), idleBudget>>20)
	}
}

func mib(n int) float64 { return float64(n) / (1 << 20) }

// watch returns the most anonymous memory that the server had during f.
func (s *server) watch(t *testing.T, f func()) int {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	peak := 0
	for {
		peak = max(peak, s.memory(t, "RssAnon"))
		select {
		case <-done:
			return peak
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// large uploads and downloads an object without holding it.
func (u *user) large(t *testing.T, put, get string, size int64) {
	req, err := http.NewRequest("PUT", put, io.LimitReader(zeros{}, size))
	if err != nil {
		t.Error(err)
		return
	}
	req.ContentLength = size
	res, err := u.http.Do(req)
	if err != nil {
		t.Error(err)
		return
	}
	res.Body.Close()
	if res.StatusCode != 200 {
		t.Errorf("PUT of %d bytes: %s", size, res.Status)
		return
	}
	if res, err = u.http.Get(get); err != nil {
		t.Error(err)
		return
	}
	defer res.Body.Close()
	if n, err := io.Copy(io.Discard, res.Body); err != nil || n != size {
		t.Errorf("GET returns %d of %d bytes, %v", n, size, err)
	}
}

// zeros is an endless stream.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// TestLargeDocuments sends documents that are malformed or without end. They
// must be refused without being held.
func TestLargeDocuments(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("memory is read from Linux's /proc")
	}
	s := serve(t)
	u := newUser(s, "e2e-documents")
	if _, err := u.owner.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &u.bucket}); err != nil {
		t.Fatal(err)
	}
	begun, err := u.owner.CreateMultipartUpload(t.Context(), &s3.CreateMultipartUploadInput{Bucket: &u.bucket, Key: aws.String("k")})
	if err != nil {
		t.Fatal(err)
	}
	before := s.memory(t, "RssAnon")
	peak := s.watch(t, func() {
		for _, d := range []struct{ method, key, parameter, value, head, again string }{
			{"POST", "k", "uploadId", *begun.UploadId, "<CompleteMultipartUpload>", "<Part><PartNumber>1</PartNumber><ETag>x</ETag></Part>"},
			{"PUT", "", "tagging", "", "<Tagging><TagSet>", "<Tag><Key>k</Key><Value>v</Value></Tag>"},
			{"PUT", "k", "tagging", "", "<Tagging><TagSet>", "<x>"},
			{"PUT", "", "cors", "", "<CORSConfiguration><CORSRule><AllowedOrigin>", "a"},
			{"PUT", "", "versioning", "", "<VersioningConfiguration ", "a='b' "},
			{"PUT", "", "policy", "", `{"Version":"`, "2012-10-17"},
			{"PUT", "", "policy", "", `{"Statement":`, "["},
		} {
			target := u.presign(t, d.method, d.key, url.Values{d.parameter: {d.value}})
			u.repeated(t, d.method, target, d.head, d.again, 60<<10, "Malformed")
			u.repeated(t, d.method, target, d.head, d.again, documentSize, "MaxMessageLengthExceeded")
		}
	})
	t.Logf("measured: refusing documents of %d MiB: from %.1f to at most %.1f MiB anonymous", documentSize>>20, mib(before), mib(peak))
	if peak > before+streamBudget {
		t.Errorf("refusing documents takes %.1f MiB more", mib(peak-before))
	}
}

const documentSize = 48 << 20

// repeated sends a document that repeats itself and expects a refusal, which
// may come before all of it is sent.
func (u *user) repeated(t *testing.T, method, target, head, again string, size int64, code string) {
	body := io.MultiReader(strings.NewReader(head), io.LimitReader(&repeat{text: again}, size))
	req, err := http.NewRequest(method, target, body)
	if err != nil {
		t.Error(err)
		return
	}
	req.ContentLength = int64(len(head)) + size
	res, err := u.http.Do(req)
	if err != nil {
		t.Errorf("%s %s: %v", method, target, err)
		return
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != 400 || !strings.Contains(string(text), "<Code>"+code) {
		t.Errorf("%s %s of %d bytes: status %d, %v, want %s\n%s", method, target, size, res.StatusCode, err, code, text)
	}
}

// repeat is an endless stream of a text.
type repeat struct {
	text string
	at   int
}

func (r *repeat) Read(p []byte) (n int, err error) {
	for n < len(p) {
		m := copy(p[n:], r.text[r.at:])
		n, r.at = n+m, (r.at+m)%len(r.text)
	}
	return n, nil
}
