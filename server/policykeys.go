package server

import (
	"io"
	"net/textproto"
	"net/url"
	"strconv"
	"strings"
	"time"

	"bytes"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/s3"
	"github.com/daypass/daypass/sign"
)

// A policyKey returns the value of a condition key, and whether the request
// has it.
type policyKey func(*deliberation) (string, bool)

// policyKeys has a row for every condition key that a request may have, beside
// those about the caller, which package policy knows, and those of several
// values and of tags (Service Authorization Reference, "Condition keys for
// Amazon S3"; IAM User Guide, "AWS global condition context keys").
var policyKeys = map[string]policyKey{
	"s3:authtype":             (*deliberation).authType,
	"s3:signatureage":         (*deliberation).signatureAge,
	"s3:signatureversion":     (*deliberation).signatureVersion,
	"s3:tlsversion":           (*deliberation).tlsVersion,
	"s3:x-amz-content-sha256": (*deliberation).contentSHA256,
	"s3:x-amz-copy-source":    (*deliberation).copySource,
	"s3:versionid":            (*deliberation).versionID,
	"s3:resourceaccount":      (*deliberation).resourceAccount,

	"s3:prefix":    queryKey("prefix"),
	"s3:delimiter": queryKey("delimiter"),
	"s3:max-keys":  queryKey("max-keys"),

	"s3:object-lock-mode":                     (*deliberation).lockMode,
	"s3:object-lock-retain-until-date":        (*deliberation).lockUntil,
	"s3:object-lock-remaining-retention-days": (*deliberation).lockDays,
	"s3:object-lock-legal-hold":               (*deliberation).lockHold,

	"s3:x-amz-server-side-encryption": (*deliberation).sse,

	"s3:if-match":      headerKey("If-Match"),
	"s3:if-none-match": headerKey("If-None-Match"),

	"aws:currenttime":     func(d *deliberation) (string, bool) { return d.call.now.UTC().Format(time.RFC3339), true },
	"aws:epochtime":       func(d *deliberation) (string, bool) { return strconv.FormatInt(d.call.now.Unix(), 10), true },
	"aws:referer":         sentKey("Referer"),
	"aws:useragent":       sentKey("User-Agent"),
	"aws:requestedregion": func(d *deliberation) (string, bool) { return d.server.cfg.Region, true },
	"aws:resourceaccount": (*deliberation).resourceAccount,
	"aws:securetransport": (*deliberation).secureTransport,
	"aws:sourceip":        (*deliberation).sourceIP,
	"aws:viaawsservice":   func(*deliberation) (string, bool) { return "false", true },
}

// lastingKeys are the condition keys whose value another request with the same
// URL, somewhere else or a moment later, has too. Who came over TLS is not sent
// away from it.
var lastingKeys = map[string]bool{
	"s3:authtype": true, "s3:signatureversion": true, "s3:versionid": true, "s3:resourceaccount": true,
	"aws:requestedregion": true, "aws:resourceaccount": true, "aws:securetransport": true, "aws:viaawsservice": true,
}

// headerKeys are the x-amz-* headers that are condition keys of the same name.
var headerKeys = map[string]bool{
	"x-amz-acl": true, "x-amz-grant-full-control": true, "x-amz-grant-read": true, "x-amz-grant-read-acp": true,
	"x-amz-grant-write": true, "x-amz-grant-write-acp": true, "x-amz-metadata-directive": true,
	"x-amz-object-ownership":                          true,
	"x-amz-server-side-encryption-aws-kms-key-id":     true,
	"x-amz-server-side-encryption-customer-algorithm": true,
	"x-amz-storage-class":                             true, "x-amz-website-redirect-location": true,
}

// key implements policy.Request.Context.
func (d *deliberation) key(name string) ([]string, bool) {
	d.call.momentary = d.call.momentary || !lastingKeys[name]
	if f, ok := policyKeys[name]; ok {
		return d.single(f(d))
	}
	if header, ok := strings.CutPrefix(name, "s3:"); ok && headerKeys[header] {
		v := d.call.head.get(textproto.CanonicalMIMEHeaderKey(header))
		return d.single(v, v != "")
	}
	if name == "s3:requestobjecttagkeys" {
		var keys []string
		for _, t := range d.requestTags() {
			keys = append(keys, t.Key)
		}
		return keys, len(keys) > 0
	}
	if tag, ok := strings.CutPrefix(name, "s3:requestobjecttag/"); ok {
		return d.single(tagValue(d.requestTags(), tag))
	}
	if tag, ok := strings.CutPrefix(name, "s3:existingobjecttag/"); ok {
		return d.single(tagValue(d.existingTags(), tag))
	}
	return nil, false
}

func (d *deliberation) single(v string, ok bool) ([]string, bool) {
	if !ok {
		return nil, false
	}
	d.one[0] = v
	return d.one[:], true
}

func queryKey(name string) policyKey {
	return func(d *deliberation) (string, bool) { return d.call.query.Lookup(name) }
}

// headerKey is a header that a pre-signed URL may carry as a parameter.
func headerKey(name string) policyKey {
	return func(d *deliberation) (string, bool) {
		v := d.call.head.get(name)
		return v, v != ""
	}
}

// sentKey is a header that must be sent as one.
func sentKey(name string) policyKey {
	return func(d *deliberation) (string, bool) {
		v := d.call.r.Header.Get(name)
		return v, v != ""
	}
}

