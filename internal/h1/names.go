package h1

// nameOf returns the canonical form of a header's name where it is a common
// one; else none. canonical says that the name is in that form already.
func nameOf(name []byte, canonical bool) string {
	if canonical {
		return names[string(name)]
	}
	var few [40]byte
	if len(name) > len(few) {
		return ""
	}
	return names[string(canonicalize(few[:0], name))]
}

// canonicalize appends the canonical form of a token (net/textproto,
// CanonicalMIMEHeaderKey).
func canonicalize(to, name []byte) []byte {
	upper := true
	for _, c := range name {
		class := classes[c]
		if upper && class&lower != 0 || !upper && class&capital != 0 {
			c ^= 'a' - 'A'
		}
		to = append(to, c)
		upper = c == '-'
	}
	return to
}

// names are the common names of headers, each by itself, so that requests need
// not allocate them. The ones that the parser looks at must be among them.
var names = intern(
	"Accept", "Accept-Charset", "Accept-Encoding", "Accept-Language", "Authorization", "Cache-Control", "Connection",
	"Content-Disposition", "Content-Encoding", "Content-Language", "Content-Length", "Content-Md5", "Content-Type",
	"Cookie", "Date", "Dnt", "Expect", "Expires", "Forwarded", "Host", "Http2-Settings", "If-Match", "If-Modified-Since",
	"If-None-Match", "If-Range", "If-Unmodified-Since", "Keep-Alive", "Origin", "Pragma", "Priority", "Proxy-Connection",
	"Range", "Referer", "Sec-Ch-Ua", "Sec-Ch-Ua-Mobile", "Sec-Ch-Ua-Platform", "Sec-Fetch-Dest", "Sec-Fetch-Mode",
	"Sec-Fetch-Site", "Sec-Fetch-User", "Te", "Trailer", "Transfer-Encoding", "Upgrade", "Upgrade-Insecure-Requests",
	"User-Agent", "Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Port", "X-Forwarded-Proto",
	"X-Real-Ip", "X-Request-Id", "Traceparent", "Tracestate",
	"Amz-Sdk-Invocation-Id", "Amz-Sdk-Request", "X-Amz-User-Agent", "X-Amz-Date", "X-Amz-Content-Sha256",
	"X-Amz-Security-Token", "X-Amz-Decoded-Content-Length", "X-Amz-Trailer", "X-Amz-Checksum-Mode",
	"X-Amz-Sdk-Checksum-Algorithm", "X-Amz-Checksum-Crc32", "X-Amz-Checksum-Crc32c", "X-Amz-Checksum-Crc64nvme",
	"X-Amz-Checksum-Sha1", "X-Amz-Checksum-Sha256", "X-Amz-Acl", "X-Amz-Copy-Source", "X-Amz-Copy-Source-Range",
	"X-Amz-Metadata-Directive", "X-Amz-Storage-Class", "X-Amz-Tagging", "X-Amz-Expected-Bucket-Owner",
	"X-Amz-Server-Side-Encryption", "X-Amz-Request-Payer",
)

func intern(list ...string) map[string]string {
	m := make(map[string]string, len(list))
	for _, name := range list {
		m[name] = name
	}
	return m
}
