package server

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/sign"
	"github.com/daypass/daypass/store"
)

// A Redirect says which requests are answered with a URL of the engine that
// keeps the objects, so that their bodies do not pass through this server.
type Redirect int

// The kinds of redirects.
const (
	RedirectNone Redirect = iota
	// RedirectGet redirects GetObject.
	RedirectGet
	// RedirectAll also redirects PutObject, where the client has not begun to
	// send the body (Expect: 100-continue).
	RedirectAll
)

// ParseRedirect returns the redirects that a word stands for: off, get or all.
func ParseRedirect(word string) (Redirect, error) {
	switch word {
	case "off":
		return RedirectNone, nil
	case "get":
		return RedirectGet, nil
	case "all":
		return RedirectAll, nil
	}
	return RedirectNone, fmt.Errorf("server: redirects are off, get or all, not %q", word)
}

// redirectGet answers a GET with a redirect if that is possible: done tells.
// Everything is checked that serving the object checks, and conditions are
// decided here; otherwise the caller serves the object.
func (s *Server) redirectGet(w *response, c *call, over []field) (done bool, err error) {
	if s.cfg.Redirect < RedirectGet || !s.mayRedirect(c) || !c.plainRead(over) {
		return false, nil
	}
	ranges := c.head.sent["Range"]
	req := store.RedirectRequest{Ref: c.ref, Range: joined(ranges), Response: w.overriding(over)}
	url, ok, err := s.redirectURL(c, req)
	if !ok || err != nil {
		return err != nil, err
	}
	obj, err := s.statObject(c)
	if err != nil {
		return true, c.noObject(w.Header(), obj, err)
	}
	part, err := s.choose(w, c, obj)
	if err != nil {
		return true, err
	}
	if obj.Encryption != nil || part.partial != (len(ranges) > 0) {
		return false, nil
	}
	w.redirect(url)
	return true, nil
}

// redirectPut answers a PUT with a redirect if that is possible: done tells.
func (s *Server) redirectPut(w *response, c *call, req *store.PutRequest) (done bool, err error) {
	if s.cfg.Redirect < RedirectAll || !s.mayRedirect(c) || !c.plainWrite(req) {
		return false, nil
	}
	url, ok, err := s.redirectURL(c, store.RedirectRequest{
		Ref: c.ref, Write: true, ContentType: req.Metadata.ContentType,
		ContentMD5: c.head.sent.Get("Content-Md5"), ContentLength: c.r.ContentLength,
	})
	if !ok || err != nil {
		return err != nil, err
	}
	// The body that the client has announced will not come.
	w.Header().Set("Connection", "close")
	w.redirect(url)
	return true, nil
}

// mayRedirect reports whether all that is checked of a request holds after a
// redirect too. The URL is for whoever has it, so only a pre-signed URL may
// become one, and only where no policy or access control list has looked at what
// may be otherwise the next moment, such as the client's address.
func (s *Server) mayRedirect(c *call) bool {
	if c.grant.Scheme != daypass.SchemeQuery || !c.r.ProtoAtLeast(1, 1) || byScript(c.r.Header) || dotted(c.ref.Key) {
		return false
	}
	_, needs := c.limits.NeedsServing()
	return !needs && !c.momentary && !c.rules.listsCount()
}

// byScript reports whether a script of a browser sends a request: it is kept to
// the rules for other origins, which the engine does not know. A script of a page
// of this server sends no Origin, and would meet them after a redirect (Fetch
// Metadata Request Headers, section 2.2).
func byScript(h http.Header) bool {
	switch h.Get("Sec-Fetch-Mode") {
	case "cors", "same-origin":
		return true
	}
	return len(h["Origin"]) > 0
}

// dotted reports whether a key has segments that clients take out of a URL (RFC
// 3986, section 5.2.4), so that it would be one for another object.
func dotted(key string) bool {
	for segment := range strings.SplitSeq(key, "/") {
		if segment == "." || segment == ".." {
			return true
		}
	}
	return false
}

// plainRead reports whether a GET asks for nothing that the engine might answer
// in another way: headers that it acts on and that are not signed, or ones that
// not all engines know.
func (c *call) plainRead(over []field) bool {
	for _, name := range [...]string{"If-Match", "If-Unmodified-Since", "If-Range"} {
		if c.head.get(name) != "" {
			return false
		}
	}
	for _, f := range over {
		if strings.ContainsFunc(f.value, func(r rune) bool { return r > '~' }) {
			return false // engines disagree about how it is encoded
		}
	}
	return len(c.head.sent["Range"]) <= 1 && !c.query.Has("partNumber") && c.noneAmz(func(name string) bool {
		// Clients of the AWS SDK for JavaScript have these in every URL; the
		// second only adds headers to the answer.
		return name == "x-amz-content-sha256" || name == "x-amz-checksum-mode"
	})
}

