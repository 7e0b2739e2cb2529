package store

import (
	"context"
	"time"

	"github.com/daypass/daypass"
)

// MaxRedirectLife is how long the URL of a redirect lives at most.
const MaxRedirectLife = 10 * time.Second

// A RedirectRequest says what a URL is to be for. It permits nothing else.
type RedirectRequest struct {
	// Ref is the object, or one version of it.
	Ref daypass.ObjectRef
	// Write makes the URL one for storing the object, else it is one for
	// reading it.
	Write bool
	// Range is the Range header that whoever follows the URL sends, "" for none.
	Range string
	// Response are the headers that the answer to a read has instead of the
	// object's own.
	Response ResponseHeaders
	// ContentType, ContentMD5 and ContentLength are those that whoever follows
	// the URL for a write sends.
	ContentType, ContentMD5 string
	ContentLength           int64
	// Life is how long the URL is to live, at most MaxRedirectLife.
	Life time.Duration
	// TLS asks for a URL over TLS.
	TLS bool
}

// ResponseHeaders are the headers of an answer that the response-… parameters of
// GetObject set (S3 API reference, GetObject). "" leaves the object's own.
type ResponseHeaders struct {
	ContentType, CacheControl, ContentDisposition, ContentEncoding, ContentLanguage, Expires string
}

// A Redirector is a driver whose objects can be read, and perhaps written, where
// it keeps them, by whoever has a URL that it signs.
type Redirector interface {
	// RedirectURL returns a URL for one request, and whether there is one: false
	// means that the caller has to serve the object itself. It need not look
	// whether the object exists.
	RedirectURL(ctx context.Context, req RedirectRequest) (url string, ok bool, err error)
}

// RedirectURL returns a URL under which a request can be made where the driver
// keeps its objects, and whether there is one. Encrypted objects, which only this
// node can read, are for the caller to rule out.
func (s *Store) RedirectURL(ctx context.Context, req RedirectRequest) (url string, ok bool, err error) {
	const op = "store.RedirectURL"
	d, ok := capability[Redirector](s.driver)
	if !ok {
		return "", false, nil
	}
	if err := validRef(req.Ref.Bucket, req.Ref.Key); err != nil {
		return "", false, wrap(op, err)
	}
	url, ok, err = d.RedirectURL(ctx, req)
	return url, ok, wrap(op, err)
}
