//go:build linux

package h1

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

// behaviours are what handlers may do to an answer, by the path that asks for
// it.
var behaviours = map[string]func(*pair, http.ResponseWriter, *http.Request){
	"nothing": func(*pair, http.ResponseWriter, *http.Request) {},
	"small":   func(_ *pair, w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<html>small") },
	"pieces": func(_ *pair, w http.ResponseWriter, _ *http.Request) {
		for i := range 1000 {
			fmt.Fprintf(w, "piece %d\n", i)
		}
	},
	"large": func(_ *pair, w http.ResponseWriter, _ *http.Request) { w.Write(make([]byte, 100<<10)) },
	"declared": func(_ *pair, w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "5000")
		for range 50 {
			w.Write([]byte(strings.Repeat("d", 100)))
		}
	},
	"declared-large": func(_ *pair, w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "200000")
		w.Header().Set("Content-Type", "a/b")
		w.Write(make([]byte, 3000))
		w.Write(make([]byte, 197000))
	},
	"too-much": func(_ *pair, w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "5")
		n, err := io.WriteString(w, "hello")
		m, more := io.WriteString(w, "world")
		if n != 5 || err != nil || m != 0 || more != http.ErrContentLength {
			panic(fmt.Sprint(n, err, m, more))
		}
	},
	"too-little": func(_ *pair, w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "10")
		io.WriteString(w, "hello")
	},
	"status": func(_ *pair, w http.ResponseWriter, r *http.Request) {
		code, _ := strconv.Atoi(r.URL.Query().Get("code"))
		w.Header().Set("Content-Type", "text/x")
		w.Header().Set("ETag", `"e"`)
		if r.URL.Query().Has("length") {
			w.Header().Set("Content-Length", "4")
		}
		w.WriteHeader(code)
		n, err := io.WriteString(w, "body")
		if (err == http.ErrBodyNotAllowed) != (code == 204 || code == 304) || err == nil && n != 4 {
			panic(fmt.Sprint(n, err))
		}
	},
	"interim": func(_ *pair, w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Link", "</style.css>; rel=preload")
		w.Header().Set("Content-Length", "2")
		w.WriteHeader(http.StatusEarlyHints)
		w.WriteHeader(http.StatusProcessing)
		io.WriteString(w, "ok")
	},
	"twice": func(_ *pair, w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(201)
		w.WriteHeader(500)
	},
	"later": func(_ *pair, w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(200)
		w.Header().Set("Late", "too late")
		io.WriteString(w, "x")
	},
	"headers": func(_ *pair, w http.ResponseWriter, _ *http.Request) {
		h := w.Header()
		h["X-Split"] = []string{"a\r\nInjected: yes", "  spaced\t", "\r\n", ""}
		h["bad name"], h["colon:"], h[""], h["new\nline"], h["ümlaut"] = []string{"x"}, []string{"x"}, []string{"x"}, []string{"x"}, []string{"x"}
		h["lower-case"], h["None"], h["Date"] = []string{"x"}, nil, []string{"Tue, 24 Nov 2026 01:00:00 GMT"}
		h["Content-Type"] = nil
		io.WriteString(w, "<html>")
	},
	"close":      headers("Connection", "close"),
	"Close":      headers("Connection", "Close"),
	"keep":       headers("Connection", "keep-alive"),
	"more-close": headers("Connection", "x, close"),
	"no-length":  headers("Content-Length", "-1"),
	"bad-length": headers("Content-Length", "five"),
	"chunked":    headers("Transfer-Encoding", "chunked"),
	"identity":   headers("Transfer-Encoding", "identity"),
	"gzip":       headers("Content-Encoding", "gzip"),
	"encoding":   headers("Transfer-Encoding", "gzip"),
	"both":       headers("Transfer-Encoding", "chunked", "Content-Length", "5"),
	"trailers": func(_ *pair, w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Trailer", "X-Sum, X-Other")
		io.WriteString(w, "text")
		w.Header().Set("X-Sum", "1")
		w.Header().Set(http.TrailerPrefix+"X-Late", "2")
	},
	"late-trailers": func(_ *pair, w http.ResponseWriter, _ *http.Request) {
		w.Write(make([]byte, 5000))
		w.Header().Set(http.TrailerPrefix+"X-Late", "2")
	},
	"panic":       func(*pair, http.ResponseWriter, *http.Request) { panic("on purpose") },
	"abort":       func(*pair, http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	"late-panic":  func(_ *pair, w http.ResponseWriter, _ *http.Request) { w.Write(make([]byte, 100000)); panic("late") },
	"small-panic": func(_ *pair, w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "held back"); panic("soon") },
	"bad-status":  func(_ *pair, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(99) },
	"flush": func(_ *pair, w http.ResponseWriter, _ *http.Request) {
		c := http.NewResponseController(w)
		fmt.Fprint(w, "one", c.Flush())
		fmt.Fprint(w, "two", c.Flush(), c.SetWriteDeadline(time.Now().Add(time.Hour)), c.SetReadDeadline(time.Now().Add(time.Hour)))
	},
	"flush-empty":   func(_ *pair, w http.ResponseWriter, _ *http.Request) { w.(http.Flusher).Flush() },
	"read-half":     reads(3, false),
	"read-none":     reads(0, false),
	"close-body":    reads(0, true),
	"close-half":    reads(3, true),
	"answer-first":  answersFirst(false),
	"full-duplex":   answersFirst(true),
	"read-past":     readsPast,
	"slow":          readsSlowly,
	"file":          sendsFile,
	"expect-answer": func(_ *pair, w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "no, thanks") },
	"multipart": func(_ *pair, w http.ResponseWriter, r *http.Request) {
		err := r.ParseMultipartForm(1)
		fmt.Fprint(w, r.PostForm, err)
	},
}

