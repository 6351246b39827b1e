package term

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"

	"go.yaml.in/yaml/v3"
)

// Outputs is what --output may be, for its help: a table is a text.
const Outputs = "text (or table), json or yaml"

// CheckOutput returns an error if an output is not one that Print knows.
func CheckOutput(output string) error {
	if output != "text" && output != "table" && !Data(output) {
		return Usage(fmt.Errorf("output %q is unknown: use %s", output, Outputs))
	}
	return nil
}

// Data says whether an output is for programs.
func Data(output string) bool { return output == "json" || output == "yaml" }

// Print writes a result as JSON or YAML, or as the text that the command made of it.
func (c Console) Print(output string, v any, text func(io.Writer)) error {
	if !Data(output) {
		text(c.Out)
		return nil
	}
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	err := encoder.Encode(v)
	if err == nil && output == "yaml" {
		err = toYAML(&b)
	}
	if err == nil {
		_, err = b.WriteTo(c.Out)
	}
	if err != nil {
		return fmt.Errorf("writing the result: %w", err)
	}
	return nil
}

// toYAML makes YAML of JSON: the same names in the same order.
func toYAML(b *bytes.Buffer) error {
	decoder := json.NewDecoder(bytes.NewReader(b.Bytes()))
	decoder.UseNumber()
	n, err := node(decoder)
	if err != nil {
		return err
	}
	b.Reset()
	encoder := yaml.NewEncoder(b)
	encoder.SetIndent(2)
	if err := encoder.Encode(n); err != nil {
		return err
	}
	return encoder.Close()
}

// node reads the next value. It is as deep as what was encoded.
func node(d *json.Decoder) (*yaml.Node, error) {
	token, err := d.Token()
	if err != nil {
		return nil, err
	}
	n := new(yaml.Node)
	switch token := token.(type) {
	case json.Delim:
		n.Kind = yaml.SequenceNode
		if token == '{' {
			n.Kind = yaml.MappingNode
		}
		for d.More() { // a name and its value in turns, or values
			part, err := node(d)
			if err != nil {
				return nil, err
			}
			n.Content = append(n.Content, part)
		}
		if len(n.Content) == 0 {
			n.Style = yaml.FlowStyle
		}
		_, err = d.Token() // its end
	case json.Number:
		n.Kind, n.Value = yaml.ScalarNode, token.String()
	default: // a string, a boolean, or null
		err = n.Encode(token)
	}
	return n, err
}
