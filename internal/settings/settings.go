// Package settings is the hand that sets a program's flags where nobody has set
// them on the command line: from the environment, and from a configuration file.
//
//	command line  >  SERIN_LISTEN=...  >  listen: ... in a file  >  the flag's default
//
// A flag's name is its key in the file, and in the environment it is written in
// capitals behind a prefix. The flags' own parsers read every value, so there is
// one definition of what a setting is called, takes, and means.
//
// What may not happen here: a key that is passed over because nobody knows it, or
// is there twice; a value that is wrong, and an error that does not say where.
//
// Terms: a setting is a flag that may stand in a file; a group is a mapping of
// settings of its own, such as those of one model.
package settings

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// Set sets those flags that the command line has not: from variables of the
// environment, or from the file, which may be nil. Flags whose names are in
// except are left alone. It returns where each setting came from, by its name.
func Set(flags *pflag.FlagSet, file *File, prefix string, getenv func(string) string, except ...string) (sources map[string]string, err error) {
	sources = map[string]string{}
	if file == nil {
		file = &File{}
	}
	known := func(f *pflag.Flag) bool { return !f.Hidden && !slices.Contains(except, f.Name) }
	in := map[string]Setting{}
	for _, s := range file.Settings {
		if f := flags.Lookup(s.Key); f == nil || !known(f) {
			return nil, file.unknown(s, flags, known)
		}
		in[s.Key] = s
	}
	flags.VisitAll(func(f *pflag.Flag) {
		s, there := in[f.Name]
		variable := Variable(prefix, f.Name)
		switch text := getenv(variable); {
		case err != nil || !known(f):
		case f.Changed:
			sources[f.Name] = "command line"
		case text != "":
			sources[f.Name] = variable
			if e := set(f, split(f, text)); e != nil {
				err = fmt.Errorf("%s: %w", variable, e)
			}
		case there:
			sources[f.Name] = file.place(s.Line)
			if e := set(f, s.Values); e != nil {
				err = fmt.Errorf("%s: %s: %w", file.place(s.Line), s.Key, e)
			}
		}
	})
	return sources, err
}

// injected are the ends of variables that an orchestrator puts there for services,
// whichever they are called by: SERIN_SERVICE_HOST, SERIN_PORT_8000_TCP_ADDR.
var injected = regexp.MustCompile(`(^|_)(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT(_[0-9]+_(TCP|UDP|SCTP)(_PROTO|_PORT|_ADDR)?)?)$`)

// Misspelt finds the variables of an environment that set no flag and look like one
// that would: by their names, those that were meant. The others are somebody's else.
func Misspelt(flags *pflag.FlagSet, prefix string, environ []string, others ...string) map[string]string {
	names := others
	flags.VisitAll(func(f *pflag.Flag) { names = append(names, Variable(prefix, f.Name)) })
	meant := map[string]string{}
	for _, variable := range environ {
		name, _, _ := strings.Cut(variable, "=")
		own, ours := strings.CutPrefix(name, prefix)
		if !ours || slices.Contains(names, name) || injected.MatchString(own) {
			continue
		}
		var ends []string
		for _, n := range names {
			ends = append(ends, strings.TrimPrefix(n, prefix))
		}
		if nearest := Nearest(strings.ToUpper(own), ends); nearest != "" {
			meant[name] = prefix + nearest
		}
	}
	return meant
}

// SetGroup sets flags from a group.
func (f *File) SetGroup(g Group, flags *pflag.FlagSet) error {
	for _, s := range g.Settings {
		flag := flags.Lookup(s.Key)
		if flag == nil {
			return f.unknown(s, flags, func(*pflag.Flag) bool { return true })
		}
		if err := set(flag, s.Values); err != nil {
			return fmt.Errorf("%s: %s: %s: %w", f.place(s.Line), g.Name, s.Key, err)
		}
	}
	return nil
}

// Variable is what a flag is called in the environment.
func Variable(prefix, flag string) string {
	return prefix + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// split takes a variable of a list apart.
func split(f *pflag.Flag, text string) []string {
	if _, list := f.Value.(pflag.SliceValue); !list {
		return []string{text}
	}
	return strings.Split(text, ",")
}

func set(f *pflag.Flag, values []string) error {
	if list, ok := f.Value.(pflag.SliceValue); ok {
		return list.Replace(values)
	}
	if len(values) != 1 {
		return fmt.Errorf("it takes one value, and not a list of %d", len(values))
	}
	err := f.Value.Set(values[0])
	if takes := kinds[f.Value.Type()]; err != nil && takes != "" {
		return fmt.Errorf("it is %q and takes %s", clip(values[0]), takes)
	}
	return err
}

// kinds are flags whose own words for what is wrong are Go's.
var kinds = map[string]string{
	"bool": "true or false", "duration": "a duration like 1h30m or 20ms", "float64": "a number",
	"int": "a whole number", "int64": "a whole number", "uint64": "a whole number, 0 or more",
}

// unknown says what may have been meant.
func (f *File) unknown(s Setting, flags *pflag.FlagSet, known func(*pflag.Flag) bool) error {
	var names []string
	flags.VisitAll(func(flag *pflag.Flag) {
		if known(flag) {
			names = append(names, flag.Name)
		}
	})
	meant := ""
	if nearest := Nearest(s.Key, names); nearest != "" {
		meant = fmt.Sprintf("; did you mean %s?", nearest)
	}
	return fmt.Errorf("%s: there is no setting %q%s", f.place(s.Line), clip(s.Key), meant)
}

// Nearest is the one of some names that a word was meant to be; "" if it is like none.
func Nearest(word string, names []string) string {
	nearest, distance := "", len(word)
	for _, name := range names {
		if d := edits(word, name); d < distance {
			nearest, distance = name, d
		}
	}
	if distance > max(2, len(word)/3) {
		return ""
	}
	return nearest
}

// edits counts how many letters must be put in, taken out or changed to make a
// word of another.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		above := row[0] // of the column before, in the row above
		row[0] = i + 1
		for j := range len(b) {
			cost := above
			if a[i] != b[j] {
				cost = 1 + min(above, row[j], row[j+1])
			}
			above, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}

func clip(s string) string {
	const longest = 60
	if len(s) <= longest {
		return s
	}
	return strings.ToValidUTF8(s[:longest], "") + "..."
}
