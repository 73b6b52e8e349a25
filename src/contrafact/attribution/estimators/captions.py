"""Influence by wording: which captions read like the prompt?

It neither hears the song nor knows the model, so it shows how much of an
answer the prompt alone gives away.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from contrafact.attribution.base import (
    AttributionTask,
    Progress,
    Queries,
    Scores,
    sum_windows,
)
from contrafact.attribution.estimators._fitted import FittedEstimator
from contrafact.attribution.panel import check_panel, panel_of, panel_rows

__all__ = ["CaptionsEstimator", "CaptionsSettings"]

_Counts = list[Counter[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptionsSettings:
    """How captions are compared.

    Attributes:
        n_panel: Recordings whose captions stand for "any other prompt"; 0 for
            no comparison with what is common.
    """

    n_panel: int = 64

    def __post_init__(self) -> None:
        """Check the panel."""
        check_panel(self.n_panel)


class CaptionsEstimator(FittedEstimator[CaptionsSettings, _Counts]):
    """Cosine of the counts of words in the prompt and in training captions.

    A query without a prompt, and a window without a caption, score zero. A
    window's score is in [0, 1]. Costs nothing to fit: the captions are read
    where they are.

    Args:
        settings: How captions are compared.

    References:
        Salton et al., "A vector space model for automatic indexing", 1975.
    """

    name = "captions"
    asked_later = frozenset({"n_panel"})

    def __init__(self, settings: CaptionsSettings | None = None) -> None:
        super().__init__(settings or CaptionsSettings())

    def _read(self, task: AttributionTask, directory: Path) -> _Counts:
        return [_words(window.caption) for window in task.train.windows]

    def _score(
        self,
        task: AttributionTask,
        state: _Counts,
        queries: Queries,
        progress: Progress,
    ) -> Scores:
        values = _cosines([_words(prompt) for prompt in queries.prompts], state)
        rows = panel_rows(task.train, self._settings.n_panel)
        panel = _cosines([state[row] for row in rows], state)
        progress(len(queries), len(queries))
        return Scores(
            values=sum_windows(values, task.train),
            recording_ids=task.train.recording_ids,
            panel=panel_of(panel, task.train, rows),
        )


def _cosines(asked: Sequence[Counter[str]], known: _Counts) -> Tensor:
    """Return `(n_asked, n_known)`, float32."""
    table = [[_cosine(one, other) for other in known] for one in asked]
    return torch.tensor(table, dtype=torch.float32).reshape(len(asked), len(known))


def _words(text: str) -> Counter[str]:
    return Counter(re.findall(r"\w+", text.casefold()))


def _cosine(one: Counter[str], other: Counter[str]) -> float:
    length = math.hypot(*one.values()) * math.hypot(*other.values())
    shared = sum(one[word] * other[word] for word in one.keys() & other.keys())
    return shared / length if length else 0.0
