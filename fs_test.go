// Package main_test checks what belongs to no package: who may import whom,
// and the two commands by which a person tries the program out.
package main_test

import (
	"bufio"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/image/webp"

	"replicatefs/fs/mounted"
)

func TestMain(m *testing.M) { mounted.Main(m) }

// layers says which packages of this module each package may import. What is
// not here has no place yet.
var layers = map[string][]string{
	".":                {"fs/command"},
	"fs/command":       {"fs", "fs/fuse", "fs/tree", "api", "api/sim", "cache", "cache/catalog"},
	"fs":               {"fs/tree", "api", "cache", "cache/catalog"},
	"fs/fuse":          {"fs/tree"},
	"fs/tree":          {},
	"fs/mounted":       {"api/sim"},
	"fs/mounted/storm": {"api/sim", "fs/mounted"},
	"api":              {},
	"api/sim":          {"api/sim/picture"},
	"api/sim/picture":  {},
	"cache":            {},
	"cache/catalog":    {},
}

// keepers says in which packages alone something from outside may appear, and
// why.
var keepers = []struct {
	what  string
	where []string
	why   string
}{
	{"github.com/hanwen/go-fuse/", []string{"fs/fuse"}, "only fs/fuse talks to the kernel; the rest is a tree that can be tested without one"},
	{"github.com/dgraph-io/ristretto/", []string{"cache"}, "only cache decides what stays in memory"},
	{"github.com/urfave/cli/", []string{"fs/command"}, "only fs/command knows the command line"},
	{"go.yaml.in/yaml/", []string{"fs/command"}, "only fs/command reads the configuration file"},
	{"github.com/prometheus/", []string{"fs/command"}, "the other packages count for themselves; only fs/command knows who collects"},
	{"modernc.org/sqlite", []string{"cache/catalog"}, "only cache/catalog knows how the catalog is stored"},
	{"testing", []string{"fs/mounted"}, "what only tests need is not part of the program"},
}

func TestLayers(t *testing.T) {
	for dir, files := range sources(t) {
		allowed, known := layers[dir]
		if !known {
			t.Errorf("%s has no place in the table of layers: say here what it may import, and who may import it", dir)
			continue
		}
		for _, f := range files {
			for _, spec := range f.Imports {
				name, _ := strconv.Unquote(spec.Path.Value)
				if inside, ok := strings.CutPrefix(name, "replicatefs/"); ok && !contains(allowed, inside) {
					t.Errorf("%s imports %s, and may import %v of this module only (README.md shows the layers)", dir, inside, allowed)
				}
				for _, k := range keepers {
					if !contains(k.where, dir) && (name == k.what || strings.HasPrefix(name, k.what) && (strings.HasSuffix(k.what, "/") || name[len(k.what)] == '/')) {
						t.Errorf("%s imports %s: %s", dir, name, k.why)
					}
				}
				if dir == "fs/tree" && strings.Contains(strings.Split(name, "/")[0], ".") {
					t.Errorf("fs/tree imports %s: it needs the standard library only", name)
				}
			}
		}
	}
}

// Errors meet errno where they meet the kernel: in fs/fuse, and in what asks
// the disk under the cache. Everywhere else they are words of io/fs or tree.
// The environment is read where flags are.
func TestWhatAppearsOnce(t *testing.T) {
	for dir, files := range sources(t) {
		for _, f := range files {
			ast.Inspect(f.File, func(n ast.Node) bool {
				s, ok := n.(*ast.SelectorExpr)
				if !ok {
					return true
				}
				pkg, ok := s.X.(*ast.Ident)
				if !ok {
					return true
				}
				name := s.Sel.Name
				switch {
				case dir == "fs/fuse" || dir == "fs/mounted":
				case (pkg.Name == "syscall" || pkg.Name == "unix") && isErrno(name) && dir != "cache" && dir != "cache/catalog":
					t.Errorf("%s: %s.%s: errno belongs to fs/fuse", f.at(s), pkg.Name, name)
				case pkg.Name == "os" && (name == "Getenv" || name == "LookupEnv" || name == "Environ" || name == "ExpandEnv") && dir != "fs/command":
					t.Errorf("%s: os.%s: the environment is read by fs/command", f.at(s), name)
				case pkg.Name == "os" && name == "Exit" && dir != ".":
					t.Errorf("%s: os.Exit: only main ends the program", f.at(s))
				}
				return true
			})
		}
	}
}

