package trail

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/audit"
)

// eventVersion is that of CloudTrail's record contents of 2026.
const eventVersion = "1.11"

// A recorder appends records. It remembers the last of what takes hashes to find
// out: who signed, and the account of the last bucket. Its methods must not be
// called concurrently.
type recorder struct {
	*Config
	signer   signer
	identity []byte // of the signer, as a member
	owner    string
	account  string // the owner's
}

// A signer is what a record's user identity follows from.
type signer struct {
	scheme                                            daypass.Scheme
	accessKey, owner, principal, principalID, session string
}

// appendRecord appends an event as one record (CloudTrail user guide,
// "CloudTrail record contents"), which is a data event of S3, or a management
// event where it is about a bucket's settings, and where it is of STS or of the
// admin API, whose source is "daypass". The pass, its name, its limits
// and the reason of a refusal are additional event data whose names begin with
// x-daypass-. The event must be cleaned (audit.Clean).
func (r *recorder) appendRecord(dst []byte, e *daypass.Event) []byte {
	management := isManagement(e)
	o := openObject(dst)
	o.members(`"eventVersion":"` + eventVersion + `"`)
	o.comma()
	o.dst = append(o.dst, r.identityOf(e)...)
	o.time("eventTime", e.Time.Add(max(0, e.Total)))
	o.text("eventSource", eventSource(e.Action))
	o.text("eventName", eventName(e.Action))
	o.text("awsRegion", r.Region)
	o.text("sourceIPAddress", sourceAddress(e))
	o.bracketed("userAgent", e.UserAgent)
	o.optional("errorCode", string(e.Code))
	o.optional("errorMessage", e.Message)
	parameters(&o, e)
	o.members(`"responseElements":null`)
	additional(&o, e)
	o.text("requestID", e.RequestID)
	o.eventID(e)
	o.bool("readOnly", isReadOnly(e.Action))
	if e.Object.Bucket != "" {
		r.resources(&o, e)
	}
	o.members(`"eventType":"AwsApiCall"`)
	o.bool("managementEvent", management)
	o.text("recipientAccountId", r.Account)
	o.text("eventCategory", category(management))
	if e.TLSVersion != "" {
		o.open("tlsDetails")
		o.text("tlsVersion", e.TLSVersion)
		o.optional("cipherSuite", e.Cipher)
		o.optional("clientProvidedHostHeader", e.Host)
		o.close()
	}
	return o.end()
}

// identityOf returns who signed, as a member.
func (r *recorder) identityOf(e *daypass.Event) []byte {
	g := &e.Grant
	s := signer{g.Scheme, g.AccessKeyID, g.Owner, e.Principal, e.PrincipalID, e.Session}
	if len(r.identity) > 0 && s == r.signer {
		return r.identity
	}
	o := object{append(r.identity[:0], '{')} // the brace is not its own
	r.Config.identity(&o, e)
	copy(o.dst, o.dst[1:])
	r.identity = o.dst[:len(o.dst)-1]
	r.signer = signer{daypass.Scheme(strings.Clone(string(s.scheme))), strings.Clone(s.accessKey), strings.Clone(s.owner),
		strings.Clone(s.principal), strings.Clone(s.principalID), strings.Clone(s.session)}
	return r.identity
}

// accountOf returns the account of a bucket's owner.
func (r *recorder) accountOf(owner string) string {
	if owner != r.owner {
		r.owner, r.account = strings.Clone(owner), daypass.AccountID(owner)
	}
	return r.account
}

// appendGap appends a record of events that are missing, in the shape of an
// event of the service itself.
func (c *Config) appendGap(dst []byte, b *Batch, i int, g Gap) []byte {
	o := openObject(dst)
	o.text("eventVersion", eventVersion)
	o.open("userIdentity")
	o.text("type", "AWSService")
	o.text("invokedBy", "daypass")
	o.close()
	o.time("eventTime", b.Time)
	o.text("eventSource", "s3.amazonaws.com")
	o.text("eventName", "EventsMissing")
	o.text("awsRegion", c.Region)
	o.text("sourceIPAddress", "daypass")
	o.text("userAgent", "daypass")
	o.raw("requestParameters", "null")
	o.raw("responseElements", "null")
	o.open("additionalEventData")
	o.text("reason", g.Loss)
	o.raw("events", strconv.FormatUint(g.Events, 10))
	o.raw("bytes", strconv.FormatUint(g.Bytes, 10))
	if !g.From.IsZero() {
		o.time("from", g.From)
		o.time("to", g.To)
	}
	o.close()
	o.uuid("eventID", fmt.Appendf(nil, "gap %q %d", b.Unique, i))
	o.bool("readOnly", true)
	o.text("eventType", "AwsServiceEvent")
	o.bool("managementEvent", false)
	o.text("recipientAccountId", c.Account)
	o.text("eventCategory", "Data")
	return o.end()
}

