package main

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/notify"
	"github.com/daypass/daypass/s3"
	"github.com/daypass/daypass/server"
	"github.com/daypass/daypass/state"
)

// webhookSink begins the names of the sinks that webhooks are, one each.
const webhookSink = "webhook-"

// A webhookSetting is a webhook as it is configured. Its secret is elsewhere.
type webhookSetting struct {
	name, url             string
	secretFile, secretEnv string
	events, openTo        []string
	bucket, prefix        string
}

// webhookFlag is the value of --webhook, which may repeat. In the environment
// there is one in each line, and in the configuration file each is a table.
type webhookFlag []webhookSetting

var (
	_ pflag.Value = (*webhookFlag)(nil)
	_ tableFlag   = (*webhookFlag)(nil)
	_ secretFlag  = (*webhookFlag)(nil)
)

// secretValue implements secretFlag: a URL may be secret, and somebody may give
// the secret itself.
func (f *webhookFlag) secretValue() {}

// A tableFlag is a flag that the configuration file has as a table.
type tableFlag interface {
	setTable(values map[string]any) error
}

// Type implements pflag.Value.
func (f *webhookFlag) Type() string { return "name=NAME,url=URL,…" }

// String implements pflag.Value. It has no URL, which may be secret.
func (f *webhookFlag) String() string {
	names := make([]string, len(*f))
	for i := range *f {
		names[i] = (*f)[i].name
	}
	return strings.Join(names, " ")
}

// Set implements pflag.Value: settings with commas between them, quoted as in
// CSV where they hold one, and lists with spaces.
func (f *webhookFlag) Set(text string) error {
	for line := range strings.Lines(text) {
		if strings.TrimSpace(line) == "" {
			continue
		}
		settings, err := csv.NewReader(strings.NewReader(line)).Read()
		if err != nil {
			return errors.New("settings have commas between them, and quotation marks around one that holds a comma")
		}
		var w webhookSetting
		for _, s := range settings {
			name, value, ok := strings.Cut(strings.TrimSpace(s), "=")
			if !ok {
				return errors.New("each setting is NAME=VALUE, such as name=orders")
			}
			if err := w.set(name, strings.Fields(value), value); err != nil {
				return err
			}
		}
		*f = append(*f, w)
	}
	return nil
}

// setTable implements tableFlag.
func (f *webhookFlag) setTable(values map[string]any) error {
	var w webhookSetting
	for name, value := range values {
		var list []string
		switch v := value.(type) {
		case []any:
			for _, item := range v {
				list = append(list, fmt.Sprint(item))
			}
			value = strings.Join(list, " ")
		default:
			list = []string{fmt.Sprint(v)}
		}
		if err := w.set(name, list, fmt.Sprint(value)); err != nil {
			return err
		}
	}
	*f = append(*f, w)
	return nil
}

// set sets a setting that is a list or a text.
func (w *webhookSetting) set(name string, list []string, text string) error {
	switch name {
	case "name":
		w.name = text
	case "url":
		w.url = text
	case "secret-file":
		w.secretFile = text
	case "secret-env":
		w.secretEnv = text
	case "events":
		w.events = list
	case "open-to":
		w.openTo = list
	case "bucket":
		w.bucket = text
	case "prefix":
		w.prefix = text
	case "secret":
		return errors.New("a secret is not given here: secret-file names a file that holds it, secret-env a variable")
	default:
		return fmt.Errorf("a webhook has no setting %q: there are name, url, secret-file, secret-env, events, bucket, prefix and open-to", name)
	}
	return nil
}

// endpoint reads the secret and checks everything.
func (w *webhookSetting) endpoint(env func(string) string) (notify.Endpoint, error) {
	e := notify.Endpoint{Name: w.name, Bucket: w.bucket, Prefix: w.prefix, OpenTo: w.openTo}
	for _, k := range w.events {
		e.Kinds = append(e.Kinds, notify.Kind(k))
	}
	var err error
	if e.URL, err = url.Parse(w.url); err != nil {
		return e, usagef("--webhook: the URL of %s cannot be read", w.name) // its text may be secret
	}
	if e.Secrets, err = w.secrets(env); err != nil {
		return e, err
	}
	if err := e.Check(); err != nil {
		return e, usagef("--webhook: %v", err)
	}
	return e, nil
}

