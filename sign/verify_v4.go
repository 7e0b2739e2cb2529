package sign

import (
	"crypto/sha256"
	"crypto/subtle"
	"strconv"
	"strings"
	"time"
)

// v4Request is a Signature Version 4 or 4A signature as a request carries
// it, in the query or in the Authorization header.
type v4Request struct {
	algorithm string
	cred      credential
	date      time.Time
	dateText  string // as the string to sign has it
	signed    string // SignedHeaders
	signature string
	token     string
	regionSet string
	payload   string
	// fail makes an error of the scheme's own code and wording.
	fail func(what string, details ...Detail) error
	// credWords precede what is wrong with a credential.
	credWords string
}

const malformedCredential = `the Credential is mal-formed; expecting "<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request".`

func queryError(message string, details ...Detail) error {
	return newError(CodeAuthQueryParameters, message, details...)
}

const missingV4 = "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, " +
	"X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters."

// queryV4 checks a pre-signed URL (S3 API reference, "Authenticating
// Requests: Using Query Parameters").
func (c *check) queryV4() error {
	if c.auth.seen&v4Triggers != v4Triggers {
		return queryError(missingV4)
	}
	r := v4Request{
		algorithm: c.param(atAlgorithm), signed: c.param(atSignedHeaders), signature: c.param(atSignature),
		token: c.param(atToken), regionSet: c.param(atRegionSet), payload: c.param(atSHA256),
		fail: queryError, credWords: "Error parsing the X-Amz-Credential parameter; ",
	}
	if r.algorithm != algorithmV4 && r.algorithm != algorithmV4A {
		return queryError(`X-Amz-Algorithm only supports "AWS4-HMAC-SHA256 and AWS4-ECDSA-P256-SHA256"`)
	}
	if err := c.scope(&r, c.param(atCredential)); err != nil {
		return err
	}
	if err := c.queryDates(&r, c.param(atDate), c.param(atExpires)); err != nil {
		return err
	}
	return c.finishV4(&r, QueryAuth)
}

