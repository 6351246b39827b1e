package pickle

import (
	"fmt"
	"slices"
)

// walk visits a finished value once and proves that anybody may visit it again:
// nothing contains itself, nothing is nested too deep, and a visitor that does
// not notice sharing (a list that holds the same list twice, thirty times over)
// still comes to an end after at most as many steps as the budget has.
type walk struct{ left, maxDepth int } // at most mostObjects and mostDepth

// node is what walk notes about a container. There may be millions of them.
type node struct {
	size   int32 // steps of a full walk from here, sharing not noticed
	height int16 // levels below and including this one
	state  nodeState
}

type nodeState uint8

const (
	unvisited nodeState = iota
	visiting
	visited
)

func (w *walk) check(v Value) *Error {
	_, _, err := w.visit(v, 1)
	return err
}

func (w *walk) visit(v Value, depth int) (size, height int, err *Error) {
	n, children := inside(v)
	if n == nil {
		return 1, 1, nil
	}
	if a, ok := v.(*Array); ok && !a.built {
		return 0, 0, &Error{Reason: "an array was announced and never filled", Next: nextSaveAgain}
	}
	switch n.state {
	case visiting:
		return 0, 0, &Error{Reason: Describe(v) + " contains itself, which no model does", Next: nextSaveAgain}
	case visited:
		return int(n.size), int(n.height), w.tooDeep(depth + int(n.height) - 1)
	}
	if err := w.tooDeep(depth); err != nil {
		return 0, 0, err
	}
	n.state = visiting
	size, height = 1, 1
	for child := range children {
		more, below, err := w.visit(child, depth+1)
		if err != nil {
			return 0, 0, err
		}
		height = max(height, below+1)
		// Both are at most the budget here, so their sum does not overflow.
		if size += more; size > w.left {
			return 0, 0, &Error{Reason: fmt.Sprintf("a walk over its values takes more than %d steps, the limit", w.left), Next: nextSmaller}
		}
	}
	n.size, n.height, n.state = int32(size), int16(height), visited
	return size, height, nil
}

func (w *walk) tooDeep(depth int) *Error {
	if depth <= w.maxDepth {
		return nil
	}
	return &Error{Reason: fmt.Sprintf("its values are nested more than %d deep, the limit", w.maxDepth), Next: nextSaveAgain}
}

// inside returns the note and the children of a container, and nil for a
// value without any.
func inside(v Value) (*node, func(yield func(Value) bool)) {
	switch v := v.(type) {
	case *List:
		return &v.node, slices.Values(v.Items)
	case *Tuple:
		return &v.node, slices.Values(v.Items)
	case *Set:
		return &v.node, slices.Values(v.Items)
	case *Array:
		return &v.node, slices.Values(v.objects)
	case *Dict:
		return &v.node, v.all
	case *Object:
		return &v.node, v.parts
	}
	return nil, nil
}

func (d *Dict) all(yield func(Value) bool) {
	for _, e := range d.Entries {
		if !yield(e.Key) || !yield(e.Value) {
			return
		}
	}
}

func (o *Object) parts(yield func(Value) bool) {
	for _, arg := range o.Args {
		if !yield(arg) {
			return
		}
	}
	if yield(o.State) && o.Items != nil {
		yield(o.Items)
	}
}
