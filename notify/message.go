package notify

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/s3"
)

// A Message is what is sent.
type Message struct {
	// ID is the webhook-id, the same in every attempt.
	ID string
	// About is the object or pass that it is about. Messages about one thing
	// are sent in order.
	About string
	// Time is when what it tells of happened.
	Time time.Time
	Body []byte
}

// The messages of S3 (S3 User Guide, "Event message structure").
type (
	s3Message struct {
		Records []s3Record `json:"Records"`
	}
	s3Record struct {
		EventVersion      string       `json:"eventVersion"`
		EventSource       string       `json:"eventSource"`
		AWSRegion         string       `json:"awsRegion"`
		EventTime         string       `json:"eventTime"`
		EventName         string       `json:"eventName"`
		UserIdentity      s3Identity   `json:"userIdentity"`
		RequestParameters s3Parameters `json:"requestParameters"`
		ResponseElements  s3Elements   `json:"responseElements"`
		S3                s3Entity     `json:"s3"`
	}
	s3Identity struct {
		PrincipalID string `json:"principalId"`
	}
	s3Parameters struct {
		SourceIPAddress string `json:"sourceIPAddress"`
	}
	s3Elements struct {
		RequestID string `json:"x-amz-request-id"`
		HostID    string `json:"x-amz-id-2"`
	}
	s3Entity struct {
		SchemaVersion   string   `json:"s3SchemaVersion"`
		ConfigurationID string   `json:"configurationId"`
		Bucket          s3Bucket `json:"bucket"`
		Object          s3Object `json:"object"`
	}
	s3Bucket struct {
		Name          string     `json:"name"`
		OwnerIdentity s3Identity `json:"ownerIdentity"`
		ARN           string     `json:"arn"`
	}
	s3Object struct {
		Key       string `json:"key"`
		Size      *int64 `json:"size,omitempty"`
		ETag      string `json:"eTag,omitempty"`
		VersionID string `json:"versionId,omitempty"`
		Sequencer string `json:"sequencer"`
	}
	// s3Test is what S3 sends when notifications are configured.
	s3Test struct {
		Service   string `json:"Service"`
		Event     string `json:"Event"`
		Time      string `json:"Time"`
		Bucket    string `json:"Bucket"`
		RequestID string `json:"RequestId"`
		HostID    string `json:"HostId"`
	}
)

// The versions of the message: that of most events, and that of changes of tags
// and access control lists and of what lifecycle rules remove.
const (
	messageVersion    = "2.1"
	messageVersionNew = "2.3"
)

// emptyETag is the ETag of nothing, which S3 gives delete markers.
const emptyETag = "d41d8cd98f00b204e9800998ecf8427e"

// anonymousPrincipal stands for who did not sign.
const anonymousPrincipal = "Anonymous"

// objectMessage is S3's message of an event. Its time is that when the request had
// been processed.
func objectMessage(e *daypass.Event, name string, k Kind, configuration, region string) ([]byte, error) {
	r := s3Record{
		EventVersion: messageVersion, EventSource: "aws:s3", AWSRegion: region,
		EventTime: e.Time.Add(max(e.Total, 0)).UTC().Format(s3.TimeLayout), EventName: strings.TrimPrefix(name, "s3:"),
		UserIdentity: s3Identity{anonymousPrincipal}, RequestParameters: s3Parameters{e.Source},
		ResponseElements: s3Elements{e.RequestID, e.HostID},
		S3: s3Entity{SchemaVersion: "1.0", ConfigurationID: configuration,
			Bucket: s3Bucket{e.Object.Bucket, s3Identity{daypass.CanonicalID(e.BucketOwner)}, "arn:aws:s3:::" + e.Object.Bucket},
			Object: s3Object{Key: encodeKey(e.Object.Key), ETag: e.ETag, VersionID: e.ResultVersionID, Sequencer: e.Sequencer}},
	}
	if e.PrincipalID != "" {
		r.UserIdentity.PrincipalID = "AWS:" + e.PrincipalID
	} else if e.Grant.Scheme == daypass.SchemeService {
		r.UserIdentity.PrincipalID = "AWS:" + e.Principal
	}
	if e.DeleteMarker {
		r.S3.Object.ETag = emptyETag
	}
	switch {
	case k == ObjectCreated:
		r.S3.Object.Size = &e.ObjectSize
	case k == ObjectTagging || k == ObjectACL || name == s3.EventExpiredDelete || name == s3.EventExpiredMarker:
		r.EventVersion = messageVersionNew
	}
	return json.Marshal(s3Message{[]s3Record{r}})
}