// plainWrite reports whether a PUT does no more than store bytes under a key,
// and its body can still go elsewhere. Everything that this server would keep or
// do besides is lost on a redirect, so there must be nothing.
func (c *call) plainWrite(req *store.PutRequest) bool {
	m := req.Metadata
	m.ContentType = ""
	plain := m.CacheControl == "" && m.ContentDisposition == "" && m.ContentEncoding == "" && m.ContentLanguage == "" &&
		m.Expires == "" && m.WebsiteRedirect == "" && m.StorageClass == "" && len(m.User) == 0
	bare := len(req.Tags) == 0 && req.ACL == nil && req.Lock.Empty() && req.Sealing.SSE == "" && req.Conditions == (store.WriteConditions{})
	waits := c.r.ContentLength > 0 && c.r.ContentLength <= store.MaxUploadSize &&
		strings.EqualFold(c.r.Header.Get("Expect"), "100-continue")
	_, notifies := c.rules.raw[settingNotification]
	// The signature may say which body it is for.
	anyBody := c.result.Payload.Kind == sign.PayloadUnsigned
	return plain && bare && waits && anyBody && !notifies && req.Owner == c.bucket.Owner &&
		c.noneAmz(func(name string) bool { return name == "x-amz-content-sha256" })
}

// noneAmz reports whether a request has no x-amz-* header, and in its query none
// but those of the signature and some that are allowed: the query is not sent on.
func (c *call) noneAmz(allowed func(name string) bool) bool {
	none := true
	_ = c.head.eachAmz(func(name, _ string) error {
		none = none && (signatureParameter(name) || allowed(name)) && len(sentFold(c.head.sent, name)) == 0
		return nil
	})
	return none
}

// signatureParameter reports whether a parameter, by its name in lower case, is
// one of a pre-signed URL's own (S3 API reference, "Authenticating Requests:
// Using Query Parameters").
func signatureParameter(name string) bool {
	switch name {
	case "x-amz-algorithm", "x-amz-credential", "x-amz-date", "x-amz-expires", "x-amz-signedheaders", "x-amz-signature",
		"x-amz-security-token", "x-amz-region-set":
		return true
	}
	return false
}

// redirectURL returns a URL of the engine that lives no longer than the pass. A
// client that came over TLS is not sent away from it.
func (s *Server) redirectURL(c *call, req store.RedirectRequest) (string, bool, error) {
	req.Life = min(store.MaxRedirectLife, c.grant.ExpiresAt.Sub(c.now))
	if ends := c.key.Expires; !ends.IsZero() {
		req.Life = min(req.Life, ends.Sub(c.now))
	}
	if s.cfg.MaxSignatureAge > 0 && !c.grant.SignedAt.IsZero() {
		req.Life = min(req.Life, c.grant.SignedAt.Add(s.cfg.MaxSignatureAge).Sub(c.now))
	}
	if req.Life < time.Second {
		return "", false, nil
	}
	req.TLS = s.encrypted(c.r) || (c.limits != nil && c.limits.TLS)
	return s.store.RedirectURL(c.r.Context(), req)
}

// overriding returns the headers that the answer of the engine is to have: those
// that the request asks for, and for a pass with limits that no cache may keep
// it.
func (w *response) overriding(over []field) store.ResponseHeaders {
	var h store.ResponseHeaders
	fields := map[string]*string{
		"Content-Type": &h.ContentType, "Cache-Control": &h.CacheControl, "Content-Disposition": &h.ContentDisposition,
		"Content-Encoding": &h.ContentEncoding, "Content-Language": &h.ContentLanguage, "Expires": &h.Expires,
	}
	for _, f := range over {
		if field, ok := fields[f.name]; ok {
			*field = f.value
		}
	}
	if w.private {
		h.CacheControl, h.Expires = private[0], ""
	}
	return h
}

// redirect answers with a URL that is for this client and this moment.
func (w *response) redirect(url string) {
	w.private = true
	h := w.Header()
	h["Location"] = []string{url}
	h["Content-Length"] = []string{"0"}
	w.WriteHeader(http.StatusTemporaryRedirect)
}
