package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing/iotest"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/store"
	"github.com/daypass/daypass/store/sealed"
	"github.com/google/go-cmp/cmp"
)

// wrappingKeys are those of a test, of which the older ones can be lost.
type wrappingKeys struct {
	current, oldest atomic.Uint32
}

func (k *wrappingKeys) Current(context.Context) (uint32, error) { return k.current.Load(), nil }

var errLostKey = errors.New("the wrapping key is lost")

func (k *wrappingKeys) WrappingKey(generation uint32) (store.Key, error) {
	if generation < k.oldest.Load() {
		return store.Key{}, errLostKey
	}
	return store.Key{byte(generation), byte(generation >> 8), 0xEE}, nil
}

// withKeys makes encryption possible.
func (s *suite) withKeys() *wrappingKeys {
	k := &wrappingKeys{}
	k.current.Store(1)
	s.store = store.New(s.driver, store.WithWrappingKeys(k))
	return k
}

// customer is a customer's key, another one of another.
var customer, another = &store.Key{1, 2, 3}, &store.Key{1, 2, 4}

// sealings are all ways to keep an object.
func sealings() []store.Sealing {
	return []store.Sealing{{}, {SSE: store.SSES3}, {SSE: store.SSEC, Key: customer}, {SSE: store.SSEC, Key: another}}
}

// refusesEncryption reports whether the driver refuses what Store has encrypted,
// and checks that it does.
func (s *suite) refusesEncryption() bool {
	if !s.has(NoEncryption) {
		return false
	}
	s.withKeys()
	s.createBucket(bucketName)
	s.mustPut("source", []byte("content"))
	for _, how := range sealings()[1:] {
		req := s.request("key", "content")
		req.Sealing = how
		_, err := s.store.PutObject(s.ctx, req)
		s.wantCode("PutObject", err, daypass.NotImplemented)
		_, err = s.store.CopyObject(s.ctx, &store.CopyRequest{Source: ref("source"), Bucket: bucketName, Key: "key", Sealing: how})
		s.wantCode("CopyObject", err, daypass.NotImplemented)
		_, err = s.store.CreateUpload(s.ctx, &store.MultipartUpload{Bucket: bucketName, Key: "key", Sealing: how})
		s.wantCode("CreateUpload", err, daypass.NotImplemented)
	}
	s.wantMissing("key")
	s.wantCode("Supports", s.store.Supports(store.FeatureEncryption), daypass.NotImplemented)
	return true
}

func (s *suite) putSealed(key string, data []byte, how store.Sealing) *store.Object {
	s.Helper()
	body, err := store.NewUpload(bytes.NewReader(data), store.UploadOptions{Size: int64(len(data))})
	s.must(err)
	obj, err := s.store.PutObject(s.ctx, &store.PutRequest{
		Bucket: bucketName, Key: key, Owner: "writer", Body: body, Time: now, Sealing: how,
	})
	s.must(err)
	return obj
}

// getSealed returns the content of an object that is kept in a given way.
func (s *suite) getSealed(key string, how store.Sealing) ([]byte, error) {
	obj, body, err := s.store.OpenWithKey(s.ctx, ref(key), how.Key)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	return readRange(body, 0, obj.Size)
}

func (s *suite) wantSealed(what, key string, want []byte, how store.Sealing) {
	s.Helper()
	got, err := s.getSealed(key, how)
	if err != nil || !bytes.Equal(got, want) {
		s.Errorf("%s: %q under %q: %d bytes, %v; want %d", what, key, how.SSE, len(got), err, len(want))
	}
	obj, err := s.store.Object(s.ctx, ref(key))
	s.must(err)
	if sse := sseOf(obj.Encryption); sse != how.SSE {
		s.Errorf("%s: %q is under %q, want %q", what, key, sse, how.SSE)
	}
}

func sseOf(e *store.Encryption) store.SSE {
	if e == nil {
		return store.NoSSE
	}
	return e.SSE
}

