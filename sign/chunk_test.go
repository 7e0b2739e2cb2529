package sign

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

// TestDocumentedChunks is the example of the S3 API reference, "Transferring
// Payload in Multiple Chunks (Chunked Upload)": 65 KiB of "a".
func TestDocumentedChunks(t *testing.T) {
	now := time.Date(2013, 5, 24, 0, 0, 0, 0, time.UTC)
	r := &Request{Method: "PUT", Path: "/examplebucket/chunkObject.txt", Hosts: []Host{{Name: "s3.amazonaws.com"}},
		ContentLength: 66824, Header: http.Header{
			"X-Amz-Date": {"20130524T000000Z"}, "X-Amz-Storage-Class": {"REDUCED_REDUNDANCY"},
			"X-Amz-Content-Sha256": {"STREAMING-AWS4-HMAC-SHA256-PAYLOAD"}, "Content-Encoding": {"aws-chunked"},
			"X-Amz-Decoded-Content-Length": {"66560"}, "Content-Length": {"66824"},
			"Authorization": {"AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request," +
				"SignedHeaders=content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class," +
				"Signature=4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9"},
		}}
	res, err := NewVerifier(keysOf(docKey), Options{Region: "us-east-1"}).VerifyRequest(t.Context(), r, now)
	if err != nil {
		t.Fatal(err)
	}
	body := "10000;chunk-signature=ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648\r\n" + strings.Repeat("a", 65536) + "\r\n" +
		"400;chunk-signature=0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497\r\n" + strings.Repeat("a", 1024) + "\r\n" +
		"0;chunk-signature=b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9\r\n\r\n"
	got, err := io.ReadAll(NewChunkReader(strings.NewReader(body), res, 66560, nil))
	if err != nil || string(got) != strings.Repeat("a", 66560) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

// framed signs a request with a streaming payload and frames content.
func framed(t testing.TB, version Version, signed bool, content string, trailer [][2]string) ([]byte, *Result) {
	t.Helper()
	s := NewSigner(docKey, SignerOptions{Region: "us-east-1", Version: version})
	r := wire(t, "PUT", "http://h/b/k")
	r.Header.Set("X-Amz-Decoded-Content-Length", strconv.Itoa(len(content)))
	for _, tr := range trailer {
		r.Header.Add("X-Amz-Trailer", tr[0])
	}
	seed, err := s.Sign(r, s.StreamingPayload(signed, trailer != nil), testNow)
	if err != nil {
		t.Fatal(err)
	}
	res, err := NewVerifier(keysOf(docKey), Options{Region: "us-east-1"}).Verify(r, testNow)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	w := NewChunkWriter(&b, seed, func() [][2]string { return trailer })
	if _, err := io.WriteString(w, content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if want := seed.ChunkedLength(int64(len(content)), trailer); int64(b.Len()) != want {
		t.Errorf("%d bytes framed, %d foretold", b.Len(), want)
	}
	return b.Bytes(), res
}

func announced(trailer [][2]string) (names []string) {
	for _, tr := range trailer {
		names = append(names, tr[0])
	}
	return names
}

var crcTrailer = [][2]string{{"x-amz-checksum-crc32", "AAAAAA=="}}

// TestChunks round-trips every framing at sizes around its boundaries, then
// checks that no byte of it can be changed, lost or repeated.
func TestChunks(t *testing.T) {
	for _, c := range []struct {
		name    string
		version Version
		signed  bool
		trailer [][2]string
	}{
		{"signed", V4, true, nil}, {"signed trailer", V4, true, crcTrailer}, {"unsigned trailer", V4, false, crcTrailer},
		{"V4A", V4A, true, nil}, {"V4A trailer", V4A, true, crcTrailer},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, size := range []int{0, 1, chunkSize - 1, chunkSize, chunkSize + 1, 3 * chunkSize} {
				content := strings.Repeat("x", size)
				body, res := framed(t, c.version, c.signed, content, c.trailer)
				r := NewChunkReader(iotest.HalfReader(bytes.NewReader(body)), res, int64(size), announced(c.trailer))
				got, err := io.ReadAll(r)
				if err != nil || string(got) != content {
					t.Fatalf("%d: %d bytes, %v", size, len(got), err)
				}
				if c.trailer != nil && r.Trailer().Get("X-Amz-Checksum-Crc32") != "AAAAAA==" {
					t.Errorf("trailer %v", r.Trailer())
				}
			}
			body, res := framed(t, c.version, c.signed, "hello, world", c.trailer)
			for cut := range body {
				// The last CRLF may be missing: nothing is lost with it.
				if cut < len(body)-4 {
					readsBadly(t, "cut", body[:cut], res, c.trailer)
				}
			}
			if c.signed {
				for i := range body[:len(body)-2] {
					spoilt := bytes.Clone(body)
					spoilt[i] ^= 1
					readsBadly(t, "changed at "+strconv.Itoa(i), spoilt, res, c.trailer)
				}
			}
		})
	}
}

