package policy

import (
	"errors"
	"strings"
)

// A piece is one part of a value in a policy: literal text, a wildcard, or a
// variable that the request fills in.
type piece struct {
	kind pieceKind
	// text is the literal, or the variable's key.
	text string
	// fallback stands for a variable without a value, where hasFallback.
	fallback    string
	hasFallback bool
}

type pieceKind uint8

const (
	literalPiece pieceKind = iota
	starPiece
	onePiece
	variablePiece
)

// A syntax says what a value may hold besides literal text.
type syntax struct {
	wildcards bool
	// variables are for documents of version 2012-10-17 only (IAM User Guide,
	// "Policy elements: Version").
	variables bool
}

var errVariable = errors.New("a policy variable's default is not of the form ${key, 'default'}")

// pieces takes a value apart.
func (x syntax) pieces(s string) ([]piece, error) {
	var out []piece
	for s != "" {
		n := x.literalLen(s)
		if n > 0 {
			out = append(out, piece{kind: literalPiece, text: s[:n]})
			s = s[n:]
			continue
		}
		p, n, err := special(s)
		if err != nil {
			return nil, err
		}
		out = append(out, p)
		s = s[n:]
	}
	return out, nil
}

// literalLen returns how many bytes of s come before anything special.
func (x syntax) literalLen(s string) int {
	for i := 0; i < len(s); i++ {
		switch {
		case x.wildcards && (s[i] == '*' || s[i] == '?'):
			return i
		case x.variables && strings.HasPrefix(s[i:], "${") && strings.Contains(s[i:], "}"):
			return i
		}
	}
	return len(s)
}

// special reads the wildcard or variable at the start of s and returns its
// length.
func special(s string) (piece, int, error) {
	switch s[0] {
	case '*':
		return piece{kind: starPiece}, 1, nil
	case '?':
		return piece{kind: onePiece}, 1, nil
	}
	return variable(s)
}

// variable reads the variable at the start of s: ${key}, ${key, 'default'},
// or one of ${*}, ${?} and ${$}, which stand for the characters themselves
// (IAM User Guide, "Policy elements: Variables and tags").
func variable(s string) (piece, int, error) {
	end := variableLen(s)
	body := s[2 : end-1]
	switch body {
	case "*", "?", "$":
		return piece{kind: literalPiece, text: body}, end, nil
	}
	key, fallback, found := strings.Cut(body, ",")
	p := piece{kind: variablePiece, text: keyName(strings.TrimSpace(key)), hasFallback: found}
	if !found {
		return p, end, nil
	}
	fallback = strings.TrimSpace(fallback)
	if len(fallback) < 2 || fallback[0] != '\'' || fallback[len(fallback)-1] != '\'' {
		return piece{}, 0, errVariable
	}
	p.fallback = fallback[1 : len(fallback)-1]
	return p, end, nil
}

// variableLen returns the length of the variable at the start of s, which has
// a closing brace; a brace within the quoted default does not count.
func variableLen(s string) int {
	end := strings.IndexByte(s, '}') + 1
	if quote := strings.IndexByte(s, '\''); quote >= 0 && quote < end {
		if closing := strings.Index(s[quote+1:], "'}"); closing >= 0 {
			return quote + 1 + closing + 2
		}
	}
	return end
}

// A text is a value in a policy, compiled.
type text struct {
	fixed glob // of a text without variables
	parts []piece
}

func (x syntax) compile(s string) (text, error) {
	parts, err := x.pieces(s)
	if err != nil {
		return text{}, err
	}
	if hasVariables(parts) {
		return text{parts: parts}, nil
	}
	return text{fixed: globOf(parts)}, nil
}

func hasVariables(parts []piece) bool {
	for _, p := range parts {
		if p.kind == variablePiece {
			return true
		}
	}
	return false
}

// match reports whether t describes s; a variable without a value makes it
// describe nothing. The values of variables are taken literally, wildcards in
// them included: whoever chooses a tag's value must not widen a policy.
func (t *text) match(c *call, s string) bool {
	if t.parts == nil {
		return t.fixed.match(s)
	}
	parts, ok := t.fill(c, len(s))
	return ok && globOf(parts).match(s)
}

// resolvable reports whether every variable in t has a value.
func (t *text) resolvable(c *call) bool {
	for _, p := range t.parts {
		if _, ok := p.value(c); !ok {
			return false
		}
	}
	return true
}

// fill returns t's pieces with the variables' values in place. It gives up
// once there are more than limit bytes of literal text, so that a document
// cannot make it build a text much longer than what it is compared with.
func (t *text) fill(c *call, limit int) ([]piece, bool) {
	parts := make([]piece, len(t.parts))
	for i, p := range t.parts {
		v, ok := p.value(c)
		if limit -= len(v); !ok || limit < 0 {
			return nil, false
		}
		parts[i] = p
		if p.kind == variablePiece {
			parts[i] = piece{kind: literalPiece, text: v}
		}
	}
	return parts, true
}

// value returns the literal text that p stands for; none is none.
func (p *piece) value(c *call) (string, bool) {
	if p.kind != variablePiece {
		return p.text, true
	}
	if v, ok := c.single(p.text); ok {
		return v, true
	}
	return p.fallback, p.hasFallback
}

// globOf compiles pieces without variables.
func globOf(parts []piece) glob {
	g := glob{{""}}
	for i, p := range parts {
		last := &g[len(g)-1]
		switch p.kind {
		case literalPiece:
			(*last)[len(*last)-1] += p.text
		case onePiece:
			*last = append(*last, "")
		case starPiece:
			if i == 0 || parts[i-1].kind != starPiece {
				g = append(g, chunk{""})
			}
		}
	}
	return g
}

// plain returns the text of pieces that hold no wildcards.
func plain(parts []piece) string {
	var b strings.Builder
	for _, p := range parts {
		b.WriteString(p.text)
	}
	return b.String()
}
