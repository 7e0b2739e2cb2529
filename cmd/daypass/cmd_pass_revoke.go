package main

import (
	"bufio"
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/client"
)

// revokeFlags say which passes to revoke.
type revokeFlags struct {
	name, owner, key string
	place, before    string
	yes              bool
}

func (a *app) passRevoke(f *adminFlags) *cobra.Command {
	var r revokeFlags
	cmd := &cobra.Command{
		Use:   "revoke [URL|ID...]",
		Short: "Refuse passes from now on: by URL or id, name, access key, prefix or time of signing",
		Long: "Refuse passes from now on. A URL need not be known to the server, used, or valid any\n" +
			"more. Of several flags, all must match. It counts at once on the server that is asked\n" +
			"and within a second on every other.\n\n" +
			"Without --before, what is signed later matches too: 'daypass pass restore' lifts it.",
		Example: "  daypass pass revoke \"$URL\"\n" +
			"  daypass pass revoke --name newsletter --before now\n" +
			"  daypass pass revoke --key DPAKEXAMPLE --prefix s3://photos/2026/",
		RunE: func(cmd *cobra.Command, args []string) error {
			list, err := a.revocations(&r, args)
			if err != nil {
				return err
			}
			if err := a.confirmBroad(&r, args); err != nil {
				return err
			}
			c, err := a.connect(cmd.Context(), f)
			if err != nil {
				return err
			}
			return a.revoke(cmd.Context(), c, list)
		},
	}
	cmd.Flags().StringVar(&r.name, "name", "", "label of the passes, which --owner signed (default: the account of the root key)")
	cmd.Flags().StringVar(&r.owner, "owner", "", "owner of the access key that signed")
	cmd.Flags().StringVar(&r.key, "key", "", "access key that signed")
	cmd.Flags().StringVar(&r.place, "prefix", "", "what the passes are for: s3://BUCKET or s3://BUCKET/PREFIX")
	cmd.Flags().StringVar(&r.before, "before", "", "signed earlier than this: a time (RFC 3339), now, or a duration from now such as -1h")
	cmd.Flags().BoolVar(&r.yes, "yes", false, "do not ask before everything that was signed before a time is revoked")
	return cmd
}

// revocations turns arguments and flags into what to ask the server for: one
// revocation for each pass, or one for all flags together.
func (a *app) revocations(r *revokeFlags, args []string) ([]client.NewRevocation, error) {
	n, err := a.selected(r)
	if err != nil {
		return nil, err
	}
	if len(args) == 0 {
		if n == (client.NewRevocation{}) {
			return nil, usagef("nothing to revoke was named\nname URLs or pass ids, or give --name, --owner, --key, --prefix or --before")
		}
		return []client.NewRevocation{n}, nil
	}
	if n != (client.NewRevocation{}) {
		return nil, usagef("URLs and ids cannot be combined with --name, --owner, --key, --prefix and --before")
	}
	passes, err := a.parsePasses(args)
	if err != nil {
		return nil, err
	}
	var list []client.NewRevocation
	for _, p := range passes {
		if p.url != "" {
			list = append(list, client.NewRevocation{URL: daypass.Secret(p.url)})
		} else {
			list = append(list, client.NewRevocation{PassID: p.id})
		}
	}
	return list, nil
}

// selected is what the flags name.
func (a *app) selected(r *revokeFlags) (n client.NewRevocation, err error) {
	n.Name, n.Owner, n.AccessKeyID = r.name, r.owner, r.key
	if n.Bucket, n.Prefix, err = parsePlace(r.place); err != nil {
		return n, err
	}
	n.Before, err = parseMoment("--before", r.before, a.now())
	return n, err
}

// confirmBroad asks at a terminal before a revocation that names nothing but
// a time or an account.
func (a *app) confirmBroad(r *revokeFlags, args []string) error {
	broad := len(args) == 0 && r.name == "" && r.key == "" && r.place == ""
	if !broad || r.yes || !a.inTerm {
		return nil
	}
	what := "every pass"
	if r.owner != "" {
		what += " of the account " + printable(r.owner)
	}
	if r.before != "" {
		what += " that was signed before " + printable(r.before)
	}
	fmt.Fprintf(a.err, "This revokes %s. Go on? [y/N] ", what)
	line, _ := bufio.NewReader(a.in).ReadString('\n')
	if answer := strings.ToLower(strings.TrimSpace(line)); answer != "y" && answer != "yes" {
		return usagef("nothing was revoked")
	}
	return nil
}

func (a *app) revoke(ctx context.Context, c *client.Client, list []client.NewRevocation) error {
	made := []client.Revocation{}
	for _, n := range list {
		r, err := c.Revoke(ctx, n)
		if daypass.CodeOf(err) == daypass.NoSuchAccessKey {
			return hinted(err, "'daypass keys list' shows the access keys; what a deleted key signed is refused anyway")
		}
		if err != nil {
			return err
		}
		made = append(made, r)
		if !a.json {
			fmt.Fprintf(a.out, "revoked %s (revocation %s)\n", printable(revoked(&r)), r.ID)
		}
	}
	if a.json {
		return a.printJSON(made)
	}
	return nil
}

// revoked says what a revocation refuses.
func revoked(r *client.Revocation) string {
	var parts []string
	add := func(name, value string) {
		if value != "" {
			parts = append(parts, name+" "+value)
		}
	}
	add("pass", r.PassID)
	add("name", r.Name)
	add("owner", r.Owner)
	add("key", r.AccessKeyID)
	if r.Bucket != "" {
		add("prefix", daypass.ObjectRef{Bucket: r.Bucket, Key: r.Prefix}.String())
	}
	if !r.Before.IsZero() {
		add("signed before", showTime(r.Before))
	}
	return strings.Join(parts, ", ")
}
