package server

import (
	"encoding/xml"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/sign"
	"github.com/google/go-cmp/cmp"
)

type listing struct {
	Name, Prefix, Marker, NextMarker, Delimiter, EncodingType string
	ContinuationToken, NextContinuationToken, StartAfter      string
	MaxKeys, KeyCount                                         int
	IsTruncated                                               bool
	Contents                                                  []struct {
		Key, ETag, ChecksumAlgorithm, StorageClass string
		Size                                       int64
		Owner                                      *struct{ ID string }
	}
	CommonPrefixes []struct{ Prefix string }
}

func (l *listing) names() (names []string) {
	for _, c := range l.Contents {
		names = append(names, c.Key)
	}
	for _, p := range l.CommonPrefixes {
		names = append(names, p.Prefix)
	}
	slices.Sort(names)
	return names
}

func (e *env) list(params ...string) *listing {
	e.t.Helper()
	r := e.send(e.presign(sign.URLRequest{Method: "GET", Bucket: "photos", Query: pairs(params)}))
	if r.status != 200 {
		e.t.Fatalf("%v: status %d\n%s", params, r.status, r.body)
	}
	var l listing
	if err := xml.Unmarshal([]byte(r.body), &l); err != nil {
		e.t.Fatal(err)
	}
	return &l
}

// pages lists to the end, a page at a time.
func (e *env) pages(v2 bool, params ...string) (names []string) {
	e.t.Helper()
	var next []string
	for range 100 {
		l := e.list(slices.Concat(params, next)...)
		names = append(names, l.names()...)
		if v2 && l.KeyCount != len(l.names()) {
			e.t.Errorf("KeyCount %d of %v", l.KeyCount, l.names())
		}
		switch {
		case !l.IsTruncated:
			return names
		case v2:
			next = []string{"continuation-token", l.NextContinuationToken}
		case l.NextMarker != "":
			next = []string{"marker", l.NextMarker}
		default:
			next = []string{"marker", l.Contents[len(l.Contents)-1].Key}
		}
	}
	e.t.Fatal("the listing does not end")
	return nil
}

func TestListObjects(t *testing.T) {
	e := newEnv(t)
	keys := []string{"a", "a b", "a/1", "a/2", "a/2/x", "b/1", "c", "c+d", "é/1", "日本"}
	for _, k := range keys {
		e.put(k, k)
	}
	slices.Sort(keys)
	for _, c := range []struct {
		params []string
		want   []string
	}{
		{nil, keys},
		{[]string{"prefix", "a"}, []string{"a", "a b", "a/1", "a/2", "a/2/x"}},
		{[]string{"prefix", "none"}, nil},
		{[]string{"delimiter", "/"}, []string{"a", "a b", "a/", "b/", "c", "c+d", "é/", "日本"}},
		{[]string{"delimiter", "/", "prefix", "a/"}, []string{"a/1", "a/2", "a/2/"}},
		{[]string{"delimiter", " "}, []string{"a", "a ", "a/1", "a/2", "a/2/x", "b/1", "c", "c+d", "é/1", "日本"}},
	} {
		for _, size := range []string{"1", "2", "3", "1000"} {
			v1 := e.pages(false, append(c.params, "max-keys", size)...)
			v2 := e.pages(true, append(c.params, "max-keys", size, "list-type", "2")...)
			slices.Sort(v1)
			slices.Sort(v2)
			if diff := cmp.Diff(c.want, v1); diff != "" {
				t.Errorf("V1 %v, %s at a time (-want +got):\n%s", c.params, size, diff)
			}
			if diff := cmp.Diff(c.want, v2); diff != "" {
				t.Errorf("V2 %v, %s at a time (-want +got):\n%s", c.params, size, diff)
			}
		}
	}
}

