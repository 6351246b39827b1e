package rows

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"serin/internal/model"
)

// columns says where the features of a row stand in the records of a table.
type columns struct {
	schema *Schema
	at     []int // -1 for a feature that is Unused and not in the table
	// unused are the names of columns that the model has no use for.
	unused []string
}

// header reads the first line of a table. Where the model knows names, the
// columns may come in any order and others beside them; else the columns are
// the features in their order, whatever the header calls them.
func (s *Schema) header(names []string) (*columns, error) {
	features := s.signature.Features
	c := &columns{schema: s, at: make([]int, len(features))}
	if s.index == nil {
		if len(names) != len(features) {
			return nil, &Fault{"", fmt.Sprintf("the table has %d columns and the model takes %d features, whose names it does not know", len(names), len(features)), "Give exactly these columns, in the order that the model was fitted on."}
		}
		if looksLikeData(names) {
			return nil, &Fault{"", "the first line looks like data, and it must be a header", "Write the names of the columns into the first line; for a model that knows no names any will do."}
		}
		for i := range c.at {
			c.at[i] = i
		}
		return c, nil
	}
	for i := range c.at {
		c.at[i] = -1
	}
	for column, name := range names {
		switch i, known := s.index[name]; {
		case !known:
			c.unused = append(c.unused, name)
		case c.at[i] >= 0:
			return nil, &Fault{"", "two columns are called " + model.Quote(name), "Rename or remove one of them."}
		default:
			c.at[i] = column
		}
	}
	var absent []string
	for i, column := range c.at {
		if column < 0 && features[i].Kind != model.Unused {
			absent = append(absent, features[i].Name)
		}
	}
	if absent != nil {
		return nil, &Fault{"", "missing: " + list(absent), "The first line must name a column for every feature of the model: " + list(s.signature.Names()) + "."}
	}
	return c, nil
}

// looksLikeData tells numbers from the names that a data frame without names
// gets, which are 0, 1, 2, ...
func looksLikeData(names []string) bool {
	counted := true
	for i, name := range names {
		if _, err := strconv.ParseFloat(name, 64); err != nil {
			return false
		}
		counted = counted && name == strconv.Itoa(i)
	}
	return !counted
}

// record reads one line of the table into the batch. Its error says which
// column is wrong, counted from 0, -1 for none.
func (c *columns) record(fields []string, b *Batch) (column int, err error) {
	s := c.schema
	s.open(b)
	for i, column := range c.at {
		if column < 0 { // Unused, and the table leaves it out
			continue
		}
		if column >= len(fields) {
			s.drop(b)
			return -1, &Fault{"", fmt.Sprintf("the line has %d columns and the header more", len(fields)), "Complete the line."}
		}
		if fault := s.cell(b, i, fields[column]); fault != nil {
			s.drop(b)
			return column, fault
		}
	}
	return -1, nil
}

// cell reads feature i of the last row. An empty cell is a missing value, or,
// where a text may not be missing, the empty text.
func (s *Schema) cell(b *Batch, i int, text string) *Fault {
	feature := &s.signature.Features[i]
	cell := len(b.Numbers) - len(s.signature.Features) + i
	wrong := func(next string) *Fault {
		return s.fault(i, s.index != nil, "expected "+wanted(feature.Kind)+", got "+model.Quote(text), next)
	}
	if feature.Kind != model.Text {
		text = strings.TrimSpace(text)
	}
	switch {
	case feature.Kind == model.Unused:
	case text == "" && feature.Missing:
		b.Numbers[cell] = math.NaN()
	case feature.Kind == model.Text:
		b.Texts[cell] = strings.Clone(text) // the reader may use its line again
	case text == "" && s.missing:
		return s.fault(i, s.index != nil, "it is empty", "This feature may not be missing: give "+wanted(feature.Kind)+".")
	case text == "":
		return s.fault(i, s.index != nil, "it is empty", "This model takes no missing values: give "+wanted(feature.Kind)+".")
	case feature.Kind == model.Bool:
		truth := strings.ToLower(text)
		if !slices.Contains([]string{"true", "false", "1", "0"}, truth) {
			return wrong("Give true or false.")
		}
		if truth == "true" || truth == "1" {
			b.Numbers[cell] = 1
		}
	case strings.EqualFold(text, "true"):
		b.Numbers[cell] = 1
	case strings.EqualFold(text, "false"):
	default:
		v, err := strconv.ParseFloat(text, 64)
		if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
			if feature.Missing {
				return wrong("Give a finite number, or leave the field empty for a missing value.")
			}
			return wrong("Give a finite number.")
		}
		b.Numbers[cell] = v
	}
	return nil
}
