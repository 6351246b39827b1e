"""What can go wrong, in one hierarchy.

    SerinError
      Unreachable    no server answered, or not in time
      Overloaded     it cannot answer now (503); retry_after says when to ask again
      Refused        it says no, and why (4xx)
        InvalidInput   because of what was given; found here or by the server
      TimedOut       wait() saw no verdict in time; verdict is the last one seen

A server that fails itself (5xx) is a SerinError and nothing narrower. A message says
what is wrong and what to do next.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


class SerinError(Exception):
    """Something went wrong: code for programs, detail and next for people."""

    def __init__(
        self,
        detail: str,
        *,
        code: str = "",
        status: int = 0,
        next: str = "",
        errors: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        self.detail = detail
        self.code = code
        """The server's word for it, which does not change: "canary_active"."""
        self.status = status
        """HTTP's, or 0 where no server was asked."""
        self.next = next
        """What to do about it in Python; empty where detail says it."""
        self.errors = list(errors)
        """The values that are wrong, each with its location and message."""
        super().__init__(f"{detail} {next}".strip())


class Unreachable(SerinError):
    """No serin server answered."""


class Overloaded(SerinError):
    """The server cannot answer now, and could not in the retries before."""

    retry_after: float = 1.0
    """Seconds after which it asks to be asked again."""


class Refused(SerinError):
    """The server refuses; detail says why."""


class InvalidInput(Refused, ValueError):
    """What was given is not what the model takes."""


class TimedOut(SerinError, TimeoutError):
    """There was no verdict in time."""

    verdict: Any = None
    """The serin.Verdict that was seen last."""


# What a refusal asks for, in the words of this library. Codes that are missing here
# have it in their detail.
_NEXT = {
    "no_canary": "In Python: client.deploy(model).",
    "canary_active": "In Python: client.rollback() or client.promote().",
    "canary_loading": "client.state() tells when it is live.",
    "canary_unhealthy": "In Python: client.rollback(), or client.promote(force=True, reason=...).",
    "evidence_insufficient": "In Python: client.wait(timeout), or client.promote(force=True, reason=...).",
    "evidence_invalid": "In Python: client.verdict(), client.promote(force=True, reason=...).",
    "version_quarantined": "In Python: client.deploy(model, force=True).",
    "reason_missing": "In Python: reason='...'.",
}


def from_problem(status: int, document: Any, headers: Mapping[str, str]) -> SerinError:
    """The error that an answer is: RFC 9457's document, or what another server says."""
    if not isinstance(document, dict) or not isinstance(document.get("detail"), str):
        return Unreachable(
            f"Something answers HTTP {status}, and not as serin does.",
            code="not_serin",
            status=status,
            next="Is it a serin server? Give its address: Client('http://127.0.0.1:8000').",
        )
    code = str(document.get("code", ""))
    kind: type[SerinError] = SerinError
    if status == 503:
        kind = Overloaded
    elif status < 500:
        kind = InvalidInput if code == "invalid_request" else Refused
    found = kind(
        document["detail"],
        code=code,
        status=status,
        next=_NEXT.get(code, ""),
        errors=document.get("errors") or (),
    )
    if isinstance(found, Overloaded):
        found.retry_after = retry_after(headers)
    return found


def retry_after(headers: Mapping[str, str]) -> float:
    """Seconds, as the header says; 1 where it says nothing that is a number."""
    try:
        return max(0.0, float(headers.get("retry-after", "1")))
    except ValueError:
        return 1.0