// secrets reads the secrets of a webhook, one in a line, the current one first.
func (w *webhookSetting) secrets(env func(string) string) ([]notify.Secret, error) {
	text := ""
	switch {
	case (w.secretFile == "") == (w.secretEnv == ""):
		return nil, usagef("--webhook: %s needs one of secret-file and secret-env", w.name)
	case w.secretEnv != "":
		if text = env(w.secretEnv); text == "" {
			return nil, usagef("--webhook: %s: the environment has no %s", w.name, w.secretEnv)
		}
	default:
		b, err := os.ReadFile(w.secretFile)
		if err != nil {
			return nil, usagef("--webhook: the secret of %s: %v", w.name, err)
		}
		text = string(b)
	}
	return parseSecrets(w.name, text)
}

func parseSecrets(name, text string) (all []notify.Secret, err error) {
	for line := range strings.FieldsSeq(text) {
		s, err := notify.ParseSecret(daypass.Secret(line))
		if err != nil {
			return nil, usagef("--webhook: the secret of %s: %v\nmake one with: echo whsec_$(openssl rand -base64 32)", name, err)
		}
		all = append(all, s)
	}
	return all, nil
}

// endpoints reads and checks all webhooks.
func (f webhookFlag) endpoints(env func(string) string) (all notify.Endpoints, err error) {
	for i := range f {
		e, err := f[i].endpoint(env)
		if err != nil {
			return nil, err
		}
		// Names are those of files too, some of which know no case.
		if slices.ContainsFunc(all, func(o notify.Endpoint) bool { return strings.EqualFold(o.Name, e.Name) }) {
			return nil, usagef("--webhook: there are two with the name %s", e.Name)
		}
		all = append(all, e)
	}
	return all, nil
}

// sinks are the names of the sinks that webhooks are.
func (f webhookFlag) sinks() (names []string) {
	for i := range f {
		names = append(names, webhookSink+f[i].name)
	}
	return names
}

// parseAllowlist parses --webhook-allow: addresses or CIDR ranges.
func parseAllowlist(texts []string) (notify.Allowlist, error) {
	var out notify.Allowlist
	for _, text := range texts {
		p, err := netip.ParsePrefix(text)
		if addr, err2 := netip.ParseAddr(text); err != nil && err2 == nil {
			p, err = addr.Unmap().Prefix(addr.Unmap().BitLen())
		}
		if err != nil || p.Addr().Is4In6() {
			return nil, usagef("--webhook-allow %q is not an address or a range such as 10.0.0.0/8", text)
		}
		out = append(out, p.Masked())
	}
	return out, nil
}

// startWebhooks delivers to each webhook.
func (n *node) startWebhooks() error {
	s := n.sinks
	for i := range n.webhooks {
		e := &n.webhooks[i]
		c := notify.Config{Endpoint: e, Consumer: n.spool.Consumer(webhookSink + e.Name), Allow: n.config.events.webhookAllow,
			Region: n.config.server.Region, Buckets: bucketNotifications{n}, Marks: passMarks{n.state}, Now: n.app.now, Log: n.log}
		if n.metrics != nil {
			c.Observe = n.metrics.webhook(e.Name)
		}
		w, err := notify.NewWorker(c)
		if err != nil {
			return fmt.Errorf("the webhook %s: %w", e.Name, err)
		}
		sink := webhookSink + e.Name
		s.metrics.addSink(sink)
		s.busy = append(s.busy, func() bool { return !w.Failing() && n.spool.Stats().Lag[sink] > 0 })
		s.running.Go(func() { w.Run(s.ctx, s.failed(sink, "webhook messages cannot be made")) })
	}
	return nil
}

// webhook returns what counts the outcomes of a webhook, each from 0, so that
// alerts see the first too.
func (m *metrics) webhook(name string) func(outcome string) {
	for _, outcome := range []string{notify.Delivered, notify.Failed, notify.Dropped, notify.Discarded} {
		m.webhooks.WithLabelValues(name, outcome)
	}
	return func(outcome string) { m.webhooks.WithLabelValues(name, outcome).Inc() }
}

// passMarks are what state knows of passes.
type passMarks struct{ *state.State }

var _ notify.Marks = passMarks{}

// PassSpent implements notify.Marks.
func (m passMarks) PassSpent(ctx context.Context, e *daypass.Event) (bool, error) {
	return server.PassSpent(ctx, m.State, e)
}

// bucketNotifications are what buckets want to be told of.
type bucketNotifications struct{ *node }

var _ notify.Buckets = bucketNotifications{}

// Notifications implements notify.Buckets. One bucket whose setting cannot be read
// does not hold up the others.
func (b bucketNotifications) Notifications(ctx context.Context, bucket, owner string) (s3.Notifications, error) {
	list, err := server.NotificationsOf(ctx, b.store, b.state, bucket, owner)
	if errors.Is(err, server.ErrUnreadable) {
		b.log.Warn("a bucket's notifications are not sent: put them again", "bucket", bucket, "err", err)
		return nil, nil
	}
	return list, err
}