// eventSource is the service that a request went to. The admin API is nobody
// else's, so that its name has no domain of AWS.
func eventSource(a daypass.Action) string {
	switch a.Service() {
	case daypass.ServiceSTS:
		return "sts.amazonaws.com"
	case daypass.ServiceDaypass:
		return "daypass"
	}
	return "s3.amazonaws.com"
}

// sourceAddress is where a request came from: the admin API's socket has no
// address, and a service its name in place of one.
func sourceAddress(e *daypass.Event) string {
	if e.Grant.Scheme == daypass.SchemeService {
		return service(e)
	}
	if e.Source == "" && e.Grant.Scheme == daypass.SchemeLocal {
		return "local"
	}
	return e.Source
}

// amazonS3 is the principal of what nobody has asked for: S3's access logs name it
// for what lifecycle rules remove.
const amazonS3 = "AmazonS3"

// service is the name of the service that did something by itself.
func service(e *daypass.Event) string {
	if e.Principal == amazonS3 {
		return "s3.amazonaws.com"
	}
	return strings.TrimPrefix(e.Principal, "svc:")
}

// identity is who signed (CloudTrail user guide, "userIdentity element").
func (c *Config) identity(o *object, e *daypass.Event) {
	o.open("userIdentity")
	defer o.close()
	if e.Grant.Scheme == daypass.SchemeLocal {
		// Whoever reaches the socket may do what the account may.
		o.text("type", "Root")
		o.text("principalId", c.Account)
		o.text("arn", "arn:aws:iam::"+c.Account+":root")
		o.text("accountId", c.Account)
		return
	}
	if e.Grant.Scheme == daypass.SchemeService {
		o.text("type", "AWSService")
		o.text("invokedBy", service(e))
		return
	}
	if e.Grant.AccessKeyID == "" { // also where a signature was not good
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
		sessionContext(o, e, account, name)
	}
}

