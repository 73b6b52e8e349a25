"""Do all queries get the same answer? Diagnostics of generic top lists.

Similarity to a catalog often collapses: a few recordings are alike with
everything, and head every list. Such a list describes the catalog, not the
query. It is told by comparing the list of a query with those of a panel of
unrelated queries.

References:
    "ARIA", arXiv:2605.16181 (2026), for the questions asked of a score matrix;
    Radovanović et al., "Hubs in space", JMLR 2010, for why it happens. The
    corrections for chance are ours.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from contrafact.core.evidence import Collapse, Layer

__all__ = ["GENERIC_FROM", "N_TOP", "diagnose"]

N_TOP = 10
"""Length of the lists that are compared; a third of the catalog if it is short."""
GENERIC_FROM = 0.5
"""Overlap from which a list is refused: half of what chance leaves is shared."""
_FEWEST_QUERIES = 5

Matrix = NDArray[np.float64]


def diagnose(
    scores: Sequence[float] | Matrix,
    panel: Sequence[Sequence[float]] | Matrix,
    *,
    layer: Layer,
) -> Collapse:
    """Tell whether a top list is generic.

    Args:
        scores: Of the query against each recording, `(n_recordings,)`; higher
            is more alike. Recordings that scored nothing are 0.
        panel: The same of unrelated queries, `(n_queries, n_recordings)`.
        layer: Of which layer they are, for the record.

    Returns:
        The figures. With fewer than five queries or three recordings nothing
        can be said: the figures are 0 and the list is not refused.
    """
    own = np.asarray(scores, np.float64)
    others = np.asarray(panel, np.float64).reshape(-1, len(own))
    n_top = min(N_TOP, len(own) // 3)
    if len(others) < _FEWEST_QUERIES or n_top < 1:
        return _unknown(layer, len(others), n_top)
    chosen = np.stack([_top(row, n_top) for row in others])
    chance = n_top / len(own)
    overlap = _corrected(_mean_overlap(chosen), chance)
    own_overlap = _corrected(float((chosen @ _top(own, n_top)).mean()) / n_top, chance)
    is_generic = max(overlap, own_overlap) >= GENERIC_FROM
    return Collapse(
        layer=layer,
        n_queries=len(others),
        n_top=n_top,
        overlap=overlap,
        rank1_energy=_rank1_energy(others),
        concentration=_concentration(chosen, n_top),
        own_overlap=own_overlap,
        is_generic=is_generic,
        reason=_reason(overlap, own_overlap, n_top) if is_generic else "",
    )


def _unknown(layer: Layer, n_queries: int, n_top: int) -> Collapse:
    return Collapse(
        layer=layer,
        n_queries=n_queries,
        n_top=n_top,
        overlap=0.0,
        rank1_energy=0.0,
        concentration=0.0,
        own_overlap=0.0,
        is_generic=False,
        reason=f"too little to compare with: {n_queries} other queries",
    )


def _top(row: Matrix, n_top: int) -> Matrix:
    """Return 1 for each recording on the list, `(n_recordings,)`.

    What scored 0 or less, or not at all, is on no list, so that a query that
    resembles nothing agrees with nobody.
    """
    found = np.zeros(len(row))
    best = np.argsort(-row, kind="stable")[:n_top]
    found[best[row[best] > 0]] = 1.0
    return found


def _mean_overlap(chosen: Matrix) -> float:
    shared = chosen @ chosen.T
    n = len(chosen)
    n_top = max(1.0, float(chosen.sum(1).max()))
    return float((shared.sum() - np.trace(shared)) / (n * (n - 1) * n_top))


def _corrected(value: float, chance: float) -> float:
    return round(max(0.0, (value - chance) / max(1e-9, 1.0 - chance)), 4)


def _rank1_energy(rows: Matrix) -> float:
    """Return the part of the scores, standardised by row, that one row explains."""
    rows = rows[rows.std(1) > 0]
    if len(rows) < 2:
        return 0.0
    standard = rows - rows.mean(1, keepdims=True)
    standard /= standard.std(1, keepdims=True)
    values = np.linalg.svd(standard, compute_uv=False) ** 2
    # Independent rows share the energy equally among as many parts.
    chance = _marchenko_pastur_edge(*standard.shape)
    return _corrected(float(values[0] / values.sum()), chance)


def _marchenko_pastur_edge(n_rows: int, n_columns: int) -> float:
    """Return the part that the largest part of independent rows reaches."""
    edge = (1 + np.sqrt(n_rows / n_columns)) ** 2 / n_rows
    return float(min(1.0, edge))


def _concentration(chosen: Matrix, n_top: int) -> float:
    """Return the part of all places held by the recordings named most often."""
    counts = np.sort(chosen.sum(0))[::-1]
    n_places = counts.sum()
    if n_places == 0:
        return 0.0
    part = float(counts[:n_top].sum() / n_places)
    return _corrected(part, _chance_concentration(chosen.shape, n_top))


def _chance_concentration(shape: tuple[int, ...], n_top: int) -> float:
    """Return the same of independent lists: drawn, with a fixed seed."""
    n_queries, n_recordings = shape
    rng = np.random.default_rng(0)
    parts = []
    for _ in range(20):
        order = rng.random(shape).argpartition(n_top, axis=1)[:, :n_top]
        counts = np.bincount(order.ravel(), minlength=n_recordings)
        parts.append(np.sort(counts)[::-1][:n_top].sum() / (n_queries * n_top))
    return float(np.mean(parts))


def _reason(overlap: float, own_overlap: float, n_top: int) -> str:
    if own_overlap >= GENERIC_FROM:
        return (
            f"the list is generic: unrelated queries get {own_overlap:.0%} of the same "
            f"{n_top} recordings, beyond chance. It says nothing of this one."
        )
    return (
        f"the lists of this catalog are generic: two unrelated queries share "
        f"{overlap:.0%} of their {n_top} recordings, beyond chance."
    )
