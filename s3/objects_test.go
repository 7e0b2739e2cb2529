package s3

import (
	"errors"
	"strings"
	"testing"

	"github.com/daypass/daypass"
	"github.com/google/go-cmp/cmp"
)

var someSums = []Checksum{{"CRC32", "AAAAAA=="}, {"SHA256", "x&y"}}

func TestMultipartBodies(t *testing.T) {
	golden(t, "initiate.xml", AppendInitiated(nil, "photos", "a&b", "ID"))
	done := CompleteResult{Location: "http://h/photos/a%26b", Bucket: "photos", Key: "a&b", ETag: "e-2", Checksums: someSums, ChecksumType: "COMPOSITE"}
	golden(t, "complete.xml", done.Append(nil))
	up := Upload{Key: "a&b", UploadID: "ID", Owner: "alice", Initiated: when}
	parts := ListPartsResult{Bucket: "photos", Upload: up, Marker: 1, MaxParts: 2, NextMarker: 3, Truncated: true, Parts: []Part{
		{Number: 2, Modified: when, ETag: "e", Size: 5 << 20, Checksums: someSums}, {Number: 3, Modified: when, ETag: "f", Size: 1}}}
	golden(t, "list_parts.xml", parts.Append(nil))
	parts = ListPartsResult{Bucket: "photos", Upload: up, MaxParts: 1000, EncodeURL: true}
	parts.Upload.StorageClass, parts.Upload.ChecksumAlgorithm, parts.Upload.ChecksumType = "STANDARD_IA", "SHA1", "COMPOSITE"
	golden(t, "list_parts_empty.xml", parts.Append(nil))

	uploads := ListUploadsResult{Bucket: "photos", Prefix: "a b", Delimiter: "/", KeyMarker: "a b/0", UploadIDMarker: "I",
		NextKeyMarker: "a b/é", NextUploadID: "J", MaxUploads: 2, Truncated: true,
		Uploads: []Upload{up, parts.Upload}, CommonPrefixes: []string{"a b/é/"}}
	golden(t, "list_uploads.xml", uploads.Append(nil))
	uploads.EncodeURL = true
	golden(t, "list_uploads_url.xml", uploads.Append(nil))
	golden(t, "list_uploads_empty.xml", (&ListUploadsResult{Bucket: "photos", MaxUploads: 1000}).Append(nil))
}

func TestCopyBodies(t *testing.T) {
	r := CopyResult{Modified: when, ETag: "e", Checksums: someSums[:1], ChecksumType: FullObject}
	golden(t, "copy_object.xml", r.AppendObject(nil))
	golden(t, "copy_part.xml", (&CopyResult{Modified: when, ETag: "e"}).AppendPart(nil))
}

func TestVersionBodies(t *testing.T) {
	golden(t, "versioning_off.xml", AppendVersioning(nil, ""))
	golden(t, "versioning.xml", AppendVersioning(nil, Suspended))
	r := ListVersionsResult{Bucket: "photos", Prefix: "a b", Delimiter: "/", KeyMarker: "a b/0", VersionIDMarker: "null",
		NextKeyMarker: "a b/é", NextVersionMarker: "V", MaxKeys: 2, Truncated: true, CommonPrefixes: []string{"a b/é/"},
		Versions: []Version{
			{Key: "a b/1", VersionID: "V", IsLatest: true, Modified: when, Owner: "alice", DeleteMarker: true},
			{Key: "a b/1", VersionID: "null", Modified: when, Owner: "alice", ETag: "e", Size: 7,
				ChecksumAlgorithm: "CRC32", ChecksumType: FullObject, StorageClass: "STANDARD_IA"},
		}}
	golden(t, "list_versions.xml", r.Append(nil))
	r.EncodeURL = true
	golden(t, "list_versions_url.xml", r.Append(nil))
	golden(t, "list_versions_empty.xml", (&ListVersionsResult{Bucket: "photos", MaxKeys: 1000}).Append(nil))
}

func TestDeletedMarkers(t *testing.T) {
	r := DeleteResult{Entries: []DeletedObject{{Key: "a", Marker: "M"}, {Key: "b", VersionID: "M", Marker: "M"}}}
	golden(t, "delete_markers.xml", r.Append(nil))
}

