"""Makes operators.tar.gz: a graph around each operator of ai.onnx.ml in the forms
that exporters use and in some that they do not, and what ONNX Runtime answers.

    v/bin/python operators.py      (the environment of generate.py)

NAME.onnx is the graph, NAME.json a list of {"row", "values", "label"}.
"""
import gzip
import io
import json
import tarfile

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

F, D, I, S = TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.INT64, TensorProto.STRING
ROWS = 12
NAN = float("nan")
rng = np.random.default_rng(1)
PLAIN = [0, 1, 2, 3, -1, 0.5, 1.5, -2.3]
GAPS = [0, 1, 2, 3, -1, 0.5, 1.5, NAN]
WORDS = ["a", "b", "c"]
files = {}


def fitted(op, inputs, outputs, **attributes):
    return helper.make_node(op, inputs.split(), outputs.split(), domain="ai.onnx.ml", **attributes)


def ask(session, feeds):
    for row in range(ROWS):
        answer = {"row": [None if v != v else v for a in feeds.values() for v in a[row].tolist()], "values": None, "label": None}
        for out in session.run(None, {k: v[row:row + 1] for k, v in feeds.items()}):
            if out.dtype.kind == "f":
                answer["values"] = [None if v != v else v for v in out.ravel().tolist()]
            else:
                answer["label"] = out.ravel().tolist()[0]
        yield answer


def case(name, nodes, inputs=(("x", F, 3),), outputs=(("y", F),), choice=PLAIN, constants=(), ml=3):
    graph = helper.make_graph(
        nodes, "g", [helper.make_tensor_value_info(n, t, ["N", width]) for n, t, width in inputs],
        [helper.make_tensor_value_info(n, t, None) for n, t in outputs], [numpy_helper.from_array(np.array(v), n) for n, v in constants])
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", ml), helper.make_opsetid("com.microsoft", 1)]
    file = helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 4
    kinds = {F: np.float32, D: np.float64, I: np.int64, S: object}
    feeds = {n: rng.choice(choice, (ROWS, width)).astype(kinds[t]) for n, t, width in inputs}
    files[name + ".onnx"] = file
    files[name + ".json"] = json.dumps(list(ask(onnxruntime.InferenceSession(file, options), feeds))).encode()


def scaling():
    for norm in ("MAX", "L1", "L2"):
        case("normalizer-" + norm, [fitted("Normalizer", "x", "y", norm=norm)])
    case("binarizer", [fitted("Binarizer", "x", "y", threshold=0.25)])
    for kind, name in ((F, "float"), (D, "double"), (I, "int")):
        case("scaler-" + name, [fitted("Scaler", "x", "y", offset=[0.1, 0.2, 0.3], scale=[1.1, 2.2, 0.7])], [("x", kind, 3)])
    case("vectorizer", [fitted("FeatureVectorizer", "a b", "y", inputdimensions=[1, 1])], [("a", F, 1), ("b", F, 1)])
    case("imputer-nan", [fitted("Imputer", "x", "y", imputed_value_floats=[1.0, 2.0, 3.0], replaced_value_float=NAN)], choice=GAPS)
    case("imputer-one", [fitted("Imputer", "x", "y", imputed_value_floats=[9.0], replaced_value_float=1.0)], choice=GAPS)


def linear():
    both = (("l", I), ("p", F))
    case("linear-one", [fitted("LinearClassifier", "x", "l p", coefficients=[0.5, -0.3, 0.8], intercepts=[0.1], classlabels_ints=[3, 7])], outputs=both)
    for name in ("NONE", "LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO"):
        case("linear-three-" + name, [fitted("LinearClassifier", "x", "l p", coefficients=[0.5, -0.3, 0.8, 0.1, 0.2, 0.3, -0.5, 0.5, 1.0],
                                             intercepts=[0.1, 0.0, -0.1], classlabels_strings=WORDS, post_transform=name)], outputs=(("l", S), ("p", F)))
        case("linear-regressor-" + name, [fitted("LinearRegressor", "x", "y", coefficients=[0.5, -0.3, 0.8, 0.1, 0.2, 0.3], intercepts=[0.1, 0.0],
                                                 targets=2, post_transform=name)])
    vectors = [0.1, 0.2, 0.3, 0.5, -0.3, 1.0]
    for kernel, params in (("LINEAR", [0.0, 0.0, 0.0]), ("RBF", [0.3, 0.0, 0.0]), ("POLY", [0.5, 1.0, 2.0]), ("POLY", [0.5, 1.0, 3.0]), ("POLY", [0.5, 9.0, 1.5]), ("SIGMOID", [0.1, 0.2, 0.0])):
        name = "%s-%g" % (kernel, params[2])
        case("svm-regressor-" + name, [fitted("SVMRegressor", "x", "y", kernel_type=kernel, kernel_params=params, support_vectors=vectors,
                                              coefficients=[0.7, -0.4], n_supports=2, rho=[0.05])])
        case("svm-classifier-" + name, [fitted("SVMClassifier", "x", "l p", kernel_type=kernel, kernel_params=params, support_vectors=[*vectors, 1.0, 1.0, 0.0],
                                               coefficients=[0.7, -0.4, 0.2, 0.3, 0.1, -0.8], vectors_per_class=[1, 1, 1], rho=[0.05, -0.1, 0.2],
                                               prob_a=[-1.0, -2.0, -1.5], prob_b=[0.1, 0.0, -0.1], classlabels_ints=[1, 2, 4])], outputs=both)
    case("svm-linear", [fitted("SVMRegressor", "x", "y", kernel_type="LINEAR", kernel_params=[0.0, 0.0, 0.0], coefficients=[0.7, -0.4, 0.2], rho=[0.05])])