// isErrno tells an error number, as ENOENT, from other names with an E.
func isErrno(name string) bool {
	return len(name) > 2 && name[0] == 'E' && strings.ToUpper(name) == name && !strings.Contains(name, "_")
}

// Each package says once what it is.
func TestPackageComments(t *testing.T) {
	for dir, files := range sources(t) {
		var comments []string
		for _, f := range files {
			if f.Doc != nil {
				comments = append(comments, f.name)
			}
		}
		if len(comments) != 1 {
			t.Errorf("%s has a package comment in %d files %v, want one", dir, len(comments), comments)
		}
	}
}

// A source is a parsed file.
type source struct {
	*ast.File
	name string
	set  *token.FileSet
}

func (s source) at(n ast.Node) string { return s.set.Position(n.Pos()).String() }

// sources are the files of each package that are no tests, whatever system
// they are for.
func sources(t *testing.T) map[string][]source {
	t.Helper()
	all := map[string][]source{}
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata"):
			return filepath.SkipDir
		case d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go"):
			return nil
		}
		set := token.NewFileSet()
		f, err := parser.ParseFile(set, name, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		for _, c := range f.Comments {
			if c.Pos() < f.Package && strings.HasPrefix(c.List[0].Text, "//go:build ignore") {
				return nil // a tool of whoever works on the package
			}
		}
		dir := path.Dir(filepath.ToSlash(name))
		all[dir] = append(all[dir], source{f, name, set})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func contains(list []string, s string) bool {
	for _, l := range list {
		if l == s {
			return true
		}
	}
	return false
}

// The two commands of the README: what a person types first, and what a
// developer types first.
func TestReadme(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, command := range []string{"go run . demo", "go test ./..."} {
		if !strings.Contains(string(readme), "\n"+command+"\n") {
			t.Errorf("the README does not have the line %q", command)
		}
	}
}

// Every test that the README names is where it says: in ./fs/mounted, unless
// the words before it name another package.
func TestReadmeTests(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile("`(\\./[a-z/]+|(?:Test|Fuzz|Benchmark)[A-Z]\\w*)`|([;|])")
	there := map[string]string{} // what is in the tests of a package
	found := 0
	for line := range strings.Lines(string(readme)) {
		dir := "fs/mounted"
		for _, m := range named.FindAllStringSubmatch(line, -1) {
			switch name := m[1]; {
			case m[2] != "":
				dir = "fs/mounted"
			case strings.HasPrefix(name, "./"):
				dir = path.Clean(name)
			default:
				found++
				if there[dir] == "" {
					there[dir] = testsIn(t, dir)
				}
				if !strings.Contains(there[dir], "\nfunc "+name+"(") {
					t.Errorf("the README names %s in %s, where it is not", name, dir)
				}
			}
		}
	}
	if found < 40 {
		t.Errorf("only %d tests were found in the README", found)
	}
}

// testsIn is the source of the tests of a package.
func testsIn(t *testing.T, dir string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no tests in %s: %v", dir, err)
	}
	var all strings.Builder
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(b)
	}
	return all.String()
}

// The demo says what to try; it is tried, line by line, the picture is a
// picture, and Ctrl-C leaves nothing behind.
func TestDemo(t *testing.T) {
	t.Run("go run", func(t *testing.T) {
		t.Parallel()
		mounted.NeedFUSE(t, false)
		tryDemo(t, exec.Command("go", "run", "."), nil)
	})
	t.Run("ordinary user", func(t *testing.T) {
		t.Parallel()
		mounted.NeedFUSE(t, true)
		var user *syscall.Credential
		if os.Geteuid() == 0 {
			user = &syscall.Credential{Uid: 65534, Gid: 65534}
		}
		tryDemo(t, exec.Command(mounted.Program(t)), user)
	})
}

