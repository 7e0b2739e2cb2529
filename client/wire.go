package client

import (
	"log/slog"
	"time"

	"github.com/daypass/daypass"
)

// A Server says what is running: GET /api/v1/server.
type Server struct {
	Version string `json:"version"`
	Region  string `json:"region"`
	// PublicURLs are the base URLs that pre-signed URLs may be signed for,
	// the preferred one first.
	PublicURLs []string  `json:"publicUrls"`
	Started    time.Time `json:"started"`
	PID        int       `json:"pid"`
}

// A Key is an access key without its secret: GET /api/v1/keys/{id}.
type Key struct {
	AccessKeyID string    `json:"accessKeyId"`
	Name        string    `json:"name"`
	Owner       string    `json:"owner"`
	Created     time.Time `json:"created"`
	Expires     time.Time `json:"expires,omitzero"` // zero: never
	Disabled    bool      `json:"disabled"`
	Root        bool      `json:"root"`
	// Policy is the IAM policy document of the key; empty lets it act as its
	// account.
	Policy string `json:"policy,omitempty"`
}

// A KeyPage is a part of the list of access keys: GET /api/v1/keys.
type KeyPage struct {
	Keys []Key `json:"keys"`
	// Next is what to give as after for the next page; empty on the last.
	Next string `json:"next,omitempty"`
}

// A NewKey asks for an access key: POST /api/v1/keys.
//
// Encoding it as JSON shows a placeholder for the secret; Reveal does not.
type NewKey struct {
	// Name is a label for people.
	Name string `json:"name,omitempty"`
	// Owner is the account that the key acts for; empty is the owner of the
	// root key.
	Owner string `json:"owner,omitempty"`
	// Expires is when the key ends; zero when it does not.
	Expires time.Time `json:"expires,omitzero"`
	// AccessKeyID and SecretAccessKey are given, both of them, to take over a
	// key from elsewhere.
	AccessKeyID     string         `json:"accessKeyId,omitempty"`
	SecretAccessKey daypass.Secret `json:"secretAccessKey,omitempty"`
	// Policy is an IAM policy document that says what the key may do; empty
	// lets it act as its account.
	Policy string `json:"policy,omitempty"`
}

// Reveal returns what encodes as k with its secret. It is for sending only.
func (k NewKey) Reveal() any {
	type fields NewKey
	return struct {
		fields
		SecretAccessKey plainSecret `json:"secretAccessKey,omitempty"`
	}{fields(k), plainSecret(k.SecretAccessKey)}
}

// A KeyPolicy is the policy of a key: PUT /api/v1/keys/{id}/policy.
type KeyPolicy struct {
	// Policy is an IAM policy document.
	Policy string `json:"policy"`
}

// A CreatedKey is the answer to a NewKey, the only one with a secret.
//
// Encoding it as JSON shows a placeholder for the secret; Reveal does not.
type CreatedKey struct {
	Key
	SecretAccessKey daypass.Secret `json:"secretAccessKey"`
}

// Reveal returns what encodes as k with its secret. It is for sending only.
func (k CreatedKey) Reveal() any {
	return struct {
		Key
		SecretAccessKey plainSecret `json:"secretAccessKey"`
	}{k.Key, plainSecret(k.SecretAccessKey)}
}

// A plainSecret is encoded as it is, but not logged.
type plainSecret string

// String returns a placeholder.
func (plainSecret) String() string { return daypass.Secret("").String() }

// LogValue returns a placeholder.
func (plainSecret) LogValue() slog.Value { return daypass.Secret("").LogValue() }

// A PresignRequest asks for a pre-signed URL: POST /api/v1/presign. The root
// key signs it.
type PresignRequest struct {
	Method string `json:"method"`
	Bucket string `json:"bucket"`
	// Key is the object key; empty for requests on the bucket.
	Key string `json:"key,omitempty"`
	// ExpiresSeconds is how long the URL is good for.
	ExpiresSeconds int64 `json:"expiresSeconds"`
	// Headers are to be signed: whoever uses the URL must send them.
	Headers map[string]string `json:"headers,omitempty"`
	// Query are further query parameters, such as versionId or the limits
	// x-daypass-….
	Query map[string]string `json:"query,omitempty"`
}

// A PresignResponse is a pre-signed URL and how to use it.
type PresignResponse struct {
	URL    string `json:"url"`
	Method string `json:"method"`
	// Headers must be sent along.
	Headers map[string]string `json:"headers,omitempty"`
	Expires time.Time         `json:"expires"`
}

// An ErrorBody is what the API answers with a status of 400 or more.
type ErrorBody struct {
	Code    daypass.Code `json:"code"`
	Message string       `json:"message"`
	// RequestID finds the request in the server's log.
	RequestID string `json:"requestId"`
}
