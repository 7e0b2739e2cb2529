package main

import (
	"context"
	"fmt"
	"mime"
	"net/http"
	"sort"
	"strings"
	"time"

	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

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
			"With --data, the server that runs on that data directory makes the URL with its root key.",
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
			return a.presign(cmd.Context(), f, name == "list", args)
		},
	}
	a.addPresignFlags(cmd.Flags(), f)
	return cmd
}

func presignExample(name string) string {
	switch name {
	case "put":
		return "  daypass presign put s3://uploads/in.pdf --expires 15m --content-type application/pdf --snippet curl"
	case "list":
		return "  daypass presign list s3://photos/2026/ --expires 1h"
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
}

func (a *app) presign(ctx context.Context, f *presignFlags, list bool, targets []string) error {
	if !snippets[f.snippet] {
		return usagef("--snippet is curl, fetch, form or headers, not %q", f.snippet)
	}
	make, err := a.urlMaker(ctx, f)
	if err != nil {
		return err
	}
	out := []presigned{}
	for _, target := range targets {
		r, err := a.urlRequest(f, target, list)
		if err != nil {
			return err
		}
		p, err := make(r)
		if err != nil {
			return err
		}
		out = append(out, p)
	}
	return a.printPresigned(f, out)
}

// urlRequest turns flags into what is to be signed.
func (a *app) urlRequest(f *presignFlags, target string, list bool) (r sign.URLRequest, err error) {
	r = sign.URLRequest{Method: f.method, Lifetime: time.Duration(f.expires), Time: a.now().UTC().Truncate(time.Second)}
	if r.Bucket, r.Key, err = parseTarget(target); err != nil {
		return r, err
	}
	if align := time.Duration(f.align); align > 0 {
		r.Time, r.Lifetime = r.Time.Truncate(align), r.Lifetime+align
		if r.Lifetime > sign.MaxLifetime {
			return r, usagef("--expires and --align together must be at most 7d")
		}
	}
	if r.Header, err = parseHeaders(f); err != nil {
		return r, err
	}
	if r.Query, err = f.parameters(); err != nil {
		return r, err
	}
	if list {
		r.Query = append(r.Query, sign.Param{Name: "list-type", Value: "2"})
		if r.Key != "" {
			r.Query = append(r.Query, sign.Param{Name: "prefix", Value: r.Key})
			r.Key = ""
		}
	} else if r.Key == "" && f.method == http.MethodGet && len(f.query) == 0 {
		return r, usagef("%s names a bucket, not an object\nto list a bucket: daypass presign list %s", target, target)
	}
	return r, nil
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

// urlMaker returns what makes URLs: a running server, or the credentials of
// the AWS configuration.
func (a *app) urlMaker(ctx context.Context, f *presignFlags) (func(sign.URLRequest) (presigned, error), error) {
	if f.local {
		return a.localMaker(ctx, f)
	}
	presigner, err := a.awsPresigner(ctx, f)
	if err != nil {
		return nil, err
	}
	return func(r sign.URLRequest) (presigned, error) {
		p, err := presigner(r.Bucket)
		if err != nil {
			return presigned{}, err
		}
		u, err := p.Presign(r)
		if err != nil {
			return presigned{}, usagef("%s", signMessage(err))
		}
		return presigned{URL: u, Method: r.Method, Headers: flatten(r.Header), Signed: r.Time, Expires: r.Time.Add(r.Lifetime)}, nil
	}, nil
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

func (a *app) localMaker(ctx context.Context, f *presignFlags) (func(sign.URLRequest) (presigned, error), error) {
	if f.align > 0 || f.signature != "v4" || f.publicURL != "" || f.endpoint != "" || f.vhost {
		return nil, usagef("--data cannot be combined with --align, --signature, --public-url, --endpoint-url or --virtual-host\n" +
			"make a key with 'daypass keys create' and set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_ENDPOINT_URL")
	}
	c, err := a.connect(ctx, &adminFlags{data: f.data})
	if err != nil {
		return nil, err
	}
	return func(r sign.URLRequest) (presigned, error) {
		req := client.PresignRequest{Method: r.Method, Bucket: r.Bucket, Key: r.Key, Headers: flatten(r.Header),
			ExpiresSeconds: int64(r.Lifetime / time.Second), Query: make(map[string]string)}
		for _, p := range r.Query {
			req.Query[p.Name] = p.Value
		}
		p, err := c.Presign(ctx, req)
		return presigned{URL: p.URL, Method: p.Method, Headers: p.Headers, Signed: r.Time, Expires: p.Expires}, err
	}, nil
}

// awsPresigner takes credentials, region and endpoint from where the AWS
// tools have them. It returns a function, for the style depends on the bucket.
func (a *app) awsPresigner(ctx context.Context, f *presignFlags) (func(bucket string) (*sign.Presigner, error), error) {
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
	region := config.Region
	if region == "" {
		region = "us-east-1"
	}
	endpoint := f.publicURL
	if endpoint == "" {
		endpoint = f.endpoint
	}
	if endpoint == "" {
		endpoint = configuredEndpoint(a.env, config.BaseEndpoint)
	}
	key := sign.Key{ID: credentials.AccessKeyID, Secret: credentials.SecretAccessKey, Token: credentials.SessionToken}
	a.warnLifetime(f, credentials.CanExpire, credentials.Expires, key.Token != "")
	return func(bucket string) (*sign.Presigner, error) { return f.presigner(key, endpoint, region, bucket) }, nil
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

func (f *presignFlags) presigner(key sign.Key, endpoint, region, bucket string) (*sign.Presigner, error) {
	version, ok := map[string]sign.Version{"v4": sign.V4, "v4a": sign.V4A, "v2": sign.V2}[f.signature]
	if !ok {
		return nil, usagef("--signature is v4, v4a or v2, not %q", f.signature)
	}
	opts := sign.PresignOptions{Version: version, VirtualHost: f.vhost}
	if endpoint == "" {
		endpoint = awsEndpoint(region)
		// A certificate for *.s3 does not cover a bucket with a dot.
		opts.VirtualHost = !f.pathStyle && !strings.Contains(bucket, ".")
	}
	if f.vhost && f.pathStyle {
		return nil, usagef("--virtual-host and --path-style exclude each other")
	}
	p, err := sign.NewPresigner(key, endpoint, region, opts)
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

var snippets = map[string]bool{"": true, "curl": true, "fetch": true, "form": true, "headers": true}

func (a *app) printPresigned(f *presignFlags, out []presigned) error {
	if a.json {
		return a.printJSON(out)
	}
	for _, p := range out {
		switch f.snippet {
		case "curl":
			fmt.Fprintln(a.out, p.curl())
		case "fetch":
			fmt.Fprintln(a.out, p.fetch())
		case "form":
			fmt.Fprintln(a.out, p.form())
		case "headers":
			for _, name := range p.headerNames() {
				fmt.Fprintf(a.out, "%s: %s\n", name, p.Headers[name])
			}
		default:
			fmt.Fprintln(a.out, p.URL)
		}
	}
	return nil
}

func (p *presigned) headerNames() []string {
	names := make([]string, 0, len(p.Headers))
	for name := range p.Headers {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

// shellQuote quotes for a POSIX shell.
func shellQuote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

func (p *presigned) curl() string {
	parts := []string{"curl", "--fail-with-body"}
	switch p.Method {
	case http.MethodGet:
	case http.MethodHead:
		parts = append(parts, "--head")
	case http.MethodPut:
		parts = append(parts, "--upload-file", "FILE")
	default:
		parts = append(parts, "--request", p.Method)
	}
	for _, name := range p.headerNames() {
		parts = append(parts, "--header", shellQuote(name+": "+p.Headers[name]))
	}
	return strings.Join(append(parts, shellQuote(p.URL)), " ")
}

// jsString writes a JavaScript string literal that is also safe in HTML.
func jsString(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, "'", `\'`, "\n", `\n`, "\r", `\r`, "<", `\u003c`).Replace(s) + "'"
}

func (p *presigned) fetch() string {
	var b strings.Builder
	fmt.Fprintf(&b, "const response = await fetch(%s, {\n  method: %s,\n", jsString(p.URL), jsString(p.Method))
	if len(p.Headers) > 0 {
		b.WriteString("  headers: {\n")
		for _, name := range p.headerNames() {
			fmt.Fprintf(&b, "    %s: %s,\n", jsString(name), jsString(p.Headers[name]))
		}
		b.WriteString("  },\n")
	}
	if p.Method == http.MethodPut {
		b.WriteString("  body: file,\n")
	}
	b.WriteString("});\nif (!response.ok) throw new Error(await response.text());")
	return b.String()
}

// form is a page's file input that uploads with the URL; a plain HTML form
// cannot send PUT.
func (p *presigned) form() string {
	if p.Method != http.MethodPut {
		return `<a href="` + strings.NewReplacer("&", "&amp;", `"`, "&quot;", "<", "&lt;").Replace(p.URL) + `">Download</a>`
	}
	return "<input type=\"file\" id=\"file\">\n<script type=\"module\">\n" +
		"document.getElementById('file').onchange = async (event) => {\n  const file = event.target.files[0];\n" +
		p.fetch() + "\n};\n</script>"
}
