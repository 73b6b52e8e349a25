"""Pictures about generators: who was taken for whom, and what is left of a mark."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

from contrafact.reports._axes import round_ticks
from contrafact.reports._format import plain

__all__ = [
    "confusion_svg",
    "evidence_svg",
    "p_values_svg",
    "residual_svg",
    "robustness_svg",
]

_INK, _OTHER = "#2a7f8a", "#c2703d"
_LABEL, _CELL, _ROW = 190, 46, 22
_LEAST_P = 8.0
"""Decimal places below which all p-values are drawn alike."""


def _svg(width: float, height: float, title: str, body: str) -> str:
    heading = escape(plain(title, 100))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" '
        f'role="img" aria-label="{heading}" font-family="system-ui, sans-serif" '
        'font-size="12" fill="currentColor" stroke="none">'
        f'<title>{heading}</title><text x="10" y="18" font-size="13" '
        f'font-weight="600">{heading}</text>{body}</svg>\n'
    )


def _text(x: float, y: float, words: str, anchor: str = "start", turn: int = 0) -> str:
    turned = f' transform="rotate({turn} {x:g} {y:g})"' if turn else ""
    return (
        f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}" '
        f'fill-opacity="0.8"{turned}>{escape(words)}</text>'
    )


def confusion_svg(
    counts: Mapping[str, Mapping[str, int]],
    rows: Sequence[str],
    columns: Sequence[str],
    *,
    title: str,
) -> str:
    """Draw a confusion matrix.

    Args:
        counts: By row, then by column; missing is 0.
        rows: What is true, from the top.
        columns: What was said, from the left.
        title: Written above, escaped.

    Returns:
        One `<svg>` element that needs nothing else.
    """
    top = 165
    width = _LABEL + _CELL * len(columns) + 80
    parts = [
        _text(_LABEL + _CELL * (j + 0.6), top - 8, name, turn=-50)
        for j, name in enumerate(columns)
    ]
    for i, row in enumerate(rows):
        y = top + _ROW * i
        parts.append(_text(_LABEL - 8, y + 15, row, "end"))
        total = sum(counts[row].values()) or 1
        for j, column in enumerate(columns):
            count = counts[row].get(column, 0)
            x = _LABEL + _CELL * j
            parts.append(
                f'<rect x="{x}" y="{y}" width="{_CELL - 2}" height="{_ROW - 2}" '
                f'fill="{_INK if row == column else _OTHER}" '
                f'fill-opacity="{0.06 + 0.8 * count / total:.2f}"/>'
            )
            if count:
                parts.append(_text(x + _CELL / 2 - 1, y + 15, str(count), "middle"))
    return _svg(width, top + _ROW * len(rows) + 12, title, "".join(parts))


def robustness_svg(
    bars: Sequence[tuple[str, float, tuple[float, float]]], *, title: str
) -> str:
    """Draw a rate for each change that was made to the sound, with whiskers.

    Args:
        bars: Name, rate in [0, 1], and its interval.
        title: Written above, escaped.

    Returns:
        One `<svg>` element that needs nothing else.
    """
    long, top = 380, 52
    parts = [
        f'<path d="M{_LABEL + t * long:g} {top - 8}V{top + _ROW * len(bars)}" '
        'stroke="currentColor" stroke-opacity="0.15"/>'
        + _text(_LABEL + t * long, top - 12, f"{t:g}", "middle")
        for t in (0.0, 0.25, 0.5, 0.75, 1.0)
    ]
    for i, (name, rate, (low, high)) in enumerate(bars):
        y = top + _ROW * i
        parts.append(_text(_LABEL - 8, y + 14, name, "end"))
        parts.append(_bar(_LABEL, y + 4, rate * long, _INK))
        parts.append(
            f'<path d="M{_LABEL + low * long:.1f} {y + 11}H{_LABEL + high * long:.1f}" '
            'stroke="currentColor" stroke-width="1.5"/>'
        )
        parts.append(_text(_LABEL + long + 14, y + 15, f"{rate:.2f}"))
    return _svg(_LABEL + long + 60, top + _ROW * len(bars) + 12, title, "".join(parts))


def _bar(x: float, y: float, width: float, colour: str) -> str:
    return (
        f'<rect x="{x:g}" y="{y:g}" width="{max(width, 0):.1f}" height="14" '
        f'fill="{colour}" fill-opacity="0.75"/>'
    )


def evidence_svg(rows: Sequence[tuple[str, float, float]], *, title: str) -> str:
    """Draw how well each class fits, beside what recordings by people reach.

    Args:
        rows: Name of the class, the fit, and the usual fit of people's recordings,
            both in [0, 1].
        title: Written above, escaped.

    Returns:
        One `<svg>` element that needs nothing else.
    """
    long, top = 380, 52
    ticks = round_ticks(0.0, max([0.1, *(f for _, f, _ in rows)]), 4)
    scale = long / ticks[-1]
    parts = [_text(_LABEL + t * scale, top - 12, f"{t:g}", "middle") for t in ticks]
    for i, (name, fit, usual) in enumerate(rows):
        y = top + _ROW * i
        parts.append(_text(_LABEL - 8, y + 14, name, "end"))
        parts.append(_bar(_LABEL, y + 4, fit * scale, _INK))
        x = _LABEL + max(usual, 0.0) * scale
        parts.append(
            f'<path d="M{x:.1f} {y + 1}V{y + 21}" stroke="{_OTHER}" '
            'stroke-width="2.5"/>'
        )
    height = top + _ROW * len(rows) + 30
    note = "bars: fit at the best scale; marks: people's recordings"
    parts.append(_text(_LABEL, height - 10, note))
    return _svg(_LABEL + long + 40, height, title, "".join(parts))


def p_values_svg(rows: Sequence[tuple[str, float]], *, limit: float, title: str) -> str:
    """Draw how seldom recordings by people show as much, for each evidence.

    Args:
        rows: Name and p-value, above 0.
        limit: P-value at which a line is drawn.
        title: Written above, escaped.

    Returns:
        One `<svg>` element that needs nothing else.
    """
    long, top = 380, 52
    scale = long / _LEAST_P
    ticks = {0: "1", 2: "1 %", 4: "0.01 %", 6: "1e-6", 8: "1e-8"}
    parts = [
        _text(_LABEL + t * scale, top - 12, said, "middle") for t, said in ticks.items()
    ]
    for i, (name, p_value) in enumerate(rows):
        y = top + _ROW * i
        reach = min(_LEAST_P, -math.log10(p_value))
        parts.append(_text(_LABEL - 8, y + 14, name, "end"))
        parts.append(_bar(_LABEL, y + 4, reach * scale, _INK))
    x, bottom = _LABEL - math.log10(limit) * scale, top + _ROW * len(rows)
    parts.append(
        f'<path d="M{x:.1f} {top - 4}V{bottom + 4}" stroke="{_OTHER}" '
        'stroke-width="2" stroke-dasharray="4 3"/>'
    )
    note = "how seldom recordings by people show as much; longer is rarer"
    parts.append(_text(_LABEL, bottom + 22, note))
    return _svg(_LABEL + long + 40, bottom + 32, title, "".join(parts))


def residual_svg(
    hz: Sequence[float],
    values: Sequence[float],
    template: Sequence[float],
    *,
    title: str,
) -> str:
    """Draw a residual with the matched class's over it.

    Args:
        hz: Frequencies, rising.
        values: The recording's residual, dB.
        template: The class's, dB.
        title: Written above, escaped.

    Returns:
        One `<svg>` element that needs nothing else.
    """
    left, right, top, bottom = 50, 700, 40, 240
    reach = max(1.0, *(abs(v) for v in values), *(abs(v) for v in template))

    def x(value: float) -> float:
        return left + (right - left) * (value - hz[0]) / (hz[-1] - hz[0])

    def y(value: float) -> float:
        return (top + bottom) / 2 - (bottom - top) / 2 * value / reach

    def line(row: Sequence[float], colour: str, width: float) -> str:
        points = "L".join(
            f"{x(h):.1f} {y(v):.1f}" for h, v in zip(hz, row, strict=True)
        )
        return (
            f'<path d="M{points}" fill="none" stroke="{colour}" '
            f'stroke-width="{width}" stroke-linejoin="round"/>'
        )

    ticks = [t for t in round_ticks(hz[0], hz[-1], 6) if hz[0] <= t <= hz[-1]]
    body = "".join(_text(x(t), bottom + 18, f"{t:g}", "middle") for t in ticks)
    body += _text((left + right) / 2, bottom + 36, "Hz", "middle")
    body += "".join(
        _text(left - 6, y(v) + 4, f"{v:g}", "end")
        for v in (-math.floor(reach), 0, math.floor(reach))
    )
    body += line(values, _INK, 1.0) + line(template, _OTHER, 1.6)
    return _svg(right + 20, bottom + 46, title, body)
