package server

import (
	"encoding/base64"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/limits"
	"github.com/daypass/daypass/sign"
)

// What a page or playlist names by a relative address is asked for without
// the query of the pass that opened it. So a pass for a prefix may ask, by
// x-daypass-cookie=1, to be handed to the browser as a cookie, which comes
// back with every request below the prefix and is the pass again: signature,
// limits, revocations, uses and pass id are those of the URL, and so are its
// response-* parameters. Leaving those out would let whoever makes a browser
// follow a relative link strip what the signer has signed, such as a
// Content-Disposition that keeps uploaded pages from running.
//
// Browsers send cookies unasked, so a cookie is looked at only where the same
// request is refused to everybody: one that has ended never stands between a
// client and a public object.

const (
	// cookiePrefix precedes the pass id in the name of a cookie.
	cookiePrefix = "daypass-"
	// maxCookie bounds the value of a cookie, in bytes: browsers keep 4096 of
	// name, value and attributes.
	maxCookie = 3800
	// maxCookieTries is how many passes of one request are tried, newest
	// first: a link that was sent again must win over the one before.
	maxCookieTries = 4
)

// enter authenticates and authorizes a request, by a cookie where it is
// refused without one.
func (s *Server) enter(x *exchange) (err error) {
	if x.call, err = s.identify(x.r, x.target); err == nil {
		err = s.allow(x.call)
	}
	if daypass.CodeOf(err) != daypass.AccessDenied || x.call == nil || !x.call.grant.Anonymous() || !x.target.takesCookie() {
		return err
	}
	return s.enterByCookie(x, err)
}

// takesCookie reports whether a cookie may be a request's pass: it reads an
// object, and asks for nothing in any other way.
func (t *target) takesCookie() bool {
	return readsObject(t) && t.rawQuery == "" && len(t.header["Authorization"]) == 0
}

func readsObject(t *target) bool {
	return t.action.Name == daypass.GetObject || t.action.Name == daypass.HeadObject
}

// enterByCookie tries the cookies whose prefix covers what is asked for. The
// error is that of the first, or the given one where there is none.
func (s *Server) enterByCookie(x *exchange, refusal error) error {
	for i, k := range passCookies(x.r, x.target.ref.Key) {
		x.w.private = true
		c, err := s.enterWith(x, k)
		if err == nil {
			x.target, x.call = c.target, c
			return nil
		}
		if i > 0 {
			continue
		}
		if refusal = err; c != nil {
			x.call = c
		}
	}
	return refusal
}

// enterWith authenticates and authorizes a request by one cookie. The call is
// returned with an error too where the signature is good.
func (s *Server) enterWith(x *exchange, k passCookie) (*call, error) {
	t := *x.target
	t.query, t.rawQuery, t.byCookie, t.memory = k.query, k.raw, true, new(memory)
	// The query may name a sub-resource, and so another action.
	if err := t.findAction(x.r.Method); err != nil || !readsObject(&t) {
		return nil, cookieRefused("a cookie of a pass for another action")
	}
	c, err := s.identify(x.r, &t)
	if c == nil {
		return nil, withoutDetails(err)
	}
	c.grant.Scheme = daypass.SchemeCookie
	switch {
	case err != nil:
		return c, withoutDetails(err)
	case c.limits == nil || !c.limits.Cookie || c.grant.PassID != k.pass:
		return c, cookieRefused("a cookie that no pass has set")
	}
	return c, s.allow(c)
}

func cookieRefused(what string) error {
	return limits.Refused(limits.Cookie, "the cookie that the pass has set", what)
}

// withoutDetails keeps an answer from repeating what a cookie holds: scripts
// of the page could read it there, and must not in the cookie.
func withoutDetails(err error) error {
	var e *daypass.Error
	if !errors.As(err, &e) {
		return err
	}
	bare := *e
	bare.Details = nil
	return &bare
}

// A passCookie is a cookie that claims to be a pass.
type passCookie struct {
	pass, raw string
	query     sign.Query
	signed    string // X-Amz-Date
}

// passCookies returns the cookies to try for a key, newest first.
func passCookies(r *http.Request, key string) []passCookie {
	var found []passCookie
	for _, k := range r.Cookies() {
		pass, ok := strings.CutPrefix(k.Name, cookiePrefix)
		if !ok || !looksLikePass(pass) {
			continue
		}
		if c, ok := parsePassCookie(k.Value, key); ok {
			c.pass = pass
			found = append(found, c)
		}
	}
	slices.SortStableFunc(found, func(a, b passCookie) int { return strings.Compare(b.signed, a.signed) })
	return found[:min(len(found), maxCookieTries)]
}

