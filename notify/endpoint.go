package notify

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/lifecycle"
	"github.com/daypass/daypass/s3"
)

// A Kind is a kind of event that an endpoint can ask for.
type Kind string

// The kinds of events.
const (
	ObjectCreated Kind = "object-created"
	ObjectRemoved Kind = "object-removed"
	ObjectTagging Kind = "object-tagging"
	ObjectACL     Kind = "object-acl"
	PassFirstUse  Kind = "pass-first-use"
	PassExhausted Kind = "pass-exhausted"
	PassRefused   Kind = "pass-refused"
	PassRevoked   Kind = "pass-revoked"
)

// Kinds returns all kinds of events.
func Kinds() []Kind {
	return []Kind{ObjectCreated, ObjectRemoved, ObjectTagging, ObjectACL, PassFirstUse, PassExhausted, PassRefused, PassRevoked}
}

// AllBuckets in Endpoint.OpenTo is every bucket.
const AllBuckets = "*"

// An Endpoint is where messages go, as the operator configures it.
type Endpoint struct {
	// Name is 1 to 64 letters, digits, "-" and "_". Buckets name the endpoint
	// by it, in an ARN.
	Name string
	// URL is https://, or http:// to listed addresses.
	URL *url.URL
	// Secrets sign every message, the current one first.
	Secrets []Secret
	// Kinds are the events that the operator wants to be told of here, in all
	// buckets or one, below a prefix.
	Kinds          []Kind
	Bucket, Prefix string
	// OpenTo are the buckets that may send their notifications here.
	OpenTo []string
}

// maxName is the length of the longest name of an endpoint.
const maxName = 64

// Check refuses an endpoint that cannot be used.
func (e *Endpoint) Check() error {
	switch u := e.URL; {
	case !validName(e.Name):
		return fmt.Errorf("a webhook's name is 1 to %d letters, digits, - and _, not %q", maxName, e.Name)
	case u == nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" || u.Opaque != "":
		return fmt.Errorf("the URL of the webhook %s must be https:// or http:// and a host", e.Name)
	case u.Fragment != "":
		return fmt.Errorf("the URL of the webhook %s must have no fragment", e.Name)
	case len(e.Secrets) == 0:
		return fmt.Errorf("the webhook %s has no secret, so that nothing it sends could be trusted", e.Name)
	case len(e.Kinds) == 0 && len(e.OpenTo) == 0:
		return fmt.Errorf("the webhook %s has no events and is open to no bucket, so it would never send anything", e.Name)
	case e.Prefix != "" && e.Bucket == "":
		return fmt.Errorf("the webhook %s has a prefix without a bucket", e.Name)
	}
	for _, k := range e.Kinds {
		if !slices.Contains(Kinds(), k) {
			return fmt.Errorf("the webhook %s names the event %q; there are %v", e.Name, k, Kinds())
		}
	}
	return nil
}

func validName(name string) bool {
	for _, c := range []byte(name) {
		alnum := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
		if !alnum && c != '-' && c != '_' {
			return false
		}
	}
	return name != "" && len(name) <= maxName
}

// IsOpenTo reports whether a bucket may send its notifications here.
func (e *Endpoint) IsOpenTo(bucket string) bool {
	return slices.Contains(e.OpenTo, AllBuckets) || slices.Contains(e.OpenTo, bucket)
}

// wants reports whether the operator wants to be told of a kind of event.
func (e *Endpoint) wants(k Kind) bool { return slices.Contains(e.Kinds, k) }

// covers reports whether the operator's filter lets an object pass.
func (e *Endpoint) covers(o daypass.ObjectRef) bool {
	return e.Bucket == "" || e.Bucket == o.Bucket && strings.HasPrefix(o.Key, e.Prefix)
}

// place names an endpoint in logs: without path and query, which may be secret.
func (e *Endpoint) place() string { return e.URL.Scheme + "://" + e.URL.Host }

// Endpoints are all that there are.
type Endpoints []Endpoint

// OpenTo reports whether there is an endpoint of a name that a bucket may send
// its notifications to.
func (all Endpoints) OpenTo(name, bucket string) bool {
	i := slices.IndexFunc(all, func(e Endpoint) bool { return e.Name == name })
	return i >= 0 && all[i].IsOpenTo(bucket)
}

// objectEvent returns S3's name of what an event did to an object, and its
// kind; both are empty where it did nothing that others are told of.
func objectEvent(e *daypass.Event) (name string, k Kind) {
	if e.Sequencer == "" {
		return "", ""
	}
	switch e.Action {
	case daypass.PutObject:
		return s3.EventCreatedPut, ObjectCreated
	case s3.PostObject:
		return s3.EventCreatedPost, ObjectCreated
	case daypass.CopyObject:
		return s3.EventCreatedCopy, ObjectCreated
	case daypass.CompleteMultipartUpload:
		return s3.EventCreatedComplete, ObjectCreated
	case daypass.DeleteObject:
		if e.DeleteMarker {
			return s3.EventRemovedMarker, ObjectRemoved
		}
		return s3.EventRemovedDelete, ObjectRemoved
	case lifecycle.ActionExpired:
		return s3.EventExpiredDelete, ObjectRemoved
	case lifecycle.ActionMarked:
		return s3.EventExpiredMarker, ObjectRemoved
	case daypass.PutObjectTagging:
		return s3.EventTaggingPut, ObjectTagging
	case daypass.DeleteObjectTagging:
		return s3.EventTaggingDelete, ObjectTagging
	case "PutObjectAcl":
		return s3.EventACLPut, ObjectACL
	}
	return "", ""
}
