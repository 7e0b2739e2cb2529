package sign

import (
	"bufio"
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"net/http"
	"net/textproto"
	"strconv"
	"strings"
)

// A ChunkReader reads a body in aws-chunked framing and returns the content
// alone. It verifies each chunk's signature once the chunk has passed, so
// what it returned counts only after io.EOF: until then a Read may still
// return an *Error (SignatureDoesNotMatch, IncompleteBody,
// MalformedTrailerError). It needs a few kilobytes of memory, whatever the
// size of chunks and body.
type ChunkReader struct {
	src     *bufio.Reader
	kind    PayloadKind
	seed    chunkSeed
	names   map[string]bool // announced trailers, canonical
	trailer http.Header
	sum     hash.Hash // of the current chunk, when signed
	sig     string    // signature of the current chunk
	left    int64     // bytes of the current chunk to come
	total   int64     // content bytes still allowed
	inChunk bool
	last    int64 // size of the chunk before, to refuse many small ones
	err     error
}

// Bounds of the framing. S3 asks for chunks of at least 8 KiB but the last.
const (
	minChunk    = 8 << 10
	maxLine     = 512
	maxTrailers = 16 << 10
)

// NewChunkReader returns a reader over the content of a framed body, whose
// result is that of verifying its request. length is the value of
// x-amz-decoded-content-length in bytes; announced are the values of
// x-amz-trailer: other trailers are refused.
func NewChunkReader(body io.Reader, result *Result, length int64, announced []string) *ChunkReader {
	r := &ChunkReader{
		src: bufio.NewReader(body), kind: result.Payload.Kind,
		total: length, trailer: make(http.Header), names: make(map[string]bool), last: minChunk,
	}
	for _, list := range announced {
		for name := range strings.SplitSeq(list, ",") {
			r.names[textproto.CanonicalMIMEHeaderKey(strings.TrimSpace(name))] = true
		}
	}
	if r.signed() && result.seed != nil {
		r.seed = *result.seed
	}
	if r.signed() {
		r.sum = sha256.New()
	}
	return r
}

// Trailer returns the verified trailer. It is valid after io.EOF.
func (r *ChunkReader) Trailer() http.Header { return r.trailer }

func (r *ChunkReader) signed() bool { return r.kind != PayloadUnsignedTrailer }

// Read returns content.
func (r *ChunkReader) Read(p []byte) (int, error) {
	for r.err == nil {
		if !r.inChunk {
			r.err = r.begin()
			continue
		}
		if r.left > 0 {
			return r.content(p)
		}
		r.err = r.end()
	}
	return 0, r.err
}

// content reads from the current chunk.
func (r *ChunkReader) content(p []byte) (int, error) {
	if int64(len(p)) > r.left {
		p = p[:r.left]
	}
	n, err := r.src.Read(p)
	r.left -= int64(n)
	if r.sum != nil {
		r.sum.Write(p[:n])
	}
	if err != nil {
		r.err = incomplete(err)
	}
	return n, r.err
}

// begin reads the line before a chunk, and the trailer after the last.
func (r *ChunkReader) begin() error {
	line, err := r.line()
	if err != nil {
		return err
	}
	size, ext, _ := strings.Cut(line, ";")
	n, err := strconv.ParseUint(size, 16, 62)
	if err != nil || len(size) > 16 {
		return malformedChunk("the chunk size " + strconv.Quote(size) + " is not a hexadecimal number")
	}
	if r.left = int64(n); r.left > r.total {
		return incompleteBody("the chunks hold more than x-amz-decoded-content-length says")
	}
	if err := r.checkSize(); err != nil {
		return err
	}
	if r.signed() {
		sig, ok := strings.CutPrefix(ext, "chunk-signature=")
		if !ok {
			return malformedChunk("a chunk has no signature")
		}
		r.sig = sig
		r.sum.Reset()
	}
	r.total -= r.left
	if r.left > 0 {
		r.inChunk = true
		return nil
	}
	return r.finish()
}

// checkSize refuses a chunk after one that was too small: only the last may be.
func (r *ChunkReader) checkSize() error {
	if r.signed() && r.left > 0 {
		if r.last < minChunk {
			return newError(CodeInvalidChunkSize, "Only the last chunk is allowed to have a size less than 8192 bytes")
		}
		r.last = r.left
	}
	return nil
}

// end verifies the chunk that has passed.
func (r *ChunkReader) end() error {
	r.inChunk = false
	if line, err := r.line(); err != nil {
		return err
	} else if line != "" {
		return malformedChunk("a chunk is longer than its size says")
	}
	if !r.signed() {
		return nil
	}
	return r.verify(r.seed.appendPayloadToSign(nil, r.sum.Sum(nil)))
}

