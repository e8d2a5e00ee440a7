package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	systemd "github.com/coreos/go-systemd/v22/daemon"
	"github.com/urfave/cli/v2"

	"replicatefs/fs"
	"replicatefs/fs/fuse"
	"replicatefs/fs/tree"
)

func mountCommand() *cli.Command {
	return &cli.Command{
		Name:      "mount",
		Usage:     "mount a Replicate account until interrupted",
		ArgsUsage: "DIR",
		Description: "The token is that of REPLICATE_API_TOKEN, in the file of --token-file, or stored by login.\n\n" +
			"   REPLICATE_API_TOKEN=r8_... replicatefs mount ~/replicate",
		Flags: flags(connectionFlags(), localFlags(), mountFlags(), []cli.Flag{sourceFlag()}),
		Action: func(c *cli.Context) error {
			args, err := arguments(c, 1, 1, "one folder")
			if err != nil {
				return err
			}
			if wantsDaemon(c) {
				return startDaemon(c)
			}
			cfg, err := configFrom(c, c.App.ErrWriter)
			if err != nil {
				return err
			}
			defer cfg.journal.close()
			if cfg.api.TokenSource, err = tokenFrom(c); err != nil {
				return err
			}
			return cfg.serve(c.Context, args[0], func(dir, account string) {
				end := "Ctrl-C unmounts."
				if c.Bool("daemon") {
					end = "It ends with: replicatefs unmount " + dir
				}
				say(c.App.Writer, "Mounted the account %s at %s. %s", account, dir, end)
			})
		},
	}
}

func flags(groups ...[]cli.Flag) []cli.Flag {
	var all []cli.Flag
	for _, group := range groups {
		all = append(all, group...)
	}
	return all
}

// describe tells how a tree is shown by a server.
func describe(server *fuse.Server, metrics string) func() fs.MountStats {
	return func() fs.MountStats {
		s := server.Stats()
		return fs.MountStats{
			Dir: server.Dir(), Version: version(), Metrics: metrics,
			Nodes: s.Nodes, Handles: s.Handles, Changes: s.Changes, Dropped: s.Dropped, Pushed: s.Pushed, Passthrough: s.Passthrough,
		}
	}
}

// busyLimit is how long an unmount waits for programs that are in the folder,
// and for what they read to be stored.
const busyLimit = 5 * time.Second

// serve mounts the account at dir until ctx ends or somebody unmounts it.
// Ready is called when the folder is there.
func (cfg config) serve(ctx context.Context, dir string, ready func(dir, account string)) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	s, err := cfg.open(ctx)
	if err != nil {
		return err
	}
	defer s.close(cfg.log)
	if err := checkSource(cfg.mount.FsName, s.account.Username); err != nil {
		return err
	}
	if cfg.mount.FsName == "" {
		cfg.mount.FsName = "replicate-" + s.account.Username
	}
	cfg.mount.Statfs = s.tree.Statfs
	// A log line to a closed terminal must not end a mount that is in use.
	signal.Ignore(syscall.SIGPIPE)
	figures, err := listenMetrics(cfg.metrics, cfg.log)
	if err != nil {
		return err
	}
	defer figures.close()
	hup := listen() // before anything is mounted: a dead mount is what a hangup would leave
	defer hup.stop()
	server, err := fuse.Mount(dir, s.tree.Root(), cfg.mount)
	if err != nil {
		return err
	}
	s.tree.Watch(server.Notify)
	s.tree.Describe(describe(server, figures.addr()))
	figures.serve(s.tree)
	s.tree.Start()
	reach, err := openControl(s.tree, post{
		Dir: server.Dir(), PID: os.Getpid(), Version: version(), Since: time.Now().UTC(),
		Account: s.account.Username, BaseURL: cfg.api.BaseURL, Store: s.store,
	}, cfg.log)
	if err != nil {
		cfg.log.Warn("status, wait and other commands cannot reach this mount", "err", err)
	} else {
		defer reach.close()
	}
	ready(dir, s.account.Username)
	if err := cfg.leave(); err != nil {
		cfg.log.Error("the daemon could not let go of who started it", "err", err)
	}
	if cfg.journal.path != "" { // on a terminal it has just been said
		cfg.log.Info("mounted", "dir", dir, "account", s.account.Username, "version", version())
		defer cfg.log.Info("unmounted", "dir", dir)
	}
	if terminal(cfg.screen) {
		reading, stop := context.WithCancel(ctx)
		var shown sync.WaitGroup
		shown.Go(func() { cfg.whole(reading, s.tree) }) // what is wrong is in the log
		defer shown.Wait()
		defer stop()
	}
	tellSystemd(cfg.log, systemd.SdNotifyReady)
	gone := cfg.untilEnd(ctx, server, hup)
	tellSystemd(cfg.log, systemd.SdNotifyStopping)
	if gone {
		return nil
	}
	return finish(s.tree, server)
}

// finish unmounts, and waits for those who use the mount. A second signal has it
// wait for nobody, and a third one is the system's to deal with.
func finish(account *fs.FS, server *fuse.Server) error {
	again := make(chan os.Signal, 1)
	signal.Notify(again, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(again)
	ended := make(chan error, 1)
	go func() {
		soon(account.SettleCache) // what there is no time for is fetched again one day
		err := soon(server.Unmount)
		server.Wait()
		if errors.Is(err, tree.ErrBusy) {
			err = nil // its users have gone
		}
		ended <- err
	}()
	select {
	case err := <-ended:
		return err
	case <-again:
	}
	signal.Stop(again)
	return soon(server.Unmount)
}

// soon does f, for busyLimit at most.
func soon(f func(context.Context) error) error {
	limit, cancel := context.WithTimeout(context.Background(), busyLimit)
	defer cancel()
	return f(limit)
}

// untilEnd returns when the mount is to end, or with true when somebody has
// unmounted it.
func (cfg config) untilEnd(ctx context.Context, server *fuse.Server, hup *hangup) bool {
	gone := make(chan struct{})
	go func() {
		server.Wait()
		close(gone)
	}()
	for {
		select {
		case <-gone:
			return true
		case <-ctx.Done():
			return false
		case <-hup.signals:
			if hup.gone() {
				return false
			}
			if err := cfg.journal.reopen(); err != nil {
				cfg.log.Error("the log file cannot be opened anew", "err", err)
			}
		}
	}
}

// ownFolder makes dir if it is missing; undo removes it again if so.
func ownFolder(dir string) (undo func(), err error) {
	err = os.Mkdir(dir, 0o755)
	switch {
	case err == nil:
		return func() { os.Remove(dir) }, nil
	case errors.Is(err, os.ErrExist):
		return func() {}, nil
	}
	return nil, fmt.Errorf("make the folder to mount at: %w", err)
}

// say prints one line of the program's own.
func say(w io.Writer, format string, args ...any) { fmt.Fprintf(w, format+"\n", args...) }
