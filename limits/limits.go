package limits

import (
	"net/netip"
	"time"
)

// The names of the limits and of the two options that go with a prefix, as
// query parameters and as fields of a form.
const (
	Name      = "x-daypass-name"
	Uses      = "x-daypass-uses"
	NotBefore = "x-daypass-not-before"
	Until     = "x-daypass-until"
	IP        = "x-daypass-ip"
	Bind      = "x-daypass-bind"
	Size      = "x-daypass-size"
	Type      = "x-daypass-type"
	Overwrite = "x-daypass-overwrite"
	Rate      = "x-daypass-rate"
	Prefix    = "x-daypass-prefix"
	ETag      = "x-daypass-etag"
	PIN       = "x-daypass-pin"
	Origin    = "x-daypass-origin"
	TLS       = "x-daypass-tls"
	As        = "x-daypass-as"
	Cookie    = "x-daypass-cookie"
)

// PINValue is the header or form field with which a program gives the PIN. It
// is no limit, and refused as an unknown one in a query: a URL that carries
// its PIN protects nothing.
const PINValue = "x-daypass-pin-value"

// Bounds of values.
const (
	MaxName    = 128                    // characters
	MaxUses    = 1_000_000_000          // copies or writes
	MaxSize    = 5 << 40                // bytes, the largest object of S3
	MaxRate    = 1 << 40                // bytes per second
	MaxIPs     = 64                     // ranges
	MaxTypes   = 32                     // patterns
	MaxOrigins = 32                     // origins
	MaxPrefix  = 1024                   // bytes, the longest key of S3
	MaxETag    = 128                    // characters
	maxToken   = 127                    // characters of half a media type (RFC 6838, section 4.2)
	maxHost    = 253                    // characters of a host name (RFC 1035, section 2.3.4)
	longLayout = "20060102T150405Z"     // ISO 8601 basic, as in X-Amz-Date
	isoLayout  = "2006-01-02T15:04:05Z" // as S3's error bodies write it
)

// A Set is what a pass is limited by. The zero value of a field is no limit,
// and a nil Set has none.
type Set struct {
	// Name is the pass's label in logs and lists: 1 to 128 characters.
	Name string
	// Uses is the number of copies or successful writes.
	Uses int64
	// NotBefore and Until bound the time of use, in whole seconds; NotBefore
	// is the first instant of use, Until the first of refusal.
	NotBefore, Until time.Time
	// IP are the ranges that the source address must be in.
	IP []netip.Prefix
	// Bind says that the first client address to use the pass owns it.
	Bind bool
	// Size bounds an upload, in bytes; nil is no limit.
	Size *SizeRange
	// Types are media-type patterns, such as "image/*", in lower case.
	Types []string
	// NoOverwrite lets an upload make new keys only.
	NoOverwrite bool
	// Rate is in bytes per second, for all connections of the pass together.
	Rate int64
	// Prefix is the key prefix, which ends in "/".
	Prefix string
	// ETag is that of the object, without quotes.
	ETag string
	// PIN is the tag of the PIN that the holder must give; nil is no limit.
	PIN *PINTag
	// Origins are those from which browsers may use the pass, such as
	// "https://app.example.com".
	Origins []string
	// TLS refuses plain HTTP.
	TLS bool
	// Zip makes a prefix pass answer with the tree as a ZIP archive.
	Zip bool
	// Cookie makes a prefix pass set a cookie for relative requests.
	Cookie bool
}

// A SizeRange bounds an upload in bytes, both ends included.
type SizeRange struct{ Min, Max int64 }

// NeedsState returns the first limit that only shared state can enforce, so
// that a server without any can refuse it.
func (s *Set) NeedsState() (limit string, ok bool) {
	if s == nil {
		return "", false
	}
	for i := range table {
		if r := &table[i]; r.state && r.has(s) {
			return r.name, true
		}
	}
	return "", false
}

// NeedsServing returns the first limit that holds only while the server that
// admitted a request also serves it, so that a client is not sent elsewhere.
func (s *Set) NeedsServing() (limit string, ok bool) {
	if s == nil {
		return "", false
	}
	for i := range table {
		if r := &table[i]; !r.once && r.has(s) {
			return r.name, true
		}
	}
	return "", false
}