// stored returns what the driver keeps of a body: the bytes that decide what a
// thief of the disk can read.
func (s *suite) stored(key string, size int64) []byte {
	s.Helper()
	_, body, err := s.driver.OpenObject(s.ctx, ref(key))
	s.must(err)
	defer body.Close()
	data, err := readRange(body, 0, size)
	s.must(err)
	return data
}

func testEncryption(s *suite) {
	if s.refusesEncryption() {
		return
	}
	s.withKeys()
	s.createBucket(bucketName)
	for _, size := range []int{0, 1, 100, 64<<10 - 16, 64 << 10, 2<<20 + 5} {
		data := pattern(size, size)
		plain := s.putSealed("plain", data, store.Sealing{})
		for _, how := range sealings()[1:] {
			obj := s.putSealed("key", data, how)
			s.wantSealed("put", "key", data, how)
			same := obj.ETag == plain.ETag
			if obj.Size != int64(size) || cmp.Diff(plain.Checksums, obj.Checksums) != "" || same != (how.SSE == store.SSES3) {
				s.Errorf("%d bytes under %s: size %d, ETag %s (plain %s), checksums %v", size, how.SSE, obj.Size, obj.ETag, plain.ETag, obj.Checksums)
			}
			if len(obj.ETag) != 32 {
				s.Errorf("the ETag %q has not the form of an MD5", obj.ETag)
			}
			kept := s.stored("key", sealed.SealedSize(int64(size)))
			if size > 16 && bytes.Contains(kept, data[:16]) {
				s.Errorf("%d bytes under %s are kept as they are", size, how.SSE)
			}
			again := s.putSealed("again", data, how)
			if size > 0 && bytes.Equal(kept, s.stored("again", int64(len(kept)))) || bytes.Equal(obj.Encryption.Wrapped, again.Encryption.Wrapped) {
				s.Errorf("two objects under %s have the same key", how.SSE)
			}
		}
	}
	s.sealedRanges()
	s.sealedBroken()
}

func (s *suite) sealedRanges() {
	data := pattern(5, 300<<10)
	for _, how := range sealings()[1:3] {
		s.putSealed("key", data, how)
		_, body, err := s.store.OpenWithKey(s.ctx, ref("key"), how.Key)
		s.must(err)
		for _, r := range [][2]int64{{0, 0}, {0, 1}, {65535, 2}, {65536, 65536}, {1, 299 << 10}, {300 << 10, 0}, {200000, 1000}, {201000, 1000}} {
			got, err := readRange(body, r[0], r[1])
			if err != nil || !bytes.Equal(got, data[r[0]:r[0]+r[1]]) {
				s.Errorf("range %v under %s: %d bytes, %v", r, how.SSE, len(got), err)
			}
		}
		if _, err := body.Range(1, 300<<10); err == nil {
			s.Error("a range beyond the end is not refused")
		}
		s.must(body.Close())
	}
}

// sealedBroken puts a body that breaks, or that is not what was promised.
func (s *suite) sealedBroken() {
	for what, opts := range map[string]store.UploadOptions{
		"too short":    {Size: 200 << 10},
		"wrong digest": {Size: 100 << 10, MD5: make([]byte, 16)},
		"wrong sum":    {Size: 100 << 10, Checksum: store.SHA256, ChecksumValue: sumOf(store.SHA256, nil).Value},
	} {
		body, err := store.NewUpload(iotest.HalfReader(bytes.NewReader(pattern(1, 100<<10))), opts)
		s.must(err)
		_, err = s.store.PutObject(s.ctx, &store.PutRequest{Bucket: bucketName, Key: "broken", Body: body, Sealing: store.Sealing{SSE: store.SSES3}})
		if code := daypass.CodeOf(err); code != daypass.IncompleteBody && code != daypass.BadDigest {
			s.Errorf("%s: %v", what, err)
		}
		s.wantMissing("broken")
	}
}

