"""The template in the documentation is an estimator."""

from __future__ import annotations

import importlib
import re
import sys
import textwrap
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from contrafact.attribution.base import AttributionTask, Queries, no_progress
from contrafact.core.errors import IndexMismatchError, NotFittedError

PAGE = Path(__file__).parents[2] / "docs" / "estimators.md"


@pytest.fixture
def template(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The class that the page shows to contributors, imported as a module."""
    text = PAGE.read_text(encoding="utf-8").partition("## How to add")[2]
    block = re.search(r"^ *```python\n(.*?)^ *```$", text, re.MULTILINE | re.DOTALL)
    assert block is not None
    (tmp_path / "shown_template.py").write_text(textwrap.dedent(block[1]))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "shown_template", raising=False)
    return importlib.import_module("shown_template").LengthEstimator


def test_the_template_scores(
    template: Any, task: AttributionTask, queries: Queries, tmp_path: Path
) -> None:
    """It gives a score to each query and recording: the windows' scores, summed."""
    scores = (
        template().fit(task, tmp_path / "fitted", progress=no_progress).score(queries)
    )
    lengths = [x.shape[-1] for x in task.train.latents]
    by_window = torch.tensor([[-abs(q - n) for n in lengths] for q in (9, 12, 7)])
    assert scores.values.shape == (3, 11)
    assert scores.values.dtype == torch.float32
    # The first recording has the first two windows.
    assert torch.equal(scores.values[:, 0], by_window[:, :2].sum(1).float())
    assert torch.equal(scores.values[:, 1:], by_window[:, 2:].float())


def test_the_template_keeps_the_contract(
    template: Any, task: AttributionTask, queries: Queries, tmp_path: Path
) -> None:
    """It scores nothing before it is fitted, and refuses another task's fit."""
    with pytest.raises(NotFittedError):
        template().score(queries)
    with pytest.raises(NotFittedError):
        template().open(task, tmp_path / "fitted")
    template().fit(task, tmp_path / "fitted", progress=no_progress)
    with pytest.raises(IndexMismatchError):
        template().open(replace(task, seed=1), tmp_path / "fitted")
