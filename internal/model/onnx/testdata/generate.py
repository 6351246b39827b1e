"""Makes the small models of this room's tests, and what ONNX Runtime answers.

    python -m venv v && v/bin/pip install skl2onnx==1.20.0 onnxruntime==1.23.2 'protobuf<6' scikit-learn==1.7.2 pandas
    v/bin/python generate.py

Each model is a file NAME.onnx and an entry of models.json: rows (null is a
missing value), the values and the label of each row. Rows are answered one at a
time, by one thread, so that sums are made in one order.
"""
import json
import warnings

import numpy as np
import onnx
import onnxruntime
import pandas as pd
from onnx import TensorProto, helper, numpy_helper
from skl2onnx import convert_sklearn, to_onnx
from skl2onnx.common.data_types import FloatTensorType, Int64TensorType, StringTensorType
from sklearn.compose import make_column_transformer
from sklearn.datasets import make_classification, make_regression
from sklearn.ensemble import (GradientBoostingClassifier, HistGradientBoostingClassifier, IsolationForest,
                              RandomForestRegressor)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVC

warnings.filterwarnings("ignore")
rng = np.random.default_rng(4)
X, y = make_classification(60, 4, random_state=0)
X3, y3 = make_classification(60, 4, n_informative=3, n_redundant=0, n_classes=3, random_state=1)
Xr, yr = make_regression(60, 4, n_targets=2, random_state=0)
X, X3, Xr = X.astype(np.float32), X3.astype(np.float32), Xr.astype(np.float32)
gaps = X.copy()
gaps[rng.random(gaps.shape) < 0.1] = np.nan
table = pd.DataFrame({
    "age": rng.normal(40, 9, 60).astype(np.float32), "visits": rng.integers(0, 5, 60),
    "city": rng.choice(["rome", "oslo", "bern"], 60).astype(object),
})
columns = [("age", FloatTensorType([None, 1])), ("visits", Int64TensorType([None, 1])), ("city", StringTensorType([None, 1]))]


def network():
    """The graph that torch.onnx.export makes of Linear, ReLU, Linear, Softmax."""
    weights = [rng.normal(size=s).astype(np.float32) for s in ((8, 4), (8,), (3, 8), (3,))]
    names = ["0.weight", "0.bias", "2.weight", "2.bias"]
    nodes = [
        helper.make_node("Gemm", ["x", "0.weight", "0.bias"], ["a"], alpha=1.0, beta=1.0, transB=1),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("Gemm", ["b", "2.weight", "2.bias"], ["c"], alpha=1.0, beta=1.0, transB=1),
        helper.make_node("Softmax", ["c"], ["y"], axis=1),
    ]
    g = helper.make_graph(nodes, "main_graph", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 4])],
                          [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 3])],
                          [numpy_helper.from_array(w, n) for w, n in zip(weights, names)])
    return helper.make_model(g, producer_name="onnx.helper", producer_version=onnx.__version__, ir_version=8,
                             opset_imports=[helper.make_opsetid("", 17)])