func testEncryptionKeys(s *suite) {
	if s.refusesEncryption() {
		return
	}
	keys := s.withKeys()
	s.createBucket(bucketName)
	data := []byte("content")
	s.putSealed("plain", data, store.Sealing{})
	s.putSealed("s3", data, store.Sealing{SSE: store.SSES3})
	s.putSealed("c", data, store.Sealing{SSE: store.SSEC, Key: customer})
	for _, c := range []struct {
		key  string
		with *store.Key
		want daypass.Code
	}{
		{"plain", nil, ""}, {"s3", nil, ""}, {"c", customer, ""},
		{"plain", customer, daypass.InvalidRequest}, {"s3", customer, daypass.InvalidRequest},
		{"c", nil, daypass.InvalidRequest}, {"c", another, daypass.AccessDenied}, {"c", &store.Key{}, daypass.AccessDenied},
	} {
		_, err := s.getSealed(c.key, store.Sealing{Key: c.with})
		s.wantCode(fmt.Sprintf("open %s", c.key), err, c.want)
		obj, err := s.store.Object(s.ctx, ref(c.key))
		s.must(err)
		s.wantCode(fmt.Sprintf("check the key of %s", c.key), s.store.CheckKey(obj, c.with), c.want)
	}
	// An object's key belongs to it: whoever can write to the index cannot
	// make the server read one object for another.
	obj, err := s.store.Object(s.ctx, ref("s3"))
	s.must(err)
	forged := *obj
	forged.Key = "plain"
	s.wantCode("the key of another object", s.store.CheckKey(&forged, nil), daypass.InternalError)

	keys.oldest.Store(2)
	if _, err := s.getSealed("s3", store.Sealing{}); !errors.Is(err, errLostKey) {
		s.Errorf("read without the wrapping key: %v", err)
	}
	s.store = store.New(s.driver)
	body, err := store.NewUpload(bytes.NewReader(data), store.UploadOptions{Size: int64(len(data))})
	s.must(err)
	_, err = s.store.PutObject(s.ctx, &store.PutRequest{Bucket: bucketName, Key: "x", Body: body, Sealing: store.Sealing{SSE: store.SSES3}})
	s.wantCode("SSE-S3 without wrapping keys", err, daypass.NotImplemented)
	s.wantMissing("x")
}

// uploadSealed begins an encrypted upload.
func (s *suite) beginSealed(key string, how store.Sealing) *store.MultipartUpload {
	s.Helper()
	u, err := s.store.CreateUpload(s.ctx, &store.MultipartUpload{Bucket: bucketName, Key: key, Owner: "writer", Initiated: now, Sealing: how})
	s.must(err)
	if u.Sealing.Key != nil {
		s.Error("an upload keeps the customer's key")
	}
	return u
}

func (s *suite) putSealedPart(u *store.MultipartUpload, number int, data []byte, key *store.Key) (*store.Part, error) {
	body, err := store.NewUpload(bytes.NewReader(data), store.UploadOptions{Size: int64(len(data))})
	s.must(err)
	return s.store.PutPart(s.ctx, &store.PartRequest{
		Bucket: u.Bucket, Key: u.Key, UploadID: u.ID, Number: number, Body: body, Time: now, CustomerKey: key,
	})
}

// testEncryptedMultipart compares random ranges of encrypted objects in random
// parts with the plain bytes.
func testEncryptedMultipart(s *suite) {
	if s.refusesEncryption() {
		return
	}
	s.withKeys()
	s.createBucket(bucketName)
	for _, how := range sealings()[1:3] {
		for seed := range uint64(8) {
			rng := rand.New(rand.NewPCG(seed, 7))
			data := s.sealedParts(rng, how)
			s.wantSealed("multipart", "parts", data, how)
			s.compareRanges(rng, data, how)
		}
	}
}

