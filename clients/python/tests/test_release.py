"""A canary's life from Python, against the real server."""

from __future__ import annotations

import datetime
import json
import pathlib
import subprocess
import sys
from typing import Any, Callable

import joblib
import numpy as np
import pytest
from conftest import Case, Serve
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import serin


def refit(case: Case, C: float) -> Any:
    return make_pipeline(StandardScaler(), LogisticRegression(C=C)).fit(case.X, case.y)


def test_an_object_becomes_a_canary_and_stable(
    connect: Callable[..., Any], serve: Serve, cases: dict[str, Case]
) -> None:
    case = cases["numbers"]
    model = refit(case, 0.3)
    c = connect(serve("--model", f"numbers={case.path}"), actor="Ada Lovelace ♥")
    change = c.deploy(
        model,
        weight="40%",
        duration=datetime.timedelta(minutes=90),
        policy={"min_samples": 7, "on_alarm": "rollback"},
        golden=case.X[:50],
        reason="a better C",
    )
    assert change.version.startswith("Pipeline-") and change.phase == "canary"
    assert "40% of the requests for 1h30m0s" in change.message and "reproduced, 50 in all" in change.message
    assert c.verdict().health["min_samples"] == 7
    seen = {}
    for at in range(60):
        p = c.predict_proba(case.X[at : at + 1])
        seen[p.model_used] = p.model_version
        if p.model_used == "canary":
            np.testing.assert_allclose(p, model.predict_proba(case.X[at : at + 1]), rtol=0, atol=1e-12)
    assert seen == {"stable": "numbers", "canary": change.version}
    assert "25% of the requests" in c.weight("25%", "looks well").message
    with pytest.raises(serin.Refused, match="reason") as caught:
        c.promote(force=True)
    assert caught.value.code == "reason_missing" and caught.value.status == 422
    change = c.promote(force=True, reason="tried elsewhere")
    assert change.stable["name"] == change.version and change.phase == "idle"
    assert c.state()["last"]["actor"] == "Ada Lovelace ?"
    assert c.wait(10).ended and "tried elsewhere" in repr(c.verdict())


def test_a_file_becomes_a_canary(
    client: Callable[[str], Any], cases: dict[str, Case], tmp_path: pathlib.Path, binary: str
) -> None:
    case, c = cases["mixed"], client("mixed")
    path = tmp_path / "tuned.joblib"
    joblib.dump(case.model, path)
    assert c.deploy(path).version == "tuned"
    assert c.rollback("a try").message == "canary tuned is rolled back; mixed answers every request"
    for model, name in ((path, "v1.2"), (path, "v1.2.joblib"), (case.model, "v1.2")):
        assert c.deploy(model, name).version == "v1.2"
        c.rollback()
    beside = serin.export_check(case.model, case.X[:30], path)
    assert beside == f"{path}.golden.jsonl" and len(pathlib.Path(beside).read_text().splitlines()) == 30
    subprocess.run([binary, "predict", str(path), "--check", beside], check=True, stdout=subprocess.DEVNULL)
    change = c.deploy(str(path), name="renamed")
    assert change.version == "renamed" and change.rollout["canary"]["golden_rows"] == 30
    c.rollback()
    elsewhere = tmp_path / "elsewhere.jsonl"
    pathlib.Path(beside).rename(elsewhere)
    assert c.deploy(path, golden=elsewhere).rollout["canary"]["golden_rows"] == 30


@pytest.mark.parametrize(
    "name", ["numbers", "unnamed", "mixed", "classes", "missing", "several", "scores", "scores3", "texts"]
)
def test_golden_predictions_are_reproduced(name: str, client: Callable[[str], Any], cases: dict[str, Case]) -> None:
    change = client(name).deploy(cases[name].model, golden=cases[name].X[:40])
    assert change.rollout["canary"]["golden_rows"] == 40


def test_a_model_that_answers_something_else_is_refused(
    client: Callable[[str], Any], cases: dict[str, Case], tmp_path: pathlib.Path
) -> None:
    case, c = cases["numbers"], client("numbers")
    path = tmp_path / "model.joblib"
    joblib.dump(refit(case, 0.1), path)
    serin.golden(refit(case, 0.2), case.X[:20], path)
    before = c.state()["generation"]
    with pytest.raises(serin.Refused, match=r"golden predictions, line 1: probabilities\[0\] is .* and should be"):
        c.deploy(path)
    assert c.state()["rollout"] is None and c.predict(case.X[:2]).model_version == "numbers"
    assert c.state()["generation"] >= before


