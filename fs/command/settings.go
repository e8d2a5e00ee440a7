package command

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	iofs "io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"
	"go.yaml.in/yaml/v3"
)

// Settings are the lines of the configuration file, a YAML mapping whose keys
// are the names of the flags. One file serves all commands, so a key may be
// that of another command; one that belongs to none is a mistake.

// settingsFlag names the file.
func settingsFlag() cli.Flag {
	return &cli.StringFlag{Name: "config", Usage: "YAML `FILE` whose keys are names of flags; without it ~/.config/replicatefs/config.yaml, if there is one", EnvVars: env("config")}
}

// readSettings gives every flag that neither the command line nor the
// environment has set what the file says.
func readSettings(c *cli.Context) error {
	file := c.String("config")
	if file == "" {
		dir, err := configDir()
		if err != nil {
			return nil // no home, no file
		}
		file = filepath.Join(dir, "config.yaml")
	}
	b, err := os.ReadFile(file)
	switch {
	case errors.Is(err, iofs.ErrNotExist) && !c.IsSet("config"):
		return nil
	case err != nil:
		return usage{fmt.Sprintf("--config: %v", err)}
	}
	if file, err = filepath.Abs(file); err != nil {
		return err
	}
	return apply(c, file, b)
}

// apply does so with the content of a file.
func apply(c *cli.Context, file string, content []byte) error {
	var doc yaml.Node
	err := yaml.NewDecoder(bytes.NewReader(content)).Decode(&doc)
	if errors.Is(err, io.EOF) { // nothing but comments
		return nil
	}
	if err != nil {
		return usage{fmt.Sprintf("%s: %v", file, err)}
	}
	top := doc.Content[0]
	if top.Kind == yaml.ScalarNode && top.Tag == "!!null" {
		return nil
	}
	if top.Kind != yaml.MappingNode {
		return usage{fmt.Sprintf("%s: want lines such as \"cache-size: 20GiB\"", file)}
	}
	known := everyFlag(commands()) // not c.App.Commands, whose help is a part of itself
	seen := map[string]bool{}
	for i := 0; i+1 < len(top.Content); i += 2 {
		key, value := top.Content[i], top.Content[i+1]
		where := fmt.Sprintf("%s:%d", file, key.Line)
		name := key.Value
		switch {
		case known[name] == nil:
			return usage{fmt.Sprintf("%s: %s", where, unknown(name, known))}
		case seen[name]:
			return usage{fmt.Sprintf("%s: %s is there twice", where, name)}
		}
		seen[name] = true
		words, err := values(value, known[name])
		if err != nil {
			return usage{fmt.Sprintf("%s: %s: %v", where, name, err)}
		}
		if !takes(c.Command, name) || c.IsSet(name) {
			continue
		}
		for _, word := range words {
			if err := c.Set(name, word); err != nil {
				return usage{fmt.Sprintf("%s: %s: %q is not %s", where, name, word, wanted(known[name]))}
			}
		}
		origins(c)[name] = where
	}
	return nil
}

// takes tells whether a command has a flag that is this setting.
func takes(c *cli.Command, name string) bool {
	return slices.ContainsFunc(c.Flags, func(f cli.Flag) bool { return f.Names()[0] == name && isSetting(f) })
}

// unknown says what is wrong with a key that is no flag.
func unknown(key string, known map[string]cli.Flag) string {
	if strings.Contains(strings.ToLower(key), "token") {
		return fmt.Sprintf("%s: a token does not belong here: run replicatefs login, or write token-file: FILE", key)
	}
	near := strings.ReplaceAll(strings.ToLower(key), "_", "-")
	if known[near] == nil {
		var all []cli.Flag
		for _, f := range known {
			all = append(all, f)
		}
		near = strings.TrimLeft(cli.SuggestFlag(all, near, true), "-")
	}
	return fmt.Sprintf("there is no setting %s; did you mean %s?", key, near)
}

// values are the words of a setting: one, or for a flag that may be repeated
// those of a list.
func values(v *yaml.Node, f cli.Flag) ([]string, error) {
	if v.Kind == yaml.AliasNode {
		v = v.Alias
	}
	_, many := f.(*cli.StringSliceFlag)
	switch {
	case v.Kind == yaml.ScalarNode && v.Tag != "!!null":
		return []string{v.Value}, nil // as it is written: 0022 stays that
	case v.Kind != yaml.SequenceNode || !many:
		return nil, fmt.Errorf("want %s", wanted(f))
	}
	var words []string
	for _, item := range v.Content {
		if item.Kind != yaml.ScalarNode || item.Tag == "!!null" {
			return nil, errors.New("want a list of words")
		}
		words = append(words, item.Value)
	}
	return words, nil
}

// wanted says what a flag takes.
func wanted(f cli.Flag) string {
	switch f.(type) {
	case *cli.BoolFlag:
		return "true or false"
	case *cli.DurationFlag:
		return "a time such as 90s"
	case *cli.IntFlag, *cli.Int64Flag, *cli.Float64Flag:
		return "a number"
	case *cli.StringSliceFlag:
		return "a word or a list of words"
	}
	return "a word"
}

// origins are the places in the file that the flags come from which it has set.
func origins(c *cli.Context) map[string]string {
	known, ok := c.App.Metadata["origins"].(map[string]string)
	if !ok {
		known = map[string]string{}
		c.App.Metadata["origins"] = known
	}
	return known
}

// wrong is a flag whose value cannot be meant so.
func wrong(c *cli.Context, flag, want string) error {
	value := fmt.Sprint(c.Value(flag))
	if where := origins(c)[flag]; where != "" {
		return usage{fmt.Sprintf("%s: %s: %s: %s", where, flag, value, want)}
	}
	return usage{fmt.Sprintf("--%s %s: %s", flag, value, want)}
}

// everyFlag is all flags of all commands that are settings, by name. Neither
// the file itself is one, nor what has no variable: help, and where a command
// gives a name of mount's another meaning.
func everyFlag(commands []*cli.Command) map[string]cli.Flag {
	all := map[string]cli.Flag{}
	for _, c := range commands {
		for _, f := range c.Flags {
			if name := f.Names()[0]; name != "config" && isSetting(f) {
				all[name] = f
			}
		}
		for name, f := range everyFlag(c.Subcommands) {
			all[name] = f
		}
	}
	return all
}

func isSetting(f cli.Flag) bool {
	told, ok := f.(cli.DocGenerationFlag)
	return ok && len(told.GetEnvVars()) > 0
}

func flagNames(flags []cli.Flag) []string {
	var names []string
	for _, f := range flags {
		names = append(names, f.Names()[0])
	}
	return names
}

// effective is what the flags of a command say in the end, whoever set them,
// as JSON. None of them holds a secret: the token comes from elsewhere.
func effective(c *cli.Context) (json.RawMessage, error) {
	all := map[string]any{}
	for _, name := range flagNames(c.Command.Flags) {
		switch v := c.Value(name).(type) {
		case time.Duration:
			all[name] = v.String()
		case cli.StringSlice:
			all[name] = append([]string{}, v.Value()...)
		case bool, int, int64, float64, string:
			all[name] = v
		}
	}
	delete(all, "help")
	return json.Marshal(all)
}
