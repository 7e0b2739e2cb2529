package e2e

import (
	"bytes"
	"crypto/md5"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

const (
	killRounds  = 20
	killWriters = 8
	killKeys    = 12 // of each writer
	// killPart is above what is uploaded in parts, and their size.
	killPart = 5 << 20
)

// TestKill kills the server under load again and again. What it acknowledged
// must be there, whole; what it did not may be there, whole, or not at all.
func TestKill(t *testing.T) {
	t.Parallel()
	rounds := killRounds
	if s := os.Getenv("DAYPASS_E2E_KILL_ROUNDS"); s != "" {
		var err error
		if rounds, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv("DAYPASS_E2E_KILL_SEED"); s != "" {
		var err error
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	k := &killer{t: t, dir: t.TempDir(), bucket: "kill", seed: seed}
	for w := range killWriters {
		k.writers = append(k.writers, newWriter(k, w))
	}
	for round := range rounds {
		k.round(round)
		if t.Failed() {
			t.Fatalf("in round %d of DAYPASS_E2E_KILL_SEED=%d", round, seed)
		}
	}
	last := launch(t, k.dir)
	k.check(last.s3())
	last.stop(t)
	puts, deletes, doubtful := 0, 0, 0
	for _, w := range k.writers {
		puts, deletes, doubtful = puts+w.puts, deletes+w.deletes, doubtful+w.doubtful
	}
	t.Logf("measured: %d rounds, %d uploads and %d deletions acknowledged, %d operations cut off, of which %d took effect",
		rounds, puts, deletes, doubtful, k.took)
	if puts < rounds*killWriters || doubtful < rounds {
		t.Errorf("too little happened to prove anything")
	}
}

type killer struct {
	t       *testing.T
	dir     string
	bucket  string
	seed    uint64
	writers []*writer
	took    int // operations that took effect without being acknowledged
}

// round starts the server, checks what the last round left, and kills the
// server while all writers write.
func (k *killer) round(n int) {
	s := launch(k.t, k.dir)
	defer s.kill()
	client := s.s3(func(o *s3.Options) { o.RetryMaxAttempts = 1 })
	if n == 0 {
		if _, err := client.CreateBucket(k.t.Context(), &s3.CreateBucketInput{Bucket: &k.bucket}); err != nil {
			k.t.Fatal(err)
		}
	}
	k.check(client)
	var all sync.WaitGroup
	for _, w := range k.writers {
		all.Go(func() { w.write(client) })
	}
	time.Sleep(100*time.Millisecond + time.Duration(rand.IntN(400))*time.Millisecond)
	s.kill()
	all.Wait()
}

// check compares every key with what its writer knows.
func (k *killer) check(client *s3.Client) {
	listed := map[string]int64{}
	pages := s3.NewListObjectsV2Paginator(client, &s3.ListObjectsV2Input{Bucket: &k.bucket})
	for pages.HasMorePages() {
		page, err := pages.NextPage(k.t.Context())
		if err != nil {
			k.t.Fatal(err)
		}
		for _, o := range page.Contents {
			listed[*o.Key] = *o.Size
		}
	}
	known := 0
	for _, w := range k.writers {
		for i := range w.keys {
			key := &w.keys[i]
			body, err := k.get(client, key.name)
			if err != nil {
				k.t.Errorf("%s: %v", key.name, err)
				continue
			}
			if size, ok := listed[key.name]; ok != (body != nil) || size != int64(len(body)) {
				k.t.Errorf("%s: has %d bytes, listed %v with %d", key.name, len(body), ok, size)
			}
			if body != nil {
				known++
			}
			k.settle(key, body)
		}
	}
	if len(listed) != known {
		k.t.Errorf("%d keys are listed, %d are known", len(listed), known)
	}
}

// settle decides what became of an operation that was cut off.
func (k *killer) settle(key *killKey, body []byte) {
	got := contentID(body)
	if body != nil && !bytes.Equal(body, content(got, len(body))) {
		k.t.Errorf("%s: the %d bytes of content %d are damaged", key.name, len(body), got)
	}
	switch {
	case got == key.acked:
	case key.pending && got == key.next:
		k.took++
	default:
		k.t.Errorf("%s: holds content %d, acknowledged is %d, cut off was %v %d", key.name, got, key.acked, key.pending, key.next)
	}
	key.acked, key.pending = got, false
}

// get returns an object's content, checked against its ETag, or nil where
// there is none.
func (k *killer) get(client *s3.Client, name string) ([]byte, error) {
	res, err := client.GetObject(k.t.Context(), &s3.GetObjectInput{Bucket: &k.bucket, Key: &name})
	if missing := (*types.NoSuchKey)(nil); errors.As(err, &missing) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, err
	}
	sum := md5.Sum(body)
	want := strconv.Quote(hex.EncodeToString(sum[:]))
	if len(body) > killPart {
		want = partsETag(slices.Collect(slices.Chunk(body, killPart))...)
	}
	if *res.ETag != want {
		return nil, fmt.Errorf("%d bytes do not match their ETag %s", len(body), *res.ETag)
	}
	return body, nil
}

// A killKey is one key and what its writer knows of it. Contents are known
// by a number; 0 is none.
type killKey struct {
	name    string
	acked   uint64 // content after the last acknowledged operation
	pending bool   // whether an operation was cut off after that
	next    uint64 // what that operation would have left
}

// A writer changes keys of its own, one operation at a time.
type writer struct {
	*killer
	rand                    *rand.Rand
	keys                    []killKey
	last                    uint64
	puts, deletes, doubtful int
}

func newWriter(k *killer, n int) *writer {
	w := &writer{killer: k, rand: rand.New(rand.NewPCG(k.seed, uint64(n)))}
	for i := range killKeys {
		w.keys = append(w.keys, killKey{name: fmt.Sprintf("writer %d/key %d", n, i)})
	}
	return w
}

// write goes on until the server is gone.
func (w *writer) write(client *s3.Client) {
	for {
		key := &w.keys[w.rand.IntN(len(w.keys))]
		if key.pending {
			return // its operation failed, and so will all others
		}
		remove := w.rand.IntN(4) == 0
		err := w.change(client, key, remove)
		if err != nil {
			key.pending = true
			w.doubtful++
			if res := interface{ HTTPStatusCode() int }(nil); errors.As(err, &res) && res.HTTPStatusCode() != 0 {
				w.t.Errorf("%s: %v", key.name, err)
			}
			return
		}
		key.acked = key.next
		if remove {
			w.deletes++
		} else {
			w.puts++
		}
	}
}

// change deletes a key, copies another to it or uploads to it.
func (w *writer) change(client *s3.Client, key *killKey, remove bool) error {
	key.next = 0
	if remove {
		_, err := client.DeleteObject(w.t.Context(), &s3.DeleteObjectInput{Bucket: &w.bucket, Key: &key.name})
		return err
	}
	if source := &w.keys[w.rand.IntN(len(w.keys))]; source != key && source.acked != 0 && w.rand.IntN(4) == 0 {
		key.next = source.acked
		from := w.bucket + "/" + strings.ReplaceAll(source.name, " ", "%20")
		_, err := client.CopyObject(w.t.Context(), &s3.CopyObjectInput{Bucket: &w.bucket, Key: &key.name, CopySource: &from})
		return err
	}
	w.last++
	key.next = w.last
	body := content(key.next, w.size())
	if len(body) > killPart {
		return w.uploadParts(client, key.name, body)
	}
	_, err := client.PutObject(w.t.Context(), &s3.PutObjectInput{Bucket: &w.bucket, Key: &key.name, Body: bytes.NewReader(body)})
	return err
}

func (w *writer) uploadParts(client *s3.Client, key string, body []byte) error {
	ctx := w.t.Context()
	begun, err := client.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: &w.bucket, Key: &key})
	if err != nil {
		return err
	}
	var parts []types.CompletedPart
	for chunk := range slices.Chunk(body, killPart) {
		number := aws.Int32(int32(len(parts) + 1))
		part, err := client.UploadPart(ctx, &s3.UploadPartInput{Bucket: &w.bucket, Key: &key, UploadId: begun.UploadId, PartNumber: number, Body: bytes.NewReader(chunk)})
		if err != nil {
			return err
		}
		parts = append(parts, types.CompletedPart{ETag: part.ETag, ChecksumCRC32: part.ChecksumCRC32, PartNumber: number})
	}
	_, err = client.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{Bucket: &w.bucket, Key: &key, UploadId: begun.UploadId,
		MultipartUpload: &types.CompletedMultipartUpload{Parts: parts}})
	return err
}

