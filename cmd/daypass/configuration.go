package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"github.com/BurntSushi/toml"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Every flag can also be set by the environment (DAYPASS_ and its name in
// capitals, "-" as "_"; a list with commas for one that may repeat) and, for serve and share, in a configuration file
// under its name. The command line decides before the environment, and the
// environment before the file.

// bindConfiguration makes a command and its sub-commands read flags that were
// not given from elsewhere.
func (a *app) bindConfiguration(cmd *cobra.Command) {
	for _, sub := range cmd.Commands() {
		a.bindConfiguration(sub)
	}
	run := cmd.RunE
	if run == nil {
		return
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := a.configure(cmd); err != nil {
			return err
		}
		return run(cmd, args)
	}
}

func (a *app) configure(cmd *cobra.Command) error {
	if err := checkNoPassword(cmd.Flags()); err != nil {
		return err
	}
	if err := a.setFromEnvironment(cmd.Flags()); err != nil {
		return err
	}
	if cmd.Annotations[usesConfigFile] == "" {
		return nil
	}
	return a.setFromFile(cmd.Flags())
}

// usesConfigFile marks the commands that read the configuration file.
const usesConfigFile = "configuration file"

func variable(flag string) string {
	return "DAYPASS_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

func (a *app) setFromEnvironment(flags *pflag.FlagSet) (err error) {
	flags.VisitAll(func(f *pflag.Flag) {
		name := variable(f.Name)
		value := a.env(name)
		if f.Changed || value == "" || f.Name == "help" || err != nil {
			return
		}
		values := []string{value}
		if f.Value.Type() == "stringArray" {
			values = strings.Split(value, ",")
		}
		for _, v := range values {
			if e := flags.Set(f.Name, v); e != nil {
				err = usagef("%s: %v", name, flagError(e))
			}
		}
	})
	return err
}

func (a *app) setFromFile(flags *pflag.FlagSet) error {
	path, values, err := a.readFile()
	if err != nil {
		return err
	}
	names := make([]string, 0, len(values))
	for name := range values {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		f := flags.Lookup(name)
		if f == nil || name == "config" || name == "help" {
			return usagef("%s: there is no setting %q\nsettings have the names of the flags of 'daypass serve'", path, name)
		}
		if f.Changed {
			continue
		}
		if err := setValue(flags, name, values[name]); err != nil {
			return usagef("%s: %s: %v", path, name, err)
		}
		if err := checkPrivate(path, f.Value); err != nil {
			return err
		}
	}
	return nil
}

// readFile reads the configuration file: the one that was named, which must
// exist, or the user's, which need not.
func (a *app) readFile() (string, map[string]any, error) {
	path, named := a.config, a.config != ""
	if !named {
		dir, err := os.UserConfigDir()
		if err != nil {
			return "", nil, nil
		}
		path = filepath.Join(dir, "daypass", "config.toml")
	}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) && !named {
		return "", nil, nil
	}
	if err != nil {
		return "", nil, usagef("cannot read the configuration: %v", err)
	}
	var values map[string]any
	if _, err := toml.Decode(string(text), &values); err != nil {
		return "", nil, usagef("%s: %v", path, err)
	}
	return path, values, nil
}

// setValue sets a flag from a TOML value; a list sets a flag that may repeat.
func setValue(flags *pflag.FlagSet, name string, value any) error {
	switch v := value.(type) {
	case []any:
		for _, item := range v {
			if err := setValue(flags, name, item); err != nil {
				return err
			}
		}
		return nil
	case []map[string]any:
		for _, table := range v {
			if err := setValue(flags, name, table); err != nil {
				return err
			}
		}
		return nil
	case map[string]any:
		f, ok := flags.Lookup(name).Value.(tableFlag)
		if !ok {
			return errors.New("a table is not a setting")
		}
		return f.setTable(v)
	default:
		return flagError(flags.Set(name, fmt.Sprint(v)))
	}
}

// A secretFlag is a flag whose value may hold what is not to be shown.
type secretFlag interface{ secretValue() }

// flagError leaves the value out of the error of a flag, where it may be secret.
func flagError(err error) error {
	var e *pflag.InvalidValueError
	if !errors.As(err, &e) {
		return err
	}
	if _, ok := e.GetFlag().Value.(secretFlag); !ok {
		return err
	}
	return fmt.Errorf("invalid argument for %q flag: %w", "--"+e.GetFlag().Name, errors.Unwrap(e))
}
