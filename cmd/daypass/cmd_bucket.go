package main

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sort"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/daypass/daypass/s3"
	"github.com/daypass/daypass/sign"
)

func (a *app) bucketCommand() *cobra.Command {
	f := &presignFlags{expires: lifetimeFlag(5 * time.Minute), signature: "v4"}
	cmd := &cobra.Command{
		Use:   "bucket",
		Short: "Show and change settings of a bucket: policy, CORS, ACL, access log, lifecycle",
		Long: "Show and change the settings of a bucket, of Daypass and of any S3.\n\n" +
			"By default the server is the one that runs on --data. With AWS_ACCESS_KEY_ID,\n" +
			"--profile or --endpoint-url it is the one that the AWS configuration names.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	fs := cmd.PersistentFlags()
	a.addDataFlag(fs, &f.data)
	fs.StringVar(&f.endpoint, "endpoint-url", "", "endpoint of an S3 other than AWS (default: AWS_ENDPOINT_URL)")
	fs.StringVar(&f.region, "region", "", "region (default: from the AWS configuration, else us-east-1)")
	fs.StringVar(&f.profile, "profile", "", "profile of the AWS configuration")
	fs.BoolVar(&f.pathStyle, "path-style", false, "put the bucket into the path")
	cmd.AddCommand(a.bucketPolicy(f), a.bucketCORS(f), a.bucketACL(f), a.bucketLogging(f), a.bucketLifecycle(f))
	return cmd
}

// A setting is a sub-resource of a bucket, as requests name it.
type setting struct {
	flags *presignFlags
	sub   string
}

// verb is a command that gets, sets or deletes a setting.
func (a *app) verb(s *setting, use, short string, args cobra.PositionalArgs, run func(context.Context, *settingClient, []string) error) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, Args: args,
		RunE: func(cmd *cobra.Command, args []string) error {
			s.flags.local = cmd.Flags().Changed("data") ||
				s.flags.endpoint == "" && s.flags.profile == "" && a.env("AWS_ACCESS_KEY_ID") == ""
			c, err := a.settingClient(cmd.Context(), s, args[0])
			if err != nil {
				return err
			}
			return run(cmd.Context(), c, args[1:])
		},
	}
}

