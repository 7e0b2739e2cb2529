package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/daypass/daypass"
)

const (
	// maxAnswer bounds what is read of an answer: many times the largest.
	maxAnswer = 8 << 20
	// timeout bounds a call that has no client of its own.
	timeout = time.Minute
)

// A Config says how to reach a server.
type Config struct {
	// Endpoint is the base URL of the admin API's listener, such as
	// http://127.0.0.1:9002, or the path of a unix socket, written as an
	// absolute path or as unix:PATH.
	Endpoint string
	// HTTPClient sends the requests; nil is a client of its own. It cannot be
	// given for a unix socket.
	HTTPClient *http.Client
	// Sign adds a Signature Version 4 Authorization header for the service
	// name "daypass"; it reads the body, if it needs to, from the request's
	// GetBody. Nil sends requests unsigned, which only a unix socket takes.
	Sign func(*http.Request) error
}

// A Client calls the admin API of one server. Its methods may be called
// concurrently. Their errors are *daypass.Error: what the server answered,
// with the request id among the details, or ServiceUnavailable when no
// answer came.
type Client struct {
	base string
	http *http.Client
	sign func(*http.Request) error
}

// New returns a client. It does not connect yet.
func New(c Config) (*Client, error) {
	client := &Client{base: strings.TrimRight(c.Endpoint, "/"), http: c.HTTPClient, sign: c.Sign}
	if path, unix := socketPath(c.Endpoint); unix {
		if c.HTTPClient != nil {
			return nil, errors.New("client.New: a unix socket takes no HTTP client")
		}
		client.base = "http://localhost"
		client.http = &http.Client{Transport: unixTransport(path), Timeout: timeout, CheckRedirect: noRedirect}
		return client, nil
	}
	if !isBaseURL(c.Endpoint) {
		return nil, errors.New("client.New: the endpoint must be a base URL such as http://127.0.0.1:9002, without a user or query, or the path of a unix socket")
	}
	if client.http == nil {
		client.http = &http.Client{Timeout: timeout, CheckRedirect: noRedirect}
	}
	return client, nil
}

// socketPath returns the path of the unix socket that endpoint names, if any.
func socketPath(endpoint string) (path string, ok bool) {
	path, prefixed := strings.CutPrefix(endpoint, "unix:")
	return path, path != "" && (prefixed || path[0] == '/')
}

func isBaseURL(endpoint string) bool {
	u, err := url.Parse(endpoint)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && u.User == nil && u.RawQuery == "" && u.Fragment == ""
}

// noRedirect keeps a signed request from being sent elsewhere.
func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// unixTransport connects to the unix socket at path, whatever the URL says.
func unixTransport(path string) *http.Transport {
	return &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", path)
		},
		IdleConnTimeout: timeout,
	}
}

// call sends in to the path below /api/v1/ and decodes the answer into out.
// Either may be nil.
func (c *Client) call(ctx context.Context, op, method, path string, in, out any) error {
	op = "client." + op
	req, err := c.request(ctx, method, path, in)
	if err != nil {
		return &daypass.Error{Op: op, Code: daypass.InvalidRequest, Err: err}
	}
	res, err := c.http.Do(req)
	if err != nil {
		return &daypass.Error{Op: op, Code: daypass.ServiceUnavailable, Err: err}
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return &daypass.Error{Op: op, Code: daypass.ServiceUnavailable, Err: err}
	}
	if res.StatusCode/100 != 2 {
		return answeredError(op, res.Status, body)
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(body, out); err != nil {
		return &daypass.Error{Op: op, Code: daypass.InternalError, Err: fmt.Errorf("not an answer of the admin API: %w", err)}
	}
	return nil
}

// request returns a signed request.
func (c *Client) request(ctx context.Context, method, path string, in any) (*http.Request, error) {
	var body io.Reader
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+"/api/v1/"+path, body)
	if err != nil {
		return nil, err
	}
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.sign == nil {
		return req, nil
	}
	if err := c.sign(req); err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	return req, nil
}

// answeredError returns the error that the server answered with.
func answeredError(op, status string, body []byte) error {
	var b ErrorBody
	if err := json.Unmarshal(body, &b); err != nil || b.Code == "" {
		return &daypass.Error{Op: op, Code: daypass.InternalError, Err: fmt.Errorf("answer %q, which is not the admin API's", status)}
	}
	e := &daypass.Error{Op: op, Code: b.Code, Message: b.Message}
	if b.RequestID != "" {
		e.Details = []daypass.Detail{{Name: "RequestId", Value: b.RequestID}}
	}
	return e
}
