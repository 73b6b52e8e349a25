"""The plot of how well estimators rank single recordings, as SVG."""

from __future__ import annotations

from typing import Any

__all__ = ["plot_league"]

_WIDTH, _LEFT, _RIGHT, _ROW, _TOP = 460, 120, 34, 22, 24
_LOWEST, _HIGHEST = -0.2, 1.0


def _x(value: float) -> float:
    """Return where a score lies in the plot."""
    inner = _WIDTH - _LEFT - _RIGHT
    return _LEFT + (value - _LOWEST) / (_HIGHEST - _LOWEST) * inner


def plot_league(league: dict[str, Any]) -> str:
    """Return the LDS of every estimator with its interval and the ceiling, as SVG."""
    rows = {
        name: row["lds_by_kind"]["generated"]
        for name, row in league["estimators"].items()
        if "mean" in row["lds_by_kind"]["generated"]
    }
    rows = dict(sorted(rows.items(), key=lambda item: -item[1]["mean"]))
    height = _TOP + _ROW * len(rows) + 34
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" '
        'font-family="sans-serif" font-size="11">',
        f'<rect width="{_WIDTH}" height="{height}" fill="#fff"/>',
        *_ceiling(league["ceiling"]["generated"], height - 34),
        *_axis(height - 34),
    ]
    for place, (name, figure) in enumerate(rows.items()):
        lines += _bar(name, figure, _TOP + _ROW * place + _ROW / 2)
    lines.append("</svg>")
    return "\n".join(lines) + "\n"


def _ceiling(figure: dict[str, Any], bottom: float) -> list[str]:
    """Return the band of what two seeds allow, nothing where it is not known."""
    if "mean" not in figure:
        return []
    (low, high), mean = figure["interval_90"], figure["mean"]
    return [
        f'<rect x="{_x(low):.1f}" y="{_TOP}" width="{_x(high) - _x(low):.1f}" '
        f'height="{bottom - _TOP:.1f}" fill="#eee"/>',
        f'<path d="M{_x(mean):.1f} {_TOP} V{bottom:.1f}" stroke="#666" '
        'stroke-dasharray="3"/>',
        f'<text x="{_x(mean):.1f}" y="{_TOP - 8}" text-anchor="middle" fill="#444">'
        f"ceiling: {mean:.2f}</text>",
    ]


def _axis(bottom: float) -> list[str]:
    """Return the axis with its numbers."""
    lines = [
        f'<path d="M{_x(_LOWEST):.1f} {bottom:.1f} H{_x(_HIGHEST):.1f}" '
        'stroke="#333"/>',
        f'<path d="M{_x(0):.1f} {_TOP} V{bottom:.1f}" stroke="#999"/>',
    ]
    for value in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0):
        lines.append(
            f'<text x="{_x(value):.1f}" y="{bottom + 13:.1f}" text-anchor="middle">'
            f"{value:g}</text>"
        )
    middle = (_x(_LOWEST) + _x(_HIGHEST)) / 2
    lines.append(
        f'<text x="{middle:.1f}" y="{bottom + 28:.1f}" text-anchor="middle">'
        "linear datamodeling score on generated songs, 90 % interval</text>"
    )
    return lines


def _bar(name: str, figure: dict[str, Any], y: float) -> list[str]:
    """Return one estimator: its name, its score, and its interval as a line."""
    (low, high), mean = figure["interval_90"], figure["mean"]
    colour = "#096" if name == "index" else "#06b"
    return [
        f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{name}</text>',
        f'<path d="M{_x(max(low, _LOWEST)):.1f} {y:.1f} H{_x(high):.1f}" '
        f'stroke="{colour}" stroke-width="2"/>',
        f'<circle cx="{_x(mean):.1f}" cy="{y:.1f}" r="4" fill="{colour}"/>',
        f'<text x="{_WIDTH - _RIGHT + 6}" y="{y + 4:.1f}">{mean:.2f}</text>',
    ]
