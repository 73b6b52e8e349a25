"""Influence by wording: which captions read like the prompt?

It neither hears the song nor knows the model, so it shows how much of an
answer the prompt alone gives away.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from contrafact.attribution.base import (
    AttributionTask,
    Progress,
    Queries,
    Scores,
    no_progress,
    sum_windows,
)
from contrafact.attribution.estimators._fitted import check_fitted, facts_of
from contrafact.attribution.store import write_manifest
from contrafact.core.errors import NotFittedError

__all__ = ["CaptionsEstimator"]


class CaptionsEstimator:
    """Cosine of the counts of words in the prompt and in training captions.

    A query without a prompt, and a window without a caption, score zero.

    References:
        Salton et al., "A vector space model for automatic indexing", 1975.
    """

    name = "captions"

    def __init__(self) -> None:
        self._task: AttributionTask | None = None

    @property
    def settings(self) -> Mapping[str, Any]:
        """There are none."""
        return {}

    def fit(
        self, task: AttributionTask, directory: Path, *, progress: Progress
    ) -> CaptionsEstimator:
        """Note which corpus is meant; its captions are read when asked for."""
        write_manifest(directory, facts_of(self.name, self.settings, task))
        progress(len(task.train), len(task.train))
        self._task = task
        return self

    def open(self, task: AttributionTask, directory: Path) -> CaptionsEstimator:
        """See `Estimator.open`."""
        check_fitted(directory, facts_of(self.name, self.settings, task))
        self._task = task
        return self

    def score(self, queries: Queries, *, progress: Progress = no_progress) -> Scores:
        """See `Estimator.score`; a window's score is in [0, 1]."""
        if self._task is None:
            raise NotFittedError("The captions are not fitted; call `fit`.")
        train = self._task.train
        captions = [_words(window.caption) for window in train.windows]
        rows = []
        for row, prompt in enumerate(queries.prompts):
            asked = _words(prompt)
            rows.append([_cosine(asked, caption) for caption in captions])
            progress(row + 1, len(queries))
        values = sum_windows(torch.tensor(rows, dtype=torch.float32), train)
        return Scores(values=values, recording_ids=train.recording_ids)


def _words(text: str) -> Counter[str]:
    return Counter(re.findall(r"\w+", text.casefold()))


def _cosine(one: Counter[str], other: Counter[str]) -> float:
    length = math.hypot(*one.values()) * math.hypot(*other.values())
    shared = sum(one[word] * other[word] for word in one.keys() & other.keys())
    return shared / length if length else 0.0
