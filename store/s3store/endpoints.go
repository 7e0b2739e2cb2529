package s3store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
	smithyendpoints "github.com/aws/smithy-go/endpoints"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// endpoints chooses, before a request is signed, the endpoint that it goes to,
// and tries another one where that is safe. It is a middleware of the SDK that
// stands before signing, as the host is part of every signature.
type endpoints struct {
	all []*endpoint
	log *slog.Logger
	now func() time.Time
}

// An endpoint is one way to the upstream.
type endpoint struct {
	url     string // "": AWS S3 in the region
	breaker *breaker
	clock   clock
}

func newEndpoints(c Config) *endpoints {
	e := &endpoints{log: c.Logger, now: c.Now}
	urls := c.Endpoints
	if len(urls) == 0 {
		urls = []string{""}
	}
	for _, u := range urls {
		e.all = append(e.all, &endpoint{url: u, breaker: &breaker{now: c.Now, changed: e.changed(u)}})
	}
	return e
}

// changed returns what a breaker calls when it opens or closes.
func (e *endpoints) changed(url string) func(open bool, wait time.Duration) {
	return func(open bool, wait time.Duration) {
		if open {
			e.log.Warn("upstream endpoint fails; it is left alone for a while", "endpoint", url, "for", wait)
			return
		}
		e.log.Info("upstream endpoint answers again", "endpoint", url)
	}
}

// ID implements middleware.FinalizeMiddleware.
func (e *endpoints) ID() string { return "DaypassEndpoints" }

type endpointKey struct{}

// withEndpoint makes URLs that are signed under ctx name an endpoint.
func withEndpoint(ctx context.Context, url string) context.Context {
	return context.WithValue(ctx, endpointKey{}, url)
}

// A resolver tells the SDK the endpoint that was chosen.
type resolver struct {
	endpoints *endpoints
	next      s3.EndpointResolverV2
}

// ResolveEndpoint implements s3.EndpointResolverV2.
func (r *resolver) ResolveEndpoint(ctx context.Context, p s3.EndpointParameters) (smithyendpoints.Endpoint, error) {
	url, ok := ctx.Value(endpointKey{}).(string)
	if !ok {
		url = r.endpoints.all[0].url
	}
	if url != "" {
		p.Endpoint = aws.String(url)
	}
	return r.next.ResolveEndpoint(ctx, p)
}

// maxStale is how often one request is moved to another connection because the
// one that it was to go over had been closed by the other end meanwhile, and how
// often a read is sent again that Ceph has given up because of a write.
const maxStale = 3

