package limits

import (
	"strings"

	"github.com/daypass/daypass"
)

// A row is one limit: all that the package knows about it.
type row struct {
	name string
	// parse sets the limit from its text and returns what the text must be
	// instead, "" where it is well formed.
	parse func(s *Set, text string) (why string)
	// has tells whether the limit is set.
	has func(s *Set) bool
	// encode returns the text of a limit that is set. Where the value is not
	// one that parse would set, it returns text that parse refuses.
	encode func(s *Set) string
	// in tells where the limit can be enforced, nil everywhere, and where
	// says so to people.
	in    func(a daypass.Action) bool
	where string
	// state says that only shared state can enforce the limit.
	state bool
	// once says that admitting a request is all that the limit asks for, so that
	// it holds for a client that is sent elsewhere then.
	once bool
	// words say what the limit means, as sentences.
	words func(s *Set) string
}

// table has every limit, in order of name: that of a canonical query.
var table = [...]row{
	{name: As, parse: parseAs, has: func(s *Set) bool { return s.Zip }, encode: constant("zip"),
		in: isDownload, where: "GetObject and HeadObject", words: zipWords},
	{name: Bind, parse: parseBind, has: func(s *Set) bool { return s.Bind }, encode: constant("ip"),
		in: isBindable, where: "actions whose method is GET, PUT or POST", state: true, words: bindWords},
	{name: Cookie, parse: parseCookie, has: func(s *Set) bool { return s.Cookie }, encode: constant("1"),
		in: isDownload, where: "GetObject and HeadObject", words: cookieWords},
	{name: ETag, parse: parseETag, has: func(s *Set) bool { return s.ETag != "" }, encode: func(s *Set) string { return bareETag(s.ETag) },
		in: isDownload, where: "GetObject and HeadObject", words: etagWords},
	{name: IP, parse: parseIP, has: func(s *Set) bool { return len(s.IP) > 0 }, encode: encodeIP, words: ipWords},
	{name: Name, parse: parseName, has: func(s *Set) bool { return s.Name != "" }, encode: func(s *Set) string { return s.Name }, words: nameWords, once: true},
	{name: NotBefore, parse: parseNotBefore, has: func(s *Set) bool { return !s.NotBefore.IsZero() },
		encode: func(s *Set) string { return formatTime(s.NotBefore) }, words: notBeforeWords, once: true},
	{name: Origin, parse: parseOrigins, has: func(s *Set) bool { return len(s.Origins) > 0 }, encode: encodeOrigins, words: originWords},
	{name: Overwrite, parse: parseOverwrite, has: func(s *Set) bool { return s.NoOverwrite }, encode: constant("no"),
		in: isUpload, where: "PutObject and PostObject", words: overwriteWords},
	{name: PIN, parse: parsePIN, has: func(s *Set) bool { return s.PIN != nil }, encode: func(s *Set) string { return s.PIN.String() },
		state: true, words: pinWords},
	{name: Prefix, parse: parsePrefix, has: func(s *Set) bool { return s.Prefix != "" }, encode: func(s *Set) string { return s.Prefix },
		in: isTree, where: "GetObject, HeadObject and ListObjectsV2", words: prefixWords, once: true},
	{name: Rate, parse: parseRate, has: func(s *Set) bool { return s.Rate != 0 }, encode: func(s *Set) string { return decimal(s.Rate) },
		in: hasBody, where: "GetObject, HeadObject, PutObject, UploadPart and PostObject", words: rateWords},
	{name: Size, parse: parseSize, has: func(s *Set) bool { return s.Size != nil },
		encode: func(s *Set) string { return decimal(s.Size.Min) + "-" + decimal(s.Size.Max) },
		in:     isSized, where: "PutObject, UploadPart and PostObject", words: sizeWords},
	{name: TLS, parse: parseTLS, has: func(s *Set) bool { return s.TLS }, encode: constant("required"), words: tlsWords, once: true},
	{name: Type, parse: parseTypes, has: func(s *Set) bool { return len(s.Types) > 0 }, encode: encodeTypes,
		in: isUpload, where: "PutObject and PostObject", words: typeWords},
	{name: Until, parse: parseUntil, has: func(s *Set) bool { return !s.Until.IsZero() },
		encode: func(s *Set) string { return formatTime(s.Until) }, words: untilWords, once: true},
	{name: Uses, parse: parseUses, has: func(s *Set) bool { return s.Uses != 0 }, encode: func(s *Set) string { return decimal(s.Uses) },
		in: isCounted, where: "GetObject, HeadObject and writes", state: true, words: usesWords},
}

// lookup returns the index of a limit by its exact name, or -1.
func lookup(name string) int {
	for i := range table {
		if table[i].name == name {
			return i
		}
	}
	return -1
}

func constant(text string) func(*Set) string { return func(*Set) string { return text } }

// postObject is the upload by a browser's form; the S3 API reference has no
// operation for it.
const postObject daypass.Action = "PostObject"

func isDownload(a daypass.Action) bool { return a == daypass.GetObject || a == daypass.HeadObject }

func isTree(a daypass.Action) bool { return isDownload(a) || a == daypass.ListObjectsV2 }

func isUpload(a daypass.Action) bool { return a == daypass.PutObject || a == postObject }

func isSized(a daypass.Action) bool { return isUpload(a) || a == daypass.UploadPart }

func hasBody(a daypass.Action) bool { return isDownload(a) || isSized(a) }

func isCounted(a daypass.Action) bool { return isDownload(a) || isWrite(a) }

// isWrite tells writes by the verbs with which S3's names of them begin.
func isWrite(a daypass.Action) bool {
	return a != "CreateSession" && startsWithAny(a, "Abort", "Complete", "Copy", "Create", "Delete", "Post", "Put", "Upload")
}

// isBindable excludes methods HEAD and DELETE: whoever merely looks at a link
// must not own it, and a deletion happens once.
func isBindable(a daypass.Action) bool {
	return a == daypass.DeleteObjects || !startsWithAny(a, "Abort", "Delete", "Head")
}

func startsWithAny(a daypass.Action, verbs ...string) bool {
	for _, verb := range verbs {
		if strings.HasPrefix(string(a), verb) {
			return true
		}
	}
	return false
}
