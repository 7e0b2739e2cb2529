package limits_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/limits"
	"github.com/daypass/daypass/sign"
)

const postObject daypass.Action = "PostObject"

var actions = []daypass.Action{
	daypass.ListBuckets, daypass.CreateBucket, daypass.HeadBucket, daypass.DeleteBucket, daypass.GetBucketLocation, daypass.ListObjects,
	daypass.ListObjectsV2, daypass.GetObject, daypass.HeadObject, daypass.PutObject, daypass.DeleteObject, daypass.DeleteObjects,
	daypass.CopyObject, daypass.GetObjectAttributes, daypass.GetObjectTagging, daypass.PutObjectTagging, daypass.DeleteObjectTagging,
	daypass.CreateMultipartUpload, daypass.UploadPart, daypass.UploadPartCopy, daypass.CompleteMultipartUpload, daypass.AbortMultipartUpload,
	daypass.ListParts, daypass.ListMultipartUploads, daypass.PutBucketVersioning, daypass.GetBucketVersioning, daypass.ListObjectVersions,
	postObject, "PutBucketCors", "GetBucketCors", "DeleteBucketCors", "CreateSession", "SelectObjectContent",
}

var (
	downloads = []daypass.Action{daypass.GetObject, daypass.HeadObject}
	uploads   = []daypass.Action{daypass.PutObject, postObject}
	sized     = []daypass.Action{daypass.PutObject, postObject, daypass.UploadPart}
	writes    = []daypass.Action{daypass.CreateBucket, daypass.DeleteBucket, daypass.PutObject, daypass.DeleteObject, daypass.DeleteObjects,
		daypass.CopyObject, daypass.PutObjectTagging, daypass.DeleteObjectTagging, daypass.CreateMultipartUpload, daypass.UploadPart,
		daypass.UploadPartCopy, daypass.CompleteMultipartUpload, daypass.AbortMultipartUpload, daypass.PutBucketVersioning, postObject,
		"PutBucketCors", "DeleteBucketCors"}
	// heads and deletes are the actions whose methods are HEAD and DELETE.
	headsDeletes = []daypass.Action{daypass.HeadBucket, daypass.HeadObject, daypass.DeleteBucket, daypass.DeleteObject,
		daypass.DeleteObjectTagging, daypass.AbortMultipartUpload, "DeleteBucketCors"}
)

// TestCheckActions tries every limit with every action.
func TestCheckActions(t *testing.T) {
	everywhere := actions
	bindable := slices.DeleteFunc(slices.Clone(actions), func(a daypass.Action) bool { return slices.Contains(headsDeletes, a) })
	for _, test := range []struct {
		limit string
		set   limits.Set
		in    []daypass.Action
	}{
		{limits.Name, limits.Set{Name: "n"}, everywhere},
		{limits.NotBefore, limits.Set{NotBefore: time.Unix(1, 0)}, everywhere},
		{limits.Until, limits.Set{Until: time.Unix(1, 0)}, everywhere},
		{limits.IP, limits.Set{IP: fullSet(t).IP}, everywhere},
		{limits.PIN, limits.Set{PIN: fullSet(t).PIN}, everywhere},
		{limits.Origin, limits.Set{Origins: []string{"https://a.example"}}, everywhere},
		{limits.TLS, limits.Set{TLS: true}, everywhere},
		{limits.Bind, limits.Set{Bind: true}, bindable},
		{limits.Uses, limits.Set{Uses: 1}, slices.Concat(downloads, writes)},
		{limits.Size, limits.Set{Size: &limits.SizeRange{Max: 1}}, sized},
		{limits.Type, limits.Set{Types: []string{"a/b"}}, uploads},
		{limits.Overwrite, limits.Set{NoOverwrite: true}, uploads},
		{limits.Rate, limits.Set{Rate: 1}, slices.Concat(downloads, sized)},
		{limits.ETag, limits.Set{ETag: "e"}, downloads},
		{limits.Prefix, limits.Set{Prefix: "a/"}, slices.Concat(downloads, []daypass.Action{daypass.ListObjectsV2})},
		{limits.As, limits.Set{Prefix: "a/", Zip: true}, downloads},
		{limits.Cookie, limits.Set{Prefix: "a/", Cookie: true}, downloads},
	} {
		for _, action := range actions {
			err := test.set.Check(limits.Pass{Action: action, Scheme: daypass.SchemeQuery, Version: "SigV4"})
			if slices.Contains(test.in, action) {
				if err != nil {
					t.Errorf("%s for %s: %v", test.limit, action, err)
				}
				continue
			}
			// With a prefix, either of the two may be named.
			limit := test.limit
			if err != nil && test.set.Prefix != "" && strings.Contains(err.Error(), limits.Prefix+" ") {
				limit = limits.Prefix
			}
			wantInvalid(t, limit, err)
			if err == nil || !strings.Contains(err.Error(), "cannot be enforced for "+string(action)) {
				t.Errorf("%s for %s: %v", test.limit, action, err)
			}
		}
	}
}

