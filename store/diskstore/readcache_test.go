package diskstore

import (
	"bytes"
	"context"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
	"unsafe"

	"github.com/anishathalye/porcupine"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/daypass/daypass"
	"github.com/daypass/daypass/store"
)

// checkCache fails the test unless all that the read cache holds is what the
// index holds: no commit has passed it by, and nobody has changed what is
// shared.
func checkCache(t testing.TB, d *Driver) {
	t.Helper()
	for i := range d.cache.shards {
		s := &d.cache.shards[i]
		s.mu.Lock()
		var used int64
		for hash, e := range s.entries.entries {
			used += e.size
			checkCached(t, d, hash, e.value)
		}
		if used != s.entries.used || used > s.entries.limit {
			t.Errorf("%d bytes are cached, %d are counted, %d are allowed", used, s.entries.used, s.entries.limit)
		}
		s.mu.Unlock()
	}
}

func checkCached(t testing.TB, d *Driver, hash uint64, e *cached) {
	t.Helper()
	if d.cache.hash(e.bucket, e.key) != hash || d.cache.hashKey(objectKey(e.bucket, e.key)) != hash {
		t.Errorf("%s: another hash", e.key)
	}
	found, err := d.get(objectKey(e.bucket, e.key), func(value []byte) error {
		held := e.written
		if e.rec != nil {
			held = e.rec.encode()
		}
		if !bytes.Equal(value, held) {
			t.Errorf("%s: the index and the cache have different records", e.key)
		}
		return nil
	})
	if !found || err != nil {
		t.Errorf("%s is cached, but not in the index: %v", e.key, err)
	}
	if e.small == nil {
		return
	}
	if data, err := d.readSmall(e.rec.segments[0]); err != nil || !bytes.Equal(data, e.small) {
		t.Errorf("%s: the index and the cache have different bodies: %v", e.key, err)
	}
}

// TestOneWayToCommit reads the source: batches are given to Pebble in one
// place, which tells the read cache.
func TestOneWayToCommit(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if call := writesTo(n); call != "" {
				found = append(found, name+": "+call)
			}
			return true
		})
	}
	if len(found) != 1 || found[0] != "index.go: b.Commit" {
		t.Errorf("batches are committed by %q", found)
	}
}

// writesTo returns a call of a method that changes a Pebble database: those of
// a batch, which d.db or anything called db would have, and those of a DB only.
func writesTo(n ast.Node) string {
	call, ok := n.(*ast.CallExpr)
	if !ok {
		return ""
	}
	sel, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return ""
	}
	on := ""
	switch x := sel.X.(type) {
	case *ast.Ident:
		on = x.Name
	case *ast.SelectorExpr:
		on = x.Sel.Name
	}
	method := sel.Sel.Name
	switch method {
	case "Commit", "ApplyNoSyncWait", "Ingest", "IngestAndExcise", "IngestWithStats", "Excise":
		return on + "." + method
	case "Apply", "Set", "Delete", "DeleteSized", "DeleteRange", "SingleDelete", "Merge", "SetDeferred":
		if on == "db" {
			return on + "." + method
		}
	}
	return ""
}

// A cacheInput is an operation on one key.
type cacheInput struct {
	write bool
	owner string // written, and removed if it is empty
	tag   string // set if it is not empty, when there is an object
}

// cacheModel is what one key is to readers: "owner#tag", or nothing.
var cacheModel = porcupine.Model{
	Init: func() any { return "" },
	Step: func(state, input, output any) (bool, any) {
		in, was := input.(cacheInput), state.(string)
		switch {
		case !in.write:
			return output == was, was
		case in.tag == "":
			return true, in.owner
		case output == "": // no object to be tagged
			return was == "", was
		}
		owner, _, _ := strings.Cut(was, "#")
		return was != "", owner + "#" + in.tag
	},
	DescribeOperation: func(input, output any) string { return fmt.Sprintf("%+v: %v", input, output) },
}

// slowFS returns a file system in memory whose syncs take a while, so that
// reads meet commits under way.
func slowFS() vfs.FS {
	return inject(newMemFS(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpFileSync || op.Kind == errorfs.OpFileSyncData {
			time.Sleep(50 * time.Microsecond)
		}
		return nil
	}))
}

// TestReadCacheLinearizable lets clients read and write a few keys in all ways:
// each read must be of the state at one instant between its call and its
// return.
func TestReadCacheLinearizable(t *testing.T) {
	for _, versioning := range []store.Versioning{store.VersioningOff, store.VersioningEnabled, store.VersioningSuspended} {
		t.Run(string(versioning), func(t *testing.T) {
			d := openTest(t, memOptions(slowFS()))
			createTestBucket(t, d)
			if versioning != store.VersioningOff {
				if err := d.SetVersioning(t.Context(), testBucket, versioning); err != nil {
					t.Fatal(err)
				}
			}
			for round := range 30 {
				key := fmt.Sprint("key-", round)
				history := raceOn(t, d, key)
				if !porcupine.CheckOperations(cacheModel, history) {
					t.Fatalf("the history of %s has no order", key)
				}
			}
			checkConsistency(t, d)
			if n := d.cache.stats(); n.hits == 0 || n.misses == 0 {
				t.Errorf("%d hits and %d misses", n.hits, n.misses)
			}
		})
	}
}