// HandleFinalize implements middleware.FinalizeMiddleware.
func (e *endpoints) HandleFinalize(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (
	out middleware.FinalizeOutput, metadata middleware.Metadata, err error,
) {
	request, ok := in.Request.(*smithyhttp.Request)
	if !ok {
		return out, metadata, fmt.Errorf("s3store: a request of type %T", in.Request)
	}
	if _, fixed := ctx.Value(endpointKey{}).(string); fixed {
		return next.HandleFinalize(ctx, in)
	}
	tried := make(map[*endpoint]bool, len(e.all))
	from := originOf(ctx)
	last := from.broken // which is tried once no other answers
	if last != nil {
		tried[last] = true
	}
	for stale, races := 0, 0; ; {
		end, t, wait := e.choose(tried, isRead(request))
		if end == nil && last != nil {
			delete(tried, last)
			last = nil
			continue
		}
		if end == nil {
			if err == nil {
				err = &unavailableError{wait}
			}
			return out, metadata, err
		}
		from.end = end
		out, metadata, err = e.send(ctx, end, t, request, next)
		if isRead(request) && isLostRace(err) && ctx.Err() == nil && races < maxStale {
			races++
			continue
		}
		if err == nil || ctx.Err() != nil || !t.mayRepeat(err, request) || !t.rewind(request) {
			return out, metadata, err
		}
		if t.stale() && stale < maxStale {
			stale++
			continue
		}
		tried[end] = true
	}
}

// An origin is where the answer to a read has come from.
type origin struct {
	end *endpoint
	// broken is the endpoint whose answer ended in the middle: the next request
	// goes to another one, if one answers.
	broken *endpoint
}

type originKey struct{}

// withOrigin makes a request under ctx tell o where its answer comes from.
func withOrigin(ctx context.Context, o *origin) context.Context {
	return context.WithValue(ctx, originKey{}, o)
}

// originOf returns that of a request; one that has none gets one that nobody
// asks.
func originOf(ctx context.Context) *origin {
	if o, ok := ctx.Value(originKey{}).(*origin); ok {
		return o
	}
	return &origin{}
}

// isRead reports whether a request changes nothing, however often it is sent.
func isRead(r *smithyhttp.Request) bool {
	return r.Method == http.MethodGet || r.Method == http.MethodHead
}

// probeTimeout is how long an endpoint that failed has for the answer to the
// first request that it gets again, where another endpoint could take it.
const probeTimeout = 2 * time.Second

// choose returns the first endpoint that takes requests and was not tried, and
// a try for it; otherwise how long until one is given a chance. An endpoint
// that has failed is probed with a read if possible, since that can go
// elsewhere when it fails again.
func (e *endpoints) choose(tried map[*endpoint]bool, read bool) (*endpoint, *try, time.Duration) {
	wait := maxOpen
	spare := 0
	for _, end := range e.all {
		if !tried[end] && end.breaker.closed() {
			spare++
		}
	}
	for _, end := range e.all {
		if tried[end] {
			continue
		}
		admitted, probe, left := end.breaker.admit(read || spare == 0)
		if !admitted {
			wait = min(wait, left)
			continue
		}
		t := &try{end: end}
		if probe && spare > 0 {
			t.timeout = probeTimeout
		}
		return end, t, 0
	}
	return nil, nil, wait
}

// send sends a request to one endpoint and tells its breaker how that went.
func (e *endpoints) send(
	ctx context.Context, end *endpoint, t *try, request *smithyhttp.Request, next middleware.FinalizeHandler,
) (middleware.FinalizeOutput, middleware.Metadata, error) {
	sending := context.WithValue(withEndpoint(ctx, end.url), tryKey{}, t)
	out, metadata, err := next.HandleFinalize(sending, middleware.FinalizeInput{Request: request.Clone()})
	switch {
	case err == nil:
		end.breaker.succeed()
	case ctx.Err() != nil, t.source() != nil:
		end.breaker.release() // says nothing of the endpoint
	case failed(err):
		if !t.stale() {
			end.breaker.fail()
			break
		}
		end.breaker.release()
	case statusOf(err) != 0:
		end.breaker.succeed()
	default:
		end.breaker.release() // it was not even sent, as without credentials
	}
	return out, metadata, err
}

// failed reports whether an error is a failure of the endpoint: it was not
// reached, did not answer, or answered that it is out of order. SlowDown is not
// one: an upstream that asks for fewer requests of one kind serves the others.
func failed(err error) bool {
	switch statusOf(err) {
	case 0:
		var send *smithyhttp.RequestSendError
		return errors.As(err, &send)
	case http.StatusInternalServerError:
		return !isLostRace(err)
	case http.StatusBadGateway, http.StatusGatewayTimeout:
		return true
	case http.StatusServiceUnavailable:
		return codeOf(err) != "SlowDown"
	}
	return false
}

// statusOf returns the status of the answer that is in an error, 0 without one.
func statusOf(err error) int {
	var answer *smithyhttp.ResponseError
	if errors.As(err, &answer) {
		return answer.HTTPStatusCode()
	}
	return 0
}

// codeOf returns the upstream's code of an error, "" where it gave none.
func codeOf(err error) string {
	var e smithy.APIError
	if errors.As(err, &e) {
		return e.ErrorCode()
	}
	return ""
}

// mayRepeat reports whether a request that ended in err may be sent once more.
// What only reads may after each failure of an endpoint. What writes may only
// if the upstream cannot have done it: nothing of it, or nothing of its body,
// was sent. Otherwise a write that took effect late would come after others.
func (t *try) mayRepeat(err error, r *smithyhttp.Request) bool {
	if t.source() != nil || !failed(err) {
		return false
	}
	return isRead(r) || t.unsent() || (r.ContentLength > 0 && !t.touched.Load())
}

// rewind makes the body of a request ready to be sent again, and reports
// whether that is possible.
func (t *try) rewind(r *smithyhttp.Request) bool {
	return !t.touched.Load() || r.RewindStream() == nil
}

// An unavailableError refuses a request because every endpoint fails.
type unavailableError struct{ wait time.Duration }

// Error implements error.
func (e *unavailableError) Error() string { return "no endpoint of the upstream answers" }

// RetryAfter returns when the next attempt is of use.
func (e *unavailableError) RetryAfter() time.Duration { return e.wait }

// An EndpointStatus is how an endpoint of the upstream does.
type EndpointStatus struct {
	// URL is scheme, host and port; "" is AWS S3.
	URL string
	// Open says that the breaker keeps requests away.
	Open bool
	// Failures counts the requests that the endpoint failed since the start.
	Failures int64
}

// Endpoints returns the state of all endpoints, in order of preference.
func (d *Driver) Endpoints() []EndpointStatus {
	list := make([]EndpointStatus, 0, len(d.endpoints.all))
	for _, end := range d.endpoints.all {
		s := EndpointStatus{Open: !end.breaker.closed(), Failures: end.breaker.total.Load()}
		if u, err := url.Parse(end.url); err == nil && u.Host != "" {
			s.URL = u.Scheme + "://" + u.Host
		}
		list = append(list, s)
	}
	return list
}

// UpstreamKey returns the id of the access key that requests are signed with
// now. It must not be one of Daypass: its holder could go to the upstream and
// leave all limits behind.
func (d *Driver) UpstreamKey(ctx context.Context) (string, error) {
	credentials, err := d.client.Options().Credentials.Retrieve(ctx)
	if err != nil {
		return "", fmt.Errorf("s3store: no credentials for the upstream: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, "+
			"or name a profile with profile= in the store URL: %w", err)
	}
	return credentials.AccessKeyID, nil
}
