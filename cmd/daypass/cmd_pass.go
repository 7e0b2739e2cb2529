package main

import (
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"github.com/daypass/daypass/sign"
)

func (a *app) passCommand() *cobra.Command {
	var f adminFlags
	cmd := &cobra.Command{
		Use:   "pass",
		Short: "See who used which URL, revoke URLs and restore them",
		Long: "See which pre-signed URLs were used, how often and until when; revoke them, singly or by\n" +
			"name, access key, bucket, prefix or time of signing; and restore them.\n\n" +
			"A pass is one pre-signed URL. Its id comes from its signature, so a URL needs no\n" +
			"registration to be revoked. By default the server is the one that runs on --data;\n" +
			"--admin-url names another one, and requests are then signed as those of 'daypass keys'.\n" +
			"A key that is not the root key sees and revokes the passes of its own account.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	a.addAdminFlags(cmd.PersistentFlags(), &f)
	cmd.AddCommand(a.passList(&f), a.passShow(&f), a.passRevoke(&f), a.passRestore(&f), a.passRevocations(&f))
	return cmd
}

// A passArgument names a pass: by its id, or by a URL, which is never printed.
type passArgument struct {
	id  string
	url string           // empty where the id was given
	in  *sign.Inspection // nil where the id was given
}

// parsePass reads a pass id or URL; "-" is a URL on standard input.
func (a *app) parsePass(text string) (passArgument, error) {
	if text == "-" {
		line, err := a.readAll("-")
		if err != nil {
			return passArgument{}, err
		}
		text = strings.TrimSpace(string(line))
	}
	if id := strings.ToUpper(text); isPassID(id) {
		return passArgument{id: id}, nil
	}
	if !strings.Contains(text, "://") {
		return passArgument{}, usagef("an argument is neither a URL nor a pass id\na pass id is 26 letters and digits, as 'daypass pass list' and 'daypass explain' show it")
	}
	in, err := sign.Inspect(text)
	var refused *sign.Error
	switch {
	case errors.As(err, &refused):
		return passArgument{}, explainError(err)
	case err != nil:
		return passArgument{}, usagef("the URL cannot be read")
	case in.PassID == "":
		return passArgument{}, usagef("the signature in the URL is not well-formed\nis the URL complete?")
	}
	return passArgument{id: in.PassID, url: text, in: in}, nil
}

func (a *app) parsePasses(texts []string) (out []passArgument, err error) {
	for _, text := range texts {
		p, err := a.parsePass(text)
		if err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	return out, nil
}

// isPassID reports whether text has the form of a pass id.
func isPassID(text string) bool {
	return len(text) == 26 && strings.Trim(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") == ""
}

// parsePlace splits s3://BUCKET/PREFIX; the empty text is no place.
func parsePlace(text string) (bucket, prefix string, err error) {
	if text == "" {
		return "", "", nil
	}
	return parseTarget(text)
}
