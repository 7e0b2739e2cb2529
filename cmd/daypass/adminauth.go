package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/admin"
	"github.com/daypass/daypass/sign"
	"github.com/daypass/daypass/state"
)

// authenticateAdmin checks that a request is signed in its header for the
// service "daypass".
func (n *node) authenticateAdmin() admin.Authenticate {
	v := sign.NewVerifier(sign.KeysFunc(n.signKey), sign.Options{Region: n.config.server.Region, Service: adminService, DenyV2: true})
	return func(r *http.Request) (*daypass.Grant, error) {
		req, err := adminRequest(r)
		if err != nil {
			return nil, err
		}
		res, err := v.VerifyRequest(r.Context(), req, n.app.now())
		if err != nil {
			return nil, signError(err)
		}
		if res.Scheme != sign.HeaderAuth || res.Payload.Chunked() {
			return nil, &daypass.Error{Op: "admin", Code: daypass.AccessDenied, Message: "Sign the request in its Authorization header."}
		}
		if res.Payload.Kind == sign.PayloadSHA256 {
			r.Body = hashedBody(r.Body, res.Payload.SHA256)
		} else if r.ContentLength != 0 {
			return nil, &daypass.Error{Op: "admin", Code: daypass.AccessDenied, Message: "The signature must cover the body."}
		}
		return &daypass.Grant{AccessKeyID: res.KeyID, Scheme: daypass.SchemeHeader,
			SignatureVersion: string(res.Version), SignedAt: res.SignedAt}, nil
	}
}

// maxAdminBody is how many bytes are read of a body before its signature is
// known to be right.
const maxAdminBody = 1 << 20

// adminRequest is a request as its signature covers it. Signers for services
// other than S3 sign the body's hash without sending it, so that the body must
// be read first; it can be read again.
func adminRequest(r *http.Request) (*sign.Request, error) {
	path, rawQuery := sign.RawTarget(r)
	q, err := sign.ParseQuery(rawQuery)
	if err != nil {
		return nil, signError(err)
	}
	req := &sign.Request{Method: r.Method, Path: path, Query: q, Header: r.Header, ContentLength: r.ContentLength,
		Hosts: []sign.Host{{Name: r.Host}}}
	if r.Header.Get("X-Amz-Content-Sha256") != "" || r.ContentLength == 0 {
		return req, nil
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxAdminBody+1))
	switch {
	case err != nil:
		return nil, &daypass.Error{Op: "admin", Code: daypass.IncompleteBody, Err: err}
	case len(body) > maxAdminBody:
		return nil, &daypass.Error{Op: "admin", Code: daypass.EntityTooLarge}
	}
	sum := sha256.Sum256(body)
	req.BodySHA256 = hex.EncodeToString(sum[:])
	r.Body = io.NopCloser(bytes.NewReader(body))
	return req, nil
}

// adminService is the service name in the credential scope of the admin API.
const adminService = "daypass"

// signKey finds the key that a signature names. Temporary keys are refused in
// so many words, before a missing token could be.
func (n *node) signKey(ctx context.Context, id, _ string) (sign.Key, bool, error) {
	if state.IsSession(id) {
		return sign.Key{}, false, &daypass.Error{Op: "admin", Code: daypass.AccessDenied,
			Message: "The admin API takes no temporary access keys. Sign with a lasting one."}
	}
	k, err := n.state.AccessKey(ctx, id)
	if daypass.CodeOf(err) == daypass.NoSuchAccessKey {
		return sign.Key{}, false, nil
	}
	if err != nil {
		return sign.Key{}, false, err
	}
	return sign.Key{ID: k.ID, Secret: string(k.Secret), Expires: k.Expires}, !k.Disabled, nil
}
