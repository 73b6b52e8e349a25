"""Through which noise levels and blocks of the model influence runs."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from contrafact.attribution.base import Scores
from contrafact.core.results import Profile

__all__ = ["profile_of"]

_BLOCK = re.compile(r"(.*?\.\d+)\..+")
"""The name of a layer in a numbered block begins with the block's."""


def profile_of(
    scores: Scores,
    by_layer: Mapping[str, float],
    recording_ids: Collection[str],
    *,
    n_strata: int,
) -> Profile | None:
    """Return through what the influence of some recordings on a song runs.

    Noise levels are told from the scores, draw by draw; blocks from the products
    of gradients that passages were looked for with.

    Args:
        scores: Of one song, with `replicates` by noise draw.
        by_layer: Influence through each layer, in the order of the model.
        recording_ids: Those recordings.
        n_strata: Noise levels; draw `k` is of level `k % n_strata`.

    Returns:
        None where there is nothing to split, or draws do not cover the levels.
    """
    chosen = [i for i, r in enumerate(scores.recording_ids) if r in set(recording_ids)]
    draws = scores.replicates
    if draws is None or not chosen or draws.shape[2] % n_strata:
        return None
    by_draw = draws[0][..., chosen].sum((0, 2)).double()
    by_level = by_draw.reshape(-1, n_strata).mean(0).tolist()
    ends = [f"{k / n_strata:g}" for k in range(n_strata + 1)]
    levels = {f"{ends[k]}-{ends[k + 1]}": x for k, x in enumerate(by_level)}
    blocks: dict[str, float] = {}
    for name, part in by_layer.items():
        block = match[1] if (match := _BLOCK.fullmatch(name)) else name
        blocks[block] = blocks.get(block, 0.0) + part
    return Profile(noise_levels=_parts(levels), blocks=_parts(blocks))


def _parts(values: Mapping[str, float]) -> dict[str, float]:
    """Return values over the sum of their sizes, six digits; zeros if all are."""
    total = sum(abs(x) for x in values.values()) or 1.0
    return {name: float(f"{x / total:.6g}") for name, x in values.items()}
