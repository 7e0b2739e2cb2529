package main

import (
	"context"
	"fmt"
	"mime"
	"net/http"
	"strings"
	"time"

	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/client"
	"github.com/daypass/daypass/sign"
)

type presignFlags struct {
	method              string
	expires             lifetimeFlag
	align               lifetimeFlag
	versionID           string
	contentType         string
	headers, query      []string
	response            map[string]*string
	filename            string
	inline              bool
	publicURL, endpoint string
	region, profile     string
	pathStyle, vhost    bool
	signature           string
	data                string
	local               bool
	snippet             string
	limits              limitFlags
	expiresGiven        bool // --expires stands on the command line
}

// responseOverrides are the parameters with which a URL sets headers of the
// answer (S3 API reference, GetObject).
var responseOverrides = [...]string{"response-content-type", "response-content-disposition", "response-cache-control",
	"response-content-encoding", "response-content-language", "response-expires"}

func (a *app) presignCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "presign",
		Short: "Make pre-signed URLs, for Daypass and for any S3",
		Long: "Make pre-signed URLs, for Daypass and for any S3.\n\n" +
			"Credentials, region and endpoint come from where the AWS tools have them: the\n" +
			"environment (AWS_ACCESS_KEY_ID, AWS_ENDPOINT_URL …), profiles and configuration files.\n" +
			"With --data, the server that runs on that data directory makes the URL with its root key.\n\n" +
			"Flags that are marked as limits make the URL do less than S3 could: they are signed into\n" +
			"it, Daypass enforces them, and any other S3 ignores them.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	for _, c := range []struct{ name, method, short string }{
		{"get", http.MethodGet, "a URL that downloads an object"},
		{"put", http.MethodPut, "a URL that uploads an object"},
		{"head", http.MethodHead, "a URL that reads an object's metadata"},
		{"delete", http.MethodDelete, "a URL that deletes an object"},
		{"list", http.MethodGet, "a URL that lists a bucket, or the keys below a prefix"},
		{"post", http.MethodPost, "a URL for an action that S3 does by POST, such as CreateMultipartUpload (--query uploads=)"},
	} {
		cmd.AddCommand(a.presignMethod(c.name, c.method, c.short))
	}
	return cmd
}

func (a *app) presignMethod(name, method, short string) *cobra.Command {
	f := &presignFlags{method: method, expires: lifetimeFlag(15 * time.Minute), response: make(map[string]*string)}
	cmd := &cobra.Command{
		Use:     name + " s3://BUCKET/KEY...",
		Short:   "Make " + short,
		Example: presignExample(name),
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			f.local = cmd.Flags().Changed("data")
			f.expiresGiven = cmd.Flags().Changed("expires")
			if err := checkGiven(cmd.Flags()); err != nil {
				return err
			}
			return a.presign(cmd.Context(), f, name == "list", args)
		},
	}
	a.addPresignFlags(cmd.Flags(), f)
	return cmd
}

func presignExample(name string) string {
	switch name {
	case "get":
		return "  daypass presign get s3://photos/2026/puppy.jpg --expires 15m\n" +
			"  daypass presign get s3://photos/2026/puppy.jpg --uses 2 --pin - --until 30d\n" +
			"  daypass presign get s3://photos/2026/ --prefix --zip --expires 1d"
	case "put":
		return "  daypass presign put s3://uploads/in.pdf --expires 15m --content-type application/pdf --snippet curl\n" +
			"  daypass presign put s3://uploads/in.jpg --uses 1 --max-size 10MiB --type 'image/*' --no-overwrite"
	case "list":
		return "  daypass presign list s3://photos/2026/ --expires 1h\n" +
			"  daypass presign list s3://photos/2026/ --prefix --expires 1h"
	case "post":
		return "  daypass presign post s3://videos/film.mp4 --query uploads="
	}
	return "  daypass presign " + name + " s3://photos/2026/puppy.jpg --expires 15m"
}

