package main

import (
	"errors"
	"net/url"
	"os"
	"regexp"
	"strings"

	"github.com/spf13/pflag"

	"github.com/daypass/daypass/server"
	"github.com/daypass/daypass/store/diskstore"
)

// backendFlags say where objects and state are kept, and which node of several
// this is.
type backendFlags struct {
	store         string
	state         dsnFlag
	stateFile     string
	masterKeyFile string
	node          string
	redirect      string
	cacheSize     sizeFlag
}

func addBackendFlags(fs *pflag.FlagSet, f *backendFlags) {
	fs.StringVar(&f.store, "store", "", "upstream S3 that keeps objects, such as s3://BUCKET/PREFIX?endpoint=https://HOST (default: the data directory)")
	fs.Var(&f.state, "state", "PostgreSQL that keeps state for all nodes, such as postgres://USER@HOST/DATABASE (default: the data directory; may repeat: each is a shard)")
	fs.StringVar(&f.stateFile, "state-file", "", "file with the URLs of --state, one in a line, which may hold passwords")
	fs.StringVar(&f.masterKeyFile, "master-key-file", "", "file with the master key (default: master.key in the data directory)")
	fs.StringVar(&f.node, "node", "", "name of this node in logs and metrics (default: the host's name, and what tells data directories apart)")
	f.cacheSize = sizeFlag{bytes: diskstore.DefaultReadCacheSize, set: true}
	fs.Var(&f.cacheSize, "cache-size", "memory for objects that were read lately, in bytes; 0: none")
	fs.StringVar(&f.redirect, "redirect", "off", "answer with redirects to the upstream, where a URL has no limits that end there: off, get, or all (uploads too)")
}

// A backendConfig is what backendFlags say.
type backendConfig struct {
	store         string   // URL of an upstream; empty: the data directory
	state         []string // connection strings of the shards; none: the data directory
	masterKeyFile string
	node          string // empty: a name is made
	redirect      server.Redirect
	cacheSize     int64 // in bytes, of the embedded store
}

// shared reports whether other nodes may use the same state.
func (c *backendConfig) shared() bool { return len(c.state) > 0 }

// apart reports whether the data directory does not hold everything.
func (c *backendConfig) apart() bool { return c.store != "" || c.shared() }

