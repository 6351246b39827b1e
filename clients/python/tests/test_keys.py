"""Servers that ask who calls: tokens, from an argument or the environment."""

from __future__ import annotations

import pathlib
import subprocess
from typing import Any

import pytest
from conftest import Case, Serve

import serin


@pytest.fixture
def locked(binary: str, serve: Serve, cases: dict[str, Case], tmp_path: pathlib.Path) -> Any:
    """A server with keys, and the tokens of a predictor and a deployer."""
    tokens, lines = {}, ""
    for role in ("predictor", "deployer"):
        made = subprocess.run([binary, "token", "new", "--name", role, "--role", role], capture_output=True, text=True, check=True)
        tokens[role], lines = made.stderr.strip(), lines + made.stdout
    (tmp_path / "keys").write_text(lines)
    case = next(iter(cases.values()))
    return serve("--model", f"numbers={case.path}", "--keys", str(tmp_path / "keys")), tokens, case


def test_tokens(locked: Any, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url, tokens, case = locked
    for token in (None, "serin_wrong"):
        with serin.Client(url, token=token) as client, pytest.raises(serin.Refused) as refused:
            client.predict(case.X[:1])
        assert (refused.value.status, refused.value.code) == (401, "unauthenticated")
    with serin.Client(url, token=tokens["predictor"]) as client:
        assert client.predict(case.X[:2]).model == "numbers"
        with pytest.raises(serin.Refused) as refused:
            client.state()
        assert (refused.value.status, refused.value.code) == (403, "forbidden")
    monkeypatch.setenv("SERIN_TOKEN", tokens["deployer"])
    with serin.Client(url) as client:
        assert client.state()
    (tmp_path / "token").write_text(tokens["predictor"] + "\n")
    monkeypatch.setenv("SERIN_TOKEN_FILE", str(tmp_path / "token"))
    with serin.Client(url) as client, pytest.raises(serin.Refused):
        client.state()
    monkeypatch.setenv("SERIN_TOKEN_FILE", str(tmp_path / "nothing"))
    with pytest.raises(serin.InvalidInput, match="SERIN_TOKEN_FILE"):
        serin.Client(url)
    assert tokens["predictor"] not in repr(serin.Client(url, token=tokens["predictor"]))


@pytest.mark.parametrize(
    "options",
    [{"token": "two words"}, {"verify": "nothing.pem"}, {"cert": "nothing.pem"}],
)
def test_what_cannot_be_shown(options: dict[str, Any]) -> None:
    with pytest.raises(serin.InvalidInput):
        serin.Client("https://127.0.0.1:1", **options)
