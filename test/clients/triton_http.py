"""NVIDIA's tritonclient over HTTP: JSON and binary tensors."""

import expected
import numpy as np
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

client = triton.InferenceServerClient(expected.HTTP.removeprefix("http://"))


def tensor(rows, name="features", binary=True):
    t = triton.InferInput(name, list(rows.shape), np_to_triton_dtype(rows.dtype))
    t.set_data_from_numpy(rows, binary_data=binary)
    return t


def check_health_and_metadata():
    assert client.is_server_live() and client.is_server_ready()
    assert client.is_model_ready("churn") and client.is_model_ready("churn", "model_v1")
    server = client.get_server_metadata()
    assert server["name"] == "serin" and "binary_tensor_data" in server["extensions"], server
    about = client.get_model_metadata("churn")
    assert about["name"] == "churn" and sorted(about["versions"]) == ["model_v1", "model_v2"], about
    assert about["inputs"] == [{"name": "features", "datatype": "FP64", "shape": [-1, 5]}], about
    assert [o["name"] for o in about["outputs"]] == ["probabilities", "prediction"], about
    index = client.get_model_repository_index()
    assert sorted((m["name"], m["version"], m["state"]) for m in index) == [("churn", "model_v1", "READY"), ("churn", "model_v2", "READY")], index


def check_datatypes_as_json_and_binary():
    for rows in (expected.ROWS, expected.ROWS.astype(np.float32), expected.WHOLE, expected.WHOLE.astype(np.int32), expected.WHOLE.astype(np.int8)):
        for binary_in in (True, False):
            for binary_out in (True, False):
                outputs = [triton.InferRequestedOutput("probabilities", binary_data=binary_out), triton.InferRequestedOutput("prediction", binary_data=binary_out)]
                r = client.infer("churn", [tensor(rows, binary=binary_in)], outputs=outputs, request_id="42")
                about = r.get_response()
                version = about["model_version"]
                assert about["id"] == "42" and about["model_name"] == "churn", about
                what = f"{rows.dtype}, binary in {binary_in}, out {binary_out}, {version}"
                expected.close(r.as_numpy("probabilities"), expected.probabilities(version, rows), what)
                expected.close(r.as_numpy("prediction"), expected.predictions(version, rows), what)


def check_outputs_by_name():
    r = client.infer("churn", [tensor(expected.ROWS)], outputs=[triton.InferRequestedOutput("prediction")])
    assert [o["name"] for o in r.get_response()["outputs"]] == ["prediction"]
    all_of_them = client.infer("churn", [tensor(expected.ROWS)])
    assert [o["name"] for o in all_of_them.get_response()["outputs"]] == ["probabilities", "prediction"]
    expected.refused(lambda: client.infer("churn", [tensor(expected.ROWS)], outputs=[triton.InferRequestedOutput("nothing")]), InferenceServerException, "nothing")


def check_versions():
    for version in ("model_v1", "model_v2"):
        r = client.infer("churn", [tensor(expected.ROWS)], model_version=version)
        assert r.get_response()["model_version"] == version
        expected.close(r.as_numpy("probabilities"), expected.probabilities(version, expected.ROWS), version)
    expected.refused(lambda: client.infer("churn", [tensor(expected.ROWS)], model_version="9"), InferenceServerException, "[404]", '"9"')


def check_both_arms_answer():
    seen = {client.infer("churn", [tensor(expected.ROWS)]).get_response()["model_version"] for _ in range(40)}
    assert seen == {"model_v1", "model_v2"}, seen


def check_errors():
    expected.refused(lambda: client.infer("other", [tensor(expected.ROWS)]), InferenceServerException, "[404]", '"other"')
    expected.refused(lambda: client.infer("churn", [tensor(expected.ROWS[:, :4])]), InferenceServerException, "[400]", "5")
    words = np.array([["a", "b", "c", "d", "e"]], dtype=np.object_)
    expected.refused(lambda: client.infer("churn", [tensor(words)]), InferenceServerException, "[400]", "FP64")
    assert not client.is_model_ready("other")


def check_many_requests_at_once():
    crowd = triton.InferenceServerClient(expected.HTTP.removeprefix("http://"), concurrency=8)
    for answer in [crowd.async_infer("churn", [tensor(expected.ROWS)]) for _ in range(64)]:
        r = answer.get_result()
        expected.close(r.as_numpy("probabilities"), expected.probabilities(r.get_response()["model_version"], expected.ROWS), "async")
    crowd.close()


expected.main()
client.close()
