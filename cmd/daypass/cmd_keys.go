package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/client"
	"github.com/daypass/daypass/sign"
)

// adminFlags say which server the keys and pass commands talk to.
type adminFlags struct {
	data, endpoint, region string
}

func (a *app) keysCommand() *cobra.Command {
	var f adminFlags
	cmd := &cobra.Command{
		Use:   "keys",
		Short: "Make, list and remove access keys of a running server",
		Long: "Make, list and remove access keys of a running server.\n\n" +
			"By default the server is the one that runs on --data, reached through the socket in\n" +
			"that directory. --admin-url names another one; requests are then signed with the key in\n" +
			"DAYPASS_ROOT_ACCESS_KEY and DAYPASS_ROOT_SECRET_KEY, or else in AWS_ACCESS_KEY_ID and\n" +
			"AWS_SECRET_ACCESS_KEY, whose policy must allow it.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	a.addAdminFlags(cmd.PersistentFlags(), &f)
	cmd.AddCommand(a.keysCreate(&f), a.keysList(&f), a.keysPolicy(&f), a.keysRotateEncryption(&f),
		a.keysChange(&f, "disable", "Disable an access key: what it signed stops working until it is enabled again", (*client.Client).DisableKey),
		a.keysChange(&f, "enable", "Enable a disabled access key", (*client.Client).EnableKey),
		a.keysChange(&f, "delete", "Delete an access key: what it signed stops working for ever", (*client.Client).DeleteKey))
	return cmd
}

func (a *app) addAdminFlags(fs *pflag.FlagSet, f *adminFlags) {
	a.addDataFlag(fs, &f.data)
	fs.StringVar(&f.endpoint, "admin-url", "", "base URL of a server's operations listener, such as http://127.0.0.1:9002")
	fs.StringVar(&f.region, "region", "us-east-1", "region of the server, for --admin-url")
}

// connect returns a client of the server that the flags name.
func (a *app) connect(ctx context.Context, f *adminFlags) (*client.Client, error) {
	if f.endpoint != "" {
		return a.connectRemote(f)
	}
	c, _, err := dialLocal(ctx, f.data)
	if err != nil {
		return nil, err
	}
	if c == nil {
		return nil, &commandError{code: exitUnreachable, err: fmt.Errorf("no server runs on %s", f.data),
			hint: "start one with: daypass serve --data " + f.data + "\nor name one with --admin-url"}
	}
	return c, nil
}

func (a *app) connectRemote(f *adminFlags) (*client.Client, error) {
	key := sign.Key{ID: a.env("DAYPASS_ROOT_ACCESS_KEY"), Secret: a.env("DAYPASS_ROOT_SECRET_KEY")}
	if key.ID == "" {
		key = sign.Key{ID: a.env("AWS_ACCESS_KEY_ID"), Secret: a.env("AWS_SECRET_ACCESS_KEY")}
	}
	if key.ID == "" || key.Secret == "" {
		return nil, usagef("--admin-url needs an access key to sign with\nset DAYPASS_ROOT_ACCESS_KEY and DAYPASS_ROOT_SECRET_KEY, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
	}
	signer := sign.NewSigner(key, sign.SignerOptions{Region: f.region, Service: adminService})
	return client.New(client.Config{Endpoint: f.endpoint, Sign: func(r *http.Request) error {
		payload, err := bodyHash(r)
		if err != nil {
			return err
		}
		r.Header.Set("X-Amz-Content-Sha256", payload)
		_, err = signer.Sign(r, payload, a.now())
		return err
	}})
}

// bodyHash returns the SHA-256 of a request's body in hexadecimal.
func bodyHash(r *http.Request) (string, error) {
	if r.GetBody == nil {
		return sign.EmptySHA256, nil
	}
	body, err := r.GetBody()
	if err != nil {
		return "", err
	}
	defer body.Close()
	return hexSHA256(body)
}

func (a *app) keysCreate(f *adminFlags) *cobra.Command {
	var n client.NewKey
	var expires lifetimeFlag
	var secretFile, policyFile string
	cmd := &cobra.Command{
		Use:   "create [NAME]",
		Short: "Make an access key, or import a pair so that URLs in circulation live on",
		Example: "  daypass keys create backup\n" +
			"  daypass keys create --access-key AKIAIOSFODNN7EXAMPLE --secret-key-file secret.txt",
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				n.Name = args[0]
			}
			if expires > 0 {
				n.Expires = a.now().Add(time.Duration(expires)).UTC().Truncate(time.Second)
			}
			secret, err := a.readSecret(n.AccessKeyID, secretFile)
			if err != nil {
				return err
			}
			n.SecretAccessKey = secret
			if n.Policy, err = a.readPolicy(policyFile); err != nil {
				return err
			}
			c, err := a.connect(cmd.Context(), f)
			if err != nil {
				return err
			}
			created, err := c.CreateKey(cmd.Context(), n)
			if err != nil {
				return err
			}
			return a.printCreated(created, n.AccessKeyID != "")
		},
	}
	cmd.Flags().StringVar(&n.Owner, "owner", "", "account that the key acts for (default: that of the root key)")
	cmd.Flags().Var(&expires, "expires", "lifetime of the key (default: none)")
	cmd.Flags().StringVar(&n.AccessKeyID, "access-key", "", "id of a pair to import")
	cmd.Flags().StringVar(&policyFile, "policy-file", "", "file with the IAM policy document that says what the key may do (default: everything its account may); - is standard input")
	cmd.Flags().StringVar(&secretFile, "secret-key-file", "", "file with the secret of that pair; - is standard input")
	return cmd
}

