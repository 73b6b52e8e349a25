"""Scores to shares: the only place where influence becomes a percentage.

The influence of a source is how much the query's loss would rise had the model
been trained without it: that of its recordings together, from their scores and
what they have in common, times a scale measured by retraining if there is one.
Its share is that influence over the sum of all positive influences, moved towards the
source's size as far as retraining says that estimates miss. A source is
significant only if it stands out more than sources do on songs that they did not
shape; the shares of all that are not are the unattributed rest. Nothing is
renormalised to 100 %, and where no source is significant there is no answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from contrafact.attribution.base import Scores
from contrafact.attribution.share_error import ShareError
from contrafact.attribution.significance import benjamini_hochberg, p_values
from contrafact.core.errors import AttributionError
from contrafact.core.results import Interval, SourceShare, Unattributed

__all__ = [
    "ShareSettings",
    "Source",
    "influence_of_sources",
    "shares_of",
    "sizes_of",
]

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A recording, work, artist, holder or collection.

    Attributes:
        parts: What part of each of its recordings' influence is its own, by
            recording id; 1/2 where two artists share one.
    """

    id: str
    name: str
    parts: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareSettings:
    """How scores become shares.

    Attributes:
        confidence: Of the intervals; of sources named as significant, half of
            what is missing to 1 may be false.
        n_resamples: Of the noise draws.
        seed: Of the resampling.
        error: How shares are fitted to retrained ones, and how far they are then
            from them; None where that is not known: shares are as estimated, and
            intervals over noise draws alone.
        is_known: Whether the model knows the song about as well as what it was
            trained on; of a song that it does not know, nobody is named.
    """

    confidence: float = 0.9
    n_resamples: int = 400
    seed: int = 0
    error: ShareError | None = None
    is_known: bool = True


def shares_of(
    scores: Scores,
    sources: Sequence[Source],
    *,
    query: int = 0,
    scale: float = 1.0,
    learned: float | None = None,
    settings: ShareSettings | None = None,
) -> tuple[tuple[SourceShare, ...], Unattributed]:
    """Return the shares of sources in one query, best first, and the rest.

    Args:
        scores: Of all recordings.
        sources: Who gets a share; together they should cover every recording
            once.
        query: Row of `scores`.
        scale: Turns scores into units of the query's loss.
        learned: Untrained loss minus model loss, of the query.
        settings: How.

    Returns:
        Every source, with share 0 where its influence is not positive or not
        significant; and the rest.

    References:
        Owen, "The pigeonhole bootstrap", Annals of Applied Statistics, 2007,
        for resampling query draws and training draws together; see
        `significance.py` for p-values and the rate of false names.
    """
    s = settings or ShareSettings()
    matrix, is_member = _weights(scores, sources)
    point = scores.values[query].double().numpy() @ matrix
    draws = _resampled(scores, query, s) @ matrix
    share, drawn = _normalised(point), _normalised(draws)
    tail = (1 - s.confidence) / 2
    # What a source has by its size alone names nobody.
    is_named = (_between(drawn, share, tail)[0] > 0) & (point > 0) & s.is_known
    share, drawn = (_fitted(one, scores, sources, s) for one in (share, drawn))
    nulls, common = _on_other_songs(scores, matrix, is_member)
    low, high = _between(drawn, share, tail)
    strength = _strength(scores.values[query : query + 1], matrix)[0]
    p = p_values(strength, nulls) if nulls else None
    if p is not None:
        is_named &= benjamini_hochberg(p, tail)
    if s.error is not None:
        far = s.error.interval(share, s.confidence)
        low, high = np.minimum(low, far[0]), np.maximum(high, far[1])
    least, most = _between(draws * scale, point * scale, tail)
    positive = np.clip(point, 0, None).sum() * scale
    rows = [
        SourceShare(
            id=source.id,
            name=source.name,
            share=float(share[i]) if is_named[i] else 0.0,
            interval=Interval(
                low=float(low[i]) if is_named[i] else 0.0, high=float(high[i])
            ),
            influence=float(point[i] * scale),
            influence_interval=Interval(low=float(least[i]), high=float(most[i])),
            of_learned=float(point[i] * scale / learned) if learned else None,
            common=float(common[i] * positive),
            n_recordings=len(source.parts),
            p_value=None if p is None else float(p[i]),
            significant=bool(is_named[i]),
        )
        for i, source in enumerate(sources)
    ]
    rows.sort(key=lambda row: (-row.share, -row.influence, row.id))
    return tuple(rows), _rest(drawn, share, is_named, s)


def _fitted(
    shares: Array, scores: Scores, sources: Sequence[Source], settings: ShareSettings
) -> Array:
    """Return shares with what sources have by their size, where that is known."""
    if settings.error is None:
        return shares
    return settings.error.fitted(shares, sizes_of(scores, sources))


def _between(drawn: Array, point: Array, tail: float) -> tuple[Array, Array]:
    """Quantiles of what was drawn, with the estimate itself between them."""
    low, high = np.quantile(drawn, [tail, 1 - tail], axis=0)
    return np.minimum(low, point), np.maximum(high, point)