def trees():
    for mode in ("BRANCH_LEQ", "BRANCH_LT", "BRANCH_GT", "BRANCH_GTE", "BRANCH_EQ", "BRANCH_NEQ"):
        for tracks in (None, [1, 0, 1, 0, 0], [0, 1, 0, 0, 0]):
            lists = {} if tracks is None else {"nodes_missing_value_tracks_true": tracks}
            case("tree-%s-%s" % (mode, tracks[0] if tracks else "none"), [fitted(
                "TreeEnsembleRegressor", "x", "y", nodes_treeids=[0] * 5, nodes_nodeids=[0, 1, 2, 3, 4], nodes_featureids=[0, 0, 1, 0, 0],
                nodes_modes=[mode, "LEAF", mode, "LEAF", "LEAF"], nodes_values=[1.0, 0.0, 2.0, 0.0, 0.0], nodes_truenodeids=[1, 0, 3, 0, 0],
                nodes_falsenodeids=[2, 0, 4, 0, 0], target_treeids=[0] * 3, target_nodeids=[1, 3, 4], target_ids=[0] * 3, target_weights=[1.0, 2.0, 4.0],
                n_targets=1, **lists)], choice=GAPS)
    nodes = {"nodes_treeids": [0] * 3 + [1] * 3, "nodes_nodeids": [0, 1, 2] * 2, "nodes_featureids": [0, 0, 0, 1, 0, 0], "nodes_modes": ["BRANCH_LEQ", "LEAF", "LEAF"] * 2,
             "nodes_values": [0.1, 0.0, 0.0, 0.2, 0.0, 0.0], "nodes_truenodeids": [1, 0, 0] * 2, "nodes_falsenodeids": [2, 0, 0] * 2}
    weights = [1.0, 2.0, 3.0, 4.0, -5.0, 0.6, 0.7, 8.0]
    for change in ("NONE", "LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO"):
        for how in ("SUM", "AVERAGE"):
            case("ensemble-%s-%s" % (change, how), [fitted(
                "TreeEnsembleRegressor", "x", "y", base_values=[0.5, -0.25], aggregate_function=how, post_transform=change, n_targets=2,
                target_treeids=[0] * 4 + [1] * 4, target_nodeids=[1, 1, 2, 2] * 2, target_ids=[0, 1] * 4, target_weights=weights, **nodes)])
    for change in ("NONE", "LOGISTIC", "SOFTMAX"):
        for base in ([], [0.2]):
            more = {"base_values": base} if base else {}
            name = "%s-%d" % (change, len(base))
            for sign, own in (("positive", [0.1, 0.3, 0.4, 0.2]), ("mixed", [-0.5, 0.3, 0.4, -1.2])):
                if change != "SOFTMAX":
                    case("two-%s-%s" % (sign, name), [fitted("TreeEnsembleClassifier", "x", "l p", class_ids=[0] * 4, class_treeids=[0, 0, 1, 1], class_nodeids=[1, 2, 1, 2],
                                                             class_weights=own, classlabels_int64s=[5, 9], post_transform=change, **more, **nodes)], outputs=(("l", I), ("p", F)))
            more = {"base_values": [0.2, 0.1, -0.4]} if base else {}
            case("three-" + name, [fitted("TreeEnsembleClassifier", "x", "l p", class_ids=[0, 1, 2, 0, 1, 2, 2, 0], class_treeids=[0] * 4 + [1] * 4, class_nodeids=[1, 1, 2, 2] * 2,
                                          class_weights=weights, classlabels_strings=WORDS, post_transform=change, **more, **nodes)], outputs=(("l", S), ("p", F)))
    def tensor(values, kind=np.float32):
        return numpy_helper.from_array(np.array(values, dtype=kind))
    case("tree-five", [fitted("TreeEnsemble", "x", "y", n_targets=2, aggregate_function=1, post_transform=0, tree_roots=[0], nodes_modes=tensor([0, 6, 4], np.uint8),
                              nodes_featureids=[0, 0, 1], nodes_splits=tensor([3, 0, 1]), nodes_truenodeids=[1, 0, 1], nodes_trueleafs=[0, 1, 1], nodes_falsenodeids=[2, 2, 3],
                              nodes_falseleafs=[0, 1, 1], leaf_targetids=[0, 1, 0, 1], leaf_weights=tensor([5, 12, -12, 10]), membership_values=tensor([0, 1, NAN]))], choice=GAPS, ml=5)


