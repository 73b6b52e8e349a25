"""Heat maps of the HTML report: which span of a recording mattered where."""

from __future__ import annotations

import math
from dataclasses import dataclass

from contrafact.core.results import HeatMap
from contrafact.reports._format import clock
from contrafact.reports._sound import cut, data_uri
from contrafact.reports.inputs import Sound

__all__ = ["Heat", "heat"]

_FAINTEST = 0.03  # of the largest; below, a cell is not drawn


@dataclass(frozen=True, slots=True, kw_only=True)
class Heat:
    """A heat map ready to be drawn: one unit of the drawing is a span.

    Attributes:
        cells: Column, row and opacity of each cell that is drawn.
        song_uri: What is heard of the song where a row is pressed, from the first row
            on; empty where there is no sound.
        recording_uri: The same of the recording, from the first column on.
        starts_s: Where in the song and in the recording the first spans begin.
        span_s: Length of a span.
    """

    n_columns: int
    n_rows: int
    cells: tuple[tuple[int, int, str], ...]
    label: str
    song_uri: str = ""
    recording_uri: str = ""
    starts_s: tuple[str, str] = ("0", "0")
    span_s: str = "0"


def heat(
    found: HeatMap | None, song: Sound | None = None, recording: Sound | None = None
) -> Heat | None:
    """Return a heat map ready to be drawn; None where there is nothing to see.

    Only positive influence is drawn, relative to the largest of the map.

    Args:
        found: The map.
        song: The whole song, if its cells are to be heard.
        recording: What the columns of the map are of, from the first on.
    """
    if found is None or not found.values:
        return None
    largest = max((x for row in found.values for x in row), default=0.0)
    if not (math.isfinite(largest) and largest > 0):
        return None
    cells = tuple(
        (column, row, f"{value / largest:.2f}")
        for row, values in enumerate(found.values)
        for column, value in enumerate(values)
        if value > _FAINTEST * largest
    )
    ends = [
        start + n * found.span_s
        for start, n in (
            (found.query_start_s, len(found.values)),
            (found.recording_start_s, len(found.values[0])),
        )
    ]
    start_s = found.query_start_s
    return Heat(
        n_columns=len(found.values[0]),
        n_rows=len(found.values),
        cells=cells,
        label=f"From top to bottom the song, {clock(found.query_start_s)} to "
        f"{clock(ends[0])}; from left to right the recording, "
        f"{clock(found.recording_start_s)} to {clock(ends[1])}. The darker, the more "
        "that part of the recording taught that part of the song.",
        song_uri=data_uri(cut(song, start_s, ends[0])) if song and recording else "",
        recording_uri=data_uri(recording) if song and recording else "",
        starts_s=(f"{start_s:.4f}", f"{found.recording_start_s:.4f}"),
        span_s=f"{found.span_s:.4f}",
    )