// sealedParts stores an object in random parts, one of which is replaced.
func (s *suite) sealedParts(rng *rand.Rand, how store.Sealing) (data []byte) {
	s.Helper()
	u := s.beginSealed("parts", how)
	var parts []*store.Part
	for number := 0; len(parts) < 1+rng.IntN(6); {
		number += 1 + rng.IntN(3)
		sizes := []int{0, 1, 1 + rng.IntN(3000), 64 << 10, 64<<10 + rng.IntN(9), rng.IntN(400 << 10)}
		body := pattern(rng.IntN(1000), sizes[rng.IntN(len(sizes))])
		if rng.IntN(3) == 0 {
			_, err := s.putSealedPart(u, number, pattern(1, 777), how.Key)
			s.must(err)
		}
		p, err := s.putSealedPart(u, number, body, how.Key)
		s.must(err)
		if sseOf(p.Encryption) != how.SSE {
			s.Errorf("a part is under %q", sseOf(p.Encryption))
		}
		parts, data = append(parts, p), append(data, body...)
	}
	_, err := s.completeSmall(u, parts...)
	s.must(err)
	return data
}

func (s *suite) compareRanges(rng *rand.Rand, data []byte, how store.Sealing) {
	s.Helper()
	_, body, err := s.store.OpenWithKey(s.ctx, ref("parts"), how.Key)
	s.must(err)
	defer body.Close()
	for range 40 {
		off := rng.IntN(len(data) + 1)
		n := rng.IntN(len(data) - off + 1)
		got, err := readRange(body, int64(off), int64(n))
		if err != nil || !bytes.Equal(got, data[off:off+n]) {
			s.Fatalf("range of %d from %d of %d under %s: %d bytes, %v", n, off, len(data), how.SSE, len(got), err)
		}
	}
}

func testEncryptedUploadKeys(s *suite) {
	if s.refusesEncryption() {
		return
	}
	s.withKeys()
	s.createBucket(bucketName)
	for _, how := range sealings()[:3] {
		u := s.beginSealed("key", how)
		for _, key := range []*store.Key{nil, customer, another} {
			want := daypass.InvalidRequest
			if (how.Key == nil) == (key == nil) && (key == nil || *key == *how.Key) {
				want = ""
			}
			_, err := s.putSealedPart(u, 1, []byte("x"), key)
			s.wantCode(fmt.Sprintf("part of an upload under %q", how.SSE), err, want)
			s.mustPut("source", []byte("source"))
			_, err = s.store.CopyPart(s.ctx, &store.PartCopyRequest{Bucket: u.Bucket, Key: u.Key, UploadID: u.ID,
				Number: 2, Source: ref("source"), Size: -1, CustomerKey: key})
			s.wantCode(fmt.Sprintf("copied part of an upload under %q", how.SSE), err, want)
			if key == nil {
				continue
			}
			req := completion(u)
			req.Parts, req.CustomerKey = []store.CompletedPart{{Number: 9, ETag: etag("none")}}, key
			if want == "" {
				want = "InvalidPart"
			}
			_, err = s.store.CompleteUpload(s.ctx, req)
			s.wantCode(fmt.Sprintf("completion of an upload under %q", how.SSE), err, want)
		}
	}
}

// testEncryptedCopies copies from every kind of encryption to every other.
func testEncryptedCopies(s *suite) {
	if s.refusesEncryption() {
		return
	}
	s.withKeys()
	s.createBucket(bucketName)
	for i, from := range sealings() {
		for j, to := range sealings() {
			what := fmt.Sprintf("copy from %d to %d", i, j)
			data := pattern(i*10+j, 200<<10)
			src := s.putSealed("source", data, from)
			req := &store.CopyRequest{Source: ref("source"), SourceETag: src.ETag, SourceKey: from.Key,
				Bucket: bucketName, Key: "copy", Time: now, Sealing: to}
			made, err := s.store.CopyObject(s.ctx, req)
			s.must(err)
			if made.ETag != src.ETag && from.SSE != store.SSEC && to.SSE != store.SSEC {
				s.Errorf("%s: ETag %s, want %s", what, made.ETag, src.ETag)
			}
			s.remove("source")
			s.wantSealed(what, "copy", data, to)
			req.Source, req.SourceETag, req.Key, req.SourceKey = ref("copy"), "", "copy", to.Key
			_, err = s.store.CopyObject(s.ctx, req) // onto itself
			s.must(err)
			s.wantSealed(what, "copy", data, to)
			s.copyPartSealed(what, "copy", to, from, data)
		}
	}
	s.copyKeyErrors()
}

