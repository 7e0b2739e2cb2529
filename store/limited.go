package store

import (
	"context"

	"github.com/daypass/daypass"
)

// A Feature is something that a driver has the methods for and yet may be
// unable to do, because what it keeps objects in cannot.
type Feature string

// The features.
const (
	// FeatureEncryption is keeping bodies that Store has encrypted.
	FeatureEncryption Feature = "encryption"
	// FeatureConditionalRemoval is removing exactly what was seen
	// (DeleteOptions.Seen), which lifecycle rules need.
	FeatureConditionalRemoval Feature = "conditional removal"
	// FeatureStoredACLs is changing the ACL of a stored object.
	FeatureStoredACLs Feature = "ACLs of stored objects"
	// FeatureVersions is keeping versions.
	FeatureVersions Feature = "versions"
	// FeatureObjectLock is keeping locked versions.
	FeatureObjectLock Feature = "object lock"
)

// A Limited is a driver that may be unable to do some features.
type Limited interface {
	// Supports returns nil, or why the driver cannot do a feature:
	// NotImplemented, with a message for clients.
	Supports(f Feature) error
}

// Supports returns nil, or why the driver cannot do a feature, so that a setting
// that could never be carried out is refused. NotImplemented.
func (s *Store) Supports(f Feature) error {
	l, ok := capability[Limited](s.driver)
	if !ok {
		return nil
	}
	return l.Supports(f)
}

// A RangeHint says what the caller of OpenObjectRange is likely to do.
type RangeHint struct {
	// Range is the header of a request, "" for all bytes.
	Range string
	// Conditions are those of the request.
	Conditions ReadConditions
	// Parts says that Object.Parts are needed.
	Parts bool
	// Lazy says that perhaps nothing will be read.
	Lazy bool
}

// A RangeOpener is a driver for which it pays to know what of an object is going
// to be read, such as one that asks another server.
type RangeOpener interface {
	// OpenObjectRange is OpenObject. The hint changes nothing of what is
	// returned, except that Parts are filled in only where it asks for them:
	// conditions that do not hold are no error, and any range may be read.
	OpenObjectRange(ctx context.Context, ref daypass.ObjectRef, hint RangeHint) (*Object, Body, error)
}

// OpenRange is OpenWithKey with a hint at what will be read. Parts of the object
// may be filled in only where the hint asks for them.
func (s *Store) OpenRange(ctx context.Context, ref daypass.ObjectRef, customer *Key, hint RangeHint) (*Object, Body, error) {
	d, ok := capability[RangeOpener](s.driver)
	if !ok {
		return s.OpenWithKey(ctx, ref, customer)
	}
	const op = "store.OpenObject"
	if err := validRef(ref.Bucket, ref.Key); err != nil {
		return nil, nil, wrap(op, err)
	}
	obj, body, err := d.OpenObjectRange(ctx, ref, hint)
	if err != nil {
		return obj, nil, wrap(op, err)
	}
	body, err = s.unseal(obj, body, customer)
	return obj, body, wrap(op, err)
}
