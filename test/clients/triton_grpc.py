"""NVIDIA's tritonclient over gRPC."""

import expected
import numpy as np
import tritonclient.grpc as triton
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

client = triton.InferenceServerClient(expected.GRPC)


def tensor(rows, name="features"):
    t = triton.InferInput(name, list(rows.shape), np_to_triton_dtype(rows.dtype))
    t.set_data_from_numpy(rows)
    return t


def check_health_and_metadata():
    assert client.is_server_live() and client.is_server_ready() and client.is_model_ready("churn")
    assert client.get_server_metadata().name == "serin"
    about = client.get_model_metadata("churn")
    assert sorted(about.versions) == ["model_v1", "model_v2"], about
    assert [(i.name, i.datatype, list(i.shape)) for i in about.inputs] == [("features", "FP64", [-1, 5])], about
    index = client.get_model_repository_index()
    assert sorted((m.version, m.state) for m in index.models) == [("model_v1", "READY"), ("model_v2", "READY")], index


def check_datatypes():
    for rows in (expected.ROWS, expected.ROWS.astype(np.float32), expected.WHOLE, expected.WHOLE.astype(np.int32)):
        r = client.infer("churn", [tensor(rows)], request_id="42")
        about = r.get_response()
        assert about.id == "42" and about.model_name == "churn", about
        what = f"{rows.dtype}, {about.model_version}"
        expected.close(r.as_numpy("probabilities"), expected.probabilities(about.model_version, rows), what)
        expected.close(r.as_numpy("prediction"), expected.predictions(about.model_version, rows), what)


def check_outputs_and_versions():
    for version in ("model_v1", "model_v2"):
        r = client.infer("churn", [tensor(expected.ROWS)], model_version=version, outputs=[triton.InferRequestedOutput("probabilities")])
        assert r.get_response().model_version == version and len(r.get_response().outputs) == 1
        expected.close(r.as_numpy("probabilities"), expected.probabilities(version, expected.ROWS), version)


def check_both_arms_answer():
    seen = {client.infer("churn", [tensor(expected.ROWS)]).get_response().model_version for _ in range(40)}
    assert seen == {"model_v1", "model_v2"}, seen


def check_errors():
    expected.refused(lambda: client.infer("other", [tensor(expected.ROWS)]), InferenceServerException, "NOT_FOUND", '"other"')
    expected.refused(lambda: client.infer("churn", [tensor(expected.ROWS)], model_version="9"), InferenceServerException, "NOT_FOUND", '"9"')
    expected.refused(lambda: client.infer("churn", [tensor(expected.ROWS[:, :4])]), InferenceServerException, "INVALID_ARGUMENT", "5")


expected.main()
client.close()
