package main

import (
	"fmt"
	"net/http"
	"sort"
	"strings"
)

// snippets are the values of --snippet. Where a URL asks for a PIN, they name
// the place for it and never hold it: URL and PIN had better take different
// ways.
var snippets = map[string]bool{"": true, "curl": true, "fetch": true, "form": true, "headers": true}

func (a *app) printPresigned(f *presignFlags, out []presigned) error {
	if a.json {
		return a.printJSON(out)
	}
	for _, p := range out {
		switch f.snippet {
		case "curl":
			fmt.Fprintln(a.out, p.curl())
		case "fetch":
			fmt.Fprintln(a.out, p.fetch())
		case "form":
			fmt.Fprintln(a.out, p.form())
		case "headers":
			for _, name := range p.headerNames() {
				fmt.Fprintf(a.out, "%s: %s\n", name, p.Headers[name])
			}
			if p.PIN {
				fmt.Fprintf(a.out, "%s: PIN\n", pinHeader)
			}
		default:
			fmt.Fprintln(a.out, p.URL)
		}
	}
	return nil
}

// headerNames are the headers that the holder must send, in order.
func (p *presigned) headerNames() []string {
	names := make([]string, 0, len(p.Headers))
	for name := range p.Headers {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

// shellQuote quotes for a POSIX shell.
func shellQuote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

func (p *presigned) curl() string {
	parts := []string{"curl", "--fail-with-body"}
	switch p.Method {
	case http.MethodGet:
	case http.MethodHead:
		parts = append(parts, "--head")
	case http.MethodPut:
		parts = append(parts, "--upload-file", "FILE")
	default:
		parts = append(parts, "--request", p.Method)
	}
	for _, name := range p.headerNames() {
		parts = append(parts, "--header", shellQuote(name+": "+p.Headers[name]))
	}
	if p.PIN {
		parts = append(parts, "--header", shellQuote(pinHeader+": PIN"))
	}
	return strings.Join(append(parts, shellQuote(p.URL)), " ")
}

// jsString writes a JavaScript string literal that is also safe in HTML.
func jsString(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, "'", `\'`, "\n", `\n`, "\r", `\r`, "<", `\u003c`).Replace(s) + "'"
}

// fetch is a call of the browser's fetch; file, and pin where there is one,
// are variables of the page.
func (p *presigned) fetch() string {
	var b strings.Builder
	fmt.Fprintf(&b, "const response = await fetch(%s, {\n  method: %s,\n", jsString(p.URL), jsString(p.Method))
	if len(p.Headers) > 0 || p.PIN {
		b.WriteString("  headers: {\n")
		for _, name := range p.headerNames() {
			fmt.Fprintf(&b, "    %s: %s,\n", jsString(name), jsString(p.Headers[name]))
		}
		if p.PIN {
			fmt.Fprintf(&b, "    %s: pin,\n", jsString(pinHeader))
		}
		b.WriteString("  },\n")
	}
	if p.Method == http.MethodPut {
		b.WriteString("  body: file,\n")
	}
	b.WriteString("});\nif (!response.ok) throw new Error(await response.text());")
	return b.String()
}

// form is a page's file input that uploads with the URL; a plain HTML form
// cannot send PUT.
func (p *presigned) form() string {
	if p.Method != http.MethodPut {
		return `<a href="` + strings.NewReplacer("&", "&amp;", `"`, "&quot;", "<", "&lt;").Replace(p.URL) + `">Download</a>`
	}
	pin := ""
	if p.PIN {
		pin = "  const pin = prompt('PIN');\n"
	}
	return "<input type=\"file\" id=\"file\">\n<script type=\"module\">\n" +
		"document.getElementById('file').onchange = async (event) => {\n  const file = event.target.files[0];\n" + pin +
		p.fetch() + "\n};\n</script>"
}