// demoLimit is how long the demo may take to build and to be there.
const demoLimit = 10 * time.Minute

func tryDemo(t *testing.T, program *exec.Cmd, user *syscall.Credential) {
	base := t.TempDir()
	home, tmp := filepath.Join(base, "home"), filepath.Join(base, "tmp")
	for _, dir := range []string{home, tmp} {
		err := os.Mkdir(dir, 0o700)
		if user != nil {
			err = errors.Join(err, os.Chown(dir, int(user.Uid), int(user.Gid)), os.Chmod(filepath.Dir(base), 0o711))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	dir := filepath.Join(home, "replicate") // which is not there yet
	demo := program
	demo.Args = append(demo.Args, "demo", dir)
	demo.Env = append(os.Environ(), "TMPDIR="+tmp)
	if user != nil {
		demo.Env = append(demo.Env, "HOME="+home)
	}
	demo.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: user}
	demo.WaitDelay = 10 * time.Second
	var said strings.Builder
	demo.Stderr = &said
	stdout, err := demo.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := demo.Start(); err != nil {
		t.Fatal(err)
	}
	lines, done := make(chan string, 100), make(chan error, 1)
	go func() {
		for s := bufio.NewScanner(stdout); s.Scan(); {
			lines <- s.Text()
		}
		done <- demo.Wait()
	}()
	ended := false
	t.Cleanup(func() {
		if !ended {
			syscall.Kill(-demo.Process.Pid, syscall.SIGTERM)
			<-done
		}
	})

	// Lines to try are indented.
	var try []string
	for late := time.After(demoLimit); len(try) < 3; {
		select {
		case line := <-lines:
			if strings.HasPrefix(line, "  ") {
				try = append(try, strings.TrimSpace(line))
			}
		case err := <-done:
			ended = true
			t.Fatalf("the demo ended: %v\n%s", err, said.String())
		case <-late:
			t.Fatalf("no demo after %v\n%s", demoLimit, said.String())
		}
	}
	for _, line := range try {
		cmd := exec.Command("sh", "-euc", line)
		cmd.Dir = tmp
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: user}
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", line, err, out)
		}
	}
	picture := filepath.Join(tmp, "output-0.webp")
	f, err := os.Open(picture)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if image, err := webp.Decode(f); err != nil {
		t.Errorf("the picture is none: %v", err)
	} else if size := image.Bounds(); size.Dx() < 64 || size.Dy() < 64 {
		t.Errorf("the picture is %v small", size)
	}
	os.Remove(picture)

	if err := syscall.Kill(-demo.Process.Pid, syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	select {
	case err = <-done:
	case <-time.After(mounted.Patience):
		t.Fatalf("the demo does not end\n%s", said.String())
	}
	ended = true
	// An interrupted go run ends with 1 by itself, and tells what the program
	// ended with if that is not 0.
	if err != nil && (filepath.Base(demo.Path) != "go" || strings.Contains(said.String(), "exit status")) {
		t.Errorf("the demo ended with %v\n%s", err, said.String())
	}
	if err := syscall.Kill(-demo.Process.Pid, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("a process of the demo is left: %v", err)
	}
	if _, err := os.Lstat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the folder that the demo made is left: %v", err)
	}
	left, err := os.ReadDir(tmp)
	if err != nil || len(left) > 0 {
		t.Errorf("the demo left %v in the temporary folder (%v)", left, err)
	}
}

// The page at the start of package fs names every file of it: who looks for
// something begins there.
func TestEssay(t *testing.T) {
	essay, err := os.ReadFile("fs/fs.go")
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("fs/*.go")
	if err != nil || len(files) < 10 {
		t.Fatalf("the files of fs are %v, %v", files, err)
	}
	page, _, _ := strings.Cut(string(essay), "\npackage fs")
	for _, file := range files {
		name := filepath.Base(file)
		if name != "fs.go" && !strings.HasSuffix(name, "_test.go") && !strings.Contains(page, name) {
			t.Errorf("fs/fs.go does not say what %s is for", name)
		}
	}
}