func (a *app) addPresignFlags(fs *pflag.FlagSet, f *presignFlags) {
	fs.Var(&f.expires, "expires", "how long the URL is valid, at most 7d")
	fs.Var(&f.align, "align", "round the signing time down to a multiple of this, so that the URL stays the same and can be cached; it is valid for at least --expires")
	fs.StringVar(&f.versionID, "version-id", "", "version of the object")
	fs.StringVar(&f.contentType, "content-type", "", "Content-Type that the holder must send")
	fs.StringArrayVar(&f.headers, "header", nil, "header 'Name: value' that the holder must send (may repeat)")
	fs.StringArrayVar(&f.query, "query", nil, "signed query parameter name=value, such as partNumber=1 (may repeat)")
	for _, name := range responseOverrides {
		f.response[name] = fs.String(name, "", "header "+http.CanonicalHeaderKey(strings.TrimPrefix(name, "response-"))+" of the answer")
	}
	fs.StringVar(&f.filename, "filename", "", "name under which browsers save the object (RFC 6266)")
	fs.BoolVar(&f.inline, "inline", false, "with --filename: show the object rather than save it")
	fs.StringVar(&f.publicURL, "public-url", "", "base URL under which holders reach the endpoint")
	fs.StringVar(&f.endpoint, "endpoint-url", "", "endpoint of an S3 other than AWS (default: AWS_ENDPOINT_URL)")
	fs.StringVar(&f.region, "region", "", "region (default: from the AWS configuration, else us-east-1)")
	fs.StringVar(&f.profile, "profile", "", "profile of the AWS configuration")
	fs.BoolVar(&f.pathStyle, "path-style", false, "put the bucket into the path")
	fs.BoolVar(&f.vhost, "virtual-host", false, "put the bucket into the host name")
	fs.StringVar(&f.signature, "signature", "v4", "signature version: v4, v4a or v2")
	fs.StringVar(&f.snippet, "snippet", "", "print how to use the URL instead: curl, fetch, form or headers")
	addUseLimits(fs, &f.limits)
	addObjectLimits(fs, &f.limits)
	a.addDataFlag(fs, &f.data)
	fs.Lookup("data").Usage = "data directory of a running server that is to make the URL"
	fs.Lookup("data").DefValue = ""
}

// A presigned is one URL and how to use it.
type presigned struct {
	URL     string            `json:"url"`
	Method  string            `json:"method"`
	Headers map[string]string `json:"headers,omitempty"`
	Signed  time.Time         `json:"signed"`
	Expires time.Time         `json:"expires"`
	// PIN tells that the holder must send a PIN too, in pinHeader.
	PIN bool `json:"pin,omitempty"`
}

// pinHeader is the header in which programs send the PIN of a URL.
const pinHeader = "x-daypass-pin-value"

func (a *app) presign(ctx context.Context, f *presignFlags, list bool, targets []string) error {
	if !snippets[f.snippet] {
		return usagef("--snippet is curl, fetch, form or headers, not %q", f.snippet)
	}
	if err := a.readPIN(&f.limits.pin); err != nil {
		return err
	}
	make, err := a.urlMaker(ctx, f)
	if err != nil {
		return err
	}
	out := []presigned{}
	for _, target := range targets {
		r, l, err := a.urlRequest(f, target, list)
		if err != nil {
			return err
		}
		p, err := make(r, l)
		if err != nil {
			return err
		}
		if l != nil {
			p.PIN = l.PIN != ""
			if len(out) == 0 {
				a.noteLimits(f, &r, l, p.URL)
			}
		}
		out = append(out, p)
	}
	return a.printPresigned(f, out)
}

