"""Fit what fingerprint matches are judged by, on the half of works for tuning.

    python bench/matching/calibrate.py [--audio DIR]

Writes `calibration.json` of the package. Two logistic regressions: one tells
right answers from other works, and makes the evidence; one tells them from other
performances of the same work, and refuses what it takes for one, and with them at
most a few right answers in a hundred after any transformation. For each level of the
evidence the table says how often a query of another work reaches it; beyond what was
seen it is continued by an exponential fitted to the highest tenth, never below 1e-6.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from asking import Asked, answers
from fingerprint import KEPT, build, gather
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
from contrafact.matching.fingerprint._codes import codes_of
from contrafact.matching.fingerprint._search import find_answers
from contrafact.matching.fingerprint._spectrum import notes_of, power_map
from contrafact.matching.fingerprint._verification import Found
from contrafact.matching.fingerprint._voting import Proposal

Floats = NDArray[np.float64]
RESULT = Path(_calibration.__file__).with_name("calibration.json")
Bools = NDArray[np.bool_]
_LEAST = 1e-6
# Of right answers, so that other performances are refused, by transformation: half
# of what may be missed.
_REFUSED = {"noise 0 dB": 0.04, "mix": 0.05}
_REFUSED_ELSE = 0.015
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


class Case(NamedTuple):
    """A query and what it was compared with.

    Attributes:
        kind: As of the query.
        also: Of the query: what is mixed in.
        group: Of its transformation.
        copies: What in the catalog is the recording or, of another performance,
            its work.
        found: Recordings with the features of the comparison.
    """

    kind: str
    also: str
    group: str
    copies: set[str]
    found: list[tuple[str, Floats]]


def collect(
    audio: Path | None, kept: Path, n_each: int, n_others: int, n_workers: int
) -> list[Case]:
    """Return what queries of the half for tuning are compared with."""
    pieces = gather(audio, kept, "tune")
    with tempfile.TemporaryDirectory() as folder:
        build(Path(folder) / "index", pieces.catalog)
        parts = FingerprintIndex.open(Path(folder) / "index")._parts
        copies = pieces.copies

        def answer(query: Query, _: int) -> Case:
            power = power_map(query.samples)
            found = find_answers(
                parts, notes_of(power), codes_of(power), _first_judgement
            )
            return Case(
                query.kind,
                query.also,
                query.transform.group,
                copies.get(query.piece.work, set()),
                [(a.recording_id, features(a.found, a.proposal)) for a in found],
            )

        asked = Asked(
            pieces=pieces, n_each=n_each, n_others=n_others, n_takes=n_others // 4
        )
        return answers(asked, answer, n_workers)


def _first_judgement(found: Found, _: Proposal) -> float:
    """Order answers by something that no calibration is needed for."""
    return float(found.likeness * np.log(found.last - found.first))


def _shares(classes: NDArray[np.str_], wanted: dict[str, float]) -> Floats:
    """Return what each value counts, classes in the proportion asked for."""
    shares = np.zeros(len(classes))
    for name, part in wanted.items():
        is_in = classes == name
        shares[is_in] = part / max(1, int(is_in.sum()))
    return np.asarray(shares / shares.sum())


def _classes(rows: Sequence[Case]) -> NDArray[np.str_]:
    """Return for each answer whether it is right, of the same work, or neither."""
    names = []
    for case in rows:
        for name, _ in case.found:
            if case.kind == "catalog":
                is_right = name in case.copies or name == case.also
                right = "mixed" if case.also else "right"
                names.append(right if is_right else "wrong")
            else:
                names.append(case.kind if name in case.copies else "wrong")
    return np.array(names)


def calibration(rows: Sequence[Case]) -> dict[str, Any]:
    """Return the document that the package reads."""
    values = np.array([one for case in rows for _, one in case.found])
    classes = _classes(rows)
    is_right = np.isin(classes, ["right", "mixed"])
    weights = fit_weights(values, is_right, _shares(classes, _AGAINST_OTHERS), 1e-3)
    sameness = fit_weights(
        with_products(values), is_right, _shares(classes, _AGAINST_TAKES), 1e-3
    )
    least = _least_sameness(rows, weights, sameness)
    highest = []
    for case in rows:
        if case.kind == "other work":
            kept = [v for _, v in case.found if sameness @ with_products(v) >= least]
            highest.append(max((float(weights @ v) for v in kept), default=-99.0))
    above = [h for h in highest if h > -99.0]
    levels = np.linspace(np.quantile(above, 0.05), max(above) + 8, 80)
    known = rates(levels, np.array(highest))
    return {
        "made_by": "python bench/matching/calibrate.py",
        "n_queries": dict(Counter(case.kind for case in rows)),
        "weights": dict(zip(FEATURES, np.round(weights, 4).tolist(), strict=True)),
        "sameness": np.round(sameness, 4).tolist(),
        "least_sameness": round(least, 4),
        "evidence": np.round(levels, 4).tolist(),
        "false_match_probability": [float(f"{p:.3g}") for p in known],
    }


def _least_sameness(rows: Sequence[Case], weights: Floats, sameness: Floats) -> float:
    """Return what all but a few in a hundred right answers reach, of any group."""
    reached: dict[str, list[float]] = {}
    for case in rows:
        wanted = [case.copies, {case.also}] if case.also else [case.copies]
        for names in wanted if case.kind == "catalog" else []:
            right = [v for name, v in case.found if name in names]
            if right:
                best = max(right, key=lambda v: float(weights @ v))
                value = float(sameness @ with_products(best))
                reached.setdefault(case.group, []).append(value)
    return min(
        float(np.quantile(values, _REFUSED.get(group, _REFUSED_ELSE)))
        for group, values in reached.items()
    )


def main() -> None:
    """Fit and write."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--audio", type=Path)
    parser.add_argument("--folder", type=Path, default=KEPT)
    parser.add_argument("--each", type=int, default=12)
    parser.add_argument("--others", type=int, default=800)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, default=RESULT)
    chosen = parser.parse_args()
    rows = collect(
        chosen.audio, chosen.folder, chosen.each, chosen.others, chosen.workers
    )
    write_json(chosen.out, calibration(rows))


if __name__ == "__main__":
    main()
