package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/daypass/daypass/client"
)

func (a *app) passRevocations(f *adminFlags) *cobra.Command {
	return &cobra.Command{
		Use:   "revocations",
		Short: "List what is revoked",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.connect(cmd.Context(), f)
			if err != nil {
				return err
			}
			list := []client.Revocation{}
			for r, err := range c.AllRevocations(cmd.Context()) {
				if err != nil {
					return err
				}
				list = append(list, r)
			}
			return a.printRevocations(list)
		},
	}
}

func (a *app) printRevocations(list []client.Revocation) error {
	if a.json {
		return a.printJSON(list)
	}
	rows := table{{"REVOCATION", "REFUSES", "SINCE", "BY", "UNTIL"}}
	for i := range list {
		r := &list[i]
		rows = append(rows, []string{r.ID, printable(revoked(r)), showTime(r.Created), dash(r.CreatedBy), showTime(r.Expires)})
	}
	if err := rows.write(a.out, a.bold); err != nil {
		return err
	}
	if len(list) == 0 {
		fmt.Fprintln(a.err, "nothing is revoked")
	}
	return nil
}
