"""DataFrames, arrays, lists and dicts to what a model takes.

Whatever the caller brings, it comes out as chunks in the order of the model's
features, one at a time, so that memory is that of a chunk:

    a chunk of numbers    matrix: an array of 32- or 64-bit floats, NaN is missing
    any other             columns: a list for each feature, None is missing

Names are held against the server's signature before anything is sent. numpy and
pandas are not imported here: what they made is known by its attributes.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NoReturn

from ._errors import InvalidInput


@dataclass(frozen=True)
class Feature:
    """One value of a row."""

    name: str
    """Empty where the model knows no names."""
    kind: str
    """number, text, bool, or unused: a column that the model drops."""


@dataclass(frozen=True)
class Signature:
    """What a model takes and answers, as the server says."""

    model: str
    features: tuple[Feature, ...]
    answers: str
    """What the numbers are: probabilities, scores or quantities."""
    outputs: int
    """How many there are in a row."""
    classes: tuple[Any, ...]

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Signature:
        return cls(
            model=str(document["model"]),
            features=tuple(Feature(f.get("name", ""), f["kind"]) for f in document["features"]),
            answers=document["answers"],
            outputs=document["outputs"],
            classes=tuple(document.get("classes") or ()),
        )

    @property
    def named(self) -> bool:
        return bool(self.features[0].name)

    @property
    def numbers(self) -> bool:
        """Whether every feature is a number."""
        return all(f.kind == "number" for f in self.features)

    @functools.cached_property
    def known(self) -> frozenset[Any]:
        """The classes."""
        return frozenset(self.classes)

    def label(self, i: int) -> str:
        return repr(self.features[i].name) if self.named else f"number {i}"

    def row(self) -> str:
        """What a row is made of, for messages."""
        count = f"{len(self.features)} values" if len(self.features) > 1 else "1 value"
        if not self.named:
            return count
        names = [f.name for f in self.features[:10]]
        if len(self.features) > len(names):
            names.append(f"and {len(self.features) - len(names)} more")
        return f"{count}: {', '.join(names)}"


@dataclass
class Chunk:
    """Some rows, in the order of the model's features."""

    n: int
    matrix: Any = None
    columns: list[list[Any]] | None = None

    def rows(self) -> list[list[Any]]:
        """The rows as JSON has them."""
        if self.columns is not None:
            return [list(row) for row in zip(*self.columns)]
        rows: list[list[Any]] = self.matrix.tolist()
        if (self.matrix != self.matrix).any():
            rows = [[None if v != v else v for v in row] for row in rows]
        return rows

    def halves(self) -> tuple[Chunk, Chunk]:
        half = self.n // 2
        if self.columns is None:
            return Chunk(half, self.matrix[:half]), Chunk(self.n - half, self.matrix[half:])
        return (
            Chunk(half, columns=[c[:half] for c in self.columns]),
            Chunk(self.n - half, columns=[c[half:] for c in self.columns]),
        )


def chunks(X: Any, s: Signature, size: int) -> Iterator[Chunk]:
    """Cuts X into chunks of at most so many rows; at least one, or an InvalidInput."""
    X = _many(X, s)
    none = True
    for chunk in _cut(X, s, size):
        none = False
        yield chunk
    if none:
        invalid("X has no rows.", "Give one at least.")


def _cut(X: Any, s: Signature, size: int) -> Iterator[Chunk]:
    if _is_frame(X):
        labels = _labels(X, s)
        for at in range(0, len(X), size):
            yield _of_frame(X.iloc[at : at + size], labels, s, at)
    elif _is_array(X):
        _width(X.shape[1], s, "X has", "columns")
        for at in range(0, len(X), size):
            yield _of_array(X[at : at + size], s, at)
    else:
        rows, at = iter(X), 0
        while True:
            some = list(itertools.islice(rows, size))
            if not some:
                return
            yield _of_rows(some, s, at)
            at += len(some)


def _many(X: Any, s: Signature) -> Any:
    """Makes many rows of one: a dict, a Series, a list of values."""
    single = len(s.features) == 1
    if isinstance(X, Mapping) or isinstance(X, (str, bytes)) and single:
        return [X if isinstance(X, Mapping) else [X]]
    if _is_frame(X):
        return X
    if _is_array(X):
        if hasattr(X, "filled"):  # what is masked is missing
            X = X.astype("float64").filled(float("nan"))
        if X.ndim == 2:
            return X
        if X.ndim == 1:
            return X.reshape(-1, 1) if single else X.reshape(1, -1)
        invalid(f"X has {X.ndim} dimensions.", "Give rows and columns, or one row.")
    if hasattr(X, "index") and hasattr(X, "to_dict"):  # a Series
        return [[v] for v in X] if single else [_of_series(X)]
    if isinstance(X, (list, tuple)) and X and not _is_row(X[0]):
        return [[v] for v in X] if single else [X]
    if isinstance(X, (str, bytes)) or not isinstance(X, Iterable) or hasattr(X, "toarray"):
        invalid(
            f"X is {_a(type(X).__name__)}.",
            "Give a DataFrame, an array, a list of rows, or one row as a list or a dict.",
        )
    return X


def _is_frame(X: Any) -> bool:
    return hasattr(X, "iloc") and hasattr(X, "columns")


def _is_array(X: Any) -> bool:
    return hasattr(X, "dtype") and hasattr(X, "reshape") and not hasattr(X, "iloc")


def _is_row(v: Any) -> bool:
    return isinstance(v, (Mapping, list, tuple)) or getattr(v, "ndim", 0) > 0


