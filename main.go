// Replicatefs mounts a Replicate account as a folder: predictions are folders,
// their outputs are files, and writing a prompt file runs a model.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"replicatefs/fs/command"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// A second signal must be able to end what the first one did not.
	context.AfterFunc(ctx, stop)
	os.Exit(command.Run(ctx, os.Args, os.Stdin, os.Stdout, os.Stderr))
}
