"""How much of a song a model knows: what its training took from the loss on it.

Some source always has the largest influence, also on a song that the model hardly
knows. How well it knows a song that it made, or was trained on, is measured on its own
training recordings; whoever is known less than nearly all of these has no source that
could be named.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from contrafact.attribution.base import (
    AttributionTask,
    Progress,
    Queries,
    asked_of,
    no_progress,
)
from contrafact.attribution.draws import losses_at
from contrafact.attribution.panel import panel_rows
from contrafact.core.errors import AttributionError
from contrafact.generators.base import Untrainable

__all__ = ["N_DRAWS", "learned_part", "learned_parts", "least_learned", "panel_queries"]

N_DRAWS = 16
"""Noise draws that the learned part is measured at, the same for songs and corpus."""

_UNKNOWN = 0.02  # of the training recordings may be taken for songs from elsewhere


def learned_part(loss: float, untrained_loss: float) -> float:
    """Return what part of the loss before training it took away.

    Returns:
        1 for a song without loss, 0 for one that training did nothing for, negative
        where it made the loss larger, -1 where there was none to take away.
    """
    return 1 - loss / untrained_loss if untrained_loss > 0 else -1.0


def learned_parts(
    task: AttributionTask,
    queries: Queries,
    *,
    seed: int,
    n_draws: int = N_DRAWS,
    progress: Progress = no_progress,
) -> list[float]:
    """Return of each query what part of its loss training took away.

    Args:
        task: The model, which can show itself untrained.
        queries: What is asked about.
        seed: Of the model's training.
        n_draws: Noise draws, the same before and after training.
        progress: Told after every query, before training and after.

    Raises:
        AttributionError: If the model cannot show itself untrained.
    """
    generator = task.generator
    if not isinstance(generator, Untrainable):
        raise AttributionError(
            f"{generator.name} cannot show itself untrained, so what it learned of a "
            "song is not known."
        )
    draws, n = task.draws(n_draws), len(queries)

    def losses(n_done: int) -> Iterator[float]:
        for row in range(n):
            # What is made of the prompt is another thing untrained.
            asked = asked_of(task, queries.select(row))
            yield float(losses_at(generator, *asked, draws).mean())
            progress(n_done + row + 1, 2 * n)

    trained = list(losses(0))
    with generator.untrained(seed):
        untrained = list(losses(n))
    return list(map(learned_part, trained, untrained))


def panel_queries(task: AttributionTask, n_panel: int) -> Queries:
    """Return recordings of the corpus as songs whose prompt is not known."""
    rows = panel_rows(task.train, n_panel)
    return Queries(task.train.batch(rows), ("",) * len(rows))


def least_learned(parts: Sequence[float]) -> float:
    """Return the part below which at most 2 % of the training recordings lie.

    Args:
        parts: Of training recordings, as from `learned_parts`; at least one.
    """
    return float(np.quantile(parts, _UNKNOWN, method="lower"))