func (a *app) settingCommand(name, short string, commands ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{Use: name, Short: short, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	cmd.AddCommand(commands...)
	return cmd
}

// show prints a setting as the server sends it.
func (a *app) showSetting(ctx context.Context, c *settingClient, _ []string) error {
	body, err := c.send(ctx, http.MethodGet, nil, nil)
	if err == nil {
		fmt.Fprintf(a.out, "%s\n", bytes.TrimSpace(body))
	}
	return err
}

func (a *app) deleteSetting(ctx context.Context, c *settingClient, _ []string) error {
	_, err := c.send(ctx, http.MethodDelete, nil, nil)
	return err
}

func (a *app) bucketPolicy(f *presignFlags) *cobra.Command {
	s := &setting{f, "policy"}
	return a.settingCommand("policy", "The bucket policy: who may do what, as an IAM policy document",
		a.verb(s, "get s3://BUCKET", "Print the policy", cobra.ExactArgs(1), a.showSetting),
		a.verb(s, "set s3://BUCKET FILE", "Set the policy; - is standard input", cobra.ExactArgs(2),
			func(ctx context.Context, c *settingClient, args []string) error {
				document, err := a.readPolicy(args[0])
				if err == nil {
					_, err = c.send(ctx, http.MethodPut, nil, []byte(document))
				}
				return err
			}),
		a.verb(s, "delete s3://BUCKET", "Delete the policy", cobra.ExactArgs(1), a.deleteSetting))
}

func (a *app) bucketACL(f *presignFlags) *cobra.Command {
	s := &setting{f, "acl"}
	return a.settingCommand("acl", "The access control list of a bucket or object",
		a.verb(s, "get s3://BUCKET[/KEY]", "Print the list, as XML", cobra.ExactArgs(1), a.showSetting),
		a.verb(s, "set s3://BUCKET[/KEY] CANNED", "Set a canned list: private, public-read, public-read-write, authenticated-read …",
			cobra.ExactArgs(2), func(ctx context.Context, c *settingClient, args []string) error {
				_, err := c.send(ctx, http.MethodPut, http.Header{"X-Amz-Acl": {args[0]}}, nil)
				return err
			}),
		a.verb(s, "delete s3://BUCKET[/KEY]", "Set the list to private", cobra.ExactArgs(1),
			func(ctx context.Context, c *settingClient, _ []string) error {
				_, err := c.send(ctx, http.MethodPut, http.Header{"X-Amz-Acl": {"private"}}, nil)
				return err
			}))
}

func (a *app) bucketCORS(f *presignFlags) *cobra.Command {
	s := &setting{f, "cors"}
	var preset string
	var origins []string
	set := a.verb(s, "set s3://BUCKET [FILE]", "Set rules: a preset, or a file with XML or the JSON of the AWS CLI", cobra.RangeArgs(1, 2),
		func(ctx context.Context, c *settingClient, args []string) error {
			rules, err := a.corsRules(preset, origins, args)
			if err == nil {
				_, err = c.send(ctx, http.MethodPut, nil, rules)
			}
			return err
		})
	set.Example = "  daypass bucket cors set s3://uploads --preset upload --origin https://app.example.com"
	set.Flags().StringVar(&preset, "preset", "", presetUsage())
	set.Flags().StringArrayVar(&origins, "origin", nil, "browser origin for the preset, such as https://app.example.com; one * stands for any text (may repeat)")
	return a.settingCommand("cors", "The CORS rules: which web pages' scripts may use the bucket",
		a.verb(s, "get s3://BUCKET", "Print the rules, as XML or with --json as the AWS CLI does", cobra.ExactArgs(1), a.showCORS),
		set,
		a.verb(s, "delete s3://BUCKET", "Delete the rules", cobra.ExactArgs(1), a.deleteSetting))
}

func (a *app) showCORS(ctx context.Context, c *settingClient, args []string) error {
	if !a.json {
		return a.showSetting(ctx, c, args)
	}
	body, err := c.send(ctx, http.MethodGet, nil, nil)
	if err != nil {
		return err
	}
	rules, err := s3.ParseCORS(body)
	if err != nil {
		return err
	}
	return a.printJSON(corsDocument{rules})
}

// A corsDocument is CORS rules as the AWS CLI writes them.
type corsDocument struct {
	CORSRules s3.CORSRules
}

// A corsPreset is what --preset names.
type corsPreset struct {
	use  string
	any  bool // any origin unless --origin says otherwise
	rule s3.CORSRule
}

// Headers that scripts read of answers: ranges and ETags, of which browsers
// assemble multipart uploads, and what identifies a request.
var (
	exposedToReaders = []string{"ETag", "Accept-Ranges", "Content-Range", "Content-Disposition", "Content-Length", "x-amz-request-id", "x-amz-version-id"}
	exposedToWriters = append([]string{"x-amz-checksum-crc32", "x-amz-checksum-crc32c", "x-amz-checksum-crc64nvme", "x-amz-checksum-sha1", "x-amz-checksum-sha256", "Location"}, exposedToReaders...)
)

func corsPresets() map[string]corsPreset {
	age := 3600
	return map[string]corsPreset{
		"public-read": {"pages may read objects (any origin unless --origin)", true, s3.CORSRule{
			AllowedMethods: []string{"GET", "HEAD"}, AllowedHeaders: []string{"range", "if-*"}, ExposeHeaders: exposedToReaders, MaxAge: &age}},
		"upload": {"pages may upload, also in parts and by form", false, s3.CORSRule{
			AllowedMethods: []string{"PUT", "POST", "GET", "HEAD"}, AllowedHeaders: []string{"*"}, ExposeHeaders: exposedToWriters, MaxAge: &age}},
		"console": {"pages may do everything that their signatures allow", false, s3.CORSRule{
			AllowedMethods: []string{"GET", "HEAD", "PUT", "POST", "DELETE"}, AllowedHeaders: []string{"*"}, ExposeHeaders: exposedToWriters, MaxAge: &age}},
	}
}

func presetUsage() string {
	var lines []string
	for name, p := range corsPresets() {
		lines = append(lines, name+": "+p.use)
	}
	sort.Strings(lines)
	return strings.Join(lines, "; ")
}

// corsRules returns the XML of the rules that are to be set.
func (a *app) corsRules(preset string, origins, files []string) ([]byte, error) {
	switch {
	case preset == "" && len(files) == 1 && origins == nil:
		return a.readCORS(files[0])
	case preset == "" || len(files) > 0:
		return nil, usagef("give either a file or --preset with --origin")
	}
	p, ok := corsPresets()[preset]
	if !ok {
		return nil, usagef("there is no preset %q\n%s", preset, strings.ReplaceAll(presetUsage(), "; ", "\n"))
	}
	if origins == nil && !p.any {
		return nil, usagef("--preset %s needs --origin: the pages that may use it\nsuch as --origin https://app.example.com", preset)
	}
	if origins == nil {
		origins = []string{"*"}
	}
	p.rule.ID, p.rule.AllowedOrigins = preset, origins
	return checkedCORS(s3.CORSRules{p.rule})
}

// readCORS reads rules in XML or JSON.
func (a *app) readCORS(path string) ([]byte, error) {
	text, err := a.readAll(path)
	if err != nil {
		return nil, err
	}
	if text = bytes.TrimSpace(text); len(text) == 0 || text[0] != '{' {
		return text, nil
	}
	var doc corsDocument
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&doc); err != nil {
		return nil, usagef("%s: %v", path, err)
	}
	return checkedCORS(doc.CORSRules)
}

