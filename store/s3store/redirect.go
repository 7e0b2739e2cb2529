package s3store

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/daypass/daypass/store"
)

var _ store.Redirector = (*Driver)(nil)

// RedirectURL implements store.Redirector. It makes no URL while the clocks of
// node and upstream differ, while no endpoint answers, and where one over TLS is
// asked for and the endpoint has none. A PutObject is refused where buckets
// share one upstream bucket, since nobody could tell whether its bucket is still
// there when it ends, and where the upstream takes headers that are not signed.
func (d *Driver) RedirectURL(ctx context.Context, req store.RedirectRequest) (string, bool, error) {
	const op = "redirect"
	if req.Write && (d.names.bucket != "" || !d.can.SignedHeadersOnly) {
		return "", false, nil
	}
	base, ok := d.redirectBase(ctx, req.TLS)
	if !ok {
		return "", false, nil
	}
	at, err := d.place(req.Ref.Bucket, req.Ref.Key)
	if err != nil {
		return "", false, err
	}
	ctx = withEndpoint(ctx, base)
	life := min(req.Life, store.MaxRedirectLife).Truncate(time.Second)
	if life < time.Second {
		return "", false, nil
	}
	var signed *v4.PresignedHTTPRequest
	if req.Write {
		signed, err = d.presignPut(ctx, &s3.PutObjectInput{
			Bucket: &at.bucket, Key: &at.key, ContentType: str(req.ContentType), ContentMD5: str(req.ContentMD5),
			ContentLength: &req.ContentLength,
		}, life)
	} else {
		signed, err = d.presignGet(ctx, at, req, life)
	}
	if err != nil || signed == nil {
		return "", false, d.fail(op, err)
	}
	return signed.URL, true, nil
}

// redirectBase returns the base URL for clients, if there is one for them now.
func (d *Driver) redirectBase(ctx context.Context, tls bool) (string, bool) {
	var end *endpoint
	for _, e := range d.endpoints.all {
		if e.breaker.closed() {
			end = e
			break
		}
	}
	if end == nil || !d.clockAgrees(ctx, end) {
		return "", false
	}
	base := end.url
	if d.config.RedirectEndpoint != "" {
		base = d.config.RedirectEndpoint
	}
	// AWS S3, of which no URL is given, has TLS.
	return base, !tls || base == "" || strings.HasPrefix(base, "https:")
}

// clockAgrees reports whether the clock of an endpoint goes with the node's; it
// asks the upstream where nothing was heard of it for a while.
func (d *Driver) clockAgrees(ctx context.Context, end *endpoint) bool {
	agrees, known := end.clock.agrees(d.now())
	if known {
		return agrees
	}
	// Whatever the answer is, it has a Date.
	_, _ = d.client.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: &d.names.controlBucket})
	agrees, known = end.clock.agrees(d.now())
	return agrees && known
}

// presignGet returns a pre-signed GetObject of the upstream, nil where it cannot
// say what is asked for.
func (d *Driver) presignGet(ctx context.Context, at place, req store.RedirectRequest, life time.Duration) (*v4.PresignedHTTPRequest, error) {
	in := &s3.GetObjectInput{
		Bucket: &at.bucket, Key: &at.key, VersionId: str(req.Ref.VersionID), Range: str(req.Range),
		ResponseContentType: str(req.Response.ContentType), ResponseCacheControl: str(req.Response.CacheControl),
		ResponseContentDisposition: str(req.Response.ContentDisposition), ResponseContentEncoding: str(req.Response.ContentEncoding),
		ResponseContentLanguage: str(req.Response.ContentLanguage),
	}
	if req.Response.Expires != "" {
		t, err := http.ParseTime(req.Response.Expires)
		if err != nil {
			return nil, nil // the SDK signs dates only
		}
		in.ResponseExpires = &t
	}
	return s3.NewPresignClient(d.client).PresignGetObject(ctx, in, d.presigns(life))
}

// presignPut returns a pre-signed PutObject of the upstream.
func (d *Driver) presignPut(ctx context.Context, in *s3.PutObjectInput, life time.Duration) (*v4.PresignedHTTPRequest, error) {
	return s3.NewPresignClient(d.client).PresignPutObject(ctx, in, d.presigns(life))
}

// presigns makes pre-signed URLs live for a time from that of the driver's clock.
func (d *Driver) presigns(life time.Duration) func(*s3.PresignOptions) {
	return func(o *s3.PresignOptions) {
		o.Expires = life
		o.Presigner = &presigner{v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true }), d.now}
	}
}

// A presigner signs URLs at the time of the driver's clock.
type presigner struct {
	signer *v4.Signer
	now    func() time.Time
}

// PresignHTTP implements s3.HTTPPresignerV4.
func (p *presigner) PresignHTTP(
	ctx context.Context, credentials aws.Credentials, r *http.Request, payloadHash, service, region string, _ time.Time,
	options ...func(*v4.SignerOptions),
) (string, http.Header, error) {
	return p.signer.PresignHTTP(ctx, credentials, r, payloadHash, service, region, p.now().UTC(), options...)
}
