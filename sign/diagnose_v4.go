package sign

import (
	"crypto/sha256"
	"crypto/subtle"
	"slices"
	"strings"
	"time"
)

// canonicalParts is a canonical request without its list of signed headers.
type canonicalParts struct{ method, path, query, headers, payload string }

// A diagnosisV4 is the diagnosis of a Version 4 signature.
type diagnosisV4 struct {
	*check
	*trials
	r     *v4Request
	key   *signingKey
	given []byte
	// params is the query without the signature.
	params Query
	query  string // the same, encoded
	// host is that under which mistakes are looked for, base what was
	// calculated for it.
	host  Host
	base  canonicalParts
	tried map[canonicalParts]bool

	canon, sts []byte
}

// diagnoseV4 looks for the mistake behind a Version 4 signature.
func (c *check) diagnoseV4(t *trials, suspects []Host) {
	r := c.missedV4
	d := diagnosisV4{check: c, trials: t, r: r, given: []byte(r.signature), tried: make(map[canonicalParts]bool),
		key: c.cache.get(c.key, r.cred.day, r.cred.region, r.cred.service)}
	for i, p := range c.Query {
		if i != int(c.auth.at[atSignature])-1 {
			d.params = append(d.params, p)
		}
	}
	d.query = d.params.Encode()
	// mismatchV4 left the canonical request for the first host.
	if len(c.scratch.canon) > maxEcho {
		return
	}
	for i, h := range c.Hosts[:min(len(c.Hosts), maxTriedHosts)] {
		d.setHost(h)
		if i == 0 {
			d.signatures()
		}
		d.methods()
		if i == 0 {
			d.hosts(suspects)
			d.styles()
		}
		d.payloads()
		d.signedHeaders()
		d.parameters()
		d.queryEncodings()
		for _, p := range respelledPaths(c.Path) {
			v := d.base
			v.path = h.Prefix + p.text
			d.try(v, Mistake{Words: p.words})
		}
	}
	d.setHost(c.Hosts[0])
	d.keys()
}

// setHost makes a host the one under which mistakes are looked for.
func (d *diagnosisV4) setHost(h Host) {
	d.host = h
	path, _ := appendRecoded([]byte(h.Prefix), d.Path)
	d.base = canonicalParts{d.Method, string(path), d.query, d.headerLines("host", h.Name), d.r.payload}
	d.tried[d.base] = true
}

// headerLines returns the canonical headers with another value of one.
func (d *diagnosisV4) headerLines(name, value string) string {
	src := headerSource{host: d.host.Name, header: d.Header, query: d.Query, length: d.ContentLength}
	b := make([]byte, 0, 256)
	for have := range strings.SplitSeq(d.r.signed, ";") {
		b = append(appendLower(b, have), ':')
		if strings.EqualFold(have, name) {
			b = append(b, value...)
		} else {
			b = src.appendValue(b, have)
		}
		b = append(b, '\n')
	}
	return string(b)
}

// try notes a mistake if it explains the signature.
func (d *diagnosisV4) try(p canonicalParts, m Mistake) {
	if !d.tried[p] {
		d.tried[p] = true
		d.compare(p, d.key, d.given, m)
	}
}

func (d *diagnosisV4) compare(p canonicalParts, key *signingKey, given []byte, m Mistake) {
	b := d.canon[:0]
	for _, part := range [...]string{p.method, p.path, p.query, p.headers, d.r.signed} {
		b = append(append(b, part...), '\n')
	}
	d.canon = append(b, p.payload...)
	if !d.take(len(d.canon)) {
		return
	}
	d.sts = appendStringToSign(d.sts[:0], d.r.algorithm, d.r.dateText, d.r.cred.scope, d.canon)
	var mac [sha256.Size]byte
	var text [2 * sha256.Size]byte
	d.note(subtle.ConstantTimeCompare(appendHex(text[:0], key.sum(mac[:0], d.sts)), given) == 1, m)
}

// signatures tries what became of a signature on the way.
func (d *diagnosisV4) signatures() {
	text := d.r.signature
	lower := strings.ToLower(text)
	if lower != text {
		d.compare(d.base, d.key, []byte(lower), Mistake{Words: "the signature is written in upper case"})
	}
	if size := 2 * sha256.Size; len(text) > size {
		d.compare(d.base, d.key, []byte(text[:size]),
			Mistake{Words: "the signature is followed by characters that are not part of it"})
	}
}

func (d *diagnosisV4) methods() {
	for _, method := range triedMethods {
		v := d.base
		v.method = method
		d.try(v, Mistake{Words: methodWords(method, d.Method)})
	}
}

