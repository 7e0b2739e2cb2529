package trail

import (
	"crypto/sha256"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/audit"
)

// eventVersion is that of CloudTrail's record contents of 2026.
const eventVersion = "1.11"

// appendRecord appends an event as one record (CloudTrail user guide,
// "CloudTrail record contents"), which is a data event of S3, or a management
// event where it is about a bucket's settings. The pass, its name, its limits
// and the reason of a refusal are additional event data whose names begin with
// x-daypass-.
func (c *Config) appendRecord(dst []byte, e *daypass.Event) []byte {
	management := isManagement(e)
	o := openObject(dst)
	o.text("eventVersion", eventVersion)
	o.object("userIdentity", func(o *object) { identity(o, e) })
	o.text("eventTime", string(audit.AppendTime(nil, e.Time.Add(max(0, e.Total)))))
	o.text("eventSource", "s3.amazonaws.com")
	o.text("eventName", eventName(e.Action))
	o.text("awsRegion", c.Region)
	o.text("sourceIPAddress", e.Source)
	o.text("userAgent", "["+e.UserAgent+"]")
	o.optional("errorCode", string(e.Code))
	o.optional("errorMessage", e.Message)
	o.object("requestParameters", func(o *object) { parameters(o, e) })
	o.raw("responseElements", "null")
	o.object("additionalEventData", func(o *object) { additional(o, e) })
	o.text("requestID", e.RequestID)
	o.text("eventID", eventID(e))
	o.raw("readOnly", strconv.FormatBool(isReadOnly(e.Action)))
	if e.Object.Bucket != "" {
		o.list("resources", func(dst []byte) []byte { return appendResources(dst, e) })
	}
	o.text("eventType", "AwsApiCall")
	o.raw("managementEvent", strconv.FormatBool(management))
	o.text("recipientAccountId", c.Account)
	o.text("eventCategory", category(management))
	if e.TLSVersion != "" {
		o.object("tlsDetails", func(o *object) {
			o.text("tlsVersion", e.TLSVersion)
			o.optional("cipherSuite", e.Cipher)
			o.optional("clientProvidedHostHeader", e.Host)
		})
	}
	return o.close()
}

// appendGap appends a record of events that are missing, in the shape of an
// event of the service itself.
func (c *Config) appendGap(dst []byte, b *Batch, i int, g Gap) []byte {
	o := openObject(dst)
	o.text("eventVersion", eventVersion)
	o.object("userIdentity", func(o *object) {
		o.text("type", "AWSService")
		o.text("invokedBy", "daypass")
	})
	o.text("eventTime", string(audit.AppendTime(nil, b.Time)))
	o.text("eventSource", "s3.amazonaws.com")
	o.text("eventName", "EventsMissing")
	o.text("awsRegion", c.Region)
	o.text("sourceIPAddress", "daypass")
	o.text("userAgent", "daypass")
	o.raw("requestParameters", "null")
	o.raw("responseElements", "null")
	o.object("additionalEventData", func(o *object) {
		o.text("reason", g.Loss)
		o.raw("events", strconv.FormatUint(g.Events, 10))
		o.raw("bytes", strconv.FormatUint(g.Bytes, 10))
		if !g.From.IsZero() {
			o.text("from", string(audit.AppendTime(nil, g.From)))
			o.text("to", string(audit.AppendTime(nil, g.To)))
		}
	})
	o.text("eventID", uuid(fmt.Appendf(nil, "gap %q %d", b.Unique, i)))
	o.raw("readOnly", "true")
	o.text("eventType", "AwsServiceEvent")
	o.raw("managementEvent", "false")
	o.text("recipientAccountId", c.Account)
	o.text("eventCategory", "Data")
	return o.close()
}

// identity is who signed (CloudTrail user guide, "userIdentity element").
func identity(o *object, e *daypass.Event) {
	if e.Grant.Scheme == daypass.SchemeAnonymous || e.Grant.Scheme == "" {
		o.text("type", "AWSAccount")
		o.text("principalId", "")
		o.text("accountId", "ANONYMOUS_PRINCIPAL")
		return
	}
	account := daypass.AccountID(e.Grant.Owner)
	kind, name := principal(e.Principal)
	o.text("type", kind)
	o.text("principalId", e.PrincipalID)
	o.text("arn", e.Principal)
	o.text("accountId", account)
	o.text("accessKeyId", e.Grant.AccessKeyID)
	switch kind {
	case "IAMUser":
		o.text("userName", name)
	case "AssumedRole":
		o.object("sessionContext", func(o *object) { sessionContext(o, e, account, name) })
	}
}

// sessionContext tells of the role of a session.
func sessionContext(o *object, e *daypass.Event, account, role string) {
	arn := e.Session
	if !strings.HasPrefix(arn, "arn:") {
		arn = "arn:aws:iam::" + account + ":role/" + role
	}
	id, _, _ := strings.Cut(e.PrincipalID, ":")
	o.object("sessionIssuer", func(o *object) {
		o.text("type", "Role")
		o.text("principalId", id)
		o.text("arn", arn)
		o.text("accountId", account)
		o.text("userName", role)
	})
	o.object("attributes", func(o *object) { o.text("mfaAuthenticated", "false") })
}

// principal returns the type of an ARN's principal, and the name of the user
// or role.
func principal(arn string) (kind, name string) {
	resource := arn[strings.LastIndexByte(arn, ':')+1:]
	kind, path, _ := strings.Cut(resource, "/")
	switch kind {
	case "user":
		return "IAMUser", path[strings.LastIndexByte(path, '/')+1:]
	case "assumed-role":
		name, _, _ := strings.Cut(path, "/")
		return "AssumedRole", name
	}
	return "Root", ""
}

