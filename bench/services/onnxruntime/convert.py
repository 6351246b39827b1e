"""Converts a scikit-learn model of numbers to ONNX.

    python convert.py model.joblib model.onnx
"""

import sys

import joblib
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType

model = joblib.load(sys.argv[1])
graph = to_onnx(model, initial_types=[("X", FloatTensorType([None, model.n_features_in_]))], options={"zipmap": False})
with open(sys.argv[2], "wb") as f:
    f.write(graph.SerializeToString())
