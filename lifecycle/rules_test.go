package lifecycle

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/daypass/daypass/s3"
	"github.com/daypass/daypass/store"
	"pgregory.net/rapid"
)

func ptr[T any](v T) *T { return &v }

func at(text string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		panic(err)
	}
	return t
}

func expireAfter(id string, days int64, f s3.LifecycleFilter) s3.LifecycleRule {
	return s3.LifecycleRule{ID: id, Status: s3.Enabled, Filter: &f, Expiration: &s3.LifecycleExpiration{Days: &days}}
}

// TestDue checks the arithmetic with the examples of the S3 User Guide.
func TestDue(t *testing.T) {
	for _, c := range []struct {
		began string
		days  int
		want  string
	}{
		{"2014-01-15T10:30:00Z", 3, "2014-01-19T00:00:00Z"},
		{"2014-01-15T10:30:00Z", 1, "2014-01-17T00:00:00Z"},
		{"2014-01-15T00:00:00Z", 1, "2014-01-17T00:00:00Z"},
		{"2014-01-15T23:59:59.999Z", 1, "2014-01-17T00:00:00Z"},
		{"2014-01-15T23:30:00-01:00", 1, "2014-01-18T00:00:00Z"},
		{"2024-02-28T12:00:00Z", 1, "2024-03-01T00:00:00Z"},
		{"2014-01-15T10:30:00Z", 365, "2015-01-16T00:00:00Z"},
	} {
		if got := after(at(c.began), c.days); !got.Equal(at(c.want)) {
			t.Errorf("%d days after %s is %v, want %s", c.days, c.began, got, c.want)
		}
	}
}

