"""The gradient index: finding itself, and surviving being killed."""

from __future__ import annotations

import copy
import itertools
import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from contrafact.attribution.base import (
    AttributionTask,
    Queries,
    no_progress,
    sum_windows,
)
from contrafact.attribution.estimators.index import IndexEstimator, IndexSettings
from contrafact.attribution.store import FeatureStore
from contrafact.core.errors import NotFittedError
from contrafact.generators.latents import LatentSet
from contrafact.generators.studio.generator import StudioGenerator
from contrafact.generators.studio.training import Trainer, TrainingConfig

SMALL = IndexSettings(
    n_draws=4, n_coordinates=600, n_features=300, n_components=10, n_workers=1
)
N_KILLS = 10


def _files(directory: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in directory.iterdir() if p.name[0] != "."}


def _build(task: AttributionTask, directory: Path, n_workers: int = 1) -> None:
    settings = replace(SMALL, n_workers=n_workers)
    IndexEstimator(settings).fit(task, directory, progress=no_progress)


def test_a_killed_build_goes_on_to_the_same_bytes(
    task: AttributionTask,
    corpus_of: Callable[[int], LatentSet],
    rng: np.random.Generator,
    tmp_path: Path,
) -> None:
    """Killed with -9 at ten random moments, then finished: as if never killed."""
    task = replace(task, train=corpus_of(70))
    _build(task, tmp_path / "whole")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["contrafact.generators.studio.generator"])
    estimator, n_unfinished = IndexEstimator(SMALL), 0
    for _ in range(N_KILLS):
        child = context.Process(
            target=estimator.fit,
            # A copy, for processes share the memory of tensors they hand over.
            args=(copy.deepcopy(task), tmp_path / "killed"),
            kwargs={"progress": no_progress},
        )
        child.start()
        _wait_for(tmp_path / "killed" / "manifest.json", child)
        time.sleep(float(rng.uniform(0, 0.15)))
        assert child.pid is not None
        os.kill(child.pid, signal.SIGKILL)
        child.join()
        n_unfinished += child.exitcode == -signal.SIGKILL
    assert n_unfinished > N_KILLS // 2
    _build(task, tmp_path / "killed")
    assert _files(tmp_path / "killed") == _files(tmp_path / "whole")


def _wait_for(path: Path, child: multiprocessing.process.BaseProcess) -> None:
    while child.is_alive() and not path.exists():
        time.sleep(0.005)


def test_an_unfinished_index_is_not_opened(
    task: AttributionTask, corpus_of: Callable[[int], LatentSet], tmp_path: Path
) -> None:
    """An index that was begun says so; building it again finishes it."""
    task = replace(task, train=corpus_of(20))

    def stop(done: int, _: int) -> None:
        if done == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        IndexEstimator(SMALL).fit(task, tmp_path, progress=stop)
    with pytest.raises(NotFittedError, match="not finished"):
        IndexEstimator(SMALL).open(task, tmp_path)
    _build(task, tmp_path)
    IndexEstimator(SMALL).open(task, tmp_path)


def test_any_number_of_workers_gives_the_same_bytes(
    task: AttributionTask, corpus_of: Callable[[int], LatentSet], tmp_path: Path
) -> None:
    """Two processes build the index that one does."""
    task = replace(task, train=corpus_of(20))
    for n_workers in (1, 2):
        _build(task, tmp_path / str(n_workers), n_workers)
    assert _files(tmp_path / "1") == _files(tmp_path / "2")


@pytest.mark.parametrize(
    "name",
    [
        "features.i8",
        "factors.safetensors",
        "components.safetensors",
        "solve.safetensors",
    ],
)
def test_an_index_cut_short_is_refused(
    task: AttributionTask, tmp_path: Path, name: str
) -> None:
    """A truncated index is refused when it is opened, not when it is asked."""
    _build(task, tmp_path)
    path = tmp_path / name
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(NotFittedError, match=name):
        IndexEstimator(SMALL).open(task, tmp_path)


