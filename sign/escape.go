package sign

// Percent-encoding as the S3 API reference defines UriEncode: every byte but
// A–Z a–z 0–9 - . _ ~ becomes %XX in upper case; "/" is kept in paths.

const upperHex = "0123456789ABCDEF"

// unreserved tells for each byte whether it stands for itself everywhere.
var unreserved = func() (t [256]bool) {
	for c := 0; c < 256; c++ {
		t[c] = 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' ||
			c == '-' || c == '.' || c == '_' || c == '~'
	}
	return t
}()

// pathByte is unreserved with "/".
var pathByte = func() [256]bool {
	t := unreserved
	t['/'] = true
	return t
}()

func appendEscaped(dst []byte, s string, keep *[256]bool) []byte {
	start := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		if keep[c] {
			continue
		}
		dst = append(dst, s[start:i]...)
		dst = append(dst, '%', upperHex[c>>4], upperHex[c&15])
		start = i + 1
	}
	return append(dst, s[start:]...)
}

// EscapePath returns the decoded path in canonical encoding; "/" is kept.
func EscapePath(path string) string { return string(appendEscaped(nil, path, &pathByte)) }

// EscapeQuery returns a decoded query name or value in canonical encoding.
func EscapeQuery(s string) string { return string(appendEscaped(nil, s, &unreserved)) }

// hexValue holds the value of each hexadecimal digit, 0xff for other bytes.
var hexValue = func() (t [256]byte) {
	for c := range t {
		t[c] = 0xff
	}
	for i := range 16 {
		t[lowerHex[i]], t[upperHex[i]] = byte(i), byte(i)
	}
	return t
}()

// appendUnescaped decodes %XX. It reports false for an incomplete or
// malformed escape.
func appendUnescaped(dst []byte, s string) ([]byte, bool) {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c == '%' {
			if i+2 >= len(s) {
				return dst, false
			}
			hi, lo := hexValue[s[i+1]], hexValue[s[i+2]]
			if hi|lo > 15 {
				return dst, false
			}
			c = hi<<4 | lo
			i += 2
		}
		dst = append(dst, c)
	}
	return dst, true
}

var errBadURI = newError(CodeInvalidURI, "Couldn't parse the specified URI.")

// UnescapePath decodes a raw URL path. "+" stands for itself, as in S3, and
// nothing is cleaned.
func UnescapePath(raw string) (string, error) {
	if !hasPercent(raw) {
		return raw, nil
	}
	b, ok := appendUnescaped(make([]byte, 0, len(raw)), raw)
	if !ok {
		return "", errBadURI
	}
	return string(b), nil
}

func hasPercent(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] == '%' {
			return true
		}
	}
	return false
}