// urlRequest turns flags into what is to be signed, and what it is limited by.
func (a *app) urlRequest(f *presignFlags, target string, list bool) (r sign.URLRequest, l *client.Limits, err error) {
	now := a.now().UTC().Truncate(time.Second)
	r = sign.URLRequest{Method: f.method, Lifetime: time.Duration(f.expires), Time: now}
	if r.Bucket, r.Key, err = parseTarget(target); err != nil {
		return r, nil, err
	}
	if l, err = f.limits.limitsFor(r.Key, now); err != nil {
		return r, nil, err
	}
	if l != nil && !l.Until.IsZero() && !f.expiresGiven {
		r.Lifetime = lifetimeUntil(l.Until, now)
	}
	if err := f.alignTime(&r); err != nil {
		return r, nil, err
	}
	if r.Header, err = parseHeaders(f); err != nil {
		return r, nil, err
	}
	if r.Query, err = f.parameters(); err != nil {
		return r, nil, err
	}
	if list {
		listRequest(&r, f.limits.prefix)
	} else if r.Key == "" && f.method == http.MethodGet && len(f.query) == 0 {
		return r, nil, usagef("%s names a bucket, not an object\nto list a bucket: daypass presign list %s", target, target)
	}
	return r, l, nil
}

// lifetimeUntil is the lifetime of a URL that ends at until: S3's own bound
// where that is further away, since x-daypass-until decides then.
func lifetimeUntil(until, now time.Time) time.Duration { return min(until.Sub(now), sign.MaxLifetime) }

// alignTime rounds the time of signing down.
func (f *presignFlags) alignTime(r *sign.URLRequest) error {
	align := time.Duration(f.align)
	if align <= 0 {
		return nil
	}
	r.Time, r.Lifetime = r.Time.Truncate(align), r.Lifetime+align
	if r.Lifetime > sign.MaxLifetime {
		if f.limits.until == "" || f.expiresGiven {
			return usagef("--expires and --align together must be at most 7d")
		}
		r.Lifetime = sign.MaxLifetime
	}
	return nil
}

// listRequest turns a request for a key into one for the list of what is
// below it. With the limit prefix, the holder chooses the parameter prefix.
func listRequest(r *sign.URLRequest, limited bool) {
	r.Query = append(r.Query, sign.Param{Name: "list-type", Value: "2"})
	if r.Key != "" && !limited {
		r.Query = append(r.Query, sign.Param{Name: "prefix", Value: r.Key})
	}
	r.Key = ""
}

// parseTarget splits s3://bucket/key. The key is taken as it stands.
func parseTarget(target string) (bucket, key string, err error) {
	rest, ok := strings.CutPrefix(target, "s3://")
	bucket, key, _ = strings.Cut(rest, "/")
	if !ok || bucket == "" {
		return "", "", usagef("%q is not of the form s3://BUCKET/KEY", target)
	}
	return bucket, key, nil
}

func parseHeaders(f *presignFlags) (http.Header, error) {
	h := make(http.Header)
	for _, line := range f.headers {
		name, value, ok := strings.Cut(line, ":")
		if !ok || strings.TrimSpace(name) == "" {
			return nil, usagef("--header %q is not of the form 'Name: value'", line)
		}
		h.Add(strings.TrimSpace(name), strings.TrimSpace(value))
	}
	if f.contentType != "" {
		h.Set("Content-Type", f.contentType)
	}
	return h, nil
}

func (f *presignFlags) parameters() (sign.Query, error) {
	var q sign.Query
	for _, p := range f.query {
		name, value, _ := strings.Cut(p, "=")
		if name == "" {
			return nil, usagef("--query %q is not of the form name=value", p)
		}
		q = append(q, sign.Param{Name: name, Value: value})
	}
	if f.versionID != "" {
		q = append(q, sign.Param{Name: "versionId", Value: f.versionID})
	}
	for _, name := range responseOverrides {
		if v := *f.response[name]; v != "" {
			q = append(q, sign.Param{Name: name, Value: v})
		}
	}
	if f.filename == "" {
		return q, nil
	}
	if *f.response["response-content-disposition"] != "" {
		return nil, usagef("--filename and --response-content-disposition say the same thing")
	}
	return append(q, sign.Param{Name: "response-content-disposition", Value: contentDisposition(f.filename, f.inline)}), nil
}

