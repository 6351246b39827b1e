// Package pickle is the customs office: it reads what Python's pickle and
// joblib wrote, from anybody, and hands on inert values. It runs nothing.
//
// A pickle is a program for a small stack machine, and Python's own reader lets
// that program import any module and call any function. This machine has the
// same opcodes and the same stack, but its two dangerous moves are blunted:
//
//   - A name (GLOBAL, STACK_GLOBAL, INST) is looked up in an allow-list of exact
//     (module, name) pairs. The caller hands over the classes it can read; the
//     package itself knows the handful of names that numpy, joblib and Python's
//     containers need (customs.go). Any other name is refused, by name.
//   - A call (REDUCE, NEWOBJ, BUILD, ...) of a known name builds plain data that
//     this package defines: an Array, a Dict, or an Object that records which
//     class it claims to be, its arguments and its state. No method is looked up.
//
// The layers, each in files of its own:
//
//	file ── container.go ──> pickle bytes ── source.go ──> opcodes ── machine.go ──> Value
//	        zlib gzip bz2      counted, framed,            stack, memo,   |
//	        xz lzma lz4        never read ahead            budgets        └─ walk.go: no cycles,
//	                                                                        bounded depth and size
//
// joblib writes an array as a NumpyArrayWrapper followed by the raw elements in
// the middle of the pickle stream; joblib.go reads both. An array of Python
// objects is a second, nested pickle, read by the same machine under the same
// allow-list and the same budgets.
//
// What may not happen here, whatever the bytes are: a panic; a call; an
// allocation whose size comes from a number in the file (memory grows as bytes
// arrive; the one exception, the window of an xz or lzma stream, is capped at
// 64 MiB); a value that contains itself; a walk over the result that takes more
// steps than Options.MaxObjects. Bytes after the end, a wrong checksum, a cut
// file and an unknown opcode are refusals: a file is taken whole or not at all.
//
// What was read may still be a bad model. Whether the numbers make sense is the
// caller's question.
//
// Terms: a refusal is an *Error, about the content of the file. Trouble with
// the reader itself (a disk, a network) comes back as the reader's own error,
// wrapped. The container is the compression around a pickle. A global is a
// (module, name) pair.
package pickle
