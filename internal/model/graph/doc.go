// Package graph computes ONNX graphs: it reads the protobuf of a file from
// anybody, and makes of its nodes a flat list of steps on buffers of known
// shapes. What the nodes of a fitted estimator mean, and which output is the
// answer, is the business of the room that calls it.
//
//	bytes --wire.go, file.go--> File --Plan(rows)--> Plan --Run--> Outputs
//	        budgets, no copies   nodes  operators.go   steps
//	                                    shapes, types,
//	                                    constants folded
//
// A plan is for a fixed number of rows, so that every shape is a number while it
// is built. What depends on constants alone, shapes among them, is computed at
// once. Operators that only move elements become a table of places (moves.go);
// those that work along axes see runs of neighbours (rows.go, reduce.go); a Scan is
// unrolled (scan.go). At run time nothing is checked but what only a row can
// tell: an index, a divisor, a number written as text.
//
// The arithmetic is that of the element type. In float32 it is ONNX Runtime's for a
// row alone on x86-64: the same order of sums, the same approximations of Sigmoid,
// Tanh and Softmax, rounded at the same places (model/kernel, reduce.go); other
// functions are the exact ones, rounded once.
//
// What may not happen here, whatever the bytes are: a panic that leaves Try; an
// allocation whose size comes from a number in the file and not from its bytes,
// beyond the budgets of wire.go and build.go; a file of its own for weights
// (external data); an attribute or a field that is passed over because it is not
// known; a run that costs more than its budget, allocates, or never ends.
//
// Terms: a refusal is a panic from the depth up to Try, and nowhere else (see
// Refuse). A call is one node while the plan is built. A fixed tensor is a
// constant. A port is an input or output of the graph.
package graph
