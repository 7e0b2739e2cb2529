package audit

import (
	"strings"
	"time"

	"github.com/daypass/daypass"
)

// Limits of texts in bytes; what is longer is cut and marked. Request targets
// and headers may be as long as a server's header limit, which no log wants.
const (
	longText  = 8 << 10
	shortText = 1 << 10
	keyText   = 2 << 10 // S3 has none beyond 1024
	cut       = "..."
)

// MaxEncoded is the length that AppendEvent never exceeds.
const MaxEncoded = 128 << 10

// A textField is a text of an event. Numbers stand in stored records: they
// never change and are never used again.
type textField struct {
	number uint64
	name   string // in JSON
	most   int
	at     func(*daypass.Event) *string
}

var textFields = [...]textField{
	{1, "requestId", shortText, func(e *daypass.Event) *string { return &e.RequestID }},
	{2, "hostId", shortText, func(e *daypass.Event) *string { return &e.HostID }},
	{3, "action", shortText, func(e *daypass.Event) *string { return (*string)(&e.Action) }},
	{4, "operation", shortText, func(e *daypass.Event) *string { return &e.Operation }},
	{5, "bucket", shortText, func(e *daypass.Event) *string { return &e.Object.Bucket }},
	{6, "key", keyText, func(e *daypass.Event) *string { return &e.Object.Key }},
	{7, "versionId", shortText, func(e *daypass.Event) *string { return &e.Object.VersionID }},
	{8, "bucketOwner", shortText, func(e *daypass.Event) *string { return &e.BucketOwner }},
	{9, "accessKey", shortText, func(e *daypass.Event) *string { return &e.Grant.AccessKeyID }},
	{10, "owner", shortText, func(e *daypass.Event) *string { return &e.Grant.Owner }},
	{11, "scheme", shortText, func(e *daypass.Event) *string { return (*string)(&e.Grant.Scheme) }},
	{12, "signatureVersion", shortText, func(e *daypass.Event) *string { return &e.Grant.SignatureVersion }},
	{13, "pass", shortText, func(e *daypass.Event) *string { return &e.Grant.PassID }},
	{14, "name", shortText, func(e *daypass.Event) *string { return &e.Grant.Name }},
	{15, "principal", shortText, func(e *daypass.Event) *string { return &e.Principal }},
	{16, "session", shortText, func(e *daypass.Event) *string { return &e.Session }},
	{17, "limits", longText, func(e *daypass.Event) *string { return &e.Limits }},
	{18, "source", shortText, func(e *daypass.Event) *string { return &e.Source }},
	{19, "peer", shortText, func(e *daypass.Event) *string { return &e.Peer }},
	{20, "method", shortText, func(e *daypass.Event) *string { return &e.Method }},
	{21, "uri", longText, func(e *daypass.Event) *string { return &e.URI }},
	{22, "protocol", shortText, func(e *daypass.Event) *string { return &e.Protocol }},
	{23, "host", shortText, func(e *daypass.Event) *string { return &e.Host }},
	{24, "referer", longText, func(e *daypass.Event) *string { return &e.Referer }},
	{25, "userAgent", longText, func(e *daypass.Event) *string { return &e.UserAgent }},
	{26, "copySource", longText, func(e *daypass.Event) *string { return &e.CopySource }},
	{27, "code", shortText, func(e *daypass.Event) *string { return (*string)(&e.Code) }},
	{28, "reason", longText, func(e *daypass.Event) *string { return &e.Reason }},
	{29, "message", shortText, func(e *daypass.Event) *string { return &e.Message }},
	{30, "tlsVersion", shortText, func(e *daypass.Event) *string { return &e.TLSVersion }},
	{31, "cipher", shortText, func(e *daypass.Event) *string { return &e.Cipher }},
	{32, "principalId", shortText, func(e *daypass.Event) *string { return &e.PrincipalID }},
	{33, "subject", keyText, func(e *daypass.Event) *string { return &e.Subject }},
	{34, "traceId", shortText, func(e *daypass.Event) *string { return &e.TraceID }},
	{35, "eTag", shortText, func(e *daypass.Event) *string { return &e.ETag }},
	{36, "resultVersionId", shortText, func(e *daypass.Event) *string { return &e.ResultVersionID }},
	{37, "sequencer", shortText, func(e *daypass.Event) *string { return &e.Sequencer }},
}

