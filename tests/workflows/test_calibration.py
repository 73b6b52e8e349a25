from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from contrafact.attribution.estimators import make_estimator
from contrafact.catalog import Workspace, write_json
from contrafact.core.errors import ModelFormatError
from contrafact.workflows.calibration import add_measurement, scale_of
from contrafact.workflows.models import ModelRecord


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """A new workspace."""
    return Workspace.init(tmp_path / "ws")


@pytest.fixture
def record(tmp_path: Path) -> ModelRecord:
    """A model's record, whose folder is empty and not in the workspace."""
    (tmp_path / "shipped").mkdir()
    return ModelRecord(
        id="m", digest="d", kind="studio", recipe="tiny", corpus_digest="c",
        n_recordings=3, n_left_out=0, n_steps=1, seed=0, final_loss=None,
        directory=tmp_path / "shipped",
    )  # fmt: skip


def measured(
    workspace: Workspace, record: ModelRecord, pairs: list[tuple[float, float]]
) -> None:
    """Keep measurements of the index under its present settings."""
    method = make_estimator("index")
    for number, (predicted, rise) in enumerate(pairs):
        add_measurement(
            workspace,
            record,
            method_key=(method.name, method.settings),
            name=f"A/{number}",
            predicted=predicted,
            measured=rise,
        )


def test_scale_is_the_slope_through_the_origin(workspace, record):
    """Measured rises of half the predictions give a scale of one half."""
    measured(workspace, record, [(2.0, 1.0), (4.0, 2.0), (1.0, 0.5)])
    assert scale_of(workspace, record, make_estimator("index")) == pytest.approx(0.5)


def test_large_predictions_weigh_more(workspace, record):
    """The slope is that of least squares, not a mean of ratios."""
    measured(workspace, record, [(10.0, 10.0), (1.0, 3.0), (1.0, 3.0)])
    assert scale_of(workspace, record, make_estimator("index")) == pytest.approx(
        106 / 102
    )


def test_too_few_measurements_give_no_scale(workspace, record):
    """One removal is not enough to say what a score is worth."""
    measured(workspace, record, [(2.0, 1.0)])
    assert scale_of(workspace, record, make_estimator("index")) is None


def test_scale_belongs_to_the_settings_it_was_measured_with(workspace, record):
    """Another damping has other scores, so another scale."""
    measured(workspace, record, [(2.0, 1.0), (4.0, 2.0), (1.0, 0.5)])
    assert scale_of(workspace, record, make_estimator("similarity")) is None


def test_useless_predictions_give_no_scale(workspace, record):
    """Where removal lowered the loss that was to rise, no scale is used."""
    measured(workspace, record, [(2.0, -1.0), (4.0, -2.0), (1.0, -0.5)])
    assert scale_of(workspace, record, make_estimator("index")) is None


def test_measuring_again_replaces(workspace, record):
    """The same removal counts once."""
    measured(workspace, record, [(2.0, 1.0), (4.0, 2.0), (1.0, 0.5)])
    measured(workspace, record, [(2.0, 2.0), (4.0, 4.0), (1.0, 1.0)])
    (file,) = workspace.root.glob("calibrations/*.json")
    kept = json.loads(file.read_text())
    assert [len(v) for v in kept.values()] == [3]
    assert scale_of(workspace, record, make_estimator("index")) == pytest.approx(1.0)


def test_nothing_is_written_beside_the_model(workspace, record):
    """What checking a model of the package teaches stays in the workspace."""
    measured(workspace, record, [(2.0, 1.0)])
    assert list(record.directory.iterdir()) == []


def test_what_was_kept_beside_the_model_still_counts(workspace, record):
    """Measurements of an earlier version and of this one make one scale."""
    method = make_estimator("index")
    key = json.dumps([method.name, dict(method.settings)], sort_keys=True)
    before = {key: {"A/0": [9.0, 9.0], "B/0": [2.0, 1.0], "B/1": [4.0, 2.0]}}
    write_json(record.directory / "calibration.json", before)
    measured(workspace, record, [(1.0, 0.5)])  # replaces A/0
    assert scale_of(workspace, record, method) == pytest.approx(0.5)


@pytest.mark.parametrize("text", ["{", "[]", '{"a": {"b": 1}}', '{"a": {"b": [1]}}'])
def test_damaged_measurements_are_named(workspace, record, text):
    """Whatever the file holds instead, the error says which file it is."""
    measured(workspace, record, [(2.0, 1.0)])
    (file,) = workspace.root.glob("calibrations/*.json")
    file.write_text(text)
    with pytest.raises(ModelFormatError, match="is damaged"):
        scale_of(workspace, record, make_estimator("index"))


def test_two_processes_lose_no_measurement(workspace, record):
    """Who writes second has read what the first wrote."""
    method = make_estimator("index")

    def add(number: int) -> None:
        add_measurement(
            workspace, record, method_key=(method.name, method.settings),
            name=f"A/{number}", predicted=2.0, measured=1.0,
        )  # fmt: skip

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(add, range(16)))
    (file,) = workspace.root.glob("calibrations/*.json")
    assert [len(v) for v in json.loads(file.read_text()).values()] == [16]
