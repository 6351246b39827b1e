"""The verdict as a line and as a tile. The golden texts are in golden/; they are written
anew with SERIN_UPDATE=1, and then a person looks at them.
"""

from __future__ import annotations

import html.parser
import os
import pathlib
from typing import Any

import pytest

import serin

GOLDEN = pathlib.Path(__file__).parent / "golden"


def arm(count: int, mean: float) -> dict[str, Any]:
    return {"count": count, "failures": 0, "mean_ms": mean, "p50_ms": mean, "p95_ms": 2 * mean, "p99_ms": 3 * mean}


def health(**changes: Any) -> dict[str, Any]:
    return {
        "model": "churn",
        "status": "healthy",
        "finding": "the canary is not significantly slower",
        "alert_triggered": False,
        "canary_version": "model_v2",
        "stable_version": "model_v1",
        "rollout": "r1",
        "weight": 0.1,
        "drilled": False,
        "difference_ms": 0.02,
        "difference_lower_ms": -0.0312,
        "difference_upper_ms": 0.0712,
        "p_value": 0.211,
        "monitor_verdict": "insufficient",
        "monitor_finding": "no verdict yet",
        "remaining_seconds": 3599.2,
        "monitor": {"stable": arm(12345, 0.5), "canary": arm(1371, 0.52)},
        **changes,
    }


NO_CANARY = {"canary_version": "", "rollout": "", "weight": 0.0, "remaining_seconds": 0.0}
CASES = {
    "healthy": health(),
    "alert": health(
        status="alert",
        finding="the canary is slower.",
        alert_triggered=True,
        drilled=True,
        p_value=1.5e-9,
        weight=0.5,
        remaining_seconds=61.0,
    ),
    "insufficient": health(status="insufficient_data", finding="3 of 20 requests", remaining_seconds=5.0),
    "none": health(status="no_canary", finding="no canary is active", **NO_CANARY),
}


@pytest.mark.parametrize("name", CASES)
def test_golden(name: str) -> None:
    verdict = serin.Verdict(CASES[name])
    got = f"{verdict!r}\n{verdict._repr_html_()}\n".replace("><", ">\n<")
    path = GOLDEN / f"verdict_{name}.txt"
    if os.environ.get("SERIN_UPDATE"):
        path.write_text(got)
    assert got == path.read_text()


class Tags(html.parser.HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.attributes: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[Any]) -> None:
        self.tags.append(tag)
        self.open.append(tag)
        self.attributes += [name for name, _ in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


EVIL = "<img src=x onerror=alert(1)>\"'&</td></div><script>alert(2)</script>"


def test_what_strangers_named_is_text() -> None:
    names = ("model", "finding", "canary_version", "stable_version", "rollout", "monitor_finding", "status")
    tile = Tags()
    tile.feed(serin.Verdict(health(**{name: EVIL for name in names}))._repr_html_())
    tile.close()
    assert tile.open == []
    assert set(tile.tags) <= {"div", "b", "table", "thead", "tbody", "tr", "th", "td"}
    assert set(tile.attributes) <= {"style", "role", "aria-label", "scope"}
    assert tile.text.count(EVIL) == len(names)


def test_a_line_is_one_line() -> None:
    line = repr(serin.Verdict(health(model="a\nb", finding="x\r\n\x1b[31my\u2028z")))
    assert line == "a b: healthy: canary model_v2 at 10 %: x [31my z"


def test_what_it_says() -> None:
    verdict = serin.Verdict(CASES["alert"])
    assert (verdict.alert, verdict.status, verdict.decided, verdict.ended) == (True, "alert", True, False)
    assert verdict.sentence == "the canary is slower." and verdict["p_value"] == 1.5e-9
    assert not serin.Verdict(CASES["healthy"]).decided and serin.Verdict(health(monitor_verdict="pass")).decided
    assert serin.Verdict(CASES["none"]).ended
