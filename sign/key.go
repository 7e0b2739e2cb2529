package sign

import (
	"crypto/ecdsa"
	"crypto/hmac"
	"crypto/sha256"
	"hash"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Names of the specification.
const (
	algorithmV4  = "AWS4-HMAC-SHA256"
	algorithmV4A = "AWS4-ECDSA-P256-SHA256"
	terminator   = "aws4_request"

	// ServiceS3 is the service name of S3 in a credential scope.
	ServiceS3 = "s3"
	// UnsignedPayload stands for the payload hash where the body is not signed.
	UnsignedPayload = "UNSIGNED-PAYLOAD"
	// EmptySHA256 is the SHA-256 of an empty body.
	EmptySHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
)

// Query parameters of Signature Version 4.
const (
	paramAlgorithm     = "X-Amz-Algorithm"
	paramCredential    = "X-Amz-Credential"
	paramDate          = "X-Amz-Date"
	paramExpires       = "X-Amz-Expires"
	paramSignedHeaders = "X-Amz-SignedHeaders"
	paramSignature     = "X-Amz-Signature"
	paramToken         = "X-Amz-Security-Token"
	paramRegionSet     = "X-Amz-Region-Set"
	paramSHA256        = "X-Amz-Content-Sha256"
)

// A Key is an access key: an id and a secret, with a session token where the
// key is temporary.
type Key struct {
	ID     string
	Secret string
	Token  string
	// Expires is when the key ends; zero when it does not.
	Expires time.Time
}

// A signingKey is an access key derived for one day, region and service. It
// keeps ready HMAC states, so a signature costs its hashing only.
type signingKey struct {
	secret string
	raw    [32]byte
	macs   sync.Pool
}

// deriveKey computes the signing key of Signature Version 4 (S3 API
// reference, "Signature Calculations", task 3).
func deriveKey(secret, day, region, service string) *signingKey {
	k := &signingKey{secret: secret}
	sum := []byte("AWS4" + secret)
	for _, part := range []string{day, region, service, terminator} {
		sum = hmacSHA256(sum, part)
	}
	copy(k.raw[:], sum)
	k.macs.New = func() any { return hmac.New(sha256.New, k.raw[:]) }
	return k
}

func hmacSHA256(key []byte, data string) []byte {
	m := hmac.New(sha256.New, key)
	m.Write([]byte(data))
	return m.Sum(nil)
}

// sum appends the HMAC of data to dst.
func (k *signingKey) sum(dst, data []byte) []byte {
	m := k.macs.Get().(hash.Hash)
	m.Reset()
	m.Write(data)
	dst = m.Sum(dst)
	k.macs.Put(m)
	return dst
}

// A keyCache derives each signing key once. It is bounded: past maxDerived
// entries it starts afresh, which costs one derivation per key in use.
type keyCache struct {
	last atomic.Pointer[derived] // the one used last, mostly the only one
	seen credentials
	mu   sync.RWMutex
	hot  map[scopeID]*signingKey
	v4a  map[string]*v4aKey
}

type scopeID struct{ id, day, region, service string }

// derived is a signing key with what it was derived for.
type derived struct {
	scopeID
	key *signingKey
}

type v4aKey struct {
	secret  string
	private *ecdsa.PrivateKey
}

const maxDerived = 4096

// get returns the signing key of a scope; id identifies the access key.
func (c *keyCache) get(key Key, day, region, service string) *signingKey {
	id := scopeID{key.ID, day, region, service}
	if d := c.last.Load(); d != nil && d.scopeID == id && d.key.secret == key.Secret {
		return d.key
	}
	c.mu.RLock()
	k := c.hot[id]
	c.mu.RUnlock()
	if k != nil && k.secret == key.Secret {
		return k
	}
	k = deriveKey(key.Secret, day, region, service)
	// The strings may be parts of a long request; the cache outlives it.
	id = scopeID{strings.Clone(id.id), strings.Clone(day), strings.Clone(region), strings.Clone(service)}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.hot == nil || len(c.hot) >= maxDerived {
		c.hot = make(map[scopeID]*signingKey)
	}
	c.hot[id] = k
	c.last.Store(&derived{id, k})
	return k
}

// ecdsaKey returns the Signature Version 4A key of an access key.
func (c *keyCache) ecdsaKey(key Key) *ecdsa.PrivateKey {
	c.mu.RLock()
	k := c.v4a[key.ID]
	c.mu.RUnlock()
	if k != nil && k.secret == key.Secret {
		return k.private
	}
	k = &v4aKey{secret: key.Secret, private: deriveECDSA(key)}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.v4a == nil || len(c.v4a) >= maxDerived {
		c.v4a = make(map[string]*v4aKey)
	}
	c.v4a[strings.Clone(key.ID)] = k
	return k.private
}

// appendStringToSign appends the string to sign of Signature Version 4 and
// 4A ("Signature Calculations", task 2).
func appendStringToSign[T string | []byte](dst []byte, algorithm string, date T, scope string, canonical []byte) []byte {
	dst = append(append(dst, algorithm...), '\n')
	dst = append(append(dst, date...), '\n')
	dst = append(append(dst, scope...), '\n')
	sum := sha256.Sum256(canonical)
	return appendHex(dst, sum[:])
}

const lowerHex = "0123456789abcdef"

func appendHex(dst, b []byte) []byte {
	for _, c := range b {
		dst = append(dst, lowerHex[c>>4], lowerHex[c&15])
	}
	return dst
}