// contentDisposition names a file for browsers: as RFC 6266 has it, with an
// ASCII name for old clients and the exact one for the others.
func contentDisposition(name string, inline bool) string {
	kind := "attachment"
	if inline {
		kind = "inline"
	}
	ascii := strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' || r == '"' || r == '\\' || r == '%' {
			return '_'
		}
		return r
	}, name)
	if ascii == name {
		return mime.FormatMediaType(kind, map[string]string{"filename": name})
	}
	return kind + `; filename="` + ascii + `"; filename*=UTF-8''` + sign.EscapeQuery(name)
}

// A urlMaker signs a request with limits, which may be nil.
type urlMaker func(sign.URLRequest, *client.Limits) (presigned, error)

// urlMaker returns what makes URLs: a running server, or the credentials of
// the AWS configuration.
func (a *app) urlMaker(ctx context.Context, f *presignFlags) (urlMaker, error) {
	if f.local {
		return a.localMaker(ctx, f)
	}
	signer, err := a.awsSigner(ctx, f)
	if err != nil {
		return nil, err
	}
	return func(r sign.URLRequest, l *client.Limits) (presigned, error) {
		p, err := f.presigner(signer, r.Bucket)
		if err != nil {
			return presigned{}, err
		}
		if r, err = a.limited(r, l, signer.key.Secret, versions[f.signature]); err != nil {
			return presigned{}, limitError(err)
		}
		u, err := p.Presign(r)
		if err != nil {
			return presigned{}, usagef("%s", signMessage(err))
		}
		return presigned{URL: u, Method: r.Method, Headers: flatten(r.Header), Signed: r.Time, Expires: endOf(&r, l)}, nil
	}, nil
}

// limited adds limits to a request, if they can be enforced for it.
func (a *app) limited(r sign.URLRequest, l *client.Limits, secret string, version sign.Version) (sign.URLRequest, error) {
	q, err := encodeLimits(l, a.rand, daypass.Secret(secret))
	if err != nil {
		return r, err
	}
	r.Query = append(r.Query[:len(r.Query):len(r.Query)], q...)
	return r, checkLimits(&r, version)
}

// endOf is when a URL ends for a server that enforces its limits.
func endOf(r *sign.URLRequest, l *client.Limits) time.Time {
	if l != nil && !l.Until.IsZero() {
		return l.Until
	}
	return r.Time.Add(r.Lifetime).UTC()
}

func signMessage(err error) string {
	if e, ok := err.(*sign.Error); ok {
		return e.Message
	}
	return err.Error()
}

func flatten(h http.Header) map[string]string {
	if len(h) == 0 {
		return nil
	}
	out := make(map[string]string, len(h))
	for name, values := range h {
		out[name] = strings.Join(values, ",")
	}
	return out
}

func (a *app) localMaker(ctx context.Context, f *presignFlags) (urlMaker, error) {
	if f.align > 0 || f.signature != "v4" || f.publicURL != "" || f.endpoint != "" || f.vhost {
		return nil, usagef("--data cannot be combined with --align, --signature, --public-url, --endpoint-url or --virtual-host\n" +
			"make a key with 'daypass keys create' and set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_ENDPOINT_URL")
	}
	c, err := a.connect(ctx, &adminFlags{data: f.data})
	if err != nil {
		return nil, err
	}
	return func(r sign.URLRequest, l *client.Limits) (presigned, error) {
		// The server does the same with its own key: this is to refuse before
		// anything is sent.
		if _, err := a.limited(r, l, "not the key", sign.V4); err != nil {
			return presigned{}, limitError(err)
		}
		req := client.PresignRequest{Method: r.Method, Bucket: r.Bucket, Key: r.Key, Headers: flatten(r.Header),
			ExpiresSeconds: int64(r.Lifetime / time.Second), Query: make(map[string]string)}
		if l != nil {
			req.Limits = *l
		}
		for _, p := range r.Query {
			req.Query[p.Name] = p.Value
		}
		p, err := c.Presign(ctx, req)
		return presigned{URL: p.URL, Method: p.Method, Headers: p.Headers, Signed: r.Time, Expires: p.Expires}, err
	}, nil
}

