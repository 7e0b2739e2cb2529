package sign

import (
	"crypto/ecdsa"
	"strings"
	"time"
)

// A PayloadKind is what a signature says of the body and how the body is
// framed.
type PayloadKind int

// The kinds, by their values of x-amz-content-sha256.
const (
	// PayloadUnsigned: UNSIGNED-PAYLOAD, or nothing said.
	PayloadUnsigned PayloadKind = iota
	// PayloadSHA256: the body's SHA-256 is signed.
	PayloadSHA256
	// PayloadChunked: STREAMING-AWS4-HMAC-SHA256-PAYLOAD, every chunk signed.
	PayloadChunked
	// PayloadChunkedTrailer: the same with a signed trailer.
	PayloadChunkedTrailer
	// PayloadUnsignedTrailer: STREAMING-UNSIGNED-PAYLOAD-TRAILER.
	PayloadUnsignedTrailer
)

// A Payload is what a request says of its body.
type Payload struct {
	Kind PayloadKind
	// SHA256 is the lower-case hexadecimal hash for PayloadSHA256. The
	// signature covers the hash, so whoever reads the body must compare it.
	SHA256 string
}

// Chunked reports whether the body is framed in chunks and must be read
// through a ChunkReader.
func (p Payload) Chunked() bool { return p.Kind >= PayloadChunked }

// Values of x-amz-content-sha256 (S3 API reference, "Signature Calculations
// for the Authorization Header").
const (
	streamingUnsignedTrailer = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
	streamingPrefix          = "STREAMING-"
	streamingPayload         = "-PAYLOAD"
	streamingTrailer         = "-PAYLOAD-TRAILER"
)

// setPayload finds out which payload hash was signed and how the body is to
// be read. What the signature says of the body decides; an unsigned header
// may only add to a signature that leaves the body open.
func (c *check) setPayload(r *v4Request, scheme Scheme) error {
	carried := r.payload // by the query of a pre-signed URL
	if err := c.signedPayload(r, scheme); err != nil {
		return err
	}
	sent := c.bodyHash
	if sent == "" || sent == r.payload {
		return c.readPayload(r.payload, r.algorithm, true)
	}
	if carried != "" && carried != UnsignedPayload || r.payload != UnsignedPayload {
		return &Error{Code: CodeSignatureDoesNotMatch, Message: mismatchMessage,
			Reason: "x-amz-content-sha256 was sent with another value than the one that was signed"}
	}
	return c.readPayload(sent, r.algorithm, false)
}

// signedPayload sets the payload hash of the canonical request.
func (c *check) signedPayload(r *v4Request, scheme Scheme) error {
	sent := c.bodyHash
	signed := scheme == HeaderAuth || listed(r.signed, "x-amz-content-sha256")
	switch {
	case sent != "" && signed:
		r.payload = sent
	case scheme == QueryAuth && r.payload != "":
	case scheme == QueryAuth && c.opts.Service == ServiceS3:
		r.payload = UnsignedPayload
	case c.BodySHA256 != "":
		r.payload = c.BodySHA256
	case c.opts.Service == ServiceS3:
		return newError(CodeInvalidRequest, "Missing required header for this request: x-amz-content-sha256")
	default:
		r.payload = EmptySHA256
	}
	return nil
}

// readPayload tells how the body is to be read. Where the header is not
// signed, a client may still say that its body is framed, or which hash it
// has: that can only make the server more careful.
func (c *check) readPayload(value, algorithm string, signed bool) error {
	switch {
	case value == UnsignedPayload || value == "":
		c.result.Payload = Payload{Kind: PayloadUnsigned}
	case value == streamingUnsignedTrailer:
		c.result.Payload = Payload{Kind: PayloadUnsignedTrailer}
	case signed && value == streamingPrefix+algorithm+streamingPayload:
		c.result.Payload = Payload{Kind: PayloadChunked}
	case signed && value == streamingPrefix+algorithm+streamingTrailer:
		c.result.Payload = Payload{Kind: PayloadChunkedTrailer}
	case isSHA256(value):
		c.result.Payload = Payload{Kind: PayloadSHA256, SHA256: value}
	default:
		return newError(CodeInvalidArgument, "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, "+
			"STREAMING-UNSIGNED-PAYLOAD-TRAILER, STREAMING-AWS4-HMAC-SHA256-PAYLOAD, "+
			"STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER, STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD, "+
			"STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER or a valid sha256 value.",
			Detail{"ArgumentName", "x-amz-content-sha256"}, Detail{"ArgumentValue", value})
	}
	return nil
}

func isSHA256(s string) bool {
	return len(s) == 64 && strings.Trim(s, "0123456789abcdef") == ""
}

// A chunkSeed is what the signature of a request hands on to those of its
// chunks.
type chunkSeed struct {
	algorithm string
	date      time.Time
	scope     string
	previous  string // signature in hexadecimal
	key       *signingKey
	ecdsa     *ecdsa.PublicKey
}

func (c *check) seedChunks(r *v4Request) {
	if k := c.result.Payload.Kind; k != PayloadChunked && k != PayloadChunkedTrailer {
		return
	}
	c.result.seed = &chunkSeed{algorithm: r.algorithm, date: r.date, scope: r.cred.scope, previous: r.signature}
	if r.algorithm == algorithmV4A {
		c.result.seed.ecdsa = &c.cache.ecdsaKey(c.key).PublicKey
		return
	}
	c.result.seed.key = c.cache.get(c.key, r.cred.day, r.cred.region, r.cred.service)
}

// appendPayloadToSign appends the string to sign of a chunk whose data has
// the given SHA-256 ("Signature Calculations for the Authorization Header:
// Transferring Payload in Multiple Chunks").
func (s *chunkSeed) appendPayloadToSign(dst, sum []byte) []byte {
	dst = s.appendHead(dst, streamingPayload)
	dst = append(append(dst, EmptySHA256...), '\n')
	return appendHex(dst, sum)
}

// appendTrailerToSign does the same for the trailer.
func (s *chunkSeed) appendTrailerToSign(dst, sum []byte) []byte {
	return appendHex(s.appendHead(dst, "-TRAILER"), sum)
}

func (s *chunkSeed) appendHead(dst []byte, suffix string) []byte {
	dst = append(append(append(dst, s.algorithm...), suffix...), '\n')
	dst = append(appendLong(dst, s.date), '\n')
	dst = append(append(dst, s.scope...), '\n')
	return append(append(dst, s.previous...), '\n')
}
