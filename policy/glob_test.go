package policy

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func compileGlob(t interface{ Fatal(...any) }, pattern string) glob {
	text, err := syntax{wildcards: true}.compile(pattern)
	if err != nil {
		t.Fatal(err)
	}
	return text.fixed
}

// model is the definition of wildcards, in exponential time.
func model(pattern, s string) bool {
	if pattern == "" {
		return s == ""
	}
	_, size := utf8.DecodeRuneInString(s)
	switch pattern[0] {
	case '*':
		return model(pattern[1:], s) || s != "" && model(pattern, s[size:])
	case '?':
		return s != "" && model(pattern[1:], s[size:])
	}
	return s != "" && s[0] == pattern[0] && model(pattern[1:], s[1:])
}

func TestGlobIsItsModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pattern := rapid.StringOfN(rapid.SampledFrom([]rune("ab**??é😀/")), 0, 12, -1).Draw(t, "pattern")
		s := strings.Join(rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "/", "é", "😀", "\xc3", "\xa9", "\x80"}), 0, 12).Draw(t, "s"), "")
		if got, want := compileGlob(t, pattern).match(s), model(pattern, s); got != want {
			t.Errorf("%q matches %q: %t, want %t", pattern, s, got, want)
		}
	})
}

// Any bytes are characters of a key; those that are not UTF-8 count one each.
func TestGlobOnBytes(t *testing.T) {
	for s, patterns := range map[string][]string{
		"a\xffb":     {"a?b", "a*b", "???", "*?b"},
		"\xe2\x82":   {"??", "*", "?*?"},
		"\xf0\x9f😀x": {"???x", "*?x"},
	} {
		for _, p := range patterns {
			if !compileGlob(t, p).match(s) {
				t.Errorf("%q does not match %q", p, s)
			}
		}
	}
}

// Chunks of more than 64 bytes take the automaton over its word boundary.
func TestGlobOnLongChunks(t *testing.T) {
	for n := 60; n < 135; n++ {
		long := strings.Repeat("é", n/2) + strings.Repeat("a", n%2)
		s := "zz" + long + "😀" + long + "x" + "aa"
		g := compileGlob(t, "*"+long+"?"+long+"?a*")
		if !g.match(s) || g.match(strings.Replace(s, "x", "xx", 1)) || g.match(strings.Replace(s, "😀", "", 1)) {
			t.Errorf("chunk of 2 × %d bytes", n)
		}
	}
}

// The examples of IAM User Guide, "Policy elements: Resource".
func TestGlobExamples(t *testing.T) {
	pattern := "arn:aws:s3:::amzn-s3-demo-bucket/*/test/*"
	for key, want := range map[string]bool{
		"1/test/object.jpg":         true,
		"1/2/test/object.jpg":       true,
		"1/2/test/3/object.jpg":     true,
		"1/2/3/test/4/object.jpg":   true,
		"1///test///object.jpg":     true,
		"1/test/.jpg":               true,
		"/test/object.jpg":          true,
		"1/test/":                   true,
		"1-test/object.jpg":         false,
		"test/object.jpg":           false,
		"1/2/test.jpg":              false,
		"1/Test/object.jpg":         false,
		"1/test/object:with:colons": true,
	} {
		if got := compileGlob(t, pattern).match("arn:aws:s3:::amzn-s3-demo-bucket/" + key); got != want {
			t.Errorf("%s: %t, want %t", key, got, want)
		}
	}
}

func TestGlobIsBounded(t *testing.T) {
	s := strings.Repeat("a", 1<<13)
	for _, unit := range []string{"a*", "?*", "*a?", "a?", "?a?b*", "*"} {
		g := compileGlob(t, "*"+strings.Repeat(unit, MaxSize/len(unit)/4)+"*b")
		start := time.Now()
		if g.match(s) {
			t.Errorf("%q repeated matches", unit)
		}
		if d := time.Since(start); d > 2*time.Second {
			t.Errorf("%q repeated takes %v", unit, d)
		}
	}
}

func TestARNPattern(t *testing.T) {
	for _, tt := range []struct {
		pattern, arn string
		want         bool
	}{
		{"*", "arn:aws:s3:::b/k", true},
		{"arn:*", "arn:aws:s3:::b/k", true},
		{"arn:aws:s3:*", "arn:aws:s3:::b/k", true},
		{"arn:aws:sns:*", "arn:aws:s3:::b/k", false},
		{"arn:*:s3:::b/*", "arn:aws:s3:::b/k", true},
		// No wildcard reaches from an early segment into a key.
		{"arn:*:s3:::b/*", "arn:aws:s3:::other/x:s3:::b/y", false},
		{"arn:aws:s3:*:*:b/*", "arn:aws:s3:::b/k", true},
		{"arn:aws:s3:::b", "arn:aws:s3:::b/k", false},
		{"arn:aws:s3:::b/k", "arn:aws:s3:::b/K", false},
		{"arn:aws:s3:::*", "arn:aws:s3:::b/k:1", true},
		{"arn:aws:iam::*:user/*", "arn:aws:iam::1:user/a/b:c", true},
	} {
		p, err := compileARN(tt.pattern, syntax{wildcards: true})
		if err != nil {
			t.Fatal(err)
		}
		if got := p.match(&call{}, tt.arn); got != tt.want {
			t.Errorf("%s matches %s: %t", tt.pattern, tt.arn, got)
		}
	}
}
