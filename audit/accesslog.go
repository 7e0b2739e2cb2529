package audit

import (
	"strconv"
	"strings"
	"time"

	"github.com/daypass/daypass"
)

// The values of an access log's "Authentication Type".
const (
	authHeader  = "AuthHeader"
	queryString = "QueryString"
)

// Operations whose keys S3 writes URL-encoded once; all others twice. (S3's
// documentation says only "URL encoded"; this was found in its logs.)
const (
	batchDelete = "BATCH.DELETE.OBJECT"
	expire      = "S3.EXPIRE.OBJECT"
)

// appendLogTime appends a time as access logs have it, [02/Jan/2006:15:04:05
// +0000].
func appendLogTime(dst []byte, t time.Time) []byte {
	const months = "JanFebMarAprMayJunJulAugSepOctNovDec"
	t = t.UTC()
	year, month, day := t.Date()
	dst = append(appendTwo(append(dst, '['), day), '/')
	dst = append(append(dst, months[3*month-3:3*month]...), '/')
	dst = append(appendTwo(appendTwo(dst, year/100), year%100), ':')
	return append(appendClock(dst, t), " +0000]"...)
}

// AppendAccessLog appends an event as one line of an S3 server access log, with
// its line end (S3 user guide, "Amazon S3 server access log format"): 27 fields
// separated by spaces, "-" for what is not known.
//
// Unlike S3, whose lines a client can forge with quotes in a header, it
// percent-encodes quotes, backslashes, control bytes and everything that is not
// ASCII, so that a line has 27 fields and is one line, whatever a client sent.
// It redacts nothing: the event must be cleaned (Clean). A signed form has
// neither of the two authentication types that S3 documents and shows "-"; its
// signature version tells it from an anonymous request. The last field, the
// region that a request came from, is "-", as S3 writes it for clients outside
// of AWS; so is the access point.
//
// It appends nothing for requests to STS and to the admin API, which S3's access
// logs do not have. It allocates nothing when the owners are canonical user ids.
func AppendAccessLog(dst []byte, e *daypass.Event) []byte {
	var l AccessLog
	return l.Append(dst, e)
}

// An AccessLog appends events as AppendAccessLog does. It remembers the account
// that it met last, whose canonical user id takes a hash. Its methods must not be
// called concurrently.
type AccessLog struct {
	owner string
	id    [64]byte
}

// Append appends an event as AppendAccessLog does.
func (l *AccessLog) Append(dst []byte, e *daypass.Event) []byte {
	if e.Action.Service() != daypass.ServiceS3 {
		return dst
	}
	dst = l.appendOwner(dst, e.BucketOwner)
	dst = appendField(dst, e.Object.Bucket)
	dst = appendLogTime(append(dst, ' '), e.Time)
	dst = appendField(dst, e.Source)
	dst = l.appendRequester(append(dst, ' '), e)
	dst = appendField(dst, e.RequestID)
	dst = appendField(dst, e.Operation)
	dst = appendKey(append(dst, ' '), e.Object.Key, encodings(e.Operation))
	dst = appendRequestURI(append(dst, ' '), e)
	dst = appendCount(dst, int64(e.Status))
	dst = appendField(dst, string(e.Code))
	dst = appendCount(dst, e.Sent)
	dst = appendNumberOr(dst, e.ObjectSize, e.ObjectSize < 0)
	dst = appendNumberOr(dst, e.Total.Milliseconds(), e.Total < 0)
	dst = appendNumberOr(dst, e.TurnAround.Milliseconds(), e.TurnAround <= 0)
	dst = appendReferer(dst, e.Referer)
	dst = appendQuoted(dst, e.UserAgent)
	dst = appendField(dst, e.Object.VersionID)
	dst = appendField(dst, e.HostID)
	dst = appendField(dst, e.Grant.SignatureVersion)
	dst = appendField(dst, e.Cipher)
	dst = appendField(dst, authenticationType(e.Grant.Scheme))
	dst = appendField(dst, e.Host)
	dst = appendField(dst, e.TLSVersion)
	dst = append(dst, " -"...) // access point ARN
	dst = appendField(dst, yes(e.ACLRequired))
	return append(dst, " -\n"...) // source region
}

func authenticationType(s daypass.Scheme) string {
	switch s {
	case daypass.SchemeHeader:
		return authHeader
	case daypass.SchemeQuery:
		return queryString
	}
	return ""
}

func yes(b bool) string {
	if b {
		return "Yes"
	}
	return ""
}

// encodings returns how often the key of an operation is URL-encoded.
func encodings(operation string) int {
	if operation == batchDelete || operation == expire {
		return 1
	}
	return 2
}

// appendOwner appends the canonical user id of an account.
func (l *AccessLog) appendOwner(dst []byte, owner string) []byte {
	switch {
	case owner == "":
		return append(dst, '-')
	case owner == l.owner:
	case daypass.IsCanonicalID(owner):
		return append(dst, owner...)
	default:
		copy(l.id[:], daypass.CanonicalID(owner))
		l.owner = strings.Clone(owner)
	}
	return append(dst, l.id[:]...)
}

