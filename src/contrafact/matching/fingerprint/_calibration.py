"""From evidence to the rate at which it comes about by chance.

`calibration.json` was fitted on recordings that share one soundfont; its entry
`made_by` names the command that made it. Nothing is adapted to a single catalog:
what makes a match certain is how long and how closely it lies on one line.
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

__all__ = [
    "FEATURES",
    "evidence",
    "false_match_probability",
    "features",
    "with_products",
]

FEATURES = ("likeness", "lowest", "kept", "wander", "duration", "pairs")
_NOTHING = -99.0  # evidence of what is refused


def features(found: Found, n_pairs: int) -> NDArray[np.float64]:
    """Return what the evidence is made of, in the order of `FEATURES`."""
    duration_s = (found.last - found.first) / FRAMES_PER_S
    return np.array(
        [
            np.arctanh(np.clip(found.likeness, 0.0, 0.99)),
            np.arctanh(np.clip(found.lowest, 0.0, 0.99)),
            np.arctanh(np.clip(found.kept, 0.0, 0.99)),
            min(found.wander, 1.5),
            np.log(min(duration_s, 10.0)),
            np.log(min(n_pairs, 100)),
        ]
    )


def with_products(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return features followed by the products of any two, `(..., 27)`."""
    first, second = np.triu_indices(values.shape[-1])
    return np.concatenate([values, values[..., first] * values[..., second]], -1)


@dataclass(frozen=True, slots=True)
class _Calibration:
    weights: NDArray[np.float64]
    sameness: NDArray[np.float64]
    least_sameness: float
    evidence: NDArray[np.float64]
    log_probability: NDArray[np.float64]


@cache
def _calibration() -> _Calibration:
    path = resources.files(__package__).joinpath("calibration.json")
    document = json.loads(path.read_text(encoding="utf-8"))
    return _Calibration(
        weights=np.array([document["weights"][name] for name in FEATURES]),
        sameness=np.array(document["sameness"]),
        least_sameness=float(document["least_sameness"]),
        evidence=np.array(document["evidence"]),
        log_probability=np.log(document["false_match_probability"]),
    )


def evidence(found: Found, n_pairs: int) -> float:
    """Return one number, higher for what is rather the same recording.

    What is more like another performance of the same work, whose timing wanders
    and whose sound differs, is refused by a low number.
    """
    known, values = _calibration(), features(found, n_pairs)
    if float(known.sameness @ with_products(values)) < known.least_sameness:
        return _NOTHING
    return float(known.weights @ values)


def false_match_probability(value: float) -> float:
    """Return how often a query without the recording reaches this evidence."""
    known = _calibration()
    return float(np.exp(np.interp(value, known.evidence, known.log_probability)))
