package s3store

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// The deadlines that hold where a Config does not say.
const (
	DefaultConnectTimeout = 3 * time.Second
	DefaultTimeout        = 15 * time.Second
	DefaultIdleTimeout    = 30 * time.Second
)

// DefaultConnections is how many connections to one endpoint are kept open for
// the next request where a Config does not say.
const DefaultConnections = 256

// DefaultControl is the bucket of the control objects where buckets are mapped
// one to one and a Config does not say.
const DefaultControl = "daypass-control"

// defaultRegion is signed for where an endpoint is given and no region, as
// engines other than AWS's take any.
const defaultRegion = "us-east-1"

// A Config says which upstream S3 keeps the objects, and how it is spoken to.
// ParseURL makes one of a text. The zero value is AWS S3 with everything from
// the AWS environment.
type Config struct {
	// Endpoints are base URLs (http or https, without query) of one and the
	// same upstream. The first is preferred; the others are used while it
	// fails. None is AWS S3 in Region.
	Endpoints []string
	// Region is what requests are signed for; "" is that of the AWS
	// environment or, where there is none and Endpoints are given, us-east-1.
	Region string
	// PathStyle puts the name of the bucket into the path (https://host/bucket),
	// else it goes before the host (https://bucket.host).
	PathStyle bool

	// Bucket is the upstream bucket that holds all buckets of Daypass, at
	// Prefix + NAME + "/". "" maps one to one: every bucket of Daypass is the
	// upstream bucket NamePrefix + NAME.
	Bucket string
	// Prefix goes before all keys in Bucket; it is "" or ends with "/".
	Prefix string
	// NamePrefix goes before the names of upstream buckets where Bucket is "".
	NamePrefix string
	// Control is, where Bucket is "", the upstream bucket of the control
	// objects, without NamePrefix; "" is DefaultControl. In Bucket they lie
	// below Prefix + ".daypass/".
	Control string

	// CAFile is a file with the certificates, in PEM, that sign those of the
	// endpoints; "" is the system's.
	CAFile string
	// CertFile and KeyFile, in PEM, are shown to endpoints that ask for a
	// certificate.
	CertFile, KeyFile string
	// Insecure accepts any certificate. It is for trials.
	Insecure bool

	// Credentials sign the requests; nil is the credential chain of the AWS
	// SDK: environment, shared files (Profile), web identity, container, machine.
	Credentials aws.CredentialsProvider
	// Profile is the profile in the shared files; "" is AWS_PROFILE or "default".
	Profile string

	// RedirectEndpoint is the base URL under which clients reach the upstream
	// (see Driver.RedirectURL); "" is the endpoint that is in use.
	RedirectEndpoint string

	// ConnectTimeout bounds making a connection, TLS included.
	ConnectTimeout time.Duration
	// Timeout bounds the wait from the end of a request to the first byte of
	// its answer. Copies and completions, which take an upstream longer, have
	// six times as long.
	Timeout time.Duration
	// IdleTimeout bounds how long a body may make no progress in either
	// direction while this side is ready.
	IdleTimeout time.Duration
	// Connections is how many idle connections per endpoint are kept.
	Connections int

	// Logger is told of endpoints that fail and come back; nil is none.
	Logger *slog.Logger
	// Now returns the present; nil is time.Now.
	Now func() time.Time
}

// ErrURL is the cause of every error of ParseURL.
var ErrURL = errors.New("s3store: invalid store URL")

