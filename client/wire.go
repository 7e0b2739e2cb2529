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

// A PresignRequest asks for a pre-signed URL: POST /api/v1/presign. The key
// that calls signs it, and the server's own key for the root key and over a
// trusted socket.
//
// Encoding it as JSON shows a placeholder for the PIN; Reveal does not.
type PresignRequest struct {
	Method string `json:"method"`
	Bucket string `json:"bucket"`
	// Key is the object key; empty for requests on the bucket.
	Key string `json:"key,omitempty"`
	// ExpiresSeconds is how long the URL is good for.
	ExpiresSeconds int64 `json:"expiresSeconds"`
	// Headers are to be signed: whoever uses the URL must send them.
	Headers map[string]string `json:"headers,omitempty"`
	// Query are further query parameters, such as versionId.
	Query map[string]string `json:"query,omitempty"`
	// Limits are what the URL is limited by. It is no pointer: fmt would show
	// the PIN behind one.
	Limits Limits `json:"limits,omitzero"`
}

// Reveal returns what encodes as r with its PIN. It is for sending only.
func (r PresignRequest) Reveal() any {
	type fields PresignRequest
	type limits Limits
	type revealed struct {
		limits
		PIN plainSecret `json:"pin,omitempty"`
	}
	return struct {
		fields
		Limits revealed `json:"limits,omitzero"`
	}{fields(r), revealed{limits(r.Limits), plainSecret(r.Limits.PIN)}}
}

// Limits are what a pass is limited by, beyond what S3 can. A zero field is no
// limit. The server encodes them as the parameters x-daypass-….
type Limits struct {
	// Name is the pass's label in logs and lists: 1 to 128 characters.
	Name string `json:"name,omitempty"`
	// Uses is the number of copies or successful writes.
	Uses int64 `json:"uses,omitempty"`
	// NotBefore and Until bound the time of use, in whole seconds.
	NotBefore time.Time `json:"notBefore,omitzero"`
	Until     time.Time `json:"until,omitzero"`
	// IP are addresses and ranges (CIDR) that the client must be in.
	IP []string `json:"ip,omitempty"`
	// Bind is "ip" to bind the pass to the first address that uses it.
	Bind string `json:"bind,omitempty"`
	// MinSize and MaxSize bound an upload, in bytes, both ends included.
	MinSize *int64 `json:"minSize,omitempty"`
	MaxSize *int64 `json:"maxSize,omitempty"`
	// Type are media-type patterns for an upload, such as "image/*".
	Type []string `json:"type,omitempty"`
	// NoOverwrite lets an upload make new keys only.
	NoOverwrite bool `json:"noOverwrite,omitempty"`
	// Rate is in bytes per second.
	Rate int64 `json:"rate,omitempty"`
	// Prefix is a key prefix that ends in "/": the URL is good for every key
	// below it. Key must be the same, or empty for a listing.
	Prefix string `json:"prefix,omitempty"`
	// ETag is that of the object, without quotes.
	ETag string `json:"etag,omitempty"`
	// PIN is what the holder must give besides, 4 to 64 characters.
	PIN daypass.Secret `json:"pin,omitempty"`
	// Origin are origins from which browsers may use the pass.
	Origin []string `json:"origin,omitempty"`
	// TLS refuses plain HTTP.
	TLS bool `json:"tls,omitempty"`
	// Zip makes a prefix pass answer with the tree as a ZIP archive.
	Zip bool `json:"zip,omitempty"`
	// Cookie makes a prefix pass set a cookie for relative requests.
	Cookie bool `json:"cookie,omitempty"`
}

// A PresignResponse is a pre-signed URL and how to use it.
type PresignResponse struct {
	URL    string `json:"url"`
	Method string `json:"method"`
	// Headers must be sent along.
	Headers map[string]string `json:"headers,omitempty"`
	Expires time.Time         `json:"expires"`
}

// A Pass is what was seen of a pass: GET /api/v1/passes/{id}. What nobody has
// used has only an id, and a revocation if there is one.
type Pass struct {
	PassID string `json:"passId"`
	Name   string `json:"name,omitempty"`
	// AccessKeyID is the access key that signed, Owner its owner.
	AccessKeyID string `json:"accessKeyId,omitempty"`
	Owner       string `json:"owner,omitempty"`
	// Action is S3's name for what the pass permits, and Bucket and Key, or
	// prefix, what it is about.
	Action string `json:"action,omitempty"`
	Bucket string `json:"bucket,omitempty"`
	Key    string `json:"key,omitempty"`
	// Limits are the parameters x-daypass-… and their values.
	Limits map[string]string `json:"limits,omitempty"`
	// Signed and Ends are zero where they are not known.
	Signed time.Time `json:"signed,omitzero"`
	Ends   time.Time `json:"ends,omitzero"`
	// FirstSeen and LastSeen are of requests, refused ones included.
	FirstSeen time.Time `json:"firstSeen,omitzero"`
	LastSeen  time.Time `json:"lastSeen,omitzero"`
	// Uses are the requests that were granted, Refused the others.
	Uses    int64 `json:"uses"`
	Refused int64 `json:"refused"`
	// BytesReceived and BytesSent are of bodies.
	BytesReceived int64 `json:"bytesReceived"`
	BytesSent     int64 `json:"bytesSent"`
	// Revoked tells that the pass is refused, because of the revocation
	// RevokedBy.
	Revoked   bool   `json:"revoked"`
	RevokedBy string `json:"revokedBy,omitempty"`
}

