package fs

import (
	"context"
	iofs "io/fs"
	"path"
	"strings"
	"unicode"

	"replicatefs/fs/tree"
)

// searchDir begins the paths of searches.
const searchDir = "search/"

// search is search/<query>/<owner>--<name>. A folder in it exists by being
// asked for, and only looking inside asks Replicate. None is listed: what
// somebody once searched for would else be walked through by every backup, and
// be another thing after the next mount.
func (f *FS) search() tree.Dir {
	return &tree.Listing{
		Number:  tree.Ino("folder", "search"),
		Told:    func() tree.Info { return folderInfo(f.since) },
		Entries: func(context.Context) ([]tree.Entry, error) { return nil, nil },
		Named: func(_ context.Context, query string) (tree.Node, error) {
			if !isQuery(query) {
				return nil, iofs.ErrNotExist
			}
			dir := searchDir + query
			return f.ways(dir, func(ctx context.Context) (roster, error) {
				return f.rosters.get(ctx, dir, searchLife, func(ctx context.Context) ([]string, error) {
					found, err := f.api.Search(ctx, query)
					if err != nil {
						return nil, err
					}
					return f.modelNames(ctx, found), nil
				})
			}), nil
		},
	}
}

// isQuery tells what a person searches for from names that programs look for
// in every folder: hidden ones, what looks like a file (autorun.inf,
// Thumbs.db, package.json), those of git, backups of editors, and patterns
// that a shell found nothing for.
func isQuery(name string) bool {
	word := strings.ContainsFunc(name, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) })
	switch {
	case !word, safe(name) != name,
		strings.HasPrefix(name, "."), strings.HasPrefix(name, "#"), strings.HasPrefix(name, "~"), strings.HasSuffix(name, "~"),
		strings.HasPrefix(name, "-"), strings.ContainsAny(name, "*[]{}$<>|\\"):
		return false
	}
	switch strings.ToLower(name) {
	case "head", "autorun", "lost+found", "makefile", "dockerfile", "vagrantfile", "rakefile", "gemfile", "pipfile", "jenkinsfile",
		"node_modules", "system volume information", "cvs", "rcs", "sccs", "_darcs", "_svn", "_fossil_":
		return false
	}
	// An extension is letters, so that "stable diffusion 3.5" is none.
	ext := path.Ext(name)
	if len(ext) < 2 || strings.Contains(ext, " ") {
		return true
	}
	return strings.ContainsFunc(ext[1:], func(r rune) bool { return !unicode.IsLetter(r) })
}
