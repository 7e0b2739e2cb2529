package s3store

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/daypass/daypass"
	"github.com/daypass/daypass/store"
)

// reserved is the name of the user-defined metadata (x-amz-meta-daypass) that
// holds what S3 has no header for. Clients see it neither coming nor going.
const reserved = "daypass"

// An extra is what is kept of an object in the reserved metadata.
type extra struct {
	Owner string `json:"o,omitempty"`
	ACL   []byte `json:"a,omitempty"`
	// Sums are checksums that were known before the object was stored:
	// "ALGORITHM=VALUE", "ALGORITHM*=VALUE" for a composite one.
	Sums []string `json:"s,omitempty"`
	// Upload is the id of the multipart upload that made the object.
	Upload string `json:"m,omitempty"`
	// Write is random, and tells what one request wrote from what others did.
	Write string `json:"w,omitempty"`
	// Headers and User are those of store.Metadata that cannot be sent as
	// they are.
	Headers map[string][]byte `json:"h,omitempty"`
	User    map[string][]byte `json:"u,omitempty"`
}

// sums returns Sums as they were before setSums.
func (e *extra) sums() (sums []store.Checksum) {
	for _, s := range e.Sums {
		name, value, ok := strings.Cut(s, "=")
		sum := store.Checksum{Algorithm: store.ChecksumAlgorithm(name), Value: value}
		if short, composite := strings.CutSuffix(name, "*"); composite {
			sum.Algorithm, sum.Type = store.ChecksumAlgorithm(short), store.Composite
		}
		if ok && sum.Algorithm.Known() {
			sums = append(sums, sum)
		}
	}
	return sums
}

func (e *extra) setSums(sums []store.Checksum) {
	e.Sums = nil
	for _, sum := range sums {
		name := string(sum.Algorithm)
		if sum.Type == store.Composite {
			name += "*"
		}
		e.Sums = append(e.Sums, name+"="+sum.Value)
	}
}

// A sent is the metadata of an object as it goes upstream. Its fields are those
// of PutObjectInput and its like.
type sent struct {
	ContentType, CacheControl, ContentDisposition, ContentEncoding *string
	ContentLanguage, WebsiteRedirectLocation                       *string
	Expires                                                        *time.Time
	// StorageClass is "" for the upstream's own choice.
	StorageClass string
	Metadata     map[string]string
}

// The names of headers in extra.Headers.
const (
	metaContentType        = "ct"
	metaCacheControl       = "cc"
	metaContentDisposition = "cd"
	metaContentEncoding    = "ce"
	metaContentLanguage    = "cl"
	metaExpires            = "ex"
	metaWebsiteRedirect    = "wr"
)

// encodeMeta returns metadata as it goes upstream, e with it. InvalidArgument:
// the client uses the reserved name.
func encodeMeta(m *store.Metadata, e extra) (sent, error) {
	s := sent{StorageClass: m.StorageClass, Metadata: make(map[string]string, len(m.User)+1)}
	e.Headers, e.User = nil, nil
	keep := func(name, value string) {
		if e.Headers == nil {
			e.Headers = make(map[string][]byte)
		}
		e.Headers[name] = []byte(value)
	}
	for _, h := range []struct {
		name, value string
		to          **string
	}{
		{metaContentType, m.ContentType, &s.ContentType},
		{metaCacheControl, m.CacheControl, &s.CacheControl},
		{metaContentDisposition, m.ContentDisposition, &s.ContentDisposition},
		{metaContentEncoding, m.ContentEncoding, &s.ContentEncoding},
		{metaContentLanguage, m.ContentLanguage, &s.ContentLanguage},
		{metaWebsiteRedirect, m.WebsiteRedirect, &s.WebsiteRedirectLocation},
	} {
		switch {
		case h.value == "":
		case plain(h.value):
			*h.to = aws.String(h.value)
		default:
			keep(h.name, h.value)
		}
	}
	if m.ContentType == "" {
		s.ContentType = aws.String(defaultType) // or the SDK takes one of its own
	}
	if t, err := http.ParseTime(m.Expires); err == nil && t.UTC().Format(http.TimeFormat) == m.Expires {
		s.Expires = &t
	} else if m.Expires != "" {
		keep(metaExpires, m.Expires)
	}
	for name, value := range m.User {
		if name == reserved {
			return sent{}, &daypass.Error{
				Code: daypass.InvalidArgument, Message: "The metadata name x-amz-meta-daypass is reserved.",
				Details: []daypass.Detail{{Name: "ArgumentName", Value: "x-amz-meta-daypass"}},
			}
		}
		if token(name) && plain(value) {
			s.Metadata[name] = value
			continue
		}
		if e.User == nil {
			e.User = make(map[string][]byte)
		}
		e.User[name] = []byte(value)
	}
	text, err := json.Marshal(&e)
	if err != nil {
		return sent{}, err
	}
	s.Metadata[reserved] = base64.RawURLEncoding.EncodeToString(text)
	return s, nil
}

