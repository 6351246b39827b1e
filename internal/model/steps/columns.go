package steps

import "serin/internal/model"

// Columns is a ColumnTransformer or a FeatureUnion: each part picks some columns
// of the row, and the results stand side by side
// (sklearn/compose/_column_transformer.py, sklearn/pipeline.py).
type Columns struct {
	Parts []Part
	// Width is the number of columns of the result.
	Width int
	// Texts tells whether some of them are texts, and Sparse whether the result
	// has At. Not both.
	Texts, Sparse bool
}

// Part is one chain of Columns.
type Part struct {
	// From are the columns that the chain gets.
	From  []int32
	Chain Chain
	// Weight is what numbers are multiplied by; 1 where there is none.
	Weight float64
	// Width is the number of columns of the result.
	Width int
}

// Apply builds the result in memory of s.
func (c *Columns) Apply(row Row, s *Scratch) (Row, *model.Unanswerable) {
	var out Row
	if c.Sparse {
		out = Row{Numbers: s.numbers.take(c.Width)[:0], At: s.at.take(c.Width)[:0]}
	} else {
		out.Numbers = s.numbers.take(c.Width)
	}
	if c.Texts {
		out.Texts = s.texts.take(c.Width)
		clear(out.Texts)
	}
	start := s.mark()
	first := 0
	for i := range c.Parts {
		p := &c.Parts[i]
		s.release(start)
		result, u := p.Chain.Apply(p.picked(row, s), s)
		if u != nil {
			u.Feature = origin(p.From, u.Feature)
			return row, u
		}
		if p.Weight != 1 {
			for k := range result.Numbers {
				result.Numbers[k] *= p.Weight
			}
		}
		switch {
		case c.Sparse:
			out = appended(out, result, first)
		case result.At != nil:
			into := out.Numbers[first : first+p.Width]
			clear(into)
			for k, at := range result.At {
				into[at] = result.Numbers[k]
			}
		default:
			copy(out.Numbers[first:], result.Numbers)
		}
		if c.Texts && result.Texts != nil {
			copy(out.Texts[first:], result.Texts)
		}
		first += p.Width
	}
	return out, nil
}

// picked takes the part's columns out of a row.
func (p *Part) picked(row Row, s *Scratch) Row {
	picked := Row{Numbers: s.numbers.take(len(p.From))}
	for k, from := range p.From {
		picked.Numbers[k] = row.Numbers[from]
	}
	if row.Texts != nil {
		picked.Texts = s.texts.take(len(p.From))
		for k, from := range p.From {
			picked.Texts[k] = row.Texts[from]
		}
	}
	return picked
}

// appended puts a part's result behind the others, from column first on.
func appended(out, result Row, first int) Row {
	for k, x := range result.Numbers {
		at := k
		if result.At != nil {
			at = int(result.At[k])
		} else if x == 0 {
			continue
		}
		out.Numbers = append(out.Numbers, x)
		out.At = append(out.At, int32(first+at))
	}
	return out
}
