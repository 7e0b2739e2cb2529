package limits

import (
	"mime"
	"slices"
	"strings"
)

func parseTypes(s *Set, text string) string {
	why := "1 to 32 media types, separated by commas, such as image/* or application/pdf"
	if strings.Count(text, ",") >= MaxTypes {
		return why
	}
	var types []string
	for one := range strings.SplitSeq(text, ",") {
		one = strings.ToLower(one)
		if !isPattern(one) {
			return why
		}
		types = append(types, one)
	}
	s.Types = types
	return ""
}

func encodeTypes(s *Set) string { return join(s.Types, strings.ToLower) }

// isPattern reports whether a text is type/subtype, type/* or */*.
func isPattern(text string) bool {
	major, minor, ok := strings.Cut(text, "/")
	if text == "*/*" {
		return true
	}
	return ok && isToken(major) && (minor == "*" || isToken(minor))
}

// isToken reports whether a text is a token in lower case (RFC 9110, section
// 5.6.2) of the length of a media type's half. A "*" is no part of one: it
// would look like a pattern.
func isToken(text string) bool {
	return text != "" && len(text) <= maxToken && !strings.ContainsFunc(text, notToken)
}

func notToken(r rune) bool {
	return notDigit(r) && (r < 'a' || r > 'z') && !strings.ContainsRune("!#$%&'+-.^_`|~", r)
}

// octetStream is what content is that says nothing about itself.
const octetStream = "application/octet-stream"

// mediaType returns the declared media type in lower case without parameters,
// which must be well formed all the same; none is octetStream, as in S3.
func mediaType(declared string) (name string, params map[string]string, ok bool) {
	if declared == "" {
		return octetStream, nil, true
	}
	name, params, err := mime.ParseMediaType(declared)
	major, minor, _ := strings.Cut(name, "/")
	if err != nil || !isToken(major) || !isToken(minor) {
		return "", nil, false
	}
	if name == "binary/octet-stream" {
		name = octetStream
	}
	return name, params, true
}

// AllowsType reports whether a declared media type matches the patterns. An
// empty one is that which S3 stores, binary/octet-stream, and it matches
// application/octet-stream as well.
func (s *Set) AllowsType(declared string) bool {
	if s == nil || len(s.Types) == 0 {
		return true
	}
	name, _, ok := mediaType(declared)
	return ok && slices.ContainsFunc(s.Types, func(pattern string) bool {
		return matches(pattern, name) || name == octetStream && matches(pattern, "binary/octet-stream")
	})
}

func matches(pattern, name string) bool {
	if pattern == "*/*" {
		return true
	}
	if major, ok := strings.CutSuffix(pattern, "*"); ok {
		return strings.HasPrefix(name, major)
	}
	return pattern == name
}
