"""Gradients, weights and songs that are no numbers: named, and nothing of them kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from contrafact.attribution import make_estimator
from contrafact.attribution.base import AttributionTask, Queries, no_progress
from contrafact.attribution.estimators import _index_state
from contrafact.attribution.finite import odd_rows
from contrafact.attribution.store import FeatureStore, quantise
from contrafact.core.errors import AttributionError, QueryError, TrainingError
from contrafact.generators.base import LatentBatch
from contrafact.generators.latents import LatentSet

BAD = 12
"""Row of the window that is spoiled; of the second shard of eight."""

Make = Callable[..., Any]


@pytest.fixture
def make(settings_of: Callable[[str], dict[str, Any]]) -> Make:
    """Make a small index whose matrices are measured on the first window alone."""
    small = settings_of("index") | {"n_sample": 1, "n_pilot": 1, "n_components": 0}
    return lambda **chosen: make_estimator("index", **{**small, **chosen})


@pytest.fixture
def whole(
    task: AttributionTask, corpus_of: Callable[[int], LatentSet]
) -> AttributionTask:
    """Nineteen recordings in twenty windows: three shards."""
    return replace(task, train=corpus_of(19))


@pytest.fixture
def spoiled(whole: AttributionTask) -> AttributionTask:
    """The same, one recording so loud that its loss overflows."""
    latents = list(whole.train.latents)
    latents[BAD] = latents[BAD] * 1e25
    return replace(whole, train=replace(whole.train, latents=tuple(latents)))


@pytest.mark.parametrize("n_workers", [1, 2])
@pytest.mark.parametrize("n_components", [0, 6])
def test_a_build_stops_at_the_recording_and_keeps_nothing_of_it(
    make: Make,
    spoiled: AttributionTask,
    tmp_path: Path,
    n_workers: int,
    n_components: int,
) -> None:
    """One line names it; shards before it stay done, its own was not written."""
    index = make(n_workers=n_workers, n_components=n_components)
    name = spoiled.train.windows[BAD].recording_id
    for _ in range(2):
        with pytest.raises(AttributionError, match=f": {name} .latents up to") as said:
            index.fit(spoiled, tmp_path, progress=no_progress)
        assert "\n" not in str(said.value)
        (done,) = tmp_path.rglob("done.u8")
        assert list(done.read_bytes())[:2] == [1, 0]


def test_a_recording_that_matrices_are_measured_on_is_named_too(
    make: Make, spoiled: AttributionTask, tmp_path: Path
) -> None:
    """Before the factors are written, which would spoil every window."""
    name = spoiled.train.windows[BAD].recording_id
    for chosen in ({"n_sample": 64}, {"n_pilot": 64}):
        place = tmp_path / next(iter(chosen))
        with pytest.raises(AttributionError, match=f": {name} "):
            make(**chosen).fit(spoiled, place, progress=no_progress)
        assert not (place / "factors.safetensors").exists()


def test_a_stopped_build_goes_on_to_the_same_bytes(
    make: Make,
    whole: AttributionTask,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Once the arithmetic is right again, as if it had never failed."""
    make().fit(whole, tmp_path / "whole", progress=no_progress)
    with monkeypatch.context() as patch:
        real = _index_state.IndexState.numbers

        def failing(self: Any, batch: Any, *rest: Any) -> torch.Tensor:
            found = real(self, batch, *rest)
            is_bad = torch.equal(
                batch.select([0]).latents, whole.train.batch([BAD]).latents
            )
            return found * torch.nan if is_bad else found

        patch.setattr(_index_state.IndexState, "numbers", failing)
        with pytest.raises(AttributionError, match="not finite"):
            make().fit(whole, tmp_path / "again", progress=no_progress)
    make().fit(whole, tmp_path / "again", progress=no_progress)
    files = [
        {p.name: p.read_bytes() for p in (tmp_path / name).iterdir()}
        for name in ("whole", "again")
    ]
    assert files[0] == files[1]


