package sqlstate

import (
	"strings"
	"unicode/utf8"

	"github.com/daypass/daypass"
)

// validText tells whether s can be kept as text: PostgreSQL takes valid UTF-8
// without NUL, and what one engine refuses no engine keeps.
func validText(s string) bool {
	return utf8.ValidString(s) && strings.IndexByte(s, 0) < 0
}

// checkText returns InvalidArgument unless all texts can be kept.
func checkText(op string, texts ...string) error {
	for _, s := range texts {
		if !validText(s) {
			return &daypass.Error{
				Op:      "sqlstate." + op,
				Code:    daypass.InvalidArgument,
				Message: "text must be valid UTF-8 without NUL",
			}
		}
	}
	return nil
}

// afterAll returns the first text that comes after all those that begin with
// s, in byte order, or nothing where there is none.
func afterAll(s string) string {
	for s != "" {
		last, n := utf8.DecodeLastRuneInString(s)
		s = s[:len(s)-n]
		switch {
		case last == 0xd7ff: // surrogates are no characters
			return s + "\ue000"
		case last < utf8.MaxRune:
			return s + string(last+1)
		}
	}
	return ""
}
