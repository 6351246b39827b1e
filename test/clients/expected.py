"""What scikit-learn itself answers, for the clients' answers to be held against.

Every script here is run as: python SCRIPT http://HOST:PORT HOST:PORT FOLDER
(serin's HTTP, its gRPC, the folder with models/). Its functions whose names
begin with check_ are the checks; each prints "ok NAME", the first that fails
ends the script.
"""

import inspect
import os
import sys
import time
import warnings

import joblib
import numpy as np

HTTP, GRPC, FOLDER = sys.argv[1:4]

ROWS = np.array([[0.5, 1.2, 0.8, 0.3, 1.1], [1, 2, 3, 4, 5], [-2, 0.25, 0, -0.5, 1], [0, 0, 0, 0, 0]], dtype=np.float64)
WHOLE = np.array([[1, 2, 3, 4, 5], [0, -1, 2, 0, 1]], dtype=np.int64)


def model(name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the examples say that an older scikit-learn wrote them
        return joblib.load(os.path.join(FOLDER, "models", name + ".joblib"))


MODELS = {name: model(name) for name in ("model_v1", "model_v2")}


def features():
    """The names of the model's features."""
    return [str(name) for name in MODELS["model_v1"].feature_names_in_]


def probabilities(version, rows):
    """What the version answers, for plain rows."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it knows names, and the rows have none
        return MODELS[version].predict_proba(np.asarray(rows, dtype=np.float64))


def predictions(version, rows):
    return probabilities(version, rows).argmax(axis=1)


def close(got, want, what):
    got, want = np.asarray(got, dtype=np.float64), np.asarray(want, dtype=np.float64)
    assert got.shape == want.shape, f"{what}: shape {got.shape}, want {want.shape}"
    assert np.allclose(got, want, rtol=1e-12, atol=0), f"{what}: {got}, want {want}"


def of_one_version(got, rows, what):
    """The classes of one version for all rows, where the answer does not say whose."""
    possible = [list(predictions(version, rows)) for version in MODELS]
    assert list(got) in possible, f"{what}: {got}, want one of {possible}"


def refused(call, kind, *words):
    """What call raises must be of that kind and say these words."""
    try:
        answer = call()
    except kind as error:
        for word in words:
            assert word in str(error), f"{error!r} does not say {word!r}"
        return error
    raise AssertionError(f"was answered, and should have been refused with {words}: {answer}")


def main():
    began = time.monotonic()
    checks = {name: f for name, f in inspect.getmembers(sys.modules["__main__"], inspect.isfunction) if name.startswith("check_")}
    for name, check in checks.items():
        check()
        print("ok", name)
    assert checks, "no checks"
    print(f"{len(checks)} checks in {time.monotonic() - began:.1f} s")
