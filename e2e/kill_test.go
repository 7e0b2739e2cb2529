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
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

const (
	killRounds  = 20
	killWriters = 8
	killKeys    = 12 // of each writer
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
	if etag := strings.Trim(*res.ETag, `"`); etag != hex.EncodeToString(sum[:]) {
		return nil, fmt.Errorf("%d bytes do not match their ETag %s", len(body), etag)
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
		key.next = 0
		if !remove {
			w.last++
			key.next = w.last
		}
		var err error
		if remove {
			_, err = client.DeleteObject(w.t.Context(), &s3.DeleteObjectInput{Bucket: &w.bucket, Key: &key.name})
		} else {
			body := bytes.NewReader(content(key.next, w.size()))
			_, err = client.PutObject(w.t.Context(), &s3.PutObjectInput{Bucket: &w.bucket, Key: &key.name, Body: body})
		}
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

// size covers what the store keeps beside its index and what it keeps as
// files.
func (w *writer) size() int {
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