def encoders():
    def encoder(name, kind, choice, ml=3, result=F, **attributes):
        nodes = [fitted("LabelEncoder", "x", "y" if result != I else "i", **attributes)]
        if result == I:
            nodes.append(helper.make_node("Cast", ["i"], ["y"], to=F))
        case("encoder-" + name, nodes, [("x", kind, 2)], (("y", F if result == I else result),), choice, ml=ml)

    encoder("ints", I, [0, 1, 2, 3], keys_int64s=[0, 1, 2], values_floats=[0.5, 1.5, 2.5], default_float=-1.0)
    for ml in (3, 4):
        encoder("nan-%d" % ml, F, GAPS, ml=ml, keys_floats=[0.0, 1.0, NAN], values_floats=[0.5, 1.5, 2.5], default_float=-1.0)
    encoder("texts", S, WORDS, result=I, keys_strings=["a", "b"], values_int64s=[4, 6], default_int64=-9)
    encoder("one", S, WORDS, ml=1, result=I, classes_strings=["a", "b"], default_int64=-9)
    encoder("tensors", D, PLAIN, ml=4, result=D, keys_tensor=numpy_helper.from_array(np.array([0.0, 1.0, 2.0])),
            values_tensor=numpy_helper.from_array(np.array([5.0, 6.0, 7.0])), default_tensor=numpy_helper.from_array(np.array([-3.0])))
    case("mapper", [fitted("CategoryMapper", "x", "i", cats_int64s=[4, 6], cats_strings=["a", "b"], default_int64=-9), helper.make_node("Cast", ["i"], ["y"], to=F)],
         [("x", S, 2)], choice=WORDS)
    for kind, name, choice in ((I, "ints", [0, 1, 2, 3]), (F, "floats", PLAIN)):
        case("hot-" + name, [fitted("OneHotEncoder", "x", "z", cats_int64s=[0, 2], zeros=1), helper.make_node("Flatten", ["z"], ["y"])], [("x", kind, 2)], choice=choice)
    numbers = [0.1, 1.0, 2.5, 1e10, 1e-5, 123456.789, 16777216.0, 1 / 3, -3.0, 1e20, 100000.0, NAN]
    written = ["0.1", "1", "2.5", "1e+10", "9.9999997e-06", "1e-05", "123456.79", "16777216", "0.33333334", "-3", "1e+20", "100000", "NaN"]
    for kind, name in ((F, "float"), (D, "double")):
        case("written-" + name, [helper.make_node("Cast", ["x"], ["s"], to=S),
                                 fitted("LabelEncoder", "s", "y", keys_strings=written, values_floats=[float(i) for i in range(len(written))], default_float=-7.0)],
             [("x", kind, 3)], choice=numbers)


def texts():
    case("words", [
        helper.make_node("Reshape", ["x", "shape"], ["f"]),
        helper.make_node("Tokenizer", ["f"], ["t"], domain="com.microsoft", mark=0, mincharnum=2, pad_value="#", tokenexp="[a-zA-Z0-9_]+"),
        helper.make_node("TfIdfVectorizer", ["t"], ["y"], mode="TFIDF", max_skip_count=1, min_gram_length=1, max_gram_length=2, ngram_counts=[0, 3],
                         ngram_indexes=[0, 1, 2, 3, 4], pool_strings=["cat", "the", "mat", "the", "cat", "cat", "mat"], weights=[1.0, 0.5, 2.0, 3.0, 4.0]),
    ], [("x", S, 1)], choice=["the cat sat on the mat", "cat cat mat", "", "a mat the cat the the"], constants=[("shape", np.array([-1]))])


for part in (scaling, linear, trees, encoders, texts):
    part()
raw = io.BytesIO()
with tarfile.open(fileobj=raw, mode="w", format=tarfile.USTAR_FORMAT) as out:
    for name in sorted(files):
        info = tarfile.TarInfo(name)
        info.size = len(files[name])
        out.addfile(info, io.BytesIO(files[name]))
with open("operators.tar.gz", "wb") as out:
    out.write(gzip.compress(raw.getvalue(), 9, mtime=0))
print(len(files) // 2, "graphs")
