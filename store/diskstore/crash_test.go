package diskstore

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/daypass/daypass"
	"github.com/daypass/daypass/store"
)

// An outcome is what an operation makes of a key: content(seed, size), or
// nothing when size is negative.
type outcome struct {
	seed uint64
	size int
}

func (o outcome) String() string {
	if o.size < 0 {
		return "nothing"
	}
	return fmt.Sprintf("%d bytes of %d", o.size, o.seed)
}

// apply brings the outcome about, in one of several ways. What is not yet
// acknowledged lies under other keys or in uploads, which cleanUp removes.
func (o outcome) apply(d *Driver, bucket, key string) error {
	data := content(o.seed, max(o.size, 0))
	switch way := o.seed % 4; {
	case o.size < 0:
		return removeFrom(d, bucket, key)
	case way == 0:
		return putAsCopy(d, bucket, key, data)
	case way == 1:
		return putInParts(d, bucket, key, data, int(o.seed>>8))
	}
	return putInto(d, bucket, key, data)
}

// scratchPrefix begins the keys of what operations leave on their way.
const scratchPrefix = "scratch/"

// putAsCopy stores data elsewhere, copies it and removes the source.
func putAsCopy(d *Driver, bucket, key string, data []byte) error {
	if err := putInto(d, bucket, scratchPrefix+key, data); err != nil {
		return err
	}
	_, err := d.CopyObject(context.Background(), &store.CopyRequest{
		Source: daypass.ObjectRef{Bucket: bucket, Key: scratchPrefix + key}, Bucket: bucket, Key: key,
	})
	if err != nil {
		return err
	}
	return removeFrom(d, bucket, scratchPrefix+key)
}

// putInParts stores data in three parts. The first is replaced once, the last
// is copied from a key of its own, and one is not named in the end.
func putInParts(d *Driver, bucket, key string, data []byte, salt int) error {
	a, b := salt%(len(data)+1), salt>>8%(len(data)+1)
	a, b = min(a, b), max(a, b)
	ctx := context.Background()
	u, err := d.CreateUpload(ctx, &store.MultipartUpload{Bucket: bucket, Key: key})
	if err != nil {
		return err
	}
	req := &store.CompleteRequest{Bucket: bucket, Key: key, UploadID: u.ID, ETag: fmt.Sprint(salt)}
	for i, part := range [][]byte{data[b:], data[:a], data[a:b]} {
		number := max(i, 1) // so that the first one is replaced
		etag, err := putPart(d, u, number, part)
		if err != nil {
			return err
		}
		if i > 0 {
			req.Parts = append(req.Parts, store.CompletedPart{Number: number, ETag: etag})
		}
	}
	if _, err := putPart(d, u, 4, data[a:]); err != nil {
		return err
	}
	if err := putInto(d, bucket, scratchPrefix+key, data); err != nil {
		return err
	}
	last, err := d.CopyPart(ctx, &store.PartCopyRequest{
		Bucket: bucket, Key: key, UploadID: u.ID, Number: 3, Offset: int64(b), Size: int64(len(data) - b),
		Source: daypass.ObjectRef{Bucket: bucket, Key: scratchPrefix + key},
	}, func() (store.PartSums, error) { return store.PartSums{ETag: "of the last"}, nil })
	if err != nil {
		return err
	}
	req.Parts = append(req.Parts, store.CompletedPart{Number: 3, ETag: last.ETag})
	if _, err := d.CompleteUpload(ctx, req); err != nil {
		return err
	}
	return removeFrom(d, bucket, scratchPrefix+key)
}

func putPart(d *Driver, u *store.MultipartUpload, number int, data []byte) (etag string, err error) {
	body, err := store.NewUpload(bytes.NewReader(data), store.UploadOptions{Size: -1})
	if err != nil {
		return "", err
	}
	p, err := d.PutPart(context.Background(), &store.PartRequest{
		Bucket: u.Bucket, Key: u.Key, UploadID: u.ID, Number: number, Body: body,
	})
	if err != nil {
		return "", err
	}
	return p.ETag, nil
}

// cleanUp ends the uploads that a crash has left and removes scratch keys.
func cleanUp(t testing.TB, d *Driver, bucket string) {
	t.Helper()
	ctx := context.Background()
	uploads, err := d.ListUploads(ctx, store.UploadsRequest{Bucket: bucket, Max: 1000})
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range uploads.Uploads {
		if err := d.AbortUpload(ctx, bucket, u.Key, u.ID); err != nil {
			t.Error(err)
		}
	}
	versions, err := d.ListVersions(ctx, store.VersionsRequest{Bucket: bucket, Max: 10_000})
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range versions.Versions {
		if v.IsLatest && !strings.HasPrefix(v.Key, scratchPrefix) {
			continue
		}
		ref := daypass.ObjectRef{Bucket: bucket, Key: v.Key, VersionID: cmp.Or(v.VersionID, store.NullVersion)}
		if _, err := d.DeleteObject(ctx, ref, store.DeleteOptions{}); err != nil {
			t.Error(err)
		}
	}
}

