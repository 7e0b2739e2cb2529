package limits

import (
	"net/http"
	"net/netip"
	"strings"
)

func parseOrigins(s *Set, text string) string {
	why := "1 to 32 origins, separated by commas, such as https://app.example.com"
	if strings.Count(text, ",") >= MaxOrigins {
		return why
	}
	var origins []string
	for one := range strings.SplitSeq(text, ",") {
		origin, ok := canonicalOrigin(one)
		if !ok {
			return why
		}
		origins = append(origins, origin)
	}
	s.Origins = origins
	return ""
}

func encodeOrigins(s *Set) string {
	return join(s.Origins, func(text string) string {
		if origin, ok := canonicalOrigin(text); ok {
			return origin
		}
		return text
	})
}

// canonicalOrigin returns an origin as browsers write it: lower case, without
// a default port (RFC 6454, section 6.2).
func canonicalOrigin(text string) (string, bool) {
	scheme, rest, ok := strings.Cut(strings.ToLower(text), "://")
	if !ok || scheme != "http" && scheme != "https" {
		return "", false
	}
	host, port := rest, ""
	if i := strings.LastIndexByte(rest, ':'); i > strings.LastIndexByte(rest, ']') {
		host, port = rest[:i], rest[i+1:]
		if _, ok := parseDecimal(port, 1, 65535); !ok {
			return "", false
		}
	}
	if !isHost(host) {
		return "", false
	}
	if port == "" || scheme == "http" && port == "80" || scheme == "https" && port == "443" {
		return scheme + "://" + host, true
	}
	return scheme + "://" + host + ":" + port, true
}

// isHost reports whether a host is a name or an address as browsers write it.
func isHost(host string) bool {
	if inner, ok := strings.CutPrefix(host, "["); ok {
		inner, ok = strings.CutSuffix(inner, "]")
		addr, err := netip.ParseAddr(inner)
		return ok && err == nil && addr.Is6() && addr.Zone() == "" && addr.String() == inner
	}
	return host != "" && len(host) <= maxHost && !strings.ContainsFunc(host, notHost)
}

func notHost(r rune) bool {
	return notDigit(r) && (r < 'a' || r > 'z') && r != '.' && r != '-' && r != '_'
}

// RequestOrigin returns the origin of the page that sends a request: that of
// the Origin header or, without one, of Referer; empty where neither tells, as
// with several of them or "null".
func RequestOrigin(h http.Header) string {
	values, referer := h["Origin"], false
	if len(values) == 0 {
		values, referer = h["Referer"], true
	}
	if len(values) != 1 {
		return ""
	}
	text := values[0]
	if referer {
		text = originPart(text)
	}
	origin, _ := canonicalOrigin(text)
	return origin
}

// originPart cuts the path, query and fragment off a URL.
func originPart(url string) string {
	scheme, rest, ok := strings.Cut(url, "://")
	if !ok {
		return ""
	}
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		rest = rest[:i]
	}
	return scheme + "://" + rest
}
