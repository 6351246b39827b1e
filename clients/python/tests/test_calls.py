"""The plans without a socket: what they send, when they wait, what they give up at."""

from __future__ import annotations

import json
from typing import Any

import pytest

import serin
from serin._calls import Calls
from serin._wire import Ask, Lost, Pause, Reply

PROBLEM = b'{"title":"Service Unavailable","status":503,"detail":"The server is busy.","code":"overloaded"}'
SIGNATURE = (
    b'{"model":"m","version":"v","answers":"quantities","outputs":1,"features":[{"kind":"number","may_be_missing":false}]}'
)


def busy(after: str = "2") -> Reply:
    return Reply(503, {"retry-after": after}, PROBLEM)


def play(plan: Any, *results: Any) -> list[Any]:
    """What a plan does when it is given these results; its own comes last."""
    done: list[Any] = []
    given = iter([None, *results])
    try:
        while True:
            done.append(plan.send(next(given)))
            if isinstance(done[-1], Pause):
                given = iter([None, *given])
    except StopIteration as end:
        return [*done, end.value]
    except serin.SerinError as e:
        return [*done, e]


def kinds(done: list[Any]) -> list[Any]:
    return [d.seconds if isinstance(d, Pause) else d.path if isinstance(d, Ask) else type(d) for d in done]


def calls(model: Any = None, retries: int = 3, patience: float = 10) -> Calls:
    return Calls("http://x", model, retries, patience)


def test_who_is_busy_is_asked_again_when_it_says() -> None:
    done = play(calls().state(), busy(), busy("0.5"), Reply(200, {}, b"{}"))
    assert kinds(done) == ["/admin/state", 2.0, "/admin/state", 0.5, "/admin/state", dict]


def test_patience_is_bounded() -> None:
    done = play(calls(retries=2).state(), busy(), busy(), busy())
    assert kinds(done)[-2:] == ["/admin/state", serin.Overloaded] and len(done) == 6
    assert kinds(play(calls(patience=3).state(), busy(), busy())) == ["/admin/state", 2.0, "/admin/state", serin.Overloaded]
    error = play(calls(patience=3).state(), busy("3600"))[-1]
    assert error.retry_after == 3600 and error.code == "overloaded" and error.status == 503
    assert kinds(play(calls(retries=0).state(), busy())) == ["/admin/state", serin.Overloaded]
    assert play(calls(retries=0).state(), busy("soon"))[-1].retry_after == 1


def test_a_command_is_sent_once() -> None:
    assert kinds(play(calls().command("rollback-canary", {}), busy())) == ["/admin/rollback-canary", serin.Overloaded]
    lost = Lost("the connection was closed", closed=True)
    assert kinds(play(calls().command("promote-canary", {}), lost)) == ["/admin/promote-canary", serin.Unreachable]


def test_an_old_connection_is_replaced_once() -> None:
    lost = Lost("the connection was closed", closed=True)
    assert kinds(play(calls().state(), lost, Reply(200, {}, b"{}"))) == ["/admin/state", "/admin/state", dict]
    assert kinds(play(calls().state(), lost, lost)) == ["/admin/state", "/admin/state", serin.Unreachable]
    assert kinds(play(calls().state(), Lost("no route", closed=False))) == ["/admin/state", serin.Unreachable]


def test_a_model_by_its_name() -> None:
    c = calls("fraud & co")
    assert kinds(play(c.state(), Reply(200, {}, b"{}")))[0] == "/admin/models/fraud%20%26%20co/state"
    answer = Reply(200, {}, b'{"predictions":[{"prediction":3}],"model_used":"stable","model_version":"v","latency_ms":0.1}')
    done = play(c.predict([[1]]), Reply(200, {}, SIGNATURE), answer)
    assert kinds(done)[:2] == ["/models/fraud%20%26%20co/signature", "/models/fraud%20%26%20co/predict"]
    assert done[1].body == b'{"instances":[[1]]}' and list(done[2]) == [3]


def test_rows_that_the_server_refuses() -> None:
    c = calls()
    refused = Reply(422, {}, b'{"detail":"Wrong.","code":"invalid_request","errors":[{"location":"l","message":"m"}]}')
    done = play(c.predict([[1]]), Reply(200, {}, SIGNATURE), refused)
    assert isinstance(done[-1], serin.InvalidInput) and done[-1].errors == [{"location": "l", "message": "m"}]
    for _ in range(2):
        done = play(c.predict([[1]]), Reply(200, {}, SIGNATURE), refused, Reply(200, {}, SIGNATURE))
        assert kinds(done)[:2] == ["/signature", "/predict"] and isinstance(done[-1], serin.InvalidInput)


def signed(**changes: Any) -> Reply:
    document = {"model": "m", "answers": "probabilities", "outputs": 2, "classes": ["a", "b"], **changes}
    document.setdefault("features", [{"name": "x", "kind": "number"}])
    return Reply(200, {}, json.dumps(document).encode())


def answered(**row: Any) -> Reply:
    document = {"predictions": [row], "model_used": "stable", "model_version": "v", "latency_ms": 0.1}
    return Reply(200, {}, json.dumps(document).encode())


TWO = signed()
THREE = signed(outputs=3, classes=["a", "b", "c"])
OTHER = signed(classes=["c", "d"])
RENAMED = signed(features=[{"name": "y", "kind": "number"}])
OF_THREE = answered(prediction="a", probability=0.5, probabilities=[0.5, 0.3, 0.2])


def test_a_model_that_changed_meanwhile() -> None:
    """A server that was started anew may have another model of the same name."""
    for before, row, first, now, then, classes in (
        (TWO, {"x": 1}, OF_THREE, THREE, OF_THREE, 3),
        (THREE, {"x": 1}, answered(prediction="a", probability=0.5), TWO, answered(prediction="a", probability=0.5), 2),
        (TWO, {"x": 1}, answered(prediction="d", probability=0.5), OTHER, answered(prediction="d", probability=0.5), 2),
        (TWO, {"y": 1}, None, RENAMED, answered(prediction="b", probability=0.5), 2),
    ):
        c = calls()
        play(c.signature(), before)
        results = [r for r in (first, now, then) if r is not None]
        *_, p = play(c.predict([row]), *results)
        assert p.probabilities.shape == (1, classes) and len(p.classes) == classes
    c = calls()
    play(c.signature(), TWO)
    error = play(c.predict([{"x": 1}]), OF_THREE, TWO)[-1]  # it says one thing and does another
    assert error.code == "strange_answer"
    error = play(c.predict([{"y": 1}]), TWO)[-1]
    assert isinstance(error, serin.InvalidInput) and "the feature 'y'" in str(error)


@pytest.mark.parametrize("status", [200, 404, 502])
@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"detail":3}', b"", b"\xff"])
def test_something_else_that_answers(status: int, body: bytes) -> None:
    error = play(calls().command("rollback-canary", {}), Reply(status, {}, body))[-1]
    if status == 200 and body == b'{"detail":3}':
        assert isinstance(error, serin.SerinError) and error.code == "strange_answer"
    else:
        assert isinstance(error, serin.Unreachable) and "Is it a serin server?" in str(error)


def test_a_server_that_fails() -> None:
    error = play(calls().state(), Reply(500, {}, b'{"detail":"The command failed.","code":"internal"}'))[-1]
    assert type(error) is serin.SerinError and str(error) == "The command failed." and error.status == 500
