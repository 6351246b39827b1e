package onnx

import (
	"fmt"
	"math"
	"slices"
	"strconv"

	"serin/internal/model"
	"serin/internal/model/graph"
)

// perColumn is a list of one number for all columns or one for each.
func perColumn[T any](c *graph.Call, what string, list []T, width int) []T {
	if len(list) == 1 {
		return slices.Repeat(list, width)
	}
	if len(list) != width {
		c.Refuse("has %d %s for %d columns", len(list), what, width)
	}
	return list
}

// lastWidth is the length of a tensor's last axis.
func lastWidth(c *graph.Call, t *graph.Tensor) int {
	if t.Rank() == 0 {
		c.Refuse("takes a single number")
	}
	return t.Shape[t.Rank()-1]
}

// scaler is Scaler: (x - offset) * scale, answered in float32.
func scaler(c *graph.Call) {
	c.AtMost(1, 1)
	t := c.Input(0)
	width := lastWidth(c, t)
	offset, scale := perColumn(c, "offsets", c.Floats("offset"), width), perColumn(c, "scales", c.Floats("scale"), width)
	switch d := t.Data.(type) {
	case []float32:
		scaled(c, d, width, offset, scale)
	case []float64:
		scaled(c, d, width, graph.Convert[float64](offset), graph.Convert[float64](scale))
	case []int64, []int32:
		scaled(c, graph.Values[float32](c, c.Cast(t, graph.ElemFloat)), width, offset, scale)
	default:
		c.WrongKind(t)
	}
}

func scaled[T graph.Float](c *graph.Call, x []T, width int, offset, scale []T) {
	t, out := graph.Alloc[float32](c, c.Input(0).Shape...)
	c.Give(0, t)
	c.Always(func() {
		for at := 0; at < len(x); at += width {
			for i, v := range x[at : at+width] {
				out[at+i] = float32((v - offset[i]) * scale[i])
			}
		}
	})
}

// normalizer is Normalizer: a row divided by its norm, unless that is zero.
// Source: core/providers/cpu/ml/normalizer.cc.
func normalizer(c *graph.Call) {
	c.AtMost(1, 1)
	x, rows, width := floatRows(c)
	var norm func(row []float32) float32
	switch name := c.Text("norm", "MAX"); name {
	case "MAX":
		norm = slices.Max[[]float32]
	case "L1":
		norm = func(row []float32) (sum float32) {
			for _, v := range row {
				sum += float32(math.Abs(float64(v)))
			}
			return sum
		}
	case "L2":
		norm = func(row []float32) (sum float32) {
			for _, v := range row {
				sum += v * v
			}
			return float32(math.Sqrt(float64(sum)))
		}
	default:
		c.Refuse("has the norm %s", model.Quote(name))
	}
	if width == 0 {
		c.Refuse("takes rows without columns")
	}
	t, out := graph.Alloc[float32](c, c.Input(0).Shape...)
	c.Give(0, t)
	c.Always(func() {
		for r := range rows {
			row := x[r*width : (r+1)*width]
			by := norm(row)
			if by == 0 {
				by = 1
			}
			for i, v := range row {
				out[r*width+i] = v / by
			}
		}
	})
}

// imputer is Imputer.
func imputer(c *graph.Call) {
	c.AtMost(1, 1)
	t := c.Input(0)
	width := lastWidth(c, t)
	floats, ints := c.Floats("imputed_value_floats"), c.Ints("imputed_value_int64s")
	gone, goneInt := float32(c.Float("replaced_value_float", 0)), c.Int64("replaced_value_int64", 0)
	switch d := t.Data.(type) {
	case []float32:
		imputed(c, d, width, perColumn(c, "values", floats, width), gone)
	case []float64:
		imputed(c, d, width, graph.Convert[float64](perColumn(c, "values", floats, width)), float64(gone))
	case []int64:
		imputed(c, d, width, perColumn(c, "values", ints, width), goneInt)
	default:
		c.WrongKind(t)
	}
	if isNaN(gone) {
		c.Missing = true
	}
}

// isNaN tells NaN, the only value that differs from itself, in any type.
func isNaN[T graph.Element](v T) bool {
	return v != v //nolint:gocritic // that is what NaN is
}

func imputed[T graph.Number](c *graph.Call, x []T, width int, values []T, gone T) {
	t, out := graph.Alloc[T](c, c.Input(0).Shape...)
	c.Give(0, t)
	nan := isNaN(gone)
	c.Always(func() {
		for at := 0; at < len(x); at += width {
			for i, v := range x[at : at+width] {
				if v == gone || nan && isNaN(v) {
					v = values[i]
				}
				out[at+i] = v
			}
		}
	})
}

