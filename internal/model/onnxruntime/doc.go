// Package onnxruntime lets ONNX Runtime, a shared library that the operator
// names, compute a graph that serin cannot.
//
//	library path --Open--> Runtime --Load(bytes of a file)--> graph.Foreign: tensors in, tensors out
//
// The library is native code: it runs inside the process, on bytes that came
// from the file and on the values of requests. A mistake in it is a mistake of
// the server: it may crash it, take any memory, or worse. So nothing of this is
// there unless it is asked for twice: by the build tag onnxruntime, which needs
// cgo, and by naming the library when serin starts. Without the tag, Open is an
// error and the binary is pure Go.
//
// What may not happen here: a file that has not been parsed by model/graph and
// found without data outside itself (model/onnx sees to that); a library found
// by a search path; a text that C would cut short.
//
// Terms: a session is a model as the library has it. A value is one of its
// tensors, freed by hand.
package onnxruntime
