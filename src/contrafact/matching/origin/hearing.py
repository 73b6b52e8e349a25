"""One recording heard: its residuals, its comb, and what its spectrum ends at."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from contrafact.core.units import Seconds, digest_of
from contrafact.matching.origin.chain import (
    MIN_S,
    RATE,
    Prepared,
    Samples,
    prepare,
    prepare_samples,
)
from contrafact.matching.origin.comb import Comb, find_comb
from contrafact.matching.origin.pulse import pulse
from contrafact.matching.origin.residual import (
    BIN_HZ,
    Values,
    on_log_axis,
    residual,
    spectra,
)

__all__ = ["Heard", "Row", "hear", "hear_samples"]

_PIECE_S: Seconds = 30.0
_EDGE_DB = 45.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Row:
    """What one channel, or one piece of it, shows.

    Attributes:
        channel: `mix`, `left` or `right`.
        values: The residual at the frequencies of `AXIS`, and the pulse at the
            rates of `PULSE_AXIS`, `(2, len(AXIS))`.
        comb: The even comb in it.
    """

    channel: str
    values: Values
    comb: Comb


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Heard:
    """What a recording shows.

    Attributes:
        digest: SHA-256 of the file; "" for sound in memory.
        name: Of the file, without folders.
        path: Absolute; "" for sound in memory.
        rows: One a channel.
        band_limit_hz: Above which there is next to nothing, up to 8 kHz.
    """

    digest: str
    name: str
    path: str
    native_rate: int
    duration_s: Seconds
    rows: tuple[Row, ...]
    band_limit_hz: float


def hear(path: str | Path, *, in_pieces: bool = False) -> Heard:
    """Listen to at most the middle minute of a file.

    Args:
        path: Any audio file.
        in_pieces: Return a row for every 30 s, as enrolment wants.

    Raises:
        AudioError: If it cannot be read, is silent, or shorter than 4 s.
    """
    path = Path(path)
    prepared = prepare(path)
    return _heard(prepared, path, in_pieces)


def hear_samples(
    samples: Samples, *, name: str = "sound", in_pieces: bool = False
) -> Heard:
    """Listen to sound at 16 kHz, `(channel, time)`.

    Raises:
        AudioError: If it is silent, or shorter than 4 s.
    """
    return _heard(prepare_samples(samples, name=name), None, in_pieces)


def _heard(prepared: Prepared, path: Path | None, in_pieces: bool) -> Heard:
    rows, spectrum = [], None
    for channel in prepared.channels:
        for piece in _pieces(channel.samples) if in_pieces else [channel.samples]:
            frames = spectra(piece)
            spectrum, left = frames.mean(axis=0), residual(frames)
            both = np.stack([on_log_axis(left), pulse(piece)])
            rows.append(Row(channel=channel.name, values=both, comb=find_comb(left)))
    return Heard(
        digest=digest_of(path.read_bytes()) if path else "",
        name=path.name if path else "",
        path=str(path.absolute()) if path else "",
        native_rate=prepared.native_rate,
        duration_s=prepared.duration_s,
        rows=tuple(rows),
        band_limit_hz=0.0 if spectrum is None else _band_limit(spectrum),
    )


def _pieces(samples: Samples) -> list[Samples]:
    count = max(1, round(len(samples) / RATE / _PIECE_S))
    return [p for p in np.array_split(samples, count) if len(p) >= MIN_S * RATE]


def _band_limit(spectrum: Values) -> float:
    smooth = np.convolve(spectrum, np.ones(33) / 33, mode="same")
    loud = np.flatnonzero(smooth > smooth.max() - _EDGE_DB)
    return float(loud[-1] * BIN_HZ) if len(loud) else 0.0
