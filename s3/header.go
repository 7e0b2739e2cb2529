package s3

import (
	"net/http"
	"strings"
	"time"
	"unicode/utf8"
)

// MetadataPrefix begins the header of each item of user metadata.
const MetadataPrefix = "x-amz-meta-"

// MaxMetadata is how large an object's user metadata may be: the bytes of all
// names, without the prefix, and values (S3 User Guide, "Working with object
// metadata").
const MaxMetadata = 2 << 10

// MaxObjectPart is the number of an object's last possible part.
const MaxObjectPart = 10000

// FullObject is the x-amz-checksum-type of a checksum over the whole object.
const FullObject = "FULL_OBJECT"

// Standard is the storage class that objects have without saying so.
const Standard = "STANDARD"

// storageClasses are those of the S3 API reference, PutObject, and whether an
// object in them can be read at once.
var storageClasses = map[string]bool{
	Standard: true, "REDUCED_REDUNDANCY": true, "STANDARD_IA": true, "ONEZONE_IA": true,
	"INTELLIGENT_TIERING": true, "GLACIER_IR": true,
	"GLACIER": false, "DEEP_ARCHIVE": false, "OUTPOSTS": false, "SNOW": false,
	"EXPRESS_ONEZONE": false, "FSX_OPENZFS": false, "FSX_ONTAP": false,
}

// StorageClass reports whether S3 knows a storage class, and whether its
// objects can be read without being restored or moved first.
func StorageClass(name string) (known, online bool) {
	online, known = storageClasses[name]
	return known, online
}

// An Override is a response-* parameter of GetObject and HeadObject, and the
// header that it sets.
type Override struct{ Param, Header string }

// Overrides returns the table of response-* parameters.
func Overrides() []Override { return overrides[:] }

var overrides = [...]Override{
	{"response-cache-control", "Cache-Control"},
	{"response-content-disposition", "Content-Disposition"},
	{"response-content-encoding", "Content-Encoding"},
	{"response-content-language", "Content-Language"},
	{"response-content-type", "Content-Type"},
	{"response-expires", "Expires"},
}

// AppendHTTPTime appends a time as headers have it (RFC 9110, section 5.6.7):
// what Time.AppendFormat does, in a third of the time.
func AppendHTTPTime(dst []byte, t time.Time) []byte {
	t = t.UTC()
	year, month, day := t.Date()
	if year < 0 || year > 9999 {
		return t.AppendFormat(dst, http.TimeFormat)
	}
	hour, minute, second := t.Clock()
	const days, months = "SunMonTueWedThuFriSat", "JanFebMarAprMayJunJulAugSepOctNovDec"
	two := func(dst []byte, n int) []byte { return append(dst, byte('0'+n/10), byte('0'+n%10)) }
	weekday := 3 * int(t.Weekday())
	dst = append(append(dst, days[weekday:weekday+3]...), ", "...)
	dst = append(two(dst, day), ' ')
	dst = append(append(dst, months[3*month-3:3*month]...), ' ')
	dst = append(two(two(dst, year/100), year%100), ' ')
	dst = append(two(dst, hour), ':')
	dst = append(two(dst, minute), ':')
	return append(two(dst, second), " GMT"...)
}

// QuoteETag puts an ETag into the quotes that headers and XML show.
func QuoteETag(etag string) string { return `"` + etag + `"` }

// UnquoteETag takes the quotes off an ETag, which clients may leave out.
func UnquoteETag(s string) string {
	s = strings.TrimSpace(s)
	if len(s) >= 2 && s[0] == '"' && s[len(s)-1] == '"' {
		return s[1 : len(s)-1]
	}
	return s
}

// timeLayouts are the date formats that clients of S3 send: those of RFC 9110,
// section 5.6.7, with any zone, and ISO 8601.
var timeLayouts = [...]string{
	http.TimeFormat, time.RFC1123, time.RFC1123Z, time.RFC850, time.ANSIC,
	"Mon, _2 Jan 2006 15:04:05 MST", "Mon, 02-Jan-2006 15:04:05 MST",
	time.RFC3339, "20060102T150405Z",
}

// ParseTime parses a date as clients write it in conditional headers.
func ParseTime(s string) (time.Time, bool) {
	s = strings.TrimSpace(s)
	for _, layout := range timeLayouts {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), true
		}
	}
	return time.Time{}, false
}

// ValidHeaderValue reports whether a value may stand in a header: it has no
// control characters but the tab (RFC 9110, section 5.5), so it cannot end
// its line and begin another.
func ValidHeaderValue(v string) bool {
	for i := 0; i < len(v); i++ {
		if v[i] < ' ' && v[i] != '\t' || v[i] == 0x7F {
			return false
		}
	}
	return true
}

// ValidHeaderName reports whether s may stand in the name of a header: it is
// a token (RFC 9110, section 5.6.2).
func ValidHeaderName(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i]
		alnum := '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !alnum && !strings.ContainsRune("!#$%&'*+-.^_`|~", rune(c)) {
			return false
		}
	}
	return s != ""
}

// Latin1 encodes UTF-8 text in ISO-8859-1, as S3 sends response-* values; ok
// is false where that cannot be, or where a control character would break the
// header.
func Latin1(s string) (encoded string, ok bool) {
	if !ValidHeaderValue(s) || !utf8.ValidString(s) {
		return "", false
	}
	if isASCII(s) {
		return s, true
	}
	b := make([]byte, 0, len(s))
	for _, r := range s {
		if r > 0xFF || 0x7F < r && r < 0xA0 {
			return "", false
		}
		b = append(b, byte(r))
	}
	return string(b), true
}

func isASCII(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
