"""Predictions against the fitted models' own."""

from __future__ import annotations

import concurrent.futures
import pickle
import tracemalloc
from typing import Any, Callable

import numpy as np
import pandas as pd
import pytest
from conftest import Case
from sklearn.metrics import accuracy_score

import serin
from serin import _calls

FORMS: dict[str, Callable[[Any], Any]] = {
    "as it is": lambda X: X,
    "few": lambda X: X[:3],
    "lists": lambda X: getattr(X, "values", X).tolist(),
    "dicts": lambda X: X.to_dict("records"),
    "iterator": lambda X: iter(X.to_dict("records")),
    "columns in another order": lambda X: X[X.columns[::-1]],
    "objects": lambda X: X.astype(object),
}


def expect(case: Case, X: Any, p: serin.Prediction) -> None:
    """Holds an answer against the model's own to the same rows."""
    n = len(p)
    X = case.X[:n]
    assert p.predictions.shape == case.model.predict(X).shape
    if hasattr(case.model, "predict_proba"):
        np.testing.assert_allclose(p.probabilities, case.model.predict_proba(X), rtol=0, atol=1e-12)
        assert list(p.classes) == list(case.model.classes_)
        assert p.classes.dtype.kind == np.asarray(case.model.classes_).dtype.kind
        assert (p.predictions == case.model.predict(X)).all()
    elif hasattr(case.model, "decision_function"):
        np.testing.assert_allclose(p.scores, case.model.decision_function(X), rtol=1e-12, atol=1e-12)
        assert (p.predictions == case.model.predict(X)).all()
    else:
        np.testing.assert_allclose(p.predictions, case.model.predict(X), rtol=1e-12, atol=1e-12)
        assert p.classes is None


FRAMES = ["numbers", "mixed", "classes", "several", "scores", "scores3"]
ANY_FORM = [("unnamed", form) for form in ("as it is", "few", "lists", "objects")]
ANY_FORM += [("missing", form) for form in ("as it is", "few", "lists", "objects")]
ANY_FORM += [("texts", form) for form in ("as it is", "few")]
ANY_FORM += [(name, form) for name in FRAMES for form in FORMS]


@pytest.mark.parametrize("name,form", ANY_FORM)
def test_it_answers_what_the_model_answers(
    name: str, form: str, client: Callable[[str], Any], cases: dict[str, Case]
) -> None:
    case = cases[name]
    X = FORMS[form](case.X)
    p = client(name).predict(X)
    expect(case, X, p)
    assert (p.model_used, p.model_version) == ("stable", name)
    assert len(p) == (3 if form == "few" else 400)


