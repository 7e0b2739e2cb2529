package sign

import (
	"crypto/hmac"
	"crypto/sha1"
	"net/http"
	"sort"
	"strings"
)

// Query parameters of Signature Version 2.
const (
	paramV2Key       = "AWSAccessKeyId"
	paramV2Expires   = "Expires"
	paramV2Signature = "Signature"
)

// v2SubResources are the parameters that belong to the canonical resource
// ("Signing and authenticating REST requests", CanonicalizedResource): every
// sub-resource that chooses an action or a version, and the response
// overrides.
var v2SubResources = map[string]bool{
	"abac": true, "accelerate": true, "acl": true, "analytics": true, "attributes": true, "cors": true,
	"delete": true, "encryption": true, "intelligent-tiering": true, "inventory": true,
	"legal-hold": true, "lifecycle": true, "location": true, "logging": true,
	"metadataConfiguration": true, "metadataInventoryTable": true, "metadataJournalTable": true,
	"metadataTable": true, "metrics": true,
	"notification": true, "object-lock": true, "ownershipControls": true, "partNumber": true,
	"policy": true, "policyStatus": true, "publicAccessBlock": true, "renameObject": true, "replication": true,
	"requestPayment": true, "restore": true, "retention": true, "select": true,
	"select-type": true, "session": true, "tagging": true, "torrent": true, "uploadId": true, "uploads": true,
	"versionId": true, "versioning": true, "versions": true, "website": true,
	"response-cache-control": true, "response-content-disposition": true,
	"response-content-encoding": true, "response-content-language": true,
	"response-content-type": true, "response-expires": true,
}

// V2Signs reports whether Signature Version 2 covers a query parameter as part
// of the resource. A server must not let any other parameter choose what a
// Version 2 signature permits.
func V2Signs(name string) bool { return v2SubResources[name] }

// ambiguous returns the name of a parameter or header whose value could be
// read as another part of the string to sign, which Version 2 joins without
// escaping: a line end would begin another line, and "&" another
// sub-resource.
func (in *v2Input) ambiguous() string {
	for _, p := range in.query {
		signed := v2SubResources[p.Name] || in.fromQuery && (isAmz(p.Name) ||
			strings.EqualFold(p.Name, "Content-Type") || strings.EqualFold(p.Name, "Content-MD5"))
		if signed && hasControl(p.Value) || hasControl(p.Name) || isAmz(p.Name) && !isASCII(p.Name) || v2SubResources[p.Name] && resplits(p.Value) {
			return p.Name
		}
	}
	for name, values := range in.header {
		for _, v := range values {
			if (isAmz(name) || name == "Content-Type" || name == "Content-Md5" || name == "Date") && hasControl(v) {
				return name
			}
		}
	}
	return ""
}

// hasControl reports whether s has a control character other than a tab.
func hasControl(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < ' ' && s[i] != '\t' || s[i] == 0x7f {
			return true
		}
	}
	return false
}

// resplits reports whether a value, cut at "&", holds a sub-resource.
func resplits(value string) bool {
	_, rest, found := strings.Cut(value, "&")
	for found {
		var segment string
		segment, rest, found = strings.Cut(rest, "&")
		name, _, _ := strings.Cut(segment, "=")
		if v2SubResources[name] {
			return true
		}
	}
	return false
}

// A v2Input is what Signature Version 2 signs.
type v2Input struct {
	method string
	// date is the Date header, empty where x-amz-date is signed instead, or
	// Expires of a URL.
	date     string
	header   http.Header
	query    Query
	resource string // "/bucket/key" as encoded on the wire
	// fromQuery says that headers may stand in the query, as in a URL.
	fromQuery bool
}

// value returns a header, or where it may, the parameter of that name.
func (in *v2Input) value(name string) string {
	if v := in.header.Values(name); len(v) > 0 {
		return strings.TrimSpace(v[0])
	}
	if in.fromQuery {
		v, _ := in.query.LookupFold(name)
		return v
	}
	return ""
}

// stringToSign follows "Signing and authenticating REST requests".
func (in *v2Input) stringToSign() string {
	var b strings.Builder
	for _, line := range []string{in.method, in.value("Content-Md5"), in.value("Content-Type"), in.date} {
		b.WriteString(line)
		b.WriteByte('\n')
	}
	in.writeAmzHeaders(&b)
	b.WriteString(in.resource)
	in.writeSubResources(&b)
	return b.String()
}

func (in *v2Input) writeAmzHeaders(b *strings.Builder) {
	values := make(map[string]string)
	if in.fromQuery {
		for _, p := range in.query {
			if isAmz(p.Name) {
				values[strings.ToLower(p.Name)] = strings.TrimSpace(p.Value)
			}
		}
	}
	for name, v := range in.header {
		if isAmz(name) && !injected(name) {
			values[strings.ToLower(name)] = joinUnfolded(v)
		}
	}
	names := make([]string, 0, len(values))
	for name := range values {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		b.WriteString(name + ":" + values[name] + "\n")
	}
}

func joinUnfolded(values []string) string {
	out := make([]string, len(values))
	for i, v := range values {
		out[i] = string(appendFolded(nil, v))
	}
	return strings.Join(out, ",")
}

func (in *v2Input) writeSubResources(b *strings.Builder) {
	var subs Query
	for _, p := range in.query {
		if v2SubResources[p.Name] {
			subs = append(subs, p)
		}
	}
	sort.SliceStable(subs, func(i, j int) bool { return subs[i].Name < subs[j].Name })
	for i, p := range subs {
		b.WriteByte("?&"[min(i, 1)])
		b.WriteString(p.Name)
		if p.Value != "" {
			b.WriteString("=" + p.Value)
		}
	}
}

func (in *v2Input) sign(secret string) []byte { return hmacSHA1(secret, in.stringToSign()) }

func hmacSHA1(secret, data string) []byte {
	m := hmac.New(sha1.New, []byte(secret))
	m.Write([]byte(data))
	return m.Sum(nil)
}

// injected names the x-amz-* header that Amazon's CDN adds to what it
// forwards; it means nothing to S3 and no client can have signed it.
func injected(name string) bool { return strings.EqualFold(name, "x-amz-cf-id") }
