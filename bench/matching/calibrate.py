"""Fit what fingerprint matches are judged by, on the half of works for tuning.

    python bench/matching/calibrate.py [--audio DIR]

Writes `calibration.json` of the package. Two logistic regressions, each on the numbers
of a comparison and their products: one tells right answers from other works, and makes
the evidence; one tells them from other performances of the same work, and refuses what
it takes for one, and with them one in a hundred right answers. For each level of the
evidence the table says what share of the answers that reach it is wrong, if two queries
of three hold nothing that is known; beyond what was seen, other works are continued by
an exponential fitted to their highest tenth, and the share is never below 1e-10. Both
that table and what is refused come of works that the regressions were not fitted on.
For indexes larger than the one asked, the first regression is fitted once more, with a
table of its own: there wrong answers count the more, the nearer they come.
"""

from __future__ import annotations

import argparse
import math
import tempfile
import zlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from asking import Asked, answers
from fingerprint import KEPT, build, gather
from numpy.typing import NDArray
from queries import MIX, UNKNOWN_MIX, Query
from scipy.optimize import minimize
from scipy.special import expit
from scipy.stats import gamma

from contrafact.catalog.atomic import write_json
from contrafact.matching.fingerprint import FingerprintIndex, _calibration
from contrafact.matching.fingerprint._calibration import (
    features,
    terms,
)
from contrafact.matching.fingerprint._codes import codes_of
from contrafact.matching.fingerprint._search import find_answers
from contrafact.matching.fingerprint._spectrum import (
    FRAMES_PER_S,
    notes_of,
    power_map,
)
from contrafact.matching.fingerprint._verification import Found
from contrafact.matching.fingerprint._voting import Proposal

