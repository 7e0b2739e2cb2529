package main

import (
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/client"
)

func (a *app) passList(f *adminFlags) *cobra.Command {
	var filter client.PassFilter
	var place string
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List the passes that were used",
		Long:    "List the passes that were used or tried. What happens shows within a few seconds.",
		Example: "  daypass pass list\n  daypass pass list --name newsletter --prefix s3://photos/2026/",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if filter.Bucket, filter.Prefix, err = parsePlace(place); err != nil {
				return err
			}
			c, err := a.connect(cmd.Context(), f)
			if err != nil {
				return err
			}
			passes := []client.Pass{}
			for p, err := range c.AllPasses(cmd.Context(), filter) {
				if err != nil {
					return err
				}
				passes = append(passes, p)
			}
			return a.printPasses(passes)
		},
	}
	cmd.Flags().StringVar(&filter.Name, "name", "", "label of the passes")
	cmd.Flags().StringVar(&filter.AccessKeyID, "key", "", "access key that signed")
	cmd.Flags().StringVar(&filter.Owner, "owner", "", "owner of that key")
	cmd.Flags().StringVar(&place, "prefix", "", "what the passes are for: s3://BUCKET or s3://BUCKET/PREFIX")
	return cmd
}

func (a *app) printPasses(passes []client.Pass) error {
	if a.json {
		return a.printJSON(passes)
	}
	rows := table{{"PASS", "NAME", "ACTION", "OBJECT", "SIGNED BY", "LAST USED", "USES", "REFUSED", "BYTES", "STATUS"}}
	for i := range passes {
		p := &passes[i]
		rows = append(rows, []string{p.PassID, dash(printable(p.Name)), dash(p.Action), printable(passObject(p)), dash(p.AccessKeyID),
			showTime(p.LastSeen), strconv.FormatInt(p.Uses, 10), strconv.FormatInt(p.Refused, 10),
			showSize(p.BytesSent + p.BytesReceived), a.passStatus(p)})
	}
	if err := rows.write(a.out, a.bold); err != nil {
		return err
	}
	if len(passes) == 0 {
		fmt.Fprintln(a.err, "no pass was used yet")
	}
	return nil
}

// passObject is what a pass is for.
func passObject(p *client.Pass) string {
	if p.Bucket == "" {
		return "-"
	}
	return daypass.ObjectRef{Bucket: p.Bucket, Key: p.Key}.String()
}

// passStatus is what one word can say.
func (a *app) passStatus(p *client.Pass) string {
	switch {
	case p.Revoked:
		return "revoked"
	case !p.Ends.IsZero() && !a.now().Before(p.Ends):
		return "ended"
	}
	return "active"
}