// An awsSigner is a key and where its URLs point.
type awsSigner struct {
	key              sign.Key
	endpoint, region string
}

// awsSigner takes credentials, region and endpoint from where the AWS tools
// have them.
func (a *app) awsSigner(ctx context.Context, f *presignFlags) (*awsSigner, error) {
	var opts []func(*awsconfig.LoadOptions) error
	if f.profile != "" {
		opts = append(opts, awsconfig.WithSharedConfigProfile(f.profile))
	}
	if f.region != "" {
		opts = append(opts, awsconfig.WithRegion(f.region))
	}
	config, err := awsconfig.LoadDefaultConfig(ctx, opts...)
	if err != nil {
		return nil, usagef("the AWS configuration cannot be read: %v", err)
	}
	credentials, err := config.Credentials.Retrieve(ctx)
	if err != nil {
		return nil, usagef("no credentials to sign with\nset AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, choose a --profile, or name a running server's --data")
	}
	s := &awsSigner{region: config.Region, endpoint: f.publicURL,
		key: sign.Key{ID: credentials.AccessKeyID, Secret: credentials.SecretAccessKey, Token: credentials.SessionToken}}
	if s.region == "" {
		s.region = "us-east-1"
	}
	if s.endpoint == "" {
		s.endpoint = f.endpoint
	}
	if s.endpoint == "" {
		s.endpoint = configuredEndpoint(a.env, config.BaseEndpoint)
	}
	a.warnLifetime(f, credentials.CanExpire, credentials.Expires, s.key.Token != "")
	return s, nil
}

// configuredEndpoint is the endpoint of S3 in the AWS configuration, or "".
func configuredEndpoint(env func(string) string, base *string) string {
	if e := env("AWS_ENDPOINT_URL_S3"); e != "" {
		return e
	}
	if base != nil {
		return *base
	}
	return ""
}

// warnLifetime says when a URL will end earlier than it says.
func (a *app) warnLifetime(f *presignFlags, canExpire bool, ends time.Time, temporary bool) {
	switch {
	case canExpire && ends.Before(a.now().Add(time.Duration(f.expires))):
		fmt.Fprintf(a.err, "daypass: warning: the credentials end at %s, and the URL with them\n", showTime(ends))
	case temporary && !canExpire:
		fmt.Fprintln(a.err, "daypass: warning: the credentials are temporary; the URL ends with them, perhaps before --expires")
	}
}

// versions are the signature versions by the names that --signature has.
var versions = map[string]sign.Version{"v4": sign.V4, "v4a": sign.V4A, "v2": sign.V2}

func (f *presignFlags) presigner(s *awsSigner, bucket string) (*sign.Presigner, error) {
	version, ok := versions[f.signature]
	if !ok {
		return nil, usagef("--signature is v4, v4a or v2, not %q", f.signature)
	}
	opts, endpoint := sign.PresignOptions{Version: version, VirtualHost: f.vhost}, s.endpoint
	if endpoint == "" {
		endpoint = awsEndpoint(s.region)
		// A certificate for *.s3 does not cover a bucket with a dot.
		opts.VirtualHost = !f.pathStyle && !strings.Contains(bucket, ".")
	}
	if f.vhost && f.pathStyle {
		return nil, usagef("--virtual-host and --path-style exclude each other")
	}
	p, err := sign.NewPresigner(s.key, endpoint, s.region, opts)
	if err != nil {
		return nil, usagef("%s", signMessage(err))
	}
	return p, nil
}

// awsEndpoint is the endpoint of Amazon S3 in a region.
func awsEndpoint(region string) string {
	if strings.HasPrefix(region, "cn-") {
		return "https://s3." + region + ".amazonaws.com.cn"
	}
	return "https://s3." + region + ".amazonaws.com"
}
