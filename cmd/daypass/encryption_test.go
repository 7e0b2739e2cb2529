package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	mathrand "math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/state"
	"github.com/daypass/daypass/state/sqlstate"
	"github.com/daypass/daypass/store"
	"github.com/daypass/daypass/store/diskstore"
	"github.com/daypass/daypass/store/sealed"
)

// A vault is a data directory with encrypted objects.
type vault struct {
	t     *testing.T
	dir   string
	node  *node
	store *store.Store
}

// openVault opens a data directory as a node does.
func openVault(t *testing.T, dir string) *vault {
	t.Helper()
	driver, err := diskstore.Open(diskstore.Options{Dir: dir, MinFree: 1})
	if err != nil {
		t.Fatal(err)
	}
	settings, err := sqlstate.OpenSQLite(t.Context(), filepath.Join(dir, "state.db"))
	if err != nil {
		t.Fatal(err)
	}
	s, err := state.Open(t.Context(), settings, vaultKey, state.Options{})
	if err != nil {
		t.Fatal(err)
	}
	v := &vault{t: t, dir: dir, node: &node{state: s}}
	v.store = store.New(driver, store.WithWrappingKeys(wrappingKeys{v.node}))
	return v
}

var vaultKey = state.MasterKey([]byte("the master key of the test vault"))

func (v *vault) close() {
	v.t.Helper()
	if err := errors.Join(v.node.state.Close(), v.store.Close()); err != nil {
		v.t.Error(err)
	}
}

func (v *vault) rotation() *rotation {
	return newRotation(v.node.state, v.store, time.Now, slog.New(slog.DiscardHandler))
}

const vaultBucket = "vault"

func (v *vault) put(key string, data []byte, how store.Sealing) *store.Object {
	v.t.Helper()
	body, err := store.NewUpload(bytes.NewReader(data), store.UploadOptions{Size: int64(len(data))})
	if err != nil {
		v.t.Fatal(err)
	}
	obj, err := v.store.PutObject(v.t.Context(), &store.PutRequest{Bucket: vaultBucket, Key: key, Body: body, Sealing: how})
	if err != nil {
		v.t.Fatal(err)
	}
	return obj
}

func (v *vault) putParts(key string, data []byte, how store.Sealing) {
	v.t.Helper()
	ctx := v.t.Context()
	u, err := v.store.CreateUpload(ctx, &store.MultipartUpload{Bucket: vaultBucket, Key: key, Sealing: how})
	if err != nil {
		v.t.Fatal(err)
	}
	req := &store.CompleteRequest{Bucket: vaultBucket, Key: key, UploadID: u.ID, Size: -1}
	for n, part := range [][]byte{data[:store.MinPartSize], data[store.MinPartSize:]} {
		body, err := store.NewUpload(bytes.NewReader(part), store.UploadOptions{Size: int64(len(part))})
		if err != nil {
			v.t.Fatal(err)
		}
		p, err := v.store.PutPart(ctx, &store.PartRequest{Bucket: vaultBucket, Key: key, UploadID: u.ID, Number: n + 1, Body: body, CustomerKey: how.Key})
		if err != nil {
			v.t.Fatal(err)
		}
		req.Parts = append(req.Parts, store.CompletedPart{Number: n + 1, ETag: p.ETag})
	}
	if _, err := v.store.CompleteUpload(ctx, req); err != nil {
		v.t.Fatal(err)
	}
}

func (v *vault) read(key string, customer *store.Key) []byte {
	v.t.Helper()
	obj, body, err := v.store.OpenWithKey(v.t.Context(), daypass.ObjectRef{Bucket: vaultBucket, Key: key}, customer)
	if err != nil {
		v.t.Fatal(err)
	}
	defer body.Close()
	r, err := body.Range(0, obj.Size)
	if err != nil {
		v.t.Fatal(err)
	}
	data, err := io.ReadAll(r)
	if err != nil {
		v.t.Fatal(err)
	}
	return data
}

// noise returns bytes that nothing can compress and nothing else holds.
func noise(seed byte, n int) []byte {
	b := make([]byte, n)
	mathrand.NewChaCha8([32]byte{seed, 0xCA, 0x9A}).Read(b)
	return b
}