// hosts tries other hosts and ports: the suspects, then what becomes of a
// host.
func (d *diagnosisV4) hosts(suspects []Host) {
	name := d.host.Name
	for _, h := range suspects {
		d.tryHost(h, d.Path, hostWords(h))
	}
	bare, port := name, false
	if i := strings.LastIndexByte(name, ':'); i >= 0 && !strings.HasSuffix(name, "]") {
		bare, port = name[:i], true
	}
	others := []string{strings.ToUpper(name)}
	if port {
		others = append(others, bare)
	} else {
		others = append(others, bare+":9000", bare+":8080", bare+":8443")
	}
	// Whoever forgets to name an endpoint signs for Amazon's.
	others = append(others, "s3.amazonaws.com", "s3."+d.r.cred.region+".amazonaws.com")
	for _, other := range others {
		h := Host{other, d.host.Prefix}
		d.tryHost(h, d.Path, hostWords(h))
	}
}

// styles tries the other addressing style: the bucket in the host instead of
// the path, or the other way round.
func (d *diagnosisV4) styles() {
	name := d.host.Name
	if b := d.HostBucket; b != "" {
		h := Host{strings.TrimPrefix(name, b+"."), d.host.Prefix}
		d.tryHost(h, "/"+b+d.Path, "the signature is for the bucket in the path, under the host "+quoted(h.Name)+", not in the host")
		return
	}
	bucket, key, _ := strings.Cut(strings.TrimPrefix(d.Path, "/"), "/")
	if bucket == "" {
		return
	}
	for _, base := range []string{name, "s3.amazonaws.com", "s3." + d.r.cred.region + ".amazonaws.com"} {
		h := Host{bucket + "." + base, d.host.Prefix}
		d.tryHost(h, "/"+key, "the signature is for the bucket in the host "+quoted(h.Name)+", not in the path")
	}
}

func (d *diagnosisV4) tryHost(h Host, path, words string) {
	recoded, ok := appendRecoded([]byte(h.Prefix), path)
	if !ok || slices.Contains(d.Hosts, h) && path == d.Path {
		return
	}
	v := d.base
	v.path, v.headers = string(recoded), d.headerLines("host", h.Name)
	d.try(v, Mistake{Words: words, Host: h})
}

func hostWords(h Host) string {
	words := "the signature is for the host " + quoted(h.Name)
	if h.Prefix != "" {
		words += " with the path prefix " + quoted(h.Prefix)
	}
	return words
}

// payloads tries other payload hashes. That of a body which was not read is
// unknown.
func (d *diagnosisV4) payloads() {
	for _, p := range []respelling{
		{UnsignedPayload, UnsignedPayload},
		{EmptySHA256, "that of an empty body"},
		{d.bodyHash, "that of x-amz-content-sha256, which is not signed"},
		{streamingPrefix + algorithmV4 + streamingPayload, streamingPrefix + algorithmV4 + streamingPayload},
		{streamingUnsignedTrailer, streamingUnsignedTrailer},
	} {
		v := d.base
		v.payload = p.text
		if p.text != "" {
			d.try(v, Mistake{Words: "the signature is for another payload hash: " + p.words})
		}
	}
}

// signedHeaders tries each signed header without a value, as it stands, and
// with what clients usually sign.
func (d *diagnosisV4) signedHeaders() {
	src := headerSource{header: d.Header, query: d.Query, length: d.ContentLength}
	n := 0
	for name := range strings.SplitSeq(strings.ToLower(d.r.signed), ";") {
		if name == "host" || name == "x-amz-date" {
			continue
		}
		if n++; n > maxTriedNames {
			return
		}
		sent := string(src.appendValue(nil, name))
		d.tryHeader(name, "", addedHeaderWords(name))
		for _, value := range usualValues(name, sent) {
			d.tryHeader(name, value, usualValueWords(name, value))
		}
		if values := d.Header.Values(name); len(values) > 0 {
			d.tryHeader(name, strings.Join(values, ","),
				"the signature is for the value of "+quoted(name)+" with its blanks as they are, which must be made one each")
			d.tryHeader(name, string(appendFolded(nil, values[0])),
				"the signature is for the first value of "+quoted(name)+", which was sent more than once")
		}
	}
}

func (d *diagnosisV4) tryHeader(name, value, words string) {
	v := d.base
	v.headers = d.headerLines(name, value)
	d.try(v, Mistake{Words: words})
}

// parameters tries the query with one parameter fewer or more.
func (d *diagnosisV4) parameters() {
	isOther := func(p Param) bool { return !isAuthParam(p.Name) }
	d.withoutParams(func(p Param) bool { return isTracker(p.Name) },
		"the signature is for the query without parameters that track visitors, which were added later")
	n := 0
	for i, p := range d.params {
		if isAuthParam(p.Name) && !strings.EqualFold(p.Name, paramToken) && !strings.EqualFold(p.Name, paramSHA256) {
			continue
		}
		if n++; n > maxTriedNames {
			break
		}
		d.tryQuery(slices.Delete(slices.Clone(d.params), i, i+1).Encode(), addedParamWords(p.Name))
	}
	d.withoutParams(isOther, "the signature is for the query without any parameter but those of signing")
	for _, p := range missingParams(d.Method) {
		if _, has := d.params.LookupFold(p.Name); !has {
			d.tryQuery(append(slices.Clone(d.params), p).Encode(),
				"the signature is for the query with "+quoted(p.Name+"="+p.Value)+", which was removed later")
		}
	}
}

