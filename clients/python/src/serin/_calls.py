"""The logic of every call, without a socket.

A plan is a generator: it yields what to send (Ask) or how long to wait (Pause), is
given what came back, and returns what the caller gets. Client and AsyncClient run
the same plans; all that differs is who waits.

    plan --Ask-->   transport   --bytes--> server
     ^                 |
     +----- Reply -----+        or Lost, if nothing came back
"""

from __future__ import annotations

import io
import itertools
import json
import os
import time
from collections.abc import Generator, Iterator, Mapping
from datetime import timedelta
from typing import Any, BinaryIO, TypeVar
from urllib.parse import quote

from . import _golden, _rows, _wire
from ._answers import Change, Prediction, Verdict
from ._errors import InvalidInput, Overloaded, Refused, SerinError, TimedOut, Unreachable, from_problem
from ._rows import Chunk, Signature
from ._wire import Answer, Ask, Changed, Effect, Form, Lost, Pause, Reply, Result

T = TypeVar("T")
Plan = Generator[Effect, Result, T]

# Up to so many values a request goes as JSON, whose answer has the latency. More go
# as tensors, in chunks that stay well below the server's limits of 8 MiB and a
# million numbers.
FEW_VALUES = 64
CHUNK_VALUES = 1 << 18
CHUNK_ROWS = 50_000
CHUNK_ANSWERS = 500_000
CHUNK_BYTES = 6 << 20

# How long calls may take, in seconds: loading a model takes its time.
DEPLOY_TIMEOUT = 20 * 60.0


