package settings

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// File is a configuration file: a YAML mapping from settings to values.
type File struct {
	Path     string
	Settings []Setting
	Groups   []Group
}

// Setting is a key and its values: one, unless it is a list.
type Setting struct {
	Key    string
	Values []string
	Line   int
}

// Group is a mapping under a name.
type Group struct {
	Name     string
	Settings []Setting
	Line     int
}

// longest bounds a file and its keys, in bytes.
const longest = 1 << 20

// Read reads a file. Where the value of the key groups is a mapping, it is of
// names to settings, in their order. Every error says in which line it is.
func Read(path string, text []byte, groups string) (*File, error) {
	f := &File{Path: path}
	if len(text) > longest {
		return nil, fmt.Errorf("%s: it is larger than %d bytes", path, longest)
	}
	documents := yaml.NewDecoder(bytes.NewReader(text))
	var document yaml.Node
	if err := documents.Decode(&document); errors.Is(err, io.EOF) {
		return f, nil
	} else if err != nil {
		return nil, f.syntax(err)
	}
	if err := documents.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: it has a second document, or something else behind its end; give one", path)
	}
	if len(document.Content) == 0 || document.Content[0].Tag == "!!null" {
		return f, nil // comments
	}
	top, err := f.pairs(document.Content[0])
	if err != nil {
		return nil, err
	}
	for _, p := range top {
		if p.key != groups || p.value.Kind != yaml.MappingNode {
			err = f.add(&f.Settings, p)
		} else {
			err = f.group(p.value)
		}
		if err != nil {
			return nil, err
		}
	}
	return f, nil
}

// group reads the mapping of names to settings.
func (f *File) group(node *yaml.Node) error {
	named, err := f.pairs(node)
	if err != nil {
		return err
	}
	for _, p := range named {
		own, err := f.pairs(p.value)
		if err != nil {
			return err
		}
		g := Group{Name: p.key, Line: p.line}
		for _, p := range own {
			if err := f.add(&g.Settings, p); err != nil {
				return err
			}
		}
		f.Groups = append(f.Groups, g)
	}
	return nil
}

// pair is a key and what is behind its colon.
type pair struct {
	key   string
	value *yaml.Node
	line  int
}

// pairs are those of a mapping.
func (f *File) pairs(node *yaml.Node) ([]pair, error) {
	if node.Kind != yaml.MappingNode {
		return nil, fmt.Errorf("%s: it must be a mapping, with lines such as listen: 127.0.0.1:8000", f.place(node.Line))
	}
	first := map[string]int{}
	var all []pair
	for i := 0; i+1 < len(node.Content); i += 2 {
		key := node.Content[i]
		if key.Kind != yaml.ScalarNode || key.Tag == "!!merge" {
			return nil, fmt.Errorf("%s: a key must be a word", f.place(key.Line))
		}
		if line, twice := first[key.Value]; twice {
			return nil, fmt.Errorf("%s: %q is there twice; it is in line %d already", f.place(key.Line), clip(key.Value), line)
		}
		first[key.Value] = key.Line
		all = append(all, pair{key.Value, node.Content[i+1], key.Line})
	}
	return all, nil
}

// add reads the values of a setting: a word, or a list of words.
func (f *File) add(to *[]Setting, p pair) error {
	s := Setting{Key: p.key, Line: p.line}
	items := []*yaml.Node{p.value}
	if p.value.Kind == yaml.SequenceNode {
		items = p.value.Content
	}
	for _, item := range items {
		switch {
		case item.Kind == yaml.AliasNode:
			return fmt.Errorf("%s: %s: references such as *%s are not read here; write the value out", f.place(item.Line), clip(p.key), clip(item.Value))
		case item.Kind != yaml.ScalarNode:
			return fmt.Errorf("%s: %s takes a value, or a list of values", f.place(item.Line), clip(p.key))
		case item.Tag == "!!null":
			return fmt.Errorf("%s: %s has no value; give one, or leave the line out", f.place(p.line), clip(p.key))
		}
		s.Values = append(s.Values, item.Value)
	}
	*to = append(*to, s)
	return nil
}

// place is where a line is.
func (f *File) place(line int) string { return f.Path + ":" + strconv.Itoa(line) }

var numbered = regexp.MustCompile(`^yaml: line (\d+): `)

// syntax puts the line of the library's message where it is looked for.
func (f *File) syntax(err error) error {
	message := err.Error()
	if m := numbered.FindStringSubmatch(message); m != nil {
		return fmt.Errorf("%s:%s: it is no YAML: %s", f.Path, m[1], message[len(m[0]):])
	}
	return fmt.Errorf("%s: it is no YAML: %s", f.Path, strings.TrimPrefix(message, "yaml: "))
}
