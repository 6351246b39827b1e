package graph

import "slices"

// scan is Scan: the body runs once for every element of the scanned inputs, and
// hands its state on. Since shapes are known, the loop is unrolled: every turn
// becomes steps of its own.
func scan(c *Call) {
	const newest = 9 // the version before, 8, counted batches
	if c.version < newest {
		c.Refuse("is of the version %d", c.version)
	}
	var body *graph
	for i := range c.node.attributes {
		if a := &c.node.attributes[i]; a.name == "body" {
			body = a.body
		}
	}
	c.Ignore("body")
	scanned := c.Int("num_scan_inputs", 0)
	if body == nil || scanned < 1 || scanned > len(c.in) || len(body.inputs) != len(c.in) {
		c.Refuse("has a body that does not fit its inputs")
	}
	for _, name := range []string{"scan_input_axes", "scan_output_axes", "scan_input_directions", "scan_output_directions"} {
		if slices.ContainsFunc(c.Ints(name), func(v int64) bool { return v != 0 }) {
			c.Refuse("has %s other than 0", name)
		}
	}
	states := len(c.in) - scanned
	if len(body.out) < states || len(c.out) > len(body.out) {
		c.Refuse("has a body that does not fit its outputs")
	}
	given := make([]*Tensor, len(c.in))
	turns := -1
	for i := range c.in {
		given[i] = c.Input(i)
		if i < states {
			continue
		}
		if given[i].Rank() < 1 || turns >= 0 && given[i].Shape[0] != turns {
			c.Refuse("scans a tensor of the shape %v", given[i].Shape)
		}
		turns = given[i].Shape[0]
	}
	if turns == 0 {
		c.Refuse("scans no elements")
	}
	collected := make([][]*Tensor, len(body.out)-states)
	now := slices.Clone(given)
	for turn := range turns {
		for i := states; i < len(given); i++ {
			now[i] = c.element(given[i], turn)
		}
		out := c.graph(body, now, c.scope)
		copy(now, out[:states])
		for i, t := range out[states:] {
			collected[i] = append(collected[i], c.Alias(t, slices.Insert(slices.Clone(t.Shape), 0, 1)))
		}
	}
	for i := range c.out {
		if i < states {
			c.Give(i, now[i])
			continue
		}
		c.Give(i, c.stack(collected[i-states]))
	}
}

// element is t[i], without moving anything.
func (c *Call) element(t *Tensor, i int) *Tensor {
	n := t.Width(1)
	out := &Tensor{Shape: slices.Clone(t.Shape[1:]), Fixed: t.Fixed}
	switch d := t.Data.(type) {
	case []float32:
		out.Data = d[i*n : (i+1)*n]
	case []float64:
		out.Data = d[i*n : (i+1)*n]
	case []int64:
		out.Data = d[i*n : (i+1)*n]
	case []int32:
		out.Data = d[i*n : (i+1)*n]
	case []bool:
		out.Data = d[i*n : (i+1)*n]
	default:
		c.WrongKind(t)
	}
	return out
}

// stack joins tensors along their first axis.
func (c *Call) stack(parts []*Tensor) *Tensor {
	switch parts[0].Data.(type) {
	case []float32:
		return Join[float32](c, parts, 0)
	case []float64:
		return Join[float64](c, parts, 0)
	case []int64:
		return Join[int64](c, parts, 0)
	case []int32:
		return Join[int32](c, parts, 0)
	case []bool:
		return Join[bool](c, parts, 0)
	}
	c.WrongKind(parts[0])
	return nil
}
