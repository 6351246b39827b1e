package graph

import (
	"bytes"
	"fmt"
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// A few words of protobuf, enough to write models that no exporter would.

func bytesField(number protowire.Number, content ...[]byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(nil, number, protowire.BytesType), bytes.Join(content, nil))
}

func textField(number protowire.Number, text string) []byte {
	return bytesField(number, []byte(text))
}

func intField(number protowire.Number, v uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(nil, number, protowire.VarintType), v)
}

// modelOf is a ModelProto around the fields of a graph that has the input x, of
// the shape [N, 2], and the output y.
func modelOf(graph ...[]byte) []byte {
	dim := func(content []byte) []byte { return bytesField(1, content) }
	shape := bytesField(2, dim(textField(2, "N")), dim(intField(1, 2)))
	input := bytesField(11, textField(1, "x"), bytesField(2, bytesField(1, intField(1, uint64(ElemFloat)), shape)))
	opset := bytesField(8, textField(1, ""), intField(2, 17))
	graph = append(graph, input, bytesField(12, textField(1, "y")))
	return bytes.Join([][]byte{intField(1, 8), bytesField(7, graph...), opset}, nil)
}

// nodeOf is a node: "y = Add(x, x)", with the fields of attributes.
func nodeOf(line string, attributes ...[]byte) []byte {
	out, rest, _ := strings.Cut(line, " = ")
	op, in, _ := strings.Cut(strings.TrimSuffix(rest, ")"), "(")
	content := [][]byte{textField(4, op), textField(2, out)}
	for name := range strings.SplitSeq(in, ", ") {
		content = append(content, textField(1, name))
	}
	for _, a := range attributes {
		content = append(content, bytesField(5, a))
	}
	return bytesField(1, content...)
}

// constantS is the initializer s of int64.
func constantS(values ...uint64) []byte {
	data := []byte(nil)
	for _, v := range values {
		data = protowire.AppendVarint(data, v)
	}
	return bytesField(5, intField(1, uint64(len(values))), intField(2, uint64(ElemInt64)), bytesField(7, data), textField(8, "s"))
}

// attempt reads a model and builds its plan for one row.
func attempt(data []byte) (reason string) {
	refusal := Try(func() {
		m, err := Read(bytes.NewReader(data), nil)
		if err != nil {
			Refuse("", "%v", err)
		}
		if list := m.Missing(); list != nil {
			Refuse("", "missing %v", list)
		}
		m.Plan(1, &Folded{})
	})
	if refusal == nil {
		return ""
	}
	return refusal.Reason
}

// nested is a graph in an attribute of a node of a graph, and so on.
func nested(depth int) []byte {
	var heads [][]byte // of fields, from the inside out
	size := 0
	for range depth {
		for _, number := range []protowire.Number{6, 5, 1} {
			head := protowire.AppendVarint(protowire.AppendTag(nil, number, protowire.BytesType), uint64(size))
			heads = append(heads, head)
			size += len(head)
		}
	}
	slices.Reverse(heads)
	return bytes.Join(heads, nil)
}

func TestSmallGraphIsBuilt(t *testing.T) {
	t.Parallel()
	if reason := attempt(modelOf(nodeOf("y = Add(x, x)"))); reason != "" {
		t.Error(reason)
	}
}

// soon is when a refusal must be there. On a machine of its own all take less
// than a second; the race detector, and company, take more.
const soon = 10 * time.Second

