package command

import (
	"errors"
	"fmt"
	"io"
	iofs "io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// A field is one of the input of a run: the name of its file in a draft, which
// says what it is, and the content of that.
type field struct {
	name    string
	file    string
	content io.Reader
}

// fieldName is what the name of a field can be.
var fieldName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]*$`)

// extension is one that says what a file is.
var extension = regexp.MustCompile(`^\.[a-z0-9]+$`)

// readFields understands FIELD=VALUE, FIELD=@FILE and FIELD=-.
func readFields(args []string, in io.Reader) ([]field, error) {
	total := map[string]int{}
	for _, arg := range args {
		name, _, _ := strings.Cut(arg, "=")
		total[name]++
	}
	var fields []field
	seen, piped := map[string]int{}, ""
	for _, arg := range args {
		name, value, ok := strings.Cut(arg, "=")
		if !ok || !fieldName.MatchString(name) {
			return nil, usage{fmt.Sprintf("%q is no input: want FIELD=VALUE, FIELD=@FILE or FIELD=-", arg)}
		}
		f := field{name: name}
		ext := ".txt"
		switch {
		case value == "-":
			if piped != "" {
				return nil, usage{fmt.Sprintf("%s and %s cannot both be what is piped in", piped, name)}
			}
			piped, f.content = name, in
		case strings.HasPrefix(value, "@"):
			file, err := os.Open(value[1:])
			if err != nil {
				return nil, usage{fmt.Sprintf("%s: %v", name, err)}
			}
			if st, err := file.Stat(); err != nil || !st.Mode().IsRegular() {
				file.Close()
				return nil, usage{fmt.Sprintf("%s: %s is no file", name, value[1:])}
			}
			f.content = closing{file}
			if ext = strings.ToLower(filepath.Ext(value)); !extension.MatchString(ext) {
				ext = ".bin"
			}
		default:
			f.content = strings.NewReader(value + "\n") // the final newline of a text is not part of it
		}
		f.file = name + ext
		if total[name] > 1 {
			f.file = name + "-" + strconv.Itoa(seen[name]) + ext
			seen[name]++
		}
		fields = append(fields, f)
	}
	return fields, nil
}

// closing is a file that is closed at its end.
type closing struct{ *os.File }

func (c closing) Read(p []byte) (int, error) {
	n, err := c.File.Read(p)
	if err == io.EOF {
		c.File.Close()
	}
	return n, err
}

// savable tells before a run costs anything that its outputs could not be
// saved in dir, which is not made yet: a run may give nothing but text.
func savable(dir string) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	at := existing(dir)
	if st, err := os.Stat(at); err != nil || !st.IsDir() {
		return fmt.Errorf("--output-dir: %s is no folder; nothing was sent", at)
	}
	if err := unix.Access(at, unix.W_OK|unix.X_OK); err != nil {
		return fmt.Errorf("--output-dir: you cannot write to %s: %w; nothing was sent", at, err)
	}
	return nil
}

// saveOutputs copies the files that a run has made to a folder, and says where
// each one is. Text was written already.
func saveOutputs(root iofs.FS, folder, dir string, out io.Writer) error {
	entries, err := iofs.ReadDir(root, folder)
	if err != nil {
		return err
	}
	for _, e := range entries {
		name := e.Name()
		if !strings.HasPrefix(name, "output") || name == "output.json" || name == "output.txt" {
			continue
		}
		saved, err := saveOutput(root, path.Join(folder, name), dir)
		if err != nil {
			return fmt.Errorf("save %s: %w", name, err)
		}
		fmt.Fprintln(out, saved)
	}
	return nil
}

// saveOutput copies one, under a name that is free, whole or not at all.
func saveOutput(root iofs.FS, from, dir string) (saved string, err error) {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return "", err
	}
	in, err := root.Open(from)
	if err != nil {
		return "", err
	}
	defer in.Close()
	temp, err := os.CreateTemp(dir, ".replicatefs-")
	if err != nil {
		return "", err
	}
	defer os.Remove(temp.Name()) // gone already when all went well
	_, err = io.Copy(temp, in)
	if err = errors.Join(err, temp.Sync(), temp.Close()); err != nil {
		return "", err
	}
	// The name is taken first, by an empty file: then nothing can be
	// overwritten but that.
	saved, mode, err := takeName(dir, path.Base(from))
	if err != nil {
		return "", err
	}
	return saved, errors.Join(os.Chmod(temp.Name(), mode), os.Rename(temp.Name(), saved))
}

// takeName makes an empty file under the first name that is free: a.png,
// a-1.png, a-2.png. Mode is as the umask has it.
func takeName(dir, name string) (taken string, mode iofs.FileMode, err error) {
	ext := path.Ext(name)
	stem := strings.TrimSuffix(name, ext)
	for n := 0; ; n++ {
		if n > 0 {
			name = fmt.Sprintf("%s-%d%s", stem, n, ext)
		}
		f, err := os.OpenFile(filepath.Join(dir, name), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o666)
		if errors.Is(err, iofs.ErrExist) {
			continue
		}
		if err != nil {
			return "", 0, err
		}
		st, err := f.Stat()
		if err = errors.Join(err, f.Close()); err != nil {
			return "", 0, err
		}
		return f.Name(), st.Mode().Perm(), nil
	}
}
