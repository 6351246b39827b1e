package sklearn

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"serin/internal/model"
	"serin/internal/model/steps"
	"serin/internal/pickle"
)

// What arrives at an estimator is described from the inside out: each object
// says what it wants of its own columns (fitted.features), each transformer says
// in addition what its result is made of (fitted.columns), and whatever holds
// them joins both. So a client's row is described by what is done with it.

// anyKind is the kind of a feature that nothing asks for.
const anyKind = model.Kind(0xff)

// column is one column of a transformer's result.
type column struct {
	from    int32 // the column of its input that it is made of, or -1
	same    bool  // it is that value, unless it was missing
	settled bool  // it is never missing
	filled  gap   // what an imputer filled in it
}

// gap is how Python writes a missing value. scikit-learn's imputers and encoders
// tell NaN from None; a row cannot, since both arrive as null.
type gap uint8

const (
	gapNaN gap = 1 << iota
	gapNone
)

func (g gap) String() string {
	if g == gapNone {
		return "None"
	}
	return "NaN"
}

// filledIn is what was filled in column i of those that arrive.
func (p place) filledIn(i int) gap {
	if i >= len(p.filled) {
		return 0
	}
	return p.filled[i]
}

// gapsIn is what was filled in columns.
func gapsIn(columns []column) []gap {
	filled := make([]gap, len(columns))
	for i, c := range columns {
		filled[i] = c.filled
	}
	return filled
}

// wanted describes n columns alike.
func wanted(n int, kind model.Kind, missing bool) []model.Feature {
	features := make([]model.Feature, n)
	for i := range features {
		features[i].Kind, features[i].Missing = kind, missing
	}
	return features
}

// untouched are n columns that come out as they came in.
func untouched(n int) []column {
	columns := make([]column, n)
	for i := range columns {
		columns[i] = column{from: int32(i), same: true}
	}
	return columns
}

// wants is what an object wants of its columns.
func (f *fitted) wants() []model.Feature {
	if f.features == nil {
		return wanted(f.in, model.Number, false)
	}
	return f.features
}

// demand adds what is wanted of a column to what is known of the feature that it
// is made of. It is false where the two cannot be had at once.
func demand(feature *model.Feature, want model.Feature, c column) bool {
	if !want.Missing && !c.settled {
		feature.Missing = false
	}
	if !c.same || want.Kind == anyKind {
		return true
	}
	if feature.Known == nil {
		feature.Known = want.Known
	}
	switch {
	case feature.Kind == anyKind, feature.Kind == model.Number && want.Kind == model.Bool:
		feature.Kind = want.Kind
	case feature.Kind == model.Bool && want.Kind == model.Number: // 0 and 1
	case feature.Kind != want.Kind:
		return false
	}
	return true
}

// agreed is what several objects want of the same columns.
func (p place) agreed(n int, all ...fitted) ([]model.Feature, *model.Refusal) {
	features := wanted(n, anyKind, true)
	for _, f := range all {
		for i, want := range f.wants() {
			if i < n && !demand(&features[i], want, column{same: true}) {
				return nil, p.conflict(i, features[i].Kind, want.Kind)
			}
		}
	}
	return features, nil
}

func (p place) conflict(i int, a, b model.Kind) *model.Refusal {
	return p.refuse("Give each part of the model columns of the kind that it was fitted on, and fit again.",
		"column %d is taken as a %s in one place and as a %s in another", i, a, b)
}

// then puts a transformer's successor behind it: what it wants is wanted of the
// columns that the result is made of.
func (f *fitted) then(p place, next fitted) *model.Refusal {
	wants := next.wants()
	for i, c := range f.columns {
		if c.from < 0 {
			continue
		}
		if feature := &f.features[c.from]; !demand(feature, wants[i], c) {
			return p.conflict(int(c.from), feature.Kind, wants[i].Kind)
		}
	}
	f.parts.choose(f.columns, wants)
	origins := originsOf(f.columns)
	for _, link := range next.chain {
		link.Origins = through(origins, link.Origins)
		f.chain = append(f.chain, link)
	}
	if next.methods != nil {
		last := steps.Link{Width: len(f.columns), Origins: origins, Sparse: true}
		if next.features != nil {
			// It looks at its rows itself, and knows which column is to blame.
			last.Missing, last.Infinite = true, true
		}
		f.methods = next.methods.each(func(e model.Engine) model.Engine { return steps.New(f.chain, last, e) })
		f.chain, f.columns, f.out = nil, nil, 0
		return nil
	}
	columns := make([]column, len(next.columns))
	for i, c := range next.columns {
		columns[i] = column{from: -1}
		if c.from >= 0 {
			before := f.columns[c.from]
			columns[i] = column{before.from, before.same && c.same, before.settled || c.settled, c.filled}
			if c.same {
				columns[i].filled |= before.filled
			}
		}
	}
	f.columns, f.out, f.sparse, f.zeros = columns, len(columns), next.sparse, next.zeros
	f.parts = next.parts
	return nil
}

