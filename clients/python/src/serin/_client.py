"""Client and AsyncClient: the methods, and two thin transports.

Each method names the plan that it runs; what a call does is in _calls, once.
"""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar, Union
from urllib.parse import urlsplit

from ._answers import Change, Prediction, Verdict
from ._calls import Calls, Plan, share
from ._errors import InvalidInput
from ._rows import Signature
from ._wire import Ask, Effect, Lost, Pause, Reply, Result

if TYPE_CHECKING:
    import ssl

    import httpx

T = TypeVar("T")
Weight = Union[float, str]
Duration = Union[float, str, timedelta]
URL = "http://127.0.0.1:8000"


class _Settings:
    """What both clients are made of."""

    def __init__(
        self,
        url: str = URL,
        model: str | None = None,
        *,
        timeout: float = 10.0,
        retries: int = 3,
        patience: float = 10.0,
        actor: str | None = None,
        token: str | None = None,
        verify: bool | str | ssl.SSLContext = True,
        cert: None | str | tuple[str, str] = None,
    ) -> None:
        """A client of the server at url.

        model is one that it serves beside others; without it, its default model.
        timeout is how long a call may take, in seconds; a deploy may take longer.
        A server that is overloaded says when to come again: predictions and reads
        do, at most retries times and for at most patience seconds in all. actor is
        who acts, for the journal; without it, who is logged in.

        token is for a server that asks for one; without it, what SERIN_TOKEN or the file
        that SERIN_TOKEN_FILE names has. verify is a file of certificates that the server's
        may be signed with, or an ssl.SSLContext; cert is a certificate to show, the file
        of it, or that and its key's.
        """
        if "://" not in url:
            url = f"http://{url}"
        self._url = url.rstrip("/")
        where = urlsplit(self._url)
        if where.scheme not in ("http", "https") or not where.hostname:
            raise InvalidInput(f"The address {url!r} is not a URL.", next=f"Write it like {URL}.")
        self._calls = Calls(self._url, model, retries, patience)
        self._options: dict[str, Any] = {
            "base_url": self._url,
            "timeout": timeout,
            "headers": {
                "Serin-Actor": _printable(actor or _user()),
                "Serin-Timeout-Ms": str(max(1, int(timeout * 1e3))),  # after that nobody waits
                "User-Agent": "serin-python",
                **_authorization(token),
            },
            # Without TLS there is no certificate to hold against a list, which takes
            # longer to read than most calls; redirects are not followed.
            "verify": where.scheme == "https" and _trusted(verify, cert),
            # A proxy is no way to this machine.
            "trust_env": where.hostname not in ("127.0.0.1", "localhost", "::1"),
        }
        self._open()

    def _open(self) -> None:
        raise NotImplementedError

    @property
    def url(self) -> str:
        """The server's address."""
        return self._url

    @property
    def model(self) -> str | None:
        """The model's name; None is the server's default model."""
        return self._calls.name

    def __repr__(self) -> str:
        return f"serin.{type(self).__name__}({self._url!r}" + (f", model={self.model!r})" if self.model else ")")