// headers answers with some headers and a body of five bytes.
func headers(fields ...string) func(*pair, http.ResponseWriter, *http.Request) {
	return func(_ *pair, w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(fields); i += 2 {
			w.Header().Set(fields[i], fields[i+1])
		}
		io.WriteString(w, "hello")
	}
}

// reads reads n bytes of the body, and may close it.
func reads(n int, closes bool) func(*pair, http.ResponseWriter, *http.Request) {
	return func(_ *pair, w http.ResponseWriter, r *http.Request) {
		buf := make([]byte, n)
		m, err := io.ReadFull(r.Body, buf)
		text := fmt.Sprint(m, err)
		if closes {
			text += fmt.Sprint(" closed ", r.Body.Close())
			k, err := r.Body.Read(make([]byte, 1))
			text += fmt.Sprint(" ", k, err)
		}
		io.WriteString(w, text)
	}
}

// answersFirst writes before it reads.
func answersFirst(duplex bool) func(*pair, http.ResponseWriter, *http.Request) {
	return func(_ *pair, w http.ResponseWriter, r *http.Request) {
		c := http.NewResponseController(w)
		if duplex {
			c.EnableFullDuplex()
		}
		w.Write(make([]byte, 10000))
		c.Flush()
		body, err := io.ReadAll(r.Body)
		fmt.Fprint(w, len(body), err)
	}
}

// readsSlowly reads in small pieces, with pauses, while somebody waits for the
// end of the request.
func readsSlowly(_ *pair, w http.ResponseWriter, r *http.Request) {
	ended := r.Context().Done()
	sum, length := 0, 0
	for buf, pause := make([]byte, 777), 20; ; pause-- {
		n, err := r.Body.Read(buf)
		for _, c := range buf[:n] {
			sum = sum*31 + int(c)
		}
		if length += n; err != nil {
			fmt.Fprint(w, length, " ", sum, " ", err)
			return
		}
		if pause > 0 {
			select {
			case <-ended:
			case <-time.After(100 * time.Microsecond):
			}
		}
	}
}

func readsPast(_ *pair, w http.ResponseWriter, r *http.Request) {
	var text string
	for range 5 {
		n, err := r.Body.Read(make([]byte, 4))
		text += fmt.Sprint(n, " ", err, "; ")
	}
	n, err := r.Body.Read(nil)
	text += fmt.Sprint(n, err, r.Body.Close(), r.Body.Close())
	n, err = r.Body.Read(nil)
	io.WriteString(w, text+fmt.Sprint(n, err))
}

// sendsFile sends from a file as the query says.
func sendsFile(p *pair, w http.ResponseWriter, r *http.Request) {
	f, err := os.Open(p.file)
	if err != nil {
		panic(err)
	}
	defer f.Close()
	q := r.URL.Query()
	number := func(name string) int64 { n, _ := strconv.ParseInt(q.Get(name), 10, 64); return n }
	f.Seek(number("from"), io.SeekStart)
	for _, name := range []string{"Content-Length", "Content-Type"} {
		if q.Has(name) {
			w.Header().Set(name, q.Get(name))
		}
	}
	if q.Has("head") {
		w.WriteHeader(int(number("head")))
	}
	var src io.Reader = f
	switch {
	case q.Has("limit"):
		src = io.LimitReader(f, number("limit"))
	case q.Has("section"):
		src = io.NewSectionReader(f, number("from"), number("section"))
	}
	var n int64
	for range max(number("times"), 1) {
		m, err := io.Copy(w, src)
		if n += m; err != nil {
			break
		}
	}
	at, _ := f.Seek(0, io.SeekCurrent)
	rest, _ := io.ReadAll(src)
	w.Header().Set(http.TrailerPrefix+"X-Sent", fmt.Sprint(n, at, len(rest)))
}
