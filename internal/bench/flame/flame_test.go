package flame

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
)

const script = `daypass
	    55d1a2 runtime.mallocgc+0x12
	    55d1a3 github.com/daypass/daypass/server.(*Server).ServeHTTP
	    55d1a4 net/http.(*conn).serve (/usr/bin/daypass)

daypass
	ffffffff81 tcp_sendmsg ([kernel.kallsyms])
	    55d1a3 github.com/daypass/daypass/server.(*Server).ServeHTTP
	    55d1a4 net/http.(*conn).serve

daypass
	    55d1a4 net/http.(*conn).serve

daypass
	    55d1a8 example.com/a/base/v2.(*DB).Get
	    55d1a9 example.com/a/b.Do[go.shape.struct { example.com/x/y.z int }]
`

func TestReadPerf(t *testing.T) {
	root, err := ReadPerf(strings.NewReader(script))
	if err != nil {
		t.Fatal(err)
	}
	serve := root.Calls["http.(*conn).serve"]
	if root.Samples != 4 || len(root.Calls) != 2 || serve == nil || serve.Samples != 3 {
		t.Fatalf("%+v", root)
	}
	handler := serve.Calls["server.(*Server).ServeHTTP"]
	if handler == nil || handler.Samples != 2 || handler.Calls["runtime.mallocgc"].Samples != 1 || handler.Calls["tcp_sendmsg"].Samples != 1 {
		t.Errorf("%+v", handler)
	}
	if f := root.Calls["b.Do[go.shape.struct { example.com/x/y.z int }]"]; f == nil || f.Calls["base.(*DB).Get"] == nil {
		t.Errorf("%v", root.Calls)
	}
	for _, text := range []string{"", "daypass\n\n", "nothing at all\n"} {
		if _, err := ReadPerf(strings.NewReader(text)); err == nil {
			t.Errorf("ReadPerf(%q) is no error", text)
		}
	}
}

func draw(t *testing.T, root *Frame, o Options) string {
	t.Helper()
	var out bytes.Buffer
	if err := WriteSVG(&out, root, o); err != nil {
		t.Fatal(err)
	}
	d := xml.NewDecoder(bytes.NewReader(out.Bytes()))
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return out.String()
		} else if err != nil {
			t.Fatalf("not XML: %v\n%s", err, out.String())
		}
	}
}

func TestWriteSVG(t *testing.T) {
	root, err := ReadPerf(strings.NewReader(script))
	if err != nil {
		t.Fatal(err)
	}
	picture := draw(t, root, Options{Title: "a < b & c"})
	for _, want := range []string{"a &lt; b &amp; c", "<title>http.(*conn).serve 75.0 %</title>", "<title>tcp_sendmsg 25.0 %</title>"} {
		if !strings.Contains(picture, want) {
			t.Errorf("the picture lacks %s", want)
		}
	}
	if strings.Contains(draw(t, root, Options{Least: 0.5}), "tcp_sendmsg") {
		t.Error("a frame of 25 % is drawn where the least is 50 %")
	}
	under := draw(t, root, Options{Under: "server.(*Server).ServeHTTP"})
	if strings.Contains(under, "(*conn)") || !strings.Contains(under, "<title>tcp_sendmsg 50.0 %</title>") {
		t.Errorf("under a function: %s", under)
	}
	if err := WriteSVG(io.Discard, root, Options{Under: "nobody"}); err == nil {
		t.Error("a function that is not there is no error")
	}
}

func TestPictureIsBounded(t *testing.T) {
	root := &Frame{Name: "all"}
	for i := range 300 {
		for j := range 20 {
			root.add([]string{fmt.Sprintf("outer.function%d", i), fmt.Sprintf("inner.function%d", j)}, int64(1+j))
		}
	}
	if n := len(draw(t, root, Options{Least: 1e-4})); n > maxPicture || n < maxPicture/10 {
		t.Errorf("%d bytes", n)
	}
}
