"""The verdict as a line and as a tile for notebooks.

Every text of the server may have come from a stranger: a model's name is a file's
name. All of them are escaped, and the tile has no script, no link and no address.
"""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

# A sign and a word with each colour, for those who see none. White on each of them is
# easy to read, whether the notebook is light or dark.
_LOOKS = {
    "alert": ("\u25b2", "alert", "#c62828"),
    "healthy": ("\u2713", "healthy", "#2e7d32"),
    "insufficient_data": ("\u2026", "not enough data", "#8a6d00"),
    "no_canary": ("\u2013", "no canary", "#607080"),
}


def line(h: Mapping[str, Any]) -> str:
    """One line, whatever is in it."""
    word = _LOOKS.get(h["status"], ("", h["status"], ""))[1]
    who = f"canary {h['canary_version']} at {_share(h['weight'])}: " if h["canary_version"] else ""
    known = "" if h["status"] == "no_canary" else f"{word}: "
    text = f"{h['model']}: {known}{who}{h['finding']}"
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def html(h: Mapping[str, Any]) -> str:
    """The tile."""
    sign, word, colour = _LOOKS.get(str(h["status"]), ("?", str(h["status"]), "#607080"))
    parts = [
        (
            f'<div role="group" aria-label="verdict" style="font:14px/1.45 system-ui,sans-serif;max-width:46em;'
            f'border:1px solid rgba(128,128,128,.4);border-left:6px solid {colour};border-radius:4px;padding:.7em 1em">'
        ),
        f'<div><b style="background:{colour};color:#fff;border-radius:3px;padding:.1em .5em">{sign} {escape(word)}</b>'
        f' {escape(str(h["model"]))}'
        + (f' &middot; {escape(str(h["rollout"]))}' if h["rollout"] else "")
        + "</div>",
        f'<div style="font-size:16px;margin:.35em 0">{escape(_sentence(h["finding"]))}</div>',
    ]
    if h["canary_version"]:
        parts += [_table(h), _numbers(h)]
    if h["drilled"]:
        parts.append("<div>A drill slowed the canary down on purpose.</div>")
    return "".join(parts) + "</div>"


def _table(h: Mapping[str, Any]) -> str:
    """The arms, a row each."""
    monitor = h["monitor"]
    heads = ("arm", "version", "share", "requests", "errors", "mean ms", "p50", "p95", "p99")
    rows: list[tuple[str, ...]] = []
    for arm, share in (("stable", 1 - h["weight"]), ("canary", h["weight"])):
        seen = monitor[arm]
        rows.append(
            (
                arm,
                str(h[f"{arm}_version"]),
                _share(share),
                f"{seen['count']:,}",
                f"{seen['failures']:,}",
                *(_ms(seen[name]) for name in ("mean_ms", "p50_ms", "p95_ms", "p99_ms")),
            )
        )
    cell = "padding:.1em .8em .1em 0;text-align:"
    out = ['<table style="border-collapse:collapse;margin:.3em 0;background:none;color:inherit;font:inherit"><thead><tr>']
    out += [f'<th scope="col" style="{cell}{_side(i)};font-weight:600">{name}</th>' for i, name in enumerate(heads)]
    out.append("</tr></thead><tbody>")
    for row in rows:
        cells = (f'<td style="{cell}{_side(i)}">{escape(value)}</td>' for i, value in enumerate(row))
        out.append(f"<tr>{''.join(cells)}</tr>")
    return "".join([*out, "</tbody></table>"])


def _side(column: int) -> str:
    return "left" if column < 2 else "right"


def _numbers(h: Mapping[str, Any]) -> str:
    """The difference with its limits, Welch's test, what the monitor says, and the time left."""
    lower, upper = h["difference_lower_ms"], h["difference_upper_ms"]
    lines = [
        f"difference {h['difference_ms']:+.4g} ms ({lower:+.4g} to {upper:+.4g}), p = {h['p_value']:.3g} at one look",
        f"monitor: {_sentence(h['monitor_finding'])}",
    ]
    if h["remaining_seconds"] > 0:
        lines.append(f"{_time(h['remaining_seconds'])} left")
    return "".join(f"<div>{escape(text)}</div>" for text in lines)


def _sentence(text: Any) -> str:
    words = str(text)
    return words[:1].upper() + words[1:] + ("" if words.endswith(".") else ".")


def _share(share: float) -> str:
    return f"{100 * share:.4g} %"


def _ms(value: float) -> str:
    return f"{value:.4g}"


def _time(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"