// originsOf lists what columns are made of, as short as it can be.
func originsOf(columns []column) []int32 {
	origins := make([]int32, len(columns))
	alike := true
	for i, c := range columns {
		origins[i] = c.from
		alike = alike && c.from == columns[0].from
	}
	if alike && len(origins) > 0 {
		return origins[:1:1]
	}
	return origins
}

// through looks origins up in those of the chain before.
func through(before, origins []int32) []int32 {
	out := make([]int32, len(origins))
	for i, o := range origins {
		switch {
		case o < 0:
			out[i] = -1
		case len(before) == 1:
			out[i] = before[0]
		default:
			out[i] = before[o]
		}
	}
	return out
}

// step reads one step of a pipeline or one part of a column transformer. It is
// an estimator or the word "passthrough" (None in older files).
func (p place) step(v pickle.Value) (fitted, *model.Refusal) {
	switch v := v.(type) {
	case nil:
		return p.passed("passthrough"), nil
	case string:
		if v == "passthrough" {
			return p.passed(v), nil
		}
	case *pickle.Object:
		p.path += " (" + v.Class.Name + ")"
		return p.estimator(v)
	}
	return fitted{}, p.refuse(nextSupported, "it is %s instead of an estimator", pickle.Describe(v))
}

// passed is a step that does nothing.
func (p place) passed(text string) fitted {
	columns := untouched(p.width)
	for i := range columns {
		columns[i].filled = p.filledIn(i)
	}
	return fitted{
		in: p.width, out: p.width, text: text, sparse: p.sparse,
		features: wanted(p.width, anyKind, true), columns: columns,
	}
}

func (p place) pipeline(object *pickle.Object) (fitted, *model.Refusal) {
	e := p.read(object, "steps memory verbose transform_input")
	v := e.value("steps")
	list, ok := v.(*pickle.List)
	if (!ok || len(list.Items) == 0) && e.err == nil {
		e.wrong("steps", v, "a list of steps")
	}
	if e.err != nil {
		return fitted{}, e.err
	}
	whole := p.passed("")
	var texts []string
	for i, item := range list.Items {
		name, v, ok := named(item)
		if !ok {
			return fitted{}, p.refuse(nextRefit, "step %d is %s instead of (name, estimator)", i+1, pickle.Describe(item))
		}
		inner := p
		inner.path, inner.width, inner.sparse = "step "+model.Quote(name), whole.out, whole.sparse
		inner.filled = gapsIn(whole.columns)
		if whole.in == 0 {
			inner.width = widthBehind(list.Items[i:])
		}
		inner.single = p.single && whole.chain == nil
		f, err := inner.step(v)
		if err != nil {
			return fitted{}, err
		}
		if f.methods != nil && i < len(list.Items)-1 {
			return fitted{}, p.refuse(nextRefit, "step %s is an estimator and not the last step", model.Quote(name))
		}
		texts = append(texts, f.text)
		if whole.in == 0 && f.in > 0 {
			whole.in, whole.names, whole.single = f.in, f.names, f.single
			whole.features, whole.columns = wanted(f.in, anyKind, true), untouched(f.in)
		}
		if whole.names == nil && whole.chain == nil {
			whole.names = f.names // "passthrough" before it has none
		}
		if err := whole.then(inner, f); err != nil {
			return fitted{}, err
		}
	}
	if whole.in == 0 {
		return fitted{}, p.refuse(nextSupported, "it does nothing but pass through")
	}
	whole.text = textOf("Pipeline", texts)
	return whole, nil
}

// widthBehind is how wide a row is that begins at the first of some steps, which
// has not noted it and does not change it: what the next that has noted it says.
// It is 0 where the first says it itself.
func widthBehind(list []pickle.Value) int {
	for i, item := range list {
		_, v, _ := named(item)
		object, ok := v.(*pickle.Object)
		if !ok {
			continue
		}
		v, noted := object.Attr("n_features_in_")
		if n, ok := v.(int64); ok && i > 0 && n > 0 && n <= maxNumbers {
			return int(n)
		}
		if noted || object.Class != functionTransformer {
			break
		}
	}
	return 0
}

// union reads a FeatureUnion: all its transformers get the whole row.
func (p place) union(object *pickle.Object) (fitted, *model.Refusal) {
	e := p.read(object, "transformer_list n_jobs transformer_weights verbose verbose_feature_names_out")
	v := e.value("transformer_list")
	list, ok := v.(*pickle.List)
	if !ok && e.err == nil {
		e.wrong("transformer_list", v, "a list")
	}
	if e.err != nil {
		return fitted{}, e.err
	}
	s := &sideBySide{place: p, name: "FeatureUnion"}
	for i, item := range list.Items {
		name, v, ok := named(item)
		if !ok {
			return fitted{}, p.refuse(nextRefit, "transformer %d is %s instead of (name, transformer)", i+1, pickle.Describe(item))
		}
		weight := e.weight(name)
		if e.err != nil {
			return fitted{}, e.err
		}
		if v == "drop" {
			continue
		}
		inner := p
		inner.path += " part " + model.Quote(name)
		if p.width == 0 {
			inner.width, inner.single = s.in, s.single
		}
		f, err := inner.step(v)
		if err != nil {
			return fitted{}, err
		}
		if s.in == 0 {
			s.in, s.names, s.single = f.in, f.names, f.single
		}
		if f.in == 0 {
			return fitted{}, p.refuse(nextSupported, "part %s does nothing but pass through, and nothing before it says how wide a row is", model.Quote(name))
		}
		if err := s.add(name, f, upTo(f.in), weight); err != nil {
			return fitted{}, err
		}
	}
	return s.whole()
}

