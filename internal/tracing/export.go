package tracing

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// An exporter sends spans to a collector over OTLP/HTTP in binary protobuf
// (OpenTelemetry Protocol, "OTLP/HTTP").
type exporter struct {
	config          *Config
	client          *http.Client
	resource, scope message
}

func newExporter(c *Config) *exporter {
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: c.tls, ForceAttemptHTTP2: true,
		MaxIdleConns: 1, IdleConnTimeout: 90 * time.Second, TLSHandshakeTimeout: 10 * time.Second}
	return &exporter{config: c, resource: encodeAttributes(append(c.resource, sdkAttributes()...)), scope: encodeScope(scopeName, c.version),
		client: &http.Client{Transport: transport, Timeout: c.timeout,
			// Headers may hold a key, which is for the collector alone.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// How often a collector is asked to take a batch (OpenTelemetry Protocol,
// "OTLP/HTTP Throttling"): what it cannot take within this time is lost, so
// that what comes after it does not wait for ever.
const (
	maxAttempts = 5
	firstPause  = time.Second
	maxPause    = 30 * time.Second
	maxResponse = 64 << 10
)

// export sends a batch, and again where the collector may take it later.
// rejected are the spans of it that the collector did not take.
func (e *exporter) export(ctx context.Context, hurry <-chan struct{}, spans []sdktrace.ReadOnlySpan) (rejected int64, err error) {
	body, err := e.compress(encode(e.resource, e.scope, spans))
	if err != nil {
		return 0, err
	}
	pause := firstPause
	for attempt := 1; ; attempt++ {
		var wait time.Duration
		if rejected, wait, err = e.post(ctx, body); err == nil || wait < 0 || attempt == maxAttempts {
			return rejected, err
		}
		// Nodes that lost the same collector do not come back all at once.
		wait = max(wait, pause/2+rand.N(pause))
		pause = min(2*pause, maxPause)
		select {
		case <-time.After(min(wait, maxPause)):
		case <-hurry:
			return rejected, err
		case <-ctx.Done():
			return rejected, err
		}
	}
}

func (e *exporter) compress(body []byte) ([]byte, error) {
	if !e.config.gzip {
		return body, nil
	}
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, err := z.Write(body)
	err = errors.Join(err, z.Close())
	return b.Bytes(), err
}

// post sends a batch once. A negative wait says that it is of no use to try
// again, another one for how long the collector asks to be left alone.
func (e *exporter) post(ctx context.Context, body []byte) (rejected int64, wait time.Duration, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, e.config.url.String(), bytes.NewReader(body))
	if err != nil {
		return 0, -1, err
	}
	for name, values := range e.config.headers {
		req.Header[name] = values
	}
	req.Header.Set("Content-Type", "application/x-protobuf")
	req.Header.Set("User-Agent", "daypass/"+e.config.version+" OTel-OTLP-Exporter-Go")
	if e.config.gzip {
		req.Header.Set("Content-Encoding", "gzip")
	}
	res, err := e.client.Do(req)
	if err != nil {
		// Its text would repeat the query, which may hold a key.
		if of := (*url.Error)(nil); errors.As(err, &of) {
			err = of.Err
		}
		return 0, 0, err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, maxResponse))
	switch {
	case res.StatusCode/100 == 2:
		var why string
		if rejected, why = rejectedOf(answer); rejected > 0 {
			return rejected, -1, fmt.Errorf("the collector did not take %d spans: %.200q", rejected, why)
		}
		return 0, -1, nil
	case err != nil:
		return 0, 0, err
	}
	err = fmt.Errorf("the collector answers %s", res.Status)
	switch res.StatusCode {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		seconds, _ := strconv.Atoi(res.Header.Get("Retry-After")) // none, or a date: the usual pause
		return 0, time.Duration(min(max(seconds, 0), 3600)) * time.Second, err
	}
	return 0, -1, err
}