def test_a_panel_leaves_out_what_meets_itself(
    task: AttributionTask, queries: Queries, tmp_path: Path
) -> None:
    """The panel holds corpus recordings as queries, NaN only on themselves."""
    settings = replace(SMALL, n_panel=11)
    index = IndexEstimator(settings).fit(task, tmp_path, progress=no_progress)
    panel = index.score(queries).panel
    assert panel is not None
    assert torch.equal(panel.isnan(), torch.eye(11) > 0)


def test_a_panel_is_asked_as_if_it_were_no_part_of_the_corpus(
    task: AttributionTask, queries: Queries, tmp_path: Path
) -> None:
    """A recording of the panel is scored by the Fisher matrix of all the others."""
    settings = replace(SMALL, n_panel=11)
    index = IndexEstimator(settings).fit(task, tmp_path, progress=no_progress)
    panel = index.score(queries).panel
    sets = index.store.read(slice(None)).double()
    n, n_sets, n_features = sets.shape
    first = 1  # a recording of one window
    row = [w.recording_id for w in task.train.windows].index(
        task.train.recording_ids[first]
    )
    total = torch.zeros(n, dtype=torch.float64)
    for rows in sets.unbind(1):
        floor = settings.ridge * rows.square().sum(1).mean() / n
        others = rows[[i for i in range(n) if i != row]]
        fisher = others.T @ others / n + floor * torch.eye(n_features)
        total += rows[row] @ torch.linalg.inv(fisher) @ rows.T / n / n_sets
    wanted = sum_windows(total, task.train)
    assert panel is not None
    found = panel[first].double()
    seen = ~found.isnan()
    assert torch.allclose(found[seen], wanted[seen], rtol=1e-2, atol=1e-3)


def test_a_solve_of_other_features_is_made_anew(
    task: AttributionTask, tmp_path: Path
) -> None:
    """Features that were cut short and taken again bring a new Fisher matrix."""
    _build(task, tmp_path)
    whole = _files(tmp_path)
    solve = tmp_path / "solve.safetensors"
    solve.write_bytes(b"of something else")
    features = tmp_path / "features.i8"
    features.write_bytes(features.read_bytes()[:-10])
    _build(task, tmp_path)
    assert _files(tmp_path) == whole


def test_without_a_ridge_nothing_is_solved(
    task: AttributionTask, queries: Queries, tmp_path: Path
) -> None:
    """Scores are then plain dot products, and no matrix is kept."""
    plain = IndexEstimator(replace(SMALL, ridge=0.0))
    plain.fit(task, tmp_path / "plain", progress=no_progress)
    _build(task, tmp_path / "solved")
    solved = IndexEstimator(SMALL).open(task, tmp_path / "solved")
    assert not (tmp_path / "plain" / "solve.safetensors").exists()
    assert not torch.allclose(plain.score(queries).values, solved.score(queries).values)


def test_components_are_those_in_which_the_corpus_is_longest(
    task: AttributionTask, tmp_path: Path
) -> None:
    """Of each draw, the first right singular vectors of the numbers of the corpus."""
    plain = IndexEstimator(replace(SMALL, n_components=0))
    numbers = plain.fit(task, tmp_path / "plain", progress=no_progress)
    found = IndexEstimator(SMALL).fit(task, tmp_path / "kept", progress=no_progress)
    rows = numbers.store.read(slice(None)).double()
    kept = found.store.read(slice(None)).double()
    assert kept.shape == (12, 4, 10)
    for whole, part in zip(rows.unbind(1), kept.unbind(1), strict=True):
        u, s, _ = torch.linalg.svd(whole, full_matrices=False)
        wanted = (u[:, :10] * s[:10]) @ (u[:, :10] * s[:10]).T
        assert torch.allclose(part @ part.T, wanted, atol=2e-2 * float(wanted.max()))


