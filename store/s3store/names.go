package s3store

import (
	"strconv"
	"strings"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/store"
)

// A mapping says where in the upstream things lie.
type mapping struct {
	// bucket holds all buckets below prefix; "" maps one to one.
	bucket, prefix string
	namePrefix     string
	// controlBucket and controlPrefix are where the control objects lie.
	controlBucket, controlPrefix string
}

// controlDirectory is no name of a bucket, since those do not begin with a dot.
const controlDirectory = ".daypass/"

func newMapping(c Config) mapping {
	m := mapping{bucket: c.Bucket, prefix: c.Prefix, namePrefix: c.NamePrefix}
	if c.Bucket != "" {
		m.controlBucket, m.controlPrefix = c.Bucket, c.Prefix+controlDirectory
	} else {
		m.controlBucket = c.Control
	}
	return m
}

// A place is where an object lies in the upstream.
type place struct{ bucket, key string }

// place returns where an object lies. KeyTooLongError (its bucket and a prefix go
// before it), NotImplemented (a zero byte).
func (d *Driver) place(bucket, key string) (place, error) {
	m := &d.names
	if strings.Contains(key, "\x00") && !d.can.ZeroInKeys {
		return place{}, notImplemented("The upstream has no keys with a zero byte.")
	}
	if m.bucket == "" {
		return place{m.upstreamBucket(bucket), key}, nil
	}
	prefix := m.keyPrefix(bucket)
	if longest := store.MaxKeyLength - len(prefix); len(key) > longest {
		return place{}, &daypass.Error{Code: daypass.KeyTooLongError, Details: []daypass.Detail{
			{Name: "Size", Value: strconv.Itoa(len(key))}, {Name: "MaxSizeAllowed", Value: strconv.Itoa(max(longest, 0))},
		}}
	}
	return place{m.bucket, prefix + key}, nil
}

// upstreamBucket returns the upstream bucket that holds the objects of a bucket.
func (m *mapping) upstreamBucket(bucket string) string {
	if m.bucket != "" {
		return m.bucket
	}
	return m.namePrefix + bucket
}

// keyPrefix returns what goes before the keys of a bucket.
func (m *mapping) keyPrefix(bucket string) string {
	if m.bucket == "" {
		return ""
	}
	return m.prefix + bucket + "/"
}

// possible reports whether a bucket may have a name: where buckets are mapped one
// to one, that of the control objects is taken, and with the name prefix it must
// be a name still.
func (m *mapping) possible(bucket string) bool {
	if m.bucket != "" {
		return true
	}
	name := m.namePrefix + bucket
	return name != m.controlBucket && !strings.HasPrefix(name, scratchBucket(m.controlBucket)) && store.ValidBucketName(name) == nil
}

// daypassBucket returns the bucket that an upstream bucket is, "" for none.
func (m *mapping) daypassBucket(upstream string) string {
	name, ok := strings.CutPrefix(upstream, m.namePrefix)
	if !ok || !m.possible(name) || store.ValidBucketName(name) != nil {
		return ""
	}
	return name
}

// control returns where a control object lies.
func (m *mapping) control(name string) place {
	return place{m.controlBucket, m.controlPrefix + name}
}
