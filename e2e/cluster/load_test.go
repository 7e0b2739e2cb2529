package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

const (
	loadBucket = "load"
	writers    = 3
	readers    = 2
	partSize   = 5 << 20
	// retryPause is how long a client of the load waits after an error.
	retryPause = 50 * time.Millisecond
)

// A load is what clients do through the proxy while something is broken.
type load struct {
	*record
	t    *testing.T
	rig  *rig
	stop context.CancelFunc
	done sync.WaitGroup

	objects objects
	passes  passes
	revoked revocations

	faultsMu sync.Mutex
	faults   map[string]int // by what they are, to tell of the first ones only
}

// faultsTold is how many faults of one kind are told in full.
const faultsTold = 5

// fault fails the test for one of perhaps many faults of a kind.
func (l *load) fault(kind, format string, args ...any) {
	l.t.Helper()
	l.faultsMu.Lock()
	l.faults[kind]++
	n := l.faults[kind]
	l.faultsMu.Unlock()
	if n <= faultsTold {
		l.t.Errorf("%s: %s", l.name, fmt.Sprintf(format, args...))
	}
}

// tellFaults says how many there were of each kind that was not told in full.
func (l *load) tellFaults() {
	for kind, n := range l.faults {
		if n > faultsTold {
			l.t.Errorf("%s: %d times altogether: %s", l.name, n, kind)
		}
	}
}

// Objects are what the writers wrote: each key once, its content known from
// the key.
type objects struct {
	mu      sync.Mutex
	acked   []string
	unknown []string // no answer, or an error: there whole, or not at all
}

// startLoad starts all clients.
func startLoad(t *testing.T, r *rig, name string) *load {
	ctx, stop := context.WithCancel(context.Background())
	l := &load{t: t, rig: r, stop: stop, record: &record{name: name, begun: time.Now()}, faults: map[string]int{}}
	for i := range writers {
		l.done.Go(func() { l.write(ctx, i) })
	}
	for range readers {
		l.done.Go(func() { l.read(ctx) })
	}
	l.done.Go(func() { l.drawAll(ctx) })
	l.done.Go(func() { l.revokeAll(ctx) })
	return l
}

// finish stops all clients and waits for them.
func (l *load) finish() {
	l.stop()
	l.done.Wait()
}

// moreWithin is how long more waits: on a busy machine an upload takes a second.
const moreWithin = 2 * time.Minute

// more waits until so many further requests of every kind were answered well.
func (l *load) more(n int) {
	l.t.Helper()
	since := time.Now()
	lacks := func() (what []string) {
		for op, want := range map[string]int{write: n, read: n, draw: max(1, n/10)} {
			if have := l.good(op, since); have < want {
				what = append(what, fmt.Sprintf("%d of %d good answers to %ss", have, want, op))
			}
		}
		return what
	}
	if !until(moreWithin, func() bool { return lacks() == nil }) {
		l.t.Fatalf("%s: within %v there were only %s; errors since: %v", l.name, moreWithin, strings.Join(lacks(), ", "), l.errors(since))
	}
}

// seed is the number that a key stands for.
func seed(key string) uint64 {
	h := fnv.New64a()
	io.WriteString(h, key)
	return h.Sum64()
}

// content is what belongs under a key: mostly a few KiB, some more than a node
// reads into memory, some in two parts.
func content(key string) []byte {
	s := seed(key)
	size := 1 + int(s>>8)%(8<<10)
	switch n := s % 100; {
	case n < 2:
		size += partSize
	case n < 6:
		size += 3 << 19
	case n < 20:
		size += 100 << 10
	}
	b := make([]byte, size)
	rand.NewChaCha8([32]byte{byte(s), byte(s >> 8), byte(s >> 16), byte(s >> 24), byte(s >> 32)}).Read(b)
	return b
}

func (l *load) write(ctx context.Context, writer int) {
	client := l.rig.s3()
	for i := 0; ctx.Err() == nil; i++ {
		key := fmt.Sprintf("%s/writer %d/%d", l.name, writer, i)
		start := time.Now()
		// The load's end does not cut a request off.
		err := put(context.WithoutCancel(ctx), client, key, content(key))
		l.objects.note(key, err)
		if err != nil {
			l.add(write, start, kindOf(err))
			pause(ctx, retryPause)
			continue
		}
		l.add(write, start, "")
	}
}

// put uploads an object, large ones in parts.
func put(ctx context.Context, client *s3.Client, key string, body []byte) error {
	bucket := aws.String(loadBucket)
	if len(body) <= partSize {
		_, err := client.PutObject(ctx, &s3.PutObjectInput{Bucket: bucket, Key: &key, Body: bytes.NewReader(body)})
		return err
	}
	upload, err := client.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: bucket, Key: &key})
	if err != nil {
		return err
	}
	var parts []types.CompletedPart
	for i, chunk := range [][]byte{body[:partSize], body[partSize:]} {
		number := aws.Int32(int32(i + 1))
		part, err := client.UploadPart(ctx, &s3.UploadPartInput{Bucket: bucket, Key: &key, UploadId: upload.UploadId, PartNumber: number, Body: bytes.NewReader(chunk)})
		if err != nil {
			return err
		}
		parts = append(parts, types.CompletedPart{ETag: part.ETag, ChecksumCRC32: part.ChecksumCRC32, PartNumber: number})
	}
	_, err = client.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{Bucket: bucket, Key: &key, UploadId: upload.UploadId,
		MultipartUpload: &types.CompletedMultipartUpload{Parts: parts}})
	return err
}

func (o *objects) note(key string, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if err != nil {
		o.unknown = append(o.unknown, key)
	} else {
		o.acked = append(o.acked, key)
	}
}

