package bench

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"
)

func TestReadAnswer(t *testing.T) {
	for _, tc := range []struct {
		name, method, text string
		want               answer
	}{
		{"sized", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nServer: x\r\n\r\nhello", answer{status: 200, length: 5}},
		{"chunked", "GET", "HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n", answer{status: 200, length: -1}},
		{"no reason", "GET", "HTTP/1.1 404\r\ncontent-length:0\r\n\r\n", answer{status: 404}},
		{"partial", "GET", "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-4/9\r\nContent-Length: 5\r\n\r\n", answer{status: 206, length: 5, contentRange: "bytes 0-4/9"}},
		{"close", "GET", "HTTP/1.1 200 OK\r\nConnection: foo, Close\r\nContent-Length: 0\r\n\r\n", answer{status: 200, last: true}},
		{"no content", "DELETE", "HTTP/1.1 204 No Content\r\n\r\n", answer{status: 204, length: -1}},
		{"head", "HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", answer{status: 200, length: 5}},
		{"head of unknown length", "HEAD", "HTTP/1.1 200 OK\r\n\r\n", answer{status: 200, length: -1}},
		{"interim", "PUT", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", answer{status: 200}},
	} {
		got, err := readAnswer(bufio.NewReader(strings.NewReader(tc.text)), tc.method)
		if err != nil || got != tc.want {
			t.Errorf("%s: %+v, %v; want %+v", tc.name, got, err, tc.want)
		}
	}
}

func TestReadAnswerRefuses(t *testing.T) {
	ok := "Content-Length: 0\r\n\r\n"
	for name, text := range map[string]string{
		"nothing":              "",
		"half a line":          "HTTP/1.1 200 OK",
		"half a head":          "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n",
		"HTTP/1.0":             "HTTP/1.0 200 OK\r\n" + ok,
		"HTTP/2":               "HTTP/2 200\r\n" + ok,
		"status":               "HTTP/1.1 20x OK\r\n" + ok,
		"short status":         "HTTP/1.1 20\r\n" + ok,
		"long status":          "HTTP/1.1 2000\r\n" + ok,
		"status 99":            "HTTP/1.1 099 OK\r\n" + ok,
		"switching":            "HTTP/1.1 101 Switching Protocols\r\n\r\n",
		"endless interim":      strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", 9) + "HTTP/1.1 200 OK\r\n" + ok,
		"bare LF":              "HTTP/1.1 200 OK\nContent-Length: 0\n\n",
		"CR inside":            "HTTP/1.1 200 OK\r\nA: b\rc\r\n" + ok,
		"two lengths":          "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n" + ok,
		"signed length":        "HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\n",
		"length and chunked":   "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n" + ok,
		"other encoding":       "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
		"until closed":         "HTTP/1.1 200 OK\r\n\r\n",
		"chunked 204":          "HTTP/1.1 204 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
		"folded":               "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n" + ok,
		"space before colon":   "HTTP/1.1 200 OK\r\nContent-Length : 0\r\n\r\n",
		"no colon":             "HTTP/1.1 200 OK\r\nfoo\r\n" + ok,
		"many fields":          "HTTP/1.1 200 OK\r\n" + strings.Repeat("A: b\r\n", 101) + ok,
		"line beyond a buffer": "HTTP/1.1 200 OK\r\nA: " + strings.Repeat("b", 5000) + "\r\n" + ok,
	} {
		if got, err := readAnswer(bufio.NewReader(strings.NewReader(text)), "GET"); err == nil {
			t.Errorf("%s: %+v, want an error", name, got)
		}
	}
}

// FuzzReadAnswer holds the parser against that of net/http: whatever it takes,
// the other reads alike.
func FuzzReadAnswer(f *testing.F) {
	f.Add([]byte("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"), false)
	f.Add([]byte("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"), false)
	f.Add([]byte("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"), true)
	f.Add([]byte("HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n"), false)
	f.Fuzz(func(t *testing.T, text []byte, head bool) {
		method := "GET"
		if head {
			method = "HEAD"
		}
		in := bufio.NewReader(bytes.NewReader(text))
		got, err := readAnswer(in, method)
		if err != nil {
			return
		}
		other := bufio.NewReader(bytes.NewReader(text))
		want, err := http.ReadResponse(other, &http.Request{Method: method})
		for err == nil && want.StatusCode < 200 {
			want, err = http.ReadResponse(other, &http.Request{Method: method})
		}
		if err != nil {
			t.Fatalf("taken as %+v; net/http: %v", got, err)
		}
		if want.StatusCode != got.status {
			t.Errorf("status %d, net/http has %d", got.status, want.StatusCode)
		}
		if got.hasBody(method) && got.length != want.ContentLength {
			t.Errorf("length %d, net/http has %d", got.length, want.ContentLength)
		}
		if want.Close != got.last {
			t.Errorf("close %v, net/http has %v", got.last, want.Close)
		}
		rest, _ := io.ReadAll(in)
		if !got.hasBody(method) {
			wantRest, _ := io.ReadAll(other)
			if !bytes.Equal(rest, wantRest) {
				t.Errorf("%d bytes are left, net/http leaves %d", len(rest), len(wantRest))
			}
		}
	})
}
