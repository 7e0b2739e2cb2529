package limits

import (
	"strings"
	"unicode/utf8"

	"github.com/daypass/daypass"
)

// Refused is the refusal of a request by a limit: AccessDenied with the
// limit's name, what it allows and what was asked for as details. Callers may
// set another code or message.
func Refused(limit, allowed, asked string) *daypass.Error {
	return &daypass.Error{
		Op:      "limits",
		Code:    daypass.AccessDenied,
		Message: "The limit " + limit + " does not allow this request.",
		Details: []daypass.Detail{{Name: "Limit", Value: limit}, {Name: "Allowed", Value: clip(allowed)}, {Name: "Asked", Value: clip(asked)}},
	}
}

// Invalid is the refusal of a limit itself: InvalidArgument that names it. why
// goes on after the name: "must be …", "is repeated".
func Invalid(limit, value, why string) *daypass.Error {
	return &daypass.Error{
		Op:      "limits",
		Code:    daypass.InvalidArgument,
		Message: "The limit " + clip(limit) + " " + why + ".",
		Details: []daypass.Detail{{Name: "ArgumentName", Value: clip(limit)}, {Name: "ArgumentValue", Value: clip(value)}},
	}
}

// maxEcho bounds what a refusal repeats of what a client sent.
const maxEcho = 256

// clip makes text fit for an error body: valid UTF-8 of bounded length.
func clip(text string) string {
	text = strings.ToValidUTF8(text, "\uFFFD")
	if len(text) <= maxEcho {
		return text
	}
	end := maxEcho
	for !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + "…"
}