// copyPartSealed makes a part of a range of an object.
func (s *suite) copyPartSealed(what, key string, from, to store.Sealing, data []byte) {
	s.Helper()
	u := s.beginSealed("parts", to)
	p, err := s.store.CopyPart(s.ctx, &store.PartCopyRequest{Bucket: u.Bucket, Key: u.Key, UploadID: u.ID, Number: 3,
		Source: ref(key), Offset: 70_000, Size: 100_000, SourceKey: from.Key, CustomerKey: to.Key})
	s.must(err)
	_, err = s.completeSmall(u, p)
	s.must(err)
	s.wantSealed(what+" of a part", "parts", data[70_000:170_000], to)
}

func (s *suite) copyKeyErrors() {
	for _, from := range sealings()[:3] {
		s.putSealed("source", []byte("x"), from)
		for _, key := range []*store.Key{nil, customer, another} {
			want := daypass.Code("")
			switch {
			case (from.Key == nil) != (key == nil):
				want = daypass.InvalidRequest
			case key != nil && *key != *from.Key:
				want = daypass.AccessDenied
			}
			_, err := s.store.CopyObject(s.ctx, &store.CopyRequest{Source: ref("source"), SourceKey: key, Bucket: bucketName, Key: "copy",
				Sealing: store.Sealing{SSE: from.SSE, Key: from.Key}})
			s.wantCode(fmt.Sprintf("copy of an object under %q", from.SSE), err, want)
			u := s.beginSealed("parts", store.Sealing{})
			_, err = s.store.CopyPart(s.ctx, &store.PartCopyRequest{Bucket: u.Bucket, Key: u.Key, UploadID: u.ID, Number: 1,
				Source: ref("source"), Size: -1, SourceKey: key})
			s.wantCode(fmt.Sprintf("part of an object under %q", from.SSE), err, want)
		}
	}
}

// testEncryptedCopyOfParts copies a multipart object, whose parts stay what they
// are.
func testEncryptedCopyOfParts(s *suite) {
	if s.refusesEncryption() {
		return
	}
	s.withKeys()
	s.createBucket(bucketName)
	how := store.Sealing{SSE: store.SSES3}
	data := s.sealedParts(rand.New(rand.NewPCG(3, 3)), how)
	src, err := s.store.Object(s.ctx, ref("parts"))
	s.must(err)
	made, err := s.store.CopyObject(s.ctx, &store.CopyRequest{Source: ref("parts"), Bucket: bucketName, Key: "copy", Sealing: how})
	s.must(err)
	if _, shares := s.driver.(store.Copier); shares && (made.ETag != src.ETag || made.PartCount != src.PartCount) {
		s.Errorf("the copy has ETag %s and %d parts, want %s and %d", made.ETag, made.PartCount, src.ETag, src.PartCount)
	}
	s.remove("parts")
	s.wantSealed("copy of parts", "copy", data, how)
}

// rotate runs a rotation to its end and returns how many keys it has wrapped
// anew.
func (s *suite) rotate() (changed int) {
	s.Helper()
	for pass := 1; ; {
		var cursor []byte
		found := 0
		for {
			next, n, err := s.store.Rewrap(s.ctx, cursor)
			s.must(err)
			found += n.Changed
			if cursor = next; cursor == nil {
				break
			}
		}
		changed += found
		if found == 0 {
			return changed
		}
		if pass++; pass > 10 {
			s.Fatal("a rotation does not come to its end")
		}
	}
}

