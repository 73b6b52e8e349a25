"""What a fitted index holds, and how one shard of it is made in a worker process."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from contrafact.attribution.base import AttributionTask, Example, Progress
from contrafact.attribution.coordinates import Coordinates
from contrafact.attribution.draws import Draws
from contrafact.attribution.estimators._solving import n_windows_of, solve_of
from contrafact.attribution.finite import (
    require_finite_null,
    require_finite_windows,
)
from contrafact.attribution.overlap import Overlap
from contrafact.attribution.preconditioning import DiagonalFisher, KroneckerFisher
from contrafact.attribution.principal import project
from contrafact.attribution.projection import SparseProjection
from contrafact.attribution.solve import FisherSolve
from contrafact.attribution.store import FeatureStore, dequantised, quantise
from contrafact.core.parallel import map_in_order

__all__ = ["IndexState", "fill"]


@dataclass(frozen=True, slots=True, eq=False)
class IndexState:
    """What `fit` found: enough to turn any example into features.

    Attributes:
        store: Of what is kept of each window: of its numbers, or of those in
            `components`, where there are any.
    """

    task: AttributionTask
    store: FeatureStore
    preconditioner: DiagonalFisher | KroneckerFisher
    coordinates: Coordinates
    projection: SparseProjection
    stratum_weights: Tensor
    components: Tensor | None = None
    solve: FisherSolve | None = None
    overlap: Overlap | None = None
    null: Tensor | None = None

    def solved(self, ridge: float, trust: float) -> IndexState:
        """Return the same with the Fisher matrices between the numbers kept."""
        if not ridge:
            return self
        solve, hat = solve_of(self.store, self.task.train, ridge)
        if hat is None:
            return replace(self, solve=solve)
        ids, counts = self.task.train.recording_ids, n_windows_of(self.task.train)
        return replace(self, solve=solve, overlap=Overlap(ids, hat, counts, trust))

    def products(self, features: Tensor) -> Tensor:
        """Return products with every window, through the inverse of that matrix.

        Returns:
            `(n_query, n_draws, n_window)`.
        """
        return (self.solve or self.store).products(features)

    def draws(self, n_draws: int) -> Draws:
        """Return the shared draws with the weight of each noise level."""
        return self.task.draws(n_draws).weighted(self.stratum_weights)

    def features(self, batch: Any, conditioning: Any, draws: Draws) -> Tensor:
        """Return features, `(batch, n_draws, n_features)`, float32."""
        return self.in_components(self.numbers(batch, conditioning, draws))

    def numbers(self, batch: Any, conditioning: Any, draws: Draws) -> Tensor:
        """Return the numbers that components are of, as `features` does."""
        found = self.coordinates.features(
            self.task.generator, batch, conditioning, draws.singles(),
            measurement=self.task.measurement,
        )  # fmt: skip
        return self.projection.apply(found)

    def in_components(self, numbers: Tensor) -> Tensor:
        """Return numbers in components; as they are where there are none."""
        return numbers if self.components is None else project(numbers, self.components)


@dataclass(frozen=True, slots=True, eq=False)
class _Work:
    fitted: IndexState
    draws: Draws
    nulls: list[Example]


_work: _Work | None = None


def _prepare(fitted: IndexState, draws: Draws, nulls: list[Example]) -> None:
    """Keep what every task of this process needs."""
    global _work  # noqa: PLW0603 - the state of one worker process
    torch.set_num_threads(1)
    _work = _Work(fitted, draws, nulls)


def _do_part(part: int) -> NDArray[np.float32] | None:
    """Write the features of a shard, or return those of a sound without a source.

    Args:
        part: The shard; beyond the last one, the number of the sound.

    Raises:
        AttributionError: If a gradient is not finite; then nothing was written.
    """
    assert _work is not None  # set by `prepare` in this process
    fitted, draws = _work.fitted, _work.draws
    if part >= fitted.store.n_shards:
        example = _work.nulls[part - fitted.store.n_shards]
        numbers = fitted.numbers(*example, draws)
        require_finite_null(numbers)
        found: NDArray[np.float32] = fitted.in_components(numbers).numpy()
        return found
    rows = fitted.store.rows(part)
    numbers = torch.cat(
        [
            fitted.numbers(*fitted.task.train_batch(rows[i : i + 2]), draws)
            for i in range(0, len(rows), 2)
        ]
    )
    require_finite_windows(numbers, fitted.task.train, rows)
    if fitted.components is not None:
        # As if they had been stored before, so that it comes to the same bytes.
        numbers = dequantised(*quantise(numbers))
    fitted.store.write(part, fitted.in_components(numbers))
    return None


def fill(
    fitted: IndexState,
    nulls: list[Example],
    draws: Draws,
    *,
    n_workers: int,
    progress: Progress,
) -> Tensor:
    """Write what is pending of all windows.

    Args:
        fitted: Where to, and how.
        nulls: Sounds without a source.
        draws: Shared draws.
        n_workers: Processes.
        progress: Told after every shard.

    Returns:
        The features of the sounds without a source.

    Raises:
        AttributionError: If a gradient is not finite; the shards that are done stay.
    """
    pending, total = fitted.store.pending(), fitted.store.n_shards
    parts = [*pending, *range(total, total + len(nulls))]
    done = total - len(pending)
    progress(done, total)
    results = map_in_order(
        _do_part, parts, n_workers, prepare=_prepare, given=(fitted, draws, nulls)
    )
    n_threads, found = torch.get_num_threads(), []
    try:
        for part, features in zip(parts, results, strict=True):
            if features is not None:
                found.append(torch.from_numpy(features))
            if part < total:
                done += 1
                progress(done, total)
    finally:
        torch.set_num_threads(n_threads)  # one worker is this process
    return torch.cat(found) if found else torch.empty(0)
