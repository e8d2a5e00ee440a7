package mounted_test

import (
	"bufio"
	"bytes"
	"image"
	"image/color"
	"image/png"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"replicatefs/fs/mounted"
)

// A screen is an X server without a monitor, for programs with windows.
type screen struct {
	m    *mounted.Mount
	name string // as in DISPLAY
}

// startScreen starts one, until the end of the test.
func startScreen(t *testing.T, m *mounted.Mount) *screen {
	t.Helper()
	mounted.Need(t, "apt install xvfb", "Xvfb")
	cmd := m.Command("Xvfb", "-displayfd", "1", "-screen", "0", "800x600x24", "-nolisten", "tcp")
	number, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer number.Close()
	cmd.Stdout = w
	begin(t, cmd)
	w.Close()
	line, err := bufio.NewReader(number).ReadString('\n')
	if err != nil {
		t.Fatalf("Xvfb does not tell its number: %v", err)
	}
	return &screen{m, ":" + strings.TrimSpace(line)}
}

// begin starts a program that goes on until the end of the test.
func begin(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		cmd.Wait() // windows end with what they like
	})
}

// command is a program with windows on the screen.
func (s *screen) command(name string, args ...string) *exec.Cmd {
	cmd := s.m.Command(name, args...)
	cmd.Env = append(cmd.Env, "DISPLAY="+s.name)
	return cmd
}

// shot is what is on the screen now.
func (s *screen) shot(t *testing.T) image.Image {
	t.Helper()
	out := output(t, s.command("import", "-window", "root", "png:-"))
	m, err := png.Decode(strings.NewReader(out))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// shown is how much of the points of one picture is in another, by their
// colors.
func shown(of, in image.Image) float64 {
	points := map[color.RGBA]int{}
	count := func(m image.Image, do func(color.RGBA)) {
		for y := range m.Bounds().Dy() {
			for x := range m.Bounds().Dx() {
				do(color.RGBAModel.Convert(m.At(x, y)).(color.RGBA))
			}
		}
	}
	count(in, func(c color.RGBA) { points[c]++ })
	found := 0
	count(of, func(c color.RGBA) {
		if points[c] > 0 {
			points[c]--
			found++
		}
	})
	return float64(found) / float64(of.Bounds().Dx()*of.Bounds().Dy())
}

// A viewer opens an output directly and shows it, point for point.
func TestViewer(t *testing.T) {
	mounted.Need(t, "apt install gpicview", "gpicview")
	mounted.Need(t, needMagick, "import")
	each(t, func(t *testing.T, o mounted.Options) {
		a, dirs := serveStudio(t, 1)
		m := a.Mount(o)
		files, err := studio()
		if err != nil {
			t.Fatal(err)
		}
		picture, err := png.Decode(bytes.NewReader(files["output-0.png"]))
		if err != nil {
			t.Fatal(err)
		}
		s := startScreen(t, m)
		if part := shown(picture, s.shot(t)); part > 0.1 {
			t.Fatalf("%.2f of the picture is on an empty screen", part)
		}
		begin(t, s.command("gpicview", m.Path(dirs[0], "output-0.png")))
		mounted.Until(t, "the picture is on the screen", func() bool { return shown(picture, s.shot(t)) > 0.95 })
	})
}
