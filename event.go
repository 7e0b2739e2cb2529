package daypass

import "time"

// An Event tells of one request, refused ones included. It holds no secret, no
// session token and no whole signature: Redact takes them out of what clients
// send.
//
// A copy has a second event, that of its source, and DeleteObjects one for each
// object, as in S3's access logs. Such an event has the ids of its request, but
// no Method and no URI, no bytes, and a negative Total: whoever counts requests
// leaves it out.
//
// A request to the admin API has an event too. Its Action is one of those that
// belong to ServiceDaypass, its Operation and HostID are empty, and its Subject
// tells what it was about.
type Event struct {
	// Time is when the request arrived, in UTC.
	Time time.Time
	// RequestID and HostID are those of the answer.
	RequestID, HostID string
	// Action is what was asked for; empty where that was not found out.
	Action Action
	// Operation is the action's name in S3's access logs, such as
	// "REST.GET.OBJECT".
	Operation string
	Object    ObjectRef
	// BucketOwner is the owner of the bucket; empty where there is none.
	BucketOwner string
	// Grant says who signed, and with which pass. Until a signature was found
	// to be good it has but the scheme and version that the request claims.
	Grant Grant
	// Principal is the ARN by which policies know who signed: an account's
	// root, a user, or the session of a role; empty for anonymous requests.
	// Access logs and trails name the requester with it.
	Principal string
	// PrincipalID is the unique id of the principal, as aws:userid has it.
	PrincipalID string
	// Session is what a temporary key was made of: the ARN of the role, or the
	// access key where there is none.
	Session string
	// Limits are those of the pass, as a canonical query.
	Limits string
	// Source is the client's address, behind trusted proxies; Peer is the
	// other end of the connection.
	Source, Peer string
	// Method, URI, Protocol and Host are those of the request; URI is the
	// path and query as they came, redacted.
	Method, URI, Protocol, Host string
	Referer, UserAgent          string
	// CopySource is the source of a copy.
	CopySource string
	// Status is the HTTP status; Code is S3's error code, empty for success;
	// Reason is the exact reason of a refusal, for operators, and of an answer
	// that broke off, which has no code.
	Status int
	Code   Code
	Reason string
	// Message is what the client was told in words; empty for success.
	Message string
	// Sent and Received are bytes of bodies; ObjectSize is the size in bytes of
	// the object that was read or written, negative where there is none.
	Sent, Received, ObjectSize int64
	// Total is from the arrival to the last byte of the answer, TurnAround
	// from the last byte of the request to the first of the answer.
	Total, TurnAround time.Duration
	// TLSVersion and Cipher are those of the connection, such as "TLSv1.3" and
	// "TLS_AES_128_GCM_SHA256"; empty for plain HTTP.
	TLSVersion, Cipher string
	// ACLRequired says that an access control list decided.
	ACLRequired bool
	// Subject is what an action of the admin API is about: a kind, a space and
	// what it names, such as "pass ID", "name TEXT", "key ID",
	// "prefix BUCKET/PREFIX", "before TIME"; several are joined by " and ".
	Subject string
	// TraceID is the id of the trace that the request is part of (W3C Trace
	// Context, section 3.2.2.3), 32 hexadecimal digits; empty where there is
	// none.
	TraceID string
	// ETag, ResultVersionID and DeleteMarker are of what the request stored,
	// changed or deleted, or read with a pass whose uses count: the ETag without quotes, the version that was written
	// or removed, which may be a delete marker that was added.
	ETag, ResultVersionID string
	DeleteMarker          bool
	// Sequencer orders the changes that a node has made: 16 hexadecimal digits
	// that compare as text. It is empty where nothing was changed that others
	// are told of.
	Sequencer string
}
