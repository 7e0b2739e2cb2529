package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/store"
	"github.com/daypass/daypass/store/diskstore"
)

// The buckets of a store of n objects, by their shapes.
const (
	treeBucket     = "tree"     // n objects with bodies in 1,000 prefixes
	versionsBucket = "versions" // n versions and delete markers, versionsPerKey of each key
	desertBucket   = "desert"   // n/desertShare objects deleted, 1,000 left behind them
)

const (
	prefixes       = 1000
	bodySize       = 512
	versionsPerKey = 10
	desertShare    = 10
	oasis          = 1000 // the objects that are left in desertBucket
)

// stride spreads the order in which keys are written over the bucket: it is
// prime and no factor of any number of objects here, so every key comes once.
const stride = 7_368_787

// loadCache is how many bytes of the index are cached while a store is made:
// keys come in a spread order, and each is looked for before it is written.
const loadCache = 2 << 30

// treeKey is the key of object i of n: those of a prefix lie n/prefixes apart.
func treeKey(i, n int) string {
	per := max(n/prefixes, 1)
	return fmt.Sprintf("p%04d/a/b/%08x", i/per, i%per)
}

func flatKey(i int) string { return fmt.Sprintf("k%010d", i) }

// bodyOf fills p with a body as compressible as much text is, by half.
func bodyOf(p []byte, r *rand.ChaCha8) {
	r.Read(p[:len(p)/2])
	copy(p[len(p)/2:], bytes.Repeat([]byte(`{"kind":"entry","state":"done"}`), len(p)/62+1))
}

// A maker fills a store.
type maker struct {
	ctx    context.Context
	loader *diskstore.Loader
	owner  string
	began  time.Time
	rand   *rand.ChaCha8
	body   []byte
}

// makeStore makes a store of n objects in dir, unless it is there. The server
// makes the buckets, the loader fills them; a plain store's only treeBucket.
func makeStore(ctx context.Context, program, dir string, n int, plain bool) error {
	if _, err := os.Stat(dir + ".made"); err == nil {
		return nil
	}
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s is a store that was left half made: remove it", dir)
	}
	if err := makeBuckets(ctx, program, dir); err != nil {
		return err
	}
	d, err := diskstore.Open(diskstore.Options{Dir: dir, CacheSize: loadCache})
	if err != nil {
		return err
	}
	if err := errors.Join(fillStore(ctx, d, n, plain), d.Close()); err != nil {
		return err
	}
	return os.WriteFile(dir+".made", nil, 0o600)
}

// makeBuckets makes the data directory with its buckets, as a server does.
func makeBuckets(ctx context.Context, program, dir string) error {
	if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		return err
	}
	p, err := startServer(ctx, program, dir, probe{method: "PUT", bucket: treeBucket})
	if err != nil {
		return err
	}
	defer p.stop()
	c, err := dial(p.address)
	if err != nil {
		return err
	}
	defer c.close()
	for _, bucket := range []string{versionsBucket, desertBucket} {
		url, err := p.url("PUT", bucket, "")
		if err != nil {
			return err
		}
		if _, err := c.do(request{method: "PUT", url: url}); err != nil {
			return err
		}
	}
	return nil
}

func fillStore(ctx context.Context, d *diskstore.Driver, n int, plain bool) error {
	b, err := d.Bucket(ctx, treeBucket)
	if err != nil {
		return err
	}
	if err := d.SetVersioning(ctx, versionsBucket, store.VersioningEnabled); err != nil {
		return err
	}
	m := &maker{ctx: ctx, loader: diskstore.NewLoader(d), owner: b.Owner, began: time.Now(),
		rand: rand.NewChaCha8([32]byte{1}), body: make([]byte, bodySize)}
	fills := []func(n int) error{m.tree, m.versions, m.desert}
	if plain {
		fills = fills[:1]
	}
	for _, fill := range fills {
		if err := fill(n); err != nil {
			return err
		}
	}
	return m.loader.Close()
}

func (m *maker) put(bucket, key string, body []byte) error {
	up, err := store.NewUpload(bytes.NewReader(body), store.UploadOptions{Size: int64(len(body))})
	if err != nil {
		return err
	}
	return m.loader.Put(m.ctx, &store.PutRequest{Bucket: bucket, Key: key, Body: up, Owner: m.owner, Time: time.Now(),
		Metadata: store.Metadata{ContentType: "application/json"}})
}

// each calls do for every number below n, in a spread order.
func (m *maker) each(bucket string, n int, do func(i int) error) error {
	for i, at := 0, 0; i < n; i, at = i+1, (at+stride)%n {
		if err := do(at); err != nil {
			return err
		}
		if i%1_000_000 == 999_999 {
			fmt.Fprintf(os.Stderr, "%s: %d of %d after %v\n", bucket, i+1, n, time.Since(m.began).Round(time.Second))
		}
	}
	return m.ctx.Err()
}

func (m *maker) tree(n int) error {
	return m.each(treeBucket, n, func(i int) error {
		bodyOf(m.body, m.rand)
		return m.put(treeBucket, treeKey(i, n), m.body)
	})
}

// versions writes each key versionsPerKey times; the last version of every
// second key is a delete marker. Keys come in groups, so that those of a group
// share commits.
func (m *maker) versions(n int) error {
	const group = 5000
	keys := n / versionsPerKey
	for from := 0; from < keys; from += group {
		for round := range versionsPerKey {
			for i := from; i < min(from+group, keys); i++ {
				if err := m.version(i, round == versionsPerKey-1 && i%2 == 0); err != nil {
					return err
				}
			}
		}
	}
	return m.ctx.Err()
}

// version adds a version, or a delete marker, to a key.
func (m *maker) version(i int, marker bool) error {
	if marker {
		return m.loader.Delete(m.ctx, daypass.ObjectRef{Bucket: versionsBucket, Key: flatKey(i)})
	}
	return m.put(versionsBucket, flatKey(i), nil)
}

// desert writes objects and deletes all but the last ones: what a listing must
// pass over.
func (m *maker) desert(n int) error {
	dunes := n / desertShare
	err := m.each(desertBucket, dunes+oasis, func(i int) error { return m.put(desertBucket, flatKey(i), nil) })
	if err != nil {
		return err
	}
	return m.each(desertBucket, dunes, func(i int) error {
		return m.loader.Delete(m.ctx, daypass.ObjectRef{Bucket: desertBucket, Key: flatKey(i)})
	})
}
