package sign

import (
	"context"
	"crypto/hmac"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Bounds of one diagnosis: how many canonical requests it may make and how
// many bytes it may hash, so that it costs the same few dozen signatures
// whatever is sent.
const (
	maxTries      = 96
	maxTriedBytes = 256 << 10
	// maxTriedHosts is under how many of the hosts that verification takes
	// the other mistakes are looked for.
	maxTriedHosts = 3
	// maxTriedNames is how many headers, and how many parameters, are each
	// taken for the one that was changed.
	maxTriedNames = 12
	// maxTriedQuery is how many parameters a request may have at most.
	maxTriedQuery = 60
)

// A Mistake is the one thing that keeps a signature from matching.
type Mistake struct {
	// Words tell it to an operator, such as "the signature is for the method
	// PUT, not GET". They hold names that the request carries and at most a
	// media type, but no secret, no signature and no other value.
	Words string
	// Host is the host that was signed, where that is the mistake.
	Host Host
}

// Diagnose finds out which known mistake of a client, or of a proxy, would
// explain that Verify refused a request with SignatureDoesNotMatch. It tries
// what the signature would be after one such mistake: another method, host,
// port, addressing style or path prefix (suspects are further hosts that the
// caller thinks of), a path or query encoded or ordered in another way, a
// parameter added or removed, a signed header added, removed or set to what
// clients usually send, another payload hash, a signing key derived for
// another region, service or day. What leaves no trace cannot be found: a date
// or lifetime that was edited, an unknown value of a header or body, two
// mistakes at once, another secret. Version 4A is left alone, since each try
// would cost a hundred times as much, and so is what takes more than 16 KiB or
// has more than 60 parameters.
//
// The answer is proved: the signature is that of the request without the
// mistake. It is for operators only, and it lets nothing pass. Which mistake
// is found makes no difference to the work done: every one is always tried.
func (v *Verifier) Diagnose(ctx context.Context, req *Request, suspects []Host, now time.Time) (Mistake, bool) {
	s := getScratch()
	defer s.release()
	c := check{Verifier: v, Request: req, scratch: s, ctx: ctx, now: now}
	if len(req.Query) > maxTriedQuery || c.run() == nil {
		return Mistake{}, false
	}
	t := trials{tries: maxTries, bytes: maxTriedBytes}
	switch {
	case c.missedV4 != nil && c.missedV4.algorithm == algorithmV4:
		c.diagnoseV4(&t, suspects)
	case c.missedV2 != nil:
		c.diagnoseV2(&t, suspects)
	}
	return t.found, t.found.Words != ""
}

// trials counts what a diagnosis may still cost and keeps what it found.
type trials struct {
	tries, bytes int
	found        Mistake
}

// take reports whether one more try, which hashes n bytes, is within bounds.
func (t *trials) take(n int) bool {
	if t.tries <= 0 || t.bytes < n {
		return false
	}
	t.tries--
	t.bytes -= n
	return true
}

// note keeps the first mistake that explains the signature; the likelier ones
// are tried first.
func (t *trials) note(matches bool, m Mistake) {
	if matches && t.found.Words == "" {
		t.found = m
	}
}

// triedMethods are those that the actions of S3 have.
var triedMethods = [...]string{"GET", "PUT", "HEAD", "DELETE", "POST"}

func methodWords(signed, sent string) string {
	return "the signature is for the method " + signed + ", not " + quoted(sent)
}

// quoted writes a name of the request into words, cut where it is long.
func quoted(s string) string {
	const most = 80
	if len(s) > most {
		s = s[:most] + "…"
	}
	return strconv.Quote(s)
}

// A respelling is another way in which something may have been signed.
type respelling struct{ text, words string }

// respelledPaths returns how a path may have been signed otherwise; some are
// mostly the path itself.
func respelledPaths(raw string) []respelling {
	b, _ := appendRecoded(nil, raw)
	canonical := string(b)
	decoded, _ := UnescapePath(raw)
	again, err := UnescapePath(decoded)
	if err != nil {
		again = decoded
	}
	return append(respelledSegments(canonical), []respelling{
		{strings.ReplaceAll(canonical, "%", "%25"), "the signature is for the path encoded twice"},
		{EscapePath(again), "the path was encoded twice when it was sent, the signature is for one encoding"},
		{raw, "the signature is for the path as it was sent, without canonical encoding"},
		{decoded, "the signature is for the path without percent-encoding"},
		{keeping(decoded, "!'()*"), "the signature is for the path with !'()* unescaped, as encodeURIComponent of JavaScript leaves them"},
		{keeping(decoded, ";,?:@&=+$!'()*#"), "the signature is for the path encoded as encodeURI of JavaScript does"},
		{keeping(decoded, "$&+,:;=@"), "the signature is for the path encoded as net/url of Go does"},
		{strings.ReplaceAll(canonical, "%20", "+"), "the signature is for the path with a plus for each space"},
		{strings.ReplaceAll(canonical, "%20", "%2B"), "the signature is for a path with plus signs, which became spaces on the way"},
		{strings.ReplaceAll(canonical, "%2B", "%20"), "the signature is for a path with spaces, which were sent as plus signs"},
		{lowerEscapes(canonical), "the signature is for the path with escapes in lower case"},
	}...)
}

// respelledSegments returns the paths whose segments differ from a canonical
// path.
func respelledSegments(canonical string) []respelling {
	out := make([]respelling, 0, 24)
	if bare := strings.TrimRight(canonical, "/"); bare == canonical {
		out = append(out, respelling{canonical + "/", "the signature is for the path with a trailing slash"})
	} else if bare != "" {
		out = append(out, respelling{bare, "the signature is for the path without its trailing slash"})
	}
	first, rest, _ := strings.Cut(strings.TrimPrefix(canonical, "/"), "/")
	second, third, _ := strings.Cut(rest, "/")
	cleaned := path.Clean(canonical)
	if strings.HasSuffix(canonical, "/") && cleaned != "/" {
		cleaned += "/"
	}
	if rest != "" {
		out = append(out,
			respelling{"/" + rest, "the signature is for the path without " + quoted("/"+first) + ", which a proxy added"},
			respelling{"/" + first + "//" + rest, "the signature is for the path with two slashes after the bucket, of which a proxy made one"},
			respelling{"/" + first + "/" + strings.ReplaceAll(rest, "/", "%2F"), "the signature is for the key with its slashes escaped"})
	}
	if third != "" {
		out = append(out, respelling{"/" + third,
			"the signature is for the path without " + quoted("/"+first+"/"+second) + ", which a proxy added"})
	}
	return append(out, respelling{cleaned, `the signature is for the path with "//", "." and ".." resolved`})
}

// keeping encodes a path and leaves further characters as they are.
func keeping(decoded, further string) string {
	keep := pathByte
	for i := 0; i < len(further); i++ {
		keep[further[i]] = true
	}
	return string(appendEscaped(nil, decoded, &keep))
}

// lowerEscapes writes the escapes of an encoded text in lower case.
func lowerEscapes(s string) string {
	b := []byte(s)
	for i := 0; i+2 < len(b); i++ {
		if b[i] == '%' {
			copy(b[i+1:i+3], strings.ToLower(s[i+1:i+3]))
		}
	}
	return string(b)
}

// usualValues returns what clients usually sign for a header that proxies
// change, or that the client sends otherwise than it was told to sign; name is
// in lower case.
func usualValues(name, sent string) []string {
	switch name {
	case "content-type":
		bare, _, _ := strings.Cut(sent, ";")
		if bare = strings.TrimSpace(bare); bare != "" {
			return []string{bare, bare + "; charset=UTF-8", bare + "; charset=utf-8", bare + ";charset=UTF-8"}
		}
		return []string{"application/octet-stream", "application/x-www-form-urlencoded", "binary/octet-stream",
			"text/plain", "application/json"}
	case "accept-encoding":
		return []string{"identity", "gzip", "gzip, deflate", "gzip, deflate, br"}
	case "content-length":
		return []string{"0"}
	case "transfer-encoding":
		return []string{"chunked"}
	case "connection":
		return []string{"keep-alive", "close"}
	case "accept":
		return []string{"*/*"}
	case "expect":
		return []string{"100-continue"}
	case "cache-control":
		return []string{"no-cache"}
	}
	return nil
}

func addedHeaderWords(name string) string {
	return "the signature is for a request without a value of " + quoted(name) + ", which the client or a proxy added"
}

func usualValueWords(name, value string) string {
	return "the signature is for " + quoted(name+": "+value) + ", which the client did not send or a proxy changed"
}

// isTracker reports whether a parameter is one that mailers, advertisers and
// social networks append to every link.
func isTracker(name string) bool {
	return strings.HasPrefix(name, "utm_") || slices.Contains([]string{
		"fbclid", "gclid", "dclid", "gbraid", "wbraid", "msclkid", "yclid", "twclid", "ttclid", "igshid", "igsh",
		"mc_cid", "mc_eid", "_ga", "_gl", "srsltid", "li_fat_id", "_hsenc", "_hsmi",
	}, name)
}

// A missV2 is a Version 2 signature that fits nothing.
type missV2 struct {
	v2Input
	signature string
}

// A diagnosisV2 is the diagnosis of one.
type diagnosisV2 struct {
	*check
	*trials
	given []byte
	tried map[string]bool // strings to sign
}

// diagnoseV2 looks for the mistake behind a Version 2 signature.
func (c *check) diagnoseV2(t *trials, suspects []Host) {
	d := diagnosisV2{check: c, trials: t, tried: make(map[string]bool)}
	if len(c.Path)+len(c.missedV2.stringToSign()) > maxEcho {
		return
	}
	d.given, _ = decodeV2(c.missedV2.signature)
	d.signatures()
	var done []string
	for _, h := range c.Hosts[:min(len(c.Hosts), maxTriedHosts)] {
		for _, resource := range c.resourcesV2(h.Prefix) {
			if slices.Contains(done, resource) {
				continue
			}
			done = append(done, resource)
			in := c.missedV2.v2Input
			in.resource = resource
			d.tried[in.stringToSign()] = true
			d.parts(in)
		}
	}
	d.resources(c.missedV2.v2Input, suspects)
	in := c.missedV2.v2Input
	d.sign(in.stringToSign(), c.key.Secret+"\n", "the signature was made with a line end after the secret")
}

func (d *diagnosisV2) try(in v2Input, words string) {
	sts := in.stringToSign()
	if d.tried[sts] {
		return
	}
	d.tried[sts] = true
	d.sign(sts, d.key.Secret, words)
}

func (d *diagnosisV2) sign(sts, secret, words string) {
	if d.take(len(sts)) {
		d.note(hmac.Equal(hmacSHA1(secret, sts), d.given), Mistake{Words: words})
	}
}

// signatures tries what became of a base64 signature on the way.
func (d *diagnosisV2) signatures() {
	sts, text := d.missedV2.stringToSign(), d.missedV2.signature
	for _, s := range []respelling{
		{strings.ReplaceAll(text, " ", "+"), "the plus signs of the signature were not escaped and became spaces"},
		{unescaped(text), "the signature was escaped twice"},
		{strings.TrimSpace(text), "the signature has blanks around it"},
		{text + strings.Repeat("=", 3-(len(text)+3)%4), "the signature has lost its final equals sign"},
	} {
		given, valid := decodeV2(s.text)
		if d.take(len(sts)) {
			d.note(valid && hmac.Equal(hmacSHA1(d.key.Secret, sts), given), Mistake{Words: s.words})
		}
	}
}

func unescaped(s string) string {
	b, _ := appendUnescaped(nil, s)
	return string(b)
}

// parts tries other methods, headers and sub-resources.
func (d *diagnosisV2) parts(base v2Input) {
	for _, method := range triedMethods {
		in := base
		in.method = method
		d.try(in, methodWords(method, base.method))
	}
	for _, name := range []string{"Content-Type", "Content-Md5"} {
		d.headerV2(base, name)
	}
	if date := d.header1("Date"); base.date == "" && date != "" {
		in := base
		in.date = date
		d.try(in, `the signature is for "date" and "x-amz-date", of which only the second counts`)
	}
	for _, name := range d.amz[:min(len(d.amz), maxTriedNames)] {
		in := base
		in.header = withoutHeader(base.header, name)
		d.try(in, addedHeaderWords(strings.ToLower(name)))
	}
	tries := 0
	for i, p := range base.query {
		if !v2SubResources[p.Name] && !isAmz(p.Name) {
			continue
		}
		if tries++; tries > maxTriedNames {
			break
		}
		in := base
		in.query = slices.Delete(slices.Clone(base.query), i, i+1)
		d.try(in, addedParamWords(p.Name))
	}
}

// headerV2 tries a header with what clients usually sign, and without it.
func (d *diagnosisV2) headerV2(base v2Input, name string) {
	lower, sent := strings.ToLower(name), base.value(name)
	in := base
	in.header = withoutHeader(base.header, name)
	d.try(in, addedHeaderWords(lower))
	for _, value := range usualValues(lower, sent) {
		in.header[name] = []string{value}
		d.try(in, usualValueWords(lower, value))
	}
}

func withoutHeader(h http.Header, name string) http.Header {
	out := make(http.Header, len(h)+1)
	for k, v := range h {
		if k != name {
			out[k] = v
		}
	}
	return out
}

// resources tries other spellings of the resource. Version 2 does not sign
// the host, so of suspects only the prefixes count.
func (d *diagnosisV2) resources(in v2Input, suspects []Host) {
	head, own := "", in.resource
	if d.HostBucket != "" {
		head = "/" + d.HostBucket
		in.resource = d.Path
		d.try(in, "the signature is for the path without the bucket "+quoted(d.HostBucket)+", which the host names")
	}
	for _, h := range suspects {
		in.resource = head + h.Prefix + d.Path
		d.try(in, "the signature is for the path prefix "+quoted(h.Prefix)+", which a proxy took off")
	}
	for _, p := range respelledPaths(d.Path) {
		in.resource = head + p.text
		d.try(in, p.words)
	}
	if len(d.Hosts) > 0 {
		name, _, _ := strings.Cut(d.Hosts[0].Name, ":")
		in.resource = "/" + strings.ToLower(name) + d.Path
		d.try(in, "the signature takes the host "+quoted(name)+" for a bucket")
	}
	if rest := otherParams(in.query); len(rest) > 0 {
		in.resource = own + "?" + rest.Encode()
		d.try(in, "the signature is for the whole query, of which Version 2 signs the sub-resources only")
	}
}

// otherParams returns the parameters that are not part of signing.
func otherParams(q Query) (out Query) {
	for _, p := range q {
		if !isAuthParam(p.Name) {
			out = append(out, p)
		}
	}
	return out
}

func addedParamWords(name string) string {
	return "the signature is for the query without " + quoted(name) + ", which was added later"
}
