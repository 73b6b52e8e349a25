"""Published encoders on the questions that works are ranked by, beside our layers.

    python bench/matching/versions.py --only encoders --encoder clews=FOLDER

For who has the weights: none come with the project, and no figure of theirs is in its
results.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import soxr
from numpy.typing import NDArray
from versions_data import RENDERING_S, Item

from contrafact.matching.encoders import (
    Encoder,
    EncoderIndex,
    heard_windows,
    load_encoder,
)
from contrafact.matching.versions import SAMPLE_RATE

__all__ = ["encoder_orders"]


def encoder_orders(
    folders: Mapping[str, Path],
    items: Sequence[Item],
    asked: Sequence[Item],
    duration_s: float,
) -> dict[str, list[list[str]]]:
    """Return, for every encoder and query, the works of all others, most alike first.

    Args:
        folders: Of the weights, by the encoder's name.
        items: All recordings.
        asked: Those that are queries.
        duration_s: How much of a query is heard, from its middle.
    """
    return {
        name: _orders(load_encoder(name, folder), items, asked, duration_s)
        for name, folder in folders.items()
    }


def _orders(
    encoder: Encoder, items: Sequence[Item], asked: Sequence[Item], duration_s: float
) -> list[list[str]]:
    works = {item.name: item.work for item in items}
    with tempfile.TemporaryDirectory() as folder:
        index = EncoderIndex.create(Path(folder) / "index", encoder)
        for item in items:
            heard = heard_windows(encoder, _samples(item, encoder, RENDERING_S))
            index.add(item.name, item.work, heard)
        found = []
        for query in asked:
            heard = heard_windows(encoder, _samples(query, encoder, duration_s))
            order = index.rank(heard, without=[query.name])
            found.append([works[name] for name, _ in order])
    return found


def _samples(item: Item, encoder: Encoder, duration_s: float) -> NDArray[np.float32]:
    whole = item.samples()
    n = min(len(whole), round(duration_s * SAMPLE_RATE))
    first = (len(whole) - n) // 2
    heard = soxr.resample(whole[first : first + n], SAMPLE_RATE, encoder.sample_rate)
    return np.asarray(heard, np.float32)