func TestVersion(t *testing.T) {
	made := at("2026-02-06T12:00:00Z")
	date := at("2026-01-01T00:00:00Z")
	object := func(change ...func(*store.Object)) *store.Object {
		o := &store.Object{Key: "logs/a", Size: 10, ModTime: made, IsLatest: true, Tags: []store.Tag{{Key: "k", Value: "v"}}}
		for _, f := range change {
			f(o)
		}
		return o
	}
	marker := func(o *store.Object) { o.DeleteMarker, o.Size, o.Tags = true, 0, nil }
	old := func(o *store.Object) { o.IsLatest = false }
	noncurrent := s3.LifecycleRule{ID: "n", Status: s3.Enabled, Filter: &s3.LifecycleFilter{},
		NoncurrentVersionExpiration: &s3.NoncurrentExpiration{NoncurrentDays: ptr[int64](2), NewerNoncurrentVersions: ptr[int64](2)}}
	all := s3.LifecycleFilter{}
	for _, c := range []struct {
		name  string
		rules []s3.LifecycleRule
		o     *store.Object
		place Place
		want  Verdict
	}{
		{"no rule", nil, object(), Place{}, Verdict{}},
		{"days", []s3.LifecycleRule{expireAfter("d", 2, all)}, object(), Place{}, Verdict{Expire, at("2026-02-09T00:00:00Z"), "d"}},
		{"disabled", []s3.LifecycleRule{{ID: "d", Status: s3.Disabled, Filter: &all, Expiration: &s3.LifecycleExpiration{Days: ptr[int64](1)}}}, object(), Place{}, Verdict{}},
		{"date", []s3.LifecycleRule{{ID: "d", Status: s3.Enabled, Prefix: ptr("logs/"), Expiration: &s3.LifecycleExpiration{Date: &date}}}, object(), Place{}, Verdict{Expire, date, "d"}},
		{"the earliest", []s3.LifecycleRule{expireAfter("5", 5, all), expireAfter("1", 1, all), expireAfter("3", 3, all)}, object(), Place{}, Verdict{Expire, at("2026-02-08T00:00:00Z"), "1"}},
		{"another prefix", []s3.LifecycleRule{expireAfter("d", 1, s3.LifecycleFilter{Prefix: ptr("log/")})}, object(), Place{}, Verdict{}},
		{"another tag", []s3.LifecycleRule{expireAfter("d", 1, s3.LifecycleFilter{Tag: &s3.Tag{Key: "k", Value: "w"}})}, object(), Place{}, Verdict{}},
		{"greater than its size", []s3.LifecycleRule{expireAfter("d", 1, s3.LifecycleFilter{ObjectSizeGreaterThan: ptr[int64](10)})}, object(), Place{}, Verdict{}},
		{"less than its size", []s3.LifecycleRule{expireAfter("d", 1, s3.LifecycleFilter{ObjectSizeLessThan: ptr[int64](10)})}, object(), Place{}, Verdict{}},
		{"greater than nothing", []s3.LifecycleRule{expireAfter("d", 1, s3.LifecycleFilter{ObjectSizeGreaterThan: ptr[int64](0)})}, object(func(o *store.Object) { o.Size = 0 }), Place{}, Verdict{}},
		{"a marker that is not alone", []s3.LifecycleRule{expireAfter("d", 1, all)}, object(marker), Place{}, Verdict{}},
		{"a marker alone", []s3.LifecycleRule{expireAfter("d", 1, all)}, object(marker), Place{Alone: true}, Verdict{RemoveMarker, at("2026-02-08T00:00:00Z"), "d"}},
		{"a marker alone, at once", []s3.LifecycleRule{{ID: "m", Status: s3.Enabled, Filter: &all, Expiration: &s3.LifecycleExpiration{ExpiredObjectDeleteMarker: ptr(true)}}},
			object(marker), Place{Alone: true}, Verdict{RemoveMarker, made, "m"}},
		{"a marker alone, left", []s3.LifecycleRule{{ID: "m", Status: s3.Enabled, Filter: &all, Expiration: &s3.LifecycleExpiration{ExpiredObjectDeleteMarker: ptr(false)}}},
			object(marker), Place{Alone: true}, Verdict{}},
		{"a marker has no tags", []s3.LifecycleRule{expireAfter("d", 1, s3.LifecycleFilter{Tag: &s3.Tag{Key: "k", Value: "v"}})}, object(marker), Place{Alone: true}, Verdict{}},
		{"a marker has no size", []s3.LifecycleRule{expireAfter("d", 1, s3.LifecycleFilter{ObjectSizeLessThan: ptr[int64](10)})}, object(marker), Place{Alone: true}, Verdict{}},
		{"a rule for current versions", []s3.LifecycleRule{expireAfter("d", 1, all)}, object(old), Place{Succeeded: made}, Verdict{}},
		{"kept", []s3.LifecycleRule{noncurrent}, object(old), Place{Succeeded: made, Newer: 1}, Verdict{}},
		{"not kept", []s3.LifecycleRule{noncurrent}, object(old), Place{Succeeded: made.Add(24 * time.Hour), Newer: 2}, Verdict{ExpireNoncurrent, at("2026-02-10T00:00:00Z"), "n"}},
		{"a marker that is not current", []s3.LifecycleRule{noncurrent}, object(old, marker), Place{Succeeded: made, Newer: 2}, Verdict{ExpireNoncurrent, at("2026-02-09T00:00:00Z"), "n"}},
		{"a rule for others", []s3.LifecycleRule{noncurrent}, object(), Place{}, Verdict{}},
	} {
		if got := Compile(c.rules).Version(c.o, c.place); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}

func TestUploadRules(t *testing.T) {
	r := Compile([]s3.LifecycleRule{{ID: "a", Status: s3.Enabled, Filter: &s3.LifecycleFilter{Prefix: ptr("in/")},
		AbortIncompleteMultipartUpload: &s3.AbortIncomplete{DaysAfterInitiation: ptr[int64](1)}}})
	began := at("2026-02-06T12:00:00Z")
	if got, want := r.Upload("in/x", began), (Verdict{Abort, at("2026-02-08T00:00:00Z"), "a"}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if got := r.Upload("out/x", began); got != (Verdict{}) {
		t.Errorf("%+v for another key", got)
	}
}

// anyRule draws a rule of every kind over small alphabets.
func anyRule(t *rapid.T, i int) s3.LifecycleRule {
	r := s3.LifecycleRule{ID: fmt.Sprint("r", i), Status: rapid.SampledFrom([]string{s3.Enabled, s3.Enabled, s3.Enabled, s3.Disabled}).Draw(t, "status")}
	and := &s3.LifecycleAnd{Prefix: ptr(rapid.SampledFrom([]string{"", "a", "ab", "b"}).Draw(t, "prefix"))}
	if rapid.Bool().Draw(t, "tagged") {
		and.Tags = []s3.Tag{{Key: "k", Value: rapid.SampledFrom([]string{"1", "2"}).Draw(t, "value")}}
	}
	if rapid.Bool().Draw(t, "greater") {
		and.ObjectSizeGreaterThan = ptr(rapid.Int64Range(0, 5).Draw(t, "above"))
	}
	if rapid.Bool().Draw(t, "less") {
		and.ObjectSizeLessThan = ptr(rapid.Int64Range(6, 10).Draw(t, "below"))
	}
	r.Filter = &s3.LifecycleFilter{And: and}
	days := ptr(rapid.Int64Range(1, 6).Draw(t, "days"))
	plain := len(and.Tags) == 0 && and.ObjectSizeGreaterThan == nil && and.ObjectSizeLessThan == nil
	switch kind := rapid.IntRange(0, 4).Draw(t, "kind"); {
	case kind == 0:
		r.Expiration = &s3.LifecycleExpiration{Days: days}
	case kind == 1:
		r.Expiration = &s3.LifecycleExpiration{Date: ptr(start.AddDate(0, 0, int(*days)))}
	case kind == 2 && plain:
		r.Expiration = &s3.LifecycleExpiration{ExpiredObjectDeleteMarker: ptr(rapid.Bool().Draw(t, "flag"))}
	default:
		n := &s3.NoncurrentExpiration{NoncurrentDays: days}
		if rapid.Bool().Draw(t, "keeps") {
			n.NewerNoncurrentVersions = ptr(rapid.Int64Range(1, 3).Draw(t, "newer"))
		}
		r.NoncurrentVersionExpiration = n
	}
	return r
}

var start = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

// naive says of each version of a key, the newest first, whether it is to go at a
// time, straight from the words of the documentation and one rule after the
// other, without Verdict.
func naive(rules []s3.LifecycleRule, versions []*store.Object, now time.Time) []bool {
	gone := make([]bool, len(versions))
	midnight := func(began time.Time, days int64) time.Time {
		t := began.UTC().Add(time.Duration(days) * 24 * time.Hour)
		for {
			t = t.Add(time.Nanosecond)
			if h, m, s := t.Clock(); h == 0 && m == 0 && s == 0 && t.Nanosecond() == 0 {
				return t
			}
			next := t.Truncate(24 * time.Hour).Add(24*time.Hour - time.Nanosecond)
			t = next
		}
	}
	for i, v := range versions {
		for _, r := range rules {
			and := r.Filter.And
			fits := strings.HasPrefix(v.Key, *and.Prefix)
			if v.DeleteMarker {
				fits = fits && and.Tags == nil && and.ObjectSizeGreaterThan == nil && and.ObjectSizeLessThan == nil
			} else {
				fits = fits && (and.ObjectSizeGreaterThan == nil || v.Size > *and.ObjectSizeGreaterThan) &&
					(and.ObjectSizeLessThan == nil || v.Size < *and.ObjectSizeLessThan)
				for _, tag := range and.Tags {
					fits = fits && len(v.Tags) == 1 && v.Tags[0] == store.Tag(tag)
				}
			}
			if r.Status != s3.Enabled || !fits {
				continue
			}
			if n := r.NoncurrentVersionExpiration; n != nil && i > 0 {
				objects := int64(0)
				for _, newer := range versions[1:i] {
					if !newer.DeleteMarker {
						objects++
					}
				}
				kept := n.NewerNoncurrentVersions != nil && objects < *n.NewerNoncurrentVersions
				if !kept && !now.Before(midnight(versions[i-1].ModTime, *n.NoncurrentDays)) {
					gone[i] = true
				}
			}
			if e := r.Expiration; e != nil && i == 0 && (!v.DeleteMarker || len(versions) == 1) {
				switch {
				case e.Days != nil:
					gone[i] = gone[i] || !now.Before(midnight(v.ModTime, *e.Days))
				case e.Date != nil:
					gone[i] = gone[i] || !now.Before(*e.Date)
				default:
					gone[i] = gone[i] || *e.ExpiredObjectDeleteMarker && v.DeleteMarker
				}
			}
		}
	}
	return gone
}

// anyVersions draws the versions of a key, the newest first.
func anyVersions(t *rapid.T) []*store.Object {
	n := rapid.IntRange(1, 6).Draw(t, "versions")
	key := rapid.SampledFrom([]string{"a", "ab", "abc", "b", "c"}).Draw(t, "key")
	versions := make([]*store.Object, n)
	made := start
	for i := n - 1; i >= 0; i-- {
		made = made.Add(time.Duration(rapid.IntRange(0, 48).Draw(t, "hours")) * time.Hour).Add(time.Duration(rapid.IntRange(0, 1).Draw(t, "ns")))
		o := &store.Object{Key: key, VersionID: fmt.Sprint(i), ModTime: made, IsLatest: i == 0}
		if o.DeleteMarker = rapid.IntRange(0, 2).Draw(t, "marker") == 0; !o.DeleteMarker {
			o.Size = rapid.Int64Range(0, 10).Draw(t, "size")
			if v := rapid.SampledFrom([]string{"", "1", "2"}).Draw(t, "tag"); v != "" {
				o.Tags = []store.Tag{{Key: "k", Value: v}}
			}
		}
		versions[i] = o
	}
	return versions
}

// TestRulesAgainstModel compares the rules with the naive model.
func TestRulesAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var config []s3.LifecycleRule
		for i := range rapid.IntRange(1, 4).Draw(t, "rules") {
			config = append(config, anyRule(t, i))
		}
		if err := s3.CheckLifecycle(config, false); err != nil {
			t.Fatal(err)
		}
		rules, versions := Compile(config), anyVersions(t)
		now := start.Add(time.Duration(rapid.IntRange(0, 24*16).Draw(t, "now")) * time.Hour)
		want := naive(config, versions, now)
		newer := 0
		for i, v := range versions {
			place := Place{Alone: len(versions) == 1}
			if i > 0 {
				place = Place{Succeeded: versions[i-1].ModTime, Newer: newer}
				if !v.DeleteMarker {
					newer++
				}
			}
			verdict := rules.Version(v, place)
			if verdict.At(now) != want[i] {
				t.Fatalf("version %d at %v: %+v, want %v", i, now, verdict, want[i])
			}
		}
	})
}