def test_as_many_components_as_windows_lose_nothing(
    task: AttributionTask, queries: Queries, tmp_path: Path
) -> None:
    """All but one, of which the corpus has next to nothing, give the same scores."""
    task = replace(task, train=_twice(task.train))
    numbers, kept = (
        IndexEstimator(replace(SMALL, n_components=count)).fit(
            task, tmp_path / str(count), progress=no_progress
        )
        for count in (0, 12)
    )
    a, b = numbers.score(queries).values, kept.score(queries).values
    assert torch.allclose(a, b, atol=3e-2 * float(a.abs().max()))


def _twice(train: LatentSet) -> LatentSet:
    """Every window under two names, so that half of all directions are empty."""
    other = tuple(replace(w, recording_id=f"{w.recording_id}b") for w in train.windows)
    return LatentSet((*train.windows, *other), (*train.latents, *train.latents))


def test_a_build_killed_between_numbers_and_components_goes_on(
    task: AttributionTask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Numbers that are there are not taken again, and the bytes are the same."""
    _build(task, tmp_path / "whole")

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(FeatureStore, "write", _after(4, FeatureStore.write, killed))
        with pytest.raises(KeyboardInterrupt):
            _build(task, tmp_path / "killed")
    assert (tmp_path / "killed" / "numbers").exists()
    with pytest.raises(NotFittedError, match=r"cut short|not finished"):
        IndexEstimator(SMALL).open(task, tmp_path / "killed")
    _build(task, tmp_path / "killed")
    assert _files(tmp_path / "killed") == _files(tmp_path / "whole")


def _after(count: int, do: Callable[..., None], then: Callable[..., None]):  # type: ignore[no-untyped-def]
    """Return what does one thing so many times less one, and then another."""
    calls = itertools.count(1)
    return lambda *given: do(*given) if next(calls) < count else then()


def test_more_noise_draws_make_replicates_agree(
    task: AttributionTask, queries: Queries, tmp_path: Path
) -> None:
    """Replicates stand for single noise draws, the same of song and corpus."""
    settings = replace(SMALL, n_draws=8)
    index = IndexEstimator(settings).fit(task, tmp_path, progress=no_progress)
    replicates = index.score(queries).replicates
    assert replicates is not None
    assert replicates.shape == (3, 1, 8, 11)
    assert bool((replicates.std((1, 2)) > 0).all())


@pytest.fixture
def memorised(studio: StudioGenerator, corpus_of: Callable[[int], LatentSet]):  # type: ignore[no-untyped-def]
    """A corpus, and a studio that was trained on it alone."""
    train = corpus_of(16)
    config = TrainingConfig(n_steps=120, batch_size=8, is_fast=False)
    trainer = Trainer(train, studio.network.config, config)
    trainer.run(on_step=lambda *_: None)
    trainer.network.load_state_dict(trainer.weights())
    return AttributionTask(
        StudioGenerator(trainer.network, studio.codec, is_fast=False),
        train,
        n_strata=4,
    )


@pytest.mark.parametrize("preconditioner", ["kronecker", "diagonal"])
def test_a_training_recording_finds_itself(
    memorised: AttributionTask, tmp_path: Path, preconditioner: str
) -> None:
    """Every recording of the corpus, used as a query, ranks itself first."""
    settings = replace(
        SMALL,
        checkpoint="final",
        preconditioner=preconditioner,  # type: ignore[arg-type]
        n_draws=8,
        n_coordinates=1000,
        n_features=0,
    )
    index = IndexEstimator(settings).fit(memorised, tmp_path, progress=no_progress)
    train = memorised.train
    rows = range(2, len(train))  # those of one window; the first has two
    captions = tuple(train.windows[row].caption for row in rows)
    scores = index.score(Queries(train.batch(list(rows)), captions))
    first = [scores.recording_ids[int(i)] for i in scores.values.argmax(1)]
    assert first == [train.windows[row].recording_id for row in rows]
