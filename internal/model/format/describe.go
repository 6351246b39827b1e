package format

import (
	"bufio"
	"bytes"
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"serin/internal/model"
	"serin/internal/model/sklearn"
	"serin/internal/pickle"
	"serin/internal/skops"
)

// Description is what a file is and what is in it.
type Description struct {
	// Format is what a sentence calls it: "a pickle".
	Format string `json:"format"`
	// Compression is the one around a pickle; "" if there is none.
	Compression string `json:"compression,omitempty"`
	// Names are the classes and functions that a pickle mentions, sorted. All of
	// them are on the allow-list, or the file would be refused.
	Names []string `json:"names,omitempty"`
	// Tree is what was fitted; nil for formats that have no parts to show.
	Tree *Node `json:"tree,omitempty"`
}

// Node is one part of a model.
type Node struct {
	// Name is what the part is called where it stands: "scaler", "coef_".
	Name string `json:"name,omitempty"`
	// Value is what it is: "StandardScaler", "float64 (1, 5)", "0.5".
	Value string `json:"value"`
	// Settings are an estimator's parameters, as the file has them.
	Settings []Setting `json:"settings,omitempty"`
	Parts    []*Node   `json:"parts,omitempty"`
}

// Setting is one parameter.
type Setting struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Describe reads a file that OpenWith accepts once more, and tells what is
// inside. Its errors are OpenWith's.
func Describe(r io.Reader, o Options) (d *Description, err error) {
	defer caught(&err)
	buffered := bufio.NewReaderSize(r, headSize)
	k, err := recognise(buffered)
	if err != nil {
		return nil, err
	}
	names := map[string]bool{}
	customs := pickle.Options{Allow: sklearn.Names(), Mention: func(g pickle.Global) { names[g.String()] = true }}
	d = &Description{Format: k.name}
	var value pickle.Value
	switch {
	case k == &unknown:
		head, _ := buffered.Peek(8) // recognise has met its errors
		d.Compression = compression(head)
		value, err = pickle.Read(buffered, customs)
	case strings.HasPrefix(k.name, "a zip"):
		data, inner, failed := unzip(buffered)
		if failed != nil {
			return nil, failed
		}
		if inner.read == nil {
			return nil, inner.refusal()
		}
		d.Format = inner.name
		value, err = skops.Read(data, customs)
	default:
		return k.describe(buffered, o)
	}
	if err != nil {
		return nil, translated(err)
	}
	d.Names = slices.Sorted(maps.Keys(names))
	if slices.ContainsFunc(d.Names, func(name string) bool { return strings.Contains(name, "joblib.numpy_pickle") }) {
		d.Format = "a pickle of joblib's"
	}
	d.Tree = (&artist{left: maxNodes}).draw("", value)
	return d, nil
}

// describe tells of a format whose reader keeps its parts to itself: what the
// model is, and how many trees it has where a word in the file marks each.
func (k *kind) describe(r io.Reader, o Options) (*Description, error) {
	marks := &counter{word: []byte(k.mark)}
	p, err := k.open(io.TeeReader(r, marks), o)
	if err != nil {
		return nil, err
	}
	tree := &Node{Value: p.Signature().Estimator}
	if marks.found > 0 {
		tree.Parts = []*Node{{Name: "trees", Value: strconv.Itoa(marks.found)}}
	}
	return &Description{Format: k.name, Tree: tree}, nil
}

// counter counts how often a word is written to it.
type counter struct {
	word  []byte // "": nothing is counted
	tail  []byte // too short to hold a whole word
	found int
}

func (c *counter) Write(b []byte) (int, error) {
	if len(c.word) == 0 {
		return len(b), nil
	}
	joined := slices.Concat(c.tail, b[:min(len(b), len(c.word)-1)])
	c.found += bytes.Count(joined, c.word) + bytes.Count(b, c.word)
	if len(b) >= len(c.word)-1 {
		joined = b
	}
	c.tail = append(c.tail[:0], joined[max(0, len(joined)-len(c.word)+1):]...)
	return len(b), nil
}

// compression names what a head was compressed with, as joblib compresses.
func compression(head []byte) string {
	for magic, name := range map[string]string{
		"\x78": "zlib", "\x1f\x8b": "gzip", "BZh": "bz2", "\xfd7zXZ\x00": "xz", "\x5d\x00": "lzma", "\x04\x22\x4d\x18": "lz4",
	} {
		if strings.HasPrefix(string(head), magic) {
			return name
		}
	}
	return ""
}

// maxNodes bounds a picture. A file can mention one object many times, so its
// own size does not bound it.
const maxNodes = 5000

// artist draws inert values as a tree.
type artist struct{ left int }

// draw makes the node of one value. Its depth is bounded by the reader's.
func (a *artist) draw(name string, v pickle.Value) *Node {
	a.left--
	switch v := v.(type) {
	case *pickle.Object:
		return a.object(name, v)
	case *pickle.Array:
		if objects, err := v.Objects(); err == nil {
			return a.list(name, fmt.Sprintf("%d objects", len(objects)), objects)
		}
		return &Node{Name: name, Value: array(v)}
	case *pickle.List:
		return a.list(name, fmt.Sprintf("a list of %d", len(v.Items)), v.Items)
	case *pickle.Tuple:
		return a.list(name, fmt.Sprintf("a tuple of %d", len(v.Items)), v.Items)
	default:
		return &Node{Name: name, Value: plain(v)}
	}
}

