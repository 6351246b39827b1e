"""What is sent and what comes back.

Few rows go to POST /predict as JSON, whose answer also has the latency. Many go by
the Open Inference Protocol, whose numbers are bytes and need no digits: a row of
twenty numbers takes a fiftieth of the time. docs/python.md has the measurement.
"""

from __future__ import annotations

import array
import json
import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Callable, TypeVar, Union

from ._errors import SerinError
from ._rows import Chunk, Signature, invalid

T = TypeVar("T")

JSON = {"Content-Type": "application/json"}
JSON_LENGTH = "Inference-Header-Content-Length"


@dataclass
class Form:
    """A model on its way, as the fields of a form; the model is the last."""

    options: str
    golden: bytes | None
    name: str
    model: BinaryIO


@dataclass
class Ask:
    """A request to make."""

    method: str
    path: str
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    form: Form | None = None
    timeout: float | None = None
    """In seconds; None is the client's."""


@dataclass
class Reply:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    """By their names in small letters."""
    body: bytes

    def json(self) -> Any:
        try:
            return json.loads(self.body)
        except ValueError:
            return None


@dataclass
class Lost:
    """Nothing came back, and why."""

    reason: str
    closed: bool
    """Whether a connection was closed under the request, as an old one may be."""


@dataclass
class Pause:
    """Seconds to wait."""

    seconds: float


Effect = Union[Ask, Pause]
Result = Union[Reply, Lost, None]


@dataclass
class Answer:
    """What was answered to a chunk."""

    n: int
    values: Any
    """The numbers, in rows of Signature.outputs: an array, or lists."""
    predictions: Any
    """The classes, or the numbers again."""
    used: str
    version: str
    latency_ms: float | None


class Changed(Exception):
    """The answer is not of the model that the signature was of."""


def numpy() -> Any:
    """The module, or None where it is not installed."""
    try:
        import numpy
    except ImportError:
        return None
    return numpy


def ask_json(chunk: Chunk, path: str) -> Ask | None:
    """The chunk for POST /predict; None if JSON cannot hold its numbers."""
    try:
        body = json.dumps({"instances": chunk.rows()}, allow_nan=False, separators=(",", ":"))
    except ValueError:
        return None
    return Ask("POST", path, body.encode(), JSON)


def read_json(reply: Reply, s: Signature) -> Answer:
    """What POST /predict answers to instances."""
    document = reply.json()
    try:
        rows = document["predictions"]
        predictions = [row["prediction"] for row in rows]
        if s.answers == "quantities":
            values = [v if isinstance(v, list) else [v] for v in predictions]
        elif s.answers == "scores":
            values = [row.get("scores") or [row["score"]] for row in rows]
        elif s.outputs == 2:
            values = [[1.0 - row["probability"], row["probability"]] for row in rows]
        else:
            values = [row["probabilities"] for row in rows]
        _hold(s, predictions, "probabilities" in rows[0] and s.outputs == 2)
        return Answer(
            len(rows),
            values,
            predictions,
            document["model_used"],
            document["model_version"],
            document["latency_ms"],
        )
    except (KeyError, TypeError) as e:
        raise Changed from e


def _hold(s: Signature, predictions: Any, other: bool) -> None:
    """Holds an answer against the signature: its classes are known."""
    if other or s.classes and not s.known.issuperset(predictions):
        raise Changed


def ask_tensors(chunk: Chunk, s: Signature, path: str) -> Ask:
    """The chunk for the Open Inference Protocol: numbers as bytes, texts as JSON."""
    inputs: list[dict[str, Any]] = []
    raw: list[bytes] = []

    def numbers(name: str, columns: int, datatype: str, data: bytes) -> None:
        raw.append(data)
        inputs.append(
            {
                "name": name,
                "shape": [chunk.n, columns],
                "datatype": datatype,
                "parameters": {"binary_data_size": len(data)},
            }
        )

    if chunk.columns is None:
        code, datatype = ("<f4", "FP32") if chunk.matrix.dtype.name == "float32" else ("<f8", "FP64")
        numbers("features", len(s.features), datatype, chunk.matrix.astype(code, copy=False).tobytes())
    for i, column in enumerate(chunk.columns or ()):
        f = s.features[i]
        name = f.name or f"x{i}"
        if f.kind == "text":
            shape = {"name": name, "shape": [chunk.n, 1], "datatype": "BYTES", "data": column}
            inputs.append(shape)
        elif f.kind == "unused":
            numbers(name, 1, "FP64", bytes(8 * chunk.n))
        else:
            numbers(name, 1, "FP64", _floats(column, s, i))
    outputs = [{"name": "prediction", "parameters": {"binary_data": s.answers == "quantities"}}]
    if s.answers != "quantities":
        outputs.append({"name": s.answers, "parameters": {"binary_data": True}})
    head = json.dumps({"inputs": inputs, "outputs": outputs}, separators=(",", ":")).encode()
    headers = {"Content-Type": "application/octet-stream", JSON_LENGTH: str(len(head))}
    return Ask("POST", path, b"".join([head, *raw]), headers)


def _floats(column: list[Any], s: Signature, i: int) -> bytes:
    data = array.array("d")
    for v in column:
        try:
            data.append(math.nan if v is None else v)
        except (TypeError, OverflowError):
            invalid(f"Feature {s.label(i)} is a number, and {v!r} is none that a 64-bit float can hold.", "Give numbers.")
    if sys.byteorder == "big":
        data.byteswap()
    return data.tobytes()


def read_tensors(reply: Reply, s: Signature, n: int) -> Answer:
    """What the Open Inference Protocol answers."""
    np = numpy()
    try:
        length = int(reply.headers.get(JSON_LENGTH.lower(), len(reply.body)))
        document, at = json.loads(reply.body[:length]), length
        found: dict[str, Any] = {}
        for output in document["outputs"]:
            size = output.get("parameters", {}).get("binary_data_size")
            if size is None:
                found[output["name"]] = output["data"]
                continue
            found[output["name"]] = _rows_of(np, reply.body[at : at + size], s.outputs)
            at += size
        predictions = found["prediction"]
        _hold(s, predictions, False)
        values = predictions if s.answers == "quantities" else found[s.answers]
        if s.answers == "quantities" and s.outputs == 1:
            predictions = [row[0] for row in values] if np is None else values[:, 0]
        return Answer(
            n,
            values,
            predictions,
            reply.headers["serin-model-used"],
            reply.headers["serin-model-version"],
            None,
        )
    except (KeyError, TypeError, ValueError) as e:
        raise Changed from e


def _rows_of(np: Any, data: bytes, width: int) -> Any:
    if np is not None:
        return np.frombuffer(data, "<f8").reshape(-1, width)
    flat = array.array("d", data)
    if sys.byteorder == "big":
        flat.byteswap()
    return [list(flat[at : at + width]) for at in range(0, len(flat), width)]


def read(make: Callable[[Any], T], document: Any) -> T:
    """What is made of an answer, or an error that says that it is none of serin's."""
    try:
        return make(document)
    except (KeyError, TypeError) as e:
        raise strange(repr(e)) from e


def strange(why: str) -> SerinError:
    return SerinError(
        f"The server's answer is not as expected: {why}.",
        code="strange_answer",
        next="Use a client and a server of the same version.",
    )
