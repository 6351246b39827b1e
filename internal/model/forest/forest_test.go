package forest

import (
	"math"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// naive answers by the definition: pointers, and the words of Node's comments.
func naive(o Options, t *Tree, x []float64) []float64 {
	n := &t.Nodes[0]
	for n.Feature >= 0 {
		if naiveLeft(o, n, x[n.Feature]) {
			n = &t.Nodes[n.Left]
		} else {
			n = &t.Nodes[n.Right]
		}
	}
	if t.Single {
		return t.Values[n.Value : n.Value+1]
	}
	return t.Values[int(n.Value)*o.Outputs : int(n.Value+1)*o.Outputs]
}

func naiveLeft(o Options, n *Node, v float64) bool {
	if o.Float32 {
		v = float64(float32(v))
	}
	switch n.Missing {
	case MissingNaN:
		if math.IsNaN(v) {
			return n.MissingLeft
		}
	case MissingZero:
		if math.IsNaN(v) || math.Abs(v) <= float64(float32(1e-35)) {
			return n.MissingLeft
		}
	case NeverMissing:
		if math.IsNaN(v) {
			v = 0
		}
	}
	switch n.Test {
	case AtMost:
		return v <= n.Threshold
	case Below:
		return v < n.Threshold
	case Equal:
		return v == n.Threshold
	}
	if o.Category == TruncatePositive && v < 0 || o.Category == Whole && v != math.Trunc(v) {
		return false
	}
	for c := range 32 * len(n.Categories) {
		if math.Trunc(v) == float64(c) {
			return n.Categories[c/32]&(1<<(c%32)) != 0
		}
	}
	return false
}

// edge draws numbers that stand close to each other and at the ends.
var edge = rapid.SampledFrom([]float64{
	math.NaN(), math.Inf(-1), math.Inf(1), -math.MaxFloat64, math.MaxFloat64, 0, math.Copysign(0, -1),
	5e-324, -5e-324, 1e-35, float64(float32(1e-35)), -1e-36, -0.5, -1, 0.1, float64(float32(0.1)), 1, math.Nextafter(1, 2),
	math.Nextafter(1, 0), 2, 2.7, 3, 31, 32, 63, 64, 1e9, 1 << 31, 1 << 53, math.MaxFloat32, 1e39, -1e39,
})

func drawTree(t *rapid.T, o Options) Tree {
	plain := rapid.Bool().Draw(t, "plain")
	shuffle := rapid.Bool().Draw(t, "shuffle")
	whole := Tree{Single: rapid.Bool().Draw(t, "single"), Nodes: []Node{{Feature: -1}}}
	width := o.Outputs
	if whole.Single {
		width = 1
		whole.Output = rapid.IntRange(0, o.Outputs-1).Draw(t, "output")
	}
	for range rapid.IntRange(0, 12).Draw(t, "splits") {
		at := rapid.IntRange(0, len(whole.Nodes)-1).Draw(t, "at")
		if whole.Nodes[at].Feature >= 0 {
			continue
		}
		n := Node{
			Feature:     int32(rapid.IntRange(0, o.Features-1).Draw(t, "feature")),
			Left:        int32(len(whole.Nodes)),
			Right:       int32(len(whole.Nodes) + 1),
			Missing:     Missing(rapid.IntRange(0, 2).Draw(t, "missing")),
			MissingLeft: rapid.Bool().Draw(t, "missing left"),
			Threshold:   edge.Filter(func(v float64) bool { return !math.IsNaN(v) }).Draw(t, "threshold"),
			Test:        Test(rapid.IntRange(0, 3).Draw(t, "test")),
		}
		if plain {
			n.Test &= 1
		}
		if n.Test == Member {
			n.Categories = rapid.SliceOfN(rapid.Uint32(), 0, 3).Draw(t, "categories")
		}
		whole.Nodes[at] = n
		whole.Nodes = append(whole.Nodes, Node{Feature: -1}, Node{Feature: -1})
	}
	if shuffle { // any order behind the root
		order := rapid.Permutation(indices(len(whole.Nodes))[1:]).Draw(t, "order")
		moved := make([]Node, len(whole.Nodes))
		to := make([]int32, len(whole.Nodes))
		moved[0] = whole.Nodes[0]
		for i, from := range order {
			moved[i+1] = whole.Nodes[from]
			to[from] = int32(i + 1)
		}
		for i := range moved {
			moved[i].Left, moved[i].Right = to[moved[i].Left], to[moved[i].Right]
		}
		whole.Nodes = moved
	}
	for i := range whole.Nodes {
		if n := &whole.Nodes[i]; n.Feature < 0 {
			n.Value = int32(len(whole.Values) / width)
			for range width {
				whole.Values = append(whole.Values, rapid.Float64Range(-3, 3).Draw(t, "value"))
			}
		}
	}
	return whole
}

func indices(n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	return all
}

// TestForestIsNaive holds the compiled forest against the definition, bit by
// bit, row by row and in batches.
func TestForestIsNaive(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		o := Options{
			Features: rapid.IntRange(1, 4).Draw(t, "features"),
			Outputs:  rapid.IntRange(1, 3).Draw(t, "outputs"),
			Float32:  rapid.Bool().Draw(t, "float32"),
			Sum32:    rapid.Bool().Draw(t, "sum32"),
			Category: Category(rapid.IntRange(0, 2).Draw(t, "category")),
		}
		trees := make([]Tree, rapid.IntRange(0, 10).Draw(t, "trees"))
		for i := range trees {
			trees[i] = drawTree(t, o)
		}
		f, err := New(o, trees)
		if err != nil {
			t.Fatal(err)
		}
		rows := rapid.IntRange(1, 19).Draw(t, "rows")
		x := make([]float64, rows*o.Features)
		for i := range x {
			x[i] = edge.Draw(t, "x")
		}
		want := make([]float64, rows*o.Outputs)
		for r := range rows {
			naiveAdd(o, trees, x[r*o.Features:(r+1)*o.Features], want[r*o.Outputs:(r+1)*o.Outputs])
		}
		got := make([]float64, len(want))
		f.Add(x, rows, got)
		if !slices.Equal(got, want) {
			t.Fatalf("a batch of %d rows: %v, want %v", rows, got, want)
		}
		clear(got)
		for r := range rows {
			f.Add(x[r*o.Features:], 1, got[r*o.Outputs:])
		}
		if !slices.Equal(got, want) {
			t.Fatalf("row by row: %v, want %v", got, want)
		}
	})
}

