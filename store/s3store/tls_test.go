package s3store

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/store"
)

// newCertificate makes a certificate that signs itself, and returns it with the
// files that it and its key are in.
func newCertificate(t *testing.T) (certificate *x509.Certificate, certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	if certificate, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return certificate, writePEM(t, "CERTIFICATE", der), writePEM(t, "PRIVATE KEY", secret)
}

func writePEM(t *testing.T, kind string, der []byte) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "file.pem")
	if err := os.WriteFile(name, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// newTLSUpstream starts Daypass behind TLS, which asks for a certificate that
// clients signs (nil: for none), and returns its URL and its certificate's file.
func newTLSUpstream(t *testing.T, clients *x509.Certificate) (url, ca string) {
	t.Helper()
	h := httptest.NewUnstartedServer(upstreamHandler(t))
	h.Config.ErrorLog = log.New(io.Discard, "", 0)
	if clients != nil {
		// With TLS 1.3 a refusal comes after the handshake, and may be overtaken
		// by the end of the connection.
		h.TLS = &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: x509.NewCertPool(), MaxVersion: tls.VersionTLS12}
		h.TLS.ClientCAs.AddCert(clients)
	}
	h.StartTLS()
	t.Cleanup(h.Close)
	return h.URL, writePEM(t, "CERTIFICATE", h.Certificate().Raw)
}

// TestTLS opens drivers whose upstream speaks TLS, with what store URLs say of
// certificates, and writes and reads over those that open.
func TestTLS(t *testing.T) {
	clients, cert, key := newCertificate(t)
	_, otherCert, otherKey := newCertificate(t)
	plain, plainCA := newTLSUpstream(t, nil)
	mutual, mutualCA := newTLSUpstream(t, clients)
	for name, tt := range map[string]struct{ endpoint, parameters, words string }{
		"authority":          {plain, "&ca=" + plainCA, ""},
		"insecure":           {plain, "&insecure=1", ""},
		"system's":           {plain, "", "ca="},
		"other authority":    {plain, "&ca=" + otherCert, "ca="},
		"other name":         {strings.Replace(plain, "127.0.0.1", "localhost", 1), "&ca=" + plainCA, "the host in endpoint="},
		"no file":            {plain, "&ca=" + plainCA + ".none", "s3store: ca: open "},
		"no certificate":     {plain, "&ca=" + key, "holds no certificate in PEM"},
		"client certificate": {mutual, "&ca=" + mutualCA + "&cert=" + cert + "&key=" + key, ""},
		"without":            {mutual, "&ca=" + mutualCA, "cert= and key="},
		"another":            {mutual, "&ca=" + mutualCA + "&cert=" + otherCert + "&key=" + otherKey, "cert= and key="},
		"key of another":     {mutual, "&ca=" + mutualCA + "&cert=" + cert + "&key=" + otherKey, "s3store: cert and key: "},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := ParseURL("s3://?endpoint=" + tt.endpoint + tt.parameters + "&connect-timeout=1m&timeout=1m")
			if err != nil {
				t.Fatal(err)
			}
			c.Credentials = upstreamConfig("").Credentials
			d, err := Open(t.Context(), c)
			if tt.words != "" {
				if err == nil || !strings.Contains(err.Error(), tt.words) {
					t.Errorf("error %v, want %q", err, tt.words)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			writeAndRead(t, d)
		})
	}
}

// writeAndRead stores an object and reads it back.
func writeAndRead(t *testing.T, d *Driver) {
	t.Helper()
	s := store.New(d)
	defer s.Close()
	bucket := "bucket-" + suffix(t)
	if _, err := s.CreateBucket(t.Context(), store.Bucket{Name: bucket}, time.Now()); err != nil {
		t.Fatal(err)
	}
	body, err := store.NewUpload(strings.NewReader("hello"), store.UploadOptions{Size: 5})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.PutObject(t.Context(), &store.PutRequest{Bucket: bucket, Key: "key", Body: body}); err != nil {
		t.Fatal(err)
	}
	_, content, err := s.OpenObject(t.Context(), daypass.ObjectRef{Bucket: bucket, Key: "key"})
	if err != nil {
		t.Fatal(err)
	}
	defer content.Close()
	r, err := content.Range(0, 5)
	if err != nil {
		t.Fatal(err)
	}
	if text, err := io.ReadAll(r); err != nil || string(text) != "hello" {
		t.Errorf("read %q, %v", text, err)
	}
}
