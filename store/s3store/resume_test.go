package s3store

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/store"
)

const resumeContent = "0123456789"

// serveContent answers as S3 does with an object that has a content and an ETag.
func serveContent(content, etag string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"`+etag+`"`)
		if match := r.Header.Get("If-Match"); match != "" {
			r.Header.Set("If-Match", `"`+strings.Trim(match, `"`)+`"`)
		}
		http.ServeContent(w, r, "", time.Time{}, strings.NewReader(content))
	}
}

// A cutWriter lets n bytes of an answer through, and then does what end says.
type cutWriter struct {
	http.ResponseWriter
	n   int
	end func()
}

// Write implements io.Writer.
func (c *cutWriter) Write(p []byte) (int, error) {
	n, err := c.ResponseWriter.Write(p[:min(len(p), c.n)])
	c.n -= n
	if err == nil && n < len(p) {
		c.ResponseWriter.(http.Flusher).Flush()
		c.end()
	}
	return n, err
}

// cut answers with the first n bytes of what next would answer with.
func cut(n int, next http.Handler, end func()) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) { next.ServeHTTP(&cutWriter{w, n, end}, r) }
}

func breakOff() { panic(http.ErrAbortHandler) }

// body returns the content of the object with the ETag "e".
func (x *fixture) body(ctx context.Context) *remoteBody {
	obj := &store.Object{Size: int64(len(resumeContent)), ETag: "e"}
	return x.Driver.body(ctx, found{place: place{"b", "k"}}, obj, new(origin))
}

// read reads all of an object but the first byte.
func (x *fixture) read() (string, error) {
	b := x.body(x.t.Context())
	defer b.Close()
	r, err := b.Range(1, int64(len(resumeContent)-1))
	if err != nil {
		return "", err
	}
	text, err := io.ReadAll(r)
	return string(text), err
}

// TestResume: a download whose upstream breaks off goes on elsewhere, with the
// same object or not at all.
func TestResume(t *testing.T) {
	whole := serveContent(resumeContent, "e")
	for name, tt := range map[string]struct {
		first, second []http.HandlerFunc // what endpoints do, the last for ever
		want          string             // what is read; with an error where it is not all
		counts        []int              // of requests
	}{
		"another endpoint": {[]http.HandlerFunc{cut(4, whole, breakOff)}, []http.HandlerFunc{whole}, "123456789", []int{1, 1}},
		"before the first byte": {
			[]http.HandlerFunc{cut(0, whole, breakOff)}, []http.HandlerFunc{whole}, "123456789", []int{1, 1},
		},
		"back and forth": {
			[]http.HandlerFunc{cut(4, whole, breakOff), whole}, []http.HandlerFunc{cut(2, whole, breakOff)}, "123456789", []int{2, 1},
		},
		"the same endpoint, since no other answers": {
			[]http.HandlerFunc{cut(4, whole, breakOff), whole}, []http.HandlerFunc{status(503, "ServiceUnavailable")}, "123456789", []int{2, 1},
		},
		"no endpoint": {
			[]http.HandlerFunc{cut(4, whole, breakOff), status(503, "ServiceUnavailable")},
			[]http.HandlerFunc{status(503, "ServiceUnavailable")}, "1234", []int{2, 1},
		},
		"again and again": {
			[]http.HandlerFunc{cut(1, whole, breakOff)}, []http.HandlerFunc{cut(1, whole, breakOff)}, "1234", []int{2, 2},
		},
		"another object": {
			[]http.HandlerFunc{cut(4, whole, breakOff)}, []http.HandlerFunc{serveContent("abcdefghij", "other")}, "1234", []int{1, 1},
		},
		"another object, without a look at If-Match": {
			[]http.HandlerFunc{cut(4, whole, breakOff)},
			[]http.HandlerFunc{func(w http.ResponseWriter, r *http.Request) {
				r.Header.Del("If-Match")
				serveContent("abcdefghij", "other")(w, r)
			}}, "1234", []int{1, 1},
		},
		"another range": {
			[]http.HandlerFunc{cut(4, whole, breakOff)},
			[]http.HandlerFunc{func(w http.ResponseWriter, r *http.Request) {
				r.Header.Set("Range", "bytes=4-9")
				whole(w, r)
			}}, "1234", []int{1, 1},
		},
		"the object is gone": {
			[]http.HandlerFunc{cut(4, whole, breakOff)}, []http.HandlerFunc{status(404, "NoSuchKey")}, "1234", []int{1, 1},
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, 2, func(x *fixture) {
				for i, answers := range [][]http.HandlerFunc{tt.first, tt.second} {
					x.up[i].set(func(w http.ResponseWriter, r *http.Request) {
						answers[min(x.up[i].count(), len(answers))-1](w, r)
					})
				}
				text, err := x.read()
				if text != tt.want || (err == nil) != (text == resumeContent[1:]) {
					t.Errorf("read %q, %v; want %q", text, err, tt.want)
				}
				if err != nil {
					x.code(err, daypass.ServiceUnavailable)
				}
				for i, n := range tt.counts {
					if got := x.up[i].count(); got != n {
						t.Errorf("endpoint %d got %d requests, want %d", i, got, n)
					}
				}
			})
		})
	}
}

// TestResumeAfterHang: an answer that stands still is one that broke off.
func TestResumeAfterHang(t *testing.T) {
	whole := serveContent(resumeContent, "e")
	bubble(t, 2, func(x *fixture) {
		x.up[0].set(cut(4, whole, func() { <-x.up[0].gone }))
		x.up[1].set(whole)
		begin := time.Now()
		text, err := x.read()
		if text != resumeContent[1:] || err != nil {
			t.Errorf("read %q, %v", text, err)
		}
		if took := time.Since(begin); took != x.config.IdleTimeout {
			t.Errorf("went on after %v, want %v", took, x.config.IdleTimeout)
		}
	})
}

// TestNoResume: nothing more is asked for when nobody wants it.
func TestNoResume(t *testing.T) {
	whole := serveContent(resumeContent, "e")
	for name, stop := range map[string]func(b *remoteBody, cancel func()){
		"closed":        func(b *remoteBody, _ func()) { b.Close() },
		"client gone":   func(_ *remoteBody, cancel func()) { cancel() },
		"another range": func(b *remoteBody, _ func()) { b.Range(0, 1) },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, 1, func(x *fixture) {
				x.up[0].set(cut(4, whole, func() { <-x.up[0].gone }))
				ctx, cancel := context.WithCancel(x.t.Context())
				defer cancel()
				b := x.body(ctx)
				defer b.Close()
				r, err := b.Range(0, 10)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := io.ReadFull(r, make([]byte, 4)); err != nil {
					t.Fatal(err)
				}
				stop(b, cancel)
				before := x.up[0].count()
				if n, err := r.Read(make([]byte, 6)); n != 0 || err == nil {
					t.Errorf("read %d bytes, %v", n, err)
				}
				if got := x.up[0].count(); got != before {
					t.Errorf("asked for more")
				}
			})
		})
	}
}
