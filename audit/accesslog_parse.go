package audit

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// logTime is the time in an access log.
const logTime = "[02/Jan/2006:15:04:05 -0700]"

// An AccessRecord is a line of an S3 access log. Texts are "" where the line
// has "-". RequestURI, Referer and UserAgent are as they stand in the line.
type AccessRecord struct {
	BucketOwner, Bucket string
	Time                time.Time // to the second
	RemoteIP            string
	// Requester is a canonical user id or an ARN; "" for anonymous requests.
	Requester, RequestID, Operation string
	// Key is decoded.
	Key string
	// Method, URI and Protocol are the parts of the Request-URI.
	Method, URI, Protocol string
	Status                int // 0 where not known
	ErrorCode             string
	BytesSent             int64 // 0 where not known
	ObjectSize            int64 // -1 where not known
	// TotalTime and TurnAroundTime are to the millisecond, -1 where not known.
	TotalTime, TurnAroundTime time.Duration
	Referer, UserAgent        string
	VersionID, HostID         string
	// SignatureVersion is SigV2 or SigV4, AuthenticationType AuthHeader or
	// QueryString.
	SignatureVersion, CipherSuite, AuthenticationType string
	HostHeader, TLSVersion                            string
	AccessPointARN                                    string
	ACLRequired                                       bool
	SourceRegion                                      string
}

// Presigned reports whether a pre-signed URL was used.
func (r *AccessRecord) Presigned() bool { return r.AuthenticationType == queryString }

// PassName returns the name of the pass, which its URL carries.
func (r *AccessRecord) PassName() string {
	_, query, _ := strings.Cut(r.URI, "?")
	v, _ := url.ParseQuery(query) // what can be parsed
	return v.Get("x-daypass-name")
}

var errLine = errors.New("not a line of an S3 access log")

// The places of fields in a line, counted from 0, and how many S3 has written
// since 2009, when the first format was settled. S3's documentation asks
// readers to expect more.
const (
	fieldTime       = 2
	fieldRequestURI = 8
	fieldReferer    = 15
	fieldUserAgent  = 16
	leastFields     = 18
)

// ParseAccessLog parses a line of an S3 access log, with or without its line
// end: those that AppendAccessLog writes, and those of S3, older ones with
// fewer fields and newer ones with more included. Quotes within a field, which
// S3 does not escape, are tolerated as far as the line stays unambiguous.
func ParseAccessLog(line string) (AccessRecord, error) {
	fields, err := splitLine(strings.TrimRight(line, "\r\n"))
	if err != nil {
		return AccessRecord{}, err
	}
	p := lineParser{fields: fields}
	var r AccessRecord
	r.BucketOwner, r.Bucket = p.text(0), p.text(1)
	r.Time = p.time(fieldTime)
	r.RemoteIP, r.Requester, r.RequestID, r.Operation = p.text(3), p.text(4), p.text(5), p.text(6)
	r.Key = p.key(7, encodings(r.Operation))
	r.Method, r.URI, r.Protocol = splitRequest(p.text(fieldRequestURI))
	r.Status, r.ErrorCode = int(p.number(9, 0)), p.text(10)
	r.BytesSent, r.ObjectSize = p.number(11, 0), p.number(12, -1)
	r.TotalTime, r.TurnAroundTime = p.duration(13), p.duration(14)
	r.Referer, r.UserAgent = p.text(15), p.text(16)
	r.VersionID, r.HostID, r.SignatureVersion, r.CipherSuite = p.text(17), p.text(18), p.text(19), p.text(20)
	r.AuthenticationType, r.HostHeader, r.TLSVersion = p.text(21), p.text(22), p.text(23)
	r.AccessPointARN, r.ACLRequired, r.SourceRegion = p.text(24), p.text(25) == "Yes", p.text(26)
	return r, p.err
}

// splitLine splits a line at spaces, but for those in the brackets and quotes
// of the fields that have them. A quote ends a field only before a space or the
// end, and the Request-URI only before a status.
func splitLine(line string) (fields []string, err error) {
	for rest := line; ; {
		n := fieldLen(rest, len(fields))
		if n < 0 {
			return nil, fmt.Errorf("%w: field %d is not closed", errLine, len(fields)+1)
		}
		fields = append(fields, rest[:n])
		if n == len(rest) {
			break
		}
		rest = rest[n+1:]
	}
	if len(fields) < leastFields {
		return nil, fmt.Errorf("%w: %d fields, want %d or more", errLine, len(fields), leastFields)
	}
	return fields, nil
}

// fieldLen returns the length of the field that begins s, -1 where it has no
// end.
func fieldLen(s string, field int) int {
	switch {
	case field == fieldTime && strings.HasPrefix(s, "["):
		return closedLen(s, ']', "")
	case field == fieldRequestURI && strings.HasPrefix(s, `"`):
		return closedLen(s, '"', "-0123456789")
	case (field == fieldReferer || field == fieldUserAgent) && strings.HasPrefix(s, `"`):
		return closedLen(s, '"', "")
	}
	if i := strings.IndexByte(s, ' '); i >= 0 {
		return i
	}
	return len(s)
}

// closedLen returns the length of a field that ends with a byte, then a space
// and then one of those in next, if any are given.
func closedLen(s string, end byte, next string) int {
	for i := 1; i < len(s); i++ {
		if s[i] != end {
			continue
		}
		after := s[i+1:]
		if after == "" || after[0] == ' ' && (next == "" || len(after) > 1 && strings.IndexByte(next, after[1]) >= 0) {
			return i + 1
		}
	}
	return -1
}

// splitRequest splits a Request-URI at its first and last space.
func splitRequest(s string) (method, uri, protocol string) {
	method, uri, _ = strings.Cut(s, " ")
	if i := strings.LastIndexByte(uri, ' '); i >= 0 {
		uri, protocol = uri[:i], uri[i+1:]
	}
	return method, uri, protocol
}

// A lineParser keeps the first error.
type lineParser struct {
	fields []string
	err    error
}

func (p *lineParser) raw(i int) string {
	if i >= len(p.fields) {
		return "-"
	}
	f := p.fields[i]
	if len(f) > 1 && f[0] == '"' {
		f = f[1 : len(f)-1]
	}
	return f
}

// text returns a field, "" for "-".
func (p *lineParser) text(i int) string {
	if f := p.raw(i); f != "-" {
		return f
	}
	return ""
}

func (p *lineParser) fail(i int, err error) {
	if p.err == nil {
		p.err = fmt.Errorf("%w: field %d: %w", errLine, i+1, err)
	}
}

func (p *lineParser) key(i, times int) string {
	key := p.text(i)
	for range times {
		plain, err := url.PathUnescape(key)
		if err != nil {
			p.fail(i, err)
			return key
		}
		key = plain
	}
	return key
}

func (p *lineParser) time(i int) time.Time {
	t, err := time.Parse(logTime, p.raw(i))
	if err != nil {
		p.fail(i, err)
	}
	return t.UTC()
}

func (p *lineParser) number(i int, unknown int64) int64 {
	f := p.text(i)
	if f == "" {
		return unknown
	}
	n, err := strconv.ParseInt(f, 10, 64)
	if err != nil {
		p.fail(i, err)
	}
	return n
}

func (p *lineParser) duration(i int) time.Duration {
	ms := p.number(i, -1)
	if ms < 0 {
		return -1
	}
	return time.Duration(ms) * time.Millisecond
}