// object draws an estimator: parameters beside it, what was fitted below it.
func (a *artist) object(name string, o *pickle.Object) *Node {
	n := &Node{Name: name, Value: o.Class.Name}
	state, _ := o.State.(*pickle.Dict)
	if state == nil {
		return n
	}
	if o.Class.Name == "Tree" { // scikit-learn's, sklearn/tree/_tree.pyx
		nodes, _ := state.Get("node_count")
		depth, _ := state.Get("max_depth")
		n.Value = fmt.Sprintf("a tree of %v nodes, depth %v", nodes, depth)
		return n
	}
	for _, e := range state.Entries {
		key, ok := e.Key.(string)
		if !ok || strings.HasPrefix(key, "_") && key != "_predictors" || a.left <= 0 { // the trees of histogram boosting
			continue
		}
		if _, fitted := state.Get(key + "_"); fitted {
			continue // the estimator that was given, beside its fitted copy
		}
		if part := a.draw(key, e.Value); part.Parts == nil && len(part.Settings) == 0 && !strings.HasSuffix(key, "_") && key != "_predictors" {
			n.Settings = append(n.Settings, Setting{key, part.Value})
		} else {
			n.Parts = append(n.Parts, part)
		}
	}
	return n
}

// list draws named pairs, such as the steps of a pipeline, one by one, many
// objects of a class as their number, and anything else in a few words.
func (a *artist) list(name, words string, items []pickle.Value) *Node {
	n := &Node{Name: name, Value: words}
	if few, ok := scalars(items); ok {
		n.Value = few
	}
	objects, classes, nodes := 0, map[string]int{}, int64(0)
	for _, item := range items {
		if inner, ok := item.(*pickle.List); ok { // as the trees of an iteration are
			for _, item := range inner.Items {
				if o, ok := item.(*pickle.Object); ok {
					objects++
					classes[o.Class.Name]++
				}
			}
			continue
		}
		if pair, ok := item.(*pickle.Tuple); ok && len(pair.Items) >= 2 {
			if label, ok := pair.Items[0].(string); ok && a.left > 0 {
				part := a.draw(label, pair.Items[1])
				if len(pair.Items) > 2 {
					part.Settings = append(part.Settings, Setting{"columns", chosen(pair.Items[2])})
				}
				n.Parts = append(n.Parts, part)
				continue
			}
		}
		if o, ok := item.(*pickle.Object); ok {
			objects++
			classes[o.Class.Name]++
			nodes += nodesOf(o)
		}
	}
	if objects == 0 {
		return n
	}
	if objects <= 3 && objects == len(items) {
		for i, item := range items {
			if o, ok := item.(*pickle.Object); ok && a.left > 0 {
				n.Parts = append(n.Parts, a.draw(fmt.Sprint(i), o))
			}
		}
		return n
	}
	var parts []string
	for _, class := range slices.SortedFunc(maps.Keys(classes), func(x, y string) int { return cmp.Or(classes[y]-classes[x], strings.Compare(x, y)) }) {
		parts = append(parts, fmt.Sprintf("%d x %s", classes[class], class))
	}
	n.Value = strings.Join(parts, ", ")
	if nodes > 0 {
		n.Value += fmt.Sprintf(", %d nodes in all", nodes)
	}
	return n
}

// nodesOf counts the nodes of a decision tree.
func nodesOf(o *pickle.Object) int64 {
	if tree, ok := o.Attr("tree_"); ok {
		if o, ok = tree.(*pickle.Object); !ok {
			return 0
		}
	}
	count, _ := o.Attr("node_count")
	n, _ := count.(int64)
	return n
}

// scalars writes out a few values that have no parts.
func scalars(items []pickle.Value) (string, bool) {
	const shown = 8
	parts := make([]string, 0, shown)
	for _, item := range items {
		switch item.(type) {
		case nil, bool, int64, float64, string:
			parts = append(parts, plain(item))
		default:
			return "", false
		}
		if len(parts) > shown {
			return "", false
		}
	}
	return "[" + strings.Join(parts, ", ") + "]", true
}

// chosen is which columns a transformer of a ColumnTransformer gets.
func chosen(v pickle.Value) string {
	if l, ok := v.(*pickle.List); ok {
		if few, ok := scalars(l.Items); ok {
			return few
		}
	}
	return plain(v)
}

// array is an array's type and shape, and what it holds if that is little.
func array(v *pickle.Array) string {
	const shown = 6
	text := strings.TrimPrefix(v.String(), "a ")
	text = strings.Replace(text, " array of shape", "", 1)
	if v.Len() > shown {
		return text
	}
	if numbers, err := v.Floats(); err == nil {
		return fmt.Sprintf("%s %.6g", text, numbers)
	}
	return text
}

// plain is a value in a few words, as Python writes it.
func plain(v pickle.Value) string {
	switch v := v.(type) {
	case string:
		return model.Quote(v)
	case int64, float64:
		return fmt.Sprint(v)
	default:
		return strings.TrimPrefix(pickle.Describe(v), "the name ")
	}
}
