"""MUCS: the query is forgotten, up to a bound, and the model is put back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from contrafact.attribution import make_estimator
from contrafact.attribution.base import AttributionTask, Queries, asked_of, no_progress
from contrafact.attribution.draws import losses_at
from contrafact.attribution.estimators.mucs import MucsSettings, _Model
from contrafact.core.errors import AttributionError, ConfigError
from contrafact.generators.studio.generator import StudioGenerator

FEW = {"n_score_draws": 8, "batch_size": 4, "learning_rate": 0.02, "n_query_rows": 8}


def _loss(task: AttributionTask, query: Queries) -> float:
    asked = asked_of(task, query)
    return float(losses_at(task.generator, *asked, task.draws(64)).mean())


def test_unlearning_raises_the_loss_of_the_query_up_to_the_bound(
    task: AttributionTask, queries: Queries
) -> None:
    """The query is forgotten, and no more once its loss has reached the bound."""
    query = queries.select(0)
    before, found = _loss(task, query), []
    for null in (1.5 * before, 100 * before):
        chosen = {**FEW, "learning_rate": 0.005, "null_loss": null}
        settings = MucsSettings(**chosen, n_steps=100, forgetting=5.0)
        with _Model(task, settings).unlearned(query):
            found.append(_loss(task, query))
    assert 1.2 * before < found[0] < 2 * before
    assert found[1] > 2 * found[0]


def test_the_corpus_is_kept_in_mind(task: AttributionTask, queries: Queries) -> None:
    """With little weight on forgetting, losses on the corpus fall rather than rise."""
    settings = MucsSettings(**FEW, null_loss=100.0, n_steps=20, forgetting=0.01)
    model, rows = _Model(task, settings), list(range(len(task.train)))
    before = model.losses(rows).mean()
    with model.unlearned(queries.select(0)):
        assert model.losses(rows).mean() < before


def test_only_the_chosen_layers_change_and_all_are_put_back(
    task: AttributionTask, queries: Queries
) -> None:
    """Feed-forward layers unlearn; after it the model is what it was."""
    before = {n: p.detach().clone() for n, p in task.generator.parameters().items()}
    digest = task.generator.digest
    with _Model(task, MucsSettings(**FEW, null_loss=100.0, n_steps=3)).unlearned(
        queries.select(0)
    ):
        now = task.generator.parameters()
        changed = {n for n in before if not torch.equal(before[n], now[n])}
    assert changed == {n for n in before if ".ff." in n}
    assert task.generator.digest == digest


def test_what_is_not_known_cannot_be_forgotten(
    task: AttributionTask, queries: Queries, tmp_path: Path
) -> None:
    """A query that the model knows no better than the bound leaves no trace."""
    estimator = make_estimator("mucs", **FEW, null_loss=1e-3)
    estimator.fit(task, tmp_path, progress=no_progress)
    assert estimator.score(queries).values.abs().max() == 0


def test_scores_are_rises_as_part_of_the_loss(
    task: AttributionTask, queries: Queries, tmp_path: Path
) -> None:
    """Over draws of enough noise, and in [-1, 1] for a window."""
    settings = {**FEW, "null_loss": 100.0, "n_steps": 3, "lowest_time": 0.5}
    estimator = make_estimator("mucs", **settings)
    estimator.fit(task, tmp_path, progress=no_progress)
    found = estimator.score(queries).values
    model = _Model(task, MucsSettings(**settings))
    counts = task.draws(8).times >= 0.5
    assert 0 < int(counts.sum()) < 8
    for row in range(len(queries)):
        rows = list(range(len(task.train)))
        before = model.losses(rows)[:, counts]
        with model.unlearned(queries.select(row)):
            after = model.losses(rows)[:, counts]
        wanted = ((after - before) / (after + before + 1e-3)).mean(1)
        assert torch.allclose(found[row, 1:], wanted[2:].float(), rtol=1e-4)
    assert found.abs().max() <= 2


def test_an_untrained_model_sets_the_bound(
    task: AttributionTask, queries: Queries
) -> None:
    """The bound is the query's loss under a network that was never trained."""
    found = _Model(task, MucsSettings())._null_loss(queries.select(0))
    assert isinstance(task.generator, StudioGenerator)
    with task.generator.untrained(task.seed):
        wanted = losses_at(
            task.generator, *asked_of(task, queries.select(0)), task.draws(16)
        )
    assert found == pytest.approx(float(wanted.mean()))


class _Stranger:
    """A model that cannot show itself untrained."""

    name = "stranger"

    def parameters(self) -> dict[str, Any]:
        """Return one parameter with a name that unlearns."""
        return {"block.ff.weight": torch.nn.Parameter(torch.zeros(1))}

    def load_parameters(self, state: dict[str, Any]) -> None:
        """Take anything."""

    def condition(self, prompts: Any, *, n_tokens: Any) -> None:
        """Say nothing."""


def test_a_model_that_cannot_be_untrained_needs_a_bound(
    task: AttributionTask, queries: Queries
) -> None:
    """The error says which setting to give."""
    other = AttributionTask(_Stranger(), task.train, n_strata=4)  # type: ignore[arg-type]
    with (
        pytest.raises(AttributionError, match="set null_loss"),
        _Model(other, MucsSettings()).unlearned(queries.select(0)),
    ):
        pass


def test_layers_that_are_not_there_are_refused(
    task: AttributionTask, queries: Queries
) -> None:
    """A name that no parameter has is an error, not a model left as it is."""
    with (
        pytest.raises(ConfigError, match="No parameter"),
        _Model(task, MucsSettings(layers="convolution")).unlearned(queries.select(0)),
    ):
        pass


@pytest.mark.parametrize(
    "wrong",
    [{"learning_rate": 0.0}, {"n_steps": 0}, {"lowest_time": 1.0}, {"null_loss": -1.0}],
)
def test_settings_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    """What cannot be computed is refused before anything is measured."""
    with pytest.raises(ConfigError):
        MucsSettings(**wrong)