// sessionContext tells of the role of a session.
func sessionContext(o *object, e *daypass.Event, account, role string) {
	arn := e.Session
	if !strings.HasPrefix(arn, "arn:") {
		arn = "arn:aws:iam::" + account + ":role/" + role
	}
	id, _, _ := strings.Cut(e.PrincipalID, ":")
	o.open("sessionContext")
	o.open("sessionIssuer")
	o.text("type", "Role")
	o.text("principalId", id)
	o.text("arn", arn)
	o.text("accountId", account)
	o.text("userName", role)
	o.close()
	o.open("attributes")
	o.text("mfaAuthenticated", "false")
	o.close()
	o.close()
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

// A parameter is one of a request.
type parameter struct{ name, value string }

// usualParameters is how many parameters have room without an allocation.
const usualParameters = 24

// parameters are what a request asked for, in order of their names: its query,
// its object and its host, which are never what the query says.
func parameters(o *object, e *daypass.Event) {
	var room [usualParameters]parameter
	own := [...]parameter{{"Host", e.Host}, {"bucketName", e.Object.Bucket}, {"key", e.Object.Key},
		{"subject", e.Subject}, {"x-amz-copy-source", e.CopySource}}
	all := room[:0]
	for _, p := range own {
		if p.value != "" {
			all = append(all, p)
		}
	}
	_, query, _ := strings.Cut(e.URI, "?")
	for query != "" {
		var piece string
		piece, query, _ = strings.Cut(query, "&")
		if p, ok := parseParameter(piece); ok && !isOwn(p.name) && !isHidden(p.name) {
			all = append(all, p)
		}
	}
	slices.SortStableFunc(all, func(a, b parameter) int { return strings.Compare(a.name, b.name) })
	o.open("requestParameters")
	for len(all) > 0 {
		n := 1
		for n < len(all) && all[n].name == all[0].name {
			n++
		}
		o.texts(all[:n])
		all = all[n:]
	}
	o.close()
}

// parseParameter decodes a parameter of a query. What cannot be decoded is none,
// nor is what is plainly hidden.
func parseParameter(piece string) (p parameter, ok bool) {
	if piece == "" || strings.IndexByte(piece, ';') >= 0 {
		return p, false
	}
	p.name, p.value, _ = strings.Cut(piece, "=")
	if isHidden(p.name) {
		return p, false // whatever its value is
	}
	var err, err2 error
	p.name, err = unescape(p.name)
	p.value, err2 = unescape(p.value)
	return p, err == nil && err2 == nil
}

// unescape is url.QueryUnescape, quick where there is no escape.
func unescape(s string) (string, error) {
	if strings.IndexByte(s, '%') < 0 && strings.IndexByte(s, '+') < 0 {
		return s, nil
	}
	return url.QueryUnescape(s)
}

// isOwn reports whether a parameter is never what the query says.
func isOwn(name string) bool {
	switch name {
	case "Host", "bucketName", "key", "subject", "x-amz-copy-source":
		return true
	}
	return false
}

func isHidden(name string) bool {
	switch len(name) {
	case 9, 14, 15, 16, 19, 20: // those of hidden
	default:
		return false
	}
	return slices.ContainsFunc(hidden, func(h string) bool { return len(h) == len(name) && strings.EqualFold(h, name) })
}

func additional(o *object, e *daypass.Event) {
	o.open("additionalEventData")
	o.optional("SignatureVersion", e.Grant.SignatureVersion)
	o.optional("CipherSuite", e.Cipher)
	o.int("bytesTransferredIn", e.Received)
	o.optional("AuthenticationMethod", authenticationMethod(e.Grant.Scheme))
	o.text("x-amz-id-2", e.HostID)
	o.int("bytesTransferredOut", e.Sent)
	o.optional("x-daypass-pass", e.Grant.PassID)
	o.optional("x-daypass-name", e.Grant.Name)
	o.optional("x-daypass-limits", e.Limits)
	o.optional("x-daypass-reason", e.Reason)
	o.close()
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

func (r *recorder) resources(o *object, e *daypass.Event) {
	o.name("resources")
	o.dst = append(o.dst, '[')
	if e.Object.Key != "" {
		o.element()
		o.members(`"type":"AWS::S3::Object"`)
		o.arn(e.Object.Bucket, e.Object.Key)
		o.close()
	}
	o.element()
	if e.BucketOwner != "" {
		o.text("accountId", r.accountOf(e.BucketOwner))
	}
	o.members(`"type":"AWS::S3::Bucket"`)
	o.arn(e.Object.Bucket, "")
	o.close()
	o.dst = append(o.dst, ']')
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
	// What browsers ask before a request, and the page that asks for a PIN, are
	// about objects.
	"PreflightRequest", "EnterPIN",
}

func isManagement(e *daypass.Event) bool {
	if e.Action.Service() != daypass.ServiceS3 {
		return true
	}
	return e.Object.Key == "" && !slices.Contains(dataOfBuckets, e.Action)
}

func category(management bool) string {
	if management {
		return "Management"
	}
	return "Data"
}

func isReadOnly(a daypass.Action) bool {
	if a == daypass.AssumeRole || a == "PreflightRequest" {
		return true // as CloudTrail has it of the former
	}
	for _, p := range []string{"Get", "Head", "List", "Select", "Explain"} {
		if strings.HasPrefix(string(a), p) {
			return true
		}
	}
	return false
}

// An object is a JSON object that is being appended, with the objects that are
// open within it.
type object struct{ dst []byte }

func openObject(dst []byte) object { return object{append(dst, '{')} }

// end closes the outermost object.
func (o *object) end() []byte { return append(o.dst, '}') }

// comma separates what follows from what is there.
func (o *object) comma() {
	if c := o.dst[len(o.dst)-1]; c != '{' && c != '[' {
		o.dst = append(o.dst, ',')
	}
}

// name begins a member whose name needs no escapes.
func (o *object) name(name string) {
	o.comma()
	o.dst = append(append(append(o.dst, '"'), name...), '"', ':')
}

// open begins an object as a member, element one of a list.
func (o *object) open(name string) {
	o.name(name)
	o.dst = append(o.dst, '{')
}

func (o *object) element() {
	o.comma()
	o.dst = append(o.dst, '{')
}

func (o *object) close() { o.dst = append(o.dst, '}') }

func (o *object) text(name, value string) {
	o.name(name)
	o.dst = audit.AppendJSONString(o.dst, value)
}

// members are members that are always the same.
func (o *object) members(text string) {
	o.comma()
	o.dst = append(o.dst, text...)
}

// arn names a bucket, or an object where there is a key.
func (o *object) arn(bucket, key string) {
	o.members(`"ARN":"arn:aws:s3:::`)
	if o.dst = audit.AppendJSONText(o.dst, bucket); key != "" {
		o.dst = audit.AppendJSONText(append(o.dst, '/'), key)
	}
	o.dst = append(o.dst, '"')
}

func (o *object) optional(name, value string) {
	if value != "" {
		o.text(name, value)
	}
}

// bracketed is a text in brackets, as CloudTrail writes user agents.
func (o *object) bracketed(name, value string) {
	o.name(name)
	o.dst = append(o.dst, '"')
	at := len(o.dst)
	o.dst = audit.AppendJSONString(o.dst, value)
	o.dst[at], o.dst[len(o.dst)-1] = '[', ']' // in the places of its quotes
	o.dst = append(o.dst, '"')
}

// texts is a parameter, as a list where there are several of its name.
func (o *object) texts(p []parameter) {
	o.comma()
	o.dst = append(audit.AppendJSONString(o.dst, p[0].name), ':')
	if len(p) == 1 {
		o.dst = audit.AppendJSONString(o.dst, p[0].value)
		return
	}
	o.dst = append(o.dst, '[')
	for i := range p {
		o.comma()
		o.dst = audit.AppendJSONString(o.dst, p[i].value)
	}
	o.dst = append(o.dst, ']')
}

func (o *object) raw(name, json string) {
	o.name(name)
	o.dst = append(o.dst, json...)
}

func (o *object) bool(name string, v bool) {
	o.name(name)
	o.dst = strconv.AppendBool(o.dst, v)
}

func (o *object) int(name string, v int64) {
	o.name(name)
	o.dst = strconv.AppendInt(o.dst, v, 10)
}

func (o *object) time(name string, t time.Time) {
	o.name(name)
	o.dst = append(audit.AppendTime(append(o.dst, '"'), t), '"')
}

// eventID is the id of an event, which is always the same for it: a request may
// have several, one for each object that it is about.
func (o *object) eventID(e *daypass.Event) {
	var room [512]byte
	o.uuid("eventID", appendIdentity(room[:0], e))
}

// appendIdentity appends what no two events have in common.
func appendIdentity(dst []byte, e *daypass.Event) []byte {
	for _, s := range [...]string{e.RequestID, e.HostID} {
		dst = append(appendQuote(dst, s), ' ')
	}
	dst = strconv.AppendInt(dst, e.Time.UnixMicro(), 10)
	for _, s := range [...]string{e.Operation, e.Object.Bucket, e.Object.Key, e.Object.VersionID} {
		dst = appendQuote(append(dst, ' '), s)
	}
	return dst
}

// appendQuote is strconv.AppendQuote, quick where nothing needs an escape.
func appendQuote(dst []byte, s string) []byte {
	if !audit.IsPlain(s) {
		return strconv.AppendQuote(dst, s)
	}
	return append(append(append(dst, '"'), s...), '"')
}

// uuid is the UUID of what is hashed, as a member.
func (o *object) uuid(name string, of []byte) {
	o.name(name)
	o.dst = append(appendUUID(append(o.dst, '"'), of), '"')
}

// appendUUID appends a UUID (RFC 9562, version 8) that is made of a hash.
func appendUUID(dst, of []byte) []byte {
	b := sha256.Sum256(of)
	b[6], b[8] = b[6]&0x0f|0x80, b[8]&0x3f|0x80
	dst = append(hex.AppendEncode(dst, b[:4]), '-')
	dst = append(hex.AppendEncode(dst, b[4:6]), '-')
	dst = append(hex.AppendEncode(dst, b[6:8]), '-')
	dst = append(hex.AppendEncode(dst, b[8:10]), '-')
	return hex.AppendEncode(dst, b[10:16])
}