@pytest.mark.parametrize("limits", [{"FEW_VALUES": 1 << 30}, {"CHUNK_ROWS": 37}, {"CHUNK_BYTES": 900, "CHUNK_ROWS": 90}])
@pytest.mark.parametrize("name", ["numbers", "mixed", "classes", "several", "texts", "scores3"])
def test_the_way_there_makes_no_difference(
    name: str,
    limits: dict[str, int],
    client: Callable[[str], Any],
    cases: dict[str, Case],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for limit, value in limits.items():
        monkeypatch.setattr(_calls, limit, value)
    case = cases[name]
    expect(case, case.X, client(name).predict(case.X))


@pytest.mark.parametrize("few", [0, 1 << 30])
@pytest.mark.parametrize("name", ["numbers", "mixed", "missing", "several", "scores"])
def test_without_numpy_arrays_are_lists(
    name: str, few: int, client: Callable[[str], Any], cases: dict[str, Case], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_calls, "FEW_VALUES", few)
    _case, rows = cases[name], FORMS["lists"](cases[name].X)
    want = client(name).predict(rows)
    for module in ("_wire", "_answers"):
        monkeypatch.setattr(f"serin.{module}.numpy", lambda: None)
    got = client(name).predict(rows)
    assert isinstance(got.predictions, list) and got.predictions == want.predictions.tolist()
    for part in ("probabilities", "scores", "classes"):
        mine, theirs = getattr(got, part), getattr(want, part)
        assert mine == (None if theirs is None else theirs.tolist())


ONE: dict[str, Callable[[Any], Any]] = {
    "a list": lambda X: X.iloc[0].tolist(),
    "a tuple": lambda X: tuple(X.iloc[0]),
    "an array": lambda X: X.iloc[0].to_numpy(),
    "a dict": lambda X: X.iloc[0].to_dict(),
    "a Series": lambda X: X.iloc[0],
    "a list of a Series": lambda X: [X.iloc[0]],
    "a frame of one": lambda X: X[:1],
}


@pytest.mark.parametrize("form", ONE)
@pytest.mark.parametrize("name", ["numbers", "mixed"])
def test_one_row(name: str, form: str, client: Callable[[str], Any], cases: dict[str, Case]) -> None:
    p = client(name).predict_proba(ONE[form](cases[name].X))
    assert p.shape == (1, 2)
    expect(cases[name], None, p)
    assert p.latency_ms >= 0


def test_one_text(client: Callable[[str], Any], cases: dict[str, Case]) -> None:
    c, model = client("texts"), cases["texts"].model
    assert c.predict("good cheap").tolist() == model.predict(["good cheap"]).tolist()
    assert c.predict(pd.Series(["good", "bad"])).tolist() == model.predict(["good", "bad"]).tolist()


def test_types_of_numbers(client: Callable[[str], Any], cases: dict[str, Case]) -> None:
    case, c = cases["missing"], client("missing")
    narrow = np.asarray(case.X, dtype="float32")
    np.testing.assert_allclose(c.predict(narrow), case.model.predict(narrow.astype(float)), rtol=1e-12)
    for X in (np.arange(400).reshape(80, 5), np.arange(400, dtype="uint8").reshape(80, 5)):
        np.testing.assert_allclose(c.predict(X), case.model.predict(X.astype(float)), rtol=1e-12)
    nullable = pd.DataFrame(np.arange(400).reshape(80, 5)).astype("Int64")
    nullable.iloc[3, 2] = pd.NA
    want = case.model.predict(nullable.astype("float64").to_numpy())
    np.testing.assert_allclose(c.predict(nullable), want, rtol=1e-12)
    np.testing.assert_allclose(c.predict(nullable.astype(object)[:4]), want[:4], rtol=1e-12)
    masked = np.ma.masked_array(np.arange(400).reshape(80, 5), mask=np.zeros((80, 5), bool))
    masked.mask[3, 2] = True
    np.testing.assert_allclose(c.predict(masked), want, rtol=1e-12)
    turned = np.asfortranarray(case.X).astype(">f8")
    np.testing.assert_allclose(c.predict(turned), case.model.predict(case.X), rtol=1e-12)


def test_an_answer_is_its_array(client: Callable[[str], Any], cases: dict[str, Case]) -> None:
    case = cases["numbers"]
    p, want = client("numbers").predict_proba(case.X), case.model.predict_proba(case.X)
    assert p.shape == want.shape and p[3, 1] == p[3][1] and len(list(p)) == 400
    assert ((p > 0.5) == (want > 0.5)).all() and np.allclose((1 - p)[:, 0], p[:, 1])
    assert abs(p.mean() - 0.5) < 1e-9 and np.asarray(p) is not None and np.allclose(p, want)
    assert np.array(p).sum() == pytest.approx(400)
    assert p.predictions.tolist() == case.model.predict(case.X).tolist()
    assert repr(p).endswith("# stable numbers")
    assert np.allclose(-p, -want) and abs(p - 1).max() < 1 and (p @ np.ones(2)).sum() == pytest.approx(400)
    assert np.log(p).shape == want.shape
    p = client("numbers").predict(case.X)
    assert accuracy_score(case.y, p) == accuracy_score(case.y, case.model.predict(case.X))
    assert case.X.assign(p=p)["p"].tolist() == pd.Series(p).tolist() == p.tolist()
    assert pickle.loads(pickle.dumps(p)).model_version == "numbers"


def test_a_stream_is_answered_by_one_version(client: Callable[[str], Any], cases: dict[str, Case]) -> None:
    case, c = cases["numbers"], client("numbers")
    c.deploy(case.model, "other", weight=0.5)
    seen = set()
    for _ in range(12):
        parts = list(c.stream(iter(case.X.to_dict("records"))))
        assert sum(len(p) for p in parts) == 400
        assert len({p.model_version for p in parts}) == 1
        seen.add(parts[0].model_version)
    assert seen == {"numbers", "other"}


def test_parts_are_answered_by_one_version(
    client: Callable[[str], Any], cases: dict[str, Case], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_calls, "CHUNK_ROWS", 50)
    case, c = cases["numbers"], client("numbers")
    c.deploy(case.model, "other", weight=0.5)
    before = c.state()["canary_metrics"]
    assert {c.predict(case.X).model_version for _ in range(12)} == {"numbers", "other"}
    after = c.state()["canary_metrics"]
    counted = sum(after[arm]["latencies_ms"]["count"] - before[arm]["latencies_ms"]["count"] for arm in after)
    assert counted == 12  # each call is one request to the judge, however many parts it has
    parts = list(c.stream(case.X))
    assert len(parts) == 8 and len({p.model_version for p in parts}) == 1


def test_memory_is_that_of_a_part(client: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_calls, "CHUNK_ROWS", 1000)
    c = client("numbers")

    def peak(rows: int) -> int:
        some = ([i % 7, 1, 2, 3, 4] for i in range(rows))
        tracemalloc.start()
        assert sum(len(part) for part in c.stream(some)) == rows
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    peak(2000)  # what is made once
    few, many = peak(4000), peak(40_000)
    print(f"{few} bytes for 4,000 rows, {many} for 40,000")
    assert many < 1.3 * few


def test_threads_share_a_client(url: str, cases: dict[str, Case]) -> None:
    case = cases["numbers"]
    want = case.model.predict_proba(case.X)
    with serin.Client(url) as c, concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda i: c.predict_proba(case.X[i : i + 1]), range(64)))
    np.testing.assert_allclose(np.concatenate(answers), want[:64], rtol=0, atol=1e-12)