// size covers what the store keeps beside its index and what it keeps as
// files, in one piece and in parts.
func (w *writer) size() int {
	if w.rand.IntN(20) == 0 {
		return killPart + 1 + w.rand.IntN(64<<10)
	}
	switch w.rand.IntN(10) {
	case 0:
		return 1<<20 + w.rand.IntN(2<<20)
	case 1, 2, 3:
		return 16<<10 + w.rand.IntN(256<<10)
	default:
		return 8 + w.rand.IntN(4<<10)
	}
}

// content is the body with the given number and size: at least 8 bytes.
func content(id uint64, size int) []byte {
	b := make([]byte, size)
	source := rand.NewChaCha8([32]byte{byte(id), byte(id >> 8), byte(id >> 16), byte(id >> 24)})
	source.Read(b)
	binary.LittleEndian.PutUint64(b, id)
	return b
}

func contentID(body []byte) uint64 {
	if len(body) < 8 {
		return 0
	}
	return binary.LittleEndian.Uint64(body)
}

// TestKillUpload kills the server again and again during one upload in parts.
// The client goes on after each start with what ListParts says is there.
func TestKillUpload(t *testing.T) {
	t.Parallel()
	const parts = 16
	k := &killer{t: t, dir: t.TempDir(), bucket: "kill-upload"}
	body, key := pattern(parts*killPart), aws.String("large")
	sums := slices.Collect(slices.Chunk(body, killPart))
	var id *string
	acked := map[int32]string{}
	starts := 0
	for ; len(acked) < parts && starts < 100; starts++ {
		s := launch(t, k.dir)
		client := s.s3(func(o *s3.Options) { o.RetryMaxAttempts = 1 })
		if id == nil {
			if _, err := client.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &k.bucket}); err != nil {
				t.Fatal(err)
			}
			begun, err := client.CreateMultipartUpload(t.Context(), &s3.CreateMultipartUploadInput{Bucket: &k.bucket, Key: key})
			if err != nil {
				t.Fatal(err)
			}
			id = begun.UploadId
		}
		k.checkParts(client, key, id, acked)
		killed := time.AfterFunc(time.Duration(20+rand.IntN(60)+5*starts)*time.Millisecond, s.kill)
		for number := int32(1); number <= parts; number++ {
			if acked[number] != "" {
				continue
			}
			part, err := client.UploadPart(t.Context(), &s3.UploadPartInput{Bucket: &k.bucket, Key: key, UploadId: id, PartNumber: &number, Body: bytes.NewReader(sums[number-1])})
			if err != nil {
				break
			}
			acked[number] = *part.ETag
		}
		killed.Stop()
		s.kill()
	}
	s := launch(t, k.dir)
	defer s.stop(t)
	client := s.s3()
	k.checkParts(client, key, id, acked)
	var list []types.CompletedPart
	for number := int32(1); number <= parts; number++ {
		list = append(list, types.CompletedPart{ETag: aws.String(acked[number]), PartNumber: aws.Int32(number)})
	}
	_, err := client.CompleteMultipartUpload(t.Context(), &s3.CompleteMultipartUploadInput{Bucket: &k.bucket, Key: key, UploadId: id,
		MultipartUpload: &types.CompletedMultipartUpload{Parts: list}})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := k.get(client, *key); err != nil || !bytes.Equal(got, body) {
		t.Errorf("%d bytes came back as %d others, %v", len(body), len(got), err)
	}
	if starts < 2 {
		t.Errorf("%d starts prove nothing", starts)
	}
	t.Logf("measured: an upload of %d parts over %d starts", parts, starts)
}

// checkParts checks that all acknowledged parts are there.
func (k *killer) checkParts(client *s3.Client, key, id *string, acked map[int32]string) {
	k.t.Helper()
	listed, err := client.ListParts(k.t.Context(), &s3.ListPartsInput{Bucket: &k.bucket, Key: key, UploadId: id})
	if err != nil {
		k.t.Fatal(err)
	}
	there := map[int32]string{}
	for _, p := range listed.Parts {
		there[*p.PartNumber] = *p.ETag
	}
	for number, etag := range acked {
		if there[number] != etag {
			k.t.Errorf("part %d was acknowledged as %s and is %q", number, etag, there[number])
		}
	}
}
