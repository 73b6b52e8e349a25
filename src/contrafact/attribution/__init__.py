"""Training data attribution: which training examples shaped an output?

A task names model, corpus and measurement; an estimator turns queries into
scores. Estimators are found by name; their modules are imported when used.
"""

from __future__ import annotations

from contrafact.attribution.base import (
    AttributionTask,
    Estimator,
    Progress,
    Queries,
    Scores,
)
from contrafact.attribution.estimators import ESTIMATORS, make_estimator

__all__ = [
    "ESTIMATORS",
    "AttributionTask",
    "Estimator",
    "Progress",
    "Queries",
    "Scores",
    "make_estimator",
]
