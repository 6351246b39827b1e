"""Packs ONNX's own tests of single operators into nodes.tar.gz, as far as serin
has the operators: models with inputs and outputs, made by onnx.backend.test.

    pip install onnx==1.23.2 && python nodes.py

For each test: NAME/model.onnx, NAME/input_0.pb, ..., NAME/output_0.pb, ...
"""
import gzip
import io
import re
import tarfile
import warnings

import numpy as np
from onnx import numpy_helper
from onnx.backend.test.case.node import collect_testcases

warnings.filterwarnings("ignore")
names = set(re.findall(r'{"[^"]*", "(\w+)"}', open("../operators.go").read()))
kinds = {np.dtype(t) for t in ("f4", "f8", "i8", "i4", "?", "O")}


def usable(case):
    if case.model is None or case.model.functions or {n.op_type for n in case.model.graph.node} - names:
        return False
    values = [v for data in case.data_sets[0] for v in data]
    return all(isinstance(v, (np.ndarray, np.generic)) and (v.dtype in kinds or v.dtype.kind == "U") and v.size <= 400 for v in values)


def proto(value):
    value = np.asarray(value)
    return numpy_helper.from_array(value.astype(object) if value.dtype.kind == "U" else value).SerializeToString()


cases = [c for c in sorted(collect_testcases(None), key=lambda c: c.name) if usable(c)]
raw = io.BytesIO()
with tarfile.open(fileobj=raw, mode="w", format=tarfile.USTAR_FORMAT) as out:
    for case in cases:
        inputs, outputs = case.data_sets[0]
        case.model.graph.ClearField("value_info")
        files = {"model.onnx": case.model.SerializeToString()}
        files |= {f"input_{i}.pb": proto(v) for i, v in enumerate(inputs)}
        files |= {f"output_{i}.pb": proto(v) for i, v in enumerate(outputs)}
        for name, data in files.items():
            info = tarfile.TarInfo(f"{case.name}/{name}")
            info.size = len(data)
            out.addfile(info, io.BytesIO(data))
with open("nodes.tar.gz", "wb") as out:
    out.write(gzip.compress(raw.getvalue(), 9, mtime=0))
print(len(cases), "tests")
