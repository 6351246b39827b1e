"""A model of texts and numbers: BYTES and named tensors through both clients.

`python words.py fit FILE` writes the model; the checks want a server of it.
"""

import sys

import joblib
import numpy as np
import pandas as pd

FRAME = pd.DataFrame({"plan": ["gold", "silver", "gold", "grün 🙂", "silver", "grün 🙂"], "months": [1.0, 20.0, 3.5, 40.0, 50.0, 6.0]})


def fit(file):
    from sklearn.compose import ColumnTransformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    columns = ColumnTransformer([("plan", OneHotEncoder(), ["plan"])], remainder="passthrough")
    joblib.dump(make_pipeline(columns, LogisticRegression()).fit(FRAME, ["stays", "goes", "stays", "goes", "goes", "stays"]), file)


if sys.argv[1] == "fit":
    fit(sys.argv[2])
    sys.exit()

import expected
import tritonclient.grpc
import tritonclient.http

words = joblib.load(expected.FOLDER + "/words.joblib")


def ask(kind, client, **how):
    inputs = [kind.InferInput("plan", [len(FRAME), 1], "BYTES"), kind.InferInput("months", [len(FRAME), 1], "FP64")]
    inputs[0].set_data_from_numpy(np.array([[p.encode()] for p in FRAME["plan"]], dtype=np.object_), **how)
    inputs[1].set_data_from_numpy(FRAME[["months"]].to_numpy(), **how)
    return client.infer("churn", inputs)


def holds(answer, what):
    got = [p.decode() for p in answer.as_numpy("prediction").reshape(-1)]
    assert got == list(words.predict(FRAME)), (what, got)
    probabilities, want = answer.as_numpy("probabilities"), words.predict_proba(FRAME)
    assert np.allclose(probabilities, want, rtol=1e-9, atol=0), (what, probabilities, want)


def check_bytes_over_http():
    with tritonclient.http.InferenceServerClient(expected.HTTP.removeprefix("http://")) as client:
        about = client.get_model_metadata("churn")
        assert {i["name"]: i["datatype"] for i in about["inputs"]} == {"plan": "BYTES", "months": "FP64"}, about
        for binary in (True, False):
            holds(ask(tritonclient.http, client, binary_data=binary), f"http, binary {binary}")


def check_bytes_over_grpc():
    with tritonclient.grpc.InferenceServerClient(expected.GRPC) as client:
        holds(ask(tritonclient.grpc, client), "grpc")


expected.main()