// nodeName is how nodes are called.
var nodeName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$`)

// config checks the flags, and reads the file that they name.
func (f *backendFlags) config(encrypt bool) (backendConfig, error) {
	c := backendConfig{store: f.store, state: f.state, masterKeyFile: f.masterKeyFile, node: f.node, cacheSize: f.cacheSize.bytes}
	var err error
	if c.redirect, err = server.ParseRedirect(f.redirect); err != nil {
		return c, usagef("--redirect is off, get or all, not %q", f.redirect)
	}
	switch {
	case f.store != "" && !strings.HasPrefix(f.store, "s3:"):
		return c, usagef("--store is a URL such as s3://BUCKET/PREFIX?endpoint=https://HOST\nwithout --store, objects are kept in the data directory (--data)")
	case f.store != "" && encrypt:
		return c, usagef("--encrypt and --store do not go together: encryption at rest is the upstream's\nswitch on server-side encryption there, such as a bucket's default encryption")
	case c.redirect != server.RedirectNone && f.store == "":
		return c, usagef("--redirect needs --store: there is no upstream to redirect to")
	case f.node != "" && !nodeName.MatchString(f.node):
		return c, usagef("--node is at most 63 letters, digits, '-', '_' and '.', and begins with a letter or digit; %q is not", f.node)
	case f.stateFile != "" && len(f.state) > 0:
		return c, usagef("--state and --state-file do not go together")
	}
	if f.stateFile != "" {
		text, err := os.ReadFile(f.stateFile)
		if err != nil {
			return c, usagef("--state-file: %v", err)
		}
		var urls dsnFlag
		if err := urls.Set(string(text)); err != nil {
			return c, usagef("--state-file %s: %v", f.stateFile, err)
		}
		if err := checkPrivate(f.stateFile, &urls); err != nil {
			return c, err
		}
		c.state = urls
	}
	return c, nil
}

// A dsnFlag is the value of --state: URLs of databases, which may hold passwords.
// It may repeat; one text may hold several, one in a line.
type dsnFlag []string

var (
	_ pflag.Value  = (*dsnFlag)(nil)
	_ secretFlag   = (*dsnFlag)(nil)
	_ passwordFlag = (*dsnFlag)(nil)
)

// secretValue implements secretFlag.
func (f *dsnFlag) secretValue() {}

// Type implements pflag.Value.
func (f *dsnFlag) Type() string { return "URL" }

// String implements pflag.Value. It shows no password.
func (f *dsnFlag) String() string {
	texts := make([]string, len(*f))
	for i, dsn := range *f {
		texts[i] = showDSN(dsn)
	}
	return strings.Join(texts, " ")
}

// Set implements pflag.Value.
func (f *dsnFlag) Set(text string) error {
	found := false
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		if !strings.HasPrefix(line, "postgres://") && !strings.HasPrefix(line, "postgresql://") {
			return errors.New("it is a URL such as postgres://USER@HOST:5432/DATABASE")
		}
		*f, found = append(*f, line), true
	}
	if !found {
		return errors.New("it is empty")
	}
	return nil
}

// password implements passwordFlag. What cannot be read may hold one.
func (f *dsnFlag) password() bool {
	for _, dsn := range *f {
		user, _, query, ok := splitDSN(dsn)
		values, err := url.ParseQuery(query)
		if !ok || err != nil || strings.Contains(user, ":") || values.Has("password") || values.Has("sslpassword") {
			return true
		}
	}
	return false
}

// showDSN returns a connection string as it may be shown: hosts and database,
// without users, passwords and settings. Of what cannot be read it shows nothing,
// since anything may be the password.
func showDSN(dsn string) string {
	_, place, _, ok := splitDSN(dsn)
	if !ok {
		return "postgres://… (a password must be percent-encoded: / is %2F, ? is %3F, # is %23, @ is %40)"
	}
	return "postgres://" + place
}

// placeOfDSN is hosts with ports, and a database.
var placeOfDSN = regexp.MustCompile(`^([A-Za-z0-9._%-]*|\[[0-9A-Fa-f:.%a-z]*\])(:[0-9]*)?(,([A-Za-z0-9._%-]*|\[[0-9A-Fa-f:.%a-z]*\])(:[0-9]*)?)*(/[^@:/#]*)?$`)

// splitDSN returns the user with a password, the hosts with the database, and the
// settings of a URL of a database. There may be several hosts, so it is no URL as
// package net/url has them. It is not ok where a character of a password that is
// not encoded may have put a part of it elsewhere.
func splitDSN(dsn string) (user, place, query string, ok bool) {
	_, rest, _ := strings.Cut(dsn, "://")
	rest, query, _ = strings.Cut(rest, "?")
	hosts, database, found := strings.Cut(rest, "/")
	if i := strings.LastIndexByte(hosts, '@'); i >= 0 {
		user, hosts = hosts[:i], hosts[i+1:]
	}
	if found {
		hosts += "/" + database
	}
	return user, hosts, query, placeOfDSN.MatchString(hosts) && !strings.Contains(query, "@")
}

// A passwordFlag is a flag whose value may hold a password, which other users of
// the machine would see on the command line.
type passwordFlag interface {
	secretFlag
	password() bool
}

// checkPrivate refuses a file that every user of the machine can reach, where
// it gave a flag a password.
func checkPrivate(path string, value pflag.Value) error {
	p, ok := value.(passwordFlag)
	if !ok || !p.password() {
		return nil
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm()&0o007 == 0 {
		return err
	}
	return usagef("%s holds a password and has mode %04o, so that every user of this machine can reach it\nrun 'chmod o= %s'", path, info.Mode().Perm(), path)
}

// checkNoPassword refuses passwords on the command line. It is asked before the
// environment and the file are read.
func checkNoPassword(flags *pflag.FlagSet) (err error) {
	flags.Visit(func(f *pflag.Flag) {
		if p, ok := f.Value.(passwordFlag); ok && p.password() {
			err = usagef("--%s has a password, which other users of this machine can see\ngive it in %s, in the file of --%s-file, in the configuration file, or in PGPASSWORD or PGPASSFILE", f.Name, variable(f.Name), f.Name)
		}
	})
	return err
}
