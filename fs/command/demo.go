package command

import (
	"fmt"
	"net"
	"os"
	"path/filepath"

	"github.com/urfave/cli/v2"

	"replicatefs/api"
	"replicatefs/api/sim"
)

func demoCommand() *cli.Command {
	return &cli.Command{
		Name:      "demo",
		Usage:     "mount a made-up account, without a token or a network",
		ArgsUsage: "[DIR]",
		Description: "Starts a Replicate of its own on this machine, whose models draw real pictures, and mounts it\n" +
			"at DIR, or at ~/replicate-demo. What it keeps is thrown away at the end.",
		Flags: flags(demoFlags(), mountFlags()),
		Action: func(c *cli.Context) error {
			args, err := arguments(c, 0, 1, "a folder, or none")
			if err != nil {
				return err
			}
			dir := ""
			if len(args) == 1 {
				dir = args[0]
			} else {
				home, err := os.UserHomeDir()
				if err != nil {
					return fmt.Errorf("%w; name a folder: replicatefs demo DIR", err)
				}
				dir = filepath.Join(home, "replicate-demo")
			}
			return demo(c, dir)
		},
	}
}

// demoFlags are the local ones but for the place, which is a throw-away.
func demoFlags() []cli.Flag {
	var some []cli.Flag
	for _, f := range localFlags() {
		if f.Names()[0] != "cache-dir" {
			some = append(some, f)
		}
	}
	return some
}

func demo(c *cli.Context, dir string) error {
	if wantsDaemon(c) {
		return startDaemon(c)
	}
	cfg, err := configFrom(c, c.App.ErrWriter)
	if err != nil {
		return err
	}
	defer cfg.journal.close()
	server, err := sim.New(sim.Options{Seed: 1, Past: sim.DemoPast}).Serve(c.Context, "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("start the simulator: %w", err)
	}
	defer server.Close()
	local, err := os.MkdirTemp("", "replicatefs-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(local)
	cfg.dirs = dirs{local, local}
	cfg.api.BaseURL = server.BaseURL()
	cfg.api.Token = api.Token(sim.DemoToken)
	cfg.content.Hosts = append(cfg.content.Hosts, server.OutputHost())
	undo, err := ownFolder(dir)
	if err != nil {
		return err
	}
	defer undo()
	return cfg.serve(c.Context, dir, func(dir, _ string) {
		out := c.App.Writer
		end := "Ctrl-C ends it. In another terminal, try:"
		if c.Bool("daemon") {
			end = "replicatefs unmount ends it. Try:"
		}
		say(out, "A made-up Replicate account is mounted at %s. %s\n", dir, end)
		say(out, "  ls %s/by-date/*/*/*", dir)
		say(out, "  echo 'A majestic lion at sunset' | tee %s/models/black-forest-labs/flux-schnell/prompt.txt", dir)
		say(out, "  cp %s/models/black-forest-labs/flux-schnell/latest/output-0.webp .", dir)
	})
}

func simCommand() *cli.Command {
	return &cli.Command{
		Name:  "sim",
		Usage: "serve a made-up Replicate for any client, until interrupted",
		Description: "Prints the base URL that clients take, the token, and the host of the outputs.\n\n" +
			"   replicatefs sim --addr 127.0.0.1:8080\n" +
			"   REPLICATE_BASE_URL=http://127.0.0.1:8080/v1 REPLICATE_API_TOKEN=... replicatefs mount --output-host HOST DIR",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "addr", Usage: "loopback `HOST:PORT` to listen on; port 0 is any free one", Value: "127.0.0.1:0", EnvVars: env("addr")},
			&cli.Int64Flag{Name: "seed", Usage: "same seed, same account", Value: 1, EnvVars: env("seed")},
			&cli.IntFlag{Name: "past", Usage: "number of predictions that were there before", Value: sim.DemoPast, EnvVars: env("past")},
			&cli.Float64Flag{Name: "speed", Usage: "how many times faster models run", Value: 1, EnvVars: env("speed")},
		},
		Action: func(c *cli.Context) error {
			if _, err := arguments(c, 0, 0, "flags only"); err != nil {
				return err
			}
			if host, _, err := net.SplitHostPort(c.String("addr")); err != nil || host != "localhost" && !net.ParseIP(host).IsLoopback() {
				return wrong(c, "addr", "want HOST:PORT of this machine, such as 127.0.0.1:8080")
			}
			s := sim.New(sim.Options{Seed: c.Int64("seed"), Past: c.Int("past"), Speed: c.Float64("speed")})
			server, err := s.Serve(c.Context, c.String("addr"))
			if err != nil {
				return fmt.Errorf("start the simulator: %w", err)
			}
			say(c.App.Writer, "REPLICATE_BASE_URL=%s", server.BaseURL())
			say(c.App.Writer, "REPLICATE_API_TOKEN=%s", sim.DemoToken)
			say(c.App.Writer, "REPLICATEFS_OUTPUT_HOST=%s", server.OutputHost())
			<-c.Context.Done()
			return server.Close()
		},
	}
}
