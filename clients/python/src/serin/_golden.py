"""Fitted models to files, and to golden predictions beside them.

Golden predictions are rows with the answers that the fitted object gives to them, a
JSON object a line. A version that came with them serves only while serin reproduces
them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO, Union

from ._errors import InvalidInput, SerinError
from ._rows import _is_frame, _is_row, plain

Path = Union[str, "os.PathLike[str]"]


def export_check(model: Any, X: Any, path: Path = "model.joblib") -> str:
    """Saves a fitted model by joblib, and golden predictions of the rows X beside it.
    Returns the golden predictions' path. `serin predict MODEL --check GOLDEN`
    compares them without a server.
    """
    lines = golden_bytes(model, X)  # first: a model that does not answer is not saved
    with open(path, "wb") as file:
        dump(model, file)
    return _write(lines, path)


def golden(model: Any, X: Any, path: Path) -> str:
    """Writes what the fitted model answers to the rows X beside its file, and returns
    where: path is the model's, the predictions' is path + ".golden.jsonl".
    """
    return _write(golden_bytes(model, X), path)


def _write(lines: bytes, path: Path) -> str:
    beside = os.fspath(path) + ".golden.jsonl"
    with open(beside, "wb") as file:
        file.write(lines)
    return beside


def golden_bytes(model: Any, X: Any) -> bytes:
    """The lines of golden predictions."""
    if len(X) == 0:
        raise InvalidInput("X has no rows for golden predictions.", next="Give some: golden=X_test[:50].")
    answers: dict[str, list[Any]] = {}
    if hasattr(model, "predict_proba"):
        answers["probabilities"] = _list(model.predict_proba(X))
    elif hasattr(model, "classes_") and hasattr(model, "decision_function"):
        scores = _list(model.decision_function(X))
        answers["scores" if scores and isinstance(scores[0], list) else "score"] = scores
    answers["prediction"] = _list(model.predict(X))
    lines = []
    for i, features in enumerate(_features(X)):
        line = {"features": features, **{name: values[i] for name, values in answers.items()}}
        try:
            lines.append(json.dumps(line, allow_nan=False) + "\n")
        except ValueError as e:
            raise InvalidInput(f"The model answers no finite number to row {i}.", next="Leave the row out.") from e
    return "".join(lines).encode()


def _list(answers: Any) -> list[Any]:
    values: list[Any] = answers.tolist() if hasattr(answers, "tolist") else list(answers)
    return values


def _features(X: Any) -> Iterator[Any]:
    """The rows of X as a request has them."""
    if _is_frame(X):
        names = list(X.columns)
        columns = [X.iloc[:, i].tolist() for i in range(len(names))]
        named = all(isinstance(n, str) for n in names)
        for at, values in enumerate(zip(*columns)):
            cells = [_value(v, at) for v in values]
            yield dict(zip(names, cells)) if named else cells
        return
    for at, row in enumerate(X.tolist() if hasattr(X, "tolist") else X):
        if isinstance(row, Mapping):
            yield {name: _value(v, at) for name, v in row.items()}
            continue
        yield [_value(v, at) for v in (row if _is_row(row) else [row])]


def _value(v: Any, at: int) -> Any:
    try:
        return plain(v)
    except ValueError as e:
        raise InvalidInput(f"Row {at} for golden predictions: {e}") from e


def dump(model: Any, file: BinaryIO) -> None:
    """Saves a model by joblib."""
    try:
        import joblib  # type: ignore[import-untyped, unused-ignore]
    except ImportError as e:
        raise SerinError(
            "Saving a model object needs joblib, which is not installed.",
            code="joblib_missing",
            next="pip install joblib, or give the path of a file that is saved already.",
        ) from e
    joblib.dump(model, file)


def is_path(model: Any) -> bool:
    return isinstance(model, (str, os.PathLike))


def beside(path: Path, given: Path | None) -> tuple[bytes | None, str]:
    """The golden predictions that lie in a file: the one given, or that beside the model's."""
    name = os.fspath(given) if given is not None else os.fspath(path) + ".golden.jsonl"
    if given is None and not os.path.exists(name):
        return None, name
    with open(name, "rb") as file:
        return file.read(), name