func readsBadly(t *testing.T, what string, body []byte, res *Result, trailer [][2]string) {
	t.Helper()
	got, err := io.ReadAll(NewChunkReader(bytes.NewReader(body), res, 12, announced(trailer)))
	var e *Error
	if !errors.As(err, &e) || e.Code == "" {
		t.Errorf("%s: %q %v", what, got, err)
	}
}

func TestChunkRefusals(t *testing.T) {
	_, res := framed(t, V4, false, "hello, world", crcTrailer)
	for name, c := range map[string]struct {
		body string
		code Code
	}{
		"longer than said":   {"d\r\nhello, world!\r\n0\r\nx-amz-checksum-crc32:A\r\n\r\n", CodeIncompleteBody},
		"shorter than said":  {"5\r\nhello\r\n0\r\nx-amz-checksum-crc32:A\r\n\r\n", CodeIncompleteBody},
		"not a size":         {"zz\r\nhello, world\r\n0\r\n\r\n", CodeInvalidRequest},
		"negative size":      {"-c\r\nhello, world\r\n0\r\n\r\n", CodeInvalidRequest},
		"huge size":          {"fffffffffffffffff\r\n", CodeInvalidRequest},
		"no end of line":     {"c\r\nhello, worldX\r\n0\r\n\r\n", CodeInvalidRequest},
		"endless line":       {strings.Repeat("c", 10_000), CodeInvalidRequest},
		"missing trailer":    {"c\r\nhello, world\r\n0\r\n\r\n", CodeMalformedTrailer},
		"other trailer":      {"c\r\nhello, world\r\n0\r\nx-amz-meta-a:1\r\n\r\n", CodeMalformedTrailer},
		"junk at the end":    {"c\r\nhello, world\r\n0\r\nx-amz-checksum-crc32:A\r\n\r\njunk", CodeInvalidRequest},
		"repeated trailer":   {"c\r\nhello, world\r\n0\r\nx-amz-checksum-crc32:A\r\nx-amz-checksum-crc32:A\r\n\r\n", CodeMalformedTrailer},
		"trailer not a pair": {"c\r\nhello, world\r\n0\r\nnonsense\r\n\r\n", CodeMalformedTrailer},
	} {
		_, err := io.ReadAll(NewChunkReader(strings.NewReader(c.body), res, 12, announced(crcTrailer)))
		if codeOf(err) != c.code {
			t.Errorf("%s: %v, want %s", name, err, c.code)
		}
	}
}

// TestSmallChunks refuses a body of many small chunks, as S3 does.
func TestSmallChunks(t *testing.T) {
	_, res := framed(t, V4, true, "hello, world", nil)
	seed := *res.seed
	var b bytes.Buffer
	for _, part := range []string{"hello, ", "world", ""} {
		w := &ChunkWriter{dst: &b, kind: PayloadChunked, seed: seed, buf: []byte(part)}
		if err := w.flush(); err != nil {
			t.Fatal(err)
		}
		seed = w.seed
	}
	_, err := io.ReadAll(NewChunkReader(&b, res, 12, nil))
	if codeOf(err) != CodeInvalidChunkSize {
		t.Error(err)
	}
}

// TestChunkSourceFails hands an error of the source through.
func TestChunkSourceFails(t *testing.T) {
	body, res := framed(t, V4, true, "hello, world", nil)
	broken := io.MultiReader(bytes.NewReader(body[:95]), iotest.ErrReader(io.ErrClosedPipe))
	if _, err := io.ReadAll(NewChunkReader(broken, res, 12, nil)); !errors.Is(err, io.ErrClosedPipe) {
		t.Error(err)
	}
}

func BenchmarkChunkReader(b *testing.B) {
	content := strings.Repeat("x", 1<<20)
	body, res := framed(b, V4, true, content, nil)
	b.SetBytes(int64(len(content)))
	b.ReportAllocs()
	for b.Loop() {
		n, err := io.Copy(io.Discard, NewChunkReader(bytes.NewReader(body), res, int64(len(content)), nil))
		if err != nil || n != int64(len(content)) {
			b.Fatal(n, err)
		}
	}
}
