package lifecycle

import (
	"strings"
	"time"

	"github.com/daypass/daypass/s3"
	"github.com/daypass/daypass/store"
)

// An Action is what becomes of an object, version or upload.
type Action uint8

// The actions.
const (
	// Keep is none.
	Keep Action = iota
	// Expire deletes the current version as DeleteObject does: where the
	// bucket keeps versions, a delete marker takes its place.
	Expire
	// ExpireNoncurrent removes a version that is not current for ever.
	ExpireNoncurrent
	// RemoveMarker removes a delete marker that is the only version of its
	// key.
	RemoveMarker
	// Abort ends a multipart upload and removes its parts.
	Abort
)

// A Verdict is what rules say of something.
type Verdict struct {
	Action Action
	// Due is from when on.
	Due time.Time
	// Rule is the ID of the rule that says so.
	Rule string
}

// At reports whether there is something to be done at a time.
func (v Verdict) At(now time.Time) bool { return v.Action != Keep && !now.Before(v.Due) }

// A Place is where a version stands among those of its key.
type Place struct {
	// Succeeded is when the next newer version was made. It is zero for the
	// newest.
	Succeeded time.Time
	// Newer counts the versions between this and the newest that hold an
	// object: noncurrent ones, without delete markers.
	Newer int
	// Alone says that there is no other version.
	Alone bool
}

// Rules are the rules of a bucket that are enabled, ready to be applied. They do
// not change.
type Rules struct {
	current, noncurrent, markers, uploads []rule
}

// A rule is one action of a rule of the configuration.
type rule struct {
	id     string
	prefix string
	tags   []s3.Tag
	// Sizes in bytes lie between these two; greater is -1 and less is 0 where
	// the rule does not say.
	greater, less int64
	// days is an age; zero where date says when.
	days  int
	date  time.Time
	newer int
}

// Compile makes rules of a configuration that s3.CheckLifecycle has found to be
// right.
func Compile(config []s3.LifecycleRule) *Rules {
	r := &Rules{}
	for i := range config {
		if c := &config[i]; c.Status == s3.Enabled {
			r.add(c)
		}
	}
	return r
}

func (r *Rules) add(c *s3.LifecycleRule) {
	scope := c.Scope()
	one := rule{id: c.ID, tags: scope.Tags, greater: -1}
	if scope.Prefix != nil {
		one.prefix = *scope.Prefix
	}
	if scope.ObjectSizeGreaterThan != nil {
		one.greater = *scope.ObjectSizeGreaterThan
	}
	if scope.ObjectSizeLessThan != nil {
		one.less = *scope.ObjectSizeLessThan
	}
	if e := c.Expiration; e != nil {
		r.addExpiration(one, e)
	}
	if n := c.NoncurrentVersionExpiration; n != nil {
		old := one
		old.days = int(*n.NoncurrentDays)
		if n.NewerNoncurrentVersions != nil {
			old.newer = int(*n.NewerNoncurrentVersions)
		}
		r.noncurrent = append(r.noncurrent, old)
	}
	if a := c.AbortIncompleteMultipartUpload; a != nil {
		one.days = int(*a.DaysAfterInitiation)
		r.uploads = append(r.uploads, one)
	}
}

// addExpiration adds what is done to current versions, and to delete markers
// that have become the only version: an age or a date is theirs too (S3 API
// reference, LifecycleExpiration).
func (r *Rules) addExpiration(one rule, e *s3.LifecycleExpiration) {
	switch {
	case e.Days != nil:
		one.days = int(*e.Days)
	case e.Date != nil:
		one.date = *e.Date
	case !*e.ExpiredObjectDeleteMarker:
		return
	default:
		r.markers = append(r.markers, one) // of any age
		return
	}
	r.current = append(r.current, one)
	if one.ofMarkers() {
		r.markers = append(r.markers, one)
	}
}

// Empty reports whether the rules never do anything.
func (r *Rules) Empty() bool {
	return len(r.current)+len(r.noncurrent)+len(r.markers)+len(r.uploads) == 0
}

// ofMarkers reports whether a rule is about delete markers, which have neither
// tags nor a size.
func (r *rule) ofMarkers() bool { return len(r.tags) == 0 && r.greater < 0 && r.less == 0 }

// matches reports whether a rule is about an object or, where it is one, a
// delete marker.
func (r *rule) matches(o *store.Object) bool {
	switch {
	case !strings.HasPrefix(o.Key, r.prefix):
		return false
	case o.DeleteMarker:
		return r.ofMarkers()
	case o.Size <= r.greater, r.less > 0 && o.Size >= r.less:
		return false
	}
	for _, want := range r.tags {
		if !hasTag(o.Tags, want) {
			return false
		}
	}
	return true
}

func hasTag(tags []store.Tag, want s3.Tag) bool {
	for _, t := range tags {
		if t.Key == want.Key {
			return t.Value == want.Value
		}
	}
	return false
}

// after returns when a rule of days is due for what began then: so many days
// later, and then at the next midnight UTC (S3 User Guide, "Lifecycle rules:
// Based on an object's age").
func after(began time.Time, days int) time.Time {
	t := began.UTC()
	return time.Date(t.Year(), t.Month(), t.Day()+days+1, 0, 0, 0, 0, time.UTC)
}

// due returns when a rule is due for what began then; a rule with neither days
// nor a date is due at once.
func (r *rule) due(began time.Time) time.Time {
	switch {
	case r.days > 0:
		return after(began, r.days)
	case !r.date.IsZero():
		return r.date
	}
	return began
}

// earlier makes v the verdict of a rule that is due before it.
func (v *Verdict) earlier(a Action, r *rule, began time.Time) {
	if due := r.due(began); v.Action == Keep || due.Before(v.Due) {
		*v = Verdict{Action: a, Due: due, Rule: r.id}
	}
}

// Version returns what becomes of a version or delete marker. Where several
// rules are about it, the one that is due first counts (S3 User Guide,
// "Examples of S3 Lifecycle configurations", overlapping filters).
func (r *Rules) Version(o *store.Object, p Place) (v Verdict) {
	switch {
	case !o.IsLatest:
		for i := range r.noncurrent {
			if one := &r.noncurrent[i]; one.matches(o) && p.Newer >= one.newer {
				v.earlier(ExpireNoncurrent, one, p.Succeeded)
			}
		}
	case !o.DeleteMarker:
		for i := range r.current {
			if one := &r.current[i]; one.matches(o) {
				v.earlier(Expire, one, o.ModTime)
			}
		}
	case p.Alone:
		for i := range r.markers {
			if one := &r.markers[i]; one.matches(o) {
				v.earlier(RemoveMarker, one, o.ModTime)
			}
		}
	}
	return v
}

// Upload returns what becomes of a multipart upload of a key that began then.
func (r *Rules) Upload(key string, initiated time.Time) (v Verdict) {
	for i := range r.uploads {
		if one := &r.uploads[i]; strings.HasPrefix(key, one.prefix) {
			v.earlier(Abort, one, initiated)
		}
	}
	return v
}