// raceOn returns what writers and readers did to one key at once.
func raceOn(t *testing.T, d *Driver, key string) []porcupine.Operation {
	var mu sync.Mutex
	var history []porcupine.Operation
	var wg sync.WaitGroup
	began := time.Now()
	for client := range 8 {
		rng := rand.New(rand.NewPCG(rand.Uint64(), 0))
		wg.Go(func() {
			for i := range 40 {
				op := porcupine.Operation{ClientId: client, Input: cacheInput{}}
				if client < 2 && i%4 == 0 {
					op.Input = randomWrite(rng, client, i)
				}
				op.Call = int64(time.Since(began))
				out, err := runCacheOp(d, key, op.Input.(cacheInput), rng)
				op.Return = int64(time.Since(began))
				op.Output = out
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				history = append(history, op)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return history
}

func randomWrite(rng *rand.Rand, client, i int) cacheInput {
	in := cacheInput{write: true}
	switch rng.IntN(5) {
	case 0: // remove
	case 1:
		in.tag = fmt.Sprintf("tag-%d-%d", client, i)
	default:
		in.owner = fmt.Sprintf("owner-%d-%d", client, i)
	}
	return in
}

// runCacheOp runs an operation and returns what a read has found.
func runCacheOp(d *Driver, key string, in cacheInput, rng *rand.Rand) (string, error) {
	switch {
	case in.tag != "":
		tags := []store.Tag{{Key: "k", Value: in.tag}}
		_, err := d.UpdateObject(context.Background(), testRef(key), store.Update{Tags: &tags})
		return described(&store.Object{Owner: "object"}, err)
	case in.owner != "":
		return "", writeOwned(d, key, in.owner, rng.IntN(3))
	case in.write:
		return "", remove(d, key)
	case rng.IntN(2) == 0:
		return described(d.Object(context.Background(), testRef(key)))
	}
	obj, body, err := d.OpenObject(context.Background(), testRef(key))
	if err == nil {
		defer body.Close()
		r, err := body.Range(0, obj.Size)
		if err != nil {
			return "", err
		}
		var data bytes.Buffer
		if _, err := data.ReadFrom(r); err != nil || data.String() != "body of "+obj.Owner {
			return "", fmt.Errorf("%q for %q: %w", data.String(), obj.Owner, err)
		}
	}
	return described(obj, err)
}

// described returns an object as cacheModel knows it.
func described(obj *store.Object, err error) (string, error) {
	if code := daypass.CodeOf(err); code == daypass.NoSuchKey || code == daypass.MethodNotAllowed {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	if len(obj.Tags) > 0 {
		return obj.Owner + "#" + obj.Tags[0].Value, nil
	}
	return obj.Owner, nil
}

// writeOwned writes an object in one of three ways.
func writeOwned(d *Driver, key, owner string, way int) error {
	ctx := context.Background()
	data := []byte("body of " + owner)
	putTo := func(key string) error {
		body, err := store.NewUpload(bytes.NewReader(data), store.UploadOptions{Size: -1})
		if err != nil {
			return err
		}
		_, err = d.PutObject(ctx, &store.PutRequest{Bucket: testBucket, Key: key, Body: body, Owner: owner})
		return err
	}
	switch way {
	case 0:
		if err := putTo(scratchPrefix + owner + key); err != nil {
			return err
		}
		_, err := d.CopyObject(ctx, &store.CopyRequest{
			Source: testRef(scratchPrefix + owner + key), Bucket: testBucket, Key: key, Owner: owner,
		})
		return err
	case 1:
		u, err := d.CreateUpload(ctx, &store.MultipartUpload{Bucket: testBucket, Key: key, Owner: owner})
		if err != nil {
			return err
		}
		etag, err := putPart(d, u, 1, data)
		if err != nil {
			return err
		}
		_, err = d.CompleteUpload(ctx, &store.CompleteRequest{
			Bucket: testBucket, Key: key, UploadID: u.ID, Parts: []store.CompletedPart{{Number: 1, ETag: etag}},
		})
		return err
	}
	return putTo(key)
}

// TestCachedKeysAreCopies looks at what a cached key is cut from: a request's
// key is part of its head, all of which would stay in memory with it.
func TestCachedKeysAreCopies(t *testing.T) {
	d := openTest(t, memOptions(newMemFS()))
	createTestBucket(t, d)
	if err := put(d, "key", content(1, 100)); err != nil {
		t.Fatal(err)
	}
	head := "GET /bucket/key?" + strings.Repeat("x", 64<<10)
	ref := testRef(head[len("GET /bucket/"):][:len("key")])
	if _, err := d.Object(t.Context(), ref); err != nil {
		t.Fatal(err)
	}
	b, err := d.bucket(testBucket)
	if err != nil {
		t.Fatal(err)
	}
	e, _ := d.cache.get(b.number, "key")
	if e == nil {
		t.Fatal("the object is not cached")
	}
	if unsafe.StringData(e.key) == unsafe.StringData(ref.Key) {
		t.Error("the cache keeps the request in memory")
	}
}

// TestNullVersionAsVersionsBegin reads the null version of a key that has none,
// with the state that a reader may have seen before versions were kept.
func TestNullVersionAsVersionsBegin(t *testing.T) {
	d := openTest(t, memOptions(newMemFS()))
	createTestBucket(t, d)
	if err := d.SetVersioning(t.Context(), testBucket, store.VersioningEnabled); err != nil {
		t.Fatal(err)
	}
	if err := put(d, "key", content(1, 100)); err != nil {
		t.Fatal(err)
	}
	b, err := d.bucket(testBucket)
	if err != nil {
		t.Fatal(err)
	}
	off := store.VersioningOff
	b.versioning.Store(&off)
	ref := testRef("key")
	ref.VersionID = store.NullVersion
	if obj, err := d.Object(t.Context(), ref); daypass.CodeOf(err) != daypass.NoSuchVersion {
		t.Errorf("%+v, %v", obj, err)
	}
}
