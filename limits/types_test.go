package limits_test

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/daypass/daypass/limits"
)

func TestAllowsType(t *testing.T) {
	for _, test := range []struct {
		patterns, declared string
		want               bool
	}{
		{"image/*", "image/png", true},
		{"image/*", "IMAGE/PNG", true},
		{"image/*", "image/png; charset=x", true},
		{"image/*", " image/png ", true},
		{"image/*", "imagex/png", false},
		{"image/*", "image/*", false},
		{"image/*", "image/", false},
		{"image/*", "image", false},
		{"image/*", "text/html", false},
		{"image/*", "text/html;image/png", false},
		{"image/*", "image/png, text/html", false},
		{"image/*", "image/png; x; y", false},
		{"image/*", "image/png; a=1; a=2", false},
		{"image/*", "image/png/x", false},
		{"image/png", "image/png;q=1", true},
		{"image/png", "image/pngx", false},
		{"image/png,text/plain", "text/plain;charset=utf-8", true},
		{"*/*", "x/y", true},
		{"*/*", "", true},
		{"*/*", "*/*", false},
		{"*/*", "nonsense", false},
		{"application/octet-stream", "", true},
		{"binary/octet-stream", "", true},
		{"application/octet-stream", "binary/octet-stream", true},
		{"application/*", "", true},
		{"image/*", "", false},
	} {
		s, err := parseOne(limits.Type, test.patterns)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.AllowsType(test.declared); got != test.want {
			t.Errorf("%s allows %q: %v", test.patterns, test.declared, got)
		}
	}
}

