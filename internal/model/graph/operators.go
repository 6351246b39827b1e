package graph

import (
	"math"

	"serin/internal/model/kernel"
)

// lookUp finds the implementation of an operator, nil where there is none. Scan
// stands apart because it looks up operators itself.
func (f *File) lookUp(o Name) func(*Call) {
	if o == (Name{"", "Scan"}) {
		return scan
	}
	if found := operators[o]; found != nil {
		return found
	}
	return f.more[o]
}

// operators are those of the standard domain, the one of ai.onnx.ml that only
// moves elements, and the distances that skl2onnx has as an option.
var operators = map[Name]func(*Call){
	{"", "Add"}:        arithmetic(pair{add[float32], add[float64], add[int64], add[int32]}),
	{"", "Sub"}:        arithmetic(pair{sub[float32], sub[float64], sub[int64], sub[int32]}),
	{"", "Mul"}:        arithmetic(pair{mul[float32], mul[float64], mul[int64], mul[int32]}),
	{"", "Div"}:        divide,
	{"", "Pow"}:        powers,
	{"", "Sum"}:        several(pair{f32: add[float32], f64: add[float64]}, false),
	{"", "Mean"}:       several(pair{f32: add[float32], f64: add[float64]}, true),
	{"", "Min"}:        several(pair{lower[float32], lower[float64], lower[int64], lower[int32]}, false),
	{"", "Max"}:        several(pair{higher[float32], higher[float64], higher[int64], higher[int32]}, false),
	{"", "Neg"}:        functionOf(func(x float64) float64 { return -x }, func(x int64) int64 { return -x }),
	{"", "Abs"}:        functionOf(math.Abs, absolute),
	{"", "Sign"}:       functionOf(sign, signOf),
	{"", "Sqrt"}:       function(math.Sqrt),
	{"", "Exp"}:        function(math.Exp),
	{"", "Log"}:        function(math.Log),
	{"", "Reciprocal"}: function(func(x float64) float64 { return 1 / x }),
	{"", "Floor"}:      function(math.Floor),
	{"", "Ceil"}:       function(math.Ceil),
	{"", "Round"}:      function(math.RoundToEven),
	{"", "Erf"}:        function(math.Erf),
	{"", "Sin"}:        function(math.Sin),
	{"", "Cos"}:        function(math.Cos),
	{"", "Tan"}:        function(math.Tan),
	{"", "Atan"}:       function(math.Atan),
	{"", "Clip"}:       clip,

	{"", "Relu"}:            inFloats(1, rectified[float32], rectified[float64]),
	{"", "LeakyRelu"}:       leakyRelu,
	{"", "PRelu"}:           arithmetic(pair{f32: leaning[float32], f64: leaning[float64]}),
	{"", "Elu"}:             elu,
	{"", "Celu"}:            celu,
	{"", "Mish"}:            function(func(x float64) float64 { return x * math.Tanh(softplus(x)) }),
	{"", "HardSwish"}:       function(func(x float64) float64 { return x * max(0, min(1, x/6+0.5)) }),
	{"", "ThresholdedRelu"}: thresholdedRelu,
	{"", "Selu"}:            selu,
	{"", "Gelu"}:            gelu,
	{"", "Sigmoid"}:         approximated(kernel.Logistic32, sigmoid),
	{"", "HardSigmoid"}:     hardSigmoid,
	{"", "Tanh"}:            approximated(kernel.Tanh32, math.Tanh),
	{"", "Softplus"}:        function(softplus),
	{"", "Softsign"}:        function(func(x float64) float64 { return x / (1 + math.Abs(x)) }),
	{"", "Softmax"}:         softmax(false),
	{"", "LogSoftmax"}:      softmax(true),

	{"", "MatMul"}:             inFloats(2, matrices[float32], matrices[float64]),
	{"com.microsoft", "CDist"}: inFloats(2, distant[float32], distant[float64]),
	{"", "Gemm"}:               inFloats(3, general[float32], general[float64]),
	{"", "BatchNormalization"}: batchNorm,
	{"", "LayerNormalization"}: layerNorm,
	{"", "Dropout"}:            dropout,

	{"", "Equal"}:          compare(same[float32], same[float64], same[int64], same[int32]),
	{"", "Less"}:           compare(less[float32], less[float64], less[int64], less[int32]),
	{"", "LessOrEqual"}:    compare(atMost[float32], atMost[float64], atMost[int64], atMost[int32]),
	{"", "Greater"}:        compare(more[float32], more[float64], more[int64], more[int32]),
	{"", "GreaterOrEqual"}: compare(atLeast[float32], atLeast[float64], atLeast[int64], atLeast[int32]),
	{"", "And"}:            logic(func(a, b bool) bool { return a && b }),
	{"", "Or"}:             logic(func(a, b bool) bool { return a || b }),
	{"", "Xor"}:            logic(func(a, b bool) bool { return a != b }),
	{"", "Not"}:            not,
	{"", "IsNaN"}:          isNaN,
	{"", "IsInf"}:          isInf,
	{"", "Where"}:          where,

	{"", "Identity"}:        identity,
	{"", "Cast"}:            cast,
	{"", "CastLike"}:        castLike,
	{"", "Constant"}:        constantNode,
	{"", "ConstantOfShape"}: constantOfShape,
	{"", "Shape"}:           shapeOf,
	{"", "Size"}:            sizeOfTensor,
	{"", "Reshape"}:         reshape,
	{"", "Flatten"}:         flatten,
	{"", "Squeeze"}:         squeeze,
	{"", "Unsqueeze"}:       unsqueeze,
	{"", "Transpose"}:       transpose,
	{"", "Expand"}:          expand,
	{"", "Tile"}:            tile,
	{"", "Slice"}:           slice,
	{"", "Split"}:           split,
	{"", "Concat"}:          concat,
	{"", "Gather"}:          lookUpRows,
	{"", "GatherElements"}:  gatherElements,
	{"", "GatherND"}:        gatherND,
	{"", "OneHot"}:          oneHot,

	{"ai.onnx.ml", "ArrayFeatureExtractor"}: extract,

	{"", "ReduceSum"}:       reducer(sums(asIs, whole, true)),
	{"", "ReduceMean"}:      reducer(sums(asIs, shared, false)),
	{"", "ReduceMax"}:       reducer(folding{0, asIs, higher[float64], whole, false}),
	{"", "ReduceMin"}:       reducer(folding{0, asIs, lower[float64], whole, false}),
	{"", "ReduceProd"}:      reducer(folding{1, asIs, mul[float64], whole, true}),
	{"", "ReduceL1"}:        reducer(sums(math.Abs, whole, true)),
	{"", "ReduceL2"}:        reducer(sums(squared, func(sum, _ float64) float64 { return math.Sqrt(sum) }, true)),
	{"", "ReduceSumSquare"}: reducer(sums(squared, whole, true)),
	{"", "ReduceLogSum"}:    reducer(sums(asIs, func(sum, _ float64) float64 { return math.Log(sum) }, true)),
	{"", "ReduceLogSumExp"}: logSumExp,
	{"", "ArgMax"}:          argBest(1),
	{"", "ArgMin"}:          argBest(-1),
	{"", "TopK"}:            topK,
	{"", "CumSum"}:          cumSum,
}
