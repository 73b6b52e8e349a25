"""Plots as self-contained SVG, drawn in the colour of the text around."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from itertools import pairwise

from contrafact.reports._axes import round_ticks
from contrafact.reports._format import decimals_for, fixed, plain

__all__ = ["loss_plot_svg", "parts_plot_svg"]

_WIDTH, _HEIGHT = 640, 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 62, 16, 34, 40
_PARTS_WIDTH, _NAMES, _FIGURES, _ROW = 360, 140, 48, 20
_MAX_POINTS = 300

Curve = Sequence[tuple[int, float]]


def loss_plot_svg(curve: Curve, *, title: str) -> str:
    """Draw a training loss curve.

    Args:
        curve: `(step, loss)` by rising step; values that are not finite are
            left out. Long curves are drawn by the means of 300 equal parts.
        title: Written above, escaped.

    Returns:
        One `<svg>` element that needs nothing else; the same for the same
        curve, byte for byte.
    """
    points = _thin([(s, v) for s, v in curve if math.isfinite(v)])
    body = _plot(points) if points else _text(_WIDTH / 2, _HEIGHT / 2, "no steps yet")
    return _svg(_WIDTH, _HEIGHT, _LEFT, title, body)


def parts_plot_svg(parts: Mapping[str, float], *, title: str) -> str:
    """Draw parts of a whole as bars, those below zero to the left of it.

    Args:
        parts: By name, from the top; each in [-1, 1].
        title: Written above, escaped.

    Returns:
        One `<svg>` element that needs nothing else; the same for the same
        parts, byte for byte.
    """
    values = [x if math.isfinite(x) else 0.0 for x in parts.values()]
    low, high = min([0.0, *values]), max([0.0, *values])
    scale = (_PARTS_WIDTH - _NAMES - _FIGURES) / ((high - low) or 1.0)
    zero = _NAMES - low * scale
    rows = []
    for place, (name, value) in enumerate(zip(parts, values, strict=True)):
        y = _TOP + _ROW * place
        left, right = sorted((zero, zero + value * scale))
        rows.append(
            _text(_NAMES - 8, y + 14, plain(name, 22), "end")
            + f'<rect x="{left:.1f}" y="{y + 3}" width="{right - left:.1f}" '
            f'height="{_ROW - 7}" fill="#2a7f8a"/>'
            + _text(right + 6, y + 14, f"{100 * value:.0f} %", "start")
        )
    height = _TOP + _ROW * len(rows) + 8
    axis = (
        f'<path d="M{zero:.1f} {_TOP}V{height - 8}" stroke="currentColor" '
        'stroke-opacity="0.4"/>'
    )
    return _svg(_PARTS_WIDTH, height, 8, title, "".join(rows) + axis)


def _svg(width: float, height: float, left: float, title: str, body: str) -> str:
    heading = escape(plain(title, 90))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" '
        f'role="img" aria-label="{heading}" font-family="system-ui, sans-serif" '
        'font-size="12" fill="currentColor" stroke="none">'
        f"<title>{heading}</title>"
        f'<text x="{left:g}" y="18" font-size="13" font-weight="600">{heading}</text>'
        f"{body}</svg>"
    )


def _thin(points: Curve) -> Curve:
    if len(points) <= _MAX_POINTS:
        return points
    edges = [i * len(points) // _MAX_POINTS for i in range(_MAX_POINTS + 1)]
    parts = (points[a:b] for a, b in pairwise(edges))
    return [(p[len(p) // 2][0], math.fsum(v for _, v in p) / len(p)) for p in parts]


def _plot(points: Curve) -> str:
    steps, losses = [s for s, _ in points], [v for _, v in points]
    x_ticks = round_ticks(min(steps), max(steps), 6)
    y_ticks = round_ticks(min(losses), max(losses), 4)

    def x(step: float) -> float:
        part = (step - x_ticks[0]) / (x_ticks[-1] - x_ticks[0])
        return round(_LEFT + part * (_WIDTH - _LEFT - _RIGHT), 1)

    def y(loss: float) -> float:
        part = (loss - y_ticks[0]) / (y_ticks[-1] - y_ticks[0])
        return round(_HEIGHT - _BOTTOM - part * (_HEIGHT - _TOP - _BOTTOM), 1)

    decimals = decimals_for([y_ticks[1] - y_ticks[0]]) - 1
    grid = "".join(
        f'<path d="M{_LEFT} {y(t)}H{_WIDTH - _RIGHT}" stroke="currentColor" '
        f'stroke-opacity="0.15"/>'
        + _text(_LEFT - 8, y(t) + 4, fixed(t, max(decimals, 0)), "end")
        for t in y_ticks
    )
    labels = "".join(
        _text(x(t), _HEIGHT - _BOTTOM + 18, f"{t:g}") for t in x_ticks if t == int(t)
    )
    line = "L".join(f"{x(s)} {y(v)}" for s, v in points)
    return (
        f"{grid}{labels}"
        f"{_text((_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 5, 'training step')}"
        f'<path d="M{line}" fill="none" stroke="#2a7f8a" stroke-width="1.8" '
        'stroke-linejoin="round" stroke-linecap="round"/>'
    )


def _text(x: float, y: float, words: str, anchor: str = "middle") -> str:
    return (
        f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}" fill-opacity="0.75">'
        f"{escape(words)}</text>"
    )
