"""From evidence to how often an answer as strong is wrong.

`calibration.json` was fitted on recordings that share one soundfont; its entry
`made_by` names the command that made it. What makes a match certain is how long and how
closely it lies on one line; of a single catalog only the size counts.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources

import numpy as np
from numpy.typing import NDArray

from contrafact.matching.fingerprint._spectrum import FRAMES_PER_S
from contrafact.matching.fingerprint._verification import Found
from contrafact.matching.fingerprint._voting import Proposal

__all__ = [
    "FEATURES",
    "evidence",
    "false_match_probability",
    "features",
    "strict_evidence",
    "terms",
]

FEATURES = (
    "likeness",
    "lowest",
    "kept",
    "wander",
    "duration",
    "pairs",
    "codes",
    "covered",
    "followed",
    "steady",
    "steadier",
    "denser",
    "hidden",
)
_NOTHING = -99.0  # evidence of what is refused


def features(found: Found, proposal: Proposal) -> NDArray[np.float64]:
    """Return what the evidence is made of, in the order of `FEATURES`."""
    duration_s = (found.last - found.first) / FRAMES_PER_S
    return np.array(
        [
            np.arctanh(np.clip(found.likeness, 0.0, 0.99)),
            np.arctanh(np.clip(found.lowest, 0.0, 0.99)),
            np.arctanh(np.clip(found.kept, 0.0, 0.99)),
            min(found.wander, 1.5),
            np.log(min(duration_s, 10.0)),
            np.log(np.clip(proposal.n_pairs, 1, 100)),
            np.arctanh(np.clip(proposal.agreement, 0.0, 0.99)),
            found.covered,
            np.arctanh(np.clip(found.followed, 0.0, 0.99)),
            found.steady,
            found.steadier,
            found.denser,
            found.hidden,
        ]
    )


def terms(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return one, the features, and the products of any two, `(..., 105)`."""
    first, second = np.triu_indices(values.shape[-1])
    one = np.ones((*values.shape[:-1], 1))
    return np.concatenate([one, values, values[..., first] * values[..., second]], -1)


@dataclass(frozen=True, slots=True)
class _Calibration:
    weights: NDArray[np.float64]
    sameness: NDArray[np.float64]
    least_sameness: float
    evidence: NDArray[np.float64]
    log_probability: NDArray[np.float64]
    strict_weights: NDArray[np.float64]
    strict_evidence: NDArray[np.float64]
    strict_log_probability: NDArray[np.float64]
    hours: float


@cache
def _calibration() -> _Calibration:
    path = resources.files(__package__).joinpath("calibration.json")
    document = json.loads(path.read_text(encoding="utf-8"))
    return _Calibration(
        weights=np.array(document["weights"]),
        sameness=np.array(document["sameness"]),
        least_sameness=float(document["least_sameness"]),
        evidence=np.array(document["evidence"]),
        log_probability=np.log(document["false_match_probability"]),
        strict_weights=np.array(document["strict_weights"]),
        strict_evidence=np.array(document["strict_evidence"]),
        strict_log_probability=np.log(document["strict_false_match_probability"]),
        hours=float(document["hours"]),
    )


def evidence(found: Found, proposal: Proposal) -> float:
    """Return one number, higher for what is rather the same recording.

    What is more like another performance of the same work, whose timing wanders
    and whose sound differs, is refused by a low number.
    """
    known, values = _calibration(), terms(features(found, proposal))
    if float(known.sameness @ values) < known.least_sameness:
        return _NOTHING
    return float(known.weights @ values)


def strict_evidence(found: Found, proposal: Proposal) -> float:
    """Return another such number, fitted to what is wrong and yet comes near.

    It says more of what is rare: of the wrong answers of a large index.
    """
    return float(_calibration().strict_weights @ terms(features(found, proposal)))


def false_match_probability(value: float, strict: float, hours: float) -> float:
    """Return what share of the answers that reach this evidence is wrong.

    If two queries of three hold nothing that is known. Each recording more is a chance
    more of a wrong answer, and none of a right one: in an index larger than the one
    that the tables were made with, wrong answers are as many more as there are hours.
    How many there would be is then told by the stricter evidence.

    Args:
        value: As from `evidence`.
        strict: As from `strict_evidence`.
        hours: Of the recordings of the index.
    """
    known = _calibration()
    share = float(np.exp(np.interp(value, known.evidence, known.log_probability)))
    times = hours / known.hours
    if times <= 1:
        return share
    levels, logs = known.strict_evidence, known.strict_log_probability
    other = float(np.exp(np.interp(strict, levels, logs)))
    return max(share, other * times / (1 - other + other * times))