// A timeField is an instant of an event, kept to the microsecond.
type timeField struct {
	number uint64
	name   string
	at     func(*daypass.Event) *time.Time
}

var timeFields = [...]timeField{
	{40, "time", func(e *daypass.Event) *time.Time { return &e.Time }},
	{41, "signedAt", func(e *daypass.Event) *time.Time { return &e.Grant.SignedAt }},
	{42, "expiresAt", func(e *daypass.Event) *time.Time { return &e.Grant.ExpiresAt }},
}

// A numberField is a number of an event; durations are nanoseconds.
type numberField struct {
	number uint64
	name   string
	get    func(*daypass.Event) int64
	set    func(*daypass.Event, int64)
	flag   bool // in JSON it is true or not there
}

var numberFields = [...]numberField{
	{number: 50, name: "status", get: func(e *daypass.Event) int64 { return int64(e.Status) },
		set: func(e *daypass.Event, v int64) { e.Status = int(v) }},
	{number: 51, name: "sent", get: func(e *daypass.Event) int64 { return e.Sent },
		set: func(e *daypass.Event, v int64) { e.Sent = v }},
	{number: 52, name: "received", get: func(e *daypass.Event) int64 { return e.Received },
		set: func(e *daypass.Event, v int64) { e.Received = v }},
	{number: 53, name: "objectSize", get: func(e *daypass.Event) int64 { return e.ObjectSize },
		set: func(e *daypass.Event, v int64) { e.ObjectSize = v }},
	{number: 54, name: "totalNanos", get: func(e *daypass.Event) int64 { return int64(e.Total) },
		set: func(e *daypass.Event, v int64) { e.Total = time.Duration(v) }},
	{number: 55, name: "turnAroundNanos", get: func(e *daypass.Event) int64 { return int64(e.TurnAround) },
		set: func(e *daypass.Event, v int64) { e.TurnAround = time.Duration(v) }},
	{number: 56, name: "aclRequired", get: func(e *daypass.Event) int64 { return oneIf(e.ACLRequired) },
		set: func(e *daypass.Event, v int64) { e.ACLRequired = v != 0 }, flag: true},
	{number: 57, name: "deleteMarker", get: func(e *daypass.Event) int64 { return oneIf(e.DeleteMarker) },
		set: func(e *daypass.Event, v int64) { e.DeleteMarker = v != 0 }, flag: true},
}

func oneIf(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// Bound cuts the texts of an event that are too long, and returns the length
// of all of them. What it cuts it copies, and all other texts with it, which may
// be parts of what was too long, so that the event holds no more memory than
// that. It costs a few tens of nanoseconds where nothing is cut.
func Bound(e *daypass.Event) (bytes int) {
	before := 0
	for i := range textFields {
		f := &textFields[i]
		s := f.at(e)
		before += len(*s)
		if len(*s) > f.most {
			*s = shorten(*s, f.most)
		}
		bytes += len(*s)
	}
	if bytes < before {
		for i := range textFields {
			s := textFields[i].at(e)
			*s = strings.Clone(*s)
		}
	}
	return bytes
}

// shorten copies the first bytes of s and marks the cut. An escape is not cut
// in two, so that what follows the cut cannot become part of it.
func shorten(s string, most int) string {
	if len(s) <= most {
		return s
	}
	s = s[:most-len(cut)]
	if i := strings.LastIndexByte(s, '%'); i >= 0 && i > len(s)-3 {
		s = s[:i]
	}
	return s + cut
}

// Clean makes an event fit to be recorded: it bounds every text and redacts
// it, wherever it came from. Doing so twice changes nothing.
func Clean(e *daypass.Event) {
	for i := range textFields {
		f := &textFields[i]
		if s := f.at(e); *s != "" {
			*s = cleanText(*s, f.most)
		}
	}
}

func cleanText(s string, most int) string {
	return shorten(Redact(shorten(s, most)), most)
}
