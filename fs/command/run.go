package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	iofs "io/fs"
	"path"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"replicatefs/fs"
	"replicatefs/fs/tree"
)

func runCommand() *cli.Command {
	return &cli.Command{
		Name:      "run",
		Usage:     "run a model once, without a mount, and save what it makes",
		ArgsUsage: "MODEL [FIELD=VALUE...]",
		Description: "MODEL is OWNER/NAME, OWNER/NAME:VERSION or deployments/OWNER/NAME. FIELD=@FILE gives a file, FIELD=- what is\n" +
			"piped in, a FIELD that comes again makes a list, and input=@FILE.json gives many fields at once. Text is written\n" +
			"to the output, files are saved and named there. Ctrl-C ends the waiting, not the run.\n\n" +
			"   replicatefs run black-forest-labs/flux-schnell prompt=\"a lion\" num_outputs=2\n" +
			"   replicatefs run --output-dir pictures acme/upscaler image=@photo.jpg scale=4\n" +
			"   cat letter.txt | replicatefs run meta/meta-llama-3-8b-instruct prompt=-",
		Flags: flags(connectionFlags(), localFlags(), []cli.Flag{
			&cli.StringFlag{Name: "output-dir", Usage: "save files in `DIR`, made if missing; nothing is overwritten", Value: ".", EnvVars: env("output-dir"), TakesFile: true},
			&cli.DurationFlag{Name: "cancel-after", Usage: "let Replicate end a run so long after its start", EnvVars: env("cancel-after")},
			&cli.BoolFlag{Name: "json", Usage: "write the prediction as JSON, and no text", EnvVars: env("json")},
		}),
		Action: func(c *cli.Context) error {
			args, err := arguments(c, 1, 1000, "a model and its input")
			if err != nil {
				return err
			}
			where, err := modelPath(args[0])
			if err != nil {
				return err
			}
			fields, err := readFields(args[1:], c.App.Reader)
			if err != nil {
				return err
			}
			if dir := c.String("output-dir"); c.IsSet("output-dir") { // else there may be nothing to save
				if err := savable(dir); err != nil {
					return err
				}
			}
			if err := hush(c); err != nil {
				return err
			}
			cfg, err := configFrom(c, c.App.ErrWriter)
			if err != nil {
				return err
			}
			defer cfg.journal.close()
			if cfg.api.TokenSource, err = tokenFrom(c); err != nil {
				return err
			}
			cfg.tree.Wait = 0 // the waiting is done here
			s, err := cfg.open(c.Context)
			if err != nil {
				return err
			}
			defer s.close(cfg.log)
			return (&order{c: c, tree: s.tree}).run(where, fields)
		},
	}
}

// modelPath is the folder of a model in the tree.
func modelPath(model string) (string, error) {
	name, version, versioned := strings.Cut(model, ":")
	deployment := strings.HasPrefix(name, "deployments/")
	parts := strings.Split(strings.TrimPrefix(name, "deployments/"), "/")
	switch {
	case len(parts) != 2 || parts[0] == "" || parts[1] == "" || versioned && (version == "" || deployment):
		return "", usage{fmt.Sprintf("%q is no model: want OWNER/NAME, OWNER/NAME:VERSION or deployments/OWNER/NAME", model)}
	case deployment:
		return name, nil
	case versioned:
		return path.Join("models", name, "versions", version), nil
	}
	return path.Join("models", name), nil
}

// An order is one run without a mount. It goes the way that a person goes in
// one: a draft with a file for each field is made in the model's folder, so
// that the schema, uploads and what is never sent twice are the same.
type order struct {
	c    *cli.Context
	tree *fs.FS
}

func (o *order) run(where string, fields []field) error {
	id, err := o.send(o.c.Context, where, fields)
	if err != nil {
		if refused(err) {
			return tokenError(err.Error())
		}
		return err
	}
	r, err := o.watch(id)
	if err != nil {
		goesOn := fmt.Errorf("the run %s goes on. In a mount it is at predictions/%s: write to cancel there to end it", id, id)
		if o.c.Context.Err() != nil {
			return goesOn
		}
		return fmt.Errorf("%w\nIt cannot be watched: %w", goesOn, err)
	}
	folder := path.Join("predictions", id)
	root := tree.FS(o.c.Context, o.tree.Root())
	if o.c.Bool("json") {
		raw, err := iofs.ReadFile(root, path.Join(folder, "prediction.json"))
		if err != nil {
			return err
		}
		if _, err := o.c.App.Writer.Write(raw); err != nil {
			return err
		}
	}
	if failure := r.Failure(); failure != "" {
		return errors.New(failure)
	}
	saved := o.c.App.Writer
	if o.c.Bool("json") {
		saved = o.c.App.ErrWriter
	}
	if err := saveOutputs(root, folder, o.c.String("output-dir"), saved); err != nil {
		return fmt.Errorf("%w\nThe run went well: in a mount all of it is at %s", err, folder)
	}
	return nil
}

// runnable is a folder in which a model is run by way of drafts.
type runnable interface {
	tree.Maker
	tree.Remover
}