// ParseURL makes a Config of
//
//	s3://[BUCKET[/PREFIX]][?NAME=VALUE[&NAME=VALUE…]]
//
// with the names
//
//	endpoint          base URL, or several separated by commas (default: AWS S3)
//	region            region to sign for
//	style             path or virtual (default: path with endpoint, else virtual)
//	name-prefix       put before the names of upstream buckets (without BUCKET)
//	control           upstream bucket of the control objects (without BUCKET)
//	ca, cert, key     files in PEM: authorities, client certificate and its key
//	insecure          1 accepts any certificate
//	profile           profile in the shared AWS files
//	redirect-endpoint base URL under which clients reach the upstream
//	connect-timeout, timeout, idle-timeout
//	                  durations such as 15s, at least 100ms and at most 1h
//	connections       idle connections kept per endpoint
//
// Each name is given once. Credentials never stand in the URL, which ends up in
// process lists and logs: what looks like some is refused. Errors wrap ErrURL,
// say what to write instead and do not repeat a secret.
func ParseURL(text string) (Config, error) {
	u, err := url.Parse(text)
	if err != nil {
		// The error of url.Parse repeats the text.
		return Config{}, urlError("it is no URL; write s3://BUCKET/PREFIX?endpoint=https://HOST")
	}
	if err := checkURL(u); err != nil {
		return Config{}, err
	}
	c := Config{Bucket: u.Host, Prefix: strings.TrimPrefix(u.Path, "/")}
	if c.Prefix != "" && !strings.HasSuffix(c.Prefix, "/") {
		c.Prefix += "/"
	}
	if c.Bucket == "" && c.Prefix != "" {
		return Config{}, urlError("a prefix needs a bucket: write s3://BUCKET/%s", c.Prefix)
	}
	values, err := parseParameters(u.RawQuery)
	if err != nil {
		return Config{}, err
	}
	c.PathStyle = len(values["endpoint"]) > 0
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if err := c.set(name, values[name]); err != nil {
			return Config{}, err
		}
	}
	if err := c.check(); err != nil {
		return Config{}, fmt.Errorf("%w: %w", ErrURL, err)
	}
	return c, nil
}

func urlError(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrURL, fmt.Sprintf(format, args...))
}

const credentialsAdvice = "credentials do not belong into the store URL, which others can read; " +
	"set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a profile of the shared AWS files with profile=NAME"

func checkURL(u *url.URL) error {
	switch {
	case u.Scheme != "s3":
		return urlError("it does not begin with s3://")
	case u.User != nil:
		return urlError("%s", credentialsAdvice)
	case u.Opaque != "":
		return urlError("write s3://BUCKET, with two slashes")
	case u.Fragment != "" || strings.Contains(u.Host, ":"):
		return urlError("the host is the name of a bucket; give the upstream's address with ?endpoint=https://HOST:PORT")
	}
	return nil
}

// parseParameters returns the parameters by name. Each is given once.
func parseParameters(query string) (map[string]string, error) {
	values := map[string]string{}
	parsed, err := url.ParseQuery(query)
	if err != nil {
		return nil, urlError("its parameters are malformed; write NAME=VALUE, separated by &")
	}
	for _, name := range slices.Sorted(maps.Keys(parsed)) {
		given := parsed[name]
		if len(given) != 1 {
			return nil, urlError("%s is given %d times", name, len(given))
		}
		if given[0] == "" {
			return nil, urlError("%s has no value", name)
		}
		values[name] = given[0]
	}
	return values, nil
}

// parameters sets a field of c from the text of a parameter, by name.
func parameters() map[string]func(c *Config, value string) error {
	text := func(field func(*Config) *string) func(*Config, string) error {
		return func(c *Config, value string) error {
			*field(c) = value
			return nil
		}
	}
	duration := func(field func(*Config) *time.Duration) func(*Config, string) error {
		return func(c *Config, value string) (err error) {
			*field(c), err = parseTimeout(value)
			return err
		}
	}
	return map[string]func(*Config, string) error{
		"endpoint": func(c *Config, value string) error {
			c.Endpoints = strings.Split(value, ",")
			return nil
		},
		"style":             (*Config).setStyle,
		"insecure":          (*Config).setInsecure,
		"connections":       (*Config).setConnections,
		"region":            text(func(c *Config) *string { return &c.Region }),
		"name-prefix":       text(func(c *Config) *string { return &c.NamePrefix }),
		"control":           text(func(c *Config) *string { return &c.Control }),
		"ca":                text(func(c *Config) *string { return &c.CAFile }),
		"cert":              text(func(c *Config) *string { return &c.CertFile }),
		"key":               text(func(c *Config) *string { return &c.KeyFile }),
		"profile":           text(func(c *Config) *string { return &c.Profile }),
		"redirect-endpoint": text(func(c *Config) *string { return &c.RedirectEndpoint }),
		"connect-timeout":   duration(func(c *Config) *time.Duration { return &c.ConnectTimeout }),
		"timeout":           duration(func(c *Config) *time.Duration { return &c.Timeout }),
		"idle-timeout":      duration(func(c *Config) *time.Duration { return &c.IdleTimeout }),
	}
}