// sideBySide collects the parts of a ColumnTransformer or a FeatureUnion.
type sideBySide struct {
	place    place
	name     string
	in       int
	names    []string
	features []model.Feature
	columns  []column
	step     steps.Columns
	texts    []string
	sparse   bool // scikit-learn may give a sparse matrix
	zeros    bool // a part is mostly zeros
	single   bool // the input is one column of texts and no matrix
}

// add puts one part, which gets the columns from, behind the others.
func (s *sideBySide) add(name string, f fitted, from []int, weight float64) *model.Refusal {
	if f.methods != nil {
		return s.place.refuse(nextRefit, "part %s is an estimator", model.Quote(name))
	}
	if s.features == nil {
		s.features = wanted(s.in, anyKind, true)
	}
	if f.in != len(from) {
		return s.place.refuse(nextRefit, "part %s expects %d columns and gets %d", model.Quote(name), f.in, len(from))
	}
	part := steps.Part{Chain: f.chain, Weight: weight, Width: len(f.columns)}
	for i, want := range f.wants() {
		if feature := &s.features[from[i]]; !demand(feature, want, column{same: true}) {
			return s.place.conflict(from[i], feature.Kind, want.Kind)
		}
		part.From = append(part.From, int32(from[i]))
	}
	for _, c := range f.columns {
		if c.from >= 0 {
			c.from = part.From[c.from]
		}
		s.columns = append(s.columns, c)
	}
	s.step.Parts = append(s.step.Parts, part)
	s.texts = append(s.texts, f.text)
	s.sparse, s.zeros = s.sparse || f.sparse, s.zeros || f.zeros
	return nil
}

// parts is a step made of parts whose form is chosen when it is known what follows.
type parts struct {
	step  *steps.Columns
	zeros bool // the result is mostly zeros
}

// choose has texts passed on only where they may be wanted, and zeros kept out
// of wide rows without any.
func (p *parts) choose(columns []column, wants []model.Feature) {
	if p == nil {
		return
	}
	p.step.Texts = false
	for i, c := range columns {
		kind := wants[i].Kind
		p.step.Texts = p.step.Texts || c.same && kind != model.Number && kind != model.Bool
	}
	p.step.Sparse = p.zeros && !p.step.Texts && p.step.Width > wideRow
}

// wideRow is how wide a result must be before it is worth it to keep its zeros out.
const wideRow = 64

// whole is all the parts as one transformer.
func (s *sideBySide) whole() (fitted, *model.Refusal) {
	if len(s.columns) == 0 {
		return fitted{}, s.place.refuse(nextRefit, "it keeps no column")
	}
	step := s.step
	step.Width = len(s.columns)
	p := &parts{&step, s.zeros}
	wants := wanted(len(s.columns), anyKind, true)
	for i, c := range s.columns {
		if c.from >= 0 {
			wants[i].Kind = s.features[c.from].Kind
		}
	}
	p.choose(s.columns, wants)
	link := steps.Link{Step: &step, Missing: true, Infinite: true, Width: s.in, Origins: originsOf(untouched(s.in))}
	return fitted{
		in: s.in, out: step.Width, names: s.names, features: s.features, columns: s.columns, sparse: s.sparse,
		zeros: s.zeros, single: s.single, parts: p, chain: steps.Chain{link}, text: textOf(s.name, s.texts),
	}, nil
}

// named takes a (name, value, ...) tuple apart.
func named(item pickle.Value) (string, pickle.Value, bool) {
	t, ok := item.(*pickle.Tuple)
	if !ok || len(t.Items) < 2 {
		return "", nil, false
	}
	name, ok := t.Items[0].(string)
	return name, t.Items[1], ok
}

// textOf names an estimator with its parts, as short as a line.
func textOf(name string, parts []string) string {
	const most = 200
	text := name + "(" + strings.Join(parts, ", ") + ")"
	if len(text) > most {
		return fmt.Sprintf("%s(%d parts)", name, len(parts))
	}
	return text
}

// settledFeatures are an object's features as a signature has them.
func settledFeatures(features []model.Feature, names []string) []model.Feature {
	features = slices.Clone(features)
	for i := range features {
		if features[i].Kind == anyKind {
			features[i].Kind, features[i].Missing = model.Unused, true
		}
		if names != nil {
			features[i].Name = names[i]
		}
	}
	return features
}

// blockRows is how many rows are encoded at once before an engine is asked.
const blockRows = 64

// later counts the row of an engine's error from further up.
func later(err error, rows int) error {
	if u, ok := errors.AsType[*model.Unanswerable](err); ok {
		u.Row += rows
	}
	return err
}
