// Package oip is the interpreter: the tensors of the Open Inference Protocol
// (KServe's and Triton's "V2") to rows, and answers back to tensors. It speaks
// to no network; HTTP and gRPC hand it what they have read.
//
//	JSON body ────────────┐  Request            Batch  Outputs ┌─> JSON body
//	JSON + binary tensors ┼─> tensors ─Contract─> rows ─ ... ──┼─> JSON + binary tensors
//	gRPC message ─────────┘                                    └─> gRPC message
//
// A tensor has a name, a datatype, a shape, and values in row-major order. What
// the rows of a model are made of, its metadata say (Metadata):
//
//   - A model whose features are all numbers takes one tensor, "features", of
//     shape [rows, features].
//   - Any other takes a tensor for each feature, of shape [rows, 1], by the name
//     of the feature. The first kind of model takes that, too, if it knows names.
//
// Datatypes may be any that hold the values: an INT32 is as good a number as an
// FP64, a BYTES is a text, a BOOL a bool or a number. A NaN of a floating-point
// tensor, or a null in JSON, is a missing value.
//
// What may not happen here: an allocation whose size is only claimed (a shape
// counts for nothing until there are values for it), a value that is guessed, a
// panic.
//
// Terms are the protocol's: tensor, datatype, shape, contents, parameters,
// binary tensor data extension.
package oip
