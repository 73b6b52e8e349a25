"""Scores are whole, or they are not made."""

from __future__ import annotations

import pytest
import torch

from contrafact.attribution.base import (
    AttributionTask,
    Queries,
    Scores,
    asked_of,
    sum_windows,
)
from contrafact.core.errors import AttributionError


def test_scores_need_a_column_for_each_recording() -> None:
    """Both shapes are in the error."""
    with pytest.raises(AttributionError, match=r"\(n_query, 2\); found \(1, 3\)"):
        Scores(torch.zeros(1, 3), ("R-1", "R-2"))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_scores_that_are_no_numbers_are_refused(value: float) -> None:
    """A gradient that overflowed is an error, not a recording without influence."""
    with pytest.raises(AttributionError, match="1 of 2 scores are not finite"):
        Scores(torch.tensor([[1.0, value]]), ("R-1", "R-2"))


def test_windows_add_up(task: AttributionTask) -> None:
    """The first recording has two windows; the others keep their score."""
    values = torch.arange(24.0).reshape(2, 12)
    summed = sum_windows(values, task.train)
    assert summed[0].tolist() == [1.0, *[float(i) for i in range(2, 12)]]
    assert summed[1, 0] == 12 + 13


def test_queries_are_told_their_prompts_and_lengths(
    task: AttributionTask, queries: Queries
) -> None:
    """The conditioning is that of each prompt at the length without padding."""
    batch, said = asked_of(task, queries)
    wanted = task.generator.condition(queries.prompts, n_tokens=[9, 12, 7])
    assert batch is queries.batch
    assert torch.equal(said.pooled, wanted.pooled)
    assert torch.equal(said.tokens, wanted.tokens)