def test_what_is_refused(client: Callable[[str], Any], cases: dict[str, Case], tmp_path: pathlib.Path) -> None:
    case, c = cases["numbers"], client("numbers")
    for call, error, code, message in (
        (lambda: c.deploy(tmp_path / "no.joblib"), serin.InvalidInput, "file_not_found", "cannot be opened: No such file"),
        (lambda: c.deploy(case.path, golden=case.X), serin.InvalidInput, "", r"serin.golden\(model, X, path\)"),
        (lambda: c.deploy(case.model, golden=case.X[:0]), serin.InvalidInput, "", "rows"),
        (lambda: c.deploy(LogisticRegression()), serin.Refused, "model_refused", "fitted"),
        (lambda: c.deploy(cases["classes"].model), serin.Refused, "model_incompatible", "cannot stand in for"),
        (lambda: c.deploy(case.model, weight=2), serin.InvalidInput, "invalid_request", "weight"),
        (lambda: c.deploy(case.model, weight="much"), serin.InvalidInput, "", "'much' is no share"),
        (lambda: c.deploy(case.model, policy={"at_end": "party"}), serin.InvalidInput, "invalid_request", "at_end"),
        (lambda: c.rollback(), serin.Refused, "no_canary", r"client.deploy\(model\)"),
        (lambda: c.promote(), serin.Refused, "no_canary", "no canary"),
    ):
        with pytest.raises(error, match=message) as caught:
            call()
        assert caught.value.code == code
    c.deploy(case.model)
    with pytest.raises(serin.Refused, match=r"client.rollback\(\)") as caught:
        c.deploy(case.model)
    assert caught.value.code == "canary_active" and caught.value.status == 409 and caught.value.next
    large = tmp_path / "large.joblib"
    large.write_bytes(bytes(20_000_000))
    with pytest.raises(serin.Refused) as caught:  # before all of it was sent
        c.deploy(large)
    assert caught.value.code == "canary_active"
    with pytest.raises(serin.Refused) as caught:
        c.promote()
    assert caught.value.code == "evidence_insufficient"


def test_a_drill_raises_an_alert(
    client: Callable[[str], Any], connect: Callable[..., Any], cases: dict[str, Case]
) -> None:
    case, c = cases["numbers"], client("numbers")
    assert c.check().ended and c.slowdown(False) is False
    c.deploy(case.model, "slow", weight=0.5)
    with pytest.raises(serin.TimedOut, match="no verdict after 0.1 s") as caught:
        c.wait(0.1)
    assert caught.value.verdict.status == "insufficient_data"
    assert c.slowdown() is True and c.slowdown(True) is True
    for at in range(40):
        c.predict(case.X[at : at + 1])
    looked = c.check()
    assert looked.alert and looked.status == "alert" and looked.decided and looked["look"] >= 1
    verdict = c.wait(10, poll=0.05)
    assert verdict.alert and verdict["drilled"] and c.verdict()["look"] == looked["look"]
    with pytest.raises(serin.Refused) as caught:
        c.promote()
    assert caught.value.code == "canary_unhealthy" and "client.rollback()" in str(caught.value)
    c.weight(1.0)
    with pytest.raises(serin.SerinError, match="in time|deadline"):  # a drill adds 20 ms
        connect(c.url, timeout=0.01).predict(case.X[:1])
    assert c.slowdown(False) is False


def test_golden_lines(cases: dict[str, Case], tmp_path: pathlib.Path) -> None:
    path = serin.golden(cases["mixed"].model, cases["mixed"].X[:20], tmp_path / "m")
    lines = [json.loads(line) for line in pathlib.Path(path).read_text().splitlines()]
    assert set(lines[0]) == {"features", "probabilities", "prediction"}
    assert list(lines[0]["features"]) == list(cases["mixed"].X.columns)
    assert any(v is None for line in lines for v in line["features"].values())
    path = serin.golden(cases["scores"].model, cases["scores"].X[:2], tmp_path / "m")
    assert set(json.loads(pathlib.Path(path).read_text().splitlines()[0])) == {"features", "score", "prediction"}


class Parrot:
    """Answers what it is told, to whatever."""

    def __init__(self, answer: float) -> None:
        self.answer = answer

    def predict(self, X: Any) -> Any:
        return [self.answer for _ in X]


def test_forms_of_golden_rows(tmp_path: pathlib.Path) -> None:
    for X, want in (
        ([{"a": 1, "b": np.float32(0.5)}], {"a": 1, "b": 0.5}),
        (["text"], ["text"]),
        ([np.str_("text")], ["text"]),
        (np.array([[1.0, np.nan]]), [1.0, None]),
        ([(1, None)], [1, None]),
    ):
        path = serin.golden(Parrot(2.0), X, tmp_path / "m")
        assert json.loads(pathlib.Path(path).read_text()) == {"features": want, "prediction": 2.0}
    for model, X in ((Parrot(float("nan")), [[1]]), (Parrot(1.0), [[float("inf")]]), (Parrot(1.0), [])):
        with pytest.raises(serin.InvalidInput):
            serin.golden(model, X, tmp_path / "n")
    assert not (tmp_path / "n.golden.jsonl").exists()


def test_without_joblib(
    client: Callable[[str], Any], cases: dict[str, Case], monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
    monkeypatch.setitem(sys.modules, "joblib", None)
    with pytest.raises(serin.SerinError, match="pip install joblib, or give the path") as caught:
        client("numbers").deploy(cases["numbers"].model)
    assert caught.value.code == "joblib_missing"
    assert client("numbers").deploy(cases["numbers"].path).version == "numbers"


def test_no_server(connect: Callable[..., Any]) -> None:
    c = connect("127.0.0.1:9")
    with pytest.raises(serin.Unreachable, match="No serin server answers at http://127.0.0.1:9.*serin serve"):
        c.predict([1])
    with pytest.raises(serin.InvalidInput, match="is not a URL. Write it like http://127.0.0.1:8000"):
        connect("ftp://x")