func checkedCORS(rules s3.CORSRules) ([]byte, error) {
	body := rules.Append(nil)
	_, err := s3.ParseCORS(body)
	return body, err
}

// A settingClient sends requests about one setting, with URLs that it has
// made.
type settingClient struct {
	app         *app
	make        urlMaker
	bucket, key string
	sub         string
	http        *http.Client
	local       *url.URL // the server as it listens on this machine, if it does
}

func (a *app) settingClient(ctx context.Context, s *setting, target string) (c *settingClient, err error) {
	c = &settingClient{app: a, sub: s.sub, http: http.DefaultClient}
	if c.bucket, c.key, err = parseTarget(target); err != nil {
		return nil, err
	}
	if c.key != "" && s.sub != "acl" {
		return nil, usagef("%s names an object, not a bucket", target)
	}
	if s.flags.local {
		admin, err := a.connect(ctx, &adminFlags{data: s.flags.data})
		if err != nil {
			return nil, err
		}
		info, err := admin.Server(ctx)
		if err != nil {
			return nil, err
		}
		if c.local, err = url.Parse(info.PublicURLs[len(info.PublicURLs)-1]); err != nil {
			return nil, err
		}
		c.http = localClient(c.local)
	}
	c.make, err = a.urlMaker(ctx, s.flags)
	return c, err
}

// send sends a request and returns the answer's body.
func (c *settingClient) send(ctx context.Context, method string, header http.Header, body []byte) ([]byte, error) {
	if header == nil {
		header = make(http.Header)
	}
	if len(body) > 0 {
		sum := md5.Sum(body)
		header.Set("Content-Md5", base64.StdEncoding.EncodeToString(sum[:]))
	}
	p, err := c.make(sign.URLRequest{Method: method, Bucket: c.bucket, Key: c.key, Header: header, Query: sign.Query{{Name: c.sub}},
		Lifetime: 5 * time.Minute, Time: c.app.now().UTC().Truncate(time.Second)}, nil)
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, method, p.URL, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header = header
	if c.local != nil {
		// The URL is made for the public name, which may not lead here.
		r.Host = r.URL.Host
		r.URL.Scheme, r.URL.Host = c.local.Scheme, c.local.Host
	}
	resp, err := c.http.Do(r)
	if err != nil {
		// The error of http.Client repeats the URL, signature included.
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err
		}
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		return nil, readS3Error(resp.Body, resp.Status)
	}
	return io.ReadAll(io.LimitReader(resp.Body, maxDocument))
}
