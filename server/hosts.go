package server

import (
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/s3"
	"github.com/daypass/daypass/sign"
	"github.com/daypass/daypass/store"
)

// names knows the host names of this server and what a path means under them.
type names struct {
	domains []string // lower-case, without port
	public  []publicName
}

// A publicName is a base URL or an alias.
type publicName struct {
	host   string // normalHost
	path   string // decoded path prefix, without trailing slash
	prefix string // path in canonical encoding
}

func newNames(domains, baseURLs, aliases []string) (names, error) {
	var n names
	for _, d := range domains {
		d = normalHost(d)
		if d == "" || d != withoutPort(d) || strings.HasPrefix(d, ".") || isAddress(d) {
			return n, fmt.Errorf("server: domain %q is not a host name without port", d)
		}
		n.domains = append(n.domains, d)
	}
	for _, raw := range baseURLs {
		name, err := parseBaseURL(raw)
		if err != nil {
			return n, err
		}
		n.public = append(n.public, name)
	}
	for _, a := range aliases {
		if a == "" || strings.ContainsAny(a, "/?#@ ") {
			return n, fmt.Errorf("server: host alias %q is not a host with an optional port", a)
		}
		n.public = append(n.public, publicName{host: normalHost(a)})
	}
	return n, nil
}

func parseBaseURL(raw string) (publicName, error) {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" ||
		u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return publicName{}, fmt.Errorf("server: base URL %q must be http:// or https://, a host, and at most a path", raw)
	}
	path := strings.TrimRight(u.Path, "/")
	return publicName{host: normalHost(u.Host), path: path, prefix: sign.EscapePath(path)}, nil
}

// normalHost returns a host in the form in which hosts are compared: lower
// case, without a default port or a final dot.
func normalHost(host string) string {
	host = strings.ToLower(host)
	if bare, ok := strings.CutSuffix(host, ":443"); ok {
		host = bare
	} else if bare, ok := strings.CutSuffix(host, ":80"); ok {
		host = bare
	}
	return strings.TrimSuffix(host, ".")
}

func withoutPort(host string) string {
	if i := strings.LastIndexByte(host, ':'); i >= 0 && !strings.HasSuffix(host, "]") {
		return host[:i]
	}
	return host
}

func isAddress(host string) bool {
	_, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil
}

// A place is what host and path of a request stand for.
type place struct {
	level       s3.Level
	bucket, key string
	// hostBucket is the bucket where the host names it.
	hostBucket string
	// passedOn is the path prefix of a base URL that the path began with.
	passedOn string
}

// same reports whether two places are the same resource.
func (p place) same(q place) bool {
	return p.level == q.level && p.bucket == q.bucket && p.key == q.key
}

// place finds out what a decoded path means under a host. With stripped, a
// proxy has already taken the prefix off.
func (n *names) place(host, path string, stripped bool) place {
	var p place
	base := normalHost(host)
	if !n.isPublic(base) {
		p.hostBucket, base = n.splitBucket(base)
	}
	if !stripped {
		p.passedOn = n.prefixOf(base, path)
		path = path[len(p.passedOn):]
	}
	switch {
	case p.hostBucket != "":
		p.bucket, p.key = p.hostBucket, path[1:]
	case path == "/":
		return p
	default:
		p.bucket, p.key, _ = strings.Cut(path[1:], "/")
	}
	p.level = s3.BucketLevel
	if p.key != "" {
		p.level = s3.ObjectLevel
	}
	return p
}

func (n *names) isPublic(host string) bool {
	for i := range n.public {
		if n.public[i].host == host {
			return true
		}
	}
	return false
}

// splitBucket splits "bucket.domain:port" by the longest domain that fits.
func (n *names) splitBucket(host string) (bucket, base string) {
	bare, best := withoutPort(host), 0
	for _, d := range n.domains {
		label, ok := strings.CutSuffix(bare, d)
		if ok && len(d) > best && len(label) > 1 && label[len(label)-1] == '.' {
			bucket, best = label[:len(label)-1], len(d)
		}
	}
	if bucket == "" {
		return "", host
	}
	return bucket, host[len(bucket)+1:]
}

// prefixOf returns the longest prefix of a base URL with this host that the
// path begins with.
func (n *names) prefixOf(host, path string) string {
	best := ""
	for i := range n.public {
		p := &n.public[i]
		if p.host == host && len(p.path) > len(best) && len(path) > len(p.path) &&
			path[len(p.path)] == '/' && path[:len(p.path)] == p.path {
			best = p.path
		}
	}
	return best
}