// queryDates checks X-Amz-Date and X-Amz-Expires. The skew bounds the future
// only: a URL may be used until it expires.
func (c *check) queryDates(r *v4Request, date, expires string) error {
	var ok bool
	if r.date, ok = parseLong(date); !ok {
		return queryError("X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"")
	}
	r.dateText = date
	if date[:8] != r.cred.day {
		return queryError(`Invalid credential date "` + r.cred.day +
			`". This date is not the same as X-Amz-Date: "` + date[:8] + `".`)
	}
	seconds, err := parseExpires(expires)
	if err != nil {
		return err
	}
	c.result.SignedAt = r.date
	c.result.ExpiresAt = r.date.Add(time.Duration(seconds) * time.Second)
	if err := c.setEnd(); err != nil {
		return err
	}
	if !c.now.Before(c.result.ExpiresAt) {
		return c.expired(Detail{paramExpires, expires})
	}
	if r.date.Sub(c.now) > MaxSkew {
		return newError(CodeAccessDenied, "Request is not valid yet", Detail{paramDate, date},
			Detail{"ServerTime", isoTime(c.now)})
	}
	return nil
}

// expired tells when a URL ended, and that x-daypass-until said so where it
// did.
func (c *check) expired(details ...Detail) error {
	end, now := isoTime(c.result.ExpiresAt), isoTime(c.now)
	details = append(details, Detail{"Expires", end}, Detail{"ServerTime", now})
	if c.opts.Until && c.Query.Has(paramUntil) {
		details = append(details, Detail{"Limit", paramUntil}, Detail{"Allowed", end}, Detail{"Asked", now})
	}
	return newError(CodeAccessDenied, "Request has expired", details...)
}

// setEnd sets when a URL ends where X-Amz-Expires does not decide that alone.
// An x-daypass-until that is malformed or repeated decides nothing: whoever
// checks limits refuses it.
func (c *check) setEnd() error {
	most := c.opts.MaxLifetime
	latest := c.result.SignedAt.Add(most)
	if most > 0 && c.result.ExpiresAt.After(latest) {
		c.result.ExpiresAt = latest
	}
	if !c.opts.Until {
		return nil
	}
	text, n := "", 0
	for i := range c.Query {
		if c.Query[i].Name == paramUntil {
			text, n = c.Query[i].Value, n+1
		}
	}
	until, valid := parseLong(text)
	if n != 1 || !valid {
		return nil
	}
	if most <= 0 {
		latest = c.result.SignedAt.Add(MaxLifetime)
	}
	if until.After(latest) {
		return newError(CodeInvalidArgument, "The limit "+paramUntil+" goes beyond what this server allows: a URL signed at "+
			isoTime(c.result.SignedAt)+" may end at "+isoTime(latest)+".",
			Detail{"ArgumentName", paramUntil}, Detail{"ArgumentValue", text})
	}
	c.result.ExpiresAt = until
	return nil
}

// paramUntil is the limit that moves the end of a URL.
const paramUntil = limitPrefix + "until"

// capEnd refuses a signature that does not bound its own lifetime as far as
// Options.MaxLifetime asks for.
func (c *check) capEnd() error {
	most, since := c.opts.MaxLifetime, c.result.SignedAt
	if since.IsZero() {
		since = c.now
	}
	if most <= 0 || !c.result.ExpiresAt.After(since.Add(most)) {
		return nil
	}
	return newError(CodeAccessDenied, "Request is valid for longer than this server allows",
		Detail{"Expires", isoTime(c.result.ExpiresAt)}, Detail{"MaxLifetimeSeconds", strconv.FormatInt(int64(most/time.Second), 10)},
		Detail{"ServerTime", isoTime(c.now)})
}

// parseExpires parses X-Amz-Expires: 0 to 604800 seconds.
func parseExpires(s string) (int64, error) {
	n, ok := digits(strings.TrimPrefix(s, "-"))
	switch {
	case !ok:
		return 0, queryError("X-Amz-Expires should be a number")
	case s[0] == '-' && strings.Trim(s, "-0") != "":
		return 0, queryError("X-Amz-Expires must be non-negative")
	case len(s) > 18 || n > int(MaxLifetime/time.Second): // 18 digits do not overflow
		return 0, queryError("X-Amz-Expires must be less than a week (in seconds); " +
			"that is, the given X-Amz-Expires must be less than 604800 seconds")
	}
	return int64(n), nil
}

// scope parses and checks a credential.
func (c *check) scope(r *v4Request, text string) error {
	regional := r.algorithm == algorithmV4
	if p := c.credential(); p != nil && regional {
		if seen := c.cache.seen.lookup(p.canonical); seen != nil {
			r.cred = seen.cred
			return nil
		}
	}
	var ok bool
	if r.cred, ok = parseCredential(text, regional); !ok {
		return r.fail(r.credWords + malformedCredential)
	}
	cred := &r.cred
	if _, ok := digits(cred.day); !ok || len(cred.day) != 8 {
		return r.fail(r.credWords + `incorrect date format "` + cred.day +
			`". This date in the credential must be in the format "yyyyMMdd".`)
	}
	if regional && cred.region != c.opts.Region {
		return r.fail(r.credWords+"the region '"+cred.region+"' is wrong; expecting '"+c.opts.Region+"'",
			Detail{"Region", c.opts.Region})
	}
	if cred.service != c.opts.Service {
		return r.fail(r.credWords + `incorrect service "` + cred.service +
			`". This endpoint belongs to "` + c.opts.Service + `".`)
	}
	if cred.end != terminator {
		return r.fail(r.credWords + `incorrect terminal "` + cred.end +
			`". This endpoint uses "` + terminator + `".`)
	}
	if p := c.credential(); p != nil && regional {
		c.cache.seen.remember(p)
	}
	return nil
}

// credential returns the parameter of a pre-signed URL, nil for other schemes.
func (c *check) credential() *Param {
	if i := c.auth.at[atCredential]; i > 0 {
		return &c.Query[i-1]
	}
	return nil
}

// finishV4 checks what query and header have in common.
func (c *check) finishV4(r *v4Request, scheme Scheme) error {
	if r.algorithm == algorithmV4A && !regionMatches(r.regionSet, c.opts.Region) {
		return r.fail("The region set '"+r.regionSet+"' does not include '"+c.opts.Region+"'",
			Detail{"Region", c.opts.Region})
	}
	if err := c.checkSignedHeaders(r); err != nil {
		return err
	}
	if err := c.lookupKey(r.cred.id, r.token); err != nil {
		return err
	}
	if err := c.setPayload(r, scheme); err != nil {
		return err
	}
	c.result.Scheme, c.result.SignedHeaders = scheme, r.signed
	c.result.Version = V4
	if r.algorithm == algorithmV4A {
		c.result.Version = V4A
	}
	return c.matchV4(r)
}

// maxSignedHeaders bounds a SignedHeaders list; each name costs a look-up for
// every host that is tried.
const maxSignedHeaders = 100

// checkSignedHeaders bounds the list of signed headers and compares it with
// what was sent.
func (c *check) checkSignedHeaders(r *v4Request) error {
	if strings.Count(r.signed, ";") >= maxSignedHeaders {
		return r.fail("Too many signed headers")
	}
	return c.unsigned(r.signed)
}

// regionMatches reports whether a region set (names or patterns with "*",
// comma-separated) holds a region.
func regionMatches(set, region string) bool {
	for set != "" {
		var pattern string
		pattern, set, _ = strings.Cut(set, ",")
		if head, tail, star := strings.Cut(strings.TrimSpace(pattern), "*"); star {
			if len(region) >= len(head)+len(tail) && strings.HasPrefix(region, head) && strings.HasSuffix(region, tail) {
				return true
			}
		} else if head == region {
			return true
		}
	}
	return false
}

// matchV4 tries the signature against each host.
func (c *check) matchV4(r *v4Request) error {
	s := c.scratch
	if !c.wellFormed(r) {
		return c.mismatchV4(s, r)
	}
	if len(c.Hosts) > 0 {
		if err := c.canonicalV4(s, r, c.Method, c.Hosts[0]); err != nil {
			return err
		}
		if c.matches(s, r) {
			c.result.Host, c.result.Method = c.Hosts[0], c.Method
			c.seedChunks(r)
			return nil
		}
	}
	ok, err := c.try(func(method string, h Host) (bool, error) {
		err := c.canonicalV4(s, r, method, h)
		return err == nil && c.matches(s, r), err
	})
	if err != nil {
		return err
	}
	if !ok {
		return c.mismatchV4(s, r)
	}
	c.seedChunks(r)
	return nil
}

// wellFormed reports whether the signature is in its one form: lower-case
// hexadecimal, and for Version 4A strict DER, which it decodes.
func (c *check) wellFormed(r *v4Request) bool {
	c.result.signature = r.signature
	if r.algorithm == algorithmV4 {
		// Compared as text with one that is well-formed.
		return len(r.signature) == 2*sha256.Size
	}
	s := c.scratch
	n, ok := decodeHex(s.given[:], r.signature)
	if !ok {
		return false
	}
	normal, ok := normalizeECDSA(s.given[:n])
	s.size = copy(s.given[:], normal)
	return ok
}

// canonicalV4 puts the canonical request and the string to sign into s
// ("Signature Calculations", tasks 1 and 2).
func (c *check) canonicalV4(s *scratch, r *v4Request, method string, h Host) error {
	b := append(append(s.canon[:0], method...), '\n')
	b = append(b, h.Prefix...)
	var ok bool
	if b, ok = appendRecoded(b, c.Path); !ok {
		return errBadURI
	}
	b = append(b, '\n')
	b = s.appendQuery(b, c.Query, int(c.auth.at[atSignature])-1)
	b = append(b, '\n')
	src := headerSource{host: h.Name, header: c.Header, query: c.Query, length: c.ContentLength}
	b = src.appendHeaders(b, r.signed)
	b = append(append(append(b, '\n'), r.signed...), '\n')
	s.canon = append(b, r.payload...)
	s.sts = appendStringToSign(s.sts[:0], r.algorithm, r.dateText, r.cred.scope, s.canon)
	return nil
}

// appendRecoded appends a raw path in canonical encoding.
func appendRecoded(dst []byte, raw string) ([]byte, bool) {
	if classify(raw, &pathClass) == 0 {
		return append(dst, raw...), true
	}
	for i := 0; i < len(raw); i++ {
		c := raw[i]
		if c == '%' {
			if i+2 >= len(raw) {
				return dst, false
			}
			hi, lo := hexValue[raw[i+1]], hexValue[raw[i+2]]
			if hi|lo > 15 {
				return dst, false
			}
			c = hi<<4 | lo
			i += 2
		}
		if pathByte[c] {
			dst = append(dst, c)
		} else {
			dst = append(dst, '%', upperHex[c>>4], upperHex[c&15])
		}
	}
	return dst, true
}

func (c *check) matches(s *scratch, r *v4Request) bool {
	if r.algorithm == algorithmV4A {
		return verifyECDSA(&c.cache.ecdsaKey(c.key).PublicKey, s.sts, s.given[:s.size])
	}
	k := c.cache.get(c.key, r.cred.day, r.cred.region, r.cred.service)
	mac := k.sum(s.given[:0], s.sts)
	return subtle.ConstantTimeCompare(appendHex(s.sum[:0], mac), s.text(r.signature)) == 1
}

// mismatchV4 tells the client what was expected, for the host that it named.
func (c *check) mismatchV4(s *scratch, r *v4Request) error {
	if len(c.Hosts) == 0 {
		return &Error{Reason: "no host to verify against"}
	}
	if err := c.canonicalV4(s, r, c.Method, c.Hosts[0]); err != nil {
		return err
	}
	missed := *r // r itself stays off the heap
	c.missedV4 = &missed
	canonical, sts := string(s.canon), string(s.sts)
	details := []Detail{{"AWSAccessKeyId", r.cred.id}, {"StringToSign", sts}, {"SignatureProvided", r.signature},
		{"StringToSignBytes", spacedHex(sts)}}
	// An ordinary request is told what was calculated; a huge one is not worth
	// an answer four times its size.
	if len(canonical) <= maxEcho {
		details = append(details, Detail{"CanonicalRequest", canonical},
			Detail{"CanonicalRequestBytes", spacedHex(canonical)})
	}
	return newError(CodeSignatureDoesNotMatch, mismatchMessage, details...)
}

// maxEcho is the largest canonical request that an answer repeats, in bytes.
const maxEcho = 16 << 10

const mismatchMessage = "The request signature we calculated does not match the signature you provided. " +
	"Check your key and signing method."

// header checks an Authorization header.
func (c *check) header() error {
	auth := c.authorization
	if err := c.noLimits("header authentication"); err != nil {
		return err
	}
	algorithm, rest, _ := strings.Cut(auth, " ")
	switch algorithm {
	case algorithmV4, algorithmV4A:
		return c.headerV4(algorithm, rest)
	case "AWS":
		return c.headerV2(rest)
	}
	return newError(CodeInvalidArgument, "Unsupported Authorization Type",
		Detail{"ArgumentName", "Authorization"}, Detail{"ArgumentValue", auth})
}

// noLimits refuses limits where the scheme cannot bind them: a pass moved
// into an Authorization header would lose its expiry, and Version 2 does not
// sign them.
func (c *check) noLimits(scheme string) error {
	for i := range c.Query {
		if IsLimit(c.Query[i].Name) {
			return newError(CodeInvalidArgument, "The parameter "+c.Query[i].Name+" cannot be used with "+scheme+".",
				Detail{"ArgumentName", c.Query[i].Name}, Detail{"ArgumentValue", c.Query[i].Value})
		}
	}
	return nil
}

func headerError(what string, details ...Detail) error {
	return newError(CodeAuthHeaderMalformed, "The authorization header is malformed; "+what, details...)
}

// headerV4 checks "Authenticating Requests: Using the Authorization Header".
func (c *check) headerV4(algorithm, fields string) error {
	r := v4Request{algorithm: algorithm, fail: headerError}
	cred, err := r.parseAuthorization(fields)
	if err != nil {
		return err
	}
	if err := c.scope(&r, cred); err != nil {
		return err
	}
	if err := c.headerDate(&r); err != nil {
		return err
	}
	r.token = c.header1("X-Amz-Security-Token")
	r.regionSet = c.header1("X-Amz-Region-Set")
	return c.finishV4(&r, HeaderAuth)
}

// parseAuthorization reads Credential, SignedHeaders and Signature, once each
// and in any order.
func (r *v4Request) parseAuthorization(fields string) (cred string, err error) {
	seen := make(map[string]string, 3)
	for _, f := range strings.Split(fields, ",") {
		name, value, ok := strings.Cut(strings.TrimSpace(f), "=")
		if _, again := seen[name]; !ok || again {
			return "", headerError("it must hold Credential, SignedHeaders and Signature once each.")
		}
		seen[name] = value
	}
	for _, name := range []string{"Credential", "SignedHeaders", "Signature"} {
		if seen[name] == "" {
			return "", headerError("the authorization header requires three components: " +
				"Credential, SignedHeaders, and Signature.")
		}
	}
	r.signed, r.signature = seen["SignedHeaders"], seen["Signature"]
	return seen["Credential"], nil
}

// headerDate takes the time from a signed header and nowhere else: another
// would not be covered by the signature.
func (c *check) headerDate(r *v4Request) error {
	text := c.header1("X-Amz-Date")
	var ok bool
	switch {
	case text != "":
		r.date, ok = parseLong(text)
		ok = ok && listed(r.signed, "x-amz-date")
	case listed(r.signed, "date"):
		text = c.header1("Date")
		r.date, ok = parseHTTPDate(text)
	}
	if !ok {
		if text != "" && !listed(r.signed, "x-amz-date") && !listed(r.signed, "date") {
			return c.unsigned(r.signed)
		}
		return newError(CodeAccessDenied, "AWS authentication requires a valid Date or x-amz-date header")
	}
	if r.date.UTC().Format(shortLayout) != r.cred.day {
		return headerError(`Invalid credential date "` + r.cred.day +
			`". This date is not the same as X-Amz-Date: "` + r.date.UTC().Format(shortLayout) + `".`)
	}
	r.dateText = r.date.UTC().Format(longLayout)
	return c.skew(r.date, text)
}

// skew refuses a request that was signed too long ago or ahead.
func (c *check) skew(t time.Time, text string) error {
	c.result.SignedAt = t.UTC()
	if d := c.now.Sub(t); d > MaxSkew || d < -MaxSkew {
		return newError(CodeRequestTimeTooSkewed,
			"The difference between the request time and the current time is too large.",
			Detail{"RequestTime", text}, Detail{"ServerTime", isoTime(c.now)},
			Detail{"MaxAllowedSkewMilliseconds", strconv.FormatInt(MaxSkew.Milliseconds(), 10)})
	}
	return nil
}

// parseHTTPDate parses the date formats that clients of S3 send.
func parseHTTPDate(s string) (time.Time, bool) {
	for _, layout := range []string{time.RFC1123, time.RFC1123Z, "Mon, _2 Jan 2006 15:04:05 MST", time.RFC850, time.ANSIC, longLayout} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}
