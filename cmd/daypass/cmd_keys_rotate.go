package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/daypass/daypass/client"
)

// rotationPoll is how often the command asks how far a rotation is.
const rotationPoll = 500 * time.Millisecond

func (a *app) keysRotateEncryption(f *adminFlags) *cobra.Command {
	var status, noWait bool
	cmd := &cobra.Command{
		Use:   "rotate-encryption",
		Short: "Wrap the keys of encrypted objects (SSE-S3) under a new key",
		Long: "Wrap the keys of encrypted objects (SSE-S3) under a new key.\n\n" +
			"Each object is encrypted with a key of its own, which is kept wrapped under a key that\n" +
			"is derived from the master key. Rotating changes that one: the index is rewritten, bodies\n" +
			"are not touched. It runs in the server, beside its other work, and goes on after a\n" +
			"restart. Objects under customers' keys (SSE-C) do not take part.",
		Example: "  daypass keys rotate-encryption\n  daypass keys rotate-encryption --status",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.connect(cmd.Context(), f)
			if err != nil {
				return err
			}
			var e client.Encryption
			if status {
				e, err = c.Encryption(cmd.Context())
			} else {
				e, err = c.RotateEncryption(cmd.Context())
			}
			if err == nil && !status && !noWait {
				e, err = a.awaitRotation(cmd.Context(), c, e)
			}
			if err != nil {
				return err
			}
			return a.printRotation(e)
		},
	}
	cmd.Flags().BoolVar(&status, "status", false, "only tell how far a rotation is")
	cmd.Flags().BoolVar(&noWait, "no-wait", false, "do not wait for the end")
	return cmd
}

// awaitRotation waits for the end of a rotation. It fails when the rotation has
// stopped.
func (a *app) awaitRotation(ctx context.Context, c *client.Client, e client.Encryption) (client.Encryption, error) {
	for e.Running {
		if err := rest(ctx, rotationPoll); err != nil {
			return e, err
		}
		next, err := c.Encryption(ctx)
		if err != nil {
			return e, err
		}
		if next.Seen != e.Seen && !a.json {
			fmt.Fprintf(a.err, "daypass: generation %d: %d looked at, %d rewrapped\n", next.Generation, next.Seen, next.Rewrapped)
		}
		e = next
	}
	if e.Stopped {
		return e, hinted(errors.New("the rotation has stopped half-way"), "the log of the server says why; run the command again to go on")
	}
	return e, nil
}

func (a *app) printRotation(e client.Encryption) error {
	if a.json {
		return a.printJSON(e)
	}
	switch {
	case e.Stopped:
		fmt.Fprintf(a.out, "generation %d, stopped half-way: %d looked at, %d rewrapped\n", e.Generation, e.Seen, e.Rewrapped)
	case e.Running:
		fmt.Fprintf(a.out, "generation %d, rotating since %s: %d looked at, %d rewrapped\n", e.Generation, showTime(e.Started), e.Seen, e.Rewrapped)
	case e.Ended.IsZero():
		fmt.Fprintf(a.out, "generation %d, never rotated\n", e.Generation)
	default:
		fmt.Fprintf(a.out, "generation %d since %s: %d rewrapped\n", e.Generation, showTime(e.Started), e.Rewrapped)
	}
	return nil
}
