"""Writes arrays of records in every form that numpy and joblib give them.

usage: python internal/pickle/testdata/records.py    (numpy 2.5.5, joblib 1.6.0)
"""

import os
import pickle

import joblib
import numpy as np

here = os.path.dirname(os.path.abspath(__file__))

# Like the nodes of a tree: a gap before and padding after the fields, one
# unaligned, one in the other byte order.
nodes = np.dtype({
    "names": ["left", "feature", "threshold", "missing"],
    "formats": ["<i8", "<u4", ">f8", "u1"],
    "offsets": [0, 8, 13, 21],
    "itemsize": 24,
})
c = np.zeros((2, 3), nodes)
c["left"] = np.arange(6).reshape(2, 3) - 1
c["feature"] = np.arange(6).reshape(2, 3) * 7
c["threshold"] = np.arange(6).reshape(2, 3) / 4
c["missing"] = np.arange(6).reshape(2, 3) % 2

aligned = np.zeros(2, np.dtype([("flag", "?"), ("x", "<f4")], align=True))
aligned["flag"] = [True, False]
aligned["x"] = [1.5, -2]

value = {"c": c, "f": np.asfortranarray(c), "empty": c[:0], "aligned": aligned}
for protocol in (0, 2, 5):
    with open(f"{here}/records-protocol{protocol}.pkl", "wb") as f:
        pickle.dump(value, f, protocol)
joblib.dump(value, f"{here}/records.joblib")
