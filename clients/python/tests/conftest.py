"""The real server, which the tests start themselves, and both clients.

Every test that takes the fixture client runs twice: with Client, and with
AsyncClient, whose calls are awaited one by one.
"""

from __future__ import annotations

import asyncio
import inspect
import os
import pathlib
import subprocess
from collections.abc import Iterator
from typing import Any, Callable

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import LinearSVC

import serin

REPOSITORY = pathlib.Path(__file__).resolve().parents[3]


@pytest.fixture(scope="session")
def binary(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The server's program: SERIN_TEST_BINARY, or built from this tree."""
    given = os.environ.get("SERIN_TEST_BINARY")
    if given:
        return given
    path = tmp_path_factory.mktemp("bin") / "serin"
    subprocess.run(["go", "build", "-o", str(path), "./cmd/serin"], cwd=REPOSITORY, check=True)
    return str(path)


Serve = Callable[..., str]


@pytest.fixture(scope="session")
def serve(binary: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    """Starts servers, each on a free port with a state directory of its own."""
    running: list[subprocess.Popen[str]] = []

    def start(*flags: str) -> str:
        home = tmp_path_factory.mktemp("server")
        command = [binary, "serve", "--listen", "127.0.0.1:0", "--grpc-listen", "off", "--data", str(home / "data")]
        command += ["--root", "/", "--min-samples", "5", *flags]
        with open(home / "log", "w") as log:
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
        running.append(process)
        assert process.stdout is not None
        first = process.stdout.readline()  # said when it is ready
        assert " on http://" in first, first + (home / "log").read_text()
        return first.split(" on ")[1].strip()

    yield start
    for process in running:
        process.terminate()
    for process in running:
        assert process.wait(timeout=30) == 0


class Case:
    """A fitted model, and rows like those that it was fitted on."""

    def __init__(self, model: Any, X: Any, y: Any, folder: pathlib.Path, name: str) -> None:
        self.model, self.X, self.y = model.fit(X, y), X, y
        self.path = folder / f"{name}.joblib"
        joblib.dump(self.model, self.path)


@pytest.fixture(scope="session")
def cases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Case]:
    """Models of several kinds."""
    random = np.random.RandomState(0)
    folder = tmp_path_factory.mktemp("models")
    numbers = random.normal(size=(400, 5))
    names = ["tenure", "charges", "calls", "usage", "late"]
    frame = pd.DataFrame(numbers, columns=names)
    two = np.where(numbers[:, 0] + numbers[:, 1] > 0, "goes", "stays")
    three = (np.digitize(numbers[:, 0], [-0.5, 0.5]) + 10).astype(int)
    mixed = frame.assign(
        plan=random.choice(["basic", "gold", "silver"], 400),
        married=random.choice(["yes", "no"], 400),
    )
    mixed.loc[random.rand(400) < 0.2, "tenure"] = np.nan
    mixed.loc[random.rand(400) < 0.2, "plan"] = np.nan
    holes = numbers.copy()
    holes[random.rand(400, 5) < 0.2] = np.nan
    texts = random.choice(["good cheap fast", "bad slow", "fast and bad", "cheap"], 400)
    columns = ColumnTransformer(
        [
            ("n", make_pipeline(SimpleImputer(), StandardScaler()), names),
            (
                "t",
                make_pipeline(
                    SimpleImputer(strategy="constant", fill_value="none"), OneHotEncoder(handle_unknown="ignore")
                ),
                ["plan", "married"],
            ),
        ]
    )
    models = {
        "numbers": (make_pipeline(StandardScaler(), LogisticRegression()), frame, two),
        "unnamed": (LogisticRegression(), numbers, numbers[:, 0] > 0),
        "mixed": (make_pipeline(columns, LogisticRegression()), mixed, two),
        "classes": (RandomForestClassifier(8, max_depth=5, random_state=0), frame, three),
        "missing": (HistGradientBoostingRegressor(max_iter=8), holes, numbers[:, 0] * 3 + numbers[:, 1]),
        "several": (LinearRegression(), frame, numbers[:, :2] @ [[1.0, 2.0], [3.0, 4.0]]),
        "scores": (LinearSVC(), frame, two),
        "scores3": (LinearSVC(), frame, three),
        "texts": (make_pipeline(TfidfVectorizer(), LogisticRegression()), list(texts), [t[0] for t in texts]),
    }
    return {name: Case(*rest, folder, name) for name, rest in models.items()}


@pytest.fixture(scope="session")
def url(cases: dict[str, Case], serve: Serve) -> str:
    """A server of all cases; "numbers" is its default model."""
    return serve(*(flag for name, case in cases.items() for flag in ("--model", f"{name}={case.path}")))


class Awaited:
    """AsyncClient, called like Client."""

    def __init__(self, loop: asyncio.AbstractEventLoop, *args: Any, **kwargs: Any) -> None:
        self._loop, self._client = loop, serin.AsyncClient(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._client, name)
        if not inspect.ismethod(found):
            return found

        def call(*args: Any, **kwargs: Any) -> Any:
            result = found(*args, **kwargs)
            if inspect.isasyncgen(result):
                return self._each(result)
            return self._loop.run_until_complete(result)

        return call

    def _each(self, answers: Any) -> Iterator[Any]:
        while True:
            try:
                yield self._loop.run_until_complete(answers.__anext__())
            except StopAsyncIteration:
                return


@pytest.fixture(params=["sync", "async"])
def connect(request: pytest.FixtureRequest) -> Iterator[Callable[..., Any]]:
    """Makes clients of either kind, and closes them."""
    made: list[Any] = []
    loop = asyncio.new_event_loop()

    def make(*args: Any, **kwargs: Any) -> Any:
        made.append(serin.Client(*args, **kwargs) if request.param == "sync" else Awaited(loop, *args, **kwargs))
        return made[-1]

    yield make
    for client in made:
        client.close()
    loop.close()


@pytest.fixture
def client(connect: Callable[..., Any], url: str) -> Iterator[Callable[[str], Any]]:
    """A client for a case, whose model has no canary then."""
    made: list[Any] = []

    def of(name: str) -> Any:
        made.append(connect(url) if name == "numbers" else connect(url, model=name))
        return made[-1]

    yield of
    for c in made:
        if c.state()["rollout"]:
            c.rollback("the test is over")
