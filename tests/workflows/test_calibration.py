from __future__ import annotations

import json
from pathlib import Path

import pytest

from contrafact.attribution.estimators import make_estimator
from contrafact.workflows.calibration import add_measurement, scale_of
from contrafact.workflows.models import ModelRecord


@pytest.fixture
def record(tmp_path: Path) -> ModelRecord:
    """A model's record, whose folder is empty."""
    return ModelRecord(
        id="m", digest="d", kind="studio", recipe="tiny", corpus_digest="c",
        n_recordings=3, n_left_out=0, n_steps=1, seed=0, final_loss=None,
        directory=tmp_path,
    )  # fmt: skip


def measured(record: ModelRecord, pairs: list[tuple[float, float]]) -> None:
    """Keep measurements of the index under its present settings."""
    method = make_estimator("index")
    for number, (predicted, rise) in enumerate(pairs):
        add_measurement(
            record,
            (method.name, method.settings),
            name=f"A/{number}",
            predicted=predicted,
            measured=rise,
        )


def test_scale_is_the_slope_through_the_origin(record):
    """Measured rises of half the predictions give a scale of one half."""
    measured(record, [(2.0, 1.0), (4.0, 2.0), (1.0, 0.5)])
    assert scale_of(record, make_estimator("index")) == pytest.approx(0.5)


def test_large_predictions_weigh_more(record):
    """The slope is that of least squares, not a mean of ratios."""
    measured(record, [(10.0, 10.0), (1.0, 3.0), (1.0, 3.0)])
    assert scale_of(record, make_estimator("index")) == pytest.approx(106 / 102)


def test_too_few_measurements_give_no_scale(record):
    """Two removals are not enough to say what a score is worth."""
    measured(record, [(2.0, 1.0), (4.0, 2.0)])
    assert scale_of(record, make_estimator("index")) is None


def test_scale_belongs_to_the_settings_it_was_measured_with(record):
    """Another damping has other scores, so another scale."""
    measured(record, [(2.0, 1.0), (4.0, 2.0), (1.0, 0.5)])
    assert scale_of(record, make_estimator("similarity")) is None


def test_useless_predictions_give_no_scale(record):
    """Where removal lowered the loss that was to rise, no scale is used."""
    measured(record, [(2.0, -1.0), (4.0, -2.0), (1.0, -0.5)])
    assert scale_of(record, make_estimator("index")) is None


def test_measuring_again_replaces(record):
    """The same removal counts once."""
    measured(record, [(2.0, 1.0), (4.0, 2.0), (1.0, 0.5)])
    measured(record, [(2.0, 2.0), (4.0, 4.0), (1.0, 1.0)])
    kept = json.loads((record.directory / "calibration.json").read_text())
    assert [len(v) for v in kept.values()] == [3]
    assert scale_of(record, make_estimator("index")) == pytest.approx(1.0)
