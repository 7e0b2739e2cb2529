package store

import (
	"testing"
	"time"

	"github.com/daypass/daypass"
)

func TestWriteConditions(t *testing.T) {
	obj := &Object{ETag: "abc"}
	tests := []struct {
		cond WriteConditions
		cur  *Object
		want string
	}{
		{WriteConditions{}, nil, ""},
		{WriteConditions{}, obj, ""},
		{WriteConditions{IfNoneMatch: "*"}, nil, ""},
		{WriteConditions{IfNoneMatch: "*"}, obj, "PreconditionFailed If-None-Match"},
		{WriteConditions{IfNoneMatch: "abc"}, obj, "PreconditionFailed If-None-Match"},
		{WriteConditions{IfNoneMatch: "abd"}, obj, ""},
		{WriteConditions{IfMatch: "abc"}, obj, ""},
		{WriteConditions{IfMatch: "*"}, obj, ""},
		{WriteConditions{IfMatch: "abd"}, obj, "PreconditionFailed If-Match"},
		{WriteConditions{IfMatch: "*"}, nil, "NoSuchKey"},
		{WriteConditions{IfMatch: "abc", IfNoneMatch: "*"}, nil, "NoSuchKey"},
		{WriteConditions{IfMatch: "abc", IfNoneMatch: "*"}, obj, "PreconditionFailed If-None-Match"},
	}
	for _, tt := range tests {
		if got := describe(tt.cond.Check(tt.cur)); got != tt.want {
			t.Errorf("%+v on %v: %q, want %q", tt.cond, tt.cur, got, tt.want)
		}
	}
}

// describe returns an error's code and the values of its details.
func describe(err error) string {
	if err == nil {
		return ""
	}
	e := err.(*daypass.Error)
	s := string(e.Code)
	for _, d := range e.Details {
		s += " " + d.Value
	}
	return s
}

func TestReadConditions(t *testing.T) {
	stored := time.Date(2026, 1, 2, 3, 4, 5, 600_000_000, time.UTC)
	same, before, after := stored.Truncate(time.Second), stored.Add(-time.Hour), stored.Add(time.Hour)
	obj := &Object{ETag: "abc", ModTime: stored}
	const (
		failed      = "PreconditionFailed "
		notModified = "NotModified"
	)
	tests := []struct {
		name string
		cond ReadConditions
		want string
	}{
		{"none", ReadConditions{}, ""},
		{"match", ReadConditions{IfMatch: `"abc"`}, ""},
		{"match without quotes", ReadConditions{IfMatch: `abc`}, ""},
		{"match any", ReadConditions{IfMatch: ` * `}, ""},
		{"match in a list", ReadConditions{IfMatch: `"x", "abc"`}, ""},
		{"match of a weak tag", ReadConditions{IfMatch: `W/"abc"`}, failed + "If-Match"},
		{"no match", ReadConditions{IfMatch: `"x"`}, failed + "If-Match"},
		{"none-match", ReadConditions{IfNoneMatch: `"x"`}, ""},
		{"none-match of its tag", ReadConditions{IfNoneMatch: `"abc"`}, notModified},
		{"none-match of a weak tag", ReadConditions{IfNoneMatch: `"x",W/"abc"`}, notModified},
		{"none-match any", ReadConditions{IfNoneMatch: `*`}, notModified},
		{"modified since before", ReadConditions{IfModifiedSince: before}, ""},
		{"modified since then", ReadConditions{IfModifiedSince: same}, notModified},
		{"modified since after", ReadConditions{IfModifiedSince: after}, notModified},
		{"unmodified since before", ReadConditions{IfUnmodifiedSince: before}, failed + "If-Unmodified-Since"},
		{"unmodified since then", ReadConditions{IfUnmodifiedSince: same}, ""},
		{"match outdoes the date", ReadConditions{IfMatch: `"abc"`, IfUnmodifiedSince: before}, ""},
		{"no match outdoes the date", ReadConditions{IfMatch: `"x"`, IfUnmodifiedSince: after}, failed + "If-Match"},
		{"none-match outdoes the date", ReadConditions{IfNoneMatch: `"x"`, IfModifiedSince: after}, ""},
		{"none-match of its tag outdoes the date", ReadConditions{IfNoneMatch: `"abc"`, IfModifiedSince: before}, notModified},
		{"match comes before none-match", ReadConditions{IfMatch: `"x"`, IfNoneMatch: `"abc"`}, failed + "If-Match"},
		{"both kinds", ReadConditions{IfMatch: `"abc"`, IfNoneMatch: `"abc"`}, notModified},
	}
	for _, tt := range tests {
		if got := describe(tt.cond.Check(obj)); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}
