package limits

import (
	"bytes"
	"net/http"
	"slices"
	"strings"

	"github.com/gabriel-vasile/mimetype"
)

// maxHead is how much of an upload is looked at: what a browser looks at
// (WHATWG MIME Sniffing Standard, section 7).
const maxHead = 512

// Contradicts reports whether the leading bytes of an upload, 512 or all
// there are, belong to another type than the declared one, and to which.
//
// What a program could run or a browser show as a page must be declared as
// such. A type with a signature must show it; where a signature can stand
// later, or the library does not know it, unknown bytes pass: an honest file
// is never to be refused. An empty head contradicts nothing.
func Contradicts(declared string, head []byte) (detected string, contradicts bool) {
	head = head[:min(len(head), maxHead)]
	found := sniff(head)
	detected = plainName(found)
	name, params, ok := mediaType(declared)
	switch {
	case len(head) == 0:
		return detected, false
	case !ok:
		return detected, true
	}
	if standard := otherNames[name]; standard != "" {
		name = standard
	}
	d := declaration{name: name, params: params, known: mimetype.Lookup(name), found: found, detected: detected, head: head}
	if d.known != nil {
		d.name = plainName(d.known)
	}
	return detected, !d.holds()
}

// plainName returns the library's name of a type, without parameters.
func plainName(m *mimetype.MIME) string {
	name, _, _ := strings.Cut(m.String(), ";")
	return name
}

// sniff detects the type of leading bytes. The library searches for a PDF's
// signature anywhere in them, and for HTML only where all else is text;
// browsers do neither.
func sniff(head []byte) *mimetype.MIME {
	found := mimetype.Detect(head)
	if found.Is(pdfType) && !isPDF(head) {
		masked := mimetype.Detect(bytes.ReplaceAll(head, []byte(pdfMark), []byte("     ")))
		if !masked.Is(octetStream) && plainName(masked) != textType {
			found = masked
		}
	}
	if shown := asBrowser(head); shown != "" && !isActive(plainName(found)) {
		return mimetype.Lookup(shown)
	}
	return found
}

const (
	pdfMark  = "%PDF-"
	pdfType  = "application/pdf"
	textType = "text/plain"
	htmlType = "text/html"
	xmlType  = "text/xml"
	svgType  = "image/svg+xml"
	phpType  = "text/x-php"
	jsType   = "text/javascript"
	rtfType  = "text/rtf"
	oleType  = "application/x-ole-storage"
	zipType  = "application/zip"
	heifType = "image/heif"
)

// isPDF reports whether a PDF begins here, but for a byte-order mark and
// spaces.
func isPDF(head []byte) bool { return bytes.HasPrefix(skipSpace(head), []byte(pdfMark)) }

func skipSpace(head []byte) []byte {
	return bytes.TrimLeft(bytes.TrimPrefix(head, []byte("\xEF\xBB\xBF")), " \t\r\n\f")
}

// asBrowser returns HTML or XML where a browser that looks at the bytes would
// take them for that.
func asBrowser(head []byte) string {
	name, _, _ := strings.Cut(http.DetectContentType(skipSpace(head)), ";")
	if name == htmlType || name == xmlType {
		return name
	}
	return ""
}

// A declaration is a declared type beside what was found.
type declaration struct {
	// name is the declared type, by the library's name where it knows it.
	name   string
	params map[string]string
	// known is the type in the library's tree, nil where it is not there.
	known    *mimetype.MIME
	found    *mimetype.MIME
	detected string
	head     []byte
}

// holds reports whether the bytes may be of the declared type.
func (d *declaration) holds() bool {
	switch {
	case d.name == octetStream || slices.Contains(mayHold[d.name], d.detected):
		return true
	case d.isText():
		return d.holdsText()
	case d.known == nil:
		return d.holdsUnknown()
	case d.found.Is(octetStream):
		return !d.isSigned()
	}
	return d.isRelated()
}

// isRelated reports whether what was found is the declared type, an ancestor
// or descendant of it, or one that bytes alone do not tell from it.
func (d *declaration) isRelated() bool {
	switch {
	case strings.HasPrefix(d.detected, "image/") && (strings.HasPrefix(d.name, "audio/") || strings.HasPrefix(d.name, "video/")):
		return false // the library keeps pictures below the container of videos
	case slices.Contains(tagged[:], d.name) && bytes.HasPrefix(d.head, []byte("ID3")):
		return true
	}
	for m := d.known; m != nil; m = m.Parent() {
		if m.Is(d.detected) {
			return true
		}
	}
	for m := d.found; m != nil; m = m.Parent() {
		if m.Is(d.name) {
			return true
		}
	}
	return slices.ContainsFunc(alike[:], func(family []string) bool {
		return slices.Contains(family, d.name) && slices.Contains(family, d.detected)
	})
}

