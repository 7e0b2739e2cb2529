package server

import (
	"mime"
	"path"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/daypass/daypass/store"
)

// Keys become paths on whatever machine the archive is unpacked. They are
// chosen by whoever may write below the prefix, who must neither reach outside
// the folder nor replace one file by another there.

// A namer gives the keys of a folder, in order of their bytes, their names in
// the archive. All keys below a prefix are neighbours in that order, so only
// the folders that the current key is in are remembered.
type namer struct{ open []zipFolder }

// A zipFolder is a folder of the archive.
type zipFolder struct {
	raw, name string // both end in a slash, but for the root's
	// used maps every name that is taken, folded, to the number that the next
	// one of that name gets.
	used map[string]int
	// merged says that the folder is the one above: an empty segment.
	merged bool
}

// name returns the name of a key; that of a folder's marker ends in a slash,
// and is empty where the folder is there already.
func (n *namer) name(key string) string {
	if n.open == nil {
		n.open = []zipFolder{{used: map[string]int{}}}
	}
	for !strings.HasPrefix(key, n.top().raw) {
		n.open = n.open[:len(n.open)-1]
	}
	rest := key[len(n.top().raw):]
	for {
		segment, after, isFolder := strings.Cut(rest, "/")
		if !isFolder {
			break
		}
		n.enter(segment)
		rest = after
	}
	top := n.top()
	switch {
	case rest != "":
		return top.name + top.take(rest, true)
	case top.merged:
		return ""
	}
	return top.name
}

func (n *namer) top() *zipFolder { return &n.open[len(n.open)-1] }

// enter opens the folder of a segment in the current one.
func (n *namer) enter(segment string) {
	in := n.top()
	f := zipFolder{raw: in.raw + segment + "/", name: in.name, used: in.used, merged: true}
	if segment != "" {
		f.name, f.used, f.merged = in.name+in.take(segment, false)+"/", map[string]int{}, false
	}
	n.open = append(n.open, f)
}

// take returns a name for a segment that no other of the folder has, not even
// where case makes no difference.
func (f *zipFolder) take(segment string, isFile bool) string {
	name := safeName(segment)
	first := foldName(name)
	number, taken := f.used[first]
	if !taken {
		f.used[first] = 2
		return name
	}
	for ; ; number++ {
		again := numberedName(name, number, isFile)
		if folded := foldName(again); f.used[folded] == 0 {
			f.used[first], f.used[folded] = number+1, 2
			return again
		}
	}
}

func foldName(name string) string { return strings.ToLower(strings.ToUpper(name)) }

// numberedName puts a number behind a name, before its extension.
func numberedName(name string, number int, isFile bool) string {
	ext := ""
	if isFile {
		ext = path.Ext(name)
	}
	if ext == name {
		ext = "" // of a dot file
	}
	return strings.TrimSuffix(name, ext) + " (" + strconv.Itoa(number) + ")" + ext
}

// safeName makes a segment of a key a name that every file system takes for
// one: Windows is the strictest ("Naming Files, Paths, and Namespaces").
func safeName(segment string) string {
	name := strings.Map(func(r rune) rune {
		if strings.ContainsRune(`<>:"/\|?*`, r) || unicode.In(r, unicode.Cc, unicode.Zl, unicode.Zp, unicode.Bidi_Control) {
			return '_'
		}
		return r
	}, strings.ToValidUTF8(segment, "_"))
	name = strings.TrimRight(name, ". ")
	if name == "" || isDevice(name) {
		return "_" + name
	}
	return name
}

// isDevice reports whether Windows takes a name for a device, which it does
// whatever the extension.
func isDevice(name string) bool {
	name, _, _ = strings.Cut(strings.ToUpper(name), ".")
	name = strings.TrimRight(name, " ")
	if slices.Contains([]string{"CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"}, name) {
		return true
	}
	port, ok := strings.CutPrefix(name, "COM")
	if !ok {
		port, ok = strings.CutPrefix(name, "LPT")
	}
	return ok && slices.Contains([]string{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "¹", "²", "³"}, port)
}

// isCompressed reports whether compressing an object again is a waste of time.
func isCompressed(obj *store.Object) bool {
	switch strings.ToLower(obj.Metadata.ContentEncoding) {
	case "", "identity", "aws-chunked":
	default:
		return true
	}
	mediaType, _, _ := mime.ParseMediaType(obj.Metadata.ContentType)
	family, kind, _ := strings.Cut(mediaType, "/")
	switch family {
	case "image", "audio", "video":
		return !slices.Contains(plainMedia, kind)
	case "font":
		return strings.HasPrefix(kind, "woff")
	}
	if slices.ContainsFunc(compressedTypes, func(t string) bool { return strings.HasPrefix(kind, t) }) || strings.HasSuffix(kind, "+zip") {
		return family == "application"
	}
	return slices.Contains(compressedExtensions, strings.ToLower(path.Ext(obj.Key)))
}

// plainMedia are images and sounds that are not compressed.
var plainMedia = []string{"svg+xml", "bmp", "x-ms-bmp", "x-icon", "vnd.microsoft.icon", "tiff", "vnd.adobe.photoshop",
	"wav", "x-wav", "vnd.wave", "aiff", "x-aiff", "basic", "midi", "x-portable-pixmap"}

// compressedTypes are the beginnings of subtypes of application.
var compressedTypes = []string{"zip", "gzip", "x-gzip", "x-zip", "x-bzip", "x-xz", "zstd", "x-zstd", "x-lzma", "x-7z", "x-rar", "vnd.rar",
	"java-archive", "pdf", "vnd.openxmlformats", "vnd.oasis.opendocument", "vnd.android.package"}

// compressedExtensions are for objects whose type says nothing.
var compressedExtensions = []string{
	".zip", ".gz", ".tgz", ".bz2", ".tbz2", ".xz", ".txz", ".zst", ".lz4", ".lzma", ".br", ".7z", ".rar", ".cab",
	".jpg", ".jpeg", ".png", ".gif", ".webp", ".avif", ".heic", ".heif", ".jxl",
	".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".wmv", ".mpg", ".mpeg",
	".mp3", ".m4a", ".aac", ".ogg", ".oga", ".opus", ".flac", ".wma",
	".docx", ".xlsx", ".pptx", ".odt", ".ods", ".odp", ".epub", ".pdf", ".jar", ".war", ".apk", ".ipa", ".whl",
	".woff", ".woff2", ".dmg", ".deb", ".rpm",
}
