package diskstore

import (
	"encoding/binary"
	"fmt"
	"hash/maphash"
	"strings"
	"sync"

	"github.com/cockroachdb/pebble/v2"
)

const (
	cacheShards  = 16
	cacheStripes = 256 // of each shard
)

// A readCache keeps the records of current versions as they are decoded, and
// small bodies, so that reading what was read lately asks neither Pebble nor
// the disk. The record of what was written lately is kept as it was written, for
// who writes the key again or reads it. What the cache holds is shared: nobody
// may change it.
//
// It holds the truth or nothing. Every commit goes through Driver.commit, which
// finds the keys that it changes in the batch itself. Before the batch is given
// to Pebble their entries are removed, and until it has come back none is put
// in their place; so an entry that is found is what Pebble would have answered
// at that instant. Who reads a record from Pebble may put it here only if no
// commit of its key was under way before that read or has begun since. Keys
// that share a stripe are taken for one another there, which costs a miss.
type readCache struct {
	seed   maphash.Seed
	shards [cacheShards]cacheShard
}

type cacheShard struct {
	mu           sync.Mutex
	entries      sieve[*cached]
	stripes      [cacheStripes]cacheStripe
	hits, misses uint64
}

// A cacheStripe is what is known of the commits of some keys.
type cacheStripe struct {
	underWay uint32
	// stamp is how many have begun. It would have to go once around during one
	// read to be mistaken.
	stamp uint32
}

// A cached is the current version of a key.
type cached struct {
	bucket uint64
	key    string
	rec    *objectRecord
	// written is, instead of rec, the record as it was written, until somebody
	// asks for it.
	written []byte
	// small is the body of an object whose body is one segment in the index;
	// nil until it was read.
	small []byte
}

// A slot is where in the cache a record may be put that is read after the slot
// was given out. The zero slot takes none.
type slot struct {
	hash  uint64
	stamp uint32
	open  bool
}

func newReadCache(size int64) *readCache {
	c := &readCache{seed: maphash.MakeSeed()}
	for i := range c.shards {
		c.shards[i].entries.limit = max(size, 0) / cacheShards
	}
	return c
}

// hash and hashKey are the same of a key and of its index key in spaceObject.
func (c *readCache) hash(bucket uint64, key string) uint64 {
	return maphash.String(c.seed, key) ^ bucket*0x9E3779B97F4A7C15
}

func (c *readCache) hashKey(indexKey []byte) uint64 {
	return maphash.Bytes(c.seed, indexKey[9:]) ^ binary.BigEndian.Uint64(indexKey[1:])*0x9E3779B97F4A7C15
}

func (c *readCache) shard(hash uint64) *cacheShard { return &c.shards[hash%cacheShards] }

func (s *cacheShard) stripe(hash uint64) *cacheStripe {
	return &s.stripes[hash/cacheShards%cacheStripes]
}

// get returns the current version of a key if it is cached, nil otherwise, and
// where to put what is read now.
func (c *readCache) get(bucket uint64, key string) (*cached, slot) {
	e, at := c.find(bucket, key, true)
	if e == nil || e.rec != nil {
		return e, at
	}
	rec, err := decodeObject(e.written)
	if err != nil {
		return nil, at // so that the index is asked, which has the same to say
	}
	e = &cached{bucket: bucket, key: e.key, rec: rec}
	c.put(at, e)
	return e, at
}

// find is get, of a record that may not be decoded.
func (c *readCache) find(bucket uint64, key string, count bool) (*cached, slot) {
	hash := c.hash(bucket, key)
	s := c.shard(hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	stripe := s.stripe(hash)
	at := slot{hash: hash, stamp: stripe.stamp, open: stripe.underWay == 0}
	e, _ := s.entries.get(hash)
	found := e != nil && e.bucket == bucket && e.key == key
	switch {
	case !count:
	case found:
		s.hits++
	default:
		s.misses++
	}
	if !found {
		return nil, at
	}
	return e, at
}

// current returns the current version of a key whose stripe the caller has
// locked, nil if the index has to be asked.
func (c *readCache) current(bucket uint64, key string) *objectRecord {
	e, _ := c.find(bucket, key, false)
	switch {
	case e == nil:
		return nil
	case e.rec != nil:
		return e.rec
	}
	rec, err := decodeObject(e.written)
	if err != nil {
		return nil
	}
	return rec
}

// wrote keeps a version that is current since a commit that has come back. The
// caller has locked the key's stripe all the time, so that no other commit has
// replaced it.
func (c *readCache) wrote(bucket uint64, key string, written []byte) {
	_, at := c.find(bucket, key, false)
	c.put(at, &cached{bucket: bucket, key: key, written: written})
}

// put keeps a version that was read after its slot was given out, unless its
// key may have changed since.
func (c *readCache) put(at slot, e *cached) {
	if !at.open {
		return
	}
	s := c.shard(at.hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stripe(at.hash).stamp != at.stamp {
		return // and if it is the same, no commit is under way either
	}
	if old := s.entries.entries[at.hash]; old != nil && e.small == nil && old.value.small != nil {
		return // somebody was faster, and has read more
	}
	// The caller's may be cut from a request, all of which it would keep.
	e.key = strings.Clone(e.key)
	s.entries.put(at.hash, e, e.size())
}

// begin must be called before a commit that changes the keys with these hashes,
// and end after it.
func (c *readCache) begin(hashes []uint64) {
	for _, hash := range hashes {
		s := c.shard(hash)
		s.mu.Lock()
		stripe := s.stripe(hash)
		stripe.underWay++
		stripe.stamp++
		s.entries.remove(hash)
		s.mu.Unlock()
	}
}

func (c *readCache) end(hashes []uint64) {
	for _, hash := range hashes {
		s := c.shard(hash)
		s.mu.Lock()
		s.stripe(hash).underWay--
		s.mu.Unlock()
	}
}

// changes appends the hashes of the keys whose current version a batch changes.
func (c *readCache) changes(hashes []uint64, b *pebble.Batch) ([]uint64, error) {
	for r := b.Reader(); ; {
		kind, key, _, ok, err := r.Next()
		if !ok || err != nil {
			return hashes, err
		}
		switch kind {
		case pebble.InternalKeyKindSet, pebble.InternalKeyKindDelete:
		default:
			return hashes, fmt.Errorf("a batch with a %s, whose keys are not known", kind)
		}
		if key[0] == spaceObject {
			hashes = append(hashes, c.hashKey(key))
		}
	}
}

// size is about how many bytes of memory an entry takes.
func (e *cached) size() int64 {
	const (
		fixed   = 1024 // the structs, the entry, its place in the map
		encoded = 320  // the same where the record is not decoded
		pair    = 64   // of strings in a slice or map
	)
	if e.rec == nil {
		return int64(encoded + len(e.key) + cap(e.written))
	}
	o := &e.rec.object
	n := fixed + len(e.key) + len(e.small) + 2*len(o.ACL)
	for _, f := range stringFields(o) {
		n += len(*f.value)
	}
	for name, value := range o.Metadata.User {
		n += pair + len(name) + len(value)
	}
	for _, t := range o.Tags {
		n += pair + len(t.Key) + len(t.Value)
	}
	for _, c := range o.Checksums {
		n += pair + len(c.Value)
	}
	return int64(n)
}

// cacheStats are the figures of a readCache.
type cacheStats struct {
	hits, misses uint64
	bytes, limit int64
}

func (c *readCache) stats() (n cacheStats) {
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		n.hits += s.hits
		n.misses += s.misses
		n.bytes += s.entries.used
		n.limit += s.entries.limit
		s.mu.Unlock()
	}
	return n
}
