package s3store

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go/middleware"
)

// idleConnection is how long a connection is kept for the next request. It is
// shorter than what gateways and proxies have by default, since a request on a
// connection that the other end is closing fails without a fault of anybody.
const idleConnection = 20 * time.Second

// newClient returns a client of the upstream, and what chooses the endpoint of
// each of its requests. Nothing is sent. The client never repeats a request by
// itself: endpoints does where that is safe.
func newClient(ctx context.Context, c Config) (*s3.Client, *endpoints, error) {
	loaded, err := loadAWS(ctx, &c)
	if err != nil {
		return nil, nil, err
	}
	dialer := &net.Dialer{Timeout: c.ConnectTimeout, KeepAlive: 15 * time.Second}
	transport, err := newTransport(c, dialer.DialContext)
	if err != nil {
		return nil, nil, err
	}
	client, ends := clientOver(loaded, c, transport)
	return client, ends, nil
}

// clientOver returns the client that sends over a transport.
func clientOver(loaded aws.Config, c Config, transport http.RoundTripper) (*s3.Client, *endpoints) {
	ends := newEndpoints(c)
	client := s3.NewFromConfig(loaded, func(o *s3.Options) {
		o.HTTPClient = &sender{transport: transport, timeout: c.Timeout, idle: c.IdleTimeout, now: c.Now}
		o.EndpointResolverV2 = &resolver{ends, s3.NewDefaultEndpointResolverV2()}
		o.BaseEndpoint = nil // that of the environment: it would hide those of the Config
		o.UsePathStyle = c.PathStyle
		o.Retryer, o.RetryMaxAttempts = aws.NopRetryer{}, 0
		// Checksums that nobody asked for are trailers, which older engines store
		// as content.
		o.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
		o.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
		o.DisableLogOutputChecksumValidationSkipped = true
		o.DisableS3ExpressSessionAuth = aws.Bool(true)
		o.DisableMultiRegionAccessPoints = true
		o.UseAccelerate, o.UseARNRegion = false, false
		o.APIOptions = append(o.APIOptions, func(stack *middleware.Stack) error {
			return stack.Finalize.Insert(ends, "ResolveAuthScheme", middleware.Before)
		})
	})
	return client, ends
}

// loadAWS returns what the SDK finds in the environment, and completes the
// region in c.
func loadAWS(ctx context.Context, c *Config) (aws.Config, error) {
	var options []func(*awsconfig.LoadOptions) error
	if c.Credentials != nil {
		options = append(options, awsconfig.WithCredentialsProvider(c.Credentials))
	}
	if c.Profile != "" {
		options = append(options, awsconfig.WithSharedConfigProfile(c.Profile))
	}
	if c.Region != "" {
		options = append(options, awsconfig.WithRegion(c.Region))
	}
	loaded, err := awsconfig.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return loaded, fmt.Errorf("s3store: reading the AWS configuration: %w", err)
	}
	if loaded.Region == "" {
		if len(c.Endpoints) == 0 {
			return loaded, errors.New("s3store: no region is known: add region=NAME to the store URL or set AWS_REGION")
		}
		loaded.Region = defaultRegion
	}
	c.Region = loaded.Region
	return loaded, nil
}

// A dialFunc makes a connection.
type dialFunc func(ctx context.Context, network, address string) (net.Conn, error)

// newTransport returns the transport of all endpoints. The sender around it
// watches over answers and bodies.
func newTransport(c Config, dial dialFunc) (*http.Transport, error) {
	tlsConfig, err := newTLSConfig(c)
	if err != nil {
		return nil, err
	}
	return &http.Transport{
		Proxy: http.ProxyFromEnvironment,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := dial(ctx, network, address)
			if err != nil {
				return nil, err
			}
			return &watchedConn{Conn: conn, idle: c.IdleTimeout}, nil
		},
		TLSClientConfig:     tlsConfig,
		TLSHandshakeTimeout: c.ConnectTimeout,
		// The upstream's own word on a body decides whether it is sent at all.
		ExpectContinueTimeout:  time.Second,
		MaxIdleConnsPerHost:    c.Connections,
		IdleConnTimeout:        idleConnection,
		MaxResponseHeaderBytes: 64 << 10,
		DisableCompression:     true,
		// HTTP/1.1 only: one connection carries one body, whose progress can be
		// watched, and a stuck one holds up no other.
		Protocols:       http1(),
		WriteBufferSize: 32 << 10,
		ReadBufferSize:  32 << 10,
	}, nil
}

func http1() *http.Protocols {
	p := new(http.Protocols)
	p.SetHTTP1(true)
	return p
}

func newTLSConfig(c Config) (*tls.Config, error) {
	t := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: c.Insecure}
	if c.CAFile != "" {
		text, err := readFile("ca", c.CAFile)
		if err != nil {
			return nil, err
		}
		t.RootCAs = x509.NewCertPool()
		if !t.RootCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("s3store: ca: %s holds no certificate in PEM", c.CAFile)
		}
	}
	if c.CertFile != "" {
		certificate, err := tls.LoadX509KeyPair(c.CertFile, c.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("s3store: cert and key: %w", err)
		}
		t.Certificates = []tls.Certificate{certificate}
	}
	return t, nil
}