// A history is what one writer did to one key. The state before is entry 0.
type history struct {
	key string

	mu       sync.Mutex
	outcomes []outcome
	acked    int // the last outcome that was acknowledged
}

func (h *history) begin(o outcome) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.outcomes = append(h.outcomes, o)
}

func (h *history) ack() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.acked = len(h.outcomes) - 1
}

func (h *history) snapshot() (outcomes []outcome, acked int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.outcomes[:len(h.outcomes):len(h.outcomes)], h.acked
}

// randomOutcome favours sizes around the border between index and files.
func randomOutcome(rng *rand.Rand) outcome {
	sizes := []int{-1, -1, 0, 10, 1000, 1024, 1025, 2000, 10_000, 50_000}
	return outcome{seed: rng.Uint64(), size: sizes[rng.IntN(len(sizes))]}
}

// TestCrash cuts the power in the midst of concurrent writes, over and over:
// each write that was acknowledged before is there, whole; each that was not
// is there whole or not at all; and nothing else is left.
func TestCrash(t *testing.T) {
	rounds := 150
	if testing.Short() {
		rounds = 20
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	c := &crasher{T: t, rng: rand.New(rand.NewPCG(seed, 0)), fs: newMemFS()}
	d := openMem(t, c.fs)
	createTestBucket(t, d)
	for i := range 12 {
		c.keys = append(c.keys, &history{key: fmt.Sprintf("key-%d", i), outcomes: []outcome{{size: -1}}})
	}
	for range rounds {
		c.crashWhileWriting(d)
		if c.rng.IntN(3) == 0 {
			c.crashWhileOpening()
		}
		d = openMem(t, c.fs)
		checkConsistency(t, d)
		c.check(d)
		cleanUp(t, d, testBucket)
		checkConsistency(t, d)
		if t.Failed() {
			break
		}
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}

type crasher struct {
	*testing.T
	rng  *rand.Rand
	fs   crashFS
	keys []*history
}

// crash returns what a loss of power leaves now.
func (c *crasher) crash() crashFS {
	percent := []int{0, 100, 50, c.rng.IntN(101)}[c.rng.IntN(4)]
	return crashFS{c.fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: c.rng})}
}

// crashWhileWriting lets one writer per key work until the power goes, and
// notes which states of each key may be found after it.
func (c *crasher) crashWhileWriting(d *Driver) {
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for _, h := range c.keys {
		rng := rand.New(rand.NewPCG(c.rng.Uint64(), 0))
		wg.Go(func() { c.write(d, h, rng, stop) })
	}
	time.Sleep(time.Duration(c.rng.IntN(20_000)) * time.Microsecond)
	acked := make([]int, len(c.keys))
	for i, h := range c.keys {
		_, acked[i] = h.snapshot()
	}
	after := c.crash()
	for i, h := range c.keys {
		possible, _ := h.snapshot()
		c.keys[i] = &history{key: h.key, outcomes: possible[acked[i]:]}
	}
	close(stop)
	wg.Wait()
	if err := d.Close(); err != nil {
		c.Error(err)
	}
	c.fs = after
}

func (c *crasher) write(d *Driver, h *history, rng *rand.Rand, stop chan struct{}) {
	for {
		select {
		case <-stop:
			return
		default:
		}
		o := randomOutcome(rng)
		h.begin(o)
		if err := o.apply(d, testBucket, h.key); err != nil {
			c.Error(err)
			return
		}
		h.ack()
	}
}

// crashWhileOpening cuts the power during recovery.
func (c *crasher) crashWhileOpening() {
	opened := make(chan *Driver)
	go func() {
		d, err := Open(memOptions(c.fs))
		if err != nil {
			c.Error(err)
		}
		opened <- d
	}()
	time.Sleep(time.Duration(c.rng.IntN(3_000)) * time.Microsecond)
	after := c.crash()
	if d := <-opened; d != nil {
		d.Close()
	}
	c.fs = after
}

// check compares each key with its history, and begins a new one.
func (c *crasher) check(d *Driver) {
	for i, h := range c.keys {
		found, err := match(d, testBucket, h.key, h.outcomes)
		if err != nil {
			c.Error(err)
		}
		c.keys[i] = &history{key: h.key, outcomes: []outcome{found}}
	}
}

// match returns which of the possible outcomes is stored under key.
func match(d *Driver, bucket, key string, possible []outcome) (outcome, error) {
	data, ok, err := readRef(d, daypass.ObjectRef{Bucket: bucket, Key: key})
	if err != nil {
		return outcome{}, err
	}
	for _, o := range possible {
		if !ok && o.size < 0 || ok && len(data) == o.size && bytes.Equal(data, content(o.seed, o.size)) {
			return o, nil
		}
	}
	return outcome{}, fmt.Errorf("%s: found %d bytes (exists: %v), possible are %v", key, len(data), ok, possible)
}
