package pickle

import "fmt"

// Other formats hold the same values in another wrapping: skops writes an
// estimator as JSON and .npy arrays. What they read becomes values here, under
// the same allow-list.

// Name returns a name that a file may mention, or the refusal of it.
func (o Options) Name(g Global) (Global, *Error) {
	if _, ok := known[g]; ok || o.hasInstances(g) {
		if o.Mention != nil {
			o.Mention(g)
		}
		return g, nil
	}
	return g, unknownName(g)
}

// Instance makes what claims to be an instance of a class of which a file may
// hold some, or the refusal of it.
func (o Options) Instance(class Global, args []Value, state Value) (*Object, *Error) {
	if _, err := o.Name(class); err != nil {
		return nil, err
	}
	if !o.hasInstances(class) {
		return nil, &Error{Reason: fmt.Sprintf("the file makes an instance of %s, which a model does not hold; nothing was executed", class), Next: nextSaveAgain}
	}
	if name := method(state); name != "" {
		return nil, &Error{Reason: fmt.Sprintf("the state of %s sets %s, which no model does; nothing was executed", class, shown(name)), Next: nextSaveAgain}
	}
	return &Object{Class: class, Args: args, State: state, built: true}, nil
}

// Check refuses a value that contains itself, is nested too deep or takes too
// many steps to walk. A value is checked once, when it is complete.
func (o Options) Check(v Value) *Error {
	o = o.WithDefaults()
	return (&walk{left: o.MaxObjects, maxDepth: o.MaxDepth}).check(v)
}

// NewObjects makes an array of Python objects in C order.
func NewObjects(shape []int, items []Value) (*Array, error) {
	count := 1
	for _, n := range shape {
		if n < 0 || n > 0 && count > len(items)/n {
			return nil, fmt.Errorf("%d objects do not fill an array of shape %v", len(items), shape)
		}
		count *= n
	}
	if count != len(items) {
		return nil, fmt.Errorf("%d objects do not fill an array of shape %v", len(items), shape)
	}
	return &Array{Shape: shape, Type: DType{Kind: 'O'}, objects: items, count: count, built: true}, nil
}