func encoded(t *testing.T, write func(io.Writer) error) string {
	t.Helper()
	var b bytes.Buffer
	if err := write(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func zipOf(t *testing.T, method uint16, names ...string) string {
	return encoded(t, func(w io.Writer) error {
		z := zip.NewWriter(w)
		for _, name := range names {
			f, err := z.CreateHeader(&zip.FileHeader{Name: name, Method: method})
			if err != nil {
				return err
			}
			io.WriteString(f, name+strings.Repeat(" application/epub+zip", 20))
		}
		return z.Close()
	})
}

// epub is a ZIP archive that says what it is in its first file, stored and
// without a data descriptor, as its specification demands.
func epub(t *testing.T) string {
	const mimetype = "application/epub+zip"
	return encoded(t, func(w io.Writer) error {
		z := zip.NewWriter(w)
		f, err := z.CreateRaw(&zip.FileHeader{Name: "mimetype", UncompressedSize64: uint64(len(mimetype)), CompressedSize64: uint64(len(mimetype))})
		if err != nil {
			return err
		}
		io.WriteString(f, mimetype)
		return z.Close()
	})
}

func tarOf(t *testing.T) string {
	return encoded(t, func(w io.Writer) error {
		a := tar.NewWriter(w)
		a.WriteHeader(&tar.Header{Name: "a.txt", Size: 5, Mode: 0o644})
		io.WriteString(a, "hello")
		return a.Close()
	})
}

func gzipOf(t *testing.T, text string) string {
	return encoded(t, func(w io.Writer) error {
		z := gzip.NewWriter(w)
		io.WriteString(z, text)
		return z.Close()
	})
}

func wide(text string) string {
	var b []byte
	for _, u := range utf16.Encode([]rune(text)) {
		b = append(b, byte(u), byte(u>>8))
	}
	return string(b)
}

// samples are the leading bytes of files of all kinds.
func samples(t *testing.T) map[string]string {
	picture := image.NewPaletted(image.Rect(0, 0, 64, 64), color.Palette{color.Black, color.White})
	long := strings.Repeat("All work and no play makes Jack a dull boy. ", 20)
	return map[string]string{
		"png":        encoded(t, func(w io.Writer) error { return png.Encode(w, picture) }),
		"jpeg":       encoded(t, func(w io.Writer) error { return jpeg.Encode(w, picture, nil) }),
		"gif":        encoded(t, func(w io.Writer) error { return gif.Encode(w, picture, nil) }),
		"webp":       "RIFF\x24\x00\x00\x00WEBPVP8 \x18\x00\x00\x00\x30\x01\x00\x9d\x01\x2a",
		"avif":       "\x00\x00\x00\x20ftypavif\x00\x00\x00\x00avifmif1miafMA1B",
		"heic":       "\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic",
		"heic mif1":  "\x00\x00\x00\x18ftypmif1\x00\x00\x00\x00mif1heic",
		"bmp":        "BM\x36\x00\x0c\x00\x00\x00\x00\x00\x36\x00\x00\x00\x28\x00\x00\x00\x00\x02\x00\x00",
		"bmp OS/2":   "BM\x36\x00\x0c\x00\x00\x00\x00\x00\x1a\x00\x00\x00\x0c\x00\x00\x00\x00\x02\x00\x02",
		"tiff":       "II*\x00\x08\x00\x00\x00\x10\x00",
		"bigtiff":    "II+\x00\x08\x00\x00\x00\x10\x00\x00\x00",
		"pdf":        "%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<< /Type /Catalog /Pages 2 0 R >>\nendobj\n",
		"pdf late":   "HTTP/1.1 200 OK\r\n\r\n%PDF-1.4\n1 0 obj\n",
		"zip":        zipOf(t, zip.Deflate, "a.txt", "b.txt"),
		"docx":       zipOf(t, zip.Deflate, "[Content_Types].xml", "_rels/.rels", "word/document.xml"),
		"docx late":  zipOf(t, zip.Store, "[Content_Types].xml", "docProps/app.xml", "word/document.xml"),
		"docx enc":   "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + strings.Repeat("\x00", 16) + "\x3e\x00\x03\x00\xfe\xff\x09\x00" + strings.Repeat("\x00", 40) + strings.Repeat("\xff", 440),
		"xlsx":       zipOf(t, zip.Deflate, "[Content_Types].xml", "xl/workbook.xml"),
		"epub":       epub(t),
		"jar":        zipOf(t, zip.Deflate, "META-INF/MANIFEST.MF", "a.class"),
		"mp4":        "\x00\x00\x00\x20ftypisom\x00\x00\x02\x00isomiso2avc1mp41\x00\x00\x00\x08free",
		"m4a":        "\x00\x00\x00\x20ftypM4A \x00\x00\x02\x00isomiso2",
		"mov":        "\x00\x00\x00\x14ftypqt  \x20\x05\x03\x00qt  \x00\x00\x00\x08wide",
		"m4s":        "\x00\x00\x00\x18styp" + "msdh\x00\x00\x00\x00msdhmsix\x00\x00\x00\x2csidx",
		"webm":       "\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01\x42\xf7\x81\x01\x42\xf2\x81\x04\x42\xf3\x81\x08\x42\x82\x84webm\x42\x87\x81\x04",
		"mp3 ID3":    "ID3\x04\x00\x00\x00\x00\x00\x23TSSE\x00\x00\x00\x0f\x00\x00\x03Lavf58.29.100\x00",
		"mp3 raw":    "\xff\xfb\x90\x64" + strings.Repeat("\x00", 413) + "\xff\xfb\x90\x64",
		"mp3 late":   "\x00\x00\x00\x00\x00\xff\xfb\x90\x64" + strings.Repeat("\x00", 500),
		"ogg":        "OggS\x00\x02\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x1e\x01vorbis",
		"wav":        "RIFF\x24\x08\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x02\x00",
		"flac":       "fLaC\x00\x00\x00\x22\x10\x00\x10\x00",
		"svg":        `<svg xmlns="http://www.w3.org/2000/svg" width="10" height="10"><circle r="5"/></svg>`,
		"svg xml":    "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"no\"?>\n<!-- Created with Inkscape -->\n\n<svg xmlns=\"http://www.w3.org/2000/svg\">",
		"svg late":   "<?xml version=\"1.0\"?>\n<!-- " + long + " -->\n<svg xmlns=\"http://www.w3.org/2000/svg\">",
		"svg long":   "<!-- " + long + " -->\n<svg xmlns=\"http://www.w3.org/2000/svg\">",
		"svg plain":  "<!DOCTYPE svg PUBLIC \"-//W3C//DTD SVG 1.1//EN\" \"x\">\n<svg width=\"1\">",
		"html":       "<!DOCTYPE html>\n<html><head><title>x</title><script>alert(1)</script>",
		"html bom":   "\xef\xbb\xbf \n\t<HtMl><script>alert(1)</script>",
		"html nul":   "<script>alert(1)</script>\x00\x01\x02",
		"html pdf":   "<script>alert(1)</script>\n%PDF-1.7\n",
		"html note":  "<!-- x --><script>alert(1)</script>",
		"xhtml":      `<?xml version="1.0"?><!DOCTYPE html><html xmlns="http://www.w3.org/1999/xhtml">`,
		"xml":        "<?xml version=\"1.0\"?>\n<order><id>7</id></order>",
		"rss":        `<?xml version="1.0"?><rss version="2.0"><channel>`,
		"php":        "<?php system($_GET['x']); ?>",
		"shell":      "#!/bin/sh\nrm -rf /\n",
		"exe":        "MZ\x90\x00\x03\x00\x00\x00\x04\x00\x00\x00\xff\xff\x00\x00",
		"elf":        "\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x03\x00\x3e\x00",
		"csv":        "id,name,price\n1,apple,0.5\n2,pear,0.7\n3,plum,0.3\n",
		"csv one":    "name\napple\npear\n",
		"csv semi":   "id;name\n1;apple\n",
		"tsv":        "id\tname\n1\tapple\n2\tpear\n",
		"json":       `{"id": 7, "name": "apple"}`,
		"json long":  `[` + strings.Repeat(`{"id": 7, "name": "apple"},`, 100),
		"ndjson":     "{\"id\":1}\n{\"id\":2}\n",
		"text":       "Hello, world.\n" + long,
		"text latin": "Caf\xe9 au lait, d\xe9j\xe0 vu\n",
		"text wide":  "\xff\xfe" + wide("Hello, world."),
		"text raw16": wide("Hello, world, without a mark."),
		"text raw8":  wide("文書 one two 三"),
		"text BM":    "BM wrote this letter; it is no picture.\n" + long,
		"text MZ":    "MZ is how programs of DOS begin, and this sentence.\n",
		"text FWS":   "FWS stands for the Fish and Wildlife Service.\n",
		"text pdf":   "A PDF file begins with %PDF-1.7, as everybody knows.\n",
		"text back":  "N\x08NA\x08AM\x08ME\x08E\n       ls - list directory contents\n",
		"markdown":   "<p align=\"center\"><img src=\"logo.png\"></p>\n\n# Title\n",
		"css":        "body { color: red }\n",
		"js":         "export const x = 1;\n",
		"yaml":       "a: 1\nb:\n  - 2\n",
		"rtf":        `{\rtf1\ansi\deff0 {\fonttbl {\f0 Times;}}}`,
		"eml":        "From: a@example.com\nTo: b@example.com\nSubject: x\n\nHello\n",
		"gzip":       gzipOf(t, long),
		"tar":        tarOf(t),
		"tar empty":  strings.Repeat("\x00", 1024),
		"7z":         "7z\xbc\xaf\x27\x1c\x00\x04",
		"ole":        "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + strings.Repeat("\x00", 504),
		"sqlite":     "SQLite format 3\x00\x10\x00",
		"ttf":        "\x00\x01\x00\x00\x00\x11\x01\x00\x00\x04\x00\x10GDEF\x01\x02\x03\x04",
		"woff2":      "wOF2\x00\x01\x00\x00\x00\x00",
		"wasm":       "\x00asm\x01\x00\x00\x00",
		"random":     "\x9c\x1f\x00\x8e\x02\xd3\x41\xc5\x7a\x11\x99\x05\xe0\x3b\x64\xaa\x00\x01\x17\xf3",
		"empty":      "",
		"spaces":     "   \n",
	}
}

const (
	docx = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
	xlsx = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
)

// TestHonest checks that files under their own type are never refused.
func TestHonest(t *testing.T) {
	data := samples(t)
	for name, declared := range map[string]string{
		"png": "image/png", "jpeg": "image/jpeg,image/jpg,image/pjpeg", "gif": "image/gif", "webp": "image/webp", "avif": "image/avif",
		"heic": "image/heic,image/heif", "heic mif1": "image/heic,image/heif,image/avif", "bmp": "image/bmp,image/x-ms-bmp", "bmp OS/2": "image/bmp",
		"tiff": "image/tiff,image/x-nikon-nef", "bigtiff": "image/tiff",
		"pdf": "application/pdf,application/x-pdf,application/illustrator,application/postscript", "pdf late": "application/pdf",
		"zip":  "application/zip,application/x-zip-compressed,application/java-archive,application/vnd.android.package-archive,application/vnd.oasis.opendocument.text,application/x-unknown,application/vnd.ms-package.3dmanufacturing-3dmodel+xml",
		"docx": docx, "docx late": docx, "docx enc": docx + "," + xlsx + ",application/msword", "xlsx": xlsx,
		"epub": "application/epub+zip,application/zip", "jar": "application/java-archive,application/vnd.android.package-archive,application/zip",
		"mp4": "video/mp4,audio/mp4,video/quicktime,video/x-m4v,audio/x-m4a", "m4a": "audio/mp4,audio/x-m4a,audio/m4a", "mov": "video/quicktime,video/mp4",
		"m4s": "video/mp4,video/iso.segment,audio/mp4", "webm": "video/webm,audio/webm,video/x-matroska",
		"mp3 ID3": "audio/mpeg,audio/mp3,audio/aac", "mp3 raw": "audio/mpeg", "mp3 late": "audio/mpeg", "ogg": "audio/ogg,video/ogg,application/ogg,audio/opus",
		"wav": "audio/wav,audio/x-wav", "flac": "audio/flac,audio/x-flac",
		"svg": "image/svg+xml,application/xml,text/xml", "svg xml": "image/svg+xml,application/xml", "svg late": "image/svg+xml,application/xml",
		"svg long": "image/svg+xml", "svg plain": "image/svg+xml",
		"html": "text/html,text/html; charset=utf-8,text/plain,application/xhtml+xml,text/markdown,application/x-httpd-php", "html bom": "text/html", "html note": "text/html",
		"xhtml": "application/xhtml+xml,text/html,application/xml", "xml": "application/xml,text/xml,application/vnd.foo+xml,application/x-plist,text/html",
		"rss": "application/rss+xml,application/xml,application/atom+xml", "php": "application/x-httpd-php,text/x-php,text/plain",
		"shell": "application/x-sh,text/x-shellscript,text/plain,text/javascript", "exe": "application/vnd.microsoft.portable-executable,application/x-msdownload,application/x-unknown",
		"elf": "application/x-executable,application/x-sharedlib,application/x-elf",
		"csv": "text/csv,text/plain,application/csv,application/vnd.ms-excel", "csv one": "text/csv", "csv semi": "text/csv", "tsv": "text/tab-separated-values,text/csv",
		"json": "application/json,text/json,application/vnd.api+json,text/plain,application/manifest+json", "json long": "application/json", "ndjson": "application/x-ndjson,application/json",
		"text": "text/plain,text/markdown,text/csv,application/yaml,message/rfc822,text/x-go,text/html", "text latin": "text/plain; charset=iso-8859-1", "text wide": "text/plain",
		"text raw16": "text/plain,text/csv", "text raw8": "text/plain; charset=UTF-16LE", "text BM": "text/plain,text/markdown", "text MZ": "text/plain", "text FWS": "text/plain", "text pdf": "text/plain,text/csv",
		"text back": "text/plain", "markdown": "text/markdown,text/html,text/plain", "css": "text/css", "js": "text/javascript,application/javascript",
		"yaml": "application/yaml,text/yaml", "rtf": "application/rtf,text/rtf,application/msword", "eml": "message/rfc822,text/plain",
		"gzip": "application/gzip,application/x-gzip,application/x-tgz", "tar": "application/x-tar", "tar empty": "application/x-tar", "7z": "application/x-7z-compressed",
		"ole": "application/msword,application/vnd.ms-excel,application/vnd.ms-powerpoint", "sqlite": "application/vnd.sqlite3", "ttf": "font/ttf,font/otf,font/sfnt",
		"woff2": "font/woff2", "wasm": "application/wasm", "random": "application/octet-stream,binary/octet-stream,,application/x-unknown,image/x-unknown,image/bmp,application/dicom",
		"spaces": "text/plain,image/svg+xml,application/json",
	} {
		head, ok := data[name]
		if !ok {
			t.Fatal("no sample", name)
		}
		for _, d := range strings.Split(declared, ",") {
			for _, n := range []int{512, len(head)} {
				if detected, bad := limits.Contradicts(d, []byte(head[:min(n, len(head))])); bad {
					t.Errorf("%s declared as %q is refused as %s", name, d, detected)
				}
			}
		}
	}
	for name, head := range data {
		for _, d := range []string{"", "application/octet-stream", "binary/octet-stream"} {
			if _, bad := limits.Contradicts(d, []byte(head)); bad {
				t.Errorf("%s declared as %q is refused", name, d)
			}
		}
	}
	for _, d := range []string{"image/png", "text/html", "x/y", "", "nonsense"} {
		if _, bad := limits.Contradicts(d, nil); bad {
			t.Errorf("nothing declared as %q is refused", d)
		}
	}
}

// TestDishonest checks that files under another type are refused.
func TestDishonest(t *testing.T) {
	data := samples(t)
	pages := "html,html bom,html nul,html pdf,html note,xhtml,markdown"
	active := pages + ",svg,svg xml,xml,php,shell"
	programs := "exe,elf"
	others := active + "," + programs + ",pdf,zip,docx,text,json,csv,gzip,random,sqlite,spaces"
	for declared, names := range map[string]string{
		"image/png": others + ",jpeg,gif,webp,mp4,text BM", "image/jpeg": others + ",png,gif", "image/gif": others + ",png", "image/webp": others + ",png,wav",
		"image/PNG ; x=y": "html,jpeg", "image/jpg": "html,png,random", "image/avif": others + ",png,m4a", "image/heic": others + ",jpeg,mov,m4a",
		"image/bmp": active + "," + programs + ",png,text", "image/tiff": active + ",png", "image/x-unknown": active + "," + programs, "image/vnd.foo": active,
		"audio/x-unknown-thing": active + "," + programs, "video/x-unknown": active, "font/x-unknown": active,
		"image/svg+xml": "html,html bom,html pdf,html note,markdown,php,shell,pdf,png,text,json,exe,gzip,jpeg", "application/rss+xml": "html,html note,svg,text,png",
		"application/pdf": others[:strings.Index(others, ",pdf")] + ",png,zip,text,random", "application/zip": "html,pdf,png,text,random,gzip,exe,7z",
		docx: "html,pdf,png,text,random,xlsx,exe,epub", "application/epub+zip": "docx,html,png,random", "application/msword": "html,docx,png,random,text",
		"video/mp4": active + "," + programs + ",png,avif,heic,pdf,text,webm,zip", "audio/mp4": "html,png,avif,zip", "video/quicktime": "html,avif",
		"audio/mpeg": active + "," + programs + ",png,pdf,text,ogg,wav", "audio/wav": "html,webp,mp3 ID3", "application/ogg": "html,random",
		"text/plain": "png,jpeg,gif,pdf,zip,exe,elf,gzip,tar,mp4,ole,random,bmp", "text/csv": "html,svg,xml,php,shell,png,pdf,zip,exe,random,rtf",
		"text/markdown": "png,pdf,exe,random", "text/html": "png,pdf,exe,zip,random,rtf", "text/css": "png,exe,random",
		"application/json": "html,svg,xml,php,png,pdf,exe,random,rtf", "application/vnd.api+json": "png,exe", "application/xml": "html,text,json,png,pdf,php",
		"application/gzip": "html,zip,text,random,tar", "application/x-tar": "html,text,zip,gzip", "application/vnd.sqlite3": "html,text,random",
		"font/woff2": "html,ttf,text,random", "font/ttf": "html,text,woff2", "application/wasm": "html,text,random,exe",
		"application/unknown": active, "unknown/unknown": active, "text/javascript": "html,png,exe", "application/postscript": "html,png,exe",
		"nonsense": "text,html", "image/png, text/html": "png,html", "*/*": "text,html", "image/*": "png", "image/png;=": "png",
	} {
		for _, name := range strings.Split(names, ",") {
			head, ok := data[name]
			if !ok {
				t.Fatal("no sample", name)
			}
			if detected, bad := limits.Contradicts(declared, []byte(head)); !bad {
				t.Errorf("%s passes for %s (detected %s)", name, declared, detected)
			}
		}
	}
}

// TestDetected checks that a refusal names what was found, without parameters.
func TestDetected(t *testing.T) {
	data := samples(t)
	for name, want := range map[string]string{"html": "text/html", "html nul": "text/html", "html pdf": "text/html", "pdf": "application/pdf",
		"text": "text/plain", "svg": "image/svg+xml", "random": "application/octet-stream", "exe": "application/vnd.microsoft.portable-executable"} {
		if got, _ := limits.Contradicts("image/png", []byte(data[name])); got != want {
			t.Errorf("%s was detected as %s, want %s", name, got, want)
		}
	}
}
