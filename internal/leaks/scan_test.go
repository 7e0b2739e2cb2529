package leaks

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"mime/quotedprintable"
	"net/url"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/daypass/daypass/sign"
)

// A hit is what the tests compare of a Leak.
type hit struct {
	URL          string
	Line, Column int64
	NoHost       bool
}

func scan(t testing.TB, r io.Reader) []hit {
	t.Helper()
	var hits []hit
	var s Scanner
	if err := s.Scan(r, func(l Leak) {
		hits = append(hits, hit{string(l.URL), l.Line, l.Column, l.NoHost})
	}); err != nil {
		t.Fatal(err)
	}
	return hits
}

func compare(t *testing.T, what string, want, got any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

const (
	v4 = "https://b.s3.amazonaws.com/a%2Bb.jpg?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20260206%2Fus-east-1%2Fs3%2Faws4_request" +
		"&X-Amz-Date=20260206T000000Z&X-Amz-Expires=900&X-Amz-SignedHeaders=host&X-Amz-Signature=4e2be366897fc61876f2f58d9faa14959ba83a132016b50c43e77c349dcd1261"
	v2 = "http://localhost:9000/b/k?AWSAccessKeyId=AK&Expires=1770340000&Signature=AAAAAAAAAAAAAAAAAAAAAAAAAAA%3D"
	// What an SDK writes that sorts parameters, with a token and more behind
	// the signature.
	sorted = "http://minio:9000/b/k?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Content-Sha256=UNSIGNED-PAYLOAD&X-Amz-Credential=AK%2F20260206%2Fus-east-1%2Fs3%2Faws4_request" +
		"&X-Amz-Date=20260206T000000Z&X-Amz-Expires=900&X-Amz-Security-Token=IQoJb3JpZ2lu%2F%2B%3D%3D&X-Amz-Signature=4e2be366897fc61876f2f58d9faa14959ba83a132016b50c43e77c349dcd1261" +
		"&X-Amz-SignedHeaders=content-type;host&x-id=PutObject"
)

// v4a returns a URL of Version 4A, whose signatures differ in length.
func v4a(t testing.TB) string {
	t.Helper()
	key := sign.Key{ID: "AKIAIOSFODNN7EXAMPLE", Secret: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"}
	p, err := sign.NewPresigner(key, "https://h.example", "eu-west-1", sign.PresignOptions{Version: sign.V4A, RegionSet: "*"})
	if err != nil {
		t.Fatal(err)
	}
	u, err := p.URL(time.Date(2026, 2, 6, 0, 0, 0, 0, time.UTC), "GET", "b", "k", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestAround(t *testing.T) {
	for name, format := range map[string]string{
		"alone": "%s", "line": "%s\n", "crlf": "%s\r\n", "sentence": "See %s.", "question": "(Is it %s?)", "angle": "<%s>",
		"markdown": "[a](%s), next", "bold": "**%s**", "quotes": `"%s"`, "apostrophes": "curl '%s' -o x", "code": "`%s`",
		"xml": "<a>%s</a>", "csv": "1,%s,2", "semicolons": "1;%s;2", "list": "['%s','b']", "dotted": "%s...", "table": "|%s|",
		"referer": `h - - "GET / HTTP/1.1" 200 "%s" "curl"`, "json then newline": `{"m":"GET %s\n"}`, "wide": "見て：%s。次",
		"assigned": "URL=%s", "redirect": "https://proxy/?u=%s", "binary": "\x00\xff\x12%s\x00\xfe", "ampersand": "%s&",
		"broken escape": `\u00%s\u`,
	} {
		for version, u := range map[string]string{"v4": v4, "v2": v2, "sorted": sorted, "v4a": v4a(t)} {
			text := fmt.Sprintf(format, u)
			compare(t, name+" "+version, []hit{{URL: u, Line: 1, Column: int64(strings.Index(text, "http"+u[4:])) + 1}}, scan(t, strings.NewReader(text)))
		}
	}
}

func quotedPrintable(text string, crlf bool) string {
	var b strings.Builder
	w := quotedprintable.NewWriter(&b)
	io.WriteString(w, text)
	w.Close()
	if crlf {
		return b.String()
	}
	return strings.ReplaceAll(b.String(), "\r\n", "\n")
}

func TestEscaped(t *testing.T) {
	inJSON := func(s string) string { b, _ := json.Marshal(s); return string(b) }
	gson := strings.NewReplacer("&", `\u0026`, "=", `\u003d`)
	for version, u := range map[string]string{"v4": v4, "v2": v2, "sorted": sorted, "v4a": v4a(t)} {
		for name, text := range map[string]string{
			"html":             html.EscapeString(u),
			"html numbers":     strings.NewReplacer("&", "&#38;", "=", "&#61;").Replace(u),
			"html hexadecimal": strings.NewReplacer("&", "&#x26;", "=", "&#x3D;", "/", "&#x2F;").Replace(u),
			"html in quotes":   `&quot;` + html.EscapeString(u) + `&quot;,&quot;x&quot;`,
			"html twice":       html.EscapeString(html.EscapeString(u)),
			"json":             inJSON(u),
			"json of php":      `{"u":"` + strings.ReplaceAll(u, "/", `\/`) + `"}`,
			"json of gson":     `{"u":"` + gson.Replace(u) + `"}`,
			"json in json":     inJSON(`{"a":` + inJSON(u) + `,"b":1}`),
			"json thrice":      inJSON(inJSON(inJSON("x " + u + " y"))),
			"javascript":       strings.NewReplacer("&", `\x26`, "=", `\x3d`).Replace(u),
			"shell":            strings.NewReplacer("&", `\&`, "=", `\=`, "?", `\?`, ";", `\;`).Replace(u),
			"percent":          "https://proxy/?u=" + url.QueryEscape(u) + "&next=1",
			"percent, last":    "GET /?u=" + url.QueryEscape(u) + " HTTP/1.1",
			"percent twice":    "https://proxy/?u=" + url.QueryEscape("https://other/?v="+url.QueryEscape(u)+"&w=1") + "&next=1",
			"percent, slashes": "https://proxy/?u=" + strings.ReplaceAll(url.QueryEscape(u), "%2F", "/"),
			"percent in json":  inJSON("https://proxy/?u=" + url.QueryEscape(u) + "&next=1"),
			"json in percent":  "https://proxy/?u=" + url.QueryEscape(inJSON(u)),
			"lower-case":       "/?u=" + strings.NewReplacer("%3A", "%3a", "%2F", "%2f", "%3F", "%3f", "%3D", "%3d").Replace(url.QueryEscape(u)),
			"quoted-printable": quotedPrintable("Here: "+u+" and more of it, so that the line ends late", true),
			"quoted with lf":   quotedPrintable("Here: "+u+"\nmore", false),
			"html in quoted":   quotedPrintable(`<a href="`+html.EscapeString(u)+`">`, true),
		} {
			var got []string
			for _, h := range scan(t, strings.NewReader(text)) {
				got = append(got, h.URL)
			}
			want := u
			if name == "percent, slashes" {
				// One cannot tell which slashes were escaped once.
				want = strings.ReplaceAll(u, "%252F", "%2F")
			}
			compare(t, name+" "+version, []string{want}, got)
		}
	}
}

// TestSoftBreaks moves the breaks of quoted-printable to every place.
func TestSoftBreaks(t *testing.T) {
	for _, u := range []string{v4, v2} {
		for _, crlf := range []bool{false, true} {
			for n := range 76 {
				hits := scan(t, strings.NewReader("x\n"+quotedPrintable(strings.Repeat("a", n)+" "+u+" z", crlf)))
				if len(hits) != 1 || hits[0].URL != u {
					t.Errorf("%.5s after %d: %v", u, n, hits)
					continue
				}
				if h := hits[0]; n < 70 && (h.Line != 2 || h.Column != int64(n)+2) { // later, a break comes first
					t.Errorf("%.5s after %d: at %d:%d", u, n, h.Line, h.Column)
				}
			}
		}
	}
}

func TestWithoutScheme(t *testing.T) {
	_, rest, _ := strings.Cut(v4, "://")
	path := rest[strings.IndexByte(rest, '/'):]
	for text, want := range map[string]hit{
		`h - - [x] "GET ` + path + ` HTTP/1.1" 200`: {URL: "https://unknown.invalid" + path, Line: 1, Column: 16, NoHost: true},
		"curl " + rest:    {URL: v4, Line: 1, Column: 6},
		"src=//" + rest:   {URL: v4, Line: 1, Column: 5},
		"path=" + path:    {URL: "https://unknown.invalid" + path, Line: 1, Column: 6, NoHost: true},
		"HTTPS://" + rest: {URL: "HTTPS://" + rest, Line: 1, Column: 1},
	} {
		compare(t, text, []hit{want}, scan(t, strings.NewReader(text)))
	}
}

func TestSeveral(t *testing.T) {
	other := strings.ReplaceAll(v4, "4e2b", "5e2b")
	for _, between := range []string{",", " ", "\n", `","`, "','", "|", ";", "](", ""} {
		text := v4 + between + other + between + v2
		var got []string
		for _, h := range scan(t, strings.NewReader(text)) {
			got = append(got, h.URL)
		}
		compare(t, between, []string{v4, other, v2}, got)
	}
	// One in a parameter of the other: both are found.
	nested := v2[:strings.Index(v2, "AWS")] + "u=" + url.QueryEscape(v4) + "&" + v2[strings.Index(v2, "AWS"):]
	var got []string
	for _, h := range scan(t, strings.NewReader(nested)) {
		got = append(got, h.URL)
	}
	compare(t, "nested", []string{v4, nested}, got)
}

func TestNotOurs(t *testing.T) {
	replace := func(pairs ...string) string { return strings.NewReplacer(pairs...).Replace(v4) }
	for name, text := range map[string]string{
		"google":        replace("X-Amz-", "X-Goog-", "AWS4-HMAC", "GOOG4-RSA"),
		"google v2":     "https://storage.googleapis.com/b/k?GoogleAccessId=a%40b&Expires=1770340000&Signature=AAAAAAAAAAAAAAAAAAAAAAAAAAA%3D",
		"cloudfront":    "https://d.cloudfront.net/k?Expires=1770340000&Signature=AAAAAAAAAAAAAAAAAAAAAAAAAAA_&Key-Pair-Id=K",
		"other service": replace("%2Fs3%2F", "%2Fsts%2F"),
		"placeholder":   v4[:strings.LastIndexByte(v4, '=')+1] + "<signature>",
		"redacted":      v4[:strings.LastIndexByte(v4, '=')+1] + "REDACTED",
		"cut off":       v4[:len(v4)-3],
		"too long":      replace("Expires=900", "Expires=604801"),
		"query only":    v4[strings.IndexByte(v4, '?')+1:],
		"prose":         "The Signature=value pair, X-Amz-Signature=, &Signature=",
		"code":          `q.Set("X-Amz-Signature", sig); Signature = 1; mySignature=3`,
		"empty":         "",
	} {
		if got := scan(t, strings.NewReader(text)); len(got) > 0 {
			t.Errorf("%s: found %v", name, got)
		}
	}
}

// TestGlued finds URLs in files that have no space between strings.
func TestGlued(t *testing.T) {
	for _, after := range []string{"abc", "runtime error", "0", "%20x"} {
		compare(t, after, []hit{{URL: v4, Line: 1, Column: 4}}, scan(t, strings.NewReader("xyz"+v4+after)))
	}
}

func TestInspection(t *testing.T) {
	var got Leak
	if err := new(Scanner).Scan(strings.NewReader(html.EscapeString(sorted)), func(l Leak) { got = l }); err != nil {
		t.Fatal(err)
	}
	compare(t, "host", "minio:9000", got.Inspection.Host)
	compare(t, "signer", "AK", got.Inspection.KeyID)
	compare(t, "token", true, got.Inspection.HasToken)
	compare(t, "headers", []string{"content-type", "host"}, got.Inspection.SignedHeaders)
	if s := fmt.Sprintf("%v %+v", got.URL, got.URL); strings.Contains(s, "Signature") {
		t.Errorf("a leak's URL prints as %s", s)
	}
}

// TestPlaces puts a URL at many places of a long input, which is read in
// pieces of various sizes, and expects the right line and column.
func TestPlaces(t *testing.T) {
	const length = 2*bufferSize + 5*reach
	at := []int{0, 1, reach, bufferSize - reach - 10, bufferSize - reach - 400, bufferSize - len(v4), bufferSize - 3,
		bufferSize, bufferSize + 300, length - len(v4)}
	for seam := range 24 {
		at = append(at, bufferSize-reach-strings.Index(v4, "Signature=")-12+seam)
	}
	for _, filler := range []string{"a\n", strings.Repeat("word and more ", 7) + "\n", " "} {
		text := bytes.Repeat([]byte(filler), length/len(filler)+1)[:length]
		for _, i := range at {
			input := bytes.Clone(text)
			copy(input[i:], v4)
			if i > 0 {
				input[i-1] = ' '
			}
			if i+len(v4) < len(input) {
				input[i+len(v4)] = ' '
			}
			before := input[:i]
			want := []hit{{URL: v4, Line: int64(bytes.Count(before, []byte("\n"))) + 1, Column: int64(i - bytes.LastIndexByte(before, '\n'))}}
			compare(t, fmt.Sprintf("%.5q at %d", filler, i), want, scan(t, bytes.NewReader(input)))
			compare(t, fmt.Sprintf("%.5q at %d, in halves", filler, i), want, scan(t, iotest.HalfReader(bytes.NewReader(input))))
		}
	}
}

// TestEndOfReading reports what was read before an error.
func TestEndOfReading(t *testing.T) {
	broken := errors.New("broken")
	found := 0
	err := new(Scanner).Scan(io.MultiReader(strings.NewReader(v4), iotest.ErrReader(broken)), func(Leak) { found++ })
	if !errors.Is(err, broken) || found != 1 {
		t.Errorf("found %d, then %v", found, err)
	}
}

// TestHostile takes input that would take long if it were looked at again and
// again. Go's own limit on tests would end it.
func TestHostile(t *testing.T) {
	for _, piece := range []string{
		"&Signature=", "X-Amz-Signature=", "&Signature%3D", "&Signature=&Signature%3D", "Sig=\nnature=3D", "https://a/?&Signature=",
		"https://", "=\n", `\u0026Signature\u003d`, "&amp;Signature=3D", "&Signature=\n", "?&Signature=%%%%",
	} {
		start := time.Now()
		text := strings.Repeat(piece, 4<<20/len(piece))
		if got := scan(t, strings.NewReader(text)); len(got) > 0 {
			t.Errorf("%q: found %d", piece, len(got))
		}
		t.Logf("%q: %.1f MB/s", piece, 4.2/time.Since(start).Seconds())
	}
}

func FuzzScan(f *testing.F) {
	for _, u := range []string{v4, v2, sorted, v4a(f)} {
		f.Add([]byte(u))
		f.Add([]byte(html.EscapeString(u)))
		f.Add([]byte(strings.ReplaceAll(u, "&", `\u0026`)))
		f.Add([]byte("u=" + url.QueryEscape(u)))
		f.Add([]byte(quotedPrintable(u, true)))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var all []hit
		var s Scanner
		if err := s.Scan(bytes.NewReader(text), func(l Leak) {
			all = append(all, hit{string(l.URL), l.Line, l.Column, l.NoHost})
			in, err := sign.Inspect(string(l.URL))
			if err != nil || in.PassID != l.Inspection.PassID || in.PassID == "" {
				t.Errorf("found %q, which is none: %v", string(l.URL), err)
			}
			lines := bytes.Split(text, []byte("\n"))
			if l.Line < 1 || l.Line > int64(len(lines)) || l.Column < 1 || l.Column > int64(len(lines[l.Line-1]))+1 {
				t.Errorf("found at %d:%d of %d lines", l.Line, l.Column, len(lines))
			}
		}); err != nil {
			t.Fatal(err)
		}
		// Whatever comes before and after on other lines changes nothing.
		if more := scan(t, strings.NewReader("\n"+string(text))); len(more) != len(all) {
			t.Errorf("found %d, behind a line break %d", len(all), len(more))
		}
	})
}

func benchmark(b *testing.B, text []byte) {
	var s Scanner
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if err := s.Scan(bytes.NewReader(text), func(Leak) {}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkProse(b *testing.B) {
	benchmark(b, bytes.Repeat([]byte("Some words that a person could have written, Since when? = and so on.\n"), 32<<20/71))
}

func BenchmarkLog(b *testing.B) {
	benchmark(b, bytes.Repeat([]byte(`time=2026-02-06T00:00:00Z level=INFO msg="Served" method=GET path=/b/k?x=1 Status=200 Size=17 `+"\n"), 32<<20/97))
}

func BenchmarkHits(b *testing.B) {
	benchmark(b, bytes.Repeat([]byte(v4+"\n"), 8<<20/len(v4)))
}

func BenchmarkEscapedHits(b *testing.B) {
	benchmark(b, bytes.Repeat([]byte(html.EscapeString(v4)+"\n"), 8<<20/len(v4)))
}