// any returns an acknowledged key, or nothing.
func (o *objects) any() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.acked) == 0 {
		return ""
	}
	return o.acked[rand.IntN(len(o.acked))]
}

// read opens acknowledged objects by pre-signed URLs.
func (l *load) read(ctx context.Context) {
	for ctx.Err() == nil {
		key := l.objects.any()
		if key == "" {
			pause(ctx, retryPause)
			continue
		}
		start := time.Now()
		a, err := fetch(context.WithoutCancel(ctx), l.rig.http, l.rig.presign("GET", loadBucket, key))
		kind := a.kind(err)
		l.add(read, start, kind)
		switch {
		case kind == "" && !bytes.Equal(a.body, content(key)):
			l.fault("read with other content", "%q was acknowledged and has other content now: %d bytes of %d", key, len(a.body), len(content(key)))
		case err == nil && a.StatusCode == http.StatusNotFound:
			l.fault("read and missing", "%q was acknowledged and is gone: %.300s", key, a.body)
		}
		if kind != "" {
			pause(ctx, retryPause)
		}
	}
}

// An answer is a response with as much of its body as came.
type answer struct {
	*http.Response
	body []byte
}

// fetch gets a URL. An error is that of the connection, perhaps after a part
// of the body.
func fetch(ctx context.Context, client *http.Client, url string) (answer, error) {
	req, err := http.NewRequestWithContext(ctx, "GET", url, nil)
	if err != nil {
		return answer{}, err
	}
	res, err := client.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return answer{res, body}, err
}

// kind is the kind of error that an answer is, or nothing.
func (a answer) kind(err error) string {
	switch {
	case err != nil:
		return kindOf(err)
	case a.StatusCode != http.StatusOK:
		return kindOfAnswer(a.Response, a.body)
	}
	return ""
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// check compares all objects with what their writers know.
func (l *load) check() {
	l.t.Helper()
	l.acknowledged, l.record.unknown = len(l.objects.acked), len(l.objects.unknown)
	lost := l.compare(l.objects.acked, true)
	torn := l.compare(l.objects.unknown, false)
	if len(lost) > 0 {
		l.t.Errorf("%s: %d of %d acknowledged objects are lost: %s", l.name, len(lost), l.acknowledged, some(lost))
	}
	if len(torn) > 0 {
		l.t.Errorf("%s: %d objects whose upload failed are there with another content: %s", l.name, len(torn), some(torn))
	}
	l.checkListing()
}

// compare reads keys and returns what is wrong with them. One that was not
// acknowledged may be missing.
func (l *load) compare(keys []string, acknowledged bool) []string {
	var mu sync.Mutex
	var wrong []string
	each(keys, func(key string) {
		if err := l.compareOne(key, acknowledged); err != nil {
			mu.Lock()
			defer mu.Unlock()
			wrong = append(wrong, fmt.Sprintf("%q: %v", key, err))
		}
	})
	return wrong
}

// each calls a function for each of a list, several at a time.
func each[T any](list []T, do func(T)) {
	work := make(chan T)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for one := range work {
				do(one)
			}
		})
	}
	for _, one := range list {
		work <- one
	}
	close(work)
	all.Wait()
}

func (l *load) compareOne(key string, acknowledged bool) error {
	var last error
	until(20*time.Second, func() bool {
		a, err := fetch(context.Background(), l.rig.http, l.rig.presign("GET", loadBucket, key))
		switch kind := a.kind(err); {
		case kind == "" && bytes.Equal(a.body, content(key)):
			last = nil
		case kind == "":
			last = fmt.Errorf("%d bytes that are not the %d uploaded", len(a.body), len(content(key)))
		case err == nil && a.StatusCode == http.StatusNotFound && !acknowledged:
			last = nil
		default:
			last = errors.New(kind)
			return err == nil && a.StatusCode < 500 // else the cluster, not the object
		}
		return true
	})
	return last
}

// checkListing checks that a listing has all acknowledged keys, and no key
// that nobody wrote.
func (l *load) checkListing() {
	l.t.Helper()
	var listed map[string]int64
	var err error
	if !until(20*time.Second, func() bool { listed, err = l.list(); return err == nil }) {
		l.t.Errorf("%s: list what was written: %v", l.name, err)
		return
	}
	var wrong []string
	for _, key := range l.objects.acked {
		if size, ok := listed[key]; !ok {
			wrong = append(wrong, fmt.Sprintf("%q was acknowledged and is not listed", key))
		} else if want := int64(len(content(key))); size != want {
			wrong = append(wrong, fmt.Sprintf("%q is listed with %d bytes, not %d", key, size, want))
		}
		delete(listed, key)
	}
	for _, key := range l.objects.unknown {
		delete(listed, key)
	}
	for key := range listed {
		wrong = append(wrong, fmt.Sprintf("%q is listed and nobody wrote it", key))
	}
	if len(wrong) > 0 {
		l.t.Errorf("%s: the listing is wrong in %d places: %s", l.name, len(wrong), some(wrong))
	}
}

// list returns the size of every object of the load.
func (l *load) list() (map[string]int64, error) {
	listed := map[string]int64{}
	pages := s3.NewListObjectsV2Paginator(l.rig.s3(), &s3.ListObjectsV2Input{Bucket: aws.String(loadBucket), Prefix: aws.String(l.name + "/")})
	for pages.HasMorePages() {
		page, err := pages.NextPage(context.Background())
		if err != nil {
			return nil, err
		}
		for _, o := range page.Contents {
			listed[*o.Key] = *o.Size
		}
	}
	return listed, nil
}

// some joins the first of many.
func some(list []string) string {
	if more := len(list) - 20; more > 0 {
		return strings.Join(list[:20], ", ") + fmt.Sprintf(", and %d more", more)
	}
	return strings.Join(list, ", ")
}