// verify checks r.sig and makes it the predecessor of the next signature.
func (r *ChunkReader) verify(stringToSign []byte) error {
	// Version 4A signatures vary in length; clients pad them with "*".
	sig := strings.TrimRight(r.sig, "*")
	given, err := hex.DecodeString(sig)
	ok := err == nil && sig == strings.ToLower(sig)
	if r.seed.ecdsa != nil {
		ok = ok && verifyECDSA(r.seed.ecdsa, stringToSign, given)
	} else {
		ok = ok && r.seed.key != nil && hmac.Equal(r.seed.key.sum(nil, stringToSign), given)
	}
	if !ok {
		return newError(CodeSignatureDoesNotMatch, mismatchMessage,
			Detail{"StringToSign", string(stringToSign)}, Detail{"SignatureProvided", r.sig})
	}
	r.seed.previous = sig
	return nil
}

// finish handles what follows the content: the signature of the empty last
// chunk, and the trailer.
func (r *ChunkReader) finish() error {
	if r.signed() {
		if err := r.verify(r.seed.appendPayloadToSign(nil, r.sum.Sum(nil))); err != nil {
			return err
		}
	}
	if r.total != 0 {
		return incompleteBody("the chunks hold less than x-amz-decoded-content-length says")
	}
	if err := r.readTrailer(); err != nil {
		return err
	}
	return r.atEnd()
}

// atEnd returns io.EOF, unless more than an empty line follows the trailer.
func (r *ChunkReader) atEnd() error {
	var rest [3]byte
	n, err := io.ReadFull(r.src, rest[:])
	switch {
	case err == nil || strings.Trim(string(rest[:n]), "\r\n") != "":
		return malformedChunk("something follows the last chunk")
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		return io.EOF
	}
	return err
}

// readTrailer reads name:value lines up to an empty one or the end.
func (r *ChunkReader) readTrailer() error {
	var signedPart bytes.Buffer
	r.sig = ""
	for {
		line, err := r.trailerLine()
		if err != nil {
			return err
		}
		if line == "" {
			if r.awaitsSignature() {
				continue
			}
			break
		}
		name, value, ok := strings.Cut(line, ":")
		name = strings.ToLower(name)
		value = strings.Trim(value, " \t")
		if !ok || signedPart.Len() > maxTrailers {
			return malformedTrailer("a trailer is not a name and a value")
		}
		if name == "x-amz-trailer-signature" {
			r.sig = value
			continue
		}
		canonical := textproto.CanonicalMIMEHeaderKey(name)
		if !r.names[canonical] || r.trailer[canonical] != nil {
			return malformedTrailer("the trailer " + strconv.Quote(name) + " was not announced, or is repeated")
		}
		r.trailer.Set(canonical, value)
		signedPart.WriteString(name + ":" + value + "\n")
	}
	return r.checkTrailer(signedPart.Bytes())
}

// awaitsSignature reports whether an empty line stands before the trailer's
// signature rather than after it, as some clients write it.
func (r *ChunkReader) awaitsSignature() bool {
	next, _ := r.src.Peek(2)
	return r.kind == PayloadChunkedTrailer && r.sig == "" && len(next) == 2 && next[0] == 'x'
}

func (r *ChunkReader) checkTrailer(signedPart []byte) error {
	if len(r.trailer) < len(r.names) {
		return malformedTrailer("an announced trailer is missing")
	}
	switch r.kind {
	case PayloadChunked:
		if len(r.trailer) > 0 || r.sig != "" {
			return malformedTrailer("a trailer follows a body that was signed without one")
		}
	case PayloadChunkedTrailer:
		sum := sha256.Sum256(signedPart)
		return r.verify(r.seed.appendTrailerToSign(nil, sum[:]))
	}
	return nil
}

// trailerLine is line, but takes the end of the body for an empty line:
// clients differ in how many they send.
func (r *ChunkReader) trailerLine() (string, error) {
	if _, err := r.src.Peek(1); errors.Is(err, io.EOF) {
		return "", nil
	}
	return r.line()
}

// line reads up to LF, within bounds, and cuts CRLF off.
func (r *ChunkReader) line() (string, error) {
	var b []byte
	for len(b) <= maxLine {
		part, err := r.src.ReadSlice('\n')
		b = append(b, part...)
		if err == nil && len(b) <= maxLine {
			return string(bytes.TrimSuffix(b[:len(b)-1], []byte("\r"))), nil
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return "", incomplete(err)
		}
	}
	return "", malformedChunk("a line of the framing is too long")
}

// incomplete turns an early end into S3's refusal and leaves other errors.
func incomplete(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return incompleteBody("the body ended early")
	}
	return err
}

func incompleteBody(reason string) error {
	return &Error{Code: CodeIncompleteBody, Reason: reason,
		Message: "You did not provide the number of bytes specified by the Content-Length HTTP header"}
}

func malformedChunk(reason string) error {
	return &Error{Code: CodeInvalidRequest, Reason: reason, Message: "The chunked body is not well-formed: " + reason + "."}
}

func malformedTrailer(reason string) error {
	return &Error{Code: CodeMalformedTrailer, Reason: reason,
		Message: "The request contained trailing data that was not well-formed or did not conform to our published schema."}
}