func TestTaggingBody(t *testing.T) {
	golden(t, "tagging.xml", AppendTagging(nil, []Tag{{"a&b", "1"}, {"c", ""}}))
	golden(t, "tagging_empty.xml", AppendTagging(nil, nil))
}

func TestAttributesBody(t *testing.T) {
	all := Attributes{ETag: true, Checksum: true, ObjectParts: true, StorageClass: true, ObjectSize: true}
	r := AttributesResult{Wanted: all, ETag: "e-3", Checksums: someSums[:1], ChecksumType: "COMPOSITE", Size: 11, Parts: &ObjectParts{
		Count: 3, Marker: 1, NextMarker: 2, MaxParts: 1, Truncated: true, Parts: []Part{{Number: 2, Size: 5, Checksums: someSums[:1]}}}}
	golden(t, "attributes.xml", r.Append(nil))
	r.Parts = &ObjectParts{Count: 3}
	golden(t, "attributes_no_parts.xml", r.Append(nil))
	golden(t, "attributes_whole.xml", (&AttributesResult{Wanted: all, ETag: "e"}).Append(nil))
	golden(t, "attributes_one.xml", (&AttributesResult{Wanted: Attributes{ObjectSize: true}, ETag: "e"}).Append(nil))
}

func TestPostResponse(t *testing.T) {
	golden(t, "post.xml", (&PostResponse{Location: "http://h/photos/a%26b", Bucket: "photos", Key: "a&b", ETag: "e"}).Append(nil))
}

// checkCode compares the code of an error, "" for none.
func checkCode(t *testing.T, what string, err error, want daypass.Code) {
	t.Helper()
	if got := daypass.CodeOf(err); got != want {
		t.Errorf("%.60s: %v, want %q", what, err, want)
	}
}

func TestParseComplete(t *testing.T) {
	part := "<Part><PartNumber>1</PartNumber><ETag>e</ETag></Part>"
	for body, want := range map[string]daypass.Code{
		"<CompleteMultipartUpload>" + part + "</CompleteMultipartUpload>": "",
		"<CompleteMultipartUpload></CompleteMultipartUpload>":             daypass.InvalidRequest,
		"<Complete>" + part + "</Complete>":                               daypass.MalformedXML,
		"":                                                                daypass.MalformedXML,
		"<CompleteMultipartUpload><Part><ETag>e</ETag></Part></CompleteMultipartUpload>":                    daypass.MalformedXML,
		"<CompleteMultipartUpload><Part><PartNumber>1</PartNumber></Part></CompleteMultipartUpload>":        daypass.MalformedXML,
		"<CompleteMultipartUpload><Part><PartNumber>x</PartNumber><ETag/></Part></CompleteMultipartUpload>": daypass.MalformedXML,
		"<CompleteMultipartUpload>" + part: daypass.MalformedXML,
		"<CompleteMultipartUpload>" + strings.Repeat(part, MaxObjectPart) + "</CompleteMultipartUpload>":        "",
		"<CompleteMultipartUpload>" + strings.Repeat(part, MaxObjectPart+1) + "</CompleteMultipartUpload>":      daypass.MalformedXML,
		"<CompleteMultipartUpload>" + strings.Repeat("<Part/>", MaxObjectPart+1) + "</CompleteMultipartUpload>": daypass.MalformedXML,
	} {
		_, err := ParseComplete([]byte(body))
		checkCode(t, body, err, want)
	}
	got, err := ParseComplete([]byte(`<?xml version="1.0"?><CompleteMultipartUpload xmlns="` + namespace + `"><Part><PartNumber> 3 </PartNumber>` +
		`<ETag>"e"</ETag><ChecksumCRC64NVME>s</ChecksumCRC64NVME></Part><Part><ETag>&#34;f&#34;</ETag><PartNumber>5</PartNumber></Part></CompleteMultipartUpload>`))
	want := []CompletePart{{3, "e", []Checksum{{"CRC64NVME", "s"}}}, {5, "f", nil}}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
}

