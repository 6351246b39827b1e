package settings

import (
	"fmt"
	"io"
	"slices"

	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"
)

// Print writes a file that says what is in force: every flag that is not in
// except, with where it came from, and then the groups under their key.
func Print(w io.Writer, flags *pflag.FlagSet, sources map[string]string, key string, groups []Group, except ...string) error {
	top := &yaml.Node{Kind: yaml.MappingNode}
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden || slices.Contains(except, f.Name) {
			return
		}
		values := []string{f.Value.String()}
		list, many := f.Value.(pflag.SliceValue)
		if many {
			values = list.GetSlice()
		}
		if many && len(values) == 0 || !many && values[0] == "" {
			return // a file cannot say less than nothing
		}
		put(top, f.Name, values, many, sources[f.Name])
	})
	if len(groups) > 0 {
		all := &yaml.Node{Kind: yaml.MappingNode}
		for _, g := range groups {
			own := &yaml.Node{Kind: yaml.MappingNode}
			for _, s := range g.Settings {
				put(own, s.Key, s.Values, false, "")
			}
			all.Content = append(all.Content, word(g.Name), own)
		}
		top.Content = append(top.Content, word(key), all)
	}
	to := yaml.NewEncoder(w)
	to.SetIndent(2)
	if err := to.Encode(top); err != nil {
		return fmt.Errorf("writing the settings: %w", err)
	}
	return nil
}

func put(to *yaml.Node, key string, values []string, list bool, source string) {
	value := word(values[0])
	if list {
		value = &yaml.Node{Kind: yaml.SequenceNode}
		for _, v := range values {
			value.Content = append(value.Content, word(v))
		}
	}
	name := word(key)
	if source != "" && list {
		name.LineComment = source
	} else {
		value.LineComment = source
	}
	to.Content = append(to.Content, name, value)
}

// word is a scalar, without a type: what reads it knows what it is.
func word(text string) *yaml.Node {
	n := &yaml.Node{}
	n.SetString(text)
	if !slices.Contains([]string{"", "~", "null", "Null", "NULL", "<<"}, text) { // which mean something without quotes
		n.Tag = ""
	}
	return n
}
