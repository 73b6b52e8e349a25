"""How numbers, times and foreign text are written, in every kind of report.

Nothing here prints `nan` or `inf`: a number that does not exist is a dash.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterable

DASH = "–"
_SMALLEST_P, _LARGE_P = 0.001, 0.1
MINUS = "\u2212"
NBSP = "\u00a0"

_MAX_DECIMALS = 7
_UNSAFE = {"Cc", "Cs", "Co", "Cn"}

KIND_NAMES = {
    "artist": ("artist", "artists"),
    "collection": ("collection", "collections"),
    "work": ("work", "works"),
    "recording": ("recording", "recordings"),
    "holder": ("rights holder", "rights holders"),
}

REMOVAL_NAMES = {
    "named": "the named recordings",
    "similar": "the most similar ones",
    "random": "random ones",
}


def is_number(value: float | None) -> bool:
    """Tell whether `value` is there and finite."""
    return value is not None and math.isfinite(value)


def plain(text: str, max_length: int = 300) -> str:
    """Return foreign text fit to show: one line, no control characters.

    Control characters could steer a terminal, and lone surrogates (undecodable
    file names) cannot be written as UTF-8; both become U+FFFD.
    """
    one_line = " ".join(str(text).split())
    shown = "".join(
        "\ufffd" if unicodedata.category(c) in _UNSAFE else c for c in one_line
    )
    if len(shown) <= max_length:
        return shown
    return shown[: max_length - 1].rstrip() + "…"


def percent(fraction: float | None, digits: int = 1) -> str:
    """Return a fraction as a percentage, `<0.1 %` where it would read as 0."""
    if fraction is None or not math.isfinite(fraction):
        return DASH
    hundredths = 100 * fraction
    smallest = 10.0**-digits
    if 0 < hundredths < smallest / 2:
        return f"<{smallest:.{digits}f}{NBSP}%"
    return f"{fixed(hundredths, digits)}{NBSP}%"


def p_value(value: float | None) -> str:
    """Return a p-value with two digits that say something, `<0.001` below that."""
    if value is None or not math.isfinite(value):
        return DASH
    if value < _SMALLEST_P:
        return f"<{_SMALLEST_P:g}"
    return f"{value:.3f}" if value < _LARGE_P else f"{value:.2f}"


def percent_range(low: float, high: float) -> str:
    """Return an interval of fractions as `35.1–46.0 %`."""
    if not (is_number(low) and is_number(high)):
        return DASH
    joint = "–" if low >= 0 else " to "
    return f"{fixed(100 * low, 1)}{joint}{fixed(100 * high, 1)}{NBSP}%"


def decimals_for(values: Iterable[float | None]) -> int:
    """Return decimals that give the largest of `values` three digits."""
    sizes = [abs(v) for v in values if v is not None and math.isfinite(v) and v]
    if not sizes:
        return 3
    return min(max(2 - math.floor(math.log10(max(sizes))), 0), _MAX_DECIMALS)


def fixed(value: float | None, decimals: int) -> str:
    """Return a number with so many decimals and a true minus sign."""
    if value is None or not math.isfinite(value):
        return DASH
    digits = f"{abs(value):.{decimals}f}"
    is_zero = not digits.strip("0.")
    return digits if value >= 0 or is_zero else MINUS + digits


def clock(seconds: float) -> str:
    """Return a time stamp as `1:02.4`.

    Example:
        >>> clock(62.43), clock(3661.0)
        ('1:02.4', '1:01:01.0')
    """
    if not math.isfinite(seconds):
        return DASH
    tenths = max(round(seconds * 10), 0)
    minutes, rest = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    head = f"{hours}:{minutes:02d}" if hours else f"{minutes}"
    return f"{head}:{rest // 10:02d}.{rest % 10}"


def kind_name(kind: str, n: int = 1) -> str:
    """Return the word for a kind of source, in the number asked for."""
    one, many = KIND_NAMES.get(kind, (plain(kind), f"{plain(kind)}s"))
    return one if n == 1 else many