// hidden are query parameters that are not request parameters, in lower case.
var hidden = []string{
	"x-amz-signature", "x-amz-credential", "x-amz-security-token", "signature", "awsaccesskeyid", "x-daypass-pin-value",
}

// parameters are what a request asked for: its query, its object and its host.
func parameters(o *object, e *daypass.Event) {
	_, query, _ := strings.Cut(audit.Redact(e.URI), "?")
	values, _ := url.ParseQuery(query) // what can be parsed
	values.Set("bucketName", e.Object.Bucket)
	values.Set("key", e.Object.Key)
	values.Set("Host", e.Host)
	values.Set("x-amz-copy-source", e.CopySource)
	for _, name := range []string{"bucketName", "key", "Host", "x-amz-copy-source"} {
		if values.Get(name) == "" {
			values.Del(name)
		}
	}
	names := make([]string, 0, len(values))
	for name := range values {
		if !slices.Contains(hidden, strings.ToLower(name)) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		if v := values[name]; len(v) == 1 {
			o.text(name, v[0])
		} else {
			o.list(name, func(dst []byte) []byte { return appendTexts(dst, v) })
		}
	}
}

func appendTexts(dst []byte, texts []string) []byte {
	for i, s := range texts {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = audit.AppendJSONString(dst, s)
	}
	return dst
}

func additional(o *object, e *daypass.Event) {
	o.optional("SignatureVersion", e.Grant.SignatureVersion)
	o.optional("CipherSuite", e.Cipher)
	o.raw("bytesTransferredIn", strconv.FormatInt(e.Received, 10))
	o.optional("AuthenticationMethod", authenticationMethod(e.Grant.Scheme))
	o.text("x-amz-id-2", e.HostID)
	o.raw("bytesTransferredOut", strconv.FormatInt(e.Sent, 10))
	o.optional("x-daypass-pass", e.Grant.PassID)
	o.optional("x-daypass-name", e.Grant.Name)
	o.optional("x-daypass-limits", e.Limits)
	o.optional("x-daypass-reason", e.Reason)
}

func authenticationMethod(s daypass.Scheme) string {
	switch s {
	case daypass.SchemeHeader:
		return "AuthHeader"
	case daypass.SchemeQuery:
		return "QueryString"
	case daypass.SchemeForm:
		return "HtmlForm"
	}
	return ""
}

func appendResources(dst []byte, e *daypass.Event) []byte {
	bucket := "arn:aws:s3:::" + e.Object.Bucket
	if e.Object.Key != "" {
		o := openObject(dst)
		o.text("type", "AWS::S3::Object")
		o.text("ARN", bucket+"/"+e.Object.Key)
		dst = append(o.close(), ',')
	}
	o := openObject(dst)
	if e.BucketOwner != "" {
		o.text("accountId", daypass.AccountID(e.BucketOwner))
	}
	o.text("type", "AWS::S3::Bucket")
	o.text("ARN", bucket)
	return o.close()
}

// eventName returns CloudTrail's name for an action.
func eventName(a daypass.Action) string {
	switch a {
	case "":
		return "Unknown" // the request did not say what it asked for
	case daypass.ListObjectsV2:
		return string(daypass.ListObjects)
	}
	return string(a)
}

// dataOfBuckets are actions on buckets that are data events, as those on
// objects are (S3 user guide, "Amazon S3 CloudTrail events").
var dataOfBuckets = []daypass.Action{
	"", daypass.ListObjects, daypass.ListObjectsV2, daypass.ListObjectVersions, daypass.ListMultipartUploads,
	daypass.HeadBucket, daypass.DeleteObjects, "PostObject",
}

func isManagement(e *daypass.Event) bool {
	return e.Object.Key == "" && !slices.Contains(dataOfBuckets, e.Action)
}

func category(management bool) string {
	if management {
		return "Management"
	}
	return "Data"
}

func isReadOnly(a daypass.Action) bool {
	for _, p := range []string{"Get", "Head", "List", "Select"} {
		if strings.HasPrefix(string(a), p) {
			return true
		}
	}
	return false
}

// eventID returns a UUID (RFC 9562, version 8) that is always the same for one
// event: a request may have several, one for each object that it is about.
func eventID(e *daypass.Event) string {
	return uuid(fmt.Appendf(nil, "%q %q %d %q %q %q %q", e.RequestID, e.HostID, e.Time.UnixMicro(),
		e.Operation, e.Object.Bucket, e.Object.Key, e.Object.VersionID))
}

func uuid(of []byte) string {
	b := sha256.Sum256(of)
	b[6], b[8] = b[6]&0x0f|0x80, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:16])
}

// An object is a JSON object that is being appended.
type object struct {
	dst   []byte
	start int
}

func openObject(dst []byte) *object {
	dst = append(dst, '{')
	return &object{dst: dst, start: len(dst)}
}

func (o *object) close() []byte { return append(o.dst, '}') }

func (o *object) name(name string) {
	if len(o.dst) > o.start {
		o.dst = append(o.dst, ',')
	}
	o.dst = append(audit.AppendJSONString(o.dst, name), ':')
}

func (o *object) text(name, value string) {
	o.name(name)
	o.dst = audit.AppendJSONString(o.dst, audit.Redact(value))
}

func (o *object) optional(name, value string) {
	if value != "" {
		o.text(name, value)
	}
}

func (o *object) raw(name, json string) {
	o.name(name)
	o.dst = append(o.dst, json...)
}

func (o *object) object(name string, members func(*object)) {
	o.name(name)
	inner := openObject(o.dst)
	members(inner)
	o.dst = inner.close()
}

func (o *object) list(name string, elements func([]byte) []byte) {
	o.name(name)
	o.dst = append(elements(append(o.dst, '[')), ']')
}
