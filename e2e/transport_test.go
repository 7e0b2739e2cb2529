package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"io/fs"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/s3/transfermanager"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// TestTLS uses pre-signed URLs over TLS, where HTTP/2 is spoken.
func TestTLS(t *testing.T) {
	t.Parallel()
	certificate, key, roots := selfSigned(t)
	s := serve(t, "--tls-cert", certificate, "--tls-key", key)
	s.url = strings.Replace(s.url, "http:", "https:", 1)
	client := &http.Client{Timeout: time.Minute, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: true}}
	u := &user{server: s, http: client, bucket: "e2e-tls", keys: oddKeys, owner: s.s3(func(o *s3.Options) {
		o.BaseEndpoint, o.HTTPClient = aws.String(s.url), client
	})}
	if _, err := u.owner.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &u.bucket}); err != nil {
		t.Fatal(err)
	}
	passes := goSDKPasses(t, u.owner, u.bucket, "v4 tls")
	u.check(t, time.Now(), passes)
	if a := u.open(t, passes[0], ""); a.ProtoMajor != 2 {
		t.Errorf("answered by %s", a.Proto)
	}
	large := aws.String("in parts")
	if _, err := manager(u.owner, 5<<20).UploadObject(t.Context(), &transfermanager.UploadObjectInput{Bucket: &u.bucket, Key: large,
		Body: io.LimitReader(zeros{}, 12<<20), ChecksumAlgorithm: "SHA256"}); err != nil {
		t.Fatal(err)
	}
	attributes, err := u.owner.GetObjectAttributes(t.Context(), &s3.GetObjectAttributesInput{Bucket: &u.bucket, Key: large, ObjectAttributes: []types.ObjectAttributes{"ObjectSize", "ObjectParts"}})
	if err != nil || *attributes.ObjectSize != 12<<20 || *attributes.ObjectParts.TotalPartsCount != 3 {
		t.Errorf("GetObjectAttributes: %+v, %v", attributes, err)
	}
	// Over TLS the SDK sends its checksum behind a body that it cannot read
	// twice.
	_, err = u.owner.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &u.bucket, Key: aws.String("streamed"),
		Body: io.LimitReader(zeros{}, 1<<20), ContentLength: aws.Int64(1 << 20), ChecksumAlgorithm: "CRC32"})
	if err != nil {
		t.Fatal(err)
	}
	head, err := u.owner.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: &u.bucket, Key: aws.String("streamed"), ChecksumMode: "ENABLED"})
	if err != nil || *head.ContentLength != 1<<20 || head.ChecksumCRC32 == nil {
		t.Errorf("HeadObject: %+v, %v", head, err)
	}
}

// selfSigned writes a certificate for 127.0.0.1 and its key.
func selfSigned(t *testing.T) (certificate, key string, roots *x509.CertPool) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "e2e"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	roots = x509.NewCertPool()
	roots.AppendCertsFromPEM(text)
	dir := t.TempDir()
	return write(t, filepath.Join(dir, "cert.pem"), string(text)),
		write(t, filepath.Join(dir, "key.pem"), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}))), roots
}

// TestBrokenUploads cuts uploads off; nothing of them may stay.
func TestBrokenUploads(t *testing.T) {
	t.Parallel()
	s := serve(t)
	u := newUser(s, "broken")
	if _, err := u.owner.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &u.bucket}); err != nil {
		t.Fatal(err)
	}
	const half = 2 << 20
	for name, body := range map[string]string{
		"length":  fmt.Sprintf("Content-Length: %d\r\n\r\n%s", 2*half, strings.Repeat("x", half)),
		"chunked": fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n", half, strings.Repeat("x", half)),
		"small":   "Content-Length: 100\r\n\r\nfew",
	} {
		t.Run(name, func(t *testing.T) {
			req, err := s3.NewPresignClient(u.owner).PresignPutObject(t.Context(), &s3.PutObjectInput{Bucket: &u.bucket, Key: &name})
			if err != nil {
				t.Fatal(err)
			}
			target, err := url.Parse(req.URL)
			if err != nil {
				t.Fatal(err)
			}
			conn, err := net.Dial("tcp", s.addr())
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(conn, "PUT %s HTTP/1.1\r\nHost: %s\r\n%s", target.RequestURI(), target.Host, body)
			conn.(*net.TCPConn).CloseWrite()
			answer, _ := io.ReadAll(conn)
			conn.Close()
			if strings.HasPrefix(string(answer), "HTTP/1.1 200") {
				t.Errorf("half an upload is answered by %s", answer)
			}
			_, err = u.owner.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: &u.bucket, Key: &name})
			wantError(t, err, 404, "")
		})
	}
	if size := diskUse(t, s.dir); size > half {
		t.Errorf("the data directory holds %d bytes after uploads that failed", size)
	}
}

// TestExpectWithoutBody asks leave to send a body of no bytes, as the AWS
// command line does. Where it gets a final answer at once and the connection
// goes on, it takes the next "100 Continue" on it for another final answer and
// hangs.
func TestExpectWithoutBody(t *testing.T) {
	t.Parallel()
	s := serve(t)
	u := newUser(s, "expect")
	if _, err := u.owner.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &u.bucket}); err != nil {
		t.Fatal(err)
	}
	for name, signed := range map[string]string{
		"done":    u.presign(t, "PUT", "empty", url.Values{}),
		"refused": u.presign(t, "PUT", "empty", url.Values{}) + "0",
	} {
		t.Run(name, func(t *testing.T) {
			target, err := url.Parse(signed)
			if err != nil {
				t.Fatal(err)
			}
			conn, err := net.Dial("tcp", s.addr())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			conn.SetDeadline(time.Now().Add(5 * time.Second))
			fmt.Fprintf(conn, "PUT %s HTTP/1.1\r\nHost: %s\r\nContent-Length: 0\r\nExpect: 100-continue\r\n\r\n", target.RequestURI(), target.Host)
			answer := make([]byte, 64<<10)
			n, err := conn.Read(answer)
			text := string(answer[:n])
			if err != nil || !strings.HasPrefix(text, "HTTP/1.1 100 ") && !strings.Contains(text, "\r\nConnection: close\r\n") {
				t.Errorf("neither says that the body may come nor ends the connection: %v\n%s", err, text)
			}
		})
	}
}

// diskUse adds up the files below a directory, by what they take of the disk.
func diskUse(t *testing.T, dir string) int64 {
	var sum int64
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if os.IsNotExist(err) {
			return nil
		}
		if err == nil {
			sum += info.Size()
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	return sum
}