func binarizer(c *graph.Call) {
	c.AtMost(1, 1)
	threshold := c.Float("threshold", 0)
	c.Give(0, c.Unary(c.Input(0), func(x float64) float64 {
		if x > threshold {
			return 1
		}
		return 0
	}, nil))
}

// oneHotEncoder is OneHotEncoder: a new last axis, with 1 at the category.
func oneHotEncoder(c *graph.Call) {
	c.AtMost(1, 1)
	t, zeros := c.Input(0), c.Int("zeros", 1) != 0
	ints, texts := c.Ints("cats_int64s"), c.Texts("cats_strings")
	if d, ok := t.Data.([]string); ok && len(texts) > 0 && len(ints) == 0 {
		hot(c, d, texts, zeros)
		note(c, t, texts)
		return
	}
	if _, text := t.Data.([]string); text || len(ints) == 0 || len(texts) > 0 {
		c.Refuse("has categories that are not of its input's kind")
	}
	hot(c, graph.Values[int64](c, c.Cast(t, graph.ElemInt64)), ints, zeros)
	note(c, t, ints)
}

func hot[T graph.Element](c *graph.Call, x, categories []T, zeros bool) {
	width := len(categories)
	place := graph.Prepare(c, func() map[T]int {
		m := make(map[T]int, width)
		for i, v := range categories {
			if _, twice := m[v]; twice {
				c.Refuse("has the category %v twice", v)
			}
			m[v] = i
		}
		return m
	})
	t, out := graph.Alloc[float32](c, append(slices.Clone(c.Input(0).Shape), width)...)
	c.Give(0, t)
	c.Then(func() error {
		clear(out)
		for i, v := range x {
			at, known := place[v]
			if known {
				out[i*width+at] = 1
			} else if !zeros {
				return unknown(v)
			}
		}
		return nil
	})
}

// unknown is the answer to a value that an encoder was not fitted on.
func unknown[T graph.Element](v T) error {
	return fmt.Errorf("the value %s was not among those that the model was fitted on", label(v))
}

// note remembers the categories of a column for the signature.
func note[T graph.Element](c *graph.Call, t *graph.Tensor, categories []T) {
	if t.Column == 0 || c.Known == nil {
		return
	}
	list := make([]model.Label, len(categories))
	for i, v := range categories {
		list[i] = label(v)
	}
	c.Known[t.Column-1] = list
}

// label is a value as JSON.
func label[T graph.Element](v T) model.Label {
	switch v := any(v).(type) {
	case string:
		return textLabel(v)
	case bool:
		return model.Label(strconv.FormatBool(v))
	case int64:
		return model.Label(strconv.FormatInt(v, 10))
	case int32:
		return model.Label(strconv.FormatInt(int64(v), 10))
	case float32:
		return model.Label(strconv.FormatFloat(float64(v), 'g', -1, 32))
	case float64:
		return model.Label(strconv.FormatFloat(v, 'g', -1, 64))
	}
	return "null" // cannot happen: these are all types of elements
}

// labelEncoder is LabelEncoder, and CategoryMapper, which is an older form of it.
func labelEncoder(c *graph.Call) {
	c.AtMost(1, 1)
	t := c.Input(0)
	var keys, values, rest *graph.Tensor
	switch {
	case c.Has("classes_strings"): // version 1
		texts := c.Texts("classes_strings")
		names := &graph.Tensor{Shape: []int{len(texts)}, Data: texts}
		places := make([]int64, len(texts))
		for i := range places {
			places[i] = int64(i)
		}
		keys, values = names, &graph.Tensor{Shape: names.Shape, Data: places}
		if _, text := t.Data.([]string); !text {
			keys, values = values, keys
		}
	case c.Op() == "CategoryMapper":
		texts, ints := c.Texts("cats_strings"), c.Ints("cats_int64s")
		keys, values = &graph.Tensor{Shape: []int{len(texts)}, Data: texts}, &graph.Tensor{Shape: []int{len(ints)}, Data: ints}
		if _, text := t.Data.([]string); !text {
			keys, values = values, keys
		}
	default:
		keys, values = listed(c, "keys"), listed(c, "values")
		rest = c.Tensor("default_tensor")
	}
	c.Ignore("default_float", "default_int64", "default_string")
	if keys.Len() != values.Len() || keys.Kind() != t.Kind() {
		c.Refuse("has %d %s keys and %d values for a %s input", keys.Len(), keys.Kind(), values.Len(), t.Kind())
	}
	switch k := keys.Data.(type) {
	case []string:
		note(c, t, k)
		encodeFrom(c, k, values, rest)
	case []int64:
		note(c, t, k)
		encodeFrom(c, k, values, rest)
	case []int32:
		encodeFrom(c, k, values, rest)
	case []float32:
		encodeFrom(c, k, values, rest)
	case []float64:
		encodeFrom(c, k, values, rest)
	case []bool:
		encodeFrom(c, k, values, rest)
	}
}

