package main

import (
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/client"
	"github.com/daypass/daypass/limits"
	"github.com/daypass/daypass/sign"
)

func (a *app) passShow(f *adminFlags) *cobra.Command {
	return &cobra.Command{
		Use:     "show URL|ID",
		Short:   "Tell what was seen of one pass, and whether it is revoked",
		Example: "  daypass pass show 6UA7BJ6BIATTWKW63HZQT2RNM3\n  daypass pass show \"$URL\"",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			arg, err := a.parsePass(args[0])
			if err != nil {
				return err
			}
			c, err := a.connect(cmd.Context(), f)
			if err != nil {
				return err
			}
			p, err := c.Pass(cmd.Context(), arg.id)
			if daypass.CodeOf(err) == daypass.NoSuchPass {
				return hinted(err, "what happens shows within a few seconds\n'daypass explain URL' tells what the URL permits")
			}
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(p)
			}
			a.pairs(a.passRows(&p))
			return nil
		},
	}
}

// passRows is what there is to say about a pass.
func (a *app) passRows(p *client.Pass) [][2]string {
	rows := [][2]string{{"pass id", p.PassID}}
	add := func(name, value string) {
		if value != "" && value != "-" {
			rows = append(rows, [2]string{name, printable(value)})
		}
	}
	add("name", p.Name)
	add("action", p.Action)
	add("object", passObject(p))
	add("signed by", p.AccessKeyID)
	add("owner", p.Owner)
	add("signed", a.showEnd(p.Signed))
	add("ends", a.showEnd(p.Ends))
	for _, words := range limitWords(p.Limits) {
		add("limit", words)
	}
	add("first used", a.showEnd(p.FirstSeen))
	add("last used", a.showEnd(p.LastSeen))
	if p.Action == "" {
		add("uses", "none yet")
	} else {
		add("uses", strconv.FormatInt(p.Uses, 10))
		add("refused", strconv.FormatInt(p.Refused, 10))
		add("sent", showSize(p.BytesSent))
		add("received", showSize(p.BytesReceived))
	}
	status := a.green(a.passStatus(p))
	if p.Revoked {
		status = a.amber(fmt.Sprintf("revoked by %s", printable(p.RevokedBy)))
	}
	return append(rows, [2]string{"status", status})
}

// limitWords says what limits mean, or shows them as they are.
func limitWords(values map[string]string) []string {
	var q sign.Query
	for name, value := range values {
		q = append(q, sign.Param{Name: name, Value: value})
	}
	set, err := limits.Parse(q)
	if err != nil {
		return []string{q.Encode()}
	}
	return set.Words()
}