func naiveAdd(o Options, trees []Tree, x, out []float64) {
	for i := range trees {
		to := out
		if trees[i].Single {
			to = out[trees[i].Output:]
		}
		for k, v := range naive(o, &trees[i], x) {
			if o.Sum32 {
				to[k] = float64(float32(to[k]) + float32(v))
			} else {
				to[k] += v
			}
		}
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	o := Options{Features: 2, Outputs: 2}
	leaf := Node{Feature: -1}
	split := func(left, right int32) Node { return Node{Left: left, Right: right} }
	value := []float64{1, 2}
	for _, tt := range []struct {
		name string
		tree Tree
		want string
	}{
		{"empty", Tree{Values: value}, "0 nodes"},
		{"child out of range", Tree{Nodes: []Node{split(1, 3), leaf, leaf}, Values: value}, "node 0 has the child 3 of 3 nodes"},
		{"negative child", Tree{Nodes: []Node{split(1, -1), leaf, leaf}, Values: value}, "node 0 has the child -1 of 3 nodes"},
		{"cycle to the root", Tree{Nodes: []Node{split(0, 1), leaf}, Values: value}, "node 0 has the child 0, which is another's child or the root"},
		{"cycle", Tree{Nodes: []Node{split(1, 2), split(2, 1), leaf}, Values: value}, "which is another's child or the root"},
		{"the same child twice", Tree{Nodes: []Node{split(1, 1), leaf}, Values: value}, "node 0 has the child 1, which is another's"},
		{"two parents", Tree{Nodes: []Node{split(1, 2), split(3, 4), split(4, 3), leaf, leaf}, Values: value}, "which is another's child"},
		{"unreachable", Tree{Nodes: []Node{leaf, leaf}, Values: value}, "1 of its 2 nodes cannot be reached"},
		{"an island with a cycle", Tree{Nodes: []Node{leaf, split(2, 1), split(1, 2)}, Values: value}, "2 of its 3 nodes cannot be reached"},
		{"feature", Tree{Nodes: []Node{{Feature: 2, Left: 1, Right: 2}, leaf, leaf}, Values: value}, "node 0: it tests feature 2 of 2"},
		{"threshold", Tree{Nodes: []Node{{Threshold: math.NaN(), Left: 1, Right: 2}, leaf, leaf}, Values: value}, "node 0: its threshold is NaN"},
		{"test", Tree{Nodes: []Node{{Test: 9, Left: 1, Right: 2}, leaf, leaf}, Values: value}, "unknown test 9"},
		{"missing", Tree{Nodes: []Node{{Missing: 9, Left: 1, Right: 2}, leaf, leaf}, Values: value}, "unknown kind of missing values 9"},
		{"value", Tree{Nodes: []Node{{Feature: -1, Value: 1}}, Values: value}, "leaf 0 has the value 1 of 1"},
		{"negative value", Tree{Nodes: []Node{{Feature: -1, Value: -1}}, Values: value}, "leaf 0 has the value -1 of 1"},
		{"no values", Tree{Nodes: []Node{leaf}}, "leaf 0 has the value 0 of 0"},
		{"half a value", Tree{Nodes: []Node{leaf}, Values: []float64{1, 2, 3}}, "3 values for leaves of 2"},
		{"NaN value", Tree{Nodes: []Node{leaf}, Values: []float64{1, math.NaN()}}, "its value 1 is NaN"},
		{"infinite value", Tree{Nodes: []Node{leaf}, Values: []float64{math.Inf(1), 1}}, "its value 0 is +Inf"},
		{"output", Tree{Nodes: []Node{leaf}, Values: value, Single: true, Output: 2}, "it adds to output 2 of 2"},
		{"negative output", Tree{Nodes: []Node{leaf}, Values: value, Single: true, Output: -1}, "it adds to output -1 of 2"},
	} {
		_, err := New(o, []Tree{{Nodes: []Node{leaf}, Values: value}, tt.tree})
		if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.HasPrefix(err.Error(), "tree 1: ") {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
	for _, o := range []Options{{}, {Features: 1}, {Outputs: 1}, {Features: 1 << 30, Outputs: 1}, {Features: -1, Outputs: 1}} {
		if _, err := New(o, nil); err == nil {
			t.Errorf("%+v was taken", o)
		}
	}
}

// TestDeepTree walks a tree that is one long path, as deep as it has nodes.
func TestDeepTree(t *testing.T) {
	t.Parallel()
	const depth = 200_000
	path := Tree{Single: true}
	for i := range depth {
		path.Nodes = append(path.Nodes,
			Node{Threshold: float64(i), Left: int32(2*i + 1), Right: int32(2*i + 2)},
			Node{Feature: -1, Value: int32(i)})
		path.Values = append(path.Values, float64(i))
	}
	path.Nodes = append(path.Nodes, Node{Feature: -1, Value: depth})
	path.Values = append(path.Values, depth)
	// The leaves stand before their right siblings: 2i+1 is the leaf of split i.
	f, err := New(Options{Features: 1, Outputs: 1}, []Tree{path})
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []float64{-1, 0, 1.5, 777, depth - 1, depth, 1e9} {
		out := make([]float64, 4)
		f.Add([]float64{x, x, x, x}, 4, out)
		want := math.Min(math.Max(0, math.Ceil(x)), depth)
		if !slices.Equal(out, []float64{want, want, want, want}) {
			t.Errorf("%v: %v, want %v", x, out, want)
		}
	}
}

// allocations is the least that one of many runs of f allocates: the race
// detector makes sync.Pool forget now and then what it was given.
func allocations(f func()) float64 {
	least := testing.AllocsPerRun(1, f)
	for tries := 0; least > 0 && tries < 200; tries++ {
		least = min(least, testing.AllocsPerRun(1, f))
	}
	return least
}

func TestAddAllocatesNothing(t *testing.T) {
	f := bushy(t, Options{Features: 10, Outputs: 2, Float32: true}, 20, 6)
	x, out := make([]float64, 100*10), make([]float64, 100*2)
	if n := allocations(func() { f.Add(x, 100, out); f.Add(x, 1, out) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