class Client(_Settings):
    """Predictions from a serin server, and its canary's life. It may be shared by threads."""

    _http: httpx.Client

    def _open(self) -> None:
        import httpx

        self._http = httpx.Client(**self._options)

    def _run(self, plan: Plan[T]) -> T:
        result: Result = None
        while True:
            try:
                effect = plan.send(result)
            except StopIteration as end:
                value: T = end.value
                return value
            result = self._do(effect)

    def _do(self, effect: Effect) -> Result:
        if isinstance(effect, Pause):
            time.sleep(effect.seconds)
            return None
        return _exchange(self._http, effect)

    def close(self) -> None:
        """Closes the connections. Leaving a with block does it, too."""
        self._http.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def predict(self, X: Any) -> Prediction:
        """Predicts rows: a DataFrame, an array, a list of lists or of dicts, an
        iterator of them, or one row. NaN and None are missing values. A table of
        any length goes in chunks, all answered by the version that was dealt the
        first.
        """
        return self._run(self._calls.predict(X))

    def predict_proba(self, X: Any) -> Prediction:
        """The same as an array of probabilities, a column for each of its classes."""
        return self._run(self._calls.predict(X, proba=True))

    def stream(self, X: Any) -> Iterator[Prediction]:
        """Predicts rows in parts, as an iterator of answers: whatever X is, what is
        in memory is one part of it. One version answers all of them.
        """
        s = self._run(self._calls.signature(fresh=True))
        for plan in self._calls.stream(X, s):
            yield self._run(plan)

    def signature(self) -> Signature:
        """What the model takes and answers."""
        return self._run(self._calls.signature(fresh=True))

    def deploy(
        self,
        model: Any,
        name: str | None = None,
        *,
        weight: Weight | None = None,
        duration: Duration | None = None,
        policy: Mapping[str, Any] | None = None,
        golden: Any = None,
        reason: str = "",
        force: bool = False,
    ) -> Change:
        """Releases a version as a canary, and returns when it is live.

        model is a fitted estimator, which is saved by joblib, or the path of a model
        file; name is what the version is called. golden are rows: what the
        estimator answers to them goes along, and the version is refused unless
        serin reproduces it. For a path, golden is the file of golden predictions
        (else path + ".golden.jsonl", if there is one).

        weight is its share of the requests (0.1 or "10%"), duration how long it is
        observed (seconds, "1h", a timedelta), policy how it is judged and what
        follows: {"at_end": "promote", "on_alarm": "rollback"}; the server's defaults
        where they are missing. force deploys a version that is quarantined.
        """
        return self._run(
            self._calls.deploy(
                model,
                name=name,
                weight=weight,
                duration=duration,
                policy=policy,
                golden=golden,
                reason=reason,
                force=force,
            )
        )

    def rollback(self, reason: str = "") -> Change:
        """Takes the canary out; always works while there is one."""
        return self._run(self._calls.command("rollback-canary", {"reason": reason}))

    def promote(self, force: bool = False, reason: str = "") -> Change:
        """Makes the canary stable if the verdict of this moment is a pass; force does
        it whatever the verdict is, and needs a reason.
        """
        return self._run(self._calls.command("promote-canary", {"force": force, "reason": reason}))

    def weight(self, weight: Weight, reason: str = "") -> Change:
        """Gives the canary another share of the requests, like 0.25 or "25%"."""
        return self._run(self._calls.command("canary-weight", {"weight": share(weight), "reason": reason}))

    def slowdown(self, on: bool | None = None) -> bool:
        """Starts or ends a drill that slows the canary down on purpose; without on it
        is the other one. Returns whether it is on now.
        """
        return self._run(self._calls.slowdown(on))

    def check(self) -> Verdict:
        """Judges the canary; it counts as a look."""
        return self._run(self._calls.check())

    def verdict(self) -> Verdict:
        """What serin says of the canary now; in a notebook it is drawn. It is no look."""
        return self._run(self._calls.verdict())

    def wait(self, timeout: float, poll: float = 1.0) -> Verdict:
        """Waits for an alert, the monitor's verdict or the canary's end, at most so
        many seconds; then a TimedOut is raised. It asks every poll seconds.
        """
        return self._run(self._calls.wait(timeout, poll))

    def state(self) -> dict[str, Any]:
        """The state as the API has it: what is stable, what is on trial."""
        return self._run(self._calls.state())

    def models(self) -> list[str]:
        """The names of the models that the server has."""
        return self._run(self._calls.models())


class AsyncClient(_Settings):
    """Client, awaited: each method does what Client's does."""

    _http: httpx.AsyncClient

    def _open(self) -> None:
        import httpx

        self._http = httpx.AsyncClient(**self._options)

    async def _run(self, plan: Plan[T]) -> T:
        result: Result = None
        while True:
            try:
                effect = plan.send(result)
            except StopIteration as end:
                value: T = end.value
                return value
            result = await self._do(effect)

    async def _do(self, effect: Effect) -> Result:
        import anyio
        import httpx

        if isinstance(effect, Pause):
            await anyio.sleep(effect.seconds)
            return None
        if effect.form is not None:
            return await anyio.to_thread.run_sync(self._upload, effect)
        try:
            return _reply(await self._http.request(effect.method, effect.path, **_request(effect)))
        except httpx.TransportError as e:
            return _lost(e)

    def _upload(self, ask: Ask) -> Result:
        """Sends a file, in a thread: reading it would hold up the loop, and asyncio
        loses the answer of who refuses before all was sent.
        """
        import httpx

        with httpx.Client(**self._options) as http:
            return _exchange(http, ask)

    async def close(self) -> None:
        """Closes the connections. Leaving an async with block does it, too."""
        await self._http.aclose()

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def predict(self, X: Any) -> Prediction:
        return await self._run(self._calls.predict(X))

    async def predict_proba(self, X: Any) -> Prediction:
        return await self._run(self._calls.predict(X, proba=True))

    async def stream(self, X: Any) -> AsyncIterator[Prediction]:
        s = await self._run(self._calls.signature(fresh=True))
        for plan in self._calls.stream(X, s):
            yield await self._run(plan)

    async def signature(self) -> Signature:
        return await self._run(self._calls.signature(fresh=True))

    async def deploy(
        self,
        model: Any,
        name: str | None = None,
        *,
        weight: Weight | None = None,
        duration: Duration | None = None,
        policy: Mapping[str, Any] | None = None,
        golden: Any = None,
        reason: str = "",
        force: bool = False,
    ) -> Change:
        return await self._run(
            self._calls.deploy(
                model,
                name=name,
                weight=weight,
                duration=duration,
                policy=policy,
                golden=golden,
                reason=reason,
                force=force,
            )
        )

    async def rollback(self, reason: str = "") -> Change:
        return await self._run(self._calls.command("rollback-canary", {"reason": reason}))

    async def promote(self, force: bool = False, reason: str = "") -> Change:
        return await self._run(self._calls.command("promote-canary", {"force": force, "reason": reason}))

    async def weight(self, weight: Weight, reason: str = "") -> Change:
        return await self._run(self._calls.command("canary-weight", {"weight": share(weight), "reason": reason}))

    async def slowdown(self, on: bool | None = None) -> bool:
        return await self._run(self._calls.slowdown(on))

    async def check(self) -> Verdict:
        return await self._run(self._calls.check())

    async def verdict(self) -> Verdict:
        return await self._run(self._calls.verdict())

    async def wait(self, timeout: float, poll: float = 1.0) -> Verdict:
        return await self._run(self._calls.wait(timeout, poll))

    async def state(self) -> dict[str, Any]:
        return await self._run(self._calls.state())

    async def models(self) -> list[str]:
        return await self._run(self._calls.models())