func TestListDetails(t *testing.T) {
	e := newEnv(t)
	for _, k := range []string{"a", "a+b/x", "b"} {
		e.put(k, "content")
	}
	l := e.list("list-type", "2", "start-after", "a+b/x")
	if diff := cmp.Diff([]string{"b"}, l.names()); diff != "" || l.StartAfter != "a+b/x" {
		t.Errorf("start-after %q: %s", l.StartAfter, diff)
	}
	if o := l.Contents[0]; o.ETag != `"`+md5hex("content")+`"` || o.Size != 7 || o.Owner != nil || o.StorageClass != "STANDARD" || o.ChecksumAlgorithm != "CRC64NVME" {
		t.Errorf("entry %+v", o)
	}
	if l := e.list("list-type", "2", "fetch-owner", "true"); l.Contents[0].Owner == nil || l.Contents[0].Owner.ID != daypass.CanonicalID("alice") {
		t.Error("fetch-owner shows no owner")
	}
	if l := e.list(); l.Contents[0].Owner == nil || l.MaxKeys != 1000 || l.IsTruncated {
		t.Errorf("version 1: %+v", l)
	}
	if l := e.list("max-keys", "0"); l.MaxKeys != 0 || l.IsTruncated || len(l.names()) != 0 {
		t.Errorf("max-keys 0: %+v", l)
	}
	if l := e.list("list-type", "2", "max-keys", "5000"); l.MaxKeys != 1000 || l.KeyCount != 3 {
		t.Errorf("max-keys 5000: %+v", l)
	}
	l = e.list("encoding-type", "url", "delimiter", "/", "prefix", "a", "marker", "a")
	if diff := cmp.Diff([]string{"a%2Bb/"}, l.names()); diff != "" || l.EncodingType != "url" || l.Prefix != "a" {
		t.Errorf("encoded: %s%+v", diff, l)
	}
	// The token replaces start-after.
	first := e.list("list-type", "2", "max-keys", "1")
	again := e.list("list-type", "2", "max-keys", "1", "start-after", "z", "continuation-token", first.NextContinuationToken)
	if diff := cmp.Diff([]string{"a+b/x"}, again.names()); diff != "" || again.ContinuationToken != first.NextContinuationToken {
		t.Error(diff)
	}
}

func TestListRefused(t *testing.T) {
	e := newEnv(t)
	e.put("a", "")
	e.put("b", "")
	token := e.list("list-type", "2", "max-keys", "1").NextContinuationToken
	flip := "A"
	if token[0] == 'A' {
		flip = "B"
	}
	for _, c := range []struct {
		params         []string
		argument, text string
	}{
		{[]string{"max-keys", "-1"}, "maxKeys", "Argument maxKeys must be an integer between 0 and 2147483647"},
		{[]string{"max-keys", "x"}, "max-keys", "Provided max-keys not an integer or within integer range"},
		{[]string{"max-keys", "2147483648"}, "max-keys", "Provided max-keys not an integer or within integer range"},
		{[]string{"encoding-type", "base64"}, "encoding-type", "Invalid Encoding Method specified in Request"},
		{[]string{"list-type", "2", "continuation-token", ""}, "continuation-token", "The continuation token provided is incorrect"},
		{[]string{"list-type", "2", "continuation-token", "a"}, "continuation-token", "The continuation token provided is incorrect"},
		{[]string{"list-type", "2", "continuation-token", token[:len(token)-4] + "AAAA"}, "continuation-token", "The continuation token provided is incorrect"},
		{[]string{"list-type", "2", "continuation-token", flip + token[1:]}, "continuation-token", "The continuation token provided is incorrect"},
	} {
		r := e.send(e.presign(sign.URLRequest{Method: "GET", Bucket: "photos", Query: pairs(c.params)}))
		e.want(r, 400, "InvalidArgument")
		if r.element("ArgumentName") != c.argument || r.element("Message") != c.text {
			t.Errorf("%v: %s", c.params, r.body)
		}
	}
	e.want(e.send(e.presign(sign.URLRequest{Method: "GET", Bucket: "nowhere"})), 404, "NoSuchBucket")
}

// TestListSchemes lists in every way of signing.
func TestListSchemes(t *testing.T) {
	e := newEnv(t)
	e.put("a b", "")
	for _, virtual := range []bool{false, true} {
		for _, v := range []sign.Version{sign.V4, sign.V4A, sign.V2} {
			q := e.presignFor(e.endpoint(), testKey, sign.URLRequest{Method: "GET", Bucket: "photos", Query: pairs([]string{"list-type", "2", "prefix", "a "})},
				sign.PresignOptions{Version: v, VirtualHost: virtual})
			if r := e.send(q); r.status != 200 || !strings.Contains(r.body, "<Key>a b</Key>") {
				t.Errorf("%s: status %d\n%s", v, r.status, r.body)
			}
			h := e.headerSigned(v, virtual, "GET", "", "")
			if r := e.send(h); r.status != 200 || !strings.Contains(r.body, "<Key>a b</Key>") {
				t.Errorf("%s header: status %d\n%s", v, r.status, r.body)
			}
		}
	}
}

func FuzzToken(f *testing.F) {
	f.Add(newToken(objectTokens, "a/b"))
	f.Add("")
	f.Fuzz(func(t *testing.T, token string) {
		last, ok := parseToken(objectTokens, token)
		if ok && newToken(objectTokens, last) != token {
			t.Errorf("%q is accepted, but %q is its token", token, newToken(objectTokens, last))
		}
		if _, other := parseToken(bucketTokens, token); ok && other {
			t.Errorf("%q is a token for two kinds of listing", token)
		}
		if token := newToken(objectTokens, token); token != "" {
			if _, err := url.QueryUnescape(token); err != nil {
				t.Error(err)
			}
		}
	})
}
