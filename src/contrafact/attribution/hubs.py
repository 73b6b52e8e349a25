"""Do different songs get different answers? A gate before any answer is given.

Where a few recordings come first for every song, whatever it is, scores say
something of these recordings and nothing of the song. It shows without retraining:
the first recordings of unrelated songs are compared with each other.
"""

from __future__ import annotations

import torch

from contrafact.attribution.base import Scores
from contrafact.core.errors import AttributionError

__all__ = ["HUB_LIMIT", "check_hubs", "hub_overlap"]

HUB_LIMIT = 0.5
"""Largest agreement of top lists with which answers are given."""

_TOP = 10
_FEWEST = 40  # recordings, of which the first are a small part


def hub_overlap(scores: Scores) -> float | None:
    """Return how far the first recordings of unrelated songs agree.

    Songs are those of `Scores.panel`; recordings that meet themselves do not count.

    Returns:
        The mean part of a top list that two songs have in common, less what chance
        gives: 0 for chance, 1 for the same list whatever the song. None where there
        are too few songs or recordings to tell.

    References:
        Han et al., "ARIA", 2026, arXiv 2605.16181.
    """
    n_recordings = len(scores.recording_ids)
    if scores.panel is None or len(scores.panel) < 4 or n_recordings < _FEWEST:
        return None
    panel = torch.nan_to_num(scores.panel.double(), nan=-torch.inf)
    k = min(_TOP, n_recordings // 4)
    first = torch.zeros_like(panel).scatter_(1, panel.topk(k).indices, 1.0)
    shared = first @ first.T / k
    n = len(panel)
    mean = float((shared.sum() - shared.trace()) / (n * (n - 1)))
    chance = k / n_recordings
    return (mean - chance) / (1 - chance)


def check_hubs(scores: Scores, *, estimator: str) -> None:
    """Raise if unrelated songs get nearly the same first recordings.

    Raises:
        AttributionError: With the figure.
    """
    found = hub_overlap(scores)
    if found is not None and found > HUB_LIMIT:
        raise AttributionError(
            f"Unrelated songs share {found:.0%} of their first {_TOP} recordings under "
            f"{estimator} (at most {HUB_LIMIT:.0%} is allowed): its answers hardly "
            "depend on the song, so none is given. Train longer, or choose another "
            "estimator with --estimator."
        )
