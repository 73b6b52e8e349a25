"""What likeness meant where the truth is known: a map fitted on the studio model.

On a model of our own both are known for a song: what it resembles, layer by
layer, and by how much its loss rose when the model was trained again without
each collection. The map from likeness to the parts of these rises was fitted on
one half of the songs and measured on the other. It says what such evidence was
worth *there*; on another model it is a guess whose error nobody knows. It is
shown beside the evidence, with its error, and never takes its place.

`bench/matching/without_model.py` fits and measures it, and writes the file
that is read here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contrafact.core.matches import ASPECTS, WorkMatch

__all__ = [
    "FEATURES",
    "MAP_FILE",
    "StudioMap",
    "expected_shares",
    "fit_weights",
    "read_map",
    "source_features",
]

MAP_FILE = Path(__file__).with_name("studio_map.json")
FEATURES = ("recording", *ASPECTS, "style", "style_mean")
"""Part of the query that the source's recordings cover; minus log10 of the best
p-value of each aspect; the best and the mean likeness in style, standardised
over the catalog."""

_MOST = 4.0
"""Where minus log10 of a p-value is cut: beyond, a catalog is too small."""

Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class StudioMap:
    """The fitted map and how wrong it was on songs it was not fitted on.

    Attributes:
        weights: One for each of `FEATURES`.
        rank_correlation: Of expected with measured shares over the sources of
            a song, its mean over songs, with its 90 % interval.
        mean_error: Mean absolute error of a share, in [0, 1].
        uniform_error: The same if every source gets an equal share.
        n_songs: How many songs these were measured on.
        n_sources: How many sources a song had.
    """

    weights: tuple[float, ...]
    rank_correlation: float
    rank_interval: tuple[float, float]
    mean_error: float
    uniform_error: float
    n_songs: int
    n_sources: int


@cache
def read_map() -> StudioMap | None:
    """Return the map that comes with the package; None if it has none."""
    if not MAP_FILE.exists():
        return None
    found: dict[str, Any] = json.loads(MAP_FILE.read_text(encoding="utf-8"))
    rank = found["rank_correlation"]
    return StudioMap(
        weights=tuple(found["weights"][name] for name in FEATURES),
        rank_correlation=rank["mean"],
        rank_interval=(rank["interval_90"][0], rank["interval_90"][1]),
        mean_error=found["mean_error"]["mean"],
        uniform_error=found["uniform_error"]["mean"],
        n_songs=rank["n"],
        n_sources=found["n_sources"],
    )


def source_features(
    owners: Mapping[str, str],
    *,
    covered: Mapping[str, float],
    works: Sequence[WorkMatch],
    style: Mapping[str, float],
) -> dict[str, tuple[float, ...]]:
    """Return what a query shares with each source, as `FEATURES` lists it.

    Args:
        owners: The source of each recording, by the recording's id.
        covered: Part of the query that a recording covers, in [0, 1].
        works: Every work that was scored, certain or not.
        style: Likeness in style of each recording that has one.

    Returns:
        By source, in order of name.
    """
    level = {name: max(0.0, value) for name, value in covered.items()}
    standard = _standardised(style)
    found = {source: np.zeros(len(FEATURES)) for source in sorted(set(owners.values()))}
    means: dict[str, list[float]] = {source: [] for source in found}
    for recording, source in owners.items():
        row = found[source]
        row[0] = max(row[0], level.get(recording, 0.0))
        if recording in standard:
            row[-2] = max(row[-2], standard[recording])
            means[source].append(standard[recording])
    for work in works:
        if work.recording_id in owners:
            row = found[owners[work.recording_id]]
            for column, name in enumerate(ASPECTS, 1):
                row[column] = max(row[column], _certainty(work, name))
    for source, values in means.items():
        found[source][-1] = float(np.mean(values)) if values else 0.0
    return {source: tuple(map(float, row)) for source, row in found.items()}


def _certainty(work: WorkMatch, name: str) -> float:
    aspect = work.aspects.get(name)  # type: ignore[call-overload]
    if aspect is None:
        return 0.0
    return float(min(_MOST, -np.log10(max(aspect.p_value, 1e-12))))


def _standardised(style: Mapping[str, float]) -> dict[str, float]:
    values = np.array(list(style.values()))
    if len(values) < 2 or values.std() == 0:
        return {}
    standard = (values - values.mean()) / values.std()
    return dict(zip(style, map(float, standard), strict=True))


def expected_shares(
    features: Mapping[str, Sequence[float]], weights: Sequence[float]
) -> dict[str, float]:
    """Return the share that each source would have by the map; they sum to 1."""
    if not features:
        return {}
    shares = _softmax(np.array(list(features.values())) @ np.asarray(weights))
    return dict(zip(features, map(float, shares), strict=True))


def fit_weights(
    songs: Sequence[tuple[Numbers, Numbers]], *, ridge: float = 1e-3
) -> Numbers:
    """Return the weights that bring expected shares nearest to the true ones.

    Nearest by the mean Kullback-Leibler divergence over songs; weights are
    held at or above 0, since likeness can only speak for a source.

    Args:
        songs: For each song the features `(n_sources, n_features)` and the
            white-box shares `(n_sources,)`, which sum to 1.
        ridge: Penalty of the sum of squared weights.
    """
    from scipy.optimize import minimize

    def loss(weights: Numbers) -> tuple[float, Numbers]:
        total, slope = ridge * float(weights @ weights), 2 * ridge * weights
        for features, shares in songs:
            expected = _softmax(features @ weights)
            total -= float(shares @ np.log(expected + 1e-12)) / len(songs)
            slope = slope + features.T @ (expected - shares) / len(songs)
        return total, slope

    n = songs[0][0].shape[1]
    bounds = [(0.0, None)] * n
    found = minimize(loss, np.zeros(n), jac=True, bounds=bounds, method="L-BFGS-B")
    return np.asarray(found.x, np.float64)


def _softmax(values: Numbers) -> Numbers:
    powers = np.exp(values - values.max())
    return np.asarray(powers / powers.sum(), np.float64)
