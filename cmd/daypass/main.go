// Command daypass makes, honours and explains pre-signed URLs. See
// docs/cli.md for its commands, exit codes and configuration.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends at once
	code := run(ctx, os.Args[1:], system())
	stop()
	os.Exit(code)
}