// send starts the run and returns its id. What was prepared for it goes away
// again, whatever becomes of it.
func (o *order) send(ctx context.Context, where string, fields []field) (id string, err error) {
	node, err := tree.Resolve(ctx, o.tree.Root(), where)
	if err != nil {
		return "", fmt.Errorf("%s: %w", strings.TrimPrefix(where, "models/"), err)
	}
	model, ok := node.(runnable)
	if !ok {
		return "", fmt.Errorf("%s is nothing that can be run", where)
	}
	name := fmt.Sprintf("run-%d", time.Now().UnixNano())
	draft, err := model.Mkdir(ctx, name)
	if err != nil {
		return "", fmt.Errorf("prepare the run: %w", err)
	}
	defer func() {
		if e := forget(context.WithoutCancel(ctx), model, draft, name); e != nil && err == nil {
			fmt.Fprintf(o.c.App.ErrWriter, "replicatefs: the draft %s/%s is left: %v\n", where, name, e)
		}
	}()
	for _, f := range fields {
		if err := write(ctx, draft, f.file, f.content); err != nil {
			return "", fmt.Errorf("%s: %w", f.name, err)
		}
	}
	if err := write(ctx, draft, "run", strings.NewReader("go\n")); err != nil {
		return "", err
	}
	latest, err := draft.Lookup(ctx, "latest")
	if err != nil {
		return "", err
	}
	link, ok := latest.(tree.Link)
	if !ok {
		return "", errors.New("the run was started, and cannot be found; look into predictions/")
	}
	target, err := link.Target(ctx)
	return path.Base(target), err
}

// watch waits for the end of a run, and shows how it goes on.
func (o *order) watch(id string) (fs.Run, error) {
	ctx := o.c.Context
	type end struct {
		r   fs.Run
		err error
	}
	ended := make(chan end, 1)
	go func() {
		r, err := o.tree.WaitFor(ctx, path.Join("predictions", id))
		ended <- end{r, err}
	}()
	bar := newBar(o.c.App.ErrWriter)
	defer bar.end()
	tick := time.NewTicker(glance)
	defer tick.Stop()
	said := 0
	for {
		select {
		case e := <-ended:
			if e.err == nil {
				if said = o.speak(id, said, bar); said > 0 {
					fmt.Fprintln(o.c.App.Writer)
				}
			}
			return e.r, e.err
		case <-tick.C:
			if said == 0 {
				bar.spin(o.progress(id))
			}
			said = o.speak(id, said, bar)
		}
	}
}

// speak writes what there is more of the text than said before. Its place on
// the screen is that of the bar.
func (o *order) speak(id string, said int, b *bar) int {
	if o.c.Bool("json") {
		return 0
	}
	text, err := o.read(id, "output.txt")
	if err != nil || len(text) <= said {
		return said
	}
	b.end()
	fmt.Fprint(o.c.App.Writer, text[said:])
	return len(text)
}

// progress is the state of a run in a word, and the end of its log.
func (o *order) progress(id string) string {
	status, err := o.read(id, "status")
	if err != nil {
		return ""
	}
	logs, _ := o.read(id, "logs.txt") // none is as good as empty
	logs = strings.TrimSpace(logs)
	last := logs[strings.LastIndexAny(logs, "\r\n")+1:]
	return strings.TrimSpace(status) + " " + printable(last)
}

// printable takes out of a stranger's line what a terminal would obey, and
// what would not fit.
func printable(line string) string {
	line = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return -1
		}
		return r
	}, line)
	const most = 60
	if r := []rune(line); len(r) > most {
		return string(r[:most]) + "…"
	}
	return line
}

func (o *order) read(id, name string) (string, error) {
	b, err := iofs.ReadFile(tree.FS(o.c.Context, o.tree.Root()), path.Join("predictions", id, name))
	return string(b), err
}

// write makes a file in a folder, which may mean something there.
func write(ctx context.Context, dir tree.Dir, name string, content io.Reader) error {
	creator, ok := dir.(tree.Creator)
	if !ok {
		return tree.ErrReadOnly
	}
	file, err := creator.Create(ctx, name)
	if err != nil {
		return err
	}
	d, err := file.Save(ctx)
	if err != nil {
		return err
	}
	var off int64
	for b := make([]byte, 128<<10); ; {
		n, err := content.Read(b)
		if n > 0 {
			if _, err := d.WriteAt(ctx, b[:n], off); err != nil {
				return errors.Join(err, d.Close())
			}
			off += int64(n)
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return errors.Join(err, d.Close())
		}
	}
	return errors.Join(d.Commit(ctx), d.Close())
}

// forget removes a draft.
func forget(ctx context.Context, model runnable, draft tree.Dir, name string) error {
	entries, err := draft.List(ctx)
	if err != nil {
		return err
	}
	inside, ok := draft.(tree.Remover)
	if !ok {
		return tree.ErrReadOnly
	}
	for _, e := range entries {
		if err := inside.Remove(ctx, e.Name, false); err != nil && !errors.Is(err, iofs.ErrNotExist) {
			return err
		}
	}
	return model.Remove(ctx, name, true)
}