for _name, _method in vars(AsyncClient).items():
    if not _name.startswith("_") and _method.__doc__ is None:
        _method.__doc__ = getattr(Client, _name).__doc__


def _trusted(
    verify: bool | str | ssl.SSLContext, cert: None | str | tuple[str, str]
) -> bool | ssl.SSLContext:
    """What httpx takes for both."""
    import ssl

    if isinstance(verify, ssl.SSLContext) or cert is None and isinstance(verify, bool):
        return verify
    try:
        context = ssl.create_default_context(cafile=verify if isinstance(verify, str) else None)
        if cert is not None:
            context.load_cert_chain(*((cert,) if isinstance(cert, str) else cert))
    except OSError as e:  # an ssl.SSLError is one
        raise InvalidInput(f"The certificates cannot be used: {e}.", next="verify and cert are names of PEM files.") from None
    if verify is False:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def _authorization(token: str | None) -> dict[str, str]:
    """The header that shows a token: the one that is given, or the environment's."""
    file = os.environ.get("SERIN_TOKEN_FILE")
    if token is None and file:
        try:
            with open(file, encoding="utf-8") as f:
                token = f.read()
        except OSError as e:
            raise InvalidInput(f"The file of SERIN_TOKEN_FILE cannot be read: {e}.") from None
    if token is None:
        token = os.environ.get("SERIN_TOKEN")
    token = (token or "").strip()
    if not all("!" <= c <= "~" for c in token):
        raise InvalidInput("The token has more than one word in it.", next="Give what `serin token new` printed first.")
    return {"Authorization": f"Bearer {token}"} if token else {}


def _exchange(http: httpx.Client, ask: Ask) -> Result:
    import httpx

    try:
        return _reply(http.request(ask.method, ask.path, **_request(ask)))
    except httpx.TransportError as e:
        return _lost(e)


def _request(ask: Ask) -> dict[str, Any]:
    """What httpx makes a request of."""
    given: dict[str, Any] = {"headers": dict(ask.headers), "content": ask.body}
    if ask.timeout is not None:
        given["timeout"] = ask.timeout
    if ask.form is not None:
        files: list[Any] = [("model", (ask.form.name, ask.form.model, "application/octet-stream"))]
        if ask.form.golden is not None:
            files.insert(0, ("golden", ("golden.jsonl", ask.form.golden, "application/x-ndjson")))
        del given["content"]
        given["data"], given["files"] = {"options": ask.form.options}, files
    return given


def _reply(response: httpx.Response) -> Reply:
    return Reply(response.status_code, {k.lower(): v for k, v in response.headers.items()}, response.content)


def _lost(e: httpx.TransportError) -> Lost:
    import httpx

    if isinstance(e, httpx.TimeoutException):
        return Lost("it did not answer in time", closed=False)
    closed = isinstance(e, (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError))
    return Lost(str(e) or "the connection was closed", closed)


def _user() -> str:
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        return "python"


def _printable(actor: str) -> str:
    """What a header can hold, within the server's limit."""
    return "".join(c if " " <= c <= "~" else "?" for c in actor)[:100]
