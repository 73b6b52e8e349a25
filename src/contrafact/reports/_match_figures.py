"""Figures of the match report: aligned waveforms, pitch classes, nulls."""

from __future__ import annotations

import base64
import math
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from contrafact.core.matches import AspectSpan
from contrafact.reports._axes import round_ticks
from contrafact.reports._format import clock
from contrafact.reports._sound import outline
from contrafact.reports.inputs import Sound
from contrafact.reports.match_inputs import Null

_N_BINS = 400
_N_BARS = 24
PITCHES = ("C", "C♯", "D", "D♯", "E", "F", "F♯", "G", "G♯", "A", "A♯", "B")


@dataclass(frozen=True, slots=True, kw_only=True)
class Strip:
    """A waveform on the common axis of time; `x` and `width` in per cent."""

    path: str
    n_bins: int
    x: str
    width: str
    length: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Aligned:
    """Two waveforms, the recording's laid under the place where it matches.

    Attributes:
        band_x: Where the matched stretch begins, in per cent of the axis.
    """

    query: Strip
    reference: Strip
    band_x: str
    band_width: str
    description: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NullPlot:
    """A histogram of unrelated scores with the observed one; in per cent."""

    name: str
    bars: tuple[tuple[str, str, str, str], ...]
    ticks: tuple[tuple[str, str], ...]
    observed: str
    is_right: bool
    n: int
    score: str
    p_value: str


def aligned(
    query: Sound, start_s: float, reference: Sound, span: AspectSpan
) -> Aligned:
    """Lay two waveforms on one axis so that the matched stretch coincides.

    Args:
        query: The part of the query that was listened to.
        start_s: Where in the query that part begins.
        reference: The recording from its beginning.
        span: The stretch that matches, in times of both.
    """
    there = max(span.reference_end_s - span.reference_start_s, 1e-3)
    here = max(span.query_end_s - span.query_start_s, 1e-3)
    stretch = here / there
    first_s = span.query_start_s - span.reference_start_s * stretch
    low = min(start_s, first_s)
    high = max(start_s + query.duration_s, first_s + reference.duration_s * stretch)

    def place(at_s: float, length_s: float) -> tuple[str, str]:
        whole = max(high - low, 1e-3)
        return (
            f"{100 * (at_s - low) / whole:.3f}%",
            f"{max(100 * length_s / whole, 0.4):.3f}%",
        )

    band = place(span.query_start_s, here)
    return Aligned(
        query=_strip(query, *place(start_s, query.duration_s)),
        reference=_strip(reference, *place(first_s, reference.duration_s * stretch)),
        band_x=band[0],
        band_width=band[1],
        description=(
            f"{clock(span.query_start_s)} to {clock(span.query_end_s)} of this audio "
            f"lies over {clock(span.reference_start_s)} to "
            f"{clock(span.reference_end_s)} of the recording"
        ),
    )


def _strip(sound: Sound, x: str, width: str) -> Strip:
    # As many bars as there is room for: a short sound is drawn as coarsely.
    n_bins = max(8, round(_N_BINS * float(width.rstrip("%")) / 100))
    return Strip(
        path=outline(sound, n_bins),
        n_bins=n_bins,
        x=x,
        width=width,
        length=clock(sound.duration_s),
    )


def pitch_image(strength: NDArray[np.float32], colour: tuple[int, int, int]) -> str:
    """Return pitch classes over time as a `data:` URI of a PNG, C at the bottom.

    One pixel a value; how strong it is, is how opaque it is, so that it shows
    on light and on dark paper.

    Args:
        strength: `(12, n)`, in [0, 1].
        colour: Red, green and blue, 0 to 255.
    """
    opacity = np.rint(255 * np.clip(strength[::-1], 0, 1)).astype(np.uint8)
    pixels = np.empty((*opacity.shape, 4), np.uint8)
    pixels[..., :3], pixels[..., 3] = colour, opacity
    return f"data:image/png;base64,{base64.b64encode(_png(pixels)).decode()}"


def _png(pixels: NDArray[np.uint8]) -> bytes:
    """Return RGBA pixels `(height, width, 4)` as a PNG file."""
    height, width = pixels.shape[:2]
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)
    header = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data
        + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )  # fmt: skip


def null_plot(null: Null) -> NullPlot:
    """Return the histogram of a null with the observed score in it."""
    scores = [s for s in null.scores if math.isfinite(s)]
    ticks = round_ticks(min([*scores, null.observed, 0.0]), max(*scores, null.observed)
                        if scores else null.observed or 1.0, 4)  # fmt: skip
    low, high = ticks[0], ticks[-1]
    counts, edges = np.histogram(scores, bins=_N_BARS, range=(low, high))
    tallest = max(1, int(counts.max(initial=0)))

    def place(value: float) -> float:
        return 100 * (value - low) / (high - low)

    observed = place(null.observed)
    return NullPlot(
        name=null.name,
        bars=tuple(_bar(c / tallest, place(a), place(b))
                   for c, a, b in zip(counts, edges, edges[1:], strict=False) if c),
        ticks=tuple((f"{place(t):.2f}%", f"{t:g}") for t in ticks),
        observed=f"{observed:.2f}%",
        is_right=observed > 50,
        n=len(scores),
        score=f"{null.observed:.3g}",
        p_value=probability(null.p_value),
    )  # fmt: skip


def _bar(height: float, left: float, right: float) -> tuple[str, str, str, str]:
    tall = max(100 * height, 2.0)
    return (
        f"{left:.2f}%",
        f"{max(right - left - 0.4, 0.3):.2f}%",
        f"{100 - tall:.1f}%",
        f"{tall:.1f}%",
    )


def probability(value: float) -> str:
    """Return a probability as it reads best: `0.04`, `1 in 2,000`.

    Example:
        >>> probability(0.04), probability(0.0005)
        ('0.04', '1 in 2,000')
    """
    if not math.isfinite(value):
        return "–"
    if value >= 0.01:
        return f"{value:.2f}"
    if value <= 0:
        return "below 1 in 1,000,000,000"
    digits: Sequence[int] = [int(f"{1 / value:.1e}".split("e")[1])]
    step = 10 ** max(0, digits[0] - 1)
    return f"1 in {round(1 / value / step) * step:,}"