// listed reads keys_* or values_*, of which there must be one.
func listed(c *graph.Call, name string) *graph.Tensor {
	if t := c.Tensor(name + "_tensor"); t != nil {
		return t
	}
	t := &graph.Tensor{}
	switch {
	case c.Has(name + "_strings"):
		t.Data = c.Texts(name + "_strings")
	case c.Has(name + "_int64s"):
		t.Data = c.Ints(name + "_int64s")
	case c.Has(name + "_floats"):
		t.Data = c.Floats(name + "_floats")
	default:
		c.Refuse("has no %s", name)
	}
	t.Shape = []int{t.Len()}
	return t
}

func encodeFrom[K graph.Element](c *graph.Call, keys []K, values, rest *graph.Tensor) {
	switch v := values.Data.(type) {
	case []string:
		encodeTo(c, keys, v, fallback(c, rest, c.Text("default_string", "_Unused")))
	case []int64:
		encodeTo(c, keys, v, fallback(c, rest, c.Int64("default_int64", -1)))
	case []int32:
		encodeTo(c, keys, v, fallback[int32](c, rest, -1))
	case []float32:
		encodeTo(c, keys, v, fallback(c, rest, float32(c.Float("default_float", math.Copysign(0, -1)))))
	case []float64:
		encodeTo(c, keys, v, fallback(c, rest, math.Copysign(0, -1)))
	default:
		c.WrongKind(values)
	}
}

// fallback is what unknown keys become.
func fallback[V graph.Element](c *graph.Call, rest *graph.Tensor, otherwise V) V {
	if rest == nil {
		return otherwise
	}
	list, ok := rest.Data.([]V)
	if !ok || len(list) != 1 {
		c.Refuse("has a default that is not of its values' kind")
	}
	return list[0]
}

// book is a table of keys and what they become. NaN, which no map finds, has a
// place of its own.
type book[K graph.Element, V graph.Element] struct {
	by  map[K]V
	nan V
}

func encodeTo[K, V graph.Element](c *graph.Call, keys []K, values []V, otherwise V) {
	b := graph.Prepare(c, func() *book[K, V] {
		b := &book[K, V]{make(map[K]V, len(keys)), otherwise}
		for i, k := range keys {
			if isNaN(k) { // found by NaN since version 4
				if c.Version() >= 4 {
					b.nan = values[i]
					c.Missing = true
				}
			} else if _, twice := b.by[k]; !twice {
				b.by[k] = values[i]
			}
		}
		return b
	})
	x := graph.Values[K](c, c.Input(0))
	t, out := graph.Alloc[V](c, c.Input(0).Shape...)
	t.Classes = &graph.Tensor{Shape: []int{len(values)}, Data: values, Fixed: true}
	c.Give(0, t)
	c.Always(func() {
		for i, k := range x {
			v, known := b.by[k]
			if !known {
				if v = otherwise; isNaN(k) {
					v = b.nan
				}
			}
			out[i] = v
		}
	})
}

// zipMap is ZipMap. What it gives, a map for every row, is for callers only, so
// the tensor stays and remembers the keys.
func zipMap(c *graph.Call) {
	c.AtMost(1, 1)
	t, l := c.Input(0), readLabels(c, "classlabels_int64s")
	if t.Rank() != 2 || t.Shape[1] != l.len() {
		c.Refuse("has %d keys for a tensor of the shape %v", l.len(), t.Shape)
	}
	out := c.Alias(t, t.Shape)
	out.Keys = l.tensor()
	c.Give(0, out)
}

// featureVectorizer is FeatureVectorizer: columns side by side, as float32.
func featureVectorizer(c *graph.Call) {
	sizes := c.Ints("inputdimensions")
	if len(sizes) != c.Inputs() || len(sizes) == 0 {
		c.Refuse("has %d sizes for %d inputs", len(sizes), c.Inputs())
	}
	parts := make([]*graph.Tensor, c.Inputs())
	for i := range c.Inputs() {
		t := c.Input(i)
		if t.Rank() == 1 {
			t = c.Alias(t, []int{1, t.Len()})
		}
		if t.Rank() != 2 || int64(t.Shape[1]) != sizes[i] || t.Kind() == "string" {
			c.Refuse("takes a tensor of the shape %v and says %d columns", t.Shape, sizes[i])
		}
		parts[i] = c.Cast(t, graph.ElemFloat)
	}
	c.Give(0, graph.Join[float32](c, parts, 1))
}
