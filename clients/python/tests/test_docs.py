"""Every Python line of the documents, run against a server that their own command starts."""

from __future__ import annotations

import pathlib
import re
from typing import Any

import pytest
from conftest import REPOSITORY, Case, Serve

BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(name: str) -> list[str]:
    return BLOCK.findall((REPOSITORY / name).read_text())


def run(code: str, url: str, names: dict[str, Any]) -> None:
    code = re.sub(r"serin\.(Async)?Client\(\)", rf"serin.\1Client({url!r})", code)
    code = code.replace("timeout=600", "timeout=0.1")
    exec(compile(code, "a snippet", "exec"), names)  # noqa: S102  the page is what is tested


def test_the_page(
    serve: Serve, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    fit, save, *rest = blocks("docs/python.md")
    assert len(rest) >= 8
    run(fit, "", names)
    run(save, "", names)
    command = "serin serve --model model.joblib"
    assert f"```sh\n{command}\n```" in (REPOSITORY / "docs/python.md").read_text()
    url = serve("--model", str(tmp_path / "model.joblib"))
    for code in rest:
        run(code, url, names)
    assert names["client"].state()["stable"]["golden_rows"] == 50
    assert names["total"] == len(names["X"]) and len(names["answers"]) == 8
    assert names["change"].version == "tuned"
    said = re.search(r"print\(e\)  # (.*) \.\.\.", rest[-2])
    assert said and said[1] in capsys.readouterr().out


@pytest.mark.parametrize("name", ["README.md", "clients/python/README.md"])
def test_the_readmes(name: str, serve: Serve, cases: dict[str, Case]) -> None:
    case = cases["numbers"]
    (code,) = blocks(name)
    names: dict[str, Any] = {"X": case.X, "model": case.model}
    run(code, serve("--model", f"churn={case.path}"), names)
    assert names["client"].state()["last"]["event"] == "rollback"
