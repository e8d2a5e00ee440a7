package command

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"replicatefs/fs"
)

// A bar shows on a terminal how far something is, and elsewhere nothing.
type bar struct {
	out io.Writer // nil: not a terminal
	bar *progressbar.ProgressBar
}

func newBar(out io.Writer) *bar {
	if !terminal(out) {
		return new(bar)
	}
	return &bar{out: out}
}

// show moves the bar. The total may change on the way.
func (b *bar) show(what string, done, total int64) {
	if b.out == nil {
		return
	}
	if b.bar == nil {
		b.bar = progressbar.NewOptions64(total,
			progressbar.OptionSetWriter(b.out),
			progressbar.OptionShowBytes(true),
			progressbar.OptionUseIECUnits(true),
			progressbar.OptionClearOnFinish(),
			progressbar.OptionFullWidth(),
		)
	}
	if total != b.bar.GetMax64() {
		b.bar.ChangeMax64(total)
	}
	b.bar.Describe(what)
	b.bar.Set64(min(done, total))
}

// spin shows that something goes on whose end nobody can tell. It moves only
// when it is called: one that moved by itself would draw over what is written
// after its end.
func (b *bar) spin(what string) {
	if b.out == nil {
		return
	}
	if b.bar == nil {
		b.bar = progressbar.NewOptions64(-1,
			progressbar.OptionSetWriter(b.out),
			progressbar.OptionSpinnerType(14),
			progressbar.OptionSetSpinnerChangeInterval(0),
		)
	}
	b.bar.Describe(what)
}

// glance is the time between two looks at something that goes on.
const glance = 100 * time.Millisecond

// end takes the bar away. What is shown afterwards begins another one.
func (b *bar) end() {
	if b.bar != nil {
		b.bar.Clear()
		b.bar = nil
	}
}

// whole waits for the whole list of predictions, and shows how it is read.
func (cfg config) whole(ctx context.Context, tree *fs.FS) error {
	b := newBar(cfg.screen)
	cfg.journal.beside(b.out != nil)
	defer cfg.journal.beside(false)
	defer b.end()
	return tree.Whole(ctx, func(known int) {
		b.spin(fmt.Sprintf("reading the list of predictions, %s so far", humanize.Comma(int64(known))))
	})
}

// terminal tells whether a person looks at what is written there.
func terminal(out io.Writer) bool {
	f, ok := out.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