def influence_of_sources(scores: Scores, sources: Sequence[Source]) -> Array:
    """Return the influence of every source on every query, unscaled.

    Returns:
        `(n_query, n_source)`, float64; what shares are made of.
    """
    matrix, _ = _weights(scores, sources)
    influence: Array = scores.values.double().numpy() @ matrix
    return influence


def sizes_of(scores: Scores, sources: Sequence[Source]) -> Array:
    """Return what part of the sources' recordings each has, `(n_source,)`.

    Recordings count by their windows where those are known, copies of one recording
    together as one. Parts add up to 1.
    """
    windows = np.ones(len(scores.recording_ids))
    if scores.overlap is not None:
        windows = scores.overlap.distinct_windows.numpy()
    size = dict(zip(scores.recording_ids, windows.tolist(), strict=True))
    found = np.array(
        [sum(size[r] * part for r, part in source.parts.items()) for source in sources]
    )
    sizes: Array = found / max(float(found.sum()), 1e-12)
    return sizes


def _weights(
    scores: Scores, sources: Sequence[Source]
) -> tuple[Array, NDArray[np.bool_]]:
    """What each recording's score counts for in each source, and whose it is.

    Returns:
        Twice `(n_recording, n_source)`. A source's influence is that of leaving
        out its recordings together, see `overlap.py`; without knowledge of
        what they have in common, the sum of theirs.
    """
    place = {r: i for i, r in enumerate(scores.recording_ids)}
    matrix = np.zeros((len(place), len(sources)))
    is_member = np.zeros(matrix.shape, dtype=bool)
    for column, source in enumerate(sources):
        if lost := next((r for r in source.parts if r not in place), None):
            raise AttributionError(
                f"Source {source.name!r} names recording {lost}, which "
                "the scores do not cover."
            )
        known = scores.overlap
        weights = source.parts if known is None else known.shared_weights(source.parts)
        rows = [place[recording] for recording in weights]
        matrix[rows, column] = list(weights.values())
        is_member[[place[recording] for recording in source.parts], column] = True
    return matrix, is_member


def _resampled(scores: Scores, query: int, settings: ShareSettings) -> Array:
    """Scores under resampled noise draws, `(n_resamples, n_recording)`."""
    if scores.replicates is None:
        return scores.values[query : query + 1].double().numpy()
    parts = scores.replicates[query].double().numpy()
    rng = np.random.default_rng(settings.seed)
    n_query_sets, n_train_sets, n_recordings = parts.shape

    def weights(n_sets: int) -> Array:
        counts = rng.multinomial(n_sets, [1 / n_sets] * n_sets, settings.n_resamples)
        return counts / n_sets

    pairs = weights(n_query_sets)[:, :, None] * weights(n_train_sets)[:, None, :]
    resampled: Array = pairs.reshape(settings.n_resamples, -1) @ parts.reshape(
        -1, n_recordings
    )
    return resampled


def _normalised(influence: Array) -> Array:
    """Positive influence over the sum of positive influences, row by row."""
    positive = np.clip(influence, 0, None)
    total = positive.sum(-1, keepdims=True)
    shares = np.zeros_like(positive)
    np.divide(positive, total, out=shares, where=total > 0)
    return shares


def _strength(values: Tensor, matrix: Array) -> Array:
    """Influence in units of the length of a song's scores; see `significance.py`."""
    found = values.double().numpy()
    length = np.linalg.norm(found, axis=1, keepdims=True)
    strength: Array = (found @ matrix) / np.maximum(length, 1e-30)
    return strength


def _on_other_songs(
    scores: Scores, matrix: Array, is_member: NDArray[np.bool_]
) -> tuple[list[Array], Array]:
    """Strengths on songs that are not the source's own, and mean shares on music.

    Returns:
        For each kind of song `(n_null, n_source)`, NaN on a song of the source's
        own; and `(n_source,)`.
    """
    found = []
    common = np.zeros(matrix.shape[1])
    if scores.panel is not None:
        own = scores.panel.isnan().double().numpy() @ is_member > 0
        panel = scores.panel.nan_to_num()
        strength = _strength(panel, matrix)
        strength[own] = np.nan
        found.append(strength)
        shares = np.where(own, 0.0, _normalised(panel.double().numpy() @ matrix))
        common = shares.sum(0) / np.maximum((~own).sum(0), 1)
    if scores.null is not None:
        found.append(_strength(scores.null, matrix))
    return found, common


def _rest(
    drawn: Array, share: Array, is_named: NDArray[np.bool_], settings: ShareSettings
) -> Unattributed:
    """What is left after the sources that are named."""
    if share.sum() == 0:
        everything = Interval(low=1.0, high=1.0)
        return Unattributed(share=1.0, interval=everything, n_sources=len(share))
    rest = np.array(max(0.0, 1 - share[is_named].sum()))
    drawn_rest = 1 - drawn[:, is_named].sum(1)
    tail = (1 - settings.confidence) / 2
    low, high = np.quantile(drawn_rest, [tail, 1 - tail])
    if settings.error is not None:
        far = settings.error.rest_interval(float(rest), settings.confidence)
        low, high = min(low, far[0]), max(high, far[1])
    return Unattributed(
        share=float(rest),
        interval=Interval(
            low=float(max(0.0, min(low, rest))), high=float(min(1.0, max(high, rest)))
        ),
        n_sources=int((~is_named).sum()),
    )