def test_a_version_that_is_taken_out_while_it_answers(
    client: Callable[[str], Any], cases: dict[str, Case], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_calls, "CHUNK_ROWS", 50)
    case, c = cases["numbers"], client("numbers")
    rows = case.X.to_dict("records")
    operator = serin.Client(c.url)
    c.deploy(case.model, "leaving", weight=1)

    def rows_that_end_it() -> Any:
        for i, row in enumerate(rows):
            if i == 120:
                operator.rollback()
            yield row

    with pytest.raises(serin.Refused, match="Version leaving, which answered so far, was taken out") as caught:
        c.predict(rows_that_end_it())
    assert caught.value.code == "version_gone"
    operator.close()


WRONG = [
    ("numbers", lambda X: X.rename(columns={"tenure": "tenur"}), "has the column 'tenur'.*Is it 'tenure'"),
    ("numbers", lambda X: X.assign(goes=1), "has the column 'goes'.*Leave it out. It takes 5 values: tenure, "),
    ("numbers", lambda X: X.drop(columns=["usage", "late"]), "lacks the column 'usage' and 1 more"),
    ("numbers", lambda X: X[["tenure", *X.columns]], "has the column 'tenure' twice"),
    ("numbers", lambda X: X.values[:, :4], "X has 4 columns. Model 'numbers' takes 5 values: tenure, "),
    ("numbers", lambda X: [[1, 2, 3, 4, 5], [1, 2, 3, 4]], "Row 1 has 4 values"),
    ("numbers", lambda X: [{"tenure": 1, "charge": 2, "calls": 3, "usage": 4, "late": 5}], "Row 0 has the feature 'charge'.*Is it 'charges'"),
    ("numbers", lambda X: {"tenure": 1}, "Row 0 lacks the feature 'charges' and 3 more"),
    ("numbers", lambda X: [], "X has no rows"),
    ("numbers", lambda X: X[:0], "X has no rows"),
    ("numbers", lambda X: 5, "X is an int. Give a DataFrame"),
    ("numbers", lambda X: np.zeros((2, 2, 2)), "X has 3 dimensions"),
    ("numbers", lambda X: [[1, 2, 3, 4, float("inf")]], "Row 0, feature 'late': inf is no finite number"),
    ("numbers", lambda X: [[1, 2, 3, 4, object()]], "Row 0, feature 'late': .* is an object"),
    ("numbers", lambda X: X.astype(object).assign(late="much"), "Feature 'late' is a number, and 'much' is none"),
    ("numbers", lambda X: X.astype(object).assign(late=10**400), "Feature 'late' is a number, and 1000"),
    ("numbers", lambda X: [[10**400, 1, 2, 3, 4]], "outside the range of a 64-bit float"),
    ("numbers", lambda X: [["much", 1, 2, 3, 4]], "expected a number, got a string"),
    ("numbers", lambda X: X.assign(late=np.nan), "it is missing .* and this model does not take that"),
    ("numbers", lambda X: X / 0.0, "no finite number"),
    ("unnamed", lambda X: {"a": 1}, "Row 0 is a dict, and model 'unnamed' knows no names"),
    ("mixed", lambda X: X.assign(plan=3), "plan"),
]


@pytest.mark.parametrize("name,make,message", WRONG)
def test_what_is_wrong_is_said(
    name: str, make: Callable[[Any], Any], message: str, client: Callable[[str], Any], cases: dict[str, Case]
) -> None:
    with np.errstate(all="ignore"):
        X = make(cases[name].X)
    with pytest.raises(serin.InvalidInput, match=message) as caught:
        client(name).predict(X)
    assert caught.value.code == "invalid_request" and isinstance(caught.value, (ValueError, serin.Refused))


def test_no_probabilities(client: Callable[[str], Any], cases: dict[str, Case]) -> None:
    for name, way in (("missing", r"numbers: predict\(X\)"), ("scores", r"decision function: predict\(X\).scores")):
        with pytest.raises(serin.Refused, match=way):
            client(name).predict_proba(cases[name].X)


def test_a_long_text_is_sent_in_parts(client: Callable[[str], Any], cases: dict[str, Case]) -> None:
    texts = ["good " * 200_000, "bad " * 200_000] * 6  # 11 MB, and the server takes 8 MiB at once
    assert client("texts").predict(texts).tolist() == ["g", "b"] * 6


def test_a_model_that_is_not_there(connect: Callable[..., Any], url: str) -> None:
    c = connect(url, model="<nobody>")
    for call in (lambda: c.predict([1]), c.state, c.rollback):
        with pytest.raises(serin.Refused, match="here is no model .?<nobody>.*numbers") as caught:
            call()
        assert caught.value.status == 404
    assert "mixed" in c.models() and "numbers" in c.models()