// An ExplainRequest asks about a pass: POST /api/v1/passes/explain. Either URL or
// PassID is set; of an id much less is known.
//
// Encoding it as JSON shows a placeholder for the URL; Reveal does not.
type ExplainRequest struct {
	URL    daypass.Secret `json:"url,omitempty"`
	PassID string         `json:"passId,omitempty"`
	// Since is how far back past requests are looked for; zero is a week.
	Since time.Time `json:"since,omitzero"`
}

// Reveal returns what encodes as r with its URL. It is for sending only.
func (r ExplainRequest) Reveal() any {
	type fields ExplainRequest
	return struct {
		fields
		URL plainSecret `json:"url,omitempty"`
	}{fields(r), plainSecret(r.URL)}
}

// The verdicts about a pass.
const (
	VerdictGood    = "good"    // the server takes it now
	VerdictEarly   = "early"   // it is not good yet
	VerdictRefused = "refused" // the server refuses it now
	VerdictUnknown = "unknown" // it cannot be told
)

// An Explanation is what there is to say about a pass.
type Explanation struct {
	PassID string `json:"passId"`
	// ServerTime is the server's clock.
	ServerTime time.Time `json:"serverTime"`
	// Verdict is one of the verdicts, and Reason one sentence that says why.
	// Code is S3's where it would be refused, as far as that is known.
	Verdict string       `json:"verdict"`
	Code    daypass.Code `json:"code,omitempty"`
	Reason  string       `json:"reason,omitempty"`
	// Signature tells of the signature; there is none where only an id was
	// given.
	Signature *SignatureCheck `json:"signature,omitempty"`
	// Signer is the access key that signed.
	Signer *Signer `json:"signer,omitempty"`
	// Action is S3's name for what the pass permits, Bucket and Key, or prefix,
	// what it is about.
	Action string `json:"action,omitempty"`
	Bucket string `json:"bucket,omitempty"`
	Key    string `json:"key,omitempty"`
	Name   string `json:"name,omitempty"`
	// Signed is when it was signed, Begins when it begins where that is later.
	Signed time.Time `json:"signed,omitzero"`
	Begins time.Time `json:"begins,omitzero"`
	// Limits are what the pass is limited by, in words.
	Limits []string `json:"limits,omitempty"`
	// Seen is what was seen of the pass; absent when nothing was.
	Seen *Pass `json:"seen,omitempty"`
	// Uses tells how much is used up, where uses are limited.
	Uses *PassUses `json:"uses,omitempty"`
	// Revocations are those that match the pass, the oldest first.
	Revocations []Revocation `json:"revocations"`
	// EndsAt is when the pass really ends, or has ended: the earliest of Ends
	// that counts. Zero where it is not known.
	EndsAt time.Time `json:"endsAt,omitzero"`
	// Ends are all ends that it has, the earliest first.
	Ends []PassEnd `json:"ends"`
	// Refusals are past refusals, those that came last first.
	Refusals []PassRefusals `json:"refusals"`
	// PastFrom is how far back past requests were looked at, and PastWhole says
	// that this is all that was asked for and is still there.
	PastFrom  time.Time `json:"pastFrom,omitzero"`
	PastWhole bool      `json:"pastWhole"`
	// Notes are what else is to be said.
	Notes []string `json:"notes,omitempty"`
}

// The states of a signature.
const (
	SignatureGood     = "good"
	SignatureWrong    = "wrong"
	SignatureUnproven = "unproven" // it covers headers that the URL does not hold
)

// A SignatureCheck tells whether a signature is good, by the server's own keys.
type SignatureCheck struct {
	State string `json:"state"`
	// Method is the one that it was made for, where it is good.
	Method string `json:"method,omitempty"`
	// Code and Reason say why it is not.
	Code   daypass.Code `json:"code,omitempty"`
	Reason string       `json:"reason,omitempty"`
}

// The states of an access key.
const (
	KeyEnabled  = "enabled"
	KeyDisabled = "disabled"
	KeyEnded    = "ended"
	KeyUnknown  = "unknown" // the server has none with this id, or no more
)

// A Signer is the access key that signed a pass.
type Signer struct {
	AccessKeyID string `json:"accessKeyId"`
	Name        string `json:"name,omitempty"`
	Owner       string `json:"owner,omitempty"`
	// State is one of the states of a key: that of Parent where this is a
	// temporary key that has not ended.
	State  string `json:"state"`
	Parent string `json:"parent,omitempty"`
	// Since and By tell when it was disabled or deleted, and by which access
	// key, or "local", where that is known.
	Since time.Time `json:"since,omitzero"`
	By    string    `json:"by,omitempty"`
}

