package train

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"unicode/utf8"
)

// writtenFor is the version that the file says wrote it. Its attributes are
// exactly what scikit-learn 1.2.2 writes, the oldest version that is promised:
// newer ones read older files, warn (InconsistentVersionWarning) and answer the
// same, while multi_class="deprecated" or penalty="deprecated", which newer ones
// write, would make an older one answer something else without a word.
const writtenFor = "1.2.2"

// WriteJoblib writes the model as joblib.dump(model, w) would, uncompressed.
//
// Arrays are written as joblib before 1.2 did, without alignment padding: every
// joblib since 0.10 reads that form, and scikit-learn 1.2 still allows 1.1.1,
// which cannot read the padded one.
func (m Model) WriteJoblib(w io.Writer) error {
	if err := m.check(); err != nil {
		return err
	}
	var p pickler
	p.op("\x80\x04") // PROTO 4, joblib's default
	p.global("sklearn.linear_model._logistic", "LogisticRegression")
	p.op(")\x81}(") // cls.__new__(cls), {, mark
	for _, a := range []struct {
		name  string
		value any
	}{
		{"penalty", "l2"},
		{"dual", false},
		{"tol", 1e-4},
		{"C", m.C},
		{"fit_intercept", true},
		{"intercept_scaling", 1},
		{"class_weight", nil},
		{"random_state", nil},
		{"solver", "lbfgs"},
		{"max_iter", 100},
		{"multi_class", "auto"},
		{"verbose", 0},
		{"warm_start", false},
		{"n_jobs", nil},
		{"l1_ratio", nil},
		{"feature_names_in_", names(m.Names)},
		{"n_features_in_", len(m.Names)},
		{"classes_", m.Classes},
		{"n_iter_", counts{int32(m.Iterations)}},
		{"coef_", matrix(m.Coef)},
		{"intercept_", vector{m.Intercept}},
		{"_sklearn_version", writtenFor},
	} {
		p.value(a.name)
		p.value(a.value)
	}
	p.op("ub.") // set the items, the state, stop
	if _, err := w.Write(p.Bytes()); err != nil {
		return fmt.Errorf("writing the joblib file: %w", err)
	}
	return nil
}

// check refuses what Python could not read back.
func (m Model) check() error {
	if len(m.Names) != len(m.Coef) || len(m.Coef) == 0 {
		return fmt.Errorf("the model has %d feature names and %d coefficients; it was not fitted", len(m.Names), len(m.Coef))
	}
	texts := slices.Clone(m.Names)
	_, _, numbers := pair[int64](m.Classes)
	_, _, truths := pair[bool](m.Classes)
	one, two, words := pair[string](m.Classes)
	if words {
		texts = append(texts, one, two)
	}
	if !numbers && !truths && !words {
		return fmt.Errorf("the model has classes of type %T and %T; both int64, both string or both bool can be written", m.Classes[0], m.Classes[1])
	}
	for _, text := range texts {
		if !utf8.ValidString(text) {
			return fmt.Errorf("the name %q is not UTF-8 text", text)
		}
	}
	return nil
}

// The arrays of the file: float64 of shape (n,) and (1, n), int32, and names as
// Python strings.
type (
	vector []float64
	matrix []float64
	counts []int32
	names  []string
)

// pickler writes pickle opcodes. It needs no memo and no frames, both of which
// the format leaves to the writer.
type pickler struct{ bytes.Buffer }

// op writes opcodes. A bytes.Buffer takes every write.
func (p *pickler) op(code string) { _, _ = p.WriteString(code) }

// raw writes numbers of fixed size, little-endian.
func (p *pickler) raw(v any) {
	_ = binary.Write(p, binary.LittleEndian, v)
}

func (p *pickler) value(v any) {
	switch v := v.(type) {
	case nil:
		p.op("N")
	case bool:
		if v {
			p.op("\x88")
		} else {
			p.op("\x89")
		}
	case int:
		p.op("J") // BININT
		p.raw(int32(v))
	case float64:
		p.op("G") // BINFLOAT, the one big-endian number
		_ = binary.Write(p, binary.BigEndian, v)
	case string:
		p.op("X") // BINUNICODE
		p.raw(uint32(len(v)))
		p.op(v)
	case vector:
		p.array(number("f8"), []int{len(v)}, []float64(v))
	case matrix:
		p.array(number("f8"), []int{1, len(v)}, []float64(v))
	case counts:
		p.array(number("i4"), []int{len(v)}, []int32(v))
	case names:
		p.objects(v)
	case [2]any:
		p.classes(v)
	}
}

