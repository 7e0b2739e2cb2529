package policy

import (
	"errors"
	"strings"
)

// arnSegments is how many parts an ARN has:
// arn:partition:service:region:account:resource. Colons after the fifth belong
// to the resource.
const arnSegments = 6

var errARN = errors.New("neither an ARN nor *")

// An arnPattern is an ARN with wildcards and variables. Each segment is
// matched by itself, so that a wildcard in an early one cannot reach into a
// key that holds colons; a pattern that ends early, with a star, covers all
// that follows (IAM User Guide, "Policy elements: Resource").
type arnPattern struct {
	raw string
	// segments are matched one by one, the last against all that is left.
	segments []text
}

func compileARN(raw string, x syntax) (arnPattern, error) {
	parts := splitARN(raw, x.variables)
	if len(parts) < arnSegments && !strings.HasSuffix(raw, "*") {
		return arnPattern{}, errARN
	}
	if len(parts) == arnSegments && fixed(raw[:len(raw)-len(parts[arnSegments-1])]) {
		// The usual form can be matched in one go: with the first segments
		// fixed, no wildcard can cross them.
		parts = []string{raw}
	}
	p := arnPattern{raw: raw}
	for _, part := range parts {
		t, err := x.compile(part)
		if err != nil {
			return arnPattern{}, err
		}
		p.segments = append(p.segments, t)
	}
	return p, nil
}

// match reports whether p describes an ARN.
func (p *arnPattern) match(c *call, arn string) bool {
	for i := range p.segments {
		segment := arn
		if i < len(p.segments)-1 {
			var found bool
			if segment, arn, found = strings.Cut(arn, ":"); !found {
				return false
			}
		}
		if !p.segments[i].match(c, segment) {
			return false
		}
	}
	return true
}

func (p *arnPattern) resolvable(c *call) bool {
	for i := range p.segments {
		if !p.segments[i].resolvable(c) {
			return false
		}
	}
	return true
}

// splitARN cuts at the first five colons, those within variables not counted.
func splitARN(s string, variables bool) []string {
	var parts []string
	for start, i := 0, 0; ; {
		switch {
		case i >= len(s) || len(parts) == arnSegments-1:
			return append(parts, s[start:])
		case s[i] == ':':
			parts = append(parts, s[start:i])
			i++
			start = i
		case variables && strings.HasPrefix(s[i:], "${") && strings.Contains(s[i:], "}"):
			i += variableLen(s[i:])
		default:
			i++
		}
	}
}

// fixed reports whether a value holds neither wildcards nor variables.
func fixed(s string) bool {
	return !strings.ContainsAny(s, "*?") && !strings.Contains(s, "${")
}

// compileResource compiles a value of Resource or NotResource. Variables may
// stand only behind the fifth colon (IAM User Guide, "Policy elements:
// Variables and tags").
func compileResource(kind Kind, raw string, x syntax) (arnPattern, string) {
	invalid := "Policy has invalid resource"
	if kind != Bucket {
		invalid = "Resource " + shorten(raw) + ` must be in ARN format or "*".`
	}
	parts := splitARN(raw, x.variables)
	if head := parts[:min(len(parts), arnSegments-1)]; x.variables && strings.Contains(strings.Join(head, ""), "${") {
		return arnPattern{}, invalid
	}
	if raw != "*" && parts[0] != "arn" || kind == Bucket && !isS3Resource(parts) {
		return arnPattern{}, invalid
	}
	p, err := compileARN(raw, x)
	if err != nil {
		return arnPattern{}, invalid
	}
	return p, ""
}

// isS3Resource reports whether an ARN's segments can name a bucket or object:
// arn:aws:s3:::bucket or arn:aws:s3:::bucket/key. Unlike in other policies,
// "*" cannot.
func isS3Resource(parts []string) bool {
	if len(parts) != arnSegments {
		return false
	}
	for i, want := range []string{"arn", "aws", "s3", "", ""} {
		t, err := syntax{wildcards: true}.compile(parts[i])
		if err != nil || !t.fixed.match(want) {
			return false
		}
	}
	resource := parts[arnSegments-1]
	return resource != "" && resource[0] != '/'
}

// actions returns the actions that can be about a bucket policy's resource: an
// object has a slash behind the bucket's name, and a wildcard or variable may
// hold one.
func (p *arnPattern) actions(x syntax) actionSet {
	parts := splitARN(p.raw, x.variables)
	resource := parts[len(parts)-1]
	switch {
	case strings.Contains(resource, "/"):
		return ofObjects
	case strings.Contains(resource, "*") || strings.Contains(resource, "${"):
		return ofAll()
	}
	return ofBuckets
}

// ofAll returns the actions that are about buckets or objects.
func ofAll() actionSet {
	set := ofBuckets
	set.add(ofObjects)
	return set
}

// covers reports whether a bucket policy's resource can lie in a bucket. A
// variable counts as any text.
func (p *arnPattern) covers(bucket string, x syntax) bool {
	parts := splitARN(p.raw, x.variables)
	name, _, object := strings.Cut(parts[len(parts)-1], "/")
	pieces, err := x.pieces(name)
	if err != nil {
		return false
	}
	for i := range pieces {
		if pieces[i].kind == variablePiece {
			pieces[i] = piece{kind: starPiece}
		}
	}
	g := globOf(pieces)
	if !object && len(g) > 1 {
		g = glob{g[0], {""}} // all from the first star on may lie in the key
	}
	return g.match(bucket)
}

// shorten bounds a value for a message.
func shorten(s string) string {
	const most = 128
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
