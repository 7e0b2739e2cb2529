package server

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/limits"
	"github.com/daypass/daypass/s3"
	"github.com/daypass/daypass/sign"
	"github.com/daypass/daypass/state"
)

// limited makes a signed form for "key" with limits as fields and conditions.
func (e *passEnv) limited(params []string, conditions ...sign.Condition) []formField {
	return e.form(sign.FormRequest{Key: "key", Fields: pairs(params), Conditions: conditions})
}

// fill adds a file to a form.
func fill(fields []formField, body string, more ...formField) []formField {
	return append(append(slices.Clone(fields), more...), formField{"file", body, "name.png"})
}

// TestFormLimits carries every limit in a form, and uses those that it may.
func TestFormLimits(t *testing.T) {
	e := newPassEnv(t)
	for _, limit := range examples {
		set := mustParse(t, limit.name, limit.value)
		err := set.Check(limits.Pass{Action: s3.PostObject, Scheme: daypass.SchemeForm, Version: "SigV4"})
		r := e.send(e.post(fill(e.limited([]string{limit.name, limit.value}), "content")))
		switch {
		case err != nil:
			e.invalid(r, limit.name+" cannot be enforced for PostObject")
		case limit.name == limits.PIN || limit.name == limits.Origin || limit.name == limits.TLS:
			e.refused(r, 403, "AccessDenied", limit.name)
		default:
			e.want(r, 204, "")
			e.private(r)
			e.want(e.do("DELETE", "/photos/key", ""), 204, "")
			continue
		}
		e.private(r)
		e.nothing(limit.name)
	}
}

// TestFormLimitsInPolicyAndFields has a limit in one of the two, differently in
// both, and as what is no exact match.
func TestFormLimitsInPolicyAndFields(t *testing.T) {
	e := newPassEnv(t)
	size := []string{limits.Size, "0-10"}
	good := e.limited(size)
	for what, fields := range map[string][]formField{
		"condition without field":    without(good, limits.Size),
		"field of another value":     replaced(good, limits.Size, "0-99"),
		"field of another case":      append(without(good, limits.Size), formField{name: "X-Daypass-Size", value: "0-10"}),
		"two fields":                 append(slices.Clone(good), formField{name: limits.Size, value: "0-10"}),
		"two different fields":       append([]formField{{name: limits.Size, value: "0-99"}}, good...),
		"two fields, one in capital": append([]formField{{name: "X-Daypass-Size", value: "0-99"}}, good...),
		"field without condition":    append(e.limited(nil), formField{name: limits.Size, value: "0-10"}),
		"another field":              append(slices.Clone(good), formField{name: limits.Uses, value: "1"}),
		"starts-with":                append(e.limited(nil, sign.StartsWith(limits.Size, "0-10")), formField{name: limits.Size, value: "0-10"}),
		"starts-with nothing":        append(e.limited(nil, sign.StartsWith(limits.Size, "")), formField{name: limits.Size, value: "0-10"}),
		"starts-with beside":         e.limited(size, sign.StartsWith(limits.Size, "")),
		"two conditions":             e.limited(size, sign.Eq(limits.Size, "0-10")),
		"two different conditions":   e.limited(size, sign.Eq(limits.Size, "0-99")),
		"condition of another case":  e.limited(size, sign.Eq("X-Daypass-Size", "0-10")),
		"only of another case":       append(e.limited(nil, sign.Eq("X-Daypass-Size", "0-10")), formField{name: "X-Daypass-Size", value: "0-10"}),
		"unknown":                    e.limited([]string{"x-daypass-sizes", "0-10"}),
		"malformed":                  e.limited([]string{limits.Size, "10"}),
		"PIN in the policy":          e.limited([]string{"x-daypass-pin-value", "1234"}),
		"two PINs":                   append(slices.Clone(good), formField{name: pinField, value: "1"}, formField{name: pinField, value: "2"}),
		"anonymous":                  {{name: "key", value: "key"}, {name: limits.Size, value: "0-10"}},
	} {
		r := e.send(e.post(fill(fields, "content")))
		if r.status != 400 || r.code() != "InvalidArgument" || !strings.Contains(strings.ToLower(r.body), "x-daypass-") {
			t.Errorf("%s: status %d\n%s", what, r.status, r.body)
		}
		e.nothing(what)
	}
	e.want(e.send(e.post(fill(good, "content"))), 204, "")
}

// TestFormV2SignsNoLimits has a policy with limits, signed with Version 2.
func TestFormV2SignsNoLimits(t *testing.T) {
	e := newPassEnv(t)
	fields := e.form(sign.FormRequest{Key: "key", Fields: pairs([]string{limits.Size, "0-10"})}, sign.PresignOptions{Version: sign.V2})
	e.invalid(e.send(e.post(fill(fields, "content"))), limits.Size+" needs Signature Version 4")
	// V4A is as good as V4.
	fields = e.form(sign.FormRequest{Key: "key", Fields: pairs([]string{limits.Size, "0-5"})}, sign.PresignOptions{Version: sign.V4A})
	e.refused(e.send(e.post(fill(fields, "content"))), 400, "EntityTooLarge", limits.Size)
	e.nothing("V2")
}

// TestFormLimitsElsewhere puts limits into the URL and headers of a form.
func TestFormLimitsElsewhere(t *testing.T) {
	e := newPassEnv(t)
	q := e.post(fill(e.limited(nil), "content"))
	e.invalid(e.send(q.change("/photos", "/photos?x-daypass-size=0-10")), limits.Size)
	e.invalid(e.send(q.with("X-Daypass-Size", "0-10")), limits.Size+" is a parameter of the URL, not a header")
	e.nothing("elsewhere")
}

