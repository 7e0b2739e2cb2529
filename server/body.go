package server

import (
	"encoding/base64"
	"encoding/hex"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/s3"
	"github.com/daypass/daypass/sign"
	"github.com/daypass/daypass/store"
)

// upload returns the body of a request, without framing, that checks itself
// against everything that the client promised about it.
func (c *call) upload(w *response, maxSize int64) (*store.Upload, error) {
	opts, sum, err := c.promises(maxSize)
	if err != nil {
		return nil, err
	}
	return c.receive(w, opts, sum)
}

// receive is upload for promises that are known.
func (c *call) receive(w *response, opts store.UploadOptions, sum bodyChecksum) (_ *store.Upload, err error) {
	if opts.Size, err = c.bodyLength(); err != nil {
		return nil, err
	}
	if p := c.result.Payload; p.Kind == sign.PayloadSHA256 {
		if opts.ContentSHA256, err = hex.DecodeString(p.SHA256); err != nil {
			return nil, err
		}
	}
	body := w.rated(c.r.Context(), w.pace.reader(c.r.Body))
	if c.result.Payload.Chunked() {
		chunks := sign.NewChunkReader(body, c.result, opts.Size, c.head.sent.Values("X-Amz-Trailer"))
		body = chunkBody{chunks}
		if sum.trailer {
			opts.Trailer = func() (string, error) { return chunks.Trailer().Get(sum.header), nil }
		}
	}
	if body, err = c.limitUpload(body, &opts); err != nil {
		return nil, err
	}
	return store.NewUpload(body, opts)
}

// promises returns what the headers promise about the content of the body.
func (c *call) promises(maxSize int64) (opts store.UploadOptions, sum bodyChecksum, err error) {
	opts = store.UploadOptions{Size: -1, MaxSize: maxSize}
	if sum, err = c.checksum(); err != nil {
		return opts, sum, err
	}
	opts.Checksum, opts.ChecksumValue = sum.algorithm, sum.value
	opts.MD5, err = c.contentMD5()
	return opts, sum, err
}

// chunkBody gives the errors of a ChunkReader their place in the vocabulary.
type chunkBody struct{ *sign.ChunkReader }

// Read implements io.Reader.
func (b chunkBody) Read(p []byte) (int, error) {
	n, err := b.ChunkReader.Read(p)
	if err != nil && err != io.EOF {
		err = signError(err)
	}
	return n, err
}

// bodyLength returns the length in bytes of the body without framing, which
// S3 must know in advance.
func (c *call) bodyLength() (int64, error) {
	decoded := c.head.get("X-Amz-Decoded-Content-Length")
	switch {
	case c.result.Payload.Chunked():
		return decodedLength(decoded)
	case decoded != "":
		return 0, invalidRequest("x-amz-decoded-content-length was given, but x-amz-content-sha256 does not say that the body is chunked.")
	case c.r.ContentLength < 0 && len(c.r.TransferEncoding) > 0 && c.limits != nil && c.limits.Size != nil:
		// What is bounded must say its length: that can be mended, while S3
		// takes no such body at all.
		return 0, &daypass.Error{Code: daypass.MissingContentLength}
	case c.r.ContentLength < 0 && len(c.r.TransferEncoding) > 0:
		return 0, notImplemented(daypass.Detail{Name: "Header", Value: "Transfer-Encoding"})
	case c.r.ContentLength < 0, c.r.ContentLength == 0 && c.lacksLength():
		return 0, &daypass.Error{Code: daypass.MissingContentLength}
	}
	return c.r.ContentLength, nil
}

// lacksLength reports whether an HTTP/1 request says nothing of its length,
// which net/http shows as zero.
func (c *call) lacksLength() bool {
	return c.r.ProtoMajor == 1 && c.head.sent.Get("Content-Length") == ""
}