// candidates appends the hosts under which a signature may have been made:
// that of the request first, then those of which the configuration says that
// they are this server too. Each counts only if under it the request means
// the same resource.
func (n *names) candidates(dst []sign.Host, v *view, path string, p place) []sign.Host {
	dst = append(dst, sign.Host{Name: v.host, Prefix: v.prefix})
	if v.forwarded {
		dst = n.forwardedCandidates(dst, v, path, p)
	}
	for i := range n.public {
		name := &n.public[i]
		host := name.host
		if p.hostBucket != "" {
			host = p.hostBucket + "." + host
		}
		dst = n.candidate(dst, host, "", "", path, p)
		if name.path != "" {
			dst = n.candidate(dst, host, name.path, name.prefix, path, p)
		}
	}
	return dst
}

// forwardedCandidates appends what a trusted proxy makes possible besides the
// host that it names: the host that it sent itself, another port, and a
// signature that leaves the prefix out.
func (n *names) forwardedCandidates(dst []sign.Host, v *view, path string, p place) []sign.Host {
	dst = n.candidate(dst, v.sent, "", "", path, p)
	if v.prefix != "" {
		dst = n.candidate(dst, v.host, "", "", path, p)
	}
	if v.port != "" {
		dst = append(dst, sign.Host{Name: v.host + ":" + v.port, Prefix: v.prefix})
	}
	return dst
}

// candidate appends a host, whose prefix was taken off the path, if the
// request means p under it.
func (n *names) candidate(dst []sign.Host, host, prefixPath, prefix, path string, p place) []sign.Host {
	h := sign.Host{Name: host, Prefix: prefix}
	for _, have := range dst {
		if have == h {
			return dst
		}
	}
	if prefixPath != "" {
		path = prefixPath + path
	}
	if !n.place(host, path, false).same(p) {
		return dst
	}
	return append(dst, h)
}

// A view is where a request came in, as far as that can be believed.
type view struct {
	// host is the host that the client named.
	host string
	// sent is the Host header, port the port that a proxy named where the
	// host has none, prefix the escaped path prefix that it took off.
	sent, port, prefix string
	// forwarded says that a trusted proxy named the host or prefix, stripped
	// that it named a prefix.
	forwarded, stripped bool
}

func (s *Server) view(r *http.Request) view {
	v := view{host: r.Host, sent: r.Host}
	if s.trusts(r.RemoteAddr) {
		v.forward(r.Header)
	}
	return v
}

func (v *view) forward(h http.Header) {
	host := firstListed(h.Get("X-Forwarded-Host"))
	if host == "" {
		host = forwardedHost(h.Get("Forwarded"))
	}
	if host != "" && !strings.ContainsAny(host, "/?#@ \t") {
		v.host, v.forwarded = host, true
	}
	if port := firstListed(h.Get("X-Forwarded-Port")); isPort(port) && withoutPort(v.host) == v.host {
		v.port, v.forwarded = port, true
	}
	if prefix, ok := forwardedPrefix(firstListed(h.Get("X-Forwarded-Prefix"))); ok {
		v.prefix, v.forwarded, v.stripped = prefix, true, true
	}
}

// firstListed returns the first of a comma-separated list: what the proxy
// next to the client said.
func firstListed(list string) string {
	first, _, _ := strings.Cut(list, ",")
	return strings.TrimSpace(first)
}

// forwardedHost returns the host parameter of the first element of a
// Forwarded header (RFC 7239, section 4).
func forwardedHost(header string) string {
	for pair := range strings.SplitSeq(firstListed(header), ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(pair), "=")
		if strings.EqualFold(name, "host") {
			return strings.Trim(value, `"`)
		}
	}
	return ""
}

func isPort(s string) bool {
	return s != "" && len(s) <= 5 && strings.Trim(s, "0123456789") == ""
}

// forwardedPrefix returns X-Forwarded-Prefix in canonical encoding; "/" is
// none.
func forwardedPrefix(value string) (string, bool) {
	value = strings.TrimRight(value, "/")
	if !strings.HasPrefix(value, "/") {
		return "", false
	}
	path, err := sign.UnescapePath(value)
	if err != nil {
		return "", false
	}
	return sign.EscapePath(path), true
}

// bindsPrefix refuses a Signature Version 2 signature over a path prefix that
// could be a bucket: Version 2 does not sign the host, so "/files/a/b" may
// have been signed for the object a/b in the bucket files. Where the host
// names the bucket, any prefix could be the beginning of a key.
func bindsPrefix(result *sign.Result, p place) error {
	prefix := result.Host.Prefix
	if prefix == "" {
		prefix = p.passedOn
	}
	if result.Version != sign.V2 || prefix == "" {
		return nil
	}
	first, _, _ := strings.Cut(prefix[1:], "/")
	if p.hostBucket == "" && store.ValidBucketName(first) != nil {
		return nil
	}
	return &daypass.Error{Code: s3.SignatureDoesNotMatch,
		Err: fmt.Errorf("version 2 does not sign the host, so the prefix %q could be part of what it names", prefix)}
}
