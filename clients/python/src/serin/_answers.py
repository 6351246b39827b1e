"""What a caller gets: Prediction, Verdict, Change."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Callable

from . import _tile
from ._errors import Refused
from ._rows import Signature
from ._wire import Answer, numpy


def _operator(name: str) -> Callable[[Any, Any], Any]:
    def operate(self: Any, other: Any) -> Any:
        return getattr(self.values, name)(getattr(other, "values", other) if isinstance(other, Prediction) else other)

    return operate


class Prediction:
    """The answer to some rows. It behaves as its array, values: what predict was
    asked for are the predictions, what predict_proba was asked for the
    probabilities. Without numpy the arrays are lists.
    """

    values: Any
    """The array that this behaves as."""
    predictions: Any
    """A class or a number for each row."""
    probabilities: Any
    """A row for each row, a column for each of classes; None if the model has none."""
    scores: Any
    """The decision function of a classifier without probabilities, else None."""
    classes: Any
    """The model's classes in its own order; None for a regression."""
    model: str
    model_used: str
    """The arm that answered: stable or canary. One answers all rows of a call."""
    model_version: str
    """The name of its version."""
    latency_ms: float | None
    """The server's time for the prediction; None where it came in parts."""

    def __init__(self, s: Signature, parts: list[Answer]) -> None:
        first = parts[0]
        self.model = s.model
        self.model_used, self.model_version = first.used, first.version
        self.latency_ms = first.latency_ms
        self.predictions = _joined([p.predictions for p in parts])
        numbers = None if s.answers == "quantities" else _joined([p.values for p in parts], float)
        self.probabilities = numbers if s.answers == "probabilities" else None
        self.scores = numbers if s.answers == "scores" else None
        if self.scores is not None and s.outputs == 1:
            self.scores = _joined([[row[0] for row in p.values] for p in parts], float)
        self.classes = _joined([list(s.classes)]) if s.classes else None
        self.values = self.predictions

    def proba(self) -> Prediction:
        """The same answer, as its probabilities."""
        if self.probabilities is None:
            what = "a decision function: predict(X).scores" if self.scores is not None else "numbers: predict(X)"
            raise Refused(
                f"Model {self.model!r} has no probabilities.", code="no_probabilities", next=f"It answers {what}."
            )
        self.values = self.probabilities
        return self

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        np = numpy()
        return np.array(self.values, dtype=dtype) if copy is not False else np.asarray(self.values, dtype=dtype)

    def __len__(self) -> int:
        return len(self.values)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.values)

    def __getitem__(self, key: Any) -> Any:
        return self.values[key]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "values":
            raise AttributeError(name)
        return getattr(self.values, name)

    def __repr__(self) -> str:
        return f"{self.values!r}\n# {self.model_used} {self.model_version}" + (
            "" if self.latency_ms is None else f", {self.latency_ms:.3f} ms"
        )

    __hash__ = None  # type: ignore[assignment]
    __eq__ = _operator("__eq__")
    __ne__ = _operator("__ne__")
    __lt__ = _operator("__lt__")
    __le__ = _operator("__le__")
    __gt__ = _operator("__gt__")
    __ge__ = _operator("__ge__")
    __add__ = _operator("__add__")
    __radd__ = _operator("__radd__")
    __sub__ = _operator("__sub__")
    __rsub__ = _operator("__rsub__")
    __mul__ = _operator("__mul__")
    __rmul__ = _operator("__rmul__")
    __truediv__ = _operator("__truediv__")
    __rtruediv__ = _operator("__rtruediv__")
    __matmul__ = _operator("__matmul__")
    __rmatmul__ = _operator("__rmatmul__")
    __pow__ = _operator("__pow__")

    def __neg__(self) -> Any:
        return -self.values

    def __abs__(self) -> Any:
        return abs(self.values)


def _joined(parts: list[Any], dtype: Any = None) -> Any:
    np = numpy()
    if np is not None:
        return np.concatenate([np.asarray(p, dtype=dtype) for p in parts])
    return [v for p in parts for v in p]


class Verdict:
    """What serin says of the canary. health is all of it, as the API has it."""

    def __init__(self, health: Mapping[str, Any]) -> None:
        self.health: dict[str, Any] = dict(health)

    @property
    def sentence(self) -> str:
        """The verdict in one sentence."""
        return str(self.health["finding"])

    @property
    def status(self) -> str:
        """no_canary, insufficient_data, healthy or alert."""
        return str(self.health["status"])

    @property
    def alert(self) -> bool:
        """Whether the canary is worse than stable."""
        return bool(self.health["alert_triggered"])

    @property
    def decided(self) -> bool:
        """Whether there is something to act upon: an alert, or the monitor's pass."""
        return self.alert or self.health["monitor_verdict"] in ("pass", "fail")

    @property
    def ended(self) -> bool:
        """Whether there is no canary."""
        return self.status == "no_canary"

    def __getitem__(self, key: str) -> Any:
        return self.health[key]

    def __repr__(self) -> str:
        return _tile.line(self.health)

    def _repr_html_(self) -> str:
        return _tile.html(self.health)


@dataclass(frozen=True, repr=False)
class Change:
    """A command that was carried out."""

    message: str
    """What was done, in one sentence."""
    model: str
    phase: str
    """Where the model stands now: idle, loading, canary, due."""
    stable: Mapping[str, Any]
    """The version that is stable now."""
    rollout: Mapping[str, Any] | None
    """The attempt that the command was about."""

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Change:
        return cls(*(document[name] for name in ("message", "model", "phase", "stable", "rollout")))

    @property
    def version(self) -> str:
        """The canary's name; empty where there was none."""
        return str(self.rollout["canary"]["name"]) if self.rollout else ""

    def __repr__(self) -> str:
        return f"{self.model}: {self.message}"