// passIDLength is the length of pass ids, in base32 characters.
const passIDLength = 26

func looksLikePass(id string) bool {
	return len(id) == passIDLength && strings.Trim(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") == ""
}

// parsePassCookie parses the value of a cookie. ok is false for one that is no
// pass for the key, whatever its signature.
func parsePassCookie(value, key string) (c passCookie, ok bool) {
	if len(value) > maxCookie {
		return c, false
	}
	raw, err := cookieEncoding.DecodeString(value)
	if err != nil {
		return c, false
	}
	c.raw = string(raw)
	if c.query, err = sign.ParseQuery(c.raw); err != nil {
		return c, false
	}
	prefix := c.query.Get(limits.Prefix)
	below, covers := strings.CutPrefix(key, prefix)
	c.signed, _ = c.query.LookupFold("X-Amz-Date")
	return c, covers && prefix != "" && plainPath(below) && c.query.Get(limits.Cookie) == "1"
}

var cookieEncoding = base64.RawURLEncoding.Strict()

// checkOptions refuses what the options that go with a prefix ask for where
// this cannot be: a cookie larger than browsers keep, and an archive of what is
// no folder.
func (c *call) checkOptions() error {
	switch {
	case c.limits == nil:
		return nil
	case c.zips() && !strings.HasSuffix(c.ref.Key, "/"):
		return limits.Refused(limits.As, "archives of folders, whose keys end in a slash", c.ref.Key)
	case c.limits.Cookie && cookieEncoding.EncodedLen(len(c.rawQuery)) > maxCookie:
		return limits.Invalid(limits.Cookie, "1", "needs a shorter URL: browsers do not keep a cookie of more than "+strconv.Itoa(maxCookie)+" bytes")
	}
	return nil
}

// setCookie hands the pass to the browser as a cookie, if it asks for that.
func (s *Server) setCookie(w *response, c *call) {
	left := c.grant.ExpiresAt.Sub(c.now)
	if c.limits == nil || !c.limits.Cookie || c.byCookie || left < time.Second {
		return
	}
	http.SetCookie(w, s.newCookie(c, cookiePrefix+c.grant.PassID, cookieEncoding.EncodeToString([]byte(c.rawQuery)), c.prefixPath(), left))
}

// newCookie returns a cookie that no script can read and that no other site's
// request carries, but for links.
func (s *Server) newCookie(c *call, name, value, path string, life time.Duration) *http.Cookie {
	return &http.Cookie{
		Name: name, Value: value, Path: path, MaxAge: int(life / time.Second),
		HttpOnly: true, Secure: s.encrypted(c.r), SameSite: http.SameSiteLaxMode,
	}
}

// prefixPath returns the path of the call's prefix as its client sees it.
// Browsers compare the path of a cookie as text, so it is spelled as the
// client does where that is a path that a cookie may have, and canonically
// otherwise.
func (c *call) prefixPath() string {
	base := strings.TrimSuffix(c.decoded, c.place.key)
	seen := c.clientPrefix() + c.path[:rawLength(c.path, len(base)+len(c.limits.Prefix))]
	if strings.HasSuffix(seen, "/") && cookiePath(seen) == seen {
		return seen
	}
	return c.clientPrefix() + sign.EscapePath(base+c.limits.Prefix)
}

// clientPrefix returns the escaped path prefix that the client sees and that a
// proxy took off.
func (c *call) clientPrefix() string {
	if h := c.result.Host; c.view.prefix == "" && normalHost(h.Name) == normalHost(c.view.host) {
		return h.Prefix
	}
	return c.view.prefix
}

// rawLength returns how long the first n bytes of a path are in its raw,
// well-formed spelling.
func rawLength(raw string, n int) int {
	i := 0
	for ; n > 0 && i < len(raw); n-- {
		if raw[i] == '%' {
			i += 2
		}
		i++
	}
	return min(i, len(raw))
}

// cookiePath returns a path that covers the given one and that a cookie may
// have (RFC 6265, section 4.1.1): one with other characters is cut off at the
// slash before.
func cookiePath(path string) string {
	for i := range len(path) {
		if c := path[i]; c <= ' ' || c >= 0x7f || c == ';' {
			return path[:strings.LastIndexByte(path[:i], '/')+1]
		}
	}
	return path
}
