package server

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"io"
	"net/http"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/sign"
)

// maxIgnoredBody bounds a body that means nothing to its action but whose
// hash is signed, in bytes.
const maxIgnoredBody = 1 << 20

// checkIgnoredBody compares a signed body hash where no action would read the
// body: where there is none, and for methods whose bodies mean nothing. Else a
// signed body could be dropped or added on the way.
func (c *call) checkIgnoredBody(w *response) error {
	if c.result.Payload.Kind != sign.PayloadSHA256 || c.r.ContentLength != 0 && !ignoresBody(c.r.Method) {
		return nil
	}
	sum := sha256.New()
	n, err := io.Copy(sum, io.LimitReader(w.pace.reader(c.r.Body), maxIgnoredBody+1))
	if err != nil {
		return err
	}
	if n > maxIgnoredBody {
		return &daypass.Error{Code: daypass.EntityTooLarge}
	}
	computed := hex.EncodeToString(sum.Sum(nil))
	if subtle.ConstantTimeCompare([]byte(computed), []byte(c.result.Payload.SHA256)) == 1 {
		return nil
	}
	return &daypass.Error{Code: daypass.XAmzContentSHA256Mismatch, Details: []daypass.Detail{
		{Name: "ClientComputedContentSHA256", Value: c.result.Payload.SHA256},
		{Name: "S3ComputedContentSHA256", Value: computed},
	}}
}

// ignoresBody reports whether no action of a method reads a body.
func ignoresBody(method string) bool {
	return method == http.MethodGet || method == http.MethodHead || method == http.MethodDelete
}