// appendRequester appends who signed: the canonical user id of an account, the
// ARN of its users and of sessions of its roles, "-" for nobody.
func (l *AccessLog) appendRequester(dst []byte, e *daypass.Event) []byte {
	switch {
	case e.Grant.Scheme == daypass.SchemeAnonymous || e.Grant.Owner == "" && e.Principal == "":
		return append(dst, '-')
	case e.Principal == "" || strings.HasSuffix(e.Principal, ":root"):
		return l.appendOwner(dst, e.Grant.Owner)
	}
	return appendText(dst, e.Principal, &plainByte)
}

// appendRequestURI appends the first line of the request.
func appendRequestURI(dst []byte, e *daypass.Event) []byte {
	if e.Method == "" && e.URI == "" {
		return append(dst, `"-"`...)
	}
	dst = appendText(append(dst, '"'), e.Method, &quotedByte)
	dst = appendText(append(dst, ' '), e.URI, &quotedByte)
	if e.Protocol != "" {
		dst = appendText(append(dst, ' '), e.Protocol, &quotedByte)
	}
	return append(dst, '"')
}

func appendField(dst []byte, s string) []byte {
	dst = append(dst, ' ')
	if s == "" {
		return append(dst, '-')
	}
	return appendText(dst, s, &plainByte)
}

func appendQuoted(dst []byte, s string) []byte {
	if s == "" {
		return append(dst, ` "-"`...)
	}
	dst = appendText(append(dst, ' ', '"'), s, &quotedByte)
	return append(dst, '"')
}

// appendReferer appends a referer, with its spaces encoded too. The expression
// that AWS gives for Athena has none in this field, so that a client could hide
// its requests from it.
func appendReferer(dst []byte, s string) []byte {
	if s == "" {
		return append(dst, ` "-"`...)
	}
	return append(appendText(append(dst, ' ', '"'), s, &plainByte), '"')
}

func appendCount(dst []byte, n int64) []byte { return appendNumberOr(dst, n, n <= 0) }

func appendNumberOr(dst []byte, n int64, unknown bool) []byte {
	if unknown {
		return append(dst, " -"...)
	}
	return strconv.AppendInt(append(dst, ' '), n, 10)
}

// appendKey appends an object key, URL-encoded so many times. A key "-" is told
// from none by its encoding.
func appendKey(dst []byte, key string, times int) []byte {
	percent := "%"
	if times > 1 {
		percent = "%25"
	}
	switch key {
	case "":
		return append(dst, '-')
	case "-":
		return append(append(dst, percent...), "2D"...)
	}
	for i := range len(key) {
		if c := key[i]; keyByte[c] {
			dst = append(dst, c)
		} else {
			dst = append(append(dst, percent...), upperHex[c>>4], upperHex[c&15])
		}
	}
	return dst
}

const upperHex = "0123456789ABCDEF"

// appendText appends a text, percent-encoded where a byte is not one of those
// that may stand as they are.
func appendText(dst []byte, s string, as *[256]bool) []byte {
	from, i := 0, 0
	if as == &quotedByte {
		i = plainRun(s)
	}
	for ; i < len(s); i++ {
		if c := s[i]; !as[c] {
			dst = append(append(dst, s[from:i]...), '%', upperHex[c>>4], upperHex[c&15])
			from = i + 1
		}
	}
	return append(dst, s[from:]...)
}

// The bytes that may stand in keys (RFC 3986's unreserved and "/"), in quoted
// and in other fields.
var (
	keyByte = func() (is [256]bool) {
		for c := range is {
			is[c] = isNameByte[c] || c == '.' || c == '~' || c == '/'
		}
		return is
	}()
	quotedByte = func() (is [256]bool) {
		for c := ' '; c <= '~'; c++ {
			is[c] = c != '"' && c != '\\'
		}
		return is
	}()
	plainByte = func() (is [256]bool) {
		is = quotedByte
		is[' '] = false
		return is
	}()
)

// A LogPrefix says where the objects of a bucket's access log go (S3 API,
// PutBucketLogging).
type LogPrefix struct {
	// Prefix is the TargetPrefix.
	Prefix string
	// Partitioned asks for PartitionedPrefix, else it is SimplePrefix;
	// AccountID, Region and Bucket are those of the bucket that is logged.
	Partitioned               bool
	AccountID, Region, Bucket string
	// EventTime dates keys by the day of their events, with a time of day of
	// 00-00-00: all events of an object must be of that day. Else keys have the
	// time of delivery. It is for PartitionedPrefix only.
	EventTime bool
}

// Key returns the key of a log object (S3 API, SimplePrefix and
// PartitionedPrefix): the time is that of the events or of the delivery, and
// unique is 16 hexadecimal digits.
func (p LogPrefix) Key(t time.Time, unique string) string {
	t = t.UTC()
	if !p.Partitioned {
		return p.Prefix + t.Format("2006-01-02-15-04-05-") + unique
	}
	if p.EventTime {
		t = time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC)
	}
	return p.Prefix + p.AccountID + "/" + p.Region + "/" + p.Bucket + t.Format("/2006/01/02/2006-01-02-15-04-05-") + unique
}