func testRewrap(s *suite) {
	keys := s.withKeys()
	s.createBucket(bucketName)
	s.must(s.store.SetVersioning(s.ctx, bucketName, store.VersioningEnabled))
	want, changes := map[daypass.ObjectRef][]byte{}, 0
	for i := range 300 {
		data := pattern(i, i*7)
		obj := s.putSealed(fmt.Sprintf("key %d\x00%d", i%100, i%3), data, sealings()[i%3])
		at := ref(obj.Key)
		at.VersionID = obj.VersionID
		if want[at] = data; sealings()[i%3].SSE == store.SSES3 {
			changes++
		}
	}
	u := s.beginSealed("upload", store.Sealing{SSE: store.SSES3})
	first, err := s.putSealedPart(u, 1, pattern(1, 5<<20), nil)
	s.must(err)
	changes++

	keys.current.Store(2)
	if got := s.rotate(); got != changes {
		s.Errorf("the rotation has changed %d, want %d", got, changes)
	}
	if got := s.rotate(); got != 0 {
		s.Errorf("a second one has changed %d", got)
	}
	keys.oldest.Store(2)
	s.wantVersions(want)
	second, err := s.putSealedPart(u, 2, pattern(2, 100), nil)
	s.must(err)
	_, err = s.store.CompleteUpload(s.ctx, completion(u, first, second))
	s.must(err)
	s.wantSealed("upload over a rotation", "upload", slices.Concat(pattern(1, 5<<20), pattern(2, 100)), store.Sealing{SSE: store.SSES3})
}

func (s *suite) wantVersions(want map[daypass.ObjectRef][]byte) {
	s.Helper()
	for at, data := range want {
		_, got, err := s.getRef(at)
		if daypass.CodeOf(err) == daypass.InvalidRequest {
			var obj *store.Object
			var body store.Body
			if obj, body, err = s.store.OpenWithKey(s.ctx, at, customer); err == nil {
				got, err = readRange(body, 0, obj.Size)
				s.must(body.Close())
			}
		}
		if err != nil || !bytes.Equal(got, data) {
			s.Errorf("%s: %d bytes, %v; want %d", at, len(got), err, len(data))
		}
	}
}

// testRewrapRace writes, copies and deletes while keys are wrapped anew.
func testRewrapRace(s *suite) {
	keys := s.withKeys()
	s.createBucket(bucketName)
	s.must(s.store.SetVersioning(s.ctx, bucketName, store.VersioningEnabled))
	how := store.Sealing{SSE: store.SSES3}
	data := pattern(9, 500)
	for i := range 40 {
		s.putSealed(fmt.Sprint("key ", i), data, how)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range 200 {
			key := fmt.Sprint("key ", i%40)
			switch i % 4 {
			case 0:
				s.putSealed(key, data, how)
			case 1, 2:
				// What was removed comes back when its marker goes.
				del, err := s.store.DeleteObject(s.ctx, ref(key), store.DeleteOptions{})
				if err == nil {
					at := ref(key)
					at.VersionID = del.VersionID
					_, err = s.store.DeleteObject(s.ctx, at, store.DeleteOptions{})
				}
				if err != nil {
					s.Error(err)
				}
			default:
				if _, err := s.store.CopyObject(s.ctx, &store.CopyRequest{Source: ref(key), Bucket: bucketName, Key: key + " copy", Sealing: how}); err != nil {
					s.Error(err)
				}
			}
		}
	}()
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
		}
		keys.current.Add(1)
		s.rotate()
	}
	keys.oldest.Store(keys.current.Load())
	page, err := s.store.ListObjects(s.ctx, store.ListRequest{Bucket: bucketName, Max: 1000})
	s.must(err)
	for _, obj := range page.Objects {
		s.wantSealed("after the rotations", obj.Key, data, how)
	}
	if len(page.Objects) < 40 {
		s.Errorf("%d objects are left", len(page.Objects))
	}
}
