package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/client"
)

func (a *app) passRestore(f *adminFlags) *cobra.Command {
	var ids []string
	cmd := &cobra.Command{
		Use:   "restore [URL|ID...]",
		Short: "Make passes usable again as if they were new, or lift a revocation",
		Long: "Make passes usable again as if they were new: revocations of just these passes are\n" +
			"lifted, and their uses, binding and PIN tries forgotten.\n\n" +
			"--revocation lifts a revocation by its id, whatever it refuses.",
		Example: "  daypass pass restore \"$URL\"\n  daypass pass restore --revocation ID",
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 && len(ids) == 0 {
				return usagef("nothing to restore was named\nname URLs or pass ids, or give --revocation; 'daypass pass revocations' lists them")
			}
			passes, err := a.parsePasses(args)
			if err != nil {
				return err
			}
			c, err := a.connect(cmd.Context(), f)
			if err != nil {
				return err
			}
			if err := a.lift(cmd.Context(), c, ids); err != nil {
				return err
			}
			return a.restore(cmd.Context(), c, passes)
		},
	}
	cmd.Flags().StringArrayVar(&ids, "revocation", nil, "id of a revocation to lift (may repeat)")
	return cmd
}

func (a *app) lift(ctx context.Context, c *client.Client, ids []string) error {
	for _, id := range ids {
		if err := c.LiftRevocation(ctx, id); err != nil {
			return hinted(err, "'daypass pass revocations' lists those in force")
		}
		if !a.json {
			fmt.Fprintf(a.out, "lifted revocation %s\n", printable(id))
		}
	}
	return nil
}

func (a *app) restore(ctx context.Context, c *client.Client, passes []passArgument) error {
	out := []client.RestoredPass{}
	for _, p := range passes {
		r, err := c.RestorePass(ctx, p.id)
		if daypass.CodeOf(err) == daypass.NoSuchPass {
			return hinted(err, "a pass that was neither used nor revoked needs no restoring")
		}
		if err != nil {
			return err
		}
		out = append(out, r)
		if a.json {
			continue
		}
		fmt.Fprintf(a.out, "restored pass %s\n", r.PassID)
		if r.Revoked {
			a.note("warning: the pass is still refused by another revocation\n  lift it with: daypass pass restore --revocation %s", r.RevokedBy)
		}
	}
	if a.json {
		return a.printJSON(out)
	}
	return nil
}