@pytest.mark.parametrize("more", [{}, {"n_sample": 64}], ids=["some", "all"])
@pytest.mark.parametrize(
    "method", ["trak", "gradient-cosine", "ek-fac", "unlearning", "unlearning-ekfac"]
)
def test_other_estimators_name_the_recording(
    method: str,
    more: dict[str, int],
    spoiled: AttributionTask,
    settings_of: Callable[[str], dict[str, Any]],
    tmp_path: Path,
) -> None:
    """Whether a matrix is measured on it, or it is only one of those compared."""
    name = spoiled.train.windows[BAD].recording_id
    settings = settings_of(method)
    if not set(more) <= set(make_estimator(method).settings):
        return
    estimator = make_estimator(method, **{**settings, **more})
    with pytest.raises(AttributionError, match=f": {name} .latents up to"):
        estimator.fit(spoiled, tmp_path, progress=no_progress)


@pytest.mark.parametrize("method", ["index", "trak"])
def test_a_song_without_numbers_is_named(
    method: str,
    task: AttributionTask,
    queries: Queries,
    settings_of: Callable[[str], dict[str, Any]],
    tmp_path: Path,
) -> None:
    """By its number and prompt; the songs before it are no part of the error."""
    fitted = make_estimator(method, **settings_of(method))
    fitted.fit(task, tmp_path, progress=no_progress)
    latents = queries.batch.latents.clone()
    latents[1, 0, 0] = torch.nan
    asked = Queries(LatentBatch(latents, queries.batch.mask), queries.prompts)
    with pytest.raises(QueryError, match=r"query 2 \(.lively waltz.\) are not"):
        fitted.score(asked)


@pytest.mark.parametrize("method", ["index", "trak", "ek-fac", "unlearning"])
def test_weights_that_are_no_numbers_are_named(
    method: str,
    task: AttributionTask,
    settings_of: Callable[[str], dict[str, Any]],
    tmp_path: Path,
) -> None:
    """Not the recordings, none of which is at fault."""
    name, parameter = list(task.generator.parameters().items())[3]
    with torch.no_grad():
        parameter.view(-1)[0] = torch.inf
    settings = settings_of(method)
    if method == "index":
        settings |= {"checkpoint": "final"}
    estimator = make_estimator(method, **settings)
    with pytest.raises(AttributionError, match=f"the first being {name};"):
        estimator.fit(task, tmp_path, progress=no_progress)


def test_latents_that_are_no_numbers_make_no_corpus(train: LatentSet) -> None:
    """Training and attribution alike are told which recording it is."""
    latents = list(train.latents)
    latents[4] = latents[4] * torch.nan
    with pytest.raises(TrainingError, match=train.windows[4].recording_id):
        LatentSet(train.windows, tuple(latents))


def test_a_store_refuses_what_eight_bits_cannot_say(tmp_path: Path) -> None:
    """Whoever writes to it: the shard stays to be done."""
    store = FeatureStore(directory=tmp_path, n_windows=3, n_sets=2, n_features=5)
    store.create()
    for odd in (torch.nan, torch.inf):
        features = torch.ones(3, 2, 5)
        features[1, 1, 4] = odd
        with pytest.raises(AttributionError, match="not finite"):
            store.write(0, features)
        with pytest.raises(AttributionError, match="not finite"):
            quantise(features)
    assert store.pending() == [0]


def test_rows_are_told_by_their_squared_length() -> None:
    """A gradient whose square overflows would spoil the matrices as well."""
    found = torch.ones(4, 2, 3)
    found[1, 0, 0], found[3, 1, 2] = torch.nan, 1e20
    assert odd_rows(found) == [1, 3]
    assert odd_rows({"a": torch.ones(4, 1), "b": found}) == [1, 3]
    assert odd_rows(torch.full((2, 9), 1e15)) == []
