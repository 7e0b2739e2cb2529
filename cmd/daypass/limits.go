package main

import (
	"encoding/base32"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/client"
	"github.com/daypass/daypass/limits"
	"github.com/daypass/daypass/s3"
	"github.com/daypass/daypass/sign"
)

// limitFlags are what a URL is limited by beyond what S3 can, as text.
type limitFlags struct {
	name, uses         string
	notBefore, until   string
	ip, types, origins []string
	bind               string
	minSize, maxSize   sizeFlag
	noOverwrite        bool
	rate               sizeFlag
	prefix             bool
	etag, pin          string
	tls, zip, cookie   bool
}

// addUseLimits adds the limits that make sense for any URL.
func addUseLimits(fs *pflag.FlagSet, f *limitFlags) {
	fs.StringVar(&f.name, "name", "", "label of the URL in logs and lists, by which it can be revoked (limit)")
	fs.StringVar(&f.uses, "uses", "", "how often: copies of a download, counted in bytes so that it can be resumed, or successful writes (limit)")
	fs.StringVar(&f.notBefore, "not-before", "", "refused earlier: a time (RFC 3339) or a duration from now (limit)")
	fs.StringVar(&f.until, "until", "", "absolute end, beyond 7d where the server allows it: a time (RFC 3339) or a duration from now (limit)")
	fs.StringSliceVar(&f.ip, "ip", nil, "client addresses or ranges, such as 203.0.113.0/24 (limit, may repeat)")
	fs.StringVar(&f.bind, "bind", "", "bind the URL to the first address that uses it (limit)")
	fs.Lookup("bind").NoOptDefVal = "ip"
	fs.Var(&f.rate, "rate", "bytes per second, for all connections together, such as 1MiB (limit)")
	fs.StringVar(&f.pin, "pin", "", "PIN that the holder must give too; - reads it from the terminal or standard input (limit)")
	fs.StringSliceVar(&f.origins, "origin", nil, "browser origins that may use the URL, such as https://app.example.com (limit, may repeat)")
	fs.BoolVar(&f.tls, "require-tls", false, "refused over plain HTTP (limit)")
}

// addObjectLimits adds the limits that are about particular actions.
func addObjectLimits(fs *pflag.FlagSet, f *limitFlags) {
	fs.Var(&f.minSize, "min-size", "smallest upload, such as 1KiB (limit)")
	fs.Var(&f.maxSize, "max-size", "largest upload, such as 10MiB (limit)")
	fs.StringSliceVar(&f.types, "type", nil, "media types that an upload may have, such as 'image/*' (limit, may repeat)")
	fs.BoolVar(&f.noOverwrite, "no-overwrite", false, "an upload may not replace an object (limit)")
	fs.BoolVar(&f.prefix, "prefix", false, "the target, which ends in '/', is a tree: the URL is good for every key below it (limit)")
	fs.StringVar(&f.etag, "etag", "", "refused once the object has another ETag (limit)")
	fs.BoolVar(&f.zip, "zip", false, "with --prefix: the URL gives the whole tree as a ZIP archive")
	fs.BoolVar(&f.cookie, "cookie", false, "with --prefix: the URL sets a cookie, so that relative links work")
}

// limitNames are the flags that limit.
var limitNames = [...]string{"name", "uses", "not-before", "until", "ip", "bind", "rate", "pin", "origin", "etag", "type"}

// checkGiven refuses limits that were given without a value, as by a shell
// variable that is not set: the URL would be without the limit.
func checkGiven(fs *pflag.FlagSet) error {
	for _, name := range limitNames {
		f := fs.Lookup(name)
		if f == nil || !f.Changed {
			continue
		}
		if v := f.Value.String(); v == "" || v == "[]" {
			return usagef("--%s is empty", name)
		}
	}
	return nil
}

// parseUses reads a number of uses; the empty text is no limit.
func parseUses(text string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 1 {
		return 0, usagef("--uses is a number from 1 on, not %q", text)
	}
	return n, nil
}

// limitsFor returns the limits of a URL for a key, nil for none. A PIN of "-"
// must have been read before.
func (f *limitFlags) limitsFor(key string, now time.Time) (*client.Limits, error) {
	l := &client.Limits{
		Name: f.name, IP: f.ip, Bind: f.bind, MinSize: f.minSize.value(), MaxSize: f.maxSize.value(), Type: f.types,
		NoOverwrite: f.noOverwrite, ETag: f.etag, PIN: daypass.Secret(f.pin), Origin: f.origins, TLS: f.tls, Zip: f.zip, Cookie: f.cookie,
	}
	var err error
	if l.Uses, err = parseUses(f.uses); err != nil {
		return nil, err
	}
	if l.NotBefore, err = parseMoment("--not-before", f.notBefore, now); err != nil {
		return nil, err
	}
	if l.Until, err = parseMoment("--until", f.until, now); err != nil {
		return nil, err
	}
	if f.minSize.set && f.maxSize.set && f.minSize.bytes > f.maxSize.bytes {
		return nil, usagef("--min-size is larger than --max-size")
	}
	if !l.Until.IsZero() && !l.Until.After(now) {
		return nil, usagef("--until is in the past: %s", showTime(l.Until))
	}
	if f.rate.set && f.rate.bytes == 0 {
		return nil, usagef("--rate is at least 1 byte per second")
	}
	l.Rate = f.rate.bytes
	if f.prefix {
		if !strings.HasSuffix(key, "/") {
			return nil, usagef("--prefix takes a target that ends in '/', such as s3://BUCKET/photos/\nit is good for every key below that")
		}
		l.Prefix = key
	}
	if (f.zip || f.cookie) && !f.prefix {
		return nil, usagef("--zip and --cookie go with --prefix")
	}
	if limitless(l) {
		return nil, nil
	}
	return l, nil
}

