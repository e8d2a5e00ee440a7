package fs

import (
	"path"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxName is the longest name that Linux file systems take, in bytes.
const maxName = 255

// safe makes a file name of any text from outside: one path element of valid
// UTF-8, without control characters, not "." or "..", of at most maxName
// bytes. The extension survives the cutting.
func safe(name string) string {
	clean := strings.Map(func(r rune) rune {
		switch {
		case r == utf8.RuneError || r == '/' || unicode.IsControl(r):
			return '_'
		case unicode.Is(unicode.Cf, r): // direction marks make a name look like another
			return '_'
		}
		return r
	}, strings.ToValidUTF8(name, "_"))
	switch clean {
	case "", ".", "..":
		return strings.Repeat("_", max(1, len(clean)))
	}
	return cut(clean, maxName)
}

// cut shortens a name to n bytes at a rune boundary, before its extension.
func cut(name string, n int) string {
	if len(name) <= n {
		return name
	}
	ext := extension(name)
	stem := name[:n-len(ext)]
	for !utf8.ValidString(stem) {
		stem = stem[:len(stem)-1]
	}
	return stem + ext
}

// extension is path.Ext where that is short and plain, else "".
func extension(name string) string {
	ext := path.Ext(name)
	if len(ext) < 2 || len(ext) > 12 {
		return ""
	}
	for _, r := range ext[1:] {
		if r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			return ""
		}
	}
	return ext
}

// names are those taken in one folder, each with the last mark that was given
// to another of the same name.
type names map[string]int

// take returns a safe form of name that nobody has yet: the second of the
// same name is marked -2 before its extension, and so on, in order of
// appearance.
func (taken names) take(name string) string {
	name = safe(name)
	free := name
	for taken[free] > 0 {
		taken[name] = max(taken[name], 1) + 1
		ext := extension(name)
		mark := "-" + strconv.Itoa(taken[name])
		free = cut(strings.TrimSuffix(name, ext), maxName-len(mark)-len(ext)) + mark + ext
	}
	taken[free] = 1
	return free
}