func (p *pickler) global(module, name string) {
	p.value(module)
	p.value(name)
	p.op("\x93") // STACK_GLOBAL
}

func (p *pickler) classes(c [2]any) {
	if a, b, ok := pair[int64](c); ok {
		p.array(number("i8"), []int{2}, []int64{a, b})
	}
	if a, b, ok := pair[bool](c); ok {
		p.array(dtype{"b1", "|", -1, -1, 0}, []int{2}, []bool{a, b})
	}
	if a, b, ok := pair[string](c); ok {
		first, second := []rune(a), []rune(b)
		width := max(len(first), len(second), 1)
		cells := make([]rune, 2*width) // UCS-4, padded with zeros
		copy(cells, first)
		copy(cells[width:], second)
		p.array(dtype{fmt.Sprintf("U%d", width), "<", 4 * width, 4, 8}, []int{2}, cells)
	}
}

// pair returns the classes where both are of type T.
func pair[T any](classes [2]any) (a, b T, ok bool) {
	a, okA := classes[0].(T)
	b, okB := classes[1].(T)
	return a, b, okA && okB
}

// dtype is a numpy dtype as it pickles itself: its name and the parts of its
// state that differ between the kinds.
type dtype struct {
	name, order            string
	size, alignment, flags int
}

// number is the dtype of a little-endian number: "f8", "i4".
func number(name string) dtype { return dtype{name, "<", -1, -1, 0} }

// dtype writes numpy.dtype(name, align=False, copy=True) and its state: version,
// byte order, no subarray, no fields, item size, alignment and flags.
func (p *pickler) dtype(d dtype) {
	p.global("numpy", "dtype")
	p.value(d.name)
	p.op("\x89\x88\x87R(") // False True TUPLE3 REDUCE MARK
	p.value(3)
	p.value(d.order)
	p.op("NNN")
	p.value(d.size)
	p.value(d.alignment)
	p.value(d.flags)
	p.op("tb")
}

// array writes a NumpyArrayWrapper and, behind it, the raw elements.
func (p *pickler) array(d dtype, shape []int, elements any) {
	p.wrapper(d, shape)
	p.raw(elements)
}

// wrapper writes joblib's NumpyArrayWrapper. allow_mmap is false because the
// elements are not aligned; they are a few hundred bytes.
func (p *pickler) wrapper(d dtype, shape []int) {
	p.global("joblib.numpy_pickle", "NumpyArrayWrapper")
	p.op(")\x81}(")
	p.value("subclass")
	p.global("numpy", "ndarray")
	p.value("shape")
	p.tuple(shape)
	p.value("order")
	p.value("C")
	p.value("dtype")
	p.dtype(d)
	p.value("allow_mmap")
	p.value(false)
	p.op("ub")
}

func (p *pickler) tuple(shape []int) {
	p.op("(")
	for _, n := range shape {
		p.value(n)
	}
	p.op("t")
}

// objects writes an array of Python strings: joblib puts a whole second pickle
// behind the wrapper. numpy.core is the name that numpy 1 and 2 both know.
func (p *pickler) objects(values []string) {
	object := dtype{"O8", "|", -1, -1, 63} // the flags say that it holds references
	p.wrapper(object, []int{len(values)})
	p.op("\x80\x04")
	p.global("numpy.core.multiarray", "_reconstruct")
	p.global("numpy", "ndarray")
	p.tuple([]int{0})
	p.op("C\x01b\x87R(") // b'b' TUPLE3 REDUCE, then the state
	p.value(1)
	p.tuple([]int{len(values)})
	p.dtype(object)
	p.op("\x89](") // C order, [, mark
	for _, v := range values {
		p.value(v)
	}
	p.op("etb.")
}