// TestFormSize cuts a file off, in the middle of a large one.
func TestFormSize(t *testing.T) {
	e := newPassEnv(t)
	fields := e.limited([]string{limits.Size, "5-10"})
	e.refused(e.send(e.post(fill(fields, "1234"))), 400, "EntityTooSmall", limits.Size)
	for _, n := range []int{11, 100_000, 4 << 20} {
		w := e.serve(e.post(fill(fields, strings.Repeat("x", n))))
		r := &reply{w.Code, w.Header(), w.Body.String()}
		e.refused(r, 400, "EntityTooLarge", limits.Size)
		if r.element("Allowed") != "5-10" {
			t.Error(r.body)
		}
	}
	e.nothing("size")
	e.want(e.send(e.post(fill(fields, "1234567890"))), 204, "")
	// Both the policy's range and the limit count.
	fields = e.limited([]string{limits.Size, "0-100"}, sign.ContentLengthRange(0, 3))
	e.want(e.send(e.post(fill(fields, "1234"))), 400, "EntityTooLarge")
}

// TestFormType looks at the field, not at what the browser says of the file.
func TestFormType(t *testing.T) {
	e := newPassEnv(t)
	fields := e.limited([]string{limits.Type, "image/*"}, sign.StartsWith("Content-Type", ""))
	kind := func(v string) formField { return formField{name: "Content-Type", value: v} }
	e.refused(e.send(e.post(fill(fields, pngHead, kind("text/html")))), 403, "AccessDenied", limits.Type)
	e.refused(e.send(e.post(fill(fields, pngHead, kind("")))), 403, "AccessDenied", limits.Type)
	e.refused(e.send(e.post(fill(fields, "<!DOCTYPE html>", kind("image/png")))), 403, "AccessDenied", limits.Type)
	encoded := e.limited([]string{limits.Type, "image/*", "Content-Type", "image/png", "Content-Encoding", "gzip"})
	e.refused(e.send(e.post(fill(encoded, pngHead))), 403, "AccessDenied", limits.Type)
	e.nothing("type")
	e.want(e.send(e.post(fill(fields, pngHead, kind("image/png")))), 204, "")
}

// TestFormUses counts the successes of a form, and binds it to an address.
func TestFormUses(t *testing.T) {
	e := newPassEnv(t)
	fields := e.limited([]string{limits.Uses, "1", limits.Size, "0-10", limits.Bind, "ip"})
	e.refused(e.send(e.post(fill(fields, strings.Repeat("x", 11)))), 400, "EntityTooLarge", limits.Size)
	e.want(e.send(e.post(fill(replaced(fields, "key", "other"), "content"))), 403, "AccessDenied")
	r := e.send(e.post(fill(fields, "content")))
	e.want(r, 204, "")
	e.private(r)
	e.refused(e.send(e.post(fill(fields, "again"))), 403, "AccessDenied", limits.Uses)
	if got := e.content("key"); got != "content" {
		t.Errorf("stored %q", got)
	}
	once := e.limited([]string{limits.Overwrite, "no"})
	e.refused(e.send(e.post(fill(once, "other"))), 403, "AccessDenied", limits.Overwrite)
	if got := e.content("key"); got != "content" {
		t.Errorf("stored %q", got)
	}
}

// TestFormRevoked revokes forms by name, key and what they write.
func TestFormRevoked(t *testing.T) {
	e := newPassEnv(t)
	form := e.post(fill(e.limited([]string{limits.Name, "inbox"}), "content"))
	for _, r := range []state.Revocation{{Name: "inbox", Owner: "alice"}, {Key: testKey.ID}, {Bucket: "photos", Prefix: "ke"}} {
		made, err := e.state.Revoke(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		answer := e.send(form)
		if e.want(answer, 403, "AccessDenied"); answer.element("Revocation") != made.ID {
			t.Error(answer.body)
		}
		if _, err := e.state.Lift(t.Context(), made.ID); err != nil {
			t.Fatal(err)
		}
	}
	e.nothing("revoked")
	e.want(e.send(form), 204, "")
}

// TestFormUntil ends a form before its policy does, and not after.
func TestFormUntil(t *testing.T) {
	e := newPassEnv(t)
	form := func(until, expires time.Duration) request {
		at := testTime.Add(until).Format("20060102T150405Z")
		return e.post(fill(e.form(sign.FormRequest{Key: "key", Lifetime: expires, Time: testTime, Fields: pairs([]string{limits.Until, at})}), "content"))
	}
	day := 24 * time.Hour
	e.at(time.Hour - time.Second)
	e.want(e.send(form(time.Hour, day)), 204, "")
	e.at(time.Hour)
	e.refused(e.send(form(time.Hour, day)), 403, "AccessDenied", limits.Until)
	e.want(e.send(form(day, time.Hour)), 403, "AccessDenied")
	e.want(e.send(form(7*day, 7*day)), 204, "")
	e.invalid(e.send(form(7*day+time.Second, 30*day)), limits.Until+" goes beyond what this server allows")
	long := newPassEnv(t, func(c *Config) { c.MaxLifetime = 30 * day })
	long.want(long.send(long.post(fill(long.form(sign.FormRequest{Key: "key", Lifetime: 30 * day, Time: testTime,
		Fields: pairs([]string{limits.Until, "20260308T120000Z"})}), "content"))), 204, "")
	// Without the limit, the policy may not go beyond the server's bound.
	long.want(long.send(long.post(fill(long.form(sign.FormRequest{Key: "key", Lifetime: 31 * day, Time: testTime}), "content"))), 403, "AccessDenied")
}
