package main

import (
	"bufio"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/textproto"
	"net/url"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/daypass/daypass/notify"
)

func (a *app) webhookCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "webhook",
		Short: "Try webhooks and verify their messages",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.webhookTest(), a.webhookVerify())
	return cmd
}

// secretFlags say where the secrets of a webhook are.
type secretFlags struct{ file, env string }

func (f *secretFlags) add(fs *pflag.FlagSet) {
	fs.StringVar(&f.file, "secret-file", "", "file that holds the secret, whsec_…")
	fs.StringVar(&f.env, "secret-env", "", "variable of the environment that holds the secret")
}

func (f *secretFlags) secrets(env func(string) string) ([]notify.Secret, error) {
	w := webhookSetting{name: "the message", secretFile: f.file, secretEnv: f.env}
	return w.secrets(env)
}

func (a *app) webhookTest() *cobra.Command {
	var f serveFlags
	var s secretFlags
	cmd := &cobra.Command{
		Use:   "test NAME|URL",
		Short: "Send a test message to a webhook",
		Long: "Send a signed message of the type webhook.test, once, to a webhook of the configuration\n" +
			"by its name, or to any URL with the secret that --secret-file or --secret-env names.\n" +
			"It goes where the server's own messages may go and nowhere else.",
		Example: "  daypass webhook test orders --config /etc/daypass/config.toml\n" +
			"  daypass webhook test https://hooks.example.com/daypass --secret-file orders.secret",
		Args:        cobra.ExactArgs(1),
		Annotations: map[string]string{usesConfigFile: "yes"},
		RunE:        func(cmd *cobra.Command, args []string) error { return a.testWebhook(cmd.Context(), &f, &s, args[0]) },
	}
	fs := cmd.Flags()
	a.addServeFlags(fs, &f) // the configuration file is that of serve
	fs.VisitAll(func(flag *pflag.Flag) { flag.Hidden = flag.Name != "webhook" && flag.Name != "webhook-allow" })
	s.add(fs)
	return cmd
}

func (a *app) testWebhook(ctx context.Context, f *serveFlags, s *secretFlags, target string) error {
	allow, err := parseAllowlist(f.events.allow)
	if err != nil {
		return err
	}
	e, err := a.webhookToTest(f, s, target)
	if err != nil {
		return err
	}
	var id [16]byte
	if _, err := io.ReadFull(a.rand, id[:]); err != nil {
		return err
	}
	sender := notify.NewSender(&e, allow, a.now)
	defer sender.Close()
	m := notify.NewTest(hex.EncodeToString(id[:]), a.now())
	if o := sender.Send(ctx, &m); o.Failure != nil {
		return fmt.Errorf("the webhook did not take the message: %w", o.Failure)
	}
	fmt.Fprintf(a.out, "taken: %s\n", m.ID)
	return nil
}

// webhookToTest returns the endpoint of a name or URL.
func (a *app) webhookToTest(f *serveFlags, s *secretFlags, target string) (notify.Endpoint, error) {
	if !strings.Contains(target, "://") {
		i := slices.IndexFunc(f.events.webhooks, func(w webhookSetting) bool { return w.name == target })
		if i < 0 {
			return notify.Endpoint{}, hinted(usagef("no webhook has the name %q", target), "webhooks stand in the configuration file (--config) or in --webhook")
		}
		return f.events.webhooks[i].endpoint(a.env)
	}
	u, err := url.Parse(target)
	if err != nil {
		return notify.Endpoint{}, usagef("the URL cannot be read")
	}
	e := notify.Endpoint{Name: "test", URL: u, OpenTo: []string{notify.AllBuckets}}
	if e.Secrets, err = s.secrets(a.env); err != nil {
		return e, err
	}
	if err := e.Check(); err != nil {
		return e, usagef("%v", err)
	}
	return e, nil
}

func (a *app) webhookVerify() *cobra.Command {
	var s secretFlags
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Verify a message of a webhook on standard input",
		Long: "Verify a message as its receiver should: the headers webhook-id, webhook-timestamp and\n" +
			"webhook-signature, an empty line, and the body exactly as it came. A request line before\n" +
			"them is passed over.",
		Example: "  daypass webhook verify --secret-file orders.secret < request.txt",
		Args:    cobra.NoArgs,
		RunE:    func(*cobra.Command, []string) error { return a.verifyWebhook(&s) },
	}
	s.add(cmd.Flags())
	return cmd
}

// maxWebhookMessage bounds what is read of a message, in bytes.
const maxWebhookMessage = 1 << 20

func (a *app) verifyWebhook(s *secretFlags) error {
	secrets, err := s.secrets(a.env)
	if err != nil {
		return err
	}
	in := bufio.NewReader(io.LimitReader(a.in, maxWebhookMessage))
	if line, err := in.Peek(len("POST ")); err == nil && string(line) == "POST " {
		if _, err := in.ReadString('\n'); err != nil {
			return err
		}
	}
	header, err := textproto.NewReader(in).ReadMIMEHeader()
	if err != nil && !errors.Is(err, io.EOF) {
		return usagef("standard input does not begin with headers: %v", err)
	}
	body, err := io.ReadAll(in)
	if err != nil {
		return err
	}
	if err := notify.Verify(secrets, http.Header(header), body, a.now()); err != nil {
		return fmt.Errorf("the message is not to be trusted: %w", err)
	}
	fmt.Fprintf(a.out, "verified: %s\n", header.Get(notify.HeaderID))
	return nil
}