// encodeKey encodes a key as S3 does here: as in a form, but for the slash.
func encodeKey(key string) string {
	return strings.ReplaceAll(url.QueryEscape(key), "%2F", "/")
}

// testMessage is S3's message that notifications were configured.
func testMessage(e *daypass.Event) ([]byte, error) {
	return json.Marshal(s3Test{"Amazon S3", s3.EventTest, e.Time.UTC().Format(s3.TimeLayout), e.Object.Bucket, e.RequestID, e.HostID})
}

// A passMessage tells what became of a pass (Standard Webhooks 1.0.0, "Payload
// structure").
type passMessage struct {
	Type      string   `json:"type"`
	Timestamp string   `json:"timestamp"`
	Data      passData `json:"data"`
}

// passData is about a pass and the request that told of it.
type passData struct {
	Pass      string     `json:"pass,omitempty"`
	Name      string     `json:"name,omitempty"`
	Revoked   string     `json:"revoked,omitempty"`
	Bucket    string     `json:"bucket,omitempty"`
	Key       string     `json:"key,omitempty"`
	Action    string     `json:"action,omitempty"`
	AccessKey string     `json:"accessKey,omitempty"`
	Owner     string     `json:"owner,omitempty"`
	Limits    string     `json:"limits,omitempty"`
	SignedAt  *time.Time `json:"signedAt,omitempty"`
	ExpiresAt *time.Time `json:"expiresAt,omitempty"`
	Source    string     `json:"source,omitempty"`
	UserAgent string     `json:"userAgent,omitempty"`
	RequestID string     `json:"requestId"`
	Status    int        `json:"status"`
	Code      string     `json:"code,omitempty"`
	Reason    string     `json:"reason,omitempty"`
	Refusals  int        `json:"refusals,omitempty"`
}

// typeOf is the type of the message of a kind of event on passes.
func typeOf(k Kind) string {
	kind, what, _ := strings.Cut(string(k), "-")
	return kind + "." + strings.ReplaceAll(what, "-", "_")
}

// passBody is the message of what an event did to a pass.
func passBody(e *daypass.Event, k Kind, refusals int) ([]byte, error) {
	d := passData{
		Pass: e.Grant.PassID, Name: e.Grant.Name, Bucket: e.Object.Bucket, Key: e.Object.Key, Action: string(e.Action),
		AccessKey: e.Grant.AccessKeyID, Owner: e.Grant.Owner, Limits: e.Limits, SignedAt: known(e.Grant.SignedAt), ExpiresAt: known(e.Grant.ExpiresAt),
		Source: e.Source, UserAgent: e.UserAgent, RequestID: e.RequestID, Status: e.Status, Code: string(e.Code), Reason: e.Reason, Refusals: refusals,
	}
	return json.Marshal(passMessage{typeOf(k), e.Time.UTC().Format(time.RFC3339Nano), d})
}

// revokedBody is the message of a revocation, whose access key is that of who
// revoked. A pass id is told by itself.
func revokedBody(e *daypass.Event) ([]byte, error) {
	d := passData{
		Revoked: e.Subject, Bucket: e.Object.Bucket, AccessKey: e.Grant.AccessKeyID, Owner: e.Grant.Owner,
		Source: e.Source, UserAgent: e.UserAgent, RequestID: e.RequestID, Status: e.Status,
	}
	if id, ok := strings.CutPrefix(e.Subject, "pass "); ok {
		d.Pass, _, _ = strings.Cut(id, " ")
	}
	return json.Marshal(passMessage{typeOf(PassRevoked), e.Time.UTC().Format(time.RFC3339Nano), d})
}

func known(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = writable(t)
	return &t
}

// lastDate is the last second that a date can be written of (RFC 3339, section 1).
var lastDate = time.Date(9999, time.December, 31, 23, 59, 59, 0, time.UTC)

// writable returns a time that can be written, in UTC: the policy of a form may
// end in the last year, of a zone in which it lasts longer.
func writable(t time.Time) time.Time {
	if t = t.UTC(); t.After(lastDate) {
		return lastDate
	}
	return t
}

// NewTest returns a message that tells nothing, to try an endpoint.
func NewTest(id string, now time.Time) Message {
	at := now.UTC().Format(time.RFC3339Nano)
	return Message{ID: "msg_" + id, Time: now, Body: fmt.Appendf(nil, `{"type":"webhook.test","timestamp":%q,"data":{}}`, at)}
}
