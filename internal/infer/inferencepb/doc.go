// Package inferencepb is the Open Inference Protocol's messages and service over
// gRPC, generated from inference.proto by `make proto`. Nothing in it is ours but
// the comments of that file.
//
// What may not happen here: a change of a name, a number or a type. Clients are
// compiled against them.
//
// Terms are the protocol's; the room infer/oip explains them.
package inferencepb
