package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/s3"
)

// An app is what commands use of the world around them.
type app struct {
	in       io.Reader
	out      io.Writer
	err      io.Writer
	env      func(string) string
	now      func() time.Time
	rand     io.Reader
	terminal bool // standard output is a terminal
	errTerm  bool // standard error is one
	inTerm   bool // standard input is one

	// Flags of every command.
	json   bool
	config string
}

func system() *app {
	return &app{
		in: os.Stdin, out: os.Stdout, err: os.Stderr, env: os.Getenv, now: time.Now, rand: rand.Reader,
		terminal: term.IsTerminal(int(os.Stdout.Fd())), errTerm: term.IsTerminal(int(os.Stderr.Fd())),
		inTerm: term.IsTerminal(int(os.Stdin.Fd())),
	}
}

// Exit codes, as docs/cli.md promises them.
const (
	exitOK          = 0
	exitFailure     = 1 // anything that has no code of its own
	exitUsage       = 2 // the command line or the configuration is wrong
	exitRefused     = 3 // the server refused: AccessDenied, a bad signature …
	exitNotFound    = 4 // what was named does not exist
	exitUnreachable = 5 // no server answers
	exitMismatch    = 6 // explain: the signature does not match
)

// run carries out one command line and returns the exit code.
func run(ctx context.Context, args []string, a *app) int {
	root := a.command()
	root.SetArgs(args)
	root.SetIn(a.in)
	root.SetOut(a.out)
	root.SetErr(a.err)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitOK
	}
	var told *commandError
	if code := exitCode(err); code == exitUsage && !errors.As(err, &told) {
		err = &commandError{code: code, err: err, hint: "it is called as: " + cmd.UseLine() + "\nrun '" + cmd.CommandPath() + " --help' for examples"}
	}
	a.report(err)
	return exitCode(err)
}

func (a *app) command() *cobra.Command {
	root := &cobra.Command{
		Use:   "daypass",
		Short: "Make, honour, limit and explain pre-signed URLs",
		Long: "Daypass gives temporary access to one object in S3-style storage through a\n" +
			"pre-signed URL: it makes such URLs, serves them, and explains them.",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.PersistentFlags().BoolVar(&a.json, "json", false, "print JSON, for programs")
	root.PersistentFlags().StringVar(&a.config, "config", "", "configuration file (TOML; default: daypass/config.toml in the user's configuration directory)")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usagef("%v\nrun '%s --help' for its flags", flagError(err), cmd.CommandPath())
	})
	root.AddCommand(a.shareCommand(), a.serveCommand(), a.presignCommand(), a.explainCommand(), a.findLeaksCommand(), a.passCommand(), a.keysCommand(), a.bucketCommand(), a.logsCommand(), a.trailCommand(), a.webhookCommand(), a.benchCommand(), a.versionCommand())
	for _, cmd := range root.Commands() {
		a.bindConfiguration(cmd)
	}
	return root
}

// A commandError is an error with an exit code and a hint at what to do.
type commandError struct {
	code int
	hint string
	err  error
}

func (e *commandError) Error() string { return e.err.Error() }
func (e *commandError) Unwrap() error { return e.err }

// usagef is an error in how the program was called. What follows the first
// line of the text is its hint.
func usagef(format string, args ...any) error {
	text, hint, _ := strings.Cut(fmt.Sprintf(format, args...), "\n")
	return &commandError{code: exitUsage, err: errors.New(text), hint: hint}
}

// hinted adds a hint to an error, whose code stays.
func hinted(err error, hint string) error {
	return &commandError{code: exitCode(err), err: err, hint: hint}
}

func exitCode(err error) int {
	var c *commandError
	if errors.As(err, &c) {
		return c.code
	}
	switch daypass.CodeOf(err) {
	case daypass.AccessDenied, daypass.InvalidAccessKeyID, "SignatureDoesNotMatch", "RequestTimeTooSkewed":
		return exitRefused
	case daypass.NoSuchAccessKey, daypass.NoSuchBucket, daypass.NoSuchKey, daypass.NoSuchPass, "NoSuchRevocation", s3.NoSuchBucketPolicy, s3.NoSuchCORSConfiguration:
		return exitNotFound
	case daypass.ServiceUnavailable:
		return exitUnreachable
	}
	if strings.HasPrefix(err.Error(), "unknown command") || strings.Contains(err.Error(), "arg(s)") {
		return exitUsage
	}
	return exitFailure
}

// report prints an error as "daypass: …", then what to do about it.
func (a *app) report(err error) {
	text := err.Error()
	var d *daypass.Error
	if errors.As(err, &d) && d.Message != "" {
		text = d.Message + " (" + string(d.Code) + ")"
		if d.Err != nil {
			text += ": " + d.Err.Error()
		}
	}
	fmt.Fprintf(a.err, "daypass: %s\n", a.red(text))
	var c *commandError
	if errors.As(err, &c) && c.hint != "" {
		for line := range strings.Lines(c.hint) {
			fmt.Fprintf(a.err, "  %s\n", strings.TrimSpace(line))
		}
	}
}
