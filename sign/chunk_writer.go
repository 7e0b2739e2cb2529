package sign

import (
	"crypto/ecdsa"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"strings"
)

// A ChunkWriter writes a body in aws-chunked framing, signing each chunk
// where the request was signed for that. Close writes the last chunk and the
// trailer; it does not close the underlying writer.
type ChunkWriter struct {
	dst     io.Writer
	kind    PayloadKind
	seed    chunkSeed
	private *ecdsa.PrivateKey
	buf     []byte
	trailer func() [][2]string
}

// chunkSize is what each chunk but the last holds, in bytes.
const chunkSize = 64 << 10

// NewChunkWriter returns a writer for the body of a request that Signer
// signed with a chunked payload. trailer, when not nil, is called by Close
// and returns the names (as announced in x-amz-trailer) and values to append.
func NewChunkWriter(dst io.Writer, seed *Seed, trailer func() [][2]string) *ChunkWriter {
	return &ChunkWriter{dst: dst, kind: seed.kind, seed: seed.chunks, private: seed.private,
		buf: make([]byte, 0, chunkSize), trailer: trailer}
}

// A Seed is what the signature of a request hands on to its body's chunks.
type Seed struct {
	kind    PayloadKind
	chunks  chunkSeed
	private *ecdsa.PrivateKey
}

// ChunkedLength returns the length in bytes that a body takes in framing,
// for Content-Length. trailer are the names and values that Close will write.
func (s *Seed) ChunkedLength(content int64, trailer [][2]string) int64 {
	n := int64(0)
	for left := content; ; left -= chunkSize {
		size := min(left, chunkSize)
		n += int64(len(fmt.Sprintf("%x\r\n", size))) + size
		if s.kind != PayloadUnsignedTrailer {
			n += int64(len(";chunk-signature=")) + s.signatureLength()
		}
		if size == 0 {
			break
		}
		n += 2
		if size < chunkSize {
			left = chunkSize
		}
	}
	for _, t := range trailer {
		n += int64(len(t[0]) + len(t[1]) + len(":\r\n"))
	}
	if s.kind == PayloadChunkedTrailer {
		n += int64(len("x-amz-trailer-signature:\r\n")) + s.signatureLength()
	}
	return n + 2
}

func (s *Seed) signatureLength() int64 {
	if s.private != nil {
		return paddedECDSA
	}
	return 64
}

// paddedECDSA is the length to which Version 4A chunk signatures are padded.
const paddedECDSA = 144

// Write implements io.Writer.
func (w *ChunkWriter) Write(p []byte) (int, error) {
	written := 0
	for len(p) > 0 {
		n := copy(w.buf[len(w.buf):cap(w.buf)], p)
		w.buf = w.buf[:len(w.buf)+n]
		p, written = p[n:], written+n
		if len(w.buf) == cap(w.buf) {
			if err := w.flush(); err != nil {
				return written, err
			}
		}
	}
	return written, nil
}

// Close writes what is left, the empty last chunk and the trailer.
func (w *ChunkWriter) Close() error {
	if len(w.buf) > 0 {
		if err := w.flush(); err != nil {
			return err
		}
	}
	if err := w.flush(); err != nil {
		return err
	}
	return w.writeTrailer()
}

func (w *ChunkWriter) flush() error {
	head := fmt.Sprintf("%x", len(w.buf))
	if w.kind != PayloadUnsignedTrailer {
		sum := sha256.Sum256(w.buf)
		sig, err := w.sign(w.seed.appendPayloadToSign(nil, sum[:]))
		if err != nil {
			return err
		}
		head += ";chunk-signature=" + sig
	}
	out := append([]byte(head+"\r\n"), w.buf...)
	if len(w.buf) > 0 {
		out = append(out, "\r\n"...)
	}
	w.buf = w.buf[:0]
	_, err := w.dst.Write(out)
	return err
}

func (w *ChunkWriter) writeTrailer() error {
	var wire, signed strings.Builder
	if w.trailer != nil {
		for _, t := range w.trailer() {
			fmt.Fprintf(&wire, "%s:%s\r\n", t[0], t[1])
			fmt.Fprintf(&signed, "%s:%s\n", strings.ToLower(t[0]), t[1])
		}
	}
	if w.kind == PayloadChunkedTrailer {
		sum := sha256.Sum256([]byte(signed.String()))
		sig, err := w.sign(w.seed.appendTrailerToSign(nil, sum[:]))
		if err != nil {
			return err
		}
		fmt.Fprintf(&wire, "x-amz-trailer-signature:%s\r\n", sig)
	}
	wire.WriteString("\r\n")
	_, err := io.WriteString(w.dst, wire.String())
	return err
}

// sign returns a signature in hexadecimal, padded where its length varies.
func (w *ChunkWriter) sign(stringToSign []byte) (string, error) {
	if w.private == nil {
		w.seed.previous = hex.EncodeToString(w.seed.key.sum(nil, stringToSign))
		return w.seed.previous, nil
	}
	der, err := signECDSA(w.private, stringToSign)
	if err != nil {
		return "", err
	}
	w.seed.previous = hex.EncodeToString(der)
	return w.seed.previous + strings.Repeat("*", paddedECDSA-len(w.seed.previous)), nil
}