// limitless reports whether no limit is set.
func limitless(l *client.Limits) bool { return len(rawLimits(l)) == 0 && l.PIN == "" }

// rawLimits writes limits as parameters, but for the PIN, in no particular
// form: limits.Parse checks them.
func rawLimits(l *client.Limits) (q sign.Query) {
	add := func(name, value string, on bool) {
		if on {
			q = append(q, sign.Param{Name: name, Value: value})
		}
	}
	add(limits.Name, l.Name, l.Name != "")
	add(limits.Uses, strconv.FormatInt(l.Uses, 10), l.Uses != 0)
	add(limits.NotBefore, basicTime(l.NotBefore), !l.NotBefore.IsZero())
	add(limits.Until, basicTime(l.Until), !l.Until.IsZero())
	add(limits.IP, strings.Join(l.IP, ","), len(l.IP) > 0)
	add(limits.Bind, l.Bind, l.Bind != "")
	add(limits.Type, strings.Join(l.Type, ","), len(l.Type) > 0)
	add(limits.Overwrite, "no", l.NoOverwrite)
	add(limits.Rate, strconv.FormatInt(l.Rate, 10), l.Rate != 0)
	add(limits.Prefix, l.Prefix, l.Prefix != "")
	add(limits.ETag, l.ETag, l.ETag != "")
	add(limits.Origin, strings.Join(l.Origin, ","), len(l.Origin) > 0)
	add(limits.TLS, "required", l.TLS)
	add(limits.As, "zip", l.Zip)
	add(limits.Cookie, "1", l.Cookie)
	if l.MinSize != nil || l.MaxSize != nil {
		low, high := int64(0), int64(maxObjectSize)
		if l.MinSize != nil {
			low = *l.MinSize
		}
		if l.MaxSize != nil {
			high = *l.MaxSize
		}
		add(limits.Size, fmt.Sprintf("%d-%d", low, high), true)
	}
	return q
}

// maxObjectSize is the largest object of S3, in bytes.
const maxObjectSize = 5 << 40

func basicTime(t time.Time) string { return t.UTC().Format("20060102T150405Z") }

// encodeLimits returns limits, which may be nil, as the parameters to sign;
// the secret is that of the key that signs. InvalidArgument.
func encodeLimits(l *client.Limits, random io.Reader, secret daypass.Secret) (sign.Query, error) {
	if l == nil {
		return nil, nil
	}
	q := rawLimits(l)
	if l.PIN != "" {
		tag, err := limits.NewPIN(random, secret, string(l.PIN))
		if err != nil {
			return nil, err
		}
		q = append(q, sign.Param{Name: limits.PIN, Value: tag.String()})
	}
	set, err := limits.Parse(q)
	if err != nil {
		return nil, err
	}
	if q, err = set.Query(); err != nil || set == nil || !set.Bind && set.Uses == 0 {
		return q, err
	}
	return addNonce(q, random)
}

// addNonce makes a pass like no other: two of the same signer, object, second
// and limits would be one, with one budget and one owner. S3 ignores unknown
// parameters that begin with x-.
func addNonce(q sign.Query, random io.Reader) (sign.Query, error) {
	var b [5]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return nil, err
	}
	return append(q, sign.Param{Name: "x-nonce", Value: base32.StdEncoding.EncodeToString(b[:])}), nil
}

// checkLimits refuses a URL whose limits no server would enforce, in the
// server's words. It looks at all parameters, wherever they came from.
// InvalidArgument.
func checkLimits(r *sign.URLRequest, version sign.Version) error {
	set, err := limits.Parse(r.Query)
	if err != nil || set == nil {
		return err
	}
	action := signedAction(r)
	if err := set.Check(limits.Pass{Action: action, Scheme: daypass.SchemeQuery, Version: string(version)}); err != nil {
		return err
	}
	if set.Prefix == "" {
		return nil
	}
	if action != daypass.ListObjectsV2 {
		if r.Key != set.Prefix {
			return limits.Invalid(limits.Prefix, set.Prefix, "must be the key that is signed")
		}
		return nil
	}
	for _, name := range []string{"continuation-token", "start-after", "max-keys", "delimiter", "encoding-type", "prefix"} {
		if r.Query.Has(name) {
			return limits.Invalid(limits.Prefix, set.Prefix, "leaves the parameter "+name+" to the holder: it cannot be signed")
		}
	}
	return nil
}