// readPolicy reads a policy document; no path is no policy.
func (a *app) readPolicy(path string) (string, error) {
	if path == "" {
		return "", nil
	}
	text, err := a.readAll(path)
	if err != nil {
		return "", err
	}
	document := strings.TrimSpace(string(text))
	if document == "" {
		return "", usagef("%s holds no policy", path)
	}
	return document, nil
}

func (a *app) keysPolicy(f *adminFlags) *cobra.Command {
	var set string
	var clear bool
	cmd := &cobra.Command{
		Use:   "policy ACCESS-KEY",
		Short: "Show, set or clear the IAM policy of an access key",
		Long: "Show, set or clear the IAM policy of an access key.\n\n" +
			"A key without a policy acts as its account. A change counts at once, for URLs in\n" +
			"circulation too.",
		Example: "  daypass keys policy DPAKEXAMPLE --set read-only.json\n  daypass keys policy DPAKEXAMPLE --clear",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if clear && set != "" {
				return usagef("--set and --clear exclude each other")
			}
			document, err := a.readPolicy(set)
			if err != nil {
				return err
			}
			c, err := a.connect(cmd.Context(), f)
			if err != nil {
				return err
			}
			switch {
			case clear:
				err = c.ClearKeyPolicy(cmd.Context(), args[0])
			case set != "":
				err = c.SetKeyPolicy(cmd.Context(), args[0], document)
			}
			if err != nil {
				return err
			}
			return a.showKey(cmd.Context(), c, args[0])
		},
	}
	cmd.Flags().StringVar(&set, "set", "", "file with the new policy; - is standard input")
	cmd.Flags().BoolVar(&clear, "clear", false, "let the key act as its account")
	return cmd
}

// showKey prints the policy of a key.
func (a *app) showKey(ctx context.Context, c *client.Client, id string) error {
	k, err := c.Key(ctx, id)
	switch {
	case err != nil:
		return err
	case a.json:
		return a.printJSON(k)
	case k.Policy == "":
		fmt.Fprintf(a.err, "%s has no policy: it acts as the account %s\n", id, k.Owner)
		return nil
	}
	fmt.Fprintln(a.out, k.Policy)
	return nil
}

// readSecret reads the secret of a pair to import. It is never a flag: other
// users of the machine see the command line.
func (a *app) readSecret(id, path string) (daypass.Secret, error) {
	if (id == "") != (path == "") {
		return "", usagef("--access-key and --secret-key-file go together")
	}
	if path == "" {
		return "", nil
	}
	text, err := a.readAll(path)
	return daypass.Secret(strings.TrimRight(string(text), "\r\n")), err
}

// maxInput bounds the small files that commands read, in bytes.
const maxInput = 4 << 20

// readAll reads a small file; "-" is standard input.
func (a *app) readAll(path string) ([]byte, error) {
	in := a.in
	if path != "-" {
		file, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		defer file.Close()
		in = file
	}
	text, err := io.ReadAll(io.LimitReader(in, maxInput+1))
	if err == nil && len(text) > maxInput {
		err = errors.New(path + " is too large")
	}
	return text, err
}

func (a *app) printCreated(k client.CreatedKey, imported bool) error {
	if a.json {
		return a.printJSON(k.Reveal())
	}
	if imported {
		fmt.Fprintf(a.out, "imported %s\n", k.AccessKeyID)
		return nil
	}
	fmt.Fprintf(a.err, "The secret is shown this once:\n")
	fmt.Fprintf(a.out, "AWS_ACCESS_KEY_ID=%s\nAWS_SECRET_ACCESS_KEY=%s\n", k.AccessKeyID, string(k.SecretAccessKey))
	return nil
}

func (a *app) keysList(f *adminFlags) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List access keys",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.connect(cmd.Context(), f)
			if err != nil {
				return err
			}
			keys := []client.Key{}
			for k, err := range c.AllKeys(cmd.Context()) {
				if err != nil {
					return err
				}
				keys = append(keys, k)
			}
			if a.json {
				return a.printJSON(keys)
			}
			rows := table{{"ACCESS KEY", "NAME", "OWNER", "CREATED", "EXPIRES", "STATUS"}}
			for _, k := range keys {
				rows = append(rows, []string{k.AccessKeyID, dash(k.Name), k.Owner, showTime(k.Created), showTime(k.Expires), a.keyStatus(k)})
			}
			return rows.write(a.out, a.bold)
		},
	}
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func (a *app) keyStatus(k client.Key) string {
	switch {
	case k.Disabled:
		return "disabled"
	case !k.Expires.IsZero() && !a.now().Before(k.Expires):
		return "expired"
	case k.Root:
		return "root"
	}
	return "active"
}

// keysChange is a command that does one thing to one key.
func (a *app) keysChange(f *adminFlags, verb, short string, do func(*client.Client, context.Context, string) error) *cobra.Command {
	return &cobra.Command{
		Use:   verb + " ACCESS-KEY",
		Short: short,
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.connect(cmd.Context(), f)
			if err != nil {
				return err
			}
			if err := do(c, cmd.Context(), args[0]); err != nil {
				return err
			}
			if a.json {
				return a.printJSON(map[string]string{"accessKeyId": args[0], "done": verb})
			}
			fmt.Fprintf(a.out, "%sd %s\n", strings.TrimSuffix(verb, "d"), args[0])
			return nil
		},
	}
}