def _of_series(row: Any) -> Any:
    """A Series that is a row: by name where it has names."""
    values = row.to_dict()
    return values if all(isinstance(k, str) for k in values) else list(row)


def _labels(frame: Any, s: Signature) -> list[Any]:
    """The frame's columns in the model's order; None for one that it may leave out."""
    have = list(frame.columns)
    if not s.named or not all(isinstance(c, str) for c in have):
        _width(len(have), s, "X has", "columns")
        return have
    if len(set(have)) < len(have):
        double = next(c for c in have if have.count(c) > 1)
        invalid(f"X has the column {double!r} twice.", "Leave one out.")
    _names(have, s, "X", "column")
    return [f.name if f.name in set(have) else None for f in s.features]


def _names(have: Iterable[str], s: Signature, what: str, noun: str) -> None:
    """Holds names against the signature."""
    given, known = set(have), {f.name for f in s.features}
    unknown = [name for name in have if name not in known]
    absent = [f.name for f in s.features if f.name not in given and f.kind != "unused"]
    if unknown:
        import difflib

        near = difflib.get_close_matches(str(unknown[0]), absent or sorted(known), 1)
        hint = f"Is it {near[0]!r}?" if near else "Leave it out."
        invalid(
            f"{what} has the {noun} {unknown[0]!r}, which model {s.model!r} does not know. {hint}",
            f"It takes {s.row()}.",
            str(unknown[0]),
        )
    if absent:
        invalid(
            f"{what} lacks the {noun} {absent[0]!r}"
            + (f" and {len(absent) - 1} more." if len(absent) > 1 else "."),
            f"Model {s.model!r} takes {s.row()}.",
            absent[0],
        )


def _width(have: int, s: Signature, what: str, noun: str = "values") -> None:
    if have != len(s.features):
        invalid(f"{what} {have} {noun}.", f"Model {s.model!r} takes {s.row()}.")


def _of_frame(frame: Any, labels: Sequence[Any], s: Signature, at: int) -> Chunk:
    kinds = [getattr(d, "kind", "O") for d in frame.dtypes]
    if s.numbers and all(k in "fiub" for k in kinds):
        narrow = all(str(d) == "float32" for d in frame.dtypes)
        ordered = frame if labels == list(frame.columns) else frame[list(labels)]
        dtype = "float32" if narrow else "float64"
        return Chunk(len(frame), ordered.to_numpy(dtype=dtype, na_value=float("nan")))
    columns = [
        [None] * len(frame) if label is None else _column(frame[label].tolist(), s, i, at)
        for i, label in enumerate(labels)
    ]
    return Chunk(len(frame), columns=columns)


def _of_array(array: Any, s: Signature, at: int) -> Chunk:
    if s.numbers and array.dtype.kind in "fiub":
        return Chunk(len(array), array if array.dtype.name == "float32" else array.astype("float64", copy=False))
    columns = [_column(array[:, i].tolist(), s, i, at) for i in range(len(s.features))]
    return Chunk(len(array), columns=columns)


def _of_rows(rows: list[Any], s: Signature, at: int) -> Chunk:
    width, flat = len(s.features), []
    for i, row in enumerate(rows):
        if type(row) is list and len(row) == width:  # nearly always
            flat.append(row)
            continue
        if hasattr(row, "to_dict"):
            row = _of_series(row)
        if isinstance(row, Mapping):
            if not s.named:
                invalid(
                    f"Row {at + i} is a dict, and model {s.model!r} knows no names.",
                    f"Give lists of {s.row()}.",
                )
            _names(row, s, f"Row {at + i}", "feature")
            row = [row.get(f.name) for f in s.features]
        elif not _is_row(row):
            invalid(f"Row {at + i} is {_a(type(row).__name__)}.", f"Give lists of {s.row()}.")
        if len(row) != width:
            _width(len(row), s, f"Row {at + i} has")
        flat.append(row)
    columns = [_column(list(column), s, i, at) for i, column in enumerate(zip(*flat))]
    return Chunk(len(rows), columns=columns)


def _column(values: list[Any], s: Signature, i: int, at: int) -> list[Any]:
    """A column as JSON has it. The usual one is of plain values already."""
    if s.features[i].kind == "unused":
        return [None] * len(values)
    for k, v in enumerate(values):
        kind = type(v)
        if kind is float and v - v == 0 or kind is str or kind is int or kind is bool or v is None:
            continue  # a float that is finite
        try:
            values[k] = plain(v)
        except ValueError as e:
            invalid(f"Row {at + k}, feature {s.label(i)}: {e}", location=s.features[i].name)
    return values


def plain(v: Any) -> Any:
    """A value as JSON has it; a ValueError says why it has none."""
    if isinstance(v, float):
        if v != v:
            return None
        if v in (float("inf"), float("-inf")):
            raise ValueError(f"{v} is no finite number.")
        return float(v)
    if v is None or isinstance(v, (str, int, bool)):
        return v
    if type(v).__name__ in ("NAType", "NaTType"):
        return None
    if isinstance(v, Decimal):
        return plain(float(v))
    if hasattr(v, "item") and getattr(v, "ndim", 1) == 0:
        value = v.item()
        if type(value) is not type(v):
            return plain(value)
    raise ValueError(f"{v!r} is {_a(type(v).__name__)}. Give a number, a text, True, False or None.")


def _a(noun: str) -> str:
    return f"an {noun}" if noun[:1].lower() in "aeiou" else f"a {noun}"


def invalid(detail: str, next: str = "", location: str = "") -> NoReturn:
    errors = [{"location": location, "message": detail}] if location else []
    raise InvalidInput(detail, code="invalid_request", next=next, errors=errors)