func TestBombs(t *testing.T) {
	axis := bytes.Join([][]byte{textField(1, "axis"), intField(3, 1)}, nil)
	doubled := [][]byte{nodeOf("a0 = Concat(x, x)", axis)}
	for i := range 50 {
		doubled = append(doubled, nodeOf(fmt.Sprintf("a%d = Concat(a%d, a%d)", i+1, i, i), axis))
	}
	scanBody := bytes.Join([][]byte{
		bytes.Repeat(nodeOf("z = Identity(s)"), 2000), bytesField(11, textField(1, "s")), bytesField(12, textField(1, "s")),
	}, nil)
	tests := []struct {
		name, reason string
		data         []byte
	}{
		{"deep", "deep inside each other", modelOf(nested(100_000))},
		{"nodes", "more than 100000 nodes", modelOf(bytes.Repeat([]byte{1<<3 | 2, 0}, 10_000_000))},
		{"shape", "tensor of the shape", modelOf(constantS(1<<40), nodeOf("y = ConstantOfShape(s)"))},
		{"two dimensions", "tensor of the shape", modelOf(constantS(1<<20, 1<<20), nodeOf("y = ConstantOfShape(s)"))},
		{"a gigabyte", "too much memory", modelOf(constantS(1<<28), nodeOf("y = ConstantOfShape(s)"))},
		{"expand", "too much memory", modelOf(constantS(1<<26, 2), nodeOf("y = Expand(x, s)"))},
		{"tile", "asks for the shape", modelOf(constantS(math.MaxInt64, 2), nodeOf("y = Reshape(x, s)"))},
		{"doubled", "too much memory", modelOf(doubled...)},
		{"multiplied", "multiplications", modelOf(constantS(1<<11, 1<<11), nodeOf("a = ConstantOfShape(s)"), nodeOf("y = MatMul(a, a)"))},
		{"scan", "which is there already", modelOf(constantS(1<<20), nodeOf("a = ConstantOfShape(s)"),
			nodeOf("y = Scan(a)", bytes.Join([][]byte{textField(1, "body"), bytesField(6, scanBody)}, nil), bytes.Join([][]byte{textField(1, "num_scan_inputs"), intField(3, 1)}, nil)))},
	}
	for _, test := range tests {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		start := time.Now()
		reason := attempt(test.data)
		took := time.Since(start)
		runtime.ReadMemStats(&after)
		if !strings.Contains(reason, test.reason) {
			t.Errorf("%s: %q", test.name, reason)
		}
		if took > soon {
			t.Errorf("%s: %v until the refusal", test.name, took)
		}
		if used := after.TotalAlloc - before.TotalAlloc; used > 256<<20 {
			t.Errorf("%s: %d MiB", test.name, used>>20)
		}
	}
}

// TestManyTurns is a Scan that calls an empty body more often than steps are
// allowed.
func TestManyTurns(t *testing.T) {
	t.Parallel()
	body := bytes.Join([][]byte{
		nodeOf("z = Identity(s)"), bytesField(11, textField(1, "s")), bytesField(12, textField(1, "z")),
	}, nil)
	start := time.Now()
	reason := attempt(modelOf(constantS(1<<20), nodeOf("a = ConstantOfShape(s)"),
		nodeOf("y = Scan(a)", bytes.Join([][]byte{textField(1, "body"), bytesField(6, body)}, nil), bytes.Join([][]byte{textField(1, "num_scan_inputs"), intField(3, 1)}, nil))))
	if !strings.Contains(reason, "more than 131072 steps") || time.Since(start) > soon {
		t.Errorf("%q after %v", reason, time.Since(start))
	}
}

