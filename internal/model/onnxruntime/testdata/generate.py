"""Makes the small models of this room's tests, and what ONNX Runtime answers.

    python -m venv v && v/bin/pip install onnx==1.23.2 onnxruntime==1.32.0
    v/bin/python generate.py

Each model has an operator that serin does not have. It is a file NAME.onnx and
an entry of models.json: rows, and the values and the label of each.
"""
import json

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto as T
from onnx import helper

ML = "ai.onnx.ml"
random = np.random.default_rng(4)
models = {}


def value(name, kind, width):
    return helper.make_tensor_value_info(name, kind, [None] + width)


def linear(given):
    return helper.make_node("LinearClassifier", [given], ["label", "probabilities"], domain=ML, post_transform="SOFTMAX",
                            coefficients=[1.5, -0.5, 0.25, -1.0, 0.5, 0.75, 0.1, 0.2, -0.3], intercepts=[0.1, 0.0, -0.1],
                            classlabels_strings=["basic", "gold", "silver"])


LABELLED = [value("label", T.STRING, []), value("probabilities", T.FLOAT, [3])]


def model(name, nodes, inputs, outputs, constants, rows):
    graph = helper.make_graph(nodes, name, inputs, outputs, constants)
    m = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18), helper.make_opsetid(ML, 3)], ir_version=9,
                          producer_name="by hand")
    onnx.checker.check_model(m)
    onnx.save(m, name + ".onnx")
    session = onnxruntime.InferenceSession(name + ".onnx")
    types = {T.FLOAT: np.float32, T.INT64: np.int64, T.STRING: object, T.BOOL: bool, T.DOUBLE: np.float64}
    answers = []
    for row in rows:
        feed, at = {}, 0
        for i in inputs:
            width = i.type.tensor_type.shape.dim[1].dim_value
            feed[i.name] = np.array([row[at:at + width]], dtype=types[i.type.tensor_type.elem_type])
            at += width
        out = dict(zip([o.name for o in outputs], session.run(None, feed)))
        answers.append({"label": out["label"].item() if "label" in out else None,
                        "values": out[outputs[-1].name].reshape(-1).astype(float).tolist()})
    models[name] = {"rows": rows, "answers": answers}


def numbers(rows, columns):
    return np.round(random.normal(size=(rows, columns)) * 2, 3).tolist()


weights = helper.make_tensor("weights", T.FLOAT, [3, 3], [1.0, 0.5, -0.25, 0.75, -1.0, 0.5, 0.25, 0.125, 1.0])
model("classifier", [helper.make_node("Einsum", ["x", "weights"], ["sums"], equation="ij,jk->ik"), linear("sums")],
      [value("x", T.FLOAT, [3])], LABELLED, [weights], numbers(100, 3))

model("columns",
      [helper.make_node("LabelEncoder", ["plan"], ["coded"], domain=ML, keys_strings=["a", "b"], values_floats=[1.0, 2.0], default_float=-1.0),
       helper.make_node("Cast", ["visits"], ["counted"], to=T.FLOAT), helper.make_node("Cast", ["active"], ["true"], to=T.FLOAT),
       helper.make_node("Add", ["counted", "true"], ["both"]),
       helper.make_node("Concat", ["coded", "both", "tenure"], ["row"], axis=1),
       helper.make_node("Einsum", ["row", "weights"], ["sums"], equation="ij,jk->ik"), linear("sums")],
      [value("plan", T.STRING, [1]), value("visits", T.INT64, [1]), value("active", T.BOOL, [1]), value("tenure", T.FLOAT, [1])],
      LABELLED, [weights],
      [[str(random.choice(["a", "b", "c", "é"])), int(random.integers(0, 9)), bool(random.integers(0, 2)), v[0]] for v in numbers(80, 1)])

# A branch is taken for all rows together: serin must ask one row at a time.
branch = [helper.make_graph([helper.make_node(op, ["x"], ["y_" + op], **more)], op, [], [value("y_" + op, T.DOUBLE, [1])], const)
          for op, more, const in [("ReduceSum", {"keepdims": 1}, []), ("ReduceMax", {"keepdims": 1}, [])]]
for b in branch:
    b.node[0].input.append("axes")
model("branch",
      [helper.make_node("ReduceSum", ["x"], ["total"], keepdims=0), helper.make_node("Greater", ["total", "zero"], ["above"]),
       helper.make_node("If", ["above"], ["y"], then_branch=branch[0], else_branch=branch[1])],
      [value("x", T.DOUBLE, [2])], [value("y", T.DOUBLE, [1])],
      [helper.make_tensor("zero", T.DOUBLE, [], [0.0]), helper.make_tensor("axes", T.INT64, [1], [1])], numbers(70, 2))

# What must not reach the library, and what it does not take.
def refused(name, nodes, constants):
    graph = helper.make_graph(nodes, name, [value("x", T.FLOAT, [3])], [value("y", T.FLOAT, [3])], constants)
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid(ML, 3)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=9), f"refused/{name}.onnx")


outside = helper.make_tensor("outside", T.FLOAT, [3], np.zeros(3, np.float32).tobytes(), raw=True)
outside.ClearField("raw_data")
outside.data_location = T.EXTERNAL
outside.external_data.add(key="location", value="../models.json")
sums = helper.make_node("Einsum", ["x", "weights"], ["sums"], equation="ij,jk->ik")
refused("external", [sums, helper.make_node("Add", ["sums", "outside"], ["y"])], [weights, outside])
inner = [helper.make_graph([helper.make_node("Constant", [], ["c"], value=outside), helper.make_node("Add", ["x", "c"], ["z"])], "inner", [],
                           [value("z", T.FLOAT, [3])]) for _ in range(2)]
refused("hidden", [helper.make_node("If", ["yes"], ["y"], then_branch=inner[0], else_branch=inner[1])],
        [helper.make_tensor("yes", T.BOOL, [], [True])])
refused("zipmap", [sums, linear("sums"), helper.make_node("ZipMap", ["probabilities"], ["y"], domain=ML, classlabels_strings=["a", "b", "c"])], [weights])
refused("invalid", [helper.make_node("Nonesuch", ["x"], ["y"])], [])

with open("models.json", "w") as f:
    json.dump(models, f, ensure_ascii=False)
    f.write("\n")