// holds reports in which files of a directory a secret is found: 16 bytes of its
// beginning, or of what begins every 1024 bytes at first and every 256 KiB later.
func holds(t *testing.T, dir string, secret []byte) (found []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		for i := 0; err == nil && i+16 <= len(secret); i += step(i) {
			if bytes.Contains(text, secret[i:i+16]) {
				found = append(found, path)
				break
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// step is how far the next place lies where holds looks.
func step(i int) int {
	if i < 4096 {
		return 1024
	}
	return 256 << 10
}

// TestCanary looks through the whole data directory for the content of
// encrypted objects, of all sizes and kinds, and for every key.
func TestCanary(t *testing.T) {
	v := openVault(t, t.TempDir())
	if _, err := v.store.CreateBucket(t.Context(), store.Bucket{Name: vaultBucket}, time.Now()); err != nil {
		t.Fatal(err)
	}
	customer := (*store.Key)([]byte("the key of a customer, 32 bytes."))
	canary, control := noise(1, 6<<20), noise(2, 10<<10)
	v.put("control", control, store.Sealing{})
	for name, how := range map[string]store.Sealing{"s3": {SSE: store.SSES3}, "c": {SSE: store.SSEC, Key: customer}} {
		v.put(name+" small", canary[:3000], how)
		v.put(name+" large", canary[:1<<20], how)
		v.putParts(name+" parts", canary, how)
		for _, to := range []string{name + " small", name + " parts"} {
			_, err := v.store.CopyObject(t.Context(), &store.CopyRequest{Source: daypass.ObjectRef{Bucket: vaultBucket, Key: to},
				Bucket: vaultBucket, Key: "copy of " + to, Sealing: how, SourceKey: how.Key})
			if err != nil {
				t.Fatal(err)
			}
		}
		if got := v.read("copy of "+name+" parts", how.Key); !bytes.Equal(got, canary) {
			t.Errorf("%d bytes come back of the copy of %s", len(got), name)
		}
	}
	wrapping, err := wrappingKeys{v.node}.WrappingKey(1)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // open, with what is only in logs, and closed
		if found := holds(t, v.dir, control); len(found) == 0 {
			t.Fatal("the search does not find what is not encrypted")
		}
		if found := holds(t, v.dir, canary); len(found) > 0 {
			t.Errorf("the content of encrypted objects is in %q", found)
		}
		for name, key := range map[string][]byte{"the customer's key": customer[:], "the wrapping key": wrapping[:], "the master key": vaultKey[:]} {
			for _, form := range []string{string(key), fmt.Sprintf("%x", key), base64.StdEncoding.EncodeToString(key)} {
				if found := holds(t, v.dir, []byte(form)); len(found) > 0 {
					t.Errorf("%s is in %q", name, found)
				}
			}
		}
		if v.store != nil {
			v.close()
			v.store = nil
		}
	}
}

// TestTamperedFiles changes files of bodies as a thief would. What was changed
// is not served.
func TestTamperedFiles(t *testing.T) {
	v := openVault(t, t.TempDir())
	defer v.close()
	if _, err := v.store.CreateBucket(t.Context(), store.Bucket{Name: vaultBucket}, time.Now()); err != nil {
		t.Fatal(err)
	}
	content := noise(4, 300<<10)
	for _, key := range []string{"one", "two"} {
		v.put(key, content, store.Sealing{SSE: store.SSES3})
	}
	var files []string
	for path := range bodyFiles(t, v.dir) {
		files = append(files, path)
	}
	one, err := os.ReadFile(files[0])
	if err != nil || len(files) != 2 {
		t.Fatal(files, err)
	}
	two, err := os.ReadFile(files[1])
	if err != nil {
		t.Fatal(err)
	}
	flipped := bytes.Clone(one)
	flipped[len(flipped)/2] ^= 1
	for what, change := range map[string][2][]byte{"swapped": {two, one}, "a bit flipped": {flipped, flipped}, "cleared": {make([]byte, len(one)), make([]byte, len(one))}} {
		for i, path := range files {
			if err := os.WriteFile(path, change[i], 0o600); err != nil {
				t.Fatal(err)
			}
		}
		for _, key := range []string{"one", "two"} {
			_, body, err := v.store.OpenObject(t.Context(), daypass.ObjectRef{Bucket: vaultBucket, Key: key})
			if err != nil {
				t.Fatal(err)
			}
			r, err := body.Range(0, int64(len(content)))
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(r)
			if !errors.Is(err, sealed.ErrDamaged) || !bytes.HasPrefix(content, got) {
				t.Errorf("%s: %d bytes of %s were read, %v", what, len(got), key, err)
			}
			body.Close()
		}
	}
}

// A bodyFile is what would change if somebody wrote to a file.
type bodyFile struct {
	inode   uint64
	size    int64
	changed time.Time
}

func bodyFiles(t *testing.T, dir string) map[string]bodyFile {
	t.Helper()
	files := map[string]bodyFile{}
	err := filepath.WalkDir(filepath.Join(dir, "blobs"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			stat := info.Sys().(*syscall.Stat_t)
			files[path] = bodyFile{stat.Ino, info.Size(), info.ModTime()}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// TestRotation stops a rotation half-way and goes on with it after a restart.
// No file of a body changes.
func TestRotation(t *testing.T) {
	dir := t.TempDir()
	v := openVault(t, dir)
	if _, err := v.store.CreateBucket(t.Context(), store.Bucket{Name: vaultBucket}, time.Now()); err != nil {
		t.Fatal(err)
	}
	const objects = 700
	how := store.Sealing{SSE: store.SSES3}
	for i := range objects {
		v.put(fmt.Sprint("small ", i), noise(byte(i), 100), how)
	}
	large := noise(9, 300<<10)
	for i := range 3 {
		v.put(fmt.Sprint("large ", i), large, how)
	}
	v.putParts("parts", noise(8, 6<<20), how)
	before := bodyFiles(t, dir)
	if len(before) != 5 {
		t.Fatalf("%d files of bodies, want 5", len(before))
	}

	r := v.rotation()
	steps := 0
	killed := errors.New("killed")
	r.rest = func(context.Context, time.Duration) error {
		if steps++; steps == 3 {
			return killed
		}
		return nil
	}
	begun, err := r.RotateEncryption(t.Context())
	if err != nil || begun.Generation != 2 || !begun.Running {
		t.Fatalf("the rotation began as %+v, %v", begun, err)
	}
	<-r.done
	halfway, err := r.Encryption(t.Context())
	if err != nil || halfway.Running || !halfway.Stopped {
		t.Errorf("half-way: %+v, %v", halfway, err)
	}
	v.close()
	if old := generations(t, dir)[1]; old == 0 || old == objects+4 {
		t.Fatalf("%d objects have the old key half-way", old)
	}

	v = openVault(t, dir)
	r = v.rotation()
	r.rest = func(context.Context, time.Duration) error { return nil }
	if err := r.resume(t.Context()); err != nil {
		t.Fatal(err)
	}
	<-r.done
	ended, err := r.Encryption(t.Context())
	if err != nil || ended.Running || ended.Stopped || ended.Ended.IsZero() || ended.Generation != 2 {
		t.Errorf("the rotation ended as %+v, %v", ended, err)
	}
	if got := v.read("parts", nil); !bytes.Equal(got, noise(8, 6<<20)) {
		t.Error("the parts have changed")
	}
	if got := v.read("large 2", nil); !bytes.Equal(got, large) {
		t.Error("an object has changed")
	}
	v.close()
	if g := generations(t, dir); g[1] != 0 || g[2] != objects+4 {
		t.Errorf("objects by generation: %v", g)
	}
	after := bodyFiles(t, dir)
	for path, file := range before {
		if after[path] != file {
			t.Errorf("%s has changed: %+v, was %+v", path, after[path], file)
		}
	}
	if len(after) != len(before) {
		t.Errorf("%d files of bodies, were %d", len(after), len(before))
	}
}

// generations counts the objects by the generation of their wrapping key.
func generations(t *testing.T, dir string) map[uint32]int {
	t.Helper()
	v := openVault(t, dir)
	defer v.close()
	count := map[uint32]int{}
	req := store.ListRequest{Bucket: vaultBucket, Max: 1000}
	for {
		page, err := v.store.ListObjects(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		for _, obj := range page.Objects {
			count[obj.Encryption.Generation]++
		}
		if !page.Truncated {
			return count
		}
		req.After = page.Next
	}
}

// TestRotationClose ends what runs when the node ends.
func TestRotationClose(t *testing.T) {
	v := openVault(t, t.TempDir())
	defer v.close()
	r := v.rotation()
	if _, err := v.store.CreateBucket(t.Context(), store.Bucket{Name: vaultBucket}, time.Now()); err != nil {
		t.Fatal(err)
	}
	v.put("key", []byte("x"), store.Sealing{SSE: store.SSES3})
	resting := make(chan struct{}, 1)
	r.rest = func(ctx context.Context, _ time.Duration) error {
		select {
		case resting <- struct{}{}:
		default:
		}
		<-ctx.Done()
		return ctx.Err()
	}
	if _, err := r.RotateEncryption(t.Context()); err != nil {
		t.Fatal(err)
	}
	<-resting
	if err := r.close(); err != nil {
		t.Fatal(err)
	}
	if _, err := r.RotateEncryption(t.Context()); err == nil {
		t.Error("a rotation begins after the end")
	}
}
