"""Groups unlearned whole: led to the rest, kept, resumed, and felt by their own."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from contrafact.attribution.base import AttributionTask, Queries
from contrafact.attribution.draws import losses_at
from contrafact.attribution.group_unlearning import (
    GroupUnlearning,
    GroupUnlearningSettings,
    redirected,
    spread_at,
)
from contrafact.core.errors import (
    AttributionError,
    ConfigError,
    IndexMismatchError,
    NotFittedError,
)
from contrafact.generators.base import LatentBatch
from contrafact.generators.latents import LatentSet
from contrafact.generators.studio.generator import StudioGenerator

SMALL = GroupUnlearningSettings(
    n_steps=3, batch_size=4, n_neighbours=3, n_draws=8, rank=2
)
GROUPS = {"first": ["R-00", "R-01"], "second": ["R-01", "R-02", "R-03"]}


def trained(task: AttributionTask, n_steps: int = 80) -> None:
    """Train the tiny studio until it knows its corpus."""
    parameters = list(task.generator.parameters().values())
    optimiser = torch.optim.AdamW(parameters, lr=3e-3)
    rng = torch.Generator().manual_seed(0)
    batch, said = task.train_batch(list(range(len(task.train))))
    for _ in range(n_steps):
        times = torch.rand(len(batch), generator=rng)
        noise = torch.randn(batch.latents.shape, generator=rng)
        with torch.enable_grad():
            loss = task.generator.loss(batch, said, times=times, noise=noise).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()


def test_what_is_redirected_to_itself_stays_as_it_is(
    studio: StudioGenerator, rng: np.random.Generator
) -> None:
    """With nothing but the window itself to become, denoising is as in training."""
    clean = torch.tensor(rng.normal(size=(2, 8, 6)), dtype=torch.float32)
    noise = torch.tensor(rng.normal(size=(2, 8, 6)), dtype=torch.float32)
    times = torch.tensor([0.2, 0.9])
    noisy = studio.noised(clean, noise, times)
    own = LatentBatch(clean, torch.ones(2, 6, dtype=torch.bool))
    found, left = redirected(studio, noisy, times, own)
    torch.testing.assert_close(found, clean)
    torch.testing.assert_close(left, noise, atol=1e-5, rtol=1e-4)


def test_redirection_is_the_mean_of_what_a_noisy_latent_may_have_been(
    studio: StudioGenerator, rng: np.random.Generator
) -> None:
    """Bayes' rule over the neighbours, by hand, over what is not padding."""
    others = torch.tensor(rng.normal(size=(3, 8, 6)), dtype=torch.float32)
    noise = torch.tensor(rng.normal(size=(1, 8, 6)), dtype=torch.float32)
    times = torch.tensor([0.8])
    seen = torch.tensor([[True] * 4 + [False] * 2])
    noisy = studio.noised(others[:1], noise, times) * seen[:, None]
    every = LatentBatch(others, seen.repeat(3, 1))
    clean, left = redirected(studio, noisy, times, every)
    likely = []
    for other in others:
        missed = (noisy[0] - 0.2 * other)[:, :4] / 0.8
        likely.append(float(torch.exp(-0.5 * missed.double().square().sum())))
    weights = torch.tensor(likely) / sum(likely)
    wanted = (weights[:, None, None] * others).sum(0)
    torch.testing.assert_close(clean[0], wanted, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(studio.noised(clean, left, times), noisy)


def test_a_group_is_missed_most_by_its_own(
    task: AttributionTask, tmp_path: Path
) -> None:
    """More than by other groups, and than by training on without their own."""
    trained(task)
    ids = task.train.recording_ids
    groups = {"low": ids[:4], "middle": ids[4:8], "high": ids[8:]}
    settings = GroupUnlearningSettings(
        n_steps=25, batch_size=8, n_neighbours=3, n_draws=16, rank=4
    )
    method = GroupUnlearning(settings).fit(task, tmp_path / "led", groups)
    rows = list(range(len(task.train)))
    batch, _ = task.train_batch(rows)
    prompts = tuple(task.train.windows[row].caption for row in rows)
    influence = method.influence(Queries(batch, prompts)).numpy()
    is_own = np.array(
        [[w.recording_id in ids for ids in groups.values()] for w in task.train.windows]
    )
    assert (np.where(is_own, influence, 0).sum(0) > 0).all()
    assert influence[is_own].mean() > 2 * influence[~is_own].mean()
    kept = GroupUnlearning(replace(settings, forgetting=0.0))
    kept.fit(task, tmp_path / "kept", groups)
    trained_on = kept.influence(Queries(batch, prompts)).numpy()
    assert influence[is_own].mean() > 1.2 * trained_on[is_own].mean()


def own_rise(
    task: AttributionTask, folder: Path, settings: GroupUnlearningSettings
) -> float:
    """Unlearn four recordings; return their loss in parts of what it was."""
    ids = task.train.recording_ids[:4]
    rows = [i for i, w in enumerate(task.train.windows) if w.recording_id in ids]
    batch, said = task.train_batch(rows)
    prompts = tuple(task.train.windows[row].caption for row in rows)
    method = GroupUnlearning(settings).fit(task, folder, {"own": ids})
    rises = method.influence(Queries(batch, prompts)).mean()
    draws = task.draws(settings.n_draws)
    with torch.no_grad():
        before = losses_at(task.generator, batch, said, draws).double().mean()
    return float(rises / before)


def test_unlearning_ends_where_the_group_is_known_little_enough(
    task: AttributionTask, tmp_path: Path
) -> None:
    """Not far beyond, however many steps there could be, and not before."""
    trained(task)
    settings = GroupUnlearningSettings(
        n_steps=60, batch_size=8, n_neighbours=3, n_draws=16, rank=4, stop_at=1.1
    )
    bounded = own_rise(task, tmp_path / "bounded", settings)
    further = replace(settings, stop_at=1e9)
    assert 0.03 < bounded < 0.25
    assert own_rise(task, tmp_path / "further", further) > 2 * bounded


def test_next_to_no_noise_a_group_is_not_led_a_thousandfold(
    task: AttributionTask, tmp_path: Path
) -> None:
    """Between clean latents the model goes less far in as many steps."""
    trained(task)
    settings = GroupUnlearningSettings(
        n_steps=10, batch_size=8, n_neighbours=3, n_draws=16, rank=4, stop_at=1e9
    )
    by_clean = own_rise(task, tmp_path / "clean", settings)
    by_noise = own_rise(task, tmp_path / "noise", replace(settings, by_clean=False))
    assert 0 < by_clean < by_noise / 2


def test_spread_is_how_much_is_noise(studio: StudioGenerator) -> None:
    """On the straight line of flow matching, the time itself."""
    times = torch.tensor([0.1, 0.5, 0.9])
    torch.testing.assert_close(spread_at(studio, times), times)


def test_adapters_serve_any_number_of_draws(
    task: AttributionTask, queries: Queries, tmp_path: Path
) -> None:
    """What a song is measured at is no part of what was unlearned."""
    GroupUnlearning(SMALL).fit(task, tmp_path, GROUPS)
    kept = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    finer = replace(SMALL, n_draws=16)
    GroupUnlearning(finer).fit(task, tmp_path, GROUPS).influence(queries)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == kept


def test_the_model_is_as_it_was(
    task: AttributionTask, queries: Queries, tmp_path: Path
) -> None:
    """Neither unlearning nor asking leaves a trace in it."""
    before = task.generator.digest
    GroupUnlearning(SMALL).fit(task, tmp_path, GROUPS).influence(queries)
    assert task.generator.digest == before


def test_what_was_unlearned_is_not_unlearned_again(
    task: AttributionTask, queries: Queries, tmp_path: Path
) -> None:
    """A lost file comes back with the same bytes, the others are left alone."""
    method = GroupUnlearning(SMALL).fit(task, tmp_path, GROUPS)
    wanted = method.influence(queries)
    first, second = sorted(tmp_path.glob("*.safetensors"))
    lost = first.read_bytes()
    first.unlink()
    os.utime(second, (1, 1))
    told: list[tuple[int, int]] = []
    again = GroupUnlearning(SMALL).fit(
        task, tmp_path, GROUPS, progress=lambda a, b: told.append((a, b))
    )
    assert first.read_bytes() == lost
    assert second.stat().st_mtime == 1
    assert told[-1] == (2, 2)
    assert torch.equal(again.influence(queries), wanted)


def test_a_group_of_nothing_is_trained_on_only(
    task: AttributionTask, queries: Queries, tmp_path: Path
) -> None:
    """It is what groups can be compared with, and does not do nothing."""
    method = GroupUnlearning(SMALL).fit(task, tmp_path, {"": []})
    assert method.influence(queries).abs().max() > 0


@pytest.mark.parametrize(
    ("groups", "said"),
    [({"x": ["R-99"]}, "R-99"), ({"all": None}, "whole corpus")],
)
def test_groups_that_cannot_be_unlearned_are_refused(
    groups: dict[str, list[str] | None],
    said: str,
    task: AttributionTask,
    tmp_path: Path,
) -> None:
    """Before anything is trained or written."""
    every = list(task.train.recording_ids)
    asked = {name: every if ids is None else ids for name, ids in groups.items()}
    with pytest.raises(AttributionError, match=said):
        GroupUnlearning(SMALL).fit(task, tmp_path, asked)
    assert not list(tmp_path.iterdir())


def test_another_corpus_is_refused(
    task: AttributionTask, studio: StudioGenerator, train: LatentSet, tmp_path: Path
) -> None:
    """Adapters of one corpus say nothing of another."""
    GroupUnlearning(SMALL).fit(task, tmp_path, {"a": ["R-00"]})
    other = AttributionTask(studio, train.without(["R-05"]), n_strata=4)
    with pytest.raises(IndexMismatchError):
        GroupUnlearning(SMALL).fit(other, tmp_path, {"a": ["R-00"]})


def test_asking_before_anything_is_unlearned_is_an_error(queries: Queries) -> None:
    """It says what to do."""
    with pytest.raises(NotFittedError, match="call `fit`"):
        GroupUnlearning().influence(queries)


@pytest.mark.parametrize(
    "wrong", [{"rank": 0}, {"n_steps": 0}, {"learning_rate": 0.0}, {"stop_at": 1.0}]
)
def test_settings_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    """With what was found."""
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        GroupUnlearningSettings(**wrong)  # type: ignore[arg-type]