func (c *Config) set(name, value string) error {
	known := parameters()
	set, ok := known[name]
	if !ok {
		folded := strings.ToLower(name)
		if strings.Contains(folded, "secret") || strings.Contains(folded, "access") || strings.Contains(folded, "token") {
			return urlError("%s", credentialsAdvice)
		}
		return urlError("the parameter %q is unknown; there are %s", name, strings.Join(slices.Sorted(maps.Keys(known)), ", "))
	}
	if err := set(c, value); err != nil {
		return urlError("%s=%s: %v", name, value, err)
	}
	return nil
}

func (c *Config) setStyle(value string) error {
	if value != "path" && value != "virtual" {
		return errors.New("write path or virtual")
	}
	c.PathStyle = value == "path"
	return nil
}

func (c *Config) setInsecure(value string) error {
	if value != "1" {
		return errors.New("write 1, or leave it out")
	}
	c.Insecure = true
	return nil
}

func (c *Config) setConnections(value string) (err error) {
	c.Connections, err = strconv.Atoi(value)
	if err != nil || c.Connections < 1 || c.Connections > 1<<16 {
		return errors.New("write a number from 1 to 65536")
	}
	return nil
}

func parseTimeout(value string) (time.Duration, error) {
	d, err := time.ParseDuration(value)
	if err != nil || d < 100*time.Millisecond || d > time.Hour {
		return 0, errors.New("write a duration between 100ms and 1h, such as 15s")
	}
	return d, nil
}

// check reports what does not go together.
func (c *Config) check() error {
	switch {
	case c.Bucket != "" && (c.NamePrefix != "" || c.Control != ""):
		return errors.New("name-prefix and control are for buckets that are mapped one to one: leave out BUCKET or them")
	case (c.CertFile == "") != (c.KeyFile == ""):
		return errors.New("cert and key are given together")
	case c.Prefix != "" && !validPrefix(c.Prefix):
		return errors.New(`a prefix ends in "/" and has no empty, "." and ".." segments`)
	}
	for _, endpoint := range c.Endpoints {
		if err := checkEndpoint("endpoint", endpoint); err != nil {
			return err
		}
	}
	if c.RedirectEndpoint == "" {
		return nil
	}
	return checkEndpoint("redirect-endpoint", c.RedirectEndpoint)
}

func validPrefix(prefix string) bool {
	rest, ok := strings.CutSuffix(prefix, "/")
	return ok && !slices.ContainsFunc(strings.Split(rest, "/"), func(segment string) bool {
		return segment == "" || segment == "." || segment == ".."
	})
}

func checkEndpoint(name, endpoint string) error {
	u, err := url.Parse(endpoint)
	switch {
	case err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.Opaque != "":
		return fmt.Errorf("%s is no base URL: write https://HOST:PORT", name)
	case u.User != nil:
		return errors.New(credentialsAdvice)
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return fmt.Errorf("%s has a query or a fragment: write https://HOST:PORT", name)
	}
	return nil
}

// withDefaults returns c with the values that it leaves out.
func (c Config) withDefaults() Config {
	or := func(d *time.Duration, value time.Duration) {
		if *d <= 0 {
			*d = value
		}
	}
	or(&c.ConnectTimeout, DefaultConnectTimeout)
	or(&c.Timeout, DefaultTimeout)
	or(&c.IdleTimeout, DefaultIdleTimeout)
	if c.Connections <= 0 {
		c.Connections = DefaultConnections
	}
	if c.Control == "" {
		c.Control = DefaultControl
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

// readFile is os.ReadFile with an error that says which parameter named it.
func readFile(parameter, name string) ([]byte, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("s3store: %s: %w", parameter, err)
	}
	return text, nil
}