func (d *deliberation) authType() (string, bool) {
	switch d.call.grant.Scheme {
	case daypass.SchemeHeader:
		return "REST-HEADER", true
	case daypass.SchemeQuery, daypass.SchemeCookie:
		return "REST-QUERY-STRING", true
	case daypass.SchemeForm:
		return "POST", true
	}
	return "", false
}

// signatureAge is in milliseconds. A signature of the future is of no age.
func (d *deliberation) signatureAge() (string, bool) {
	at := d.call.grant.SignedAt
	if at.IsZero() {
		return "", false
	}
	return strconv.FormatInt(max(0, d.call.now.Sub(at).Milliseconds()), 10), true
}

func (d *deliberation) signatureVersion() (string, bool) {
	switch d.call.result.Version {
	case sign.V4:
		return "AWS4-HMAC-SHA256", true
	case sign.V4A:
		return "AWS4-ECDSA-P256-SHA256", true
	case sign.V2:
		return "AWS", true
	}
	return "", false
}

// tlsVersion is not known where a proxy speaks TLS.
func (d *deliberation) tlsVersion() (string, bool) {
	t := d.call.r.TLS
	if t == nil {
		return "", false
	}
	// 0x0301 is TLS 1.0.
	return "1." + strconv.Itoa(int(t.Version&0xFF)-1), true
}

// contentSHA256 is what the signature says of the body.
func (d *deliberation) contentSHA256() (string, bool) {
	const name = "X-Amz-Content-Sha256"
	c := d.call
	if v := c.r.Header.Get(name); v != "" {
		return v, true
	}
	if v, ok := c.query.LookupFold(name); ok && v != "" {
		return v, true
	}
	return sign.UnsignedPayload, c.result.Scheme == sign.QueryAuth && c.result.Version != sign.V2
}

// copySource is the header without its slash in front and without
// percent-encoding, as policies are written.
func (d *deliberation) copySource() (string, bool) {
	v := d.call.head.get("X-Amz-Copy-Source")
	if v == "" {
		return "", false
	}
	path, _, _ := strings.Cut(v, "?")
	if plain, err := url.QueryUnescape(path); err == nil {
		path = plain
	}
	return strings.TrimPrefix(path, "/"), true
}

func (d *deliberation) versionID() (string, bool) { return d.ref.VersionID, d.ref.VersionID != "" }

func (d *deliberation) resourceAccount() (string, bool) {
	if d.bucket == nil || d.bucket.Owner == "" {
		return "", false
	}
	return daypass.AccountID(d.bucket.Owner), true
}

func (d *deliberation) secureTransport() (string, bool) {
	return strconv.FormatBool(d.server.encrypted(d.call.r)), true
}

func (d *deliberation) sourceIP() (string, bool) {
	addr := d.server.clientAddress(d.call.r)
	if !addr.IsValid() && d.server.trusts(d.call.r.RemoteAddr) {
		// To leave the key out would lift a denial of the client's address.
		d.hidden = true
	}
	return addr.String(), addr.IsValid()
}

func tagValue(tags []s3.Tag, key string) (string, bool) {
	for _, t := range tags {
		if t.Key == key {
			return t.Value, true
		}
	}
	return "", false
}

// requestTags are the tags that the request gives to an object: in its header,
// or in the body of PutObjectTagging. Tags that are malformed count as none:
// the operation refuses them.
func (d *deliberation) requestTags() []s3.Tag {
	c := d.call
	switch {
	case d.tagsRead:
	case c.action.Name == daypass.PutObjectTagging:
		d.tags, _ = s3.ParseTagging(d.document(s3.MaxTaggingBody))
	case len(c.copied) > 0:
		for _, t := range c.copied {
			d.tags = append(d.tags, s3.Tag(t))
		}
	default:
		d.tags, _ = s3.ParseTagHeader(c.head.get("X-Amz-Tagging"))
	}
	d.tagsRead = true
	return d.tags
}

// existingTags are the tags that the object has.
func (d *deliberation) existingTags() (tags []s3.Tag) {
	obj, err := d.stored()
	if err != nil || obj == nil {
		return nil
	}
	for _, t := range obj.Tags {
		tags = append(tags, s3.Tag{Key: t.Key, Value: t.Value})
	}
	return tags
}

// document returns a small body that a policy asks about. Where it cannot be
// known, d.blind says why.
func (d *deliberation) document(most int64) []byte {
	if d.call.result.Payload.Chunked() {
		// Its framing is taken apart, and its signature checked, by the
		// operation only.
		d.blind = invalidRequest("The body of this request decides whether it is allowed; send it without aws-chunked framing.")
		return nil
	}
	head, err := d.call.peek(most)
	if err != nil {
		d.blind = err
	}
	return head
}

// peek returns a small body before the operation reads it. RequestTimeout,
// IncompleteBody.
func (c *call) peek(most int64) ([]byte, error) {
	body := c.r.Body
	var paced io.Reader = body
	if c.pace != nil {
		p := *c.pace
		p.in = nil // the operation counts what it reads once more
		paced = p.reader(body)
	}
	head, err := io.ReadAll(io.LimitReader(paced, most))
	c.r.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(head), body), body}
	return head, err
}