// withoutParams tries the query without the parameters that drop names, where
// they are more than one.
func (d *diagnosisV4) withoutParams(drop func(Param) bool, words string) {
	left := slices.DeleteFunc(slices.Clone(d.params), drop)
	if len(left) < len(d.params)-1 {
		d.tryQuery(left.Encode(), words)
	}
}

// missingParams are those that SDKs add to what they sign and that look as if
// nobody needed them.
func missingParams(method string) []Param {
	unsigned := Param{Name: paramSHA256, Value: UnsignedPayload}
	switch method {
	case "GET":
		return []Param{{Name: "x-id", Value: "GetObject"}, {Name: "x-amz-checksum-mode", Value: "ENABLED"}, unsigned,
			{Name: "list-type", Value: "2"}}
	case "HEAD":
		return []Param{{Name: "x-id", Value: "HeadObject"}, {Name: "x-amz-checksum-mode", Value: "ENABLED"}, unsigned}
	case "PUT":
		return []Param{{Name: "x-id", Value: "PutObject"}, {Name: "x-id", Value: "UploadPart"}, unsigned}
	case "DELETE":
		return []Param{{Name: "x-id", Value: "DeleteObject"}, unsigned}
	}
	return []Param{unsigned}
}

// queryEncodings tries the query in another order or encoding.
func (d *diagnosisV4) queryEncodings() {
	q := d.base.query
	for _, s := range []respelling{
		{d.inOrder(), "the signature is for the parameters in the order in which they were sent, not sorted"},
		{strings.ReplaceAll(q, "%20", "+"), "the signature is for the query with a plus for each space"},
		{strings.ReplaceAll(q, "%20", "%2B"), "the signature is for a query with plus signs, which were sent unescaped and mean spaces"},
		{strings.ReplaceAll(q, "%2B", "%20"), "the signature is for a query with spaces, which were sent as escaped plus signs"},
		{strings.ReplaceAll(q, "%2F", "/"), "the signature is for the query with unescaped slashes"},
		{lowerEscapes(q), "the signature is for the query with escapes in lower case"},
		{strings.ReplaceAll(q, "%", "%25"), "the signature is for the query encoded twice"},
		{unescaped(q), "the signature is for the query without percent-encoding"},
		{d.decodedOnce(), "the query was encoded twice when it was sent, the signature is for one encoding"},
		{strings.TrimSuffix(strings.ReplaceAll(q, "=&", "&"), "="), "the signature is for the query without the equals sign after names that have no value"},
	} {
		d.tryQuery(s.text, s.words)
	}
}

func (d *diagnosisV4) tryQuery(query, words string) {
	v := d.base
	v.query = query
	d.try(v, Mistake{Words: words})
}

// inOrder returns the query encoded but not sorted.
func (d *diagnosisV4) inOrder() string {
	var b []byte
	for i := range d.params {
		if i > 0 {
			b = append(b, '&')
		}
		b, _ = d.params[i].appendEncoded(b)
	}
	return string(b)
}

// decodedOnce returns the query with its values decoded once more.
func (d *diagnosisV4) decodedOnce() string {
	out := make(Query, len(d.params))
	for i, p := range d.params {
		out[i] = Param{Name: p.Name, Value: unescaped(p.Value)}
	}
	return out.Encode()
}

// keys tries signing keys that were derived for another scope than the one
// that the request names, or from a secret that was not taken as it is. They
// are kept out of the cache, which no refused request may fill.
func (d *diagnosisV4) keys() {
	cred, secret := d.r.cred, d.check.key.Secret
	try := func(secret, day, region, service, words string) {
		if secret != d.check.key.Secret || day != cred.day || region != cred.region || service != cred.service {
			d.compare(d.base, deriveKey(secret, day, region, service), d.given, Mistake{Words: words})
		}
	}
	for _, region := range []string{"us-east-1", "auto", "", "eu-west-1"} {
		try(secret, cred.day, region, cred.service, "the signing key was derived for the region "+quoted(region)+", not "+quoted(cred.region))
	}
	for _, service := range []string{"S3", "s3-object-lambda", "execute-api", ""} {
		try(secret, cred.day, cred.region, service, "the signing key was derived for the service "+quoted(service)+", not "+quoted(cred.service))
	}
	for _, shift := range []time.Duration{-24 * time.Hour, 24 * time.Hour} {
		day := d.r.date.UTC().Add(shift).Format(shortLayout)
		try(secret, day, cred.region, cred.service, "the signing key was derived for the day "+day+", perhaps in local time, not "+cred.day)
	}
	for _, s := range []respelling{
		{secret + "\n", "the signature was made with a line end after the secret"},
		{EscapeQuery(secret), "the signature was made with the secret in percent-encoding"},
	} {
		try(s.text, cred.day, cred.region, cred.service, s.words)
	}
}
