// Package format is the quay: bytes arrive, it tells what they are, and hands
// them to the reader that knows them.
//
//	first bytes --sniff--> kind --+--> its reader --> model.Predictor
//	                              |
//	                              +--> *model.Refusal: what this is, and what to do next
//
// A format is told from its bytes alone. A name says nothing that a rename could
// not change, and an upload may have none. What is no format of serin's is
// refused by what it is: a web page that a download left, a pointer of Git LFS,
// weights without a model, another framework's file, each with its next step.
//
// Describe tells what is inside a file: a tree of what was fitted, the names that
// a pickle mentions, the compression around it.
//
// What may not happen here: a file that is read in two ways. What Describe shows
// was parsed by the reader that serves, under the same allow-list.
//
// Terms: a kind is a format as its first bytes show it, with its reader or its
// refusal. The head is those first bytes.
package format