// holdsUnknown judges a type that the library does not know. Media must not
// be pages or programs; what other types hold cannot be told.
func (d *declaration) holdsUnknown() bool {
	if !isActive(d.detected) && !isProgram(d.found) {
		return true
	}
	switch major, _, _ := strings.Cut(d.name, "/"); major {
	case "image", "audio", "video", "font":
		return false
	}
	return d.name != "application/unknown" && d.name != "unknown/unknown" // which browsers replace by what they find
}

// isText reports whether the declared type is one of text.
func (d *declaration) isText() bool {
	return strings.HasPrefix(d.name, "text/") || isXML(d.name) || strings.HasSuffix(d.name, "+json") ||
		below(d.known, textType) || slices.Contains(textual[:], d.name)
}

// holdsText judges a declared type of text.
func (d *declaration) holdsText() bool {
	switch {
	case below(d.found, textType):
		return d.holdsKind()
	case d.found.Is(octetStream):
		return !d.needsText() || bytes.IndexByte(d.head, 0) < 0 || d.isWide()
	case slices.ContainsFunc(d.head, isBinary):
		return d.isRelated()
	}
	// A sentence can begin with the two or four letters that are the whole
	// signature of some binary types; these two have more.
	return d.isRelated() || !isPDF(d.head) && d.detected != "image/gif"
}

// isBinary reports whether a byte is no part of any text (WHATWG MIME Sniffing
// Standard, section 3, "binary data byte").
func isBinary(b byte) bool {
	return b < ' ' && b != '\t' && b != '\n' && b != '\f' && b != '\r' && b != '\x1B'
}

// holdsKind judges text that was declared as text.
func (d *declaration) holdsKind() bool {
	switch {
	case isXML(d.name):
		return d.holdsXML()
	case !isActive(d.detected):
		return d.known == nil || slices.Contains(guessed[:], d.detected) || d.isRelated()
	case d.known == nil || d.name == htmlType || d.name == phpType:
		return true
	}
	return d.isRelated()
}

// holdsXML judges text that was declared as XML. All vocabularies of XML pass
// for one another: only their namespaces, which can stand anywhere, tell them
// apart.
func (d *declaration) holdsXML() bool {
	begin := skipSpace(d.head)
	switch {
	case d.detected == htmlType:
		return d.name == "application/xhtml+xml" || asBrowser(skipComments(begin)) != htmlType
	case d.detected == svgType:
		return d.name == svgType || d.name == xmlType || bytes.HasPrefix(begin, []byte("<?xml"))
	case isActive(d.detected):
		return isXML(d.detected)
	}
	return len(begin) == 0 || begin[0] == '<' || begin[0] >= 0xFE // a byte-order mark of UTF-16
}

// skipComments returns what follows leading comments: XML and HTML share them.
func skipComments(head []byte) []byte {
	for {
		head = skipSpace(head)
		if !bytes.HasPrefix(head, []byte("<!--")) {
			return head
		}
		_, rest, _ := bytes.Cut(head, []byte("-->"))
		head = rest
	}
}

// needsText reports whether the declared type never holds binary data.
func (d *declaration) needsText() bool {
	return (strings.HasPrefix(d.name, "text/") || below(d.known, textType)) && !strings.HasPrefix(d.name, "image/x-portable-")
}

// isWide reports whether text is UTF-16 or UTF-32 without a byte-order mark:
// it says so, or many bytes are zero but never at one place of each four.
func (d *declaration) isWide() bool {
	charset := strings.ToLower(d.params["charset"])
	if strings.HasPrefix(charset, "utf-16") || strings.HasPrefix(charset, "utf-32") {
		return true
	}
	var zeros [4]int
	for i, b := range d.head {
		if b == 0 {
			zeros[i%4]++
		}
	}
	all := zeros[0] + zeros[1] + zeros[2] + zeros[3]
	return slices.Contains(zeros[:], 0) && all > len(d.head)/8
}

// isSigned reports whether every file of the declared type begins with a
// signature that the library finds in 512 bytes.
func (d *declaration) isSigned() bool {
	for m := d.known; m != nil; m = m.Parent() {
		if slices.Contains(signed[:], plainName(m)) {
			return true
		}
	}
	return false
}

// below reports whether a type is the named one or a descendant of it.
func below(m *mimetype.MIME, name string) bool {
	for ; m != nil; m = m.Parent() {
		if m.Is(name) {
			return true
		}
	}
	return false
}

// isXML reports whether a type is one of XML. That of Visio is not, whatever
// it is called.
func isXML(name string) bool {
	known := mimetype.Lookup(name)
	return below(known, xmlType) || strings.HasSuffix(name, "+xml") && !below(known, zipType)
}

// isActive reports whether a type can carry scripts that run where it is shown.
func isActive(name string) bool { return slices.Contains(active[:], name) || isXML(name) }

// isProgram reports whether content is one that a computer can be made to run.
func isProgram(found *mimetype.MIME) bool {
	return slices.ContainsFunc(programs[:], func(name string) bool { return below(found, name) })
}
