"""MLflow's own client of its scoring server, and the bodies that it documents."""

import json
import urllib.parse

import expected
import numpy as np
import pandas as pd
import requests
from mlflow.pyfunc.scoring_server.client import ScoringServerClient

address = urllib.parse.urlparse(expected.HTTP)
client = ScoringServerClient(address.hostname, address.port)
frame = pd.DataFrame(expected.ROWS, columns=expected.features())


def post(body, content_type="application/json"):
    return requests.post(expected.HTTP + "/invocations", data=body, headers={"Content-Type": content_type}, timeout=30)


def check_ping_and_version():
    client.ping()
    assert client.get_version()


def check_what_the_client_sends():
    for data in (frame, frame[list(reversed(frame.columns))], expected.ROWS):
        answer = client.invoke(data)
        expected.of_one_version(answer["predictions"], expected.ROWS, type(data).__name__)
    assert list(client.invoke(frame).get_predictions().iloc[:, 0]) in [list(expected.predictions(v, expected.ROWS)) for v in expected.MODELS]


def check_documented_bodies():
    columns = {name: frame[name].tolist() for name in frame.columns}
    for body in (
        {"dataframe_split": frame.to_dict(orient="split")},
        {"dataframe_split": {"columns": list(frame.columns), "data": frame.values.tolist()}},
        {"dataframe_records": frame.to_dict(orient="records")},
        {"instances": frame.to_dict(orient="records")},
        {"instances": frame.values.tolist(), "params": {}},
        {"inputs": frame.values.tolist()},
        {"inputs": columns},
    ):
        answer = post(json.dumps(body))
        assert answer.status_code == 200, (body, answer.text)
        expected.of_one_version(answer.json()["predictions"], expected.ROWS, next(iter(body)))
    answer = post(frame.to_csv(index=False), "text/csv")
    assert answer.status_code == 200, answer.text
    expected.of_one_version(answer.json()["predictions"], expected.ROWS, "csv")


def check_errors():
    for body, content_type, status in (("{", "application/json", 400), ('{"inputs": [[1, 2]]}', "application/json", 400), ("a", "text/plain", 415)):
        answer = post(body, content_type)
        assert answer.status_code == status and set(answer.json()) == {"error_code", "message"}, answer.text
    expected.refused(lambda: client.invoke(np.zeros((1, 3))), Exception, "error code 400")


expected.main()