func TestParseCopySource(t *testing.T) {
	for in, want := range map[string]daypass.ObjectRef{
		"photos/key":                  {Bucket: "photos", Key: "key"},
		"/photos/key":                 {Bucket: "photos", Key: "key"},
		"photos%2Fkey":                {Bucket: "photos", Key: "key"},
		"%2Fphotos%2Fa%2Fb":           {Bucket: "photos", Key: "a/b"},
		"photos/a+b%2Bc%20d":          {Bucket: "photos", Key: "a b+c d"},
		"photos//a":                   {Bucket: "photos", Key: "/a"},
		"photos/a%3Fb":                {Bucket: "photos", Key: "a?b"},
		"photos/é":                    {Bucket: "photos", Key: "é"},
		"photos/a%253F":               {Bucket: "photos", Key: "a%3F"},
		"photos/key?versionId=null":   {Bucket: "photos", Key: "key", VersionID: "null"},
		"/photos/key?versionId=a%2Bb": {Bucket: "photos", Key: "key", VersionID: "a+b"},
		"photos/a%3FversionId=1":      {Bucket: "photos", Key: "a?versionId=1"},
	} {
		got, err := ParseCopySource(in)
		if err != nil || got != want {
			t.Errorf("ParseCopySource(%q) = %+v, %v, want %+v", in, got, err, want)
		}
	}
	for in, message := range map[string]string{
		"":                         "Copy Source must mention the source bucket and key: sourcebucket/sourcekey",
		"/":                        "Copy Source must mention the source bucket and key: sourcebucket/sourcekey",
		"photos":                   "Copy Source must mention the source bucket and key: sourcebucket/sourcekey",
		"photos/":                  "Copy Source must mention the source bucket and key: sourcebucket/sourcekey",
		"//key":                    "Copy Source must mention the source bucket and key: sourcebucket/sourcekey",
		"photos/%":                 "Invalid copy source encoding.",
		"photos/%zz":               "Invalid copy source encoding.",
		"photos/key?x=1":           "Unsupported copy source parameter.",
		"photos/k?versionId=a&b=c": "Unsupported copy source parameter.",
	} {
		_, err := ParseCopySource(in)
		var e *daypass.Error
		if !errors.As(err, &e) || e.Code != daypass.InvalidArgument || e.Message != message {
			t.Errorf("ParseCopySource(%q): %v", in, err)
		}
	}
}

func TestParseVersioning(t *testing.T) {
	for inner, want := range map[string]daypass.Code{
		"<Status>Enabled</Status>":                                  "",
		"<Status>Suspended</Status><MfaDelete>Disabled</MfaDelete>": "",
		"<Status>Enabled</Status><MfaDelete>Enabled</MfaDelete>":    "",
		"":                         IllegalVersioning,
		"<Status>enabled</Status>": daypass.MalformedXML,
		"<Status>Enabled</Status><MfaDelete>yes</MfaDelete>": daypass.MalformedXML,
		"<Status>": daypass.MalformedXML,
	} {
		_, err := ParseVersioning([]byte("<VersioningConfiguration>" + inner + "</VersioningConfiguration>"))
		checkCode(t, inner, err, want)
	}
}

func tagXML(tags ...string) string {
	var b strings.Builder
	b.WriteString("<Tagging><TagSet>")
	for i := 0; i+1 < len(tags); i += 2 {
		b.WriteString("<Tag><Key>" + tags[i] + "</Key><Value>" + tags[i+1] + "</Value></Tag>")
	}
	return b.String() + "</TagSet></Tagging>"
}