// TestCheckSchemes checks that every limit is refused where it would not be
// protected by a signature of the request.
func TestCheckSchemes(t *testing.T) {
	pass := func(scheme daypass.Scheme, version string) limits.Pass {
		return limits.Pass{Action: daypass.GetObject, Scheme: scheme, Version: version}
	}
	s := limits.Set{Name: "n"}
	for _, p := range []limits.Pass{pass(daypass.SchemeQuery, "SigV4"), pass(daypass.SchemeQuery, "SigV4A"), pass(daypass.SchemeForm, "SigV4"),
		pass(daypass.SchemeForm, string(sign.V4A))} {
		if err := s.Check(p); err != nil {
			t.Error(p, err)
		}
	}
	for _, v := range values {
		s, err := parseOne(v.limit, v.good[0])
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range []limits.Pass{pass(daypass.SchemeQuery, "SigV2"), pass(daypass.SchemeForm, "SigV2"), pass(daypass.SchemeHeader, "SigV4"),
			pass(daypass.SchemeAnonymous, ""), pass("", "SigV4"), pass(daypass.SchemeQuery, ""), {}} {
			wantInvalid(t, v.limit, s.Check(p))
		}
	}
}

// TestCheckTogether tries limits that exclude or need each other.
func TestCheckTogether(t *testing.T) {
	noon := time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		set    limits.Set
		limit  string
		others string
	}{
		{limits.Set{Zip: true}, limits.As, limits.Prefix},
		{limits.Set{Cookie: true}, limits.Cookie, limits.Prefix},
		{limits.Set{Prefix: "a/", Zip: true, Cookie: true}, limits.Cookie, limits.As},
		{limits.Set{Prefix: "a/", ETag: "e"}, limits.ETag, limits.Prefix},
		{limits.Set{NotBefore: noon, Until: noon}, limits.NotBefore, limits.Until},
		{limits.Set{NotBefore: noon.Add(time.Second), Until: noon}, limits.NotBefore, limits.Until},
	} {
		err := test.set.Check(getPass)
		wantInvalid(t, test.limit, err)
		if err == nil || !strings.Contains(err.Error(), test.others) {
			t.Errorf("%v does not name %s", err, test.others)
		}
	}
	for _, s := range []limits.Set{
		{Prefix: "a/", Zip: true, Uses: 1, PIN: fullSet(t).PIN, Rate: 1, Bind: true},
		{Prefix: "a/", Cookie: true, Uses: 1, PIN: fullSet(t).PIN},
		{NotBefore: noon, Until: noon.Add(time.Second)},
	} {
		if err := s.Check(getPass); err != nil {
			t.Error(err)
		}
	}
}

var getPass = limits.Pass{Action: daypass.GetObject, Scheme: daypass.SchemeQuery, Version: "SigV4"}

func TestNeedsState(t *testing.T) {
	for _, v := range values {
		s, err := parseOne(v.limit, v.good[0])
		if err != nil {
			t.Fatal(err)
		}
		limit, ok := s.NeedsState()
		want := v.limit == limits.Uses || v.limit == limits.Bind || v.limit == limits.PIN
		if ok != want || ok && limit != v.limit {
			t.Errorf("%s needs state: %q, %v", v.limit, limit, ok)
		}
	}
}

// TestNeedsServing: only what is settled when a request is admitted holds for a
// client that is sent elsewhere.
func TestNeedsServing(t *testing.T) {
	for _, v := range values {
		s, err := parseOne(v.limit, v.good[0])
		if err != nil {
			t.Fatal(err)
		}
		limit, ok := s.NeedsServing()
		settled := v.limit == limits.Name || v.limit == limits.NotBefore || v.limit == limits.Until || v.limit == limits.Prefix || v.limit == limits.TLS
		if ok == settled || ok && limit != v.limit {
			t.Errorf("%s needs serving: %q, %v", v.limit, limit, ok)
		}
	}
	var none *limits.Set
	if _, ok := none.NeedsServing(); ok {
		t.Error("no limits need serving")
	}
}
