// Package httpsign guards any http.Handler with pre-signed URLs: a request
// reaches the handler only with a valid signature of AWS's kinds.
package httpsign

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"hash"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/daypass/daypass/sign"
)

// A Guard checks requests before it lets them through.
type Guard struct {
	// Verifier checks signatures; required.
	Verifier *sign.Verifier
	// Clock tells the time; nil is time.Now.
	Clock func() time.Time
	// Refuse answers a request that is not let through; nil is RefuseXML. err
	// is an *sign.Error, or wraps the failure of a key source where its Code
	// is empty.
	Refuse func(w http.ResponseWriter, r *http.Request, err error)
}

type contextKey struct{}

// FromContext returns what the signature of the current request proves, or
// nil outside of a guarded handler.
func FromContext(ctx context.Context) *sign.Result {
	res, _ := ctx.Value(contextKey{}).(*sign.Result)
	return res
}

// Wrap returns a handler that calls next for requests with a valid signature
// and refuses all others, unsigned ones included. next sees a body without
// framing; where the signature covers the body, reading it to the end fails
// with an *sign.Error unless it is the body that was signed.
func (g *Guard) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		res, err := g.check(r)
		if err != nil {
			g.refuse(w, r, err)
			return
		}
		r = r.WithContext(context.WithValue(r.Context(), contextKey{}, res))
		if err := openBody(r, res); err != nil {
			g.refuse(w, r, err)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (g *Guard) check(r *http.Request) (*sign.Result, error) {
	now := time.Now
	if g.Clock != nil {
		now = g.Clock
	}
	res, err := g.Verifier.Verify(r, now())
	if err != nil {
		return nil, err
	}
	if res.Scheme == sign.Anonymous {
		return nil, &sign.Error{Code: sign.CodeAccessDenied, Message: "Access Denied", Reason: "the request is not signed"}
	}
	return res, refuseLimits(r)
}

// refuseLimits refuses limits, which a Guard cannot enforce and must not
// ignore.
func refuseLimits(r *http.Request) error {
	_, raw := sign.RawTarget(r)
	q, err := sign.ParseQuery(raw)
	if err != nil {
		return err
	}
	for _, p := range q {
		if sign.IsLimit(p.Name) {
			return &sign.Error{Code: sign.CodeNotImplemented, Message: "The limit " + p.Name + " cannot be enforced here."}
		}
	}
	return nil
}

func (g *Guard) refuse(w http.ResponseWriter, r *http.Request, err error) {
	if g.Refuse != nil {
		g.Refuse(w, r, err)
		return
	}
	RefuseXML(w, r, err)
}

// openBody takes framing off a body and has its signed hash checked.
func openBody(r *http.Request, res *sign.Result) error {
	switch {
	case res.Payload.Chunked():
		n, err := strconv.ParseInt(r.Header.Get("X-Amz-Decoded-Content-Length"), 10, 64)
		if err != nil || n < 0 {
			return &sign.Error{Code: sign.CodeInvalidRequest, Message: "x-amz-decoded-content-length must tell the length of a chunked body."}
		}
		chunks := sign.NewChunkReader(r.Body, res, n, r.Header.Values("X-Amz-Trailer"))
		r.Body, r.ContentLength = body{chunks, r.Body}, n
	case res.Payload.Kind == sign.PayloadSHA256:
		want, err := hex.DecodeString(res.Payload.SHA256)
		if err != nil {
			return err
		}
		r.Body = body{&hashed{r.Body, sha256.New(), want}, r.Body}
	}
	return nil
}

type body struct {
	io.Reader
	io.Closer
}

// hashed reads a body and fails at its end unless it has the signed hash.
type hashed struct {
	io.Reader
	sum  hash.Hash
	want []byte
}

func (h *hashed) Read(p []byte) (int, error) {
	n, err := h.Reader.Read(p)
	h.sum.Write(p[:n])
	if err == io.EOF && subtle.ConstantTimeCompare(h.sum.Sum(nil), h.want) != 1 {
		err = &sign.Error{Code: "XAmzContentSHA256Mismatch",
			Message: "The provided 'x-amz-content-sha256' header does not match what was computed."}
	}
	return n, err
}

// RefuseXML answers with S3's error document.
func RefuseXML(w http.ResponseWriter, _ *http.Request, err error) {
	var e *sign.Error
	if !errors.As(err, &e) || e.Code == "" {
		e = &sign.Error{Code: "InternalError", Message: "We encountered an internal error. Please try again."}
	}
	status := e.Code.Status()
	if e.Code == "InternalError" {
		status = http.StatusInternalServerError
	}
	w.Header().Set("Content-Type", "application/xml")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Connection", "close")
	w.WriteHeader(status)
	writeXML(w, e)
}

func writeXML(w io.Writer, e *sign.Error) {
	io.WriteString(w, xml.Header+"<Error>")
	details := append([]sign.Detail{{Name: "Code", Value: string(e.Code)}, {Name: "Message", Value: e.Message}}, e.Details...)
	for _, d := range details {
		io.WriteString(w, "<"+d.Name+">")
		xml.EscapeText(w, []byte(d.Value))
		io.WriteString(w, "</"+d.Name+">")
	}
	io.WriteString(w, "</Error>")
}
