package storetest

import (
	"slices"
	"time"

	"github.com/daypass/daypass/store"
)

// A Trait is something that a driver may do otherwise than the others do, since
// what it keeps objects in does. A driver that has none is checked for all.
type Trait string

// The traits.
const (
	// StoreTimes: modification times are those of what keeps the objects, in
	// whole seconds, whatever Time a request has.
	StoreTimes Trait = "store times"
	// BodyEnds: an open body ends when its object is replaced or removed.
	BodyEnds Trait = "body ends"
	// LargeParts: all parts of an upload but the last have 5 MiB below Store too.
	LargeParts Trait = "large parts"
	// AllParts: an upload is completed with all of its parts, else it is
	// NotImplemented.
	AllParts Trait = "all parts"
	// RepeatedCompletion: completing an upload again succeeds below Store too.
	RepeatedCompletion Trait = "repeated completion"
	// NoUploadTags: an upload with tags is NotImplemented.
	NoUploadTags Trait = "no upload tags"
	// NoUploadLock: an upload with a lock, or into a bucket with a default, is
	// NotImplemented.
	NoUploadLock Trait = "no upload lock"
	// LocksNotListed: listings do not tell of locks.
	LocksNotListed Trait = "locks not listed"
	// LockAtCreation: object lock can be enabled only when a bucket is created,
	// else it is InvalidBucketState.
	LockAtCreation Trait = "lock at creation"
	// RetentionStays: taking a retention off is NotImplemented.
	RetentionStays Trait = "retention stays"
	// NearRetention: no retention ends after the year 2105: NotImplemented.
	NearRetention Trait = "near retention"
	// LockRaces: a lock that is changed while another change or a removal of the
	// version goes on may be lost, or the change fail.
	LockRaces Trait = "lock races"
	// NoCompleteConditions: completing an upload on conditions is
	// NotImplemented.
	NoCompleteConditions Trait = "no complete conditions"
	// PartsForgotten: an object knows of the parts that it was made of only how
	// many there were, and has no checksum.
	PartsForgotten Trait = "parts forgotten"
)

// sameTime gives an expected object the modification time that it was given,
// where that is not the time of the request.
func (s *suite) sameTime(want, got *store.Object) {
	s.Helper()
	if !s.has(StoreTimes) {
		return
	}
	if t := got.ModTime; !t.Equal(t.Truncate(time.Second)) || time.Since(t).Abs() > time.Hour {
		s.Errorf("the modification time of %q is %v", got.Key, t)
	}
	want.ModTime = got.ModTime
}

// rounds returns how often something is tried: less often where each request
// crosses a network.
func (s *suite) rounds(n int) int {
	if s.has(StoreTimes) {
		return max(n/4, 1)
	}
	return n
}

// has reports whether the driver has a trait.
func (s *suite) has(t Trait) bool { return slices.Contains(s.traits, t) }
