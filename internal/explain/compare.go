package explain

import (
	"strings"

	"github.com/daypass/daypass/sign"
)

// A Difference is the first place in which two canonical requests differ.
type Difference struct {
	// Part is the part of the canonical request: method, path, query, header
	// or payload.
	Part string `json:"part"`
	// Name is the parameter or header, where the part has names.
	Name string `json:"name,omitempty"`
	// Signed is what the URL as given says, Seen what the server saw.
	Signed string `json:"signed"`
	Seen   string `json:"seen"`
	// Cause is the usual cause.
	Cause string `json:"cause"`
}

// compare sets the canonical request of the URL against the server's.
func (r *Report) compare(in *sign.Inspection, o Options) {
	if in.Version == sign.V2 {
		return
	}
	method := r.Method
	if method == "" && o.Refused != nil {
		method, _, _ = strings.Cut(o.Refused.CanonicalRequest, "\n")
	}
	if method == "" {
		method = "GET"
	}
	if o.Refused == nil || o.Refused.CanonicalRequest == "" {
		if r.Checked {
			r.Ours = in.CanonicalRequest(method)
		}
		return
	}
	r.Ours, r.Theirs = in.CanonicalRequest(method), strings.TrimSpace(o.Refused.CanonicalRequest)
	r.Difference = diff(r.Ours, r.Theirs)
}

// A canonical is a canonical request in its parts.
type canonical struct {
	method, path, query string
	headers             []string
	signed, payload     string
}

func split(text string) (c canonical, ok bool) {
	lines := strings.Split(strings.ReplaceAll(text, "\r\n", "\n"), "\n")
	if len(lines) < 6 {
		return c, false
	}
	n := len(lines)
	return canonical{method: lines[0], path: lines[1], query: lines[2], headers: lines[3 : n-3],
		signed: lines[n-2], payload: lines[n-1]}, true
}

// diff returns the first difference and its usual cause, nil when there is
// none.
func diff(signed, seen string) *Difference {
	a, ok1 := split(signed)
	b, ok2 := split(seen)
	switch {
	case !ok1 || !ok2:
		return nil
	case a.method != b.method:
		return &Difference{"method", "", a.method, b.method,
			"the URL was opened with another method than it was made for; S3 does not accept HEAD for a GET URL"}
	case a.path != b.path:
		return diffPath(a.path, b.path)
	case a.query != b.query:
		return diffQuery(a.query, b.query)
	}
	if d := diffHeaders(a.headers, b.headers); d != nil {
		return d
	}
	switch {
	case a.signed != b.signed:
		return &Difference{"header", "", a.signed, b.signed, "X-Amz-SignedHeaders was changed on the way"}
	case a.payload != b.payload:
		return &Difference{"payload", "", a.payload, b.payload,
			"the body's hash was sent or signed on one side only (x-amz-content-sha256)"}
	}
	return nil
}

func diffPath(a, b string) *Difference {
	d := &Difference{Part: "path", Signed: a, Seen: b, Cause: "the path was changed on the way"}
	switch {
	case strings.HasSuffix(b, a) || strings.HasSuffix(a, b):
		d.Cause = "a proxy adds or removes a path prefix; configure it as part of the public base URL"
	case strings.EqualFold(strings.ReplaceAll(a, "%25", "%"), strings.ReplaceAll(b, "%25", "%")):
		d.Cause = "the path was percent-encoded twice, or decoded once too often, by a client or proxy"
	case strings.ReplaceAll(a, "//", "/") == strings.ReplaceAll(b, "//", "/"):
		d.Cause = "a proxy or client merged the slashes in the path"
	}
	return d
}

func diffQuery(a, b string) *Difference {
	signed, seen := pairs(a), pairs(b)
	for _, p := range seen {
		if v, ok := lookup(signed, p[0]); !ok {
			return &Difference{"query", p[0], "", p[1], "the parameter " + p[0] + " was added after signing; sign it, or leave it out"}
		} else if v != p[1] {
			return &Difference{"query", p[0], v, p[1], "the parameter was changed or encoded in another way after signing"}
		}
	}
	for _, p := range signed {
		if _, ok := lookup(seen, p[0]); !ok {
			return &Difference{"query", p[0], p[1], "", "the parameter " + p[0] + " was removed on the way"}
		}
	}
	return &Difference{"query", "", a, b, "the parameters stand in another order or are repeated"}
}

func pairs(query string) (out [][2]string) {
	for p := range strings.SplitSeq(query, "&") {
		name, value, _ := strings.Cut(p, "=")
		out = append(out, [2]string{name, value})
	}
	return out
}

func lookup(pairs [][2]string, name string) (string, bool) {
	for _, p := range pairs {
		if p[0] == name {
			return p[1], true
		}
	}
	return "", false
}

func diffHeaders(a, b []string) *Difference {
	signed, seen := headerPairs(a), headerPairs(b)
	for _, p := range seen {
		v, _ := lookup(signed, p[0])
		switch {
		case v == p[1]:
		case p[0] == "host":
			return &Difference{"header", "host", v, p[1], hostCause(v, p[1])}
		case v == "":
			// The URL alone does not tell what was signed, only that it was.
			return &Difference{"header", p[0], "", p[1], "the header is signed: is this exactly the value that it was signed with?"}
		default:
			return &Difference{"header", p[0], v, p[1], "the header is signed and was sent with another value"}
		}
	}
	return nil
}

func headerPairs(lines []string) (out [][2]string) {
	for _, line := range lines {
		if name, value, ok := strings.Cut(line, ":"); ok {
			out = append(out, [2]string{name, value})
		}
	}
	return out
}

func hostCause(signed, seen string) string {
	nameA, portA, _ := strings.Cut(signed, ":")
	nameB, portB, _ := strings.Cut(seen, ":")
	if nameA == nameB && portA != portB {
		return "the port differs: it is part of what is signed, unless it is the scheme's default"
	}
	return "the URL was signed for one host and opened at another; sign for the public host (presign --public-url), " +
		"or tell the server about it (serve --public-url)"
}