// plain reports whether a header value reaches the other end unchanged.
func plain(s string) bool {
	if s == "" || s[0] == ' ' || s[len(s)-1] == ' ' || strings.Contains(s, "  ") {
		return false // signatures fold spaces
	}
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// token reports whether a name can be part of a header's name, and comes back in
// the same case.
func token(name string) bool {
	for i := range len(name) {
		c := name[i]
		if !('a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '.') {
			return false
		}
	}
	return name != ""
}

// upload fills in what an upload in parts begins with.
func (s *sent) upload(in *s3.CreateMultipartUploadInput) {
	in.Metadata, in.ContentType, in.CacheControl = s.Metadata, s.ContentType, s.CacheControl
	in.ContentDisposition, in.ContentEncoding, in.ContentLanguage = s.ContentDisposition, s.ContentEncoding, s.ContentLanguage
	in.Expires, in.WebsiteRedirectLocation, in.StorageClass = s.Expires, s.WebsiteRedirectLocation, types.StorageClass(s.StorageClass)
}

// copy fills in what describes a copy.
func (s *sent) copy(in *s3.CopyObjectInput) {
	in.Metadata, in.ContentType, in.CacheControl = s.Metadata, s.ContentType, s.CacheControl
	in.ContentDisposition, in.ContentEncoding, in.ContentLanguage = s.ContentDisposition, s.ContentEncoding, s.ContentLanguage
	in.Expires, in.WebsiteRedirectLocation, in.StorageClass = s.Expires, s.WebsiteRedirectLocation, types.StorageClass(s.StorageClass)
}

// A described is what an answer of the upstream says of an object.
type described struct {
	ETag, VersionID *string
	Size            int64
	Modified        *time.Time
	TagCount        *int32
	Sums            upstreamSums
	StorageClass    string
	Retention       string
	RetainUntil     *time.Time
	LegalHold       string
	sent
	expires *string
}

// An upstreamSums is the checksums of an answer or a request.
type upstreamSums struct {
	CRC32, CRC32C, CRC64NVME, SHA1, SHA256 *string
	Type                                   string
}

// sumFields returns the fields of a request that is to have one checksum.
func sumFields(sum store.Checksum) (u upstreamSums) {
	switch sum.Algorithm {
	case store.CRC32:
		u.CRC32 = &sum.Value
	case store.CRC32C:
		u.CRC32C = &sum.Value
	case store.CRC64NVME:
		u.CRC64NVME = &sum.Value
	case store.SHA1:
		u.SHA1 = &sum.Value
	case store.SHA256:
		u.SHA256 = &sum.Value
	}
	return u
}

func (u *upstreamSums) list() (sums []store.Checksum) {
	for _, s := range []struct {
		algorithm store.ChecksumAlgorithm
		value     *string
	}{{store.CRC64NVME, u.CRC64NVME}, {store.CRC32, u.CRC32}, {store.CRC32C, u.CRC32C}, {store.SHA1, u.SHA1}, {store.SHA256, u.SHA256}} {
		if s.value == nil || *s.value == "" {
			continue
		}
		sum := store.Checksum{Algorithm: s.algorithm, Value: *s.value}
		if u.Type == string(store.Composite) {
			sum.Type = store.Composite
		}
		sums = append(sums, sum)
	}
	return sums
}

// decodeMeta returns the metadata that encodeMeta has made an answer of.
func decodeMeta(s *described) (store.Metadata, extra) {
	var e extra
	if text, err := base64.RawURLEncoding.DecodeString(s.Metadata[reserved]); err == nil && len(text) > 0 {
		// What is not ours (somebody has written to the upstream) is nothing.
		if json.Unmarshal(text, &e) != nil {
			e = extra{}
		}
	}
	m := store.Metadata{
		CacheControl: aws.ToString(s.CacheControl), ContentDisposition: aws.ToString(s.ContentDisposition),
		ContentEncoding: aws.ToString(s.ContentEncoding), ContentLanguage: aws.ToString(s.ContentLanguage),
		Expires: aws.ToString(s.expires), WebsiteRedirect: aws.ToString(s.WebsiteRedirectLocation),
	}
	if t := aws.ToString(s.ContentType); t != defaultType {
		m.ContentType = t
	}
	if s.StorageClass != "STANDARD" {
		m.StorageClass = s.StorageClass
	}
	for name, to := range map[string]*string{
		metaContentType: &m.ContentType, metaCacheControl: &m.CacheControl, metaContentDisposition: &m.ContentDisposition,
		metaContentEncoding: &m.ContentEncoding, metaContentLanguage: &m.ContentLanguage, metaExpires: &m.Expires,
		metaWebsiteRedirect: &m.WebsiteRedirect,
	} {
		if value, ok := e.Headers[name]; ok {
			*to = string(value)
		}
	}
	user := make(map[string]string, len(s.Metadata)+len(e.User))
	for name, value := range s.Metadata {
		if name != reserved {
			user[name] = value
		}
	}
	for name, value := range e.User {
		user[name] = string(value)
	}
	if len(user) > 0 {
		m.User = user
	}
	return m, e
}

// defaultType is what S3 says where the writer gave no type, and so does Daypass.
const defaultType = "binary/octet-stream"

// put fills in the metadata of a PutObject.
func (s *sent) put(in *s3.PutObjectInput) {
	in.Metadata, in.ContentType, in.CacheControl, in.Expires = s.Metadata, s.ContentType, s.CacheControl, s.Expires
	in.ContentDisposition, in.ContentEncoding, in.ContentLanguage = s.ContentDisposition, s.ContentEncoding, s.ContentLanguage
	in.WebsiteRedirectLocation, in.StorageClass = s.WebsiteRedirectLocation, types.StorageClass(s.StorageClass)
}
