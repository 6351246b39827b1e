"""Several models in one process: both tritonclients load and unload one while
another is asked.
"""

import expected
import tritonclient.grpc
import tritonclient.http
from tritonclient.utils import InferenceServerException


def goes_and_comes(kind, client, states, missing):
    """states reads the repository's index; missing is the word for what is not there."""

    def ask(name):
        t = kind.InferInput("features", list(expected.ROWS.shape), "FP64")
        t.set_data_from_numpy(expected.ROWS)
        return client.infer(name, [t])

    def answers(name, version):
        expected.close(ask(name).as_numpy("probabilities"), expected.probabilities(version, expected.ROWS), name)

    assert client.is_model_ready("churn") and client.is_model_ready("fraud")
    answers("churn", "model_v1")
    answers("fraud", "model_v2")
    client.unload_model("fraud")
    assert not client.is_model_ready("fraud") and states()["fraud"] == "UNAVAILABLE" and states()["churn"] == "READY", states()
    expected.refused(lambda: ask("fraud"), InferenceServerException, missing, "fraud")
    answers("churn", "model_v1")
    client.load_model("fraud")
    assert client.is_model_ready("fraud") and states()["fraud"] == "READY", states()
    answers("fraud", "model_v2")
    expected.refused(lambda: client.load_model("nothing"), InferenceServerException, "nothing")
    expected.refused(lambda: client.load_model("fraud", config="{}"), InferenceServerException, "config")


def check_over_http():
    with tritonclient.http.InferenceServerClient(expected.HTTP.removeprefix("http://")) as client:
        goes_and_comes(tritonclient.http, client, lambda: {m["name"]: m["state"] for m in client.get_model_repository_index()}, "[404]")


def check_over_grpc():
    with tritonclient.grpc.InferenceServerClient(expected.GRPC) as client:
        goes_and_comes(tritonclient.grpc, client, lambda: {m.name: m.state for m in client.get_model_repository_index().models}, "NOT_FOUND")


expected.main()
