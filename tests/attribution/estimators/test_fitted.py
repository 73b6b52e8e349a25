"""What estimators inherit: settings, manifests, and errors before a fit."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from contrafact.attribution.base import (
    AttributionTask,
    Progress,
    Queries,
    Scores,
    no_progress,
    sum_windows,
)
from contrafact.attribution.estimators._fitted import FittedEstimator
from contrafact.core.errors import IndexMismatchError, NotFittedError


@dataclass(frozen=True, slots=True, kw_only=True)
class _Settings:
    depth: int = 3
    n_panel: int = 64
    n_workers: int = 2


class _Loudness(FittedEstimator[_Settings, float]):
    """As loud as the settings say; counts what it wrote."""

    name = "loudness"
    asked_later = frozenset({"n_panel"})
    unsaid = frozenset({"n_workers"})

    def _measure(
        self, task: AttributionTask, directory: Path, progress: Progress
    ) -> None:
        (directory / "depth").write_text(str(self._settings.depth))
        progress(1, 1)

    def _read(self, task: AttributionTask, directory: Path) -> float:
        return float((directory / "depth").read_text())

    def _score(
        self, task: AttributionTask, state: float, queries: Queries, progress: Progress
    ) -> Scores:
        values = torch.full((len(queries), len(task.train)), state)
        return Scores(sum_windows(values, task.train), task.train.recording_ids)


def _make(**chosen: int) -> _Loudness:
    return _Loudness(_Settings(**chosen))


def test_scores_come_from_what_was_written(
    task: AttributionTask, queries: Queries, tmp_path: Path
) -> None:
    """Fitted or opened, an estimator reads its directory."""
    fitted = _make().fit(task, tmp_path, progress=no_progress)
    opened = _make().open(task, tmp_path)
    for estimator in (fitted, opened):
        assert estimator.score(queries).values[0].tolist() == [6.0, *[3.0] * 10]


def test_settings_that_change_no_result_are_not_said(
    task: AttributionTask, tmp_path: Path
) -> None:
    """They are in no report and no manifest, and any of them opens the fit."""
    assert _make().settings == {"depth": 3, "n_panel": 64}
    _make().fit(task, tmp_path, progress=no_progress)
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert manifest["settings"] == {"depth": 3}
    _make(n_panel=1, n_workers=7).open(task, tmp_path)


def test_settings_that_change_the_fit_are_checked(
    task: AttributionTask, tmp_path: Path
) -> None:
    """A fit with another depth serves neither opening nor fitting."""
    _make().fit(task, tmp_path, progress=no_progress)
    with pytest.raises(IndexMismatchError, match="another settings"):
        _make(depth=4).open(task, tmp_path)
    with pytest.raises(IndexMismatchError, match="another settings"):
        _make(depth=4).fit(task, tmp_path, progress=no_progress)
    assert (tmp_path / "depth").read_text() == "3"


def test_errors_name_the_estimator(
    task: AttributionTask, queries: Queries, tmp_path: Path
) -> None:
    """Before a fit, it says what is not fitted and what to do."""
    with pytest.raises(NotFittedError, match="The loudness is not fitted; call `fit`"):
        _make().score(queries)
    with pytest.raises(NotFittedError, match="There is no fitted loudness"):
        _make().open(task, tmp_path / "nothing")