// signedAction is the action that a request asks for, by S3's table; the
// method itself where S3 has none.
func signedAction(r *sign.URLRequest) daypass.Action {
	level, sub := s3.ServiceLevel, ""
	switch {
	case r.Key != "":
		level = s3.ObjectLevel
	case r.Bucket != "":
		level = s3.BucketLevel
	}
	for _, p := range r.Query {
		if s := s3.SubResource(p.Name, p.Value); s != "" {
			sub = s
		}
	}
	if action, ok := s3.Find(r.Method, level, sub, asked{r}); ok {
		return action.Name
	}
	return daypass.Action(r.Method)
}

// asked looks things up for s3.Find.
type asked struct{ r *sign.URLRequest }

func (a asked) Carries(name string) bool {
	_, ok := a.r.Query.LookupFold(name)
	return ok || len(a.r.Header.Values(http.CanonicalHeaderKey(name))) > 0
}

// parseMoment reads a time: RFC 3339, ISO 8601 basic (20060102T150405Z), "now"
// or a duration from now. The empty text is no time.
func parseMoment(flag, text string, now time.Time) (time.Time, error) {
	switch text {
	case "":
		return time.Time{}, nil
	case "now":
		return now.UTC().Truncate(time.Second), nil
	}
	for _, layout := range []string{time.RFC3339, "20060102T150405Z"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC().Truncate(time.Second), nil
		}
	}
	if d, err := parseLifetime(text); err == nil {
		return now.Add(d).UTC().Truncate(time.Second), nil
	}
	return time.Time{}, usagef("%s %q is neither a time, such as 2026-12-24T18:00:00Z, nor a duration from now, such as 36h or 30d", flag, text)
}

// A sizeFlag is a number of bytes: 10MiB, 10MB or 10485760.
type sizeFlag struct {
	bytes int64
	set   bool
}

// Set parses the flag's text.
func (f *sizeFlag) Set(text string) (err error) {
	f.bytes, err = parseSize(text)
	f.set = err == nil
	return err
}

// String writes the flag's value.
func (f *sizeFlag) String() string {
	if !f.set {
		return ""
	}
	return strconv.FormatInt(f.bytes, 10)
}

// Type names the flag's type in help texts.
func (f *sizeFlag) Type() string { return "size" }

// value is nil where the flag was not given.
func (f *sizeFlag) value() *int64 {
	if !f.set {
		return nil
	}
	return &f.bytes
}

// parseSize parses a number of bytes with a unit of 1000 (kB, MB …) or 1024
// (KiB, MiB …).
func parseSize(text string) (int64, error) {
	digits := strings.TrimRight(text, "kKMGTiB")
	n, err := strconv.ParseInt(digits, 10, 64)
	unit, ok := sizeUnit(strings.TrimPrefix(text, digits))
	high, low := bits.Mul64(uint64(n), uint64(unit))
	if err != nil || !ok || n < 0 || high != 0 || low >= 1<<63 {
		return 0, fmt.Errorf("%q is not a number of bytes such as 10485760, 10MiB or 10MB", text)
	}
	return int64(low), nil
}

func sizeUnit(suffix string) (int64, bool) {
	if suffix == "" || suffix == "B" {
		return 1, true
	}
	base := int64(1000)
	letter, binary := strings.CutSuffix(suffix, "iB")
	if binary {
		base = 1024
	} else {
		letter = strings.TrimSuffix(suffix, "B")
	}
	i := strings.Index("KMGT", strings.ToUpper(letter))
	if len(letter) != 1 || i < 0 {
		return 0, false
	}
	unit := base
	for range i {
		unit *= base
	}
	return unit, true
}

// limitError makes a command's error of a refused limit, in the server's
// words, and names the flags that it came from.
func limitError(err error) error {
	var e *daypass.Error
	if !errors.As(err, &e) || e.Code != daypass.InvalidArgument {
		return err
	}
	text := strings.TrimSuffix(e.Message, ".")
	for _, d := range e.Details {
		if flag := limitFlag(d.Value); d.Name == "ArgumentName" && flag != "" {
			return usagef("%s\nchange or leave out %s", text, flag)
		}
	}
	return usagef("%s", text)
}

// limitFlag names the flags that set a limit; empty for what is none.
func limitFlag(limit string) string {
	switch limit {
	case limits.Size:
		return "--min-size and --max-size"
	case limits.Overwrite:
		return "--no-overwrite"
	case limits.TLS:
		return "--require-tls"
	case limits.As:
		return "--zip"
	}
	name, ok := strings.CutPrefix(limit, "x-daypass-")
	if !ok || !slices.Contains(limitNames[:], name) && name != "prefix" && name != "cookie" {
		return ""
	}
	return "--" + name
}
