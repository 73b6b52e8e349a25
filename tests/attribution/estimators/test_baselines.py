"""Similarity, captions and chance, by cases whose answer is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from contrafact.attribution import make_estimator
from contrafact.attribution.base import (
    AttributionTask,
    Queries,
    Scores,
    no_progress,
)
from contrafact.attribution.estimators._mel import log_mel
from contrafact.attribution.shares import Source, shares_of
from contrafact.core.errors import ConfigError
from contrafact.generators.base import LatentBatch
from contrafact.generators.latents import LatentSet, LatentWindow


@pytest.mark.parametrize("kind", ["latent", "spectral"])
def test_a_recording_is_most_similar_to_itself(
    task: AttributionTask, tmp_path: Path, kind: str
) -> None:
    """The cosine of a recording with itself is one, and with no other as high."""
    estimator = make_estimator("similarity", kind=kind)
    estimator.fit(task, tmp_path, progress=no_progress)
    rows = list(range(2, 12))
    scores = estimator.score(Queries(task.train.batch(rows), ("",) * 10)).values
    assert torch.allclose(scores[:, 1:].diag(), torch.ones(10), atol=1e-4)
    assert scores[:, 1:].argmax(1).tolist() == list(range(10))


def test_kinds_of_similarity_differ(
    task: AttributionTask, queries: Queries, tmp_path: Path
) -> None:
    """What the latents say and what the sound says is not the same."""
    one, other = (
        make_estimator("similarity", kind=kind)
        .fit(task, tmp_path / kind, progress=no_progress)
        .score(queries)
        .values
        for kind in ("latent", "spectral")
    )
    assert (one - other).abs().max() > 0.05


def test_unknown_kinds_of_similarity_are_refused() -> None:
    """A kind that there is not is named."""
    with pytest.raises(ConfigError, match="found 'lyrics'"):
        make_estimator("similarity", kind="lyrics")


@pytest.mark.parametrize("frequency", [220.0, 880.0, 3000.0])
def test_a_tone_is_loudest_in_its_mel_band(frequency: float) -> None:
    """The band that a pure tone excites most lies at the tone's mel frequency."""
    rate = 16_000
    tone = torch.sin(2 * torch.pi * frequency * torch.arange(rate) / rate)
    loudest = int(log_mel(tone, sample_rate=rate).mean(1).argmax())
    mel = 2595 * torch.log10(torch.tensor(1 + frequency / 700))
    top = 2595 * torch.log10(torch.tensor(1 + rate / 2 / 700))
    assert abs(loudest + 1 - float(mel / top) * 41) <= 1


def test_silence_and_short_sounds_have_a_spectrum() -> None:
    """Neither gives infinities, nor too few samples an error."""
    for n_samples in (1, 100, 5000):
        bands = log_mel(torch.zeros(n_samples), sample_rate=16_000)
        assert bands.shape[1] >= 1
        assert bool(torch.isfinite(bands).all())


def _captioned(task: AttributionTask, *captions: str) -> AttributionTask:
    windows = tuple(
        LatentWindow(recording_id=f"R-{i}", start_s=0.0, caption=caption)
        for i, caption in enumerate(captions)
    )
    return replace(task, train=LatentSet(windows, task.train.latents[: len(windows)]))


def test_captions_are_compared_word_by_word(
    task: AttributionTask, queries: Queries, tmp_path: Path
) -> None:
    """The score is the cosine of word counts, whatever the case and the order."""
    task = _captioned(task, "A reel, for HARP: calm a", "lively lute", "")
    estimator = make_estimator("captions").fit(task, tmp_path, progress=no_progress)
    asked = Queries(queries.batch, ("a calm reel for harp", "a lute", ""))
    wanted = torch.tensor([[6 / 40**0.5, 0, 0], [2 / 16**0.5, 0.5, 0], [0, 0, 0]])
    assert torch.allclose(estimator.score(asked).values, wanted)


@pytest.mark.parametrize("name", ["similarity", "captions"])
def test_only_what_is_above_the_common_is_told_apart(
    task: AttributionTask,
    corpus_of: Callable[[int], LatentSet],
    queries: Queries,
    tmp_path: Path,
    name: str,
) -> None:
    """A copy is likeliest to be its recording's; the panel leaves fewer to name.

    Without a panel everything of positive influence would be named.
    """
    train = corpus_of(40)  # with fewer, no p-value is small enough
    windows = tuple(
        replace(w, caption=f"a reel, number {i}") for i, w in enumerate(train.windows)
    )
    task = replace(task, train=replace(train, windows=windows))
    estimator = make_estimator(name).fit(task, tmp_path, progress=no_progress)
    asked = Queries(
        LatentBatch.stack([task.train.latents[5], queries.batch.latents[0]]),
        (windows[5].caption, "a waltz"),
    )
    scores = estimator.score(asked)
    ids = task.train.recording_ids
    sources = [Source(id=r, name=r, parts={r: 1.0}) for r in ids]

    def named(scores: Scores, query: int) -> set[str]:
        rows, _ = shares_of(scores, sources, query=query)
        return {row.id for row in rows if row.share > 0}

    rows, _ = shares_of(scores, sources)
    likeliest = min(rows, key=lambda row: row.p_value or 0.0)
    assert likeliest.id == windows[5].recording_id
    free = replace(scores, panel=None)
    for query in (0, 1):
        assert len(named(scores, query)) < len(named(free, query))
        assert named(scores, query) <= named(free, query)
        rows, _ = shares_of(scores, sources, query=query)
        assert all(row.p_value <= 0.05 for row in rows if row.share > 0)  # type: ignore[operator]


@pytest.mark.parametrize("name", ["similarity", "captions", "random"])
def test_a_fit_serves_any_size_of_panel(
    task: AttributionTask, queries: Queries, tmp_path: Path, name: str
) -> None:
    """What is asked later does not make a fit another's; no panel is no panel."""
    make_estimator(name).fit(task, tmp_path, progress=no_progress)
    small = make_estimator(name, n_panel=2).open(task, tmp_path).score(queries)
    assert small.panel is not None
    assert small.panel.shape == (2, 11)
    none = make_estimator(name, n_panel=0).open(task, tmp_path).score(queries)
    assert none.panel is None


def test_chance_is_standard_normal(
    task: AttributionTask, corpus_of: Any, queries: Queries, tmp_path: Path
) -> None:
    """Over many recordings chance has mean zero and deviation one."""
    task = replace(task, train=corpus_of(1000))
    estimator = make_estimator("random").fit(task, tmp_path, progress=no_progress)
    values = estimator.score(queries).values[:, 1:]
    assert abs(float(values.mean())) < 0.08
    assert abs(float(values.std()) - 1) < 0.08
