"""What training took from the loss on a song, and who is known less than most."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from contrafact.attribution.base import AttributionTask, Queries
from contrafact.attribution.familiarity import (
    learned_part,
    learned_parts,
    least_learned,
    panel_queries,
)
from contrafact.attribution.panel import panel_rows
from contrafact.core.errors import AttributionError
from contrafact.core.results import QueryInfo
from contrafact.generators.studio.training import new_network


def test_learned_parts_are_those_of_losses_taken_by_hand(
    task: AttributionTask, queries: Queries
) -> None:
    """Every query at every draw by itself, with the weights swapped by hand."""
    found = learned_parts(task, queries, seed=3, n_draws=8)
    network = task.generator.network
    trained = {k: v.clone() for k, v in network.state_dict().items()}
    fresh = new_network(network.config, network.text.vocabulary, seed=3).state_dict()
    losses = []
    for state in (trained, fresh):
        network.load_state_dict(state)
        losses.append([_by_hand(task, queries.select(i)) for i in range(len(queries))])
    network.load_state_dict(trained)
    assert found == pytest.approx(
        [1 - a / b for a, b in zip(*losses, strict=True)], abs=1e-5
    )


@torch.no_grad()
def _by_hand(task: AttributionTask, query: Queries) -> float:
    n_tokens = query.batch.n_tokens
    said = task.generator.condition(query.prompts, n_tokens=n_tokens)
    times, noise = task.draws(8).at(query.batch)
    found = [
        float(
            task.generator.loss(
                query.batch, said, times=times[k : k + 1], noise=noise[k : k + 1]
            )[0]
        )
        for k in range(8)
    ]
    return sum(found) / len(found)


def test_a_model_that_was_not_trained_learned_nothing(
    task: AttributionTask, queries: Queries
) -> None:
    """Before training it is as it was before training."""
    generator = task.generator
    digest = generator.digest
    with generator.untrained(5):
        found = learned_parts(task, queries, seed=5, n_draws=4)
    assert found == pytest.approx([0.0] * len(queries))
    assert generator.digest == digest


def test_a_model_that_cannot_show_itself_untrained_is_refused(
    task: AttributionTask, queries: Queries
) -> None:
    """What it knew before is not guessed."""

    class Published:
        name = "published"

    with pytest.raises(AttributionError, match="published cannot show itself"):
        learned_parts(replace(task, generator=Published()), queries, seed=0)


def test_progress_ends_where_it_said(task: AttributionTask, queries: Queries) -> None:
    """Every query is measured twice, and told."""
    told: list[tuple[int, int]] = []
    learned_parts(
        task, queries, seed=0, n_draws=4, progress=lambda *done: told.append(done)
    )
    n = 2 * len(queries)
    assert told == [(k, n) for k in range(1, n + 1)]


def test_the_panel_is_recordings_without_their_captions(task: AttributionTask) -> None:
    """What a song from elsewhere comes with: sound, and no prompt."""
    panel = panel_queries(task, 4)
    rows = panel_rows(task.train, 4)
    assert panel.prompts == ("",) * 4
    assert torch.equal(panel.batch.latents, task.train.batch(rows).latents)


def test_at_most_two_in_a_hundred_lie_below_the_least(rng: np.random.Generator) -> None:
    """Of a few none, of many as many as may."""
    many = rng.normal(size=1000).tolist()
    assert sum(part < least_learned(many) for part in many) in range(15, 21)
    assert least_learned(many[:30]) == min(many[:30])
    assert least_learned([0.4]) == 0.4


@pytest.mark.parametrize(
    ("loss", "untrained", "part"), [(0.5, 2.0, 0.75), (3.0, 2.0, -0.5), (1.0, 0.0, -1)]
)
def test_the_learned_part_is_what_training_took(
    loss: float, untrained: float, part: float
) -> None:
    """In units of the loss before it."""
    assert learned_part(loss, untrained) == part


@pytest.mark.parametrize(
    ("learned", "least", "is_known"),
    [(0.5, 0.5, True), (0.5, 0.51, False), (None, 0.5, True), (0.5, None, True)],
)
def test_a_song_is_known_unless_less_was_learned_of_it(
    learned: float | None, least: float | None, is_known: bool
) -> None:
    """And where either was not measured, nothing is held against it."""
    info = QueryInfo(
        file="song.wav",
        digest="d",
        duration_s=1.0,
        prompt="",
        loss=1.0,
        untrained_loss=2.0,
        learned=learned,
        least_learned=least,
    )
    assert info.is_known is is_known