def small(nodes, shape, weights, width):
    g = helper.make_graph([helper.make_node(op, i.split(), o.split(), **a) for op, i, o, a in nodes], "small",
                          [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
                          [helper.make_tensor_value_info("y", TensorProto.FLOAT, [shape[0], width])],
                          [numpy_helper.from_array(np.array(w), n) for n, w in weights.items()])
    return helper.make_model(g, producer_name="onnx.helper", producer_version=onnx.__version__, ir_version=8, opset_imports=[helper.make_opsetid("", 13)])


def sigmoid():
    return small([("MatMul", "x w", "a", {}), ("Sigmoid", "a", "y", {})], ["batch", 4], {"w": rng.normal(size=(4, 1)).astype(np.float32)}, 1)


def one_row():
    """Exported without dynamic_axes: the graph says that there is one row."""
    return small([("Reshape", "x s", "a", {}), ("MatMul", "a w", "y", {})], [1, 4],
                 {"s": np.array([1, 4]), "w": rng.normal(size=(4, 2)).astype(np.float32)}, 2)


def mixing():
    """Rows minus the mean of all rows: alone, a row is zero."""
    return small([("ReduceMean", "x", "m", {"axes": [0]}), ("Sub", "x m", "a", {}), ("Add", "a x", "y", {})], ["batch", 4], {}, 4)


MODELS = {
    "logistic": (to_onnx(LogisticRegression().fit(X, np.array(["no", "yes"])[y]), X[:1]), X),
    "logistic3": (to_onnx(make_pipeline(StandardScaler(), LogisticRegression()).fit(X3, y3), X3[:1], options={"zipmap": False}), X3),
    "boosting": (to_onnx(GradientBoostingClassifier(n_estimators=3, max_depth=2).fit(X, y), X[:1]), X),
    "hist": (to_onnx(HistGradientBoostingClassifier(max_iter=3, max_depth=2).fit(gaps, y), X[:1]), gaps),
    "forest": (to_onnx(RandomForestRegressor(3, max_depth=3, random_state=0).fit(Xr, yr), Xr[:1]), Xr),
    "isolation": (to_onnx(IsolationForest(n_estimators=2, max_samples=8, random_state=0).fit(X), X[:1],
                          target_opset={"": 18, "ai.onnx.ml": 3}), X),
    "neighbours": (to_onnx(KNeighborsClassifier(3).fit(X3[:20], y3[:20]), X3[:1]), X3),
    "vectors": (to_onnx(SVC(probability=True, random_state=0).fit(X3[:30], y3[:30]), X3[:1], options={"zipmap": False}), X3),
    "bayes": (to_onnx(GaussianNB().fit(X, y), X[:1]), X),
    "network": (network(), X),
    "sigmoid": (sigmoid(), X),
    "one_row": (one_row(), X),
    "mixing": (mixing(), X),
    "perceptron": (to_onnx(MLPClassifier((5,), max_iter=50, random_state=0).fit(X, y), X[:1]), X),
    "imputed": (to_onnx(make_pipeline(SimpleImputer(), LogisticRegression()).fit(gaps, y), X[:1]), gaps),
    "columns": (convert_sklearn(make_pipeline(make_column_transformer(
        (StandardScaler(), ["age", "visits"]), (OneHotEncoder(handle_unknown="ignore"), ["city"])), LogisticRegression()).fit(table, y),
        initial_types=columns), table),
    "strict": (convert_sklearn(make_pipeline(make_column_transformer(
        (StandardScaler(), ["age", "visits"]), (OneHotEncoder(), ["city"])), LogisticRegression()).fit(table, y),
        initial_types=columns), table),
}


def answer(file, rows):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(file, options)
    inputs = session.get_inputs()
    for row in rows:
        if len(inputs) == 1:
            feeds = {inputs[0].name: np.array([[np.nan if v is None else v for v in row]], np.float32)}
        else:
            kinds = {"tensor(float)": np.float32, "tensor(int64)": np.int64, "tensor(string)": object}
            feeds = {i.name: np.array([[v]], kinds[i.type]) for i, v in zip(inputs, row)}
        values, label = None, None
        for out in session.run(None, feeds):
            if isinstance(out, list):
                values = [float(v) for v in out[0].values()]
            elif out.dtype.kind == "f":
                values = [float(v) for v in out.ravel()]
            else:
                label = out.ravel()[0] if out.dtype.kind in "OU" else int(out.ravel()[0])
        if label is None and len(values) == 1 and session.get_modelmeta().producer_name == "onnx.helper":  # a Sigmoid
            values, label = [1 - values[0], values[0]], int(values[0] > 0.5)
        yield {"row": row, "values": values, "label": label}


def main():
    book = {}
    for name, (graph, rows) in MODELS.items():
        file = graph.SerializeToString()
        with open(name + ".onnx", "wb") as out:
            out.write(file)
        rows = (rows.values if isinstance(rows, pd.DataFrame) else rows)[:20].tolist()
        rows = [[None if v != v else v for v in row] for row in rows]
        if len(rows[0]) == 4:
            rows.append([1e6, -1e6, 0.0, 3.0])
        if name == "columns":
            rows.append([30.0, 2, "paris"])
        book[name] = list(answer(file, rows))
    with open("models.json", "w") as out:
        out.write("{\n" + ",\n".join(f'"{name}": [\n' + ",\n".join(json.dumps(a) for a in answers) + "]" for name, answers in book.items()) + "\n}\n")


main()