class Calls:
    """What the calls of one client share."""

    def __init__(self, url: str, model: str | None, retries: int, patience: float) -> None:
        self.url = url
        self.name = model
        self.retries = retries
        self.patience = patience
        self._signature: Signature | None = None
        of = f"/models/{quote(model, safe='')}" if model else ""
        self._at = of
        self._admin = f"/admin{of}"

    # Predictions.

    def predict(self, X: Any, proba: bool = False) -> Plan[Prediction]:
        known = self._signature
        try:
            parts = yield from self._predict(X)
        except (_Gone, InvalidInput, Changed) as e:
            self._signature = None  # it may be that of a model that was there before
            if isinstance(X, Iterator):  # its rows are gone
                raise self.failed(e) from None
            if not isinstance(e, _Gone) and (known is None or known == (yield from self.signature())):
                raise self.failed(e) from None
            try:  # all rows once more, dealt anew: one version answers a call
                parts = yield from self._predict(X)
            except (_Gone, Changed) as again:
                raise self.failed(again) from None
        s = yield from self.signature()
        found = Prediction(s, parts)
        return found.proba() if proba else found

    def failed(self, e: Exception) -> Exception:
        """What a caller is told."""
        if isinstance(e, _Gone):
            return e.refused()
        if isinstance(e, Changed):
            return _wire.strange("it is not of the model that was there before")
        return e

    def _predict(self, X: Any) -> Plan[list[Answer]]:
        s = yield from self.signature()
        parts: list[Answer] = []
        dealt: Answer | None = None
        for chunk, last in self.cut(X, s):
            some = yield from self.chunk(chunk, s, dealt, alone=last and dealt is None)
            dealt = dealt or some[0]
            parts += some
        return parts

    def stream(self, X: Any, s: Signature) -> Iterator[Plan[Prediction]]:
        """A plan for each part of X."""
        dealt: Answer | None = None

        def part(chunk: Chunk) -> Plan[Prediction]:
            nonlocal dealt
            try:
                answers = yield from self.chunk(chunk, s, dealt, alone=False)
            except (_Gone, Changed) as e:
                raise self.failed(e) from None
            dealt = dealt or answers[0]
            return Prediction(s, answers)

        for chunk, _ in self.cut(X, s):
            yield part(chunk)

    def cut(self, X: Any, s: Signature) -> Iterator[tuple[Chunk, bool]]:
        """X in chunks, each with whether it is the last."""
        size = min(CHUNK_ROWS, CHUNK_VALUES // len(s.features), CHUNK_ANSWERS // s.outputs)
        before: Chunk | None = None
        for chunk in _rows.chunks(X, s, max(1, size)):
            if before is not None:
                yield before, False
            before = chunk
        if before is not None:
            yield before, True

    def chunk(self, chunk: Chunk, s: Signature, dealt: Answer | None, alone: bool) -> Plan[list[Answer]]:
        """Predicts a chunk. The first is dealt an arm like any other request; those
        that follow ask for its version, and are nobody's evidence.
        """
        if alone and chunk.n * len(s.features) <= FEW_VALUES:
            ask = _wire.ask_json(chunk, f"{self._at}/predict")
            if ask is not None and len(ask.body or b"") <= CHUNK_BYTES:
                reply = yield from self.send(ask, safe=True)
                return [_wire.read_json(reply, s)]
        version = f"/versions/{quote(dealt.version, safe='')}" if dealt else ""
        ask = _wire.ask_tensors(chunk, s, f"/v2/models/{quote(s.model, safe='')}{version}/infer")
        if ask.body is not None and len(ask.body) > CHUNK_BYTES and chunk.n > 1:
            parts: list[Answer] = []
            for half in chunk.halves():
                parts += yield from self.chunk(half, s, dealt or (parts[0] if parts else None), alone=False)
            return parts
        try:
            reply = yield from self.send(ask, safe=True)
        except Refused as e:
            if dealt and e.status == 404:
                raise _Gone(dealt.version, e) from e
            raise
        answer = _wire.read_tensors(reply, s, chunk.n)
        if dealt and answer.version != dealt.version:  # a version that is called like an arm
            raise _Gone(dealt.version, None)
        return [answer]

    def signature(self, fresh: bool = False) -> Plan[Signature]:
        """What the model takes; asked for once, and again where it may have changed."""
        if fresh or self._signature is None:
            document = yield from self.ask(Ask("GET", f"{self._at}/signature"), safe=True)
            self._signature = _wire.read(Signature.of, document)
        return self._signature

    # The canary's life.

    def deploy(
        self,
        model: Any,
        *,
        name: str | None,
        weight: float | str | None,
        duration: float | str | timedelta | None,
        policy: Mapping[str, Any] | None,
        golden: Any,
        reason: str,
        force: bool,
    ) -> Plan[Change]:
        options: dict[str, Any] = {}
        if weight is not None:
            options["weight"] = share(weight)
        if duration is not None:
            options["duration"] = period(duration)
        if policy is not None:
            options["policy"] = dict(policy)
        if reason:
            options["reason"] = reason
        if force:
            options["force"] = True
        with _opened(model) as file:
            if _golden.is_path(model):
                if golden is not None and not _golden.is_path(golden):
                    raise InvalidInput(
                        "A file cannot be asked for golden predictions: it is not executed, here neither.",
                        next="Give the fitted object, or write them with serin.golden(model, X, path).",
                    )
                lines, _ = _golden.beside(model, golden)
                called = os.path.basename(os.fspath(model))
            else:
                lines = None if golden is None else _golden.golden_bytes(model, golden)
                _golden.dump(model, file)
                called = f"{type(model).__name__}.joblib"
            digest = options["sha256"] = _digest(file)
            if lines is not None:
                options["golden_sha256"] = _digest(io.BytesIO(lines))
            called, suffix = os.path.splitext(called)
            if name:
                called = name[: -len(suffix)] if suffix and name.endswith(suffix) else name
            elif not _golden.is_path(model):
                called += f"-{digest[:8]}"
            form = Form(json.dumps(options), lines, called + suffix, file)
            document = yield from self.ask(
                Ask("POST", f"{self._admin}/deploy-canary", form=form, timeout=DEPLOY_TIMEOUT)
            )
        return _wire.read(Change.of, document)

    def command(self, call: str, body: Mapping[str, Any]) -> Plan[Change]:
        """rollback-canary, promote-canary, canary-weight."""
        given = {name: value for name, value in body.items() if value not in ("", False)}
        document = yield from self.ask(self._post(call, given))
        return _wire.read(Change.of, document)

    def slowdown(self, on: bool | None) -> Plan[bool]:
        if on is not None:
            state = yield from self.state()
            if state.get("simulate_slowdown") == on:
                return on
        document = yield from self.ask(Ask("POST", f"{self._admin}/toggle-slowdown"))
        return _wire.read(lambda d: bool(d["simulate_slowdown"]), document)

    def state(self) -> Plan[dict[str, Any]]:
        document: dict[str, Any] = yield from self.ask(Ask("GET", f"{self._admin}/state"), safe=True)
        return document

    def models(self) -> Plan[list[str]]:
        document = yield from self.ask(Ask("GET", "/v1/models"), safe=True)
        return _wire.read(lambda d: list(d["models"]), document)

    def check(self) -> Plan[Verdict]:
        document = yield from self.ask(Ask("GET", f"{self._admin}/check-canary-health"), safe=True)
        return _wire.read(Verdict, document)

    def verdict(self) -> Plan[Verdict]:
        """The verdict as of now, which is no look."""
        state = yield from self.state()
        if state.get("alert_status"):
            return _wire.read(Verdict, state["alert_status"])
        verdict = yield from self.check()  # without a canary there is nothing to look at
        if verdict.ended and state.get("last"):
            verdict.health["finding"] += _wire.read(_ended, state["last"])
        return verdict

    def wait(self, timeout: float, poll: float) -> Plan[Verdict]:
        until = time.monotonic() + timeout
        while True:
            verdict = yield from self.verdict()
            if verdict.decided or verdict.ended:
                return verdict
            left = until - time.monotonic()
            if left <= 0:
                late = TimedOut(
                    f"There is no verdict after {timeout:g} s: {verdict.sentence}",
                    code="no_verdict",
                    next="client.wait(timeout=...) waits on.",
                )
                late.verdict = verdict
                raise late
            yield Pause(min(poll, left))

    # The wire.

    def _post(self, call: str, body: Mapping[str, Any]) -> Ask:
        return Ask("POST", f"{self._admin}/{call}", json.dumps(body).encode(), _wire.JSON)

    def ask(self, ask: Ask, safe: bool = False) -> Plan[Any]:
        """Sends, and reads the answer as JSON."""
        reply = yield from self.send(ask, safe)
        document = reply.json()
        if not isinstance(document, dict):
            raise from_problem(reply.status, None, reply.headers)
        return document

    def send(self, ask: Ask, safe: bool = False) -> Plan[Reply]:
        """Sends. What is safe to send again is: once where an old connection was
        closed under it, and a few times, as long as the client is patient, where
        the server says when to come again.
        """
        waited, fresh = 0.0, False
        for left in itertools.count(self.retries, -1):
            reply = yield ask
            if isinstance(reply, Lost) and reply.closed and safe and not fresh:
                fresh = True
                reply = yield ask
            if not isinstance(reply, Reply):
                raise self.unreachable(reply)
            if reply.status < 400:
                return reply
            error = from_problem(reply.status, reply.json(), reply.headers)
            if not isinstance(error, Overloaded) or not safe or left <= 0:
                raise error
            waited += error.retry_after
            if waited > self.patience:
                raise error
            yield Pause(error.retry_after)
        raise AssertionError("unreachable")

    def unreachable(self, lost: Lost | None) -> Unreachable:
        return Unreachable(
            f"No serin server answers at {self.url}: {lost.reason if lost else 'nothing came back'}.",
            code="unreachable",
            next="Start one with `serin serve`, or give another address: Client('http://host:8000').",
        )


class _Gone(Exception):
    """The version that has answered the chunks before is not there any more."""

    def __init__(self, version: str, cause: SerinError | None) -> None:
        self.version, self.cause = version, cause

    def refused(self) -> Refused:
        return Refused(
            f"Version {self.version}, which answered so far, was taken out.",
            code="version_gone",
            status=self.cause.status if self.cause else 0,
            next="Send all rows again.",
        )


def _ended(last: Mapping[str, Any]) -> str:
    """How the last canary ended."""
    why = f": {last['reason']}" if last["reason"] else ""
    return f"; {last['version']} in {last['rollout']} ended by {last['event']} ({last['actor']}){why}"


def share(weight: float | str) -> float:
    """A share of the requests as people write it: 0.1, or "10%"."""
    try:
        if isinstance(weight, str) and weight.strip().endswith("%"):
            return float(weight.strip()[:-1]) / 100
        return float(weight)
    except ValueError:
        raise InvalidInput(f"The weight {weight!r} is no share.", next="Write it like 0.1 or '10%'.") from None


def period(duration: float | str | timedelta) -> str:
    """A duration as the server reads it; numbers are seconds."""
    if isinstance(duration, timedelta):
        duration = duration.total_seconds()
    return duration if isinstance(duration, str) else f"{duration:.9f}s"


def _opened(model: Any) -> Any:
    """The file to send: the one that there is, or an empty one for an object."""
    if not _golden.is_path(model):
        import tempfile

        return tempfile.TemporaryFile()
    try:
        return open(model, "rb")
    except OSError as e:
        raise InvalidInput(
            f"The file {os.fspath(model)} cannot be opened: {e.strerror}.",
            code="file_not_found",
            next="Give the path of a model file, or a fitted model.",
        ) from e


def _digest(file: BinaryIO) -> str:
    import hashlib

    file.seek(0)
    digest = hashlib.sha256()
    for block in iter(lambda: file.read(io.DEFAULT_BUFFER_SIZE * 16), b""):
        digest.update(block)
    file.seek(0)
    return digest.hexdigest()
