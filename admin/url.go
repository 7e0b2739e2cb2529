package admin

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/sign"
)

// A passURL is what is known of a pre-signed URL.
type passURL struct {
	pass string
	// ends is when the pass ends; zero unless its signature proves it.
	ends time.Time
}

// inspect reads a pre-signed URL, which need not be known, used or valid any
// more. The pass id comes from the signature alone, but the times in the URL
// are what somebody wrote there: a URL with a changed expiry names the same
// pass, and must not make its revocation end while the pass still lives. So
// they count only where the signature covers them.
func (h *handler) inspect(ctx context.Context, raw string) (passURL, error) {
	in, err := inspectURL(raw)
	if err != nil {
		return passURL{}, err
	}
	return passURL{pass: in.PassID, ends: h.provenEnd(ctx, in)}, nil
}

// inspectURL reads a pre-signed URL without checking it.
func inspectURL(raw string) (*sign.Inspection, error) {
	in, err := sign.Inspect(raw)
	var e *sign.Error
	switch {
	case errors.As(err, &e):
		return nil, invalid("url is not a pre-signed URL: %s", e.Message)
	case err != nil:
		return nil, invalid("url is not a pre-signed URL")
	case in.PassID == "":
		return nil, invalid("the signature in url is not well-formed: is the URL complete?")
	}
	return in, nil
}

// provenEnd returns when a URL ends, if its signature is right for what the
// URL alone tells: its own host and path, no headers. Zero otherwise.
func (h *handler) provenEnd(ctx context.Context, in *sign.Inspection) time.Time {
	at := in.SignedAt
	if at.IsZero() {
		at = in.ExpiresAt.Add(-time.Second)
	}
	region, _, _ := strings.Cut(in.Region, ",") // a list for Version 4A
	v := sign.NewVerifier(sign.KeysFunc(h.signingKey),
		sign.Options{Region: region, Service: in.Service, Until: true, MaxLifetime: h.MaxLifetime})
	r := &sign.Request{Path: in.Path, Query: in.Query, ContentLength: -1, Hosts: []sign.Host{{Name: in.Host}}}
	for _, r.Method = range []string{http.MethodGet, http.MethodPut, http.MethodHead, http.MethodDelete, http.MethodPost} {
		if result, err := v.VerifyRequest(ctx, r, at); err == nil {
			return result.ExpiresAt
		}
	}
	return time.Time{}
}

// signingKey finds a key to prove a URL with: whether it is still good does
// not matter for that.
func (h *handler) signingKey(ctx context.Context, id, _ string) (sign.Key, bool, error) {
	k, err := h.Keys.AccessKey(ctx, id)
	if daypass.CodeOf(err) == daypass.NoSuchAccessKey {
		return sign.Key{}, false, nil
	}
	return sign.Key{ID: k.ID, Secret: string(k.Secret)}, err == nil, err
}
