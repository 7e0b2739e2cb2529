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
}

// textFields are in order of their numbers, without a gap.
var textFields = [...]textField{
	{1, "requestId", shortText},
	{2, "hostId", shortText},
	{3, "action", shortText},
	{4, "operation", shortText},
	{5, "bucket", shortText},
	{6, "key", keyText},
	{7, "versionId", shortText},
	{8, "bucketOwner", shortText},
	{9, "accessKey", shortText},
	{10, "owner", shortText},
	{11, "scheme", shortText},
	{12, "signatureVersion", shortText},
	{13, "pass", shortText},
	{14, "name", shortText},
	{15, "principal", shortText},
	{16, "session", shortText},
	{17, "limits", longText},
	{18, "source", shortText},
	{19, "peer", shortText},
	{20, "method", shortText},
	{21, "uri", longText},
	{22, "protocol", shortText},
	{23, "host", shortText},
	{24, "referer", longText},
	{25, "userAgent", longText},
	{26, "copySource", longText},
	{27, "code", shortText},
	{28, "reason", longText},
	{29, "message", shortText},
	{30, "tlsVersion", shortText},
	{31, "cipher", shortText},
	{32, "principalId", shortText},
	{33, "subject", keyText},
	{34, "traceId", shortText},
	{35, "eTag", shortText},
	{36, "resultVersionId", shortText},
	{37, "sequencer", shortText},
}

// textsOf returns where the texts of an event are, in the order of textFields.
// One list costs less than a function for each: every event goes through it.
func textsOf(e *daypass.Event) [len(textFields)]*string {
	return [...]*string{
		&e.RequestID,
		&e.HostID,
		(*string)(&e.Action),
		&e.Operation,
		&e.Object.Bucket,
		&e.Object.Key,
		&e.Object.VersionID,
		&e.BucketOwner,
		&e.Grant.AccessKeyID,
		&e.Grant.Owner,
		(*string)(&e.Grant.Scheme),
		&e.Grant.SignatureVersion,
		&e.Grant.PassID,
		&e.Grant.Name,
		&e.Principal,
		&e.Session,
		&e.Limits,
		&e.Source,
		&e.Peer,
		&e.Method,
		&e.URI,
		&e.Protocol,
		&e.Host,
		&e.Referer,
		&e.UserAgent,
		&e.CopySource,
		(*string)(&e.Code),
		&e.Reason,
		&e.Message,
		&e.TLSVersion,
		&e.Cipher,
		&e.PrincipalID,
		&e.Subject,
		&e.TraceID,
		&e.ETag,
		&e.ResultVersionID,
		&e.Sequencer,
	}
}

// at returns where the text is.
func (f *textField) at(e *daypass.Event) *string { return textsOf(e)[f.number-1] }

// A timeField is an instant of an event, kept to the microsecond.
type timeField struct {
	number uint64
	name   string
}

// timeFields are in order of their numbers, without a gap.
var timeFields = [...]timeField{{40, "time"}, {41, "signedAt"}, {42, "expiresAt"}}

// timesOf returns where the times of an event are, in the order of timeFields.
func timesOf(e *daypass.Event) [len(timeFields)]*time.Time {
	return [...]*time.Time{&e.Time, &e.Grant.SignedAt, &e.Grant.ExpiresAt}
}

func (f *timeField) at(e *daypass.Event) *time.Time { return timesOf(e)[f.number-timeFields[0].number] }

// A numberField is a number of an event; durations are nanoseconds.
type numberField struct {
	number uint64
	name   string
	flag   bool // in JSON it is true or not there
}

// numberFields are in order of their numbers, without a gap.
var numberFields = [...]numberField{
	{number: 50, name: "status"},
	{number: 51, name: "sent"},
	{number: 52, name: "received"},
	{number: 53, name: "objectSize"},
	{number: 54, name: "totalNanos"},
	{number: 55, name: "turnAroundNanos"},
	{number: 56, name: "aclRequired", flag: true},
	{number: 57, name: "deleteMarker", flag: true},
}

// numbersOf returns the numbers of an event in the order of numberFields.
func numbersOf(e *daypass.Event) [len(numberFields)]int64 {
	return [...]int64{int64(e.Status), e.Sent, e.Received, e.ObjectSize, int64(e.Total), int64(e.TurnAround),
		oneIf(e.ACLRequired), oneIf(e.DeleteMarker)}
}

// set sets the number.
func (f *numberField) set(e *daypass.Event, v int64) {
	switch f.number {
	case 50:
		e.Status = int(v)
	case 51:
		e.Sent = v
	case 52:
		e.Received = v
	case 53:
		e.ObjectSize = v
	case 54:
		e.Total = time.Duration(v)
	case 55:
		e.TurnAround = time.Duration(v)
	case 56:
		e.ACLRequired = v != 0
	case 57:
		e.DeleteMarker = v != 0
	}
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
	texts, before := textsOf(e), 0
	for i, s := range texts {
		before += len(*s)
		if most := textFields[i].most; len(*s) > most {
			*s = shorten(*s, most)
		}
		bytes += len(*s)
	}
	if bytes < before {
		for _, s := range texts {
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
	for i, s := range textsOf(e) {
		if *s != "" {
			*s = cleanText(*s, textFields[i].most)
		}
	}
}

func cleanText(s string, most int) string {
	if len(s) < shortestSecret {
		return s // nothing is cut so short
	}
	return shorten(Redact(shorten(s, most)), most)
}
