// Package kernel is dense arithmetic: dot products, and rows of numbers times a
// matrix of weights, in float64 and float32. It takes numbers, answers numbers,
// and knows no model.
//
//	Dot       x . y
//	Distance  |x - y|^2
//	Dense     rows x weights^T + bias, as linear models, neural layers and kernels need it
//	Expit     1 / (1 + exp(-x)), number by number
//	Single, Unfused, Logistic32, Tanh32, Softmax32
//	          float32 as ONNX Runtime has it, to the bit (single.go says why)
//
// Two forms of the same loops stand side by side: assembly with AVX2 and FMA
// (kernel_amd64.s and its neighbours), used where the processor has both, and
// plain Go (plain.go, expit.go) for everything else. Where the processor also has
// AVX-512, whole eights of rows go through wide layers in kernel_wide_amd64.s, and
// layers behind a ReLU pass over the inputs that are 0 there, about half of them.
// All of them give the same bits, but for a zero's sign: they fuse each
// multiplication with its addition, and add in the same order. So does a row
// alone and a row in a batch. Answers therefore do not depend on the machine,
// nor on who else asked at that moment.
//
//	Dot: 16 running sums over blocks of 16,     Dense: a panel of 8 outputs (16 in float32),
//	added up pairwise at the end                4 rows at a time
//	                                                         k ->
//	                                              x: 4 rows  . . . .   one number of x,
//	                                              w: 8 wide  = = = =   8 weights, 8 sums
//
// What may not happen here: an allocation after NewDense; a read or write beyond
// the slices that were given. Lengths are the caller's word, checked when a
// model is loaded; slices that are too short panic before assembly sees them.
//
// Terms: a row is the numbers of one observation. A panel is as many outputs as
// fill 64 bytes, the weights of which lie side by side.
package kernel
