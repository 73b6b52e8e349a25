"""Decoys: music that is a version of nothing, made of the notes of a recording.

Passages stand in another order and backwards, which keeps key, density and style.

References:
    Elias and Gygi, "Target-decoy search strategy for increased confidence in
    large-scale protein identifications", Nature Methods 4, 2007.
"""

from __future__ import annotations

import numpy as np

from contrafact.matching.versions.notes import Notes

__all__ = ["decoy"]

_PIECES_S = (3.0, 8.0)


def decoy(notes: Notes, duration_s: float, rng: np.random.Generator) -> Notes:
    """Return music that is a version of nothing, of the same notes.

    Passages of 3 to 8 s in another order, each of them backwards, and all upside
    down with one chance in two.
    """
    edges = [0.0]
    while edges[-1] < duration_s:
        edges.append(edges[-1] + rng.uniform(*_PIECES_S))
    pieces, now = [], 0.0
    for i in rng.permutation(len(edges) - 1):
        length = edges[i + 1] - edges[i]
        piece = notes.between(edges[i], edges[i + 1]).shifted(-edges[i])
        pieces.append(_backwards(piece, length).shifted(now))
        now += length
    shuffled = Notes.joined(pieces)
    order = np.argsort(shuffled.start_s, kind="stable")
    shuffled = shuffled.chosen(order)
    return _upside_down(shuffled) if rng.random() < 0.5 else shuffled


def _backwards(notes: Notes, length_s: float) -> Notes:
    end = np.minimum(notes.end_s, length_s)
    order = np.argsort(length_s - end, kind="stable")
    return Notes(
        start_s=(length_s - end)[order],
        end_s=(length_s - notes.start_s)[order],
        pitch=notes.pitch[order],
        strength=notes.strength[order],
    )


def _upside_down(notes: Notes) -> Notes:
    axis = int(np.median(notes.pitch)) if len(notes) else 0
    return Notes(
        start_s=notes.start_s,
        end_s=notes.end_s,
        pitch=np.clip(2 * axis - notes.pitch, 21, 108).astype(np.int16),
        strength=notes.strength,
    )