// TestSecondPlan builds a plan twice: constants are computed for the first, a Scan
// among them, and found again for the second.
func TestSecondPlan(t *testing.T) {
	t.Parallel()
	body := bytes.Join([][]byte{
		nodeOf("z = Identity(s)"), bytesField(11, textField(1, "s")), bytesField(12, textField(1, "z")),
	}, nil)
	data := modelOf(constantS(2), nodeOf("a = ConstantOfShape(s)"),
		nodeOf("b = Scan(a)", bytes.Join([][]byte{textField(1, "body"), bytesField(6, body)}, nil), bytes.Join([][]byte{textField(1, "num_scan_inputs"), intField(3, 1)}, nil)),
		nodeOf("e = Exp(b)"), nodeOf("y = Add(x, e)"))
	refusal := Try(func() {
		m, err := Read(bytes.NewReader(data), nil)
		if err != nil {
			t.Fatal(err)
		}
		shared := &Folded{}
		for range 2 {
			p := m.Plan(1, shared)
			if err := p.Run(); err != nil {
				t.Fatal(err)
			}
			if got, ok := p.Outputs[0].Data.([]float32); !ok || !slices.Equal(got, []float32{1, 1}) || len(p.steps) != 1 {
				t.Errorf("%v in %d steps, want 1 1 in 1", p.Outputs[0].Data, len(p.steps))
			}
		}
	})
	if refusal != nil {
		t.Error(refusal)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	external := bytesField(5, intField(2, uint64(ElemFloat)), textField(8, "w"), bytesField(13, textField(1, "location"), textField(2, "../w.bin")), intField(14, 1))
	tests := []struct {
		name, reason string
		data         []byte
	}{
		{"external data", "lies in a file of its own", modelOf(external, nodeOf("y = Add(x, w)"))},
		{"external by location only", "lies in a file of its own", modelOf(bytesField(5, textField(8, "w"), intField(14, 1)), nodeOf("y = Add(x, w)"))},
		{"a cycle", "which nothing before it gives", modelOf(nodeOf("a = Add(x, b)"), nodeOf("b = Add(a, x)"), nodeOf("y = Add(a, b)"))},
		{"twice", "which is there already", modelOf(nodeOf("y = Add(x, x)"), nodeOf("y = Add(x, x)"))},
		{"no output", "no node gives", modelOf(nodeOf("z = Add(x, x)"))},
		{"types", "takes a float and a int64 tensor", modelOf(constantS(1, 2), nodeOf("y = Add(x, s)"))},
		{"shapes", "do not fit", modelOf(bytesField(5, intField(1, 3), intField(2, 1), bytesField(9, make([]byte, 12)), textField(8, "w")), nodeOf("y = Add(x, w)"))},
		{"an attribute", "has the attribute \"loud\"", modelOf(nodeOf("y = Add(x, x)", bytes.Join([][]byte{textField(1, "loud"), intField(3, 1)}, nil)))},
		{"missing operators", "[ai.onnx.Loop (version 17) ai.onnx.NonZero (version 17)]", modelOf(nodeOf("a = NonZero(x)"), nodeOf("b = NonZero(x)"), nodeOf("y = Loop(a)"))},
		{"too few bytes", "3 elements", modelOf(bytesField(5, intField(1, 4), intField(2, 1), bytesField(9, make([]byte, 12)), textField(8, "w")), nodeOf("y = Add(x, w)"))},
		{"half a number", "no multiple of 4", modelOf(bytesField(5, intField(1, 3), intField(2, 1), bytesField(9, make([]byte, 11)), textField(8, "w")), nodeOf("y = Add(x, w)"))},
		{"float16", "element type 10", modelOf(bytesField(5, intField(1, 3), intField(2, 10), bytesField(9, make([]byte, 6)), textField(8, "w")), nodeOf("y = Add(x, w)"))},
		{"a length that lies", "longer than its file", append(intField(1, 8), 7<<3|2, 0xff, 0xff, 0xff, 0xff, 0x7f, 0)},
		{"a packed length that lies", "longer than its file", modelOf(append([]byte{5<<3 | 2, 9, 7<<3 | 2, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f}, 0))},
		{"a group", "wire type 3", []byte{1<<3 | 3}},
		{"an unknown field", "the field 99", append(modelOf(nodeOf("y = Add(x, x)")), intField(99, 1)...)},
		{"functions", "functions of its own", append(modelOf(nodeOf("y = Add(x, x)")), bytesField(25)...)},
		{"nothing", "no graph", nil},
	}
	for _, test := range tests {
		if reason := attempt(test.data); !strings.Contains(reason, test.reason) {
			t.Errorf("%s: %q, want %q", test.name, reason, test.reason)
		}
	}
}

// FuzzRead reads anything as a model and builds its plan.
func FuzzRead(f *testing.F) {
	f.Add(modelOf(nodeOf("y = Add(x, x)")))
	f.Add(modelOf(constantS(2, 1), nodeOf("a = Reshape(x, s)"), nodeOf("y = Softmax(a)")))
	f.Add(modelOf(constantS(1), nodeOf("a = ReduceSum(x, s)"), nodeOf("b = TopK(x, s)"), nodeOf("y = Concat(a, b)")))
	f.Fuzz(func(_ *testing.T, data []byte) { attempt(data) })
}
