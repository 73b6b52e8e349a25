"""The plot of how often intervals of each level hold the retrained share, as SVG."""

from __future__ import annotations

from typing import Any

__all__ = ["plot"]

_SIZE, _EDGE = 260, 40
_AT_END = 'text-anchor="end"'


def _place(x: float, y: float) -> str:
    """Return where a point of the unit square lies in the plot."""
    inner = _SIZE - _EDGE - 10
    return f"{_EDGE + x * inner:.1f},{10 + (1 - y) * inner:.1f}"


def _ticks() -> list[str]:
    """Return the levels written beside both axes."""
    lines = []
    for level in (0.5, 1.0):
        x, y = (_place(*at).split(",") for at in ((level, 0), (0, level)))
        for left, down in (
            (float(x[0]) + 11 * (level < 1), float(x[1]) + 12),
            (float(y[0]) - 3, float(y[1]) + 4),
        ):
            lines.append(
                f'<text x="{left:.1f}" y="{down:.1f}" {_AT_END}>{level:.0%}</text>'
            )
    return lines


def plot(league: dict[str, Any]) -> str:
    """Return the coverage plot as SVG: how often intervals of each level hold."""
    size = _SIZE
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size} {size}" '
        'font-family="sans-serif" font-size="10">',
        f'<rect width="{size}" height="{size}" fill="#fff"/>',
        f'<path d="M{_place(0, 0)} L{_place(1, 1)}" stroke="#999" '
        f'stroke-dasharray="3"/>',
        f'<path d="M{_place(0, 1)} L{_place(0, 0)} L{_place(1, 0)}" fill="none" '
        'stroke="#333"/>',
    ]
    lines += _ticks()
    kinds = league["coverage"].items()
    for row, (colour, (kind, found)) in enumerate(
        zip(("#096", "#06b"), kinds, strict=False)
    ):
        curve = [(x["nominal"], x["covered"]) for x in found.get("curve", [])]
        if curve:
            points = " ".join(_place(x, y) for x, y in curve)
            lines.append(f'<polyline points="{points}" fill="none" stroke="{colour}"/>')
            x, y = _place(0.98, 0.16 - 0.07 * row).split(",")
            lines.append(
                f'<text x="{x}" y="{y}" fill="{colour}" {_AT_END}>by {kind}</text>'
            )
    lines += [
        f'<text x="{size / 2:.0f}" y="{size - 12}" text-anchor="middle">level that '
        "the interval claims</text>",
        f'<text transform="translate(9 {size / 2:.0f}) rotate(-90)" '
        'text-anchor="middle">holds the retrained share</text>',
        "</svg>",
    ]
    return "\n".join(lines) + "\n"
