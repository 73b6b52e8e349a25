"""From evidence to the rate at which it comes about by chance."""

from __future__ import annotations

import json
from functools import cache
from importlib import resources

import numpy as np

from contrafact.matching.fingerprint._verification import Found

__all__ = ["evidence", "false_match_probability"]


def evidence(found: Found, n_pairs: int) -> float:
    """Return one number, higher for what is rather the same recording."""
    likeness = np.arctanh(min(found.likeness, 0.999))
    return float(likeness - 0.6 * found.wander + 0.15 * np.log(max(n_pairs, 1)))


@cache
def _table() -> tuple[list[float], list[float]]:
    text = resources.files(__package__).joinpath("calibration.json").read_text()
    document = json.loads(text)
    return document["evidence"], document["false_match_probability"]


def false_match_probability(value: float) -> float:
    """Return how often a query without the recording reaches this evidence."""
    at, probability = _table()
    return float(np.exp(np.interp(value, at, np.log(probability))))