Floats = NDArray[np.float64]
RESULT = Path(_calibration.__file__).with_name("calibration.json")
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]
_LEAST = 1e-10  # as large indexes multiply it
_BEYOND = 16.0  # how much evidence above the highest wrong one the table goes on
_N_PARTS = 5  # of works, each judged by what the others teach
_NOTHING = -99.0  # evidence of what is refused
_REFUSED = 0.01  # of right answers, so that other performances are refused
_RIDGE = 1e-3
_NEAR = 2.0
_UNKNOWN = 2.0  # queries that hold nothing known, for one that does
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
    """Return the weights of a ridge logistic regression, its constant first.

    Args:
        values: `(n, n_features)`, without a constant.
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
    weights = found.x[1:] / scale
    return np.concatenate([[found.x[0] - weights @ middle], weights])


def reached(levels: Floats, highest: Floats, works: Ints) -> Floats:
    """Return how often at most the highest evidence of a null query reaches each level.

    Args:
        levels: Ascending.
        highest: Evidence of each null query; `_NOTHING` of those refused.
        works: Which work each of them is of, `(n,)`.
    """
    ordered = np.sort(highest)
    n = len(ordered)
    n_reached = n - np.searchsorted(ordered, levels, side="left")
    # What was refused says nothing about how fast evidence becomes rare.
    judged = ordered[ordered > _NOTHING]
    tail = judged[-max(5, min(n // 10, len(judged) // 2)) :]
    excess = float(np.mean(tail - tail[0])) * len(tail) / (len(tail) - 1)
    beyond = len(tail) / n * np.exp(-(levels - tail[0]) / max(excess, 1e-3))
    seen = seen_at_most(levels, highest, works)
    is_seen = n_reached >= 3
    # A tail that is heavier than the fitted one counts, and goes on from there.
    heavier = float((seen / beyond)[is_seen & (levels >= tail[0])].max(initial=1.0))
    rate = np.where(is_seen, seen, heavier * beyond)
    return np.asarray(np.where(levels < tail[0], seen, rate))


def seen_at_most(levels: Floats, highest: Floats, works: Ints) -> Floats:
    """Return how often at most queries reach each level, from what was seen alone.

    The upper end of a one-sided interval of 95 %. Queries of one work are wrong
    together, so it is works that are counted.
    """
    n_reached = (highest >= levels[:, None]).sum(1)
    n_works = np.array([len(set(works[highest >= level])) for level in levels])
    per_work = np.maximum(n_reached, 1) / np.maximum(n_works, 1)
    return np.asarray(gamma.ppf(0.95, n_works + 1.0) * per_work / len(highest))


def shares_wrong(levels: Floats, null: Floats, wrong: Floats, right: Floats) -> Floats:
    """Return what share of the answers that reach each level is wrong.

    Args:
        levels: Ascending.
        null: How often a query that holds nothing known reaches each, `(n_levels,)`.
        wrong: How often a wrong answer to a query that does reaches each.
        right: How many right ones such a query has at each.
    """
    all_wrong = _UNKNOWN * null + wrong
    share = all_wrong / np.maximum(all_wrong + right, 1e-9)
    # Beyond the last right answer nothing is known but that it is as good.
    share[right == 0] = _LEAST
    return np.asarray(np.minimum.accumulate(np.clip(share, _LEAST, 1.0)))


class Case(NamedTuple):
    """A query and what it was compared with.

    Attributes:
        kind: As of the query.
        also: What in the catalog is the recording that is mixed in.
        group: Of its transformation.
        work: That it is of.
        copies: What in the catalog is the recording or, of another performance,
            its work.
        found: Recordings with the features of the comparison.
    """

    kind: str
    also: set[str]
    group: str
    work: str
    copies: set[str]
    found: list[tuple[str, Floats]]


def collect(
    audio: Path | None, kept: Path, n_each: int, n_others: int, n_workers: int
) -> tuple[float, list[Case]]:
    """Return the hours of the index, and what queries of the half for tuning meet."""
    pieces = gather(audio, kept, "tune")
    with tempfile.TemporaryDirectory() as folder:
        build(Path(folder) / "index", pieces.catalog)
        parts = FingerprintIndex.open(Path(folder) / "index")._parts
        copies = pieces.copies
        of = {i: same for same in copies.values() for i in same}

        def answer(query: Query, _: int) -> Case:
            power = power_map(query.samples)
            found = find_answers(
                parts, notes_of(power), codes_of(power), _first_judgement
            )
            return Case(
                query.kind,
                of.get(query.also, set()),
                query.transform.group,
                query.piece.work,
                copies.get(query.piece.work, set()),
                [(a.recording_id, features(a.found, a.proposal)) for a in found],
            )

        asked = Asked(
            pieces=pieces, n_each=n_each, n_others=n_others, n_takes=n_others // 4
        )
        frames = sum(part.n_frames for part in parts)
        hours = frames / FRAMES_PER_S / 3600
        return hours, answers(asked, answer, n_workers)


def _first_judgement(found: Found, _: Proposal) -> float:
    """Order answers by something that no calibration is needed for."""
    return found.strength


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
                is_right = name in case.copies | case.also
                right = "mixed" if case.group in (MIX, UNKNOWN_MIX) else "right"
                names.append(right if is_right else "wrong")
            else:
                names.append(case.kind if name in case.copies else "wrong")
    return np.array(names)


def calibration(rows: Sequence[Case], hours: float) -> dict[str, Any]:
    """Return the document that the package reads."""
    values = terms(np.array([one for case in rows for _, one in case.found]))
    classes = _classes(rows)
    of = np.repeat(np.arange(len(rows)), [len(case.found) for case in rows])
    part = np.array([zlib.crc32(case.work.encode()) % _N_PARTS for case in rows])[of]
    sameness, same = _fitted(values, classes, part, _AGAINST_TAKES)
    weights, evidence = _fitted(values, classes, part, _AGAINST_OTHERS)
    strict, nearness = _fitted(values, classes, part, _AGAINST_OTHERS, near=_NEAR)
    best = _best(evidence, of, classes == "right")
    least = float(np.quantile(same[best], _REFUSED))
    return {
        "made_by": "python bench/matching/calibrate.py",
        "n_queries": dict(Counter(case.kind for case in rows)),
        "hours": math.ceil(100 * hours) / 100,
        "weights": weights.tolist(),
        "sameness": sameness.tolist(),
        "least_sameness": round(least, 4),
        **_table(rows, np.where(same >= least, evidence, _NOTHING), of, classes),
        "strict_weights": strict.tolist(),
        **{
            f"strict_{name}": column
            for name, column in _table(
                rows, np.where(same >= least, nearness, _NOTHING), of, classes
            ).items()
        },
    }


def _fitted(
    values: Floats,
    classes: NDArray[np.str_],
    part: Ints,
    wanted: dict[str, float],
    near: float | None = None,
) -> tuple[Floats, Floats]:
    """Return weights, and what each comparison reaches by weights of other works.

    So that what is known by heart is not taken for what is known. With `near` it is
    fitted twice: then wrong ones count the more, the nearer they came to right ones
    in the first fit, half as much as most where they reached that below zero.
    """

    def fit(which: Bools) -> Floats:
        some, mine = classes[which], values[which]
        is_right, shares = np.isin(some, ["right", "mixed"]), _shares(some, wanted)
        found = fit_weights(mine[:, 1:], is_right, shares, _RIDGE)
        if near is not None:
            wrong, weight = ~is_right, shares[~is_right]
            nearness = weight * expit(mine[wrong] @ found + near)
            shares[wrong] = nearness * weight.sum() / nearness.sum()
            found = fit_weights(mine[:, 1:], is_right, shares, _RIDGE)
        return np.round(found, 4)

    reached = np.zeros(len(values))
    for number in range(_N_PARTS):
        mine = part == number
        reached[mine] = values[mine] @ fit(~mine)
    return fit(np.ones(len(values), bool)), reached


def _table(
    rows: Sequence[Case], evidence: Floats, of: Ints, classes: NDArray[np.str_]
) -> dict[str, Any]:
    """Return levels of the evidence, and what share of answers there is wrong."""
    kinds = np.array([case.kind for case in rows])
    works = np.unique([case.work for case in rows], return_inverse=True)[1]

    def highest(is_one: Bools) -> Floats:
        """Return the highest evidence of some answers, for each query."""
        best, found = _best(evidence, of, is_one), np.full(len(rows), _NOTHING)
        found[of[best]] = evidence[best]
        return found

    is_null, is_known = kinds == "other work", kinds == "catalog"
    null = highest(is_null[of])[is_null]
    wrong = highest((classes == "wrong") & is_known[of])[is_known]
    above = null[null > _NOTHING]
    levels = np.linspace(np.quantile(above, 0.05), max(above) + _BEYOND, 120)
    is_right = np.isin(classes, ["right", "mixed"])
    right = (evidence[is_right] >= levels[:, None]).sum(1) / is_known.sum()
    known = shares_wrong(
        levels,
        reached(levels, null, works[is_null]),
        # Beyond the last of them it is what is unknown that tells.
        np.where(
            levels <= wrong.max(), seen_at_most(levels, wrong, works[is_known]), 0.0
        ),
        right,
    )
    return {
        "evidence": np.round(levels, 4).tolist(),
        "false_match_probability": [float(f"{p:.3g}") for p in known],
    }


def _best(evidence: Floats, of: Ints, is_one: Bools) -> Ints:
    """Return which of some answers is the best of each query."""
    best: dict[int, int] = {}
    for i in np.flatnonzero(is_one):
        query = int(of[i])
        if query not in best or evidence[i] > evidence[best[query]]:
            best[query] = int(i)
    return np.array(list(best.values()), np.int64)


def main() -> None:
    """Fit and write."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--audio", type=Path)
    parser.add_argument("--folder", type=Path, default=KEPT)
    parser.add_argument("--each", type=int, default=16)
    parser.add_argument("--others", type=int, default=1_200)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, default=RESULT)
    chosen = parser.parse_args()
    hours, rows = collect(
        chosen.audio, chosen.folder, chosen.each, chosen.others, chosen.workers
    )
    write_json(chosen.out, calibration(rows, hours))


if __name__ == "__main__":
    main()
