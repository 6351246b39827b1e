"""What a generator of clients asks of /openapi.json: that it is OpenAPI 3.1, that its
examples are what it says a body is, and that answers are what it says they are."""

import json
import urllib.error
import urllib.request

import expected
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate


def ask(method, path, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(expected.HTTP + path, data, {"Content-Type": "application/json"}, method=method)
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, answer.headers.get_content_type(), json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, error.headers.get_content_type(), json.load(error)


DOCUMENT = ask("GET", "/openapi.json")[2]


def fits(schema, value):
    """Raises where a value is not as its schema says, which may refer to the components."""
    Draft202012Validator({"components": DOCUMENT["components"], "allOf": [schema]}).validate(value)


def check_document():
    validate(DOCUMENT)


def check_examples():
    found = 0
    for item in DOCUMENT["paths"].values():
        body = item.get("post", {}).get("requestBody", {}).get("content", {}).get("application/json", {})
        for example in body.get("examples", {}).values():
            fits(body["schema"], example["value"])
            found += 1
    assert found >= 8, found


def check_answers():
    row = {"features": [0.5, 1.2, 0.8, 0.3, 1.1]}
    for method, path, body, status in [
        ("POST", "/predict", row, 200),
        ("POST", "/predict", {"features": [1]}, 422),
        ("POST", "/v1/models/churn:predict", {"instances": [row["features"]]}, 200),
        ("GET", "/admin/state", None, 200),
        ("GET", "/admin/models", None, 200),
        ("GET", "/admin/rollouts", None, 200),
        ("GET", "/admin/check-canary-health", None, 200),
        ("GET", "/gate/verdict", None, 200),
        ("GET", "/admin/models/nobody/state", None, 404),
        ("POST", "/admin/deploy-canary", {"model_path": "models/nothing.joblib"}, 409),
    ]:
        named = path.replace("/models/churn:", "/models/{model}:").replace("/models/nobody/", "/models/{model}/")
        responses = DOCUMENT["paths"][named][method.lower()]["responses"]
        got, media, answer = ask(method, path, body)
        assert got == status, (path, got, answer)
        response = responses.get(str(got), responses.get("default"))
        fits(response["content"][media]["schema"], answer)


expected.main()