// PassUses tells how much of a pass is used up.
type PassUses struct {
	Allowed int64 `json:"allowed"`
	// Drawn is how many are used up or under way; of downloads it counts bytes,
	// so that it may have a fraction. It is absent where the size is not known,
	// and where each object below a prefix has uses of its own.
	Drawn *float64 `json:"drawn,omitempty"`
	// BytesDrawn and BytesAllowed are of downloads; Objects is how many of them.
	BytesDrawn   int64 `json:"bytesDrawn,omitempty"`
	BytesAllowed int64 `json:"bytesAllowed,omitempty"`
	Objects      int   `json:"objects,omitempty"`
	// Outstanding are the responses and uploads under way, which may give back
	// what they hold.
	Outstanding int `json:"outstanding"`
	// Words say it in one sentence, such as "3 of 3 uses drawn".
	Words string `json:"words"`
}

// A PassEnd is one thing that ends a pass.
type PassEnd struct {
	// Kind is expiry, until, maxLifetime, maxSignatureAge, sessionToken, key,
	// keyDisabled, keyDeleted, policy or revocation.
	Kind string `json:"kind"`
	// At is when it ends the pass; zero where that was before now, and nobody
	// knows when.
	At    time.Time `json:"at,omitzero"`
	Words string    `json:"words"`
	// Counts is false for an end that another one replaces, and Wins is true
	// for the one that really ends the pass.
	Counts bool `json:"counts"`
	Wins   bool `json:"wins"`
}

// PassRefusals are past refusals for one exact reason.
type PassRefusals struct {
	Code   daypass.Code `json:"code"`
	Reason string       `json:"reason"`
	// Help says in a sentence what it means.
	Help  string    `json:"help"`
	Count int64     `json:"count"`
	First time.Time `json:"first"`
	Last  time.Time `json:"last"`
}

// A PassPage is a part of the list of passes: GET /api/v1/passes.
type PassPage struct {
	Passes []Pass `json:"passes"`
	// Next is what to give as after for the next page; empty on the last.
	Next string `json:"next,omitempty"`
}

// A RestoredPass is the answer to POST /api/v1/passes/{id}/restore.
type RestoredPass struct {
	PassID string `json:"passId"`
	// Lifted is how many revocations of this one pass were lifted.
	Lifted int `json:"lifted"`
	// Revoked tells that another revocation still refuses the pass.
	Revoked   bool   `json:"revoked"`
	RevokedBy string `json:"revokedBy,omitempty"`
}

// A Revocation refuses the passes that match all of its fields that are set.
type Revocation struct {
	ID          string `json:"id"`
	PassID      string `json:"passId,omitempty"`
	Name        string `json:"name,omitempty"`
	Owner       string `json:"owner,omitempty"`
	AccessKeyID string `json:"accessKeyId,omitempty"`
	Bucket      string `json:"bucket,omitempty"`
	Prefix      string `json:"prefix,omitempty"`
	// Before matches what was signed before it, or does not tell when.
	Before  time.Time `json:"before,omitzero"`
	Created time.Time `json:"created"`
	// CreatedBy is the access key that made it, or "local".
	CreatedBy string `json:"createdBy,omitempty"`
	// Expires is when it ends by itself, after all that it could stop.
	Expires time.Time `json:"expires,omitzero"` // zero: never
}

// A RevocationPage is a part of the list of revocations in force: GET
// /api/v1/revocations.
type RevocationPage struct {
	Revocations []Revocation `json:"revocations"`
	// Next is what to give as after for the next page; empty on the last.
	Next string `json:"next,omitempty"`
}

// A NewRevocation revokes passes: POST /api/v1/revocations. What matches all
// of its fields that are set is refused from then on.
//
// Encoding it as JSON shows a placeholder for the URL; Reveal does not.
type NewRevocation struct {
	// URL or PassID names one pass. The URL need not be known to the server,
	// used, or valid any more.
	URL    daypass.Secret `json:"url,omitempty"`
	PassID string         `json:"passId,omitempty"`
	// Name is the label of passes, Owner the owner of the key that signed. A
	// name belongs to an owner: without one, to the caller's account.
	Name  string `json:"name,omitempty"`
	Owner string `json:"owner,omitempty"`
	// AccessKeyID is the access key that signed.
	AccessKeyID string `json:"accessKeyId,omitempty"`
	// Bucket, and Prefix, the beginning of the key, are what passes are for.
	Bucket string `json:"bucket,omitempty"`
	Prefix string `json:"prefix,omitempty"`
	// Before matches what was signed before it, and what does not tell when.
	Before time.Time `json:"before,omitzero"`
}

// Reveal returns what encodes as n with its URL. It is for sending only.
func (n NewRevocation) Reveal() any {
	type fields NewRevocation
	return struct {
		fields
		URL plainSecret `json:"url,omitempty"`
	}{fields(n), plainSecret(n.URL)}
}

// An ErrorBody is what the API answers with a status of 400 or more.
type ErrorBody struct {
	Code    daypass.Code `json:"code"`
	Message string       `json:"message"`
	// RequestID finds the request in the server's log.
	RequestID string `json:"requestId"`
}