func TestParseTagging(t *testing.T) {
	var ten, eleven []string
	for _, c := range "abcdefghijk" {
		ten = eleven
		eleven = append(eleven, string(c), "")
	}
	for body, want := range map[string]daypass.Code{
		tagXML():                              "",
		tagXML("a", "1", "b", ""):             "",
		tagXML("a b+-=._:/@é1", "日本"):         "",
		tagXML(strings.Repeat("é", 128), ""):  "",
		tagXML(strings.Repeat("é", 129), ""):  InvalidTag,
		tagXML("a", strings.Repeat("é", 256)): "",
		tagXML("a", strings.Repeat("é", 257)): InvalidTag,
		tagXML("", "a"):                       InvalidTag,
		tagXML("a", "!"):                      InvalidTag,
		tagXML("a#", ""):                      InvalidTag,
		tagXML("aws:a", ""):                   InvalidTag,
		tagXML("AWS:a", ""):                   InvalidTag,
		tagXML("a", "", "a", ""):              InvalidTag,
		tagXML(ten...):                        "",
		tagXML(eleven...):                     BadRequest,
		"<Tagging/>":                          daypass.MalformedXML,
		"<Tags/>":                             daypass.MalformedXML,
		"<Tagging><TagSet><Tag><Key>a</Key></Tag></TagSet></Tagging>":     daypass.MalformedXML,
		"<Tagging><TagSet><Tag><Value>a</Value></Tag></TagSet></Tagging>": daypass.MalformedXML,
	} {
		_, err := ParseTagging([]byte(body))
		checkCode(t, body, err, want)
	}
}

func TestTagHeader(t *testing.T) {
	for in, want := range map[string][]Tag{
		"":                 nil,
		"a=1":              {{"a", "1"}},
		"a=1&b":            {{"a", "1"}, {"b", ""}},
		"a+b=%2B&c=%C3%A9": {{"a b", "+"}, {"c", "é"}},
		"&a=1&":            {{"a", "1"}},
		"a=b=c":            {{"a", "b=c"}},
	} {
		got, err := ParseTagHeader(in)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%q: %v\n%s", in, err, diff)
		}
		if again, err := ParseTagHeader(EncodeTags(got)); err != nil || !cmp.Equal(again, got) {
			t.Errorf("%q does not come back: %v, %v", in, again, err)
		}
	}
	for in, want := range map[string]daypass.Code{
		"a=1&a=2": daypass.InvalidArgument, "a=%": daypass.InvalidArgument, "=1": daypass.InvalidArgument, "a=%FF": daypass.InvalidArgument,
		"aws:a=1": InvalidTag, "a=%21": InvalidTag, "a&b&c&d&e&f&g&h&i&j&k": BadRequest,
	} {
		_, err := ParseTagHeader(in)
		checkCode(t, in, err, want)
	}
}

func TestParseAttributes(t *testing.T) {
	got, err := ParseAttributes([]string{"ETag, Checksum", "ObjectParts,,StorageClass", "ObjectSize"})
	if err != nil || got != (Attributes{true, true, true, true, true}) {
		t.Errorf("%+v, %v", got, err)
	}
	_, err = ParseAttributes([]string{"etag"})
	checkCode(t, "etag", err, daypass.InvalidArgument)
	for _, none := range [][]string{nil, {""}, {" , "}} {
		_, err = ParseAttributes(none)
		checkCode(t, "none", err, daypass.InvalidRequest)
	}
}

func FuzzParseComplete(f *testing.F) {
	f.Add([]byte("<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>e</ETag></Part></CompleteMultipartUpload>"))
	f.Fuzz(func(t *testing.T, body []byte) {
		if parts, err := ParseComplete(body); err == nil && (len(parts) == 0 || len(parts) > MaxObjectPart) {
			t.Errorf("%d parts", len(parts))
		}
	})
}

func FuzzParseCopySource(f *testing.F) {
	f.Add("/photos/a+b%2Fc?versionId=null")
	f.Fuzz(func(t *testing.T, in string) {
		if ref, err := ParseCopySource(in); err == nil && (ref.Bucket == "" || ref.Key == "" || strings.Contains(ref.Bucket, "/")) {
			t.Errorf("%+v", ref)
		}
	})
}

func FuzzTags(f *testing.F) {
	f.Add("a=1&b=%C3%A9+x")
	f.Fuzz(func(t *testing.T, in string) {
		if tags, err := ParseTagHeader(in); err == nil {
			if again, err := ParseTagHeader(EncodeTags(tags)); err != nil || !cmp.Equal(again, tags) {
				t.Errorf("%v became %v, %v", tags, again, err)
			}
		}
		_, _ = ParseTagging([]byte(in))
	})
}