func decodedLength(s string) (int64, error) {
	if s == "" {
		return 0, &daypass.Error{Code: daypass.MissingContentLength}
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 {
		return 0, invalidArgument("x-amz-decoded-content-length must be the length of the body in bytes.", "x-amz-decoded-content-length", s)
	}
	return n, nil
}

// contentMD5 returns the decoded Content-MD5, nil where there is none.
func (c *call) contentMD5() ([]byte, error) {
	v := c.head.get("Content-Md5")
	if v == "" && c.head.sent["Content-Md5"] == nil {
		return nil, nil
	}
	sum, err := base64.StdEncoding.Strict().DecodeString(v)
	if err != nil || len(sum) != 16 {
		return nil, &daypass.Error{Code: daypass.InvalidDigest, Err: err,
			Details: []daypass.Detail{{Name: "Content-MD5", Value: v}}}
	}
	return sum, nil
}

// A bodyChecksum is the checksum that a request gives for its body, in a
// header or behind the body in a trailer.
type bodyChecksum struct {
	algorithm store.ChecksumAlgorithm // empty: none
	header    string
	value     string
	trailer   bool
}

// checksumHeaders are the headers that carry a checksum, in canonical form.
var checksumHeaders = [...]struct {
	algorithm store.ChecksumAlgorithm
	header    string
}{
	{store.CRC32, "X-Amz-Checksum-Crc32"},
	{store.CRC32C, "X-Amz-Checksum-Crc32c"},
	{store.CRC64NVME, "X-Amz-Checksum-Crc64nvme"},
	{store.SHA1, "X-Amz-Checksum-Sha1"},
	{store.SHA256, "X-Amz-Checksum-Sha256"},
}

// checksum finds the one checksum that a request may give (S3 User Guide,
// "Checking object integrity").
func (c *call) checksum() (bodyChecksum, error) {
	var found bodyChecksum
	n := 0
	for _, row := range checksumHeaders {
		if v := c.head.get(row.header); v != "" {
			found, n = bodyChecksum{algorithm: row.algorithm, header: row.header, value: v}, n+1
		}
	}
	trailers, err := c.trailers()
	if err != nil {
		return found, err
	}
	for _, t := range trailers {
		found, n = t, n+1
	}
	if n > 1 {
		return found, invalidRequest("Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.")
	}
	if err := c.unknownChecksum(); err != nil {
		return found, err
	}
	return found, c.sdkAlgorithm(found)
}

// trailers returns the checksums that x-amz-trailer announces.
func (c *call) trailers() (found []bodyChecksum, err error) {
	for _, list := range c.head.sent.Values("X-Amz-Trailer") {
		for name := range strings.SplitSeq(list, ",") {
			t, ok := trailingChecksum(strings.TrimSpace(name))
			if !ok || !c.result.Payload.Chunked() {
				return nil, invalidRequest("The value specified in the x-amz-trailer header is not supported")
			}
			found = append(found, t)
		}
	}
	return found, nil
}

func trailingChecksum(name string) (bodyChecksum, bool) {
	for _, row := range checksumHeaders {
		if strings.EqualFold(name, row.header) {
			return bodyChecksum{algorithm: row.algorithm, header: row.header, trailer: true}, true
		}
	}
	return bodyChecksum{}, false
}

// unknownChecksum refuses a checksum of an algorithm that S3 does not have.
func (c *call) unknownChecksum() error {
	return c.head.eachAmz(func(name, _ string) error {
		rest, ok := strings.CutPrefix(name, checksumPrefix)
		_, known := trailingChecksum(name)
		if !ok || known || aboutChecksums[rest] {
			return nil
		}
		return invalidRequest("The algorithm type you specified in x-amz-checksum- header is invalid.")
	})
}

// sdkAlgorithm checks what an SDK says it did against what it sent.
func (c *call) sdkAlgorithm(found bodyChecksum) error {
	v := c.head.get("X-Amz-Sdk-Checksum-Algorithm")
	switch {
	case v == "" || strings.EqualFold(v, string(found.algorithm)):
		return nil
	case found.algorithm == "":
		return invalidRequest("x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers were found.")
	}
	return invalidRequest("Value for x-amz-sdk-checksum-algorithm header is invalid.")
}

// document reads a small body whole, checked like every other.
func (c *call) document(w *response, maxSize int64) ([]byte, error) {
	opts, sum, err := c.promises(maxSize)
	if err != nil {
		return nil, err
	}
	return c.readDocument(w, opts, sum)
}

// plainDocument is document for an action whose checksum headers are not about
// the body.
func (c *call) plainDocument(w *response, maxSize int64) ([]byte, error) {
	opts := store.UploadOptions{MaxSize: maxSize}
	var err error
	if opts.MD5, err = c.contentMD5(); err != nil {
		return nil, err
	}
	return c.readDocument(w, opts, bodyChecksum{})
}

func (c *call) readDocument(w *response, opts store.UploadOptions, sum bodyChecksum) ([]byte, error) {
	u, err := c.receive(w, opts, sum)
	if daypass.CodeOf(err) == daypass.EntityTooLarge {
		return nil, &daypass.Error{Code: s3.MaxMessageLengthExceeded, Err: err}
	}
	if err != nil {
		return nil, err
	}
	return io.ReadAll(u)
}

// checksumAlgorithm returns the algorithm that x-amz-checksum-algorithm asks
// for, "" where it asks for none.
func (c *call) checksumAlgorithm() (store.ChecksumAlgorithm, error) {
	a := store.ChecksumAlgorithm(strings.ToUpper(c.head.get("X-Amz-Checksum-Algorithm")))
	if a == "" || a.Known() {
		return a, nil
	}
	return "", invalidRequest("Checksum algorithm provided is unsupported. Please try again with any of the valid types: " +
		"[CRC32, CRC32C, CRC64NVME, SHA1, SHA256]")
}

// setChecksums shows an object's checksums and what they are made of.
func setChecksums(h http.Header, sums []store.Checksum) {
	for _, sum := range sums {
		setChecksum(h, sum)
		h["X-Amz-Checksum-Type"] = []string{checksumType(sum)}
	}
}

func setChecksum(h http.Header, sum store.Checksum) {
	for _, row := range checksumHeaders {
		if row.algorithm == sum.Algorithm {
			h[row.header] = []string{sum.Value}
		}
	}
}

func checksumType(sum store.Checksum) string {
	if sum.Type == "" {
		return s3.FullObject
	}
	return string(sum.Type)
}

// shownChecksums returns checksums as XML shows them, with their type.
func shownChecksums(sums []store.Checksum) (shown []s3.Checksum, kind string) {
	for _, sum := range sums {
		shown = append(shown, s3.Checksum{Algorithm: string(sum.Algorithm), Value: sum.Value})
		kind = checksumType(sum)
	}
	return shown, kind
}
