package notify

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Bounds of one attempt.
const (
	attemptTimeout = 20 * time.Second // Standard Webhooks, "Request timeouts"
	dialTimeout    = 10 * time.Second
	idleTimeout    = 30 * time.Second
	maxAnswer      = 4 << 10 // bytes that are read of an answer, of which nothing is used
	maxAnswerHead  = 16 << 10
	maxRetryAfter  = time.Hour
)

// userAgent says who sends.
const userAgent = "Daypass-Webhook/1"

// A Sender sends messages to one endpoint.
type Sender struct {
	endpoint *Endpoint
	client   *http.Client
	now      func() time.Time
}

// NewSender returns a Sender for an endpoint. The list has the addresses it may
// dial although they are not public; now is the clock.
func NewSender(e *Endpoint, allow Allowlist, now func() time.Time) *Sender {
	dialer := &net.Dialer{Timeout: dialTimeout, Control: allow.control(e.URL.Scheme == "http")}
	return &Sender{endpoint: e, now: now, client: &http.Client{
		Timeout: attemptTimeout,
		// A redirect is a failure (Standard Webhooks, "Delivery success and
		// failure").
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			// No Proxy: one would be dialled in the place of the address that
			// is checked.
			DialContext: dialer.DialContext, TLSHandshakeTimeout: dialTimeout, IdleConnTimeout: idleTimeout,
			MaxConnsPerHost: concurrency, MaxIdleConnsPerHost: concurrency, MaxResponseHeaderBytes: maxAnswerHead,
			TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}, DisableCompression: true,
		},
	}}
}

// An Outcome is what came of an attempt, of which a Failure is nil for success.
// A Failure's text has neither the path nor the query of the URL.
type Outcome struct {
	Failure error
	// Gone says that the endpoint wants nothing any more.
	Gone bool
	// RetryAfter is when the endpoint wants to be asked again at the earliest.
	RetryAfter time.Duration
}

// Send sends a message once.
func (s *Sender) Send(ctx context.Context, m *Message) Outcome {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.endpoint.URL.String(), bytes.NewReader(m.Body))
	if err != nil {
		return Outcome{Failure: withoutURL(err)}
	}
	now := s.now()
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", userAgent)
	req.Header.Set(HeaderID, m.ID)
	req.Header.Set(HeaderTimestamp, strconv.FormatInt(now.Unix(), 10))
	req.Header.Set(HeaderSignature, signAll(s.endpoint.Secrets, m.ID, now, m.Body))
	res, err := s.client.Do(req)
	if err != nil {
		return Outcome{Failure: withoutURL(err)}
	}
	defer res.Body.Close()
	// The connection is used again where the answer is short.
	_, _ = io.CopyN(io.Discard, res.Body, maxAnswer) // what it says counts for nothing
	if res.StatusCode >= 200 && res.StatusCode < 300 {
		return Outcome{}
	}
	return Outcome{Failure: fmt.Errorf("the endpoint answers %d", res.StatusCode), Gone: res.StatusCode == http.StatusGone,
		RetryAfter: retryAfter(res.Header.Get("Retry-After"), s.now())}
}

// Close closes idle connections.
func (s *Sender) Close() { s.client.CloseIdleConnections() }

// withoutURL returns the cause of a failure of http.Client, whose text would
// have the URL.
func withoutURL(err error) error {
	if e := (*url.Error)(nil); errors.As(err, &e) {
		return e.Err
	}
	return err
}

// retryAfter returns how long to wait by a Retry-After header (RFC 9110,
// section 10.2.3), at most an hour.
func retryAfter(value string, now time.Time) time.Duration {
	var d time.Duration
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil {
		d = time.Duration(seconds) * time.Second
	} else if at, err := http.ParseTime(value); err == nil {
		d = at.Sub(now)
	}
	return min(max(d, 0), maxRetryAfter)
}
