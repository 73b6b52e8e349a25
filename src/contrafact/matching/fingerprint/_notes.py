"""The map of notes as an index keeps it: two bits a place, every other frame."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from contrafact.matching.fingerprint._segments import FRAMES_PER_ROW
from contrafact.matching.fingerprint._spectrum import Map

__all__ = [
    "BYTES_PER_ROW",
    "HIGHEST",
    "N_KEPT_BINS",
    "pack_notes",
    "reduced",
    "unpack_notes",
]

N_KEPT_BINS = 152
BYTES_PER_ROW = N_KEPT_BINS // 4
HIGHEST = 4.0  # of the map; what is above counts no more
_SHIFTS = np.array([0, 2, 4, 6], np.uint8)
_STEPS = (np.arange(256, dtype=np.uint8)[:, None] >> _SHIFTS) & 3
_UNPACKED = _STEPS.astype(np.float32) * np.float32(HIGHEST / 3)  # of each byte


def reduced(notes: Map) -> Map:
    """Return the map as it is compared: from 0 to 4, nothing below its mean."""
    return np.clip(notes, 0.0, HIGHEST)


def pack_notes(notes: Map) -> NDArray[np.uint8]:
    """Return rows of `BYTES_PER_ROW` bytes, one for every two frames."""
    n_rows = len(notes) // FRAMES_PER_ROW
    kept = reduced(notes[: n_rows * FRAMES_PER_ROW, :N_KEPT_BINS])
    mean = kept.reshape(n_rows, FRAMES_PER_ROW, N_KEPT_BINS).mean(1)
    steps = np.rint(mean * (3 / HIGHEST)).astype(np.uint8)
    places = steps.reshape(n_rows, BYTES_PER_ROW, 4) << _SHIFTS
    return np.asarray(np.bitwise_or.reduce(places, axis=2), np.uint8)


def unpack_notes(rows: NDArray[np.uint8]) -> Map:
    """Return what was packed, `(n_rows, N_KEPT_BINS)`, in four steps from 0 to 4."""
    return np.take(_UNPACKED, rows, axis=0).reshape(len(rows), N_KEPT_BINS)
