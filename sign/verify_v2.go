package sign

import (
	"crypto/hmac"
	"encoding/base64"
	"strconv"
	"strings"
	"time"
)

// queryV2 checks a Signature Version 2 URL ("Signing and authenticating REST
// requests", query string request authentication alternative).
func (c *check) queryV2() error {
	if c.opts.DenyV2 {
		return errV2Denied()
	}
	if err := c.noLimits("Signature Version 2"); err != nil {
		return err
	}
	if err := c.noRepeats(); err != nil {
		return err
	}
	id, expires, signature := c.Query.Get(paramV2Key), c.Query.Get(paramV2Expires), c.Query.Get(paramV2Signature)
	if id == "" || expires == "" || signature == "" {
		return newError(CodeAccessDenied,
			"Query-string authentication requires the Signature, Expires and AWSAccessKeyId parameters")
	}
	seconds, err := strconv.ParseInt(expires, 10, 64)
	if err != nil || seconds < 0 || seconds > maxUnix {
		return newError(CodeAccessDenied, "Invalid date (should be seconds since epoch): "+expires)
	}
	c.result.ExpiresAt = time.Unix(seconds, 0).UTC()
	if !c.now.Before(c.result.ExpiresAt) {
		return newError(CodeAccessDenied, "Request has expired",
			Detail{"Expires", isoTime(c.result.ExpiresAt)}, Detail{"ServerTime", isoTime(c.now)})
	}
	if err := c.capEnd(); err != nil {
		return err
	}
	token, _ := c.Query.LookupFold(paramToken)
	if err := c.lookupKey(id, token); err != nil {
		return err
	}
	c.result.Scheme = QueryAuth
	return c.matchV2(signature, expires, true)
}

// noRepeats refuses repeated x-amz-* parameters: only one of them would be
// signed, and perhaps another one read.
func (c *check) noRepeats() error {
	for i, p := range c.Query {
		if !isAmz(p.Name) {
			continue
		}
		if _, again := c.Query[i+1:].LookupFold(p.Name); again {
			return newError(CodeInvalidArgument, "The query parameter "+p.Name+" must not be repeated.",
				Detail{"ArgumentName", p.Name}, Detail{"ArgumentValue", p.Value})
		}
	}
	return nil
}

// maxUnix is the last second of the year 9999, beyond which no date is written.
const maxUnix = 253402300799

func errV2Denied() error {
	return newError(CodeInvalidRequest,
		"The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.")
}

// headerV2 checks "AWS id:signature".
func (c *check) headerV2(fields string) error {
	if c.opts.DenyV2 {
		return errV2Denied()
	}
	// The id may hold a colon, the signature cannot.
	i := strings.LastIndexByte(fields, ':')
	if i <= 0 {
		return newError(CodeInvalidArgument, "AWS authorization header is invalid.  Expected AwsAccessKeyId:signature",
			Detail{"ArgumentName", "Authorization"}, Detail{"ArgumentValue", "AWS " + fields})
	}
	date, err := c.headerDateV2()
	if err != nil {
		return err
	}
	if err := c.lookupKey(fields[:i], c.header1("X-Amz-Security-Token")); err != nil {
		return err
	}
	c.result.Scheme = HeaderAuth
	return c.matchV2(fields[i+1:], date, false)
}

// headerDateV2 returns the date line of the string to sign: empty where
// x-amz-date is signed among the headers instead.
func (c *check) headerDateV2() (string, error) {
	text, line := c.header1("X-Amz-Date"), ""
	if text == "" {
		text = c.header1("Date")
		line = text
	}
	t, ok := parseHTTPDate(text)
	if !ok {
		return "", newError(CodeAccessDenied, "AWS authentication requires a valid Date or x-amz-date header")
	}
	return line, c.skew(t, text)
}

// matchV2 tries the signature against the ways in which clients write the
// path: as sent, and in canonical encoding.
func (c *check) matchV2(signature, date string, fromQuery bool) error {
	if _, err := UnescapePath(c.Path); err != nil {
		return err
	}
	c.result.Version = V2
	if err := c.readPayload(c.bodyHash, "", false); err != nil {
		return err
	}
	given, valid := decodeV2(signature)
	in := v2Input{date: date, header: c.Header, query: c.Query, fromQuery: fromQuery}
	if name := in.ambiguous(); name != "" {
		return newError(CodeInvalidArgument, "The value of "+name+" cannot be signed with Signature Version 2.",
			Detail{"ArgumentName", name})
	}
	ok, err := c.try(func(method string, h Host) (bool, error) {
		in.method = method
		for _, in.resource = range c.resourcesV2(h.Prefix) {
			if valid && hmac.Equal(in.sign(c.key.Secret), given) {
				return true, nil
			}
		}
		return false, nil
	})
	if ok || err != nil {
		c.result.signature = signature
		return err
	}
	in.method, in.resource = c.Method, c.resourcesV2("")[0]
	c.missedV2 = &missV2{v2Input: in, signature: signature}
	sts := in.stringToSign()
	return newError(CodeSignatureDoesNotMatch, mismatchMessage,
		Detail{"AWSAccessKeyId", c.key.ID}, Detail{"StringToSign", sts},
		Detail{"SignatureProvided", signature}, Detail{"StringToSignBytes", spacedHex(sts)})
}

// decodeV2 decodes a signature from its one form, strict base64.
func decodeV2(signature string) ([]byte, bool) {
	b, err := base64.StdEncoding.Strict().DecodeString(signature)
	return b, err == nil && len(b) == 20 && !strings.ContainsAny(signature, "\r\n")
}

// resourcesV2 returns the spellings of the canonical resource.
func (c *check) resourcesV2(prefix string) []string {
	head := prefix
	if c.HostBucket != "" {
		head = "/" + c.HostBucket + prefix
	}
	out := []string{head + c.Path}
	if recoded, ok := appendRecoded(nil, c.Path); ok && string(recoded) != c.Path {
		out = append(out, head+string(recoded))
	}
	return out
}
