package s3

import (
	"encoding/xml"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/daypass/daypass"
)

// A Tag is one tag of an object.
type Tag struct {
	Key   string `xml:"Key"`
	Value string `xml:"Value"`
}

// maxObjectTags is how many tags an object may have (S3 User Guide,
// "Categorizing your objects using tags").
const maxObjectTags = 10

// MaxTaggingBody bounds a tagging document of an object, in bytes.
const MaxTaggingBody = 64 << 10

// ParseTagging parses the body of PutObjectTagging. MalformedXML, InvalidTag,
// BadRequest (too many).
func ParseTagging(body []byte) ([]Tag, error) {
	var doc struct {
		Set *struct {
			Tags wholeTags `xml:"Tag"`
		} `xml:"TagSet"`
	}
	if err := unmarshal(body, "Tagging", &doc); err != nil {
		return nil, err
	}
	if doc.Set == nil {
		return nil, &daypass.Error{Code: daypass.MalformedXML}
	}
	return doc.Set.Tags, checkTags(doc.Set.Tags)
}

// wholeTags collects tags that have both a key and a value.
type wholeTags []Tag

// UnmarshalXML implements xml.Unmarshaler for one more tag.
func (t *wholeTags) UnmarshalXML(d *xml.Decoder, start xml.StartElement) error {
	var tag struct{ Key, Value *string }
	if err := d.DecodeElement(&tag, &start); err != nil {
		return err
	}
	if tag.Key == nil || tag.Value == nil {
		return &daypass.Error{Code: daypass.MalformedXML}
	}
	*t = append(*t, Tag{*tag.Key, *tag.Value})
	return nil
}

// AppendTagging appends the XML body of GetObjectTagging.
func AppendTagging(dst []byte, tags []Tag) []byte {
	w := writer{b: dst}
	w.root("Tagging")
	w.open("TagSet")
	for _, t := range tags {
		w.open("Tag")
		w.text("Key", t.Key)
		w.text("Value", t.Value)
		w.close("Tag")
	}
	w.close("TagSet")
	w.close("Tagging")
	return w.b
}

// ParseTagHeader parses x-amz-tagging, which holds tags as a URL's query does.
// InvalidArgument, InvalidTag, BadRequest (too many).
func ParseTagHeader(header string) ([]Tag, error) {
	var tags []Tag
	seen := make(map[string]bool)
	for pair := range strings.SplitSeq(header, "&") {
		if pair == "" {
			continue
		}
		rawKey, rawValue, _ := strings.Cut(pair, "=")
		key, err1 := url.QueryUnescape(rawKey)
		value, err2 := url.QueryUnescape(rawValue)
		if err1 != nil || err2 != nil || key == "" || seen[key] || !utf8.ValidString(key+value) {
			return nil, &daypass.Error{Code: daypass.InvalidArgument,
				Message: "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name duplicates.",
				Details: []daypass.Detail{{Name: "ArgumentName", Value: "x-amz-tagging"}, {Name: "ArgumentValue", Value: header}}}
		}
		seen[key] = true
		tags = append(tags, Tag{key, value})
	}
	return tags, checkTags(tags)
}

// EncodeTags is the reverse of ParseTagHeader.
func EncodeTags(tags []Tag) string {
	var b strings.Builder
	for i, t := range tags {
		if i > 0 {
			b.WriteByte('&')
		}
		b.WriteString(url.QueryEscape(t.Key) + "=" + url.QueryEscape(t.Value))
	}
	return b.String()
}

// checkTags checks the tags that an object is to have. InvalidTag, BadRequest.
func checkTags(tags []Tag) error {
	if len(tags) > maxObjectTags {
		return &daypass.Error{Code: BadRequest, Message: "Object tags cannot be greater than 10"}
	}
	seen := make(map[string]bool)
	for _, t := range tags {
		if message := BucketTag(t).check(seen[t.Key]); message != "" {
			return &daypass.Error{Code: InvalidTag, Message: message,
				Details: []daypass.Detail{{Name: "TagKey", Value: t.Key}}}
		}
		seen[t.Key] = true
	}
	return nil
}
