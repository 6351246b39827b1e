"""The package as a whole: how it is installed, imported and typed."""

from __future__ import annotations

import ast
import inspect
import pathlib
import subprocess
import sys

import pytest

import serin

HERE = pathlib.Path(__file__).resolve().parents[1]
SOURCES = sorted((HERE / "src" / "serin").glob("*.py"))


def run(*command: str, cwd: pathlib.Path = HERE) -> str:
    done = subprocess.run(command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_it_can_be_installed(tmp_path: pathlib.Path) -> None:
    """What `pip install ./clients/python` does, without a network."""
    pip = (sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    run(*pip, "--no-deps", "--no-build-isolation", "--target", str(tmp_path), str(HERE))
    assert (tmp_path / "serin" / "py.typed").exists()
    (metadata,) = tmp_path.glob("serin-*.dist-info/METADATA")
    needs = [line for line in metadata.read_text().splitlines() if line.startswith("Requires")]
    assert needs == ["Requires-Python: >= 3.9", "Requires-Dist: httpx >= 0.24, < 1"]
    code = "import serin; print(serin.__file__, serin.__version__)"
    assert run(sys.executable, "-c", code, cwd=tmp_path).split() == [str(tmp_path / "serin" / "__init__.py"), "0.1.0"]


def test_importing_is_quick() -> None:
    """What is slow to import is not imported. The time is printed and not judged."""
    code = (
        "import time; begun = time.perf_counter(), time.process_time(); import serin;"
        "took = time.perf_counter() - begun[0], time.process_time() - begun[1];"
        "import sys; print('import serin: %.0f ms, %.0f ms of them work' % tuple(t * 1e3 for t in took));"
        "print([m for m in ('httpx', 'anyio', 'asyncio', 'numpy', 'pandas', 'joblib') if m in sys.modules])"
    )
    said, slow = run(sys.executable, "-c", code, cwd=HERE / "src").splitlines()
    print(said)
    assert slow == "[]"


def test_types() -> None:
    assert "no issues found" in run(sys.executable, "-m", "mypy", "--strict")


def test_lint() -> None:
    assert "All checks passed" in run(sys.executable, "-m", "ruff", "check", "--no-cache")


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: p.name)
def test_python_39_reads_it(path: pathlib.Path) -> None:
    text = path.read_text()
    ast.parse(text, feature_version=(3, 9))
    assert "from __future__ import annotations" in text and len(text.splitlines()) <= 600


def test_both_clients_have_the_same_methods() -> None:
    def methods(kind: type) -> dict[str, object]:
        found = inspect.getmembers(kind, inspect.isfunction)
        return {n: [*inspect.signature(f).parameters.values()] for n, f in found if not n.startswith("_")}

    assert methods(serin.Client) == methods(serin.AsyncClient)
    for name in methods(serin.AsyncClient):
        assert getattr(serin.AsyncClient, name).__doc__
