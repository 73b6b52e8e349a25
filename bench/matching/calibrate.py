"""Fit what fingerprint matches are judged by, on the half of works for tuning.

    python bench/matching/calibrate.py [--audio DIR]

Writes `calibration.json` of the package. Two logistic regressions: one tells
right answers from other works, and makes the evidence; one tells them from other
performances of the same work, and refuses what it takes for one, three right
answers in a hundred with them. For each level of the evidence the table says how
often a query of another work reaches it; beyond what was seen it is continued
by an exponential fitted to the highest tenth, and never below 1e-6.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from fingerprint import KEPT, all_queries, build, gather
from numpy.typing import NDArray
from queries import Query
from scipy.optimize import minimize
from scipy.special import expit

from contrafact.catalog.atomic import write_json
from contrafact.matching.fingerprint import FingerprintIndex, _calibration
from contrafact.matching.fingerprint._calibration import (
    FEATURES,
    features,
    with_products,
)
from contrafact.matching.fingerprint._search import find_answers
from contrafact.matching.fingerprint._spectrum import note_map

Floats = NDArray[np.float64]
RESULT = Path(_calibration.__file__).with_name("calibration.json")
Bools = NDArray[np.bool_]
_LEAST = 1e-6
_REFUSED = 0.03  # of right answers, so that other performances are refused
_AGAINST_OTHERS = {"right": 2.0, "mixed": 2.0, "wrong": 1.0}
_AGAINST_TAKES = {
    "right": 2.0,
    "mixed": 1.5,
    "take 1": 1.0,
    "take 2": 0.7,
    "take 3": 0.7,
}


def fit_weights(
    values: Floats, is_right: Bools, shares: Floats, ridge: float
) -> Floats:
    """Return the weights of a ridge logistic regression, without its constant.

    Args:
        values: `(n, n_features)`.
        is_right: Which are of the first class.
        shares: What each counts, summing to one.
        ridge: How much weights of scaled features cost.
    """
    middle, scale = values.mean(0), values.std(0) + 1e-9
    scaled = (values - middle) / scale
    sign = np.where(is_right, 1.0, -1.0)

    def loss(theta: Floats) -> tuple[float, Floats]:
        margin = sign * (scaled @ theta[1:] + theta[0])
        pull = -sign * shares * expit(-margin)
        slope = np.append(pull.sum(), scaled.T @ pull + 2 * ridge * theta[1:])
        cost = float(shares @ np.logaddexp(0.0, -margin))
        return cost + ridge * float(theta[1:] @ theta[1:]), slope

    start = np.zeros(values.shape[1] + 1)
    found = minimize(loss, start, jac=True, method="L-BFGS-B")
    return np.asarray(found.x[1:] / scale)


def rates(levels: Floats, highest: Floats) -> Floats:
    """Return how often the highest evidence of a null query reaches each level.

    Args:
        levels: Ascending.
        highest: Evidence of each null query.
    """
    ordered = np.sort(highest)
    n = len(ordered)
    reached = n - np.searchsorted(ordered, levels, side="left")
    tail = ordered[-max(5, n // 10) :]
    excess = float(np.mean(tail - tail[0])) * len(tail) / (len(tail) - 1)
    beyond = len(tail) / n * np.exp(-(levels - tail[0]) / max(excess, 1e-3))
    seen = (reached + 1) / (n + 1)
    # The higher of the two, so that a tail that is heavier than the fitted one counts.
    rate = np.where(reached >= 3, np.maximum(seen, beyond), beyond)
    rate = np.where(levels < tail[0], seen, rate)
    return np.asarray(np.minimum.accumulate(np.clip(rate, _LEAST, 1.0)))


def collect(audio: Path | None, kept: Path, n_each: int, n_others: int) -> list[Any]:
    """Return (query, [(recording_id, features)]) on the half for tuning."""
    pieces = gather(audio, kept, "tune")
    rows: list[Any] = []
    with tempfile.TemporaryDirectory() as folder:
        build(Path(folder) / "index", pieces.catalog)
        parts = FingerprintIndex.open(Path(folder) / "index")._parts
        for query in all_queries(pieces, n_each, n_others):
            answers = find_answers(parts, note_map(query.samples))
            found = [(a.recording_id, features(a.found, a.n_pairs)) for a in answers]
            rows.append((query, found, pieces.copies.get(query.piece.work, set())))
            if len(rows) % 100 == 0:
                print(len(rows), "queries", file=sys.stderr, flush=True)
    return rows


def _shares(classes: NDArray[np.str_], wanted: dict[str, float]) -> Floats:
    """Return what each value counts, classes in the proportion asked for."""
    shares = np.zeros(len(classes))
    for name, part in wanted.items():
        is_in = classes == name
        shares[is_in] = part / max(1, int(is_in.sum()))
    return np.asarray(shares / shares.sum())


def _classes(rows: Sequence[tuple[Query, Any, set[str]]]) -> NDArray[np.str_]:
    """Return for each answer whether it is right, of the same work, or neither."""
    names = []
    for query, found, copies in rows:
        for name, _ in found:
            if query.kind == "catalog":
                is_right = name in copies or name == query.also
                right = "mixed" if query.also else "right"
                names.append(right if is_right else "wrong")
            else:
                names.append(query.kind if name in copies else "wrong")
    return np.array(names)


def calibration(rows: Sequence[tuple[Query, Any, set[str]]]) -> dict[str, Any]:
    """Return the document that the package reads."""
    values = np.array([one for _, found, _ in rows for _, one in found])
    classes = _classes(rows)
    is_right = np.isin(classes, ["right", "mixed"])
    weights = fit_weights(values, is_right, _shares(classes, _AGAINST_OTHERS), 1e-3)
    sameness = fit_weights(
        with_products(values), is_right, _shares(classes, _AGAINST_TAKES), 1e-3
    )
    least = _least_sameness(rows, weights, sameness)
    highest = []
    for query, found, _ in rows:
        if query.kind == "other work":
            kept = [v for _, v in found if sameness @ with_products(v) >= least]
            highest.append(max((float(weights @ v) for v in kept), default=-99.0))
    above = [h for h in highest if h > -99.0]
    levels = np.linspace(np.quantile(above, 0.05), max(above) + 8, 80)
    known = rates(levels, np.array(highest))
    return {
        "made_by": "python bench/matching/calibrate.py",
        "n_queries": dict(Counter(query.kind for query, *_ in rows)),
        "weights": dict(zip(FEATURES, np.round(weights, 4).tolist(), strict=True)),
        "sameness": np.round(sameness, 4).tolist(),
        "least_sameness": round(least, 4),
        "evidence": np.round(levels, 4).tolist(),
        "false_match_probability": [float(f"{p:.3g}") for p in known],
    }


def _least_sameness(
    rows: Sequence[tuple[Query, Any, set[str]]], weights: Floats, sameness: Floats
) -> float:
    """Return what all but a few in a hundred right answers reach."""
    reached = []
    for query, found, copies in rows:
        wanted = [copies, {query.also}] if query.also else [copies]
        for names in wanted if query.kind == "catalog" else []:
            right = [v for name, v in found if name in names]
            if right:
                best = max(right, key=lambda v: float(weights @ v))
                reached.append(float(sameness @ with_products(best)))
    return float(np.quantile(reached, _REFUSED))


def main() -> None:
    """Fit and write."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--audio", type=Path)
    parser.add_argument("--folder", type=Path, default=KEPT)
    parser.add_argument("--each", type=int, default=15)
    parser.add_argument("--others", type=int, default=400)
    parser.add_argument("--out", type=Path, default=RESULT)
    chosen = parser.parse_args()
    rows = collect(chosen.audio, chosen.folder, chosen.each, chosen.others)
    write_json(chosen.out, calibration(rows))


if __name__ == "__main__":
    main()
