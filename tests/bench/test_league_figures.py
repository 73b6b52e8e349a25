"""Figures of the league on truths whose answer is known beforehand."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from contrafact.attribution.base import Scores
from contrafact.attribution.evaluation import (
    correlations,
    positive_shares,
    seed_ceiling,
)
from contrafact.attribution.shares import Source

N_SONGS, N_TRAIN = 8, 10
KINDS = ("named",) * N_SONGS + ("unnamed",) * N_SONGS
CHOOSING, REPORTING = slice(0, None, 2), slice(1, None, 2)
ALL = ("named", "unnamed")


@pytest.fixture(scope="module")
def league(script):
    """The scripts under test."""
    return SimpleNamespace(
        truth=script("truth"),
        measure=script("measure"),
        fit=script("fit"),
        coverage=script("coverage"),
        scoring=script("scoring"),
    )


@pytest.fixture
def names():
    """The recordings, each of an artist of its own."""
    return [f"r{i}" for i in range(N_TRAIN)]


@pytest.fixture
def world(names):
    """Every recording is a collection, under its own name."""
    return SimpleNamespace(
        groups=lambda kind, wanted: [
            Source(id=n, name=n, parts={n: 1.0}) for n in wanted
        ]
    )


@pytest.fixture
def influence(rng):
    """What each recording does to each song, `(n_query, n_train)`."""
    return rng.normal(size=(len(KINDS), N_TRAIN))


def scores_of(values, names):
    """Scores without noise draws, panel or overlap."""
    return Scores(torch.tensor(values, dtype=torch.float32), tuple(names))


def with_halves(league, names, influence, rng, *, n=40, noise=0.0, seeds=(0,)):
    """A truth in which leaving out recordings adds up, and noise upon that."""
    losses, left_out = {}, {}
    for number in range(n):
        gone = sorted(rng.permutation(N_TRAIN)[: N_TRAIN // 2].tolist())
        left_out["half", str(number)] = gone
        for seed in seeds:
            more = noise * rng.normal(size=len(influence))
            losses["half", str(number), seed] = 5 + influence[:, gone].sum(1) + more
    facts = {"recordings": names}
    return league.truth.LeagueTruth(facts, losses, left_out, KINDS[: len(influence)])


def with_sources(league, names, rises):
    """A truth of rises without each recording; the songs' own training says nothing."""
    losses = {("full", "all", seed): np.full(len(rises), 3.0) for seed in (0, 1)}
    for column, name in enumerate(names):
        losses["collection", name, 0] = np.zeros(len(rises))
        losses["collection", name, 1] = 3.0 + rises[:, column]
    facts = {"recordings": names, "collections": names}
    return league.truth.LeagueTruth(facts, losses, {}, KINDS)


def test_what_predicts_every_rise_scores_one(league, names, influence, rng):
    """And its opposite minus one, and what is the same for all recordings nothing."""
    truth = with_halves(league, names, influence, rng)
    for factor, wanted in ((2.0, 1.0), (-1.0, -1.0), (0.0, 0.0)):
        found = league.measure.lds(truth, scores_of(factor * influence, names), ALL)
        assert found["mean"] == pytest.approx(wanted, abs=1e-4)
        assert found["interval_90"] == pytest.approx([wanted, wanted], abs=1e-4)
        assert (found["n_queries"], found["n_subsets"]) == (N_SONGS, 20)


def test_figures_look_at_the_reporting_half_alone(league, names, influence, rng):
    """Being right on the songs that chose the settings is worth nothing."""
    truth = with_halves(league, names, influence, rng)
    for right, wanted in ((REPORTING, 1.0), (CHOOSING, -1.0)):
        values = -influence
        values[right] = influence[right]
        found = league.measure.lds(truth, scores_of(values, names), ALL)
        assert found["mean"] == pytest.approx(wanted, abs=1e-4)


def test_the_mean_is_over_songs_and_its_interval_holds_it(
    league, names, influence, rng
):
    """Three songs of four predicted, one turned round: a half, and not very sure."""
    truth = with_halves(league, names, influence, rng)
    values = influence.copy()
    values[[3, 11]] *= -1  # of the eight songs in the reporting half
    found = league.measure.lds(truth, scores_of(values, names), ALL)
    assert found["mean"] == pytest.approx(0.5, abs=1e-4)
    low, high = found["interval_90"]
    assert 0 <= low < 0.5 < high <= 1
    named = league.measure.lds(truth, scores_of(values, names), ("named",))
    assert named["mean"] == pytest.approx(0.5, abs=1e-4)


def test_by_how_much_one_is_better_is_drawn_together(league, names, influence, rng):
    """Of two that are right on the same songs there is no difference, nor interval."""
    truth = with_halves(league, names, influence, rng, noise=1.0)
    one, other = scores_of(influence, names), scores_of(3 * influence, names)
    same = league.measure.lds(truth, one, ALL, less=other)
    assert (same["mean"], same["interval_90"]) == (0.0, [0.0, 0.0])
    worse = league.measure.lds(truth, one, ALL, less=scores_of(-influence, names))
    assert worse["mean"] == pytest.approx(
        2 * league.measure.lds(truth, one, ALL)["mean"], abs=2e-4
    )


def test_too_few_subsets_give_no_figure(league, names, influence, rng):
    """Seven of them are set aside for reporting: it is said, not guessed."""
    truth = with_halves(league, names, influence, rng, n=14)
    found = league.measure.lds(truth, scores_of(influence, names), ALL)
    assert list(found) == ["omitted"]
    assert found["omitted"].startswith("7 random half subsets")
    assert list(league.measure.ceiling(truth, ALL)) == ["omitted"]


def test_a_perfect_prediction_reaches_the_ceiling(league, names, rng):
    """As much noise as signal in each of two seeds: nobody could score more."""
    influence = rng.normal(size=(len(KINDS), N_TRAIN))
    spread = np.std(influence, axis=1).mean() * np.sqrt(N_TRAIN) / 2
    truth = with_halves(
        league, names, influence, rng, n=240, noise=spread, seeds=(0, 1)
    )
    ceiling = league.measure.ceiling(truth, ALL)
    found = league.measure.lds(truth, scores_of(influence, names), ALL)
    assert 0.7 < ceiling["mean"] < 0.9
    assert found["mean"] == pytest.approx(ceiling["mean"], abs=0.04)


def test_without_noise_the_ceiling_is_one(league, names, influence, rng):
    """Two trainings that agree in everything leave nothing to chance."""
    truth = with_halves(league, names, influence, rng, seeds=(0, 1))
    assert league.measure.ceiling(truth, ALL)["mean"] == pytest.approx(1.0)


def test_the_true_influence_of_sources_is_right_in_every_way(
    league, names, world, influence
):
    """No share is off, the first is the first; of the opposite, none is."""
    truth = with_sources(league, names, influence)
    found = league.measure.group_figures(
        truth, world, scores_of(influence, names), "collection"
    )
    for kind in ("generated", "named", "unnamed"):
        figures = {name: figure["mean"] for name, figure in found[kind].items()}
        assert figures.pop("share_error") == pytest.approx(0.0, abs=1e-6)
        assert figures.pop("share_error_unfitted") == pytest.approx(0.0, abs=1e-6)
        assert set(figures) == {"correlation", "top1", "ndcg3", "spearman"}
        assert list(figures.values()) == pytest.approx([1.0] * 4)
    worst = league.measure.group_figures(
        truth, world, scores_of(-influence, names), "collection"
    )
    assert worst["generated"]["correlation"]["mean"] == pytest.approx(-1.0)
    assert worst["generated"]["top1"]["mean"] == 0.0


def test_the_part_by_size_is_found_and_taken_back(league, names, world, rng):
    """Retrained shares that are three tenths of size: fitted ones are the same."""
    estimated = positive_shares(rng.random((len(KINDS), N_TRAIN)))
    sizes = positive_shares(rng.random((1, N_TRAIN)))[0]
    real = 0.7 * estimated + 0.3 * sizes
    spoiled = real.copy()
    # Nothing that is reported may have a part in the fit.
    for kind in range(2):
        rows = range(kind * N_SONGS, (kind + 1) * N_SONGS)
        spoiled[rows[REPORTING]] = np.eye(N_TRAIN)[0]
    sources = with_sources(league, names, spoiled).sources("collection")
    truth = with_sources(league, names, spoiled)
    error = league.fit.fit_to(truth, estimated, sources, sizes)
    assert error.by_size == pytest.approx(0.3)
    assert error.errors == pytest.approx([0.0] * N_SONGS * N_TRAIN, abs=1e-9)
    fitted = league.fit.fitted_shares(truth, estimated, sources, sizes)
    assert fitted == pytest.approx(real)


@pytest.fixture
def nine_of_ten(league, names):
    """Ten equal shares; 0.04 off in one half of the songs, and in the other 0.02.

    There one share of ten is 0.18 off, which makes up for the others.
    """
    rises = np.full((len(KINDS), N_TRAIN), 0.1)
    rises[CHOOSING] += 0.04 * np.resize([1.0, -1.0], N_TRAIN)
    rises[REPORTING] += np.array([0.18] + [-0.02] * (N_TRAIN - 1))
    return with_sources(league, names, rises)


def test_intervals_that_hold_nine_of_ten_are_counted_so(
    league, names, world, nine_of_ten
):
    """As wide as shares were off where settings were chosen; counted elsewhere."""
    scores = scores_of(np.full((len(KINDS), N_TRAIN), 0.5), names)
    scored = league.scoring.Scored(scores, 0.0, 0.0, 0.0, {})
    found = league.coverage.covered(nine_of_ten, world, scored, "collection")
    for kind, n_songs in (("generated", N_SONGS), ("named", N_SONGS // 2)):
        printed = found[kind]["printed"]
        assert printed["covered"] == 0.9
        assert printed["mean_width"] == pytest.approx(0.08)
        assert printed["n_shares"] == n_songs * N_TRAIN
        assert found[kind]["over_noise_draws"]["covered"] == 0.0
        assert found[kind]["over_noise_draws"]["mean_width"] == 0.0
        assert "shipped" not in found[kind]
    assert [point["covered"] for point in found["curve"]] == [0.9] * 6
    assert found["error"]["n_shares"] == N_SONGS * N_TRAIN


def test_what_is_left_unnamed_is_counted_with_the_rest(league, names, world, rng):
    """A source that is estimated to have none is not named: its share is the rest."""
    rises = np.full((len(KINDS), N_TRAIN), 0.1)
    values = np.full((len(KINDS), N_TRAIN), 0.5)
    values[:, 0] = -0.1
    truth = with_sources(league, names, rises)
    scored = league.scoring.Scored(scores_of(values, names), 0.0, 0.0, 0.0, {})
    printed = league.coverage.covered(truth, world, scored, "collection")["generated"]
    assert printed["over_noise_draws"]["mean_unattributed"] == pytest.approx(0.0)
    assert printed["over_noise_draws"]["mean_unattributed_retrained"] == 0.1
    assert printed["over_noise_draws"]["unattributed_error"] == 0.1
    assert printed["over_noise_draws"]["unattributed_covered"] == 0.0
    # Shares are equal but for one: the fit takes nine tenths from their size.
    assert printed["printed"]["mean_unattributed"] == pytest.approx(0.09)


def test_without_a_truth_nothing_is_counted(league, names, world, influence, rng):
    """A table that is not whole says so."""
    truth = with_halves(league, names, influence, rng)
    truth.facts["collections"] = names
    scored = league.scoring.Scored(scores_of(influence, names), 0.0, 0.0, 0.0, {})
    found = league.coverage.covered(truth, world, scored, "collection")
    assert list(found) == ["omitted"]
    assert (
        league.fit.errors_of(truth, world, scores_of(influence, names), "collection")
        is None
    )


def test_one_more_training_is_held_to_what_fewer_seeds_allow(league, names, rng):
    """Of three, each is held against the mean of two, whose ceiling is lower."""
    rises = rng.random((1, len(KINDS), N_TRAIN)) + 0.3 * rng.random(
        (3, len(KINDS), N_TRAIN)
    )
    truth = with_sources(league, names, rises[0])
    sources = league.truth.Sources(tuple(names), rises, (1, 2, 3))
    sizes = np.full(N_TRAIN, 1 / N_TRAIN)
    found = league.measure.seeds_against_each_other(truth, sources, sizes)
    some = rises[:, truth.rows(("named", "unnamed"), "reporting")]
    of_two, of_three = (
        float(seed_ceiling(some, correlations, n_averaged=n)[0]) for n in (2, 3)
    )
    ceiling = found["generated"]["correlation_ceiling"]
    assert ceiling == pytest.approx(of_two, abs=1e-4)
    assert ceiling < of_three - 1e-3


def test_two_trainings_are_compared_on_what_is_not_named(league, names, world):
    """The source that is not named has a tenth by one of them and 2/11 by the other."""
    rises = np.full((len(KINDS), N_TRAIN), 0.1)
    truth = with_sources(league, names, rises)
    for name in names:
        more = 0.1 * (name == names[0])
        truth.losses["collection", name, 2] = 3.1 + more + np.zeros(len(KINDS))
    truth.losses["full", "all", 2] = np.full(len(KINDS), 3.0)
    values = np.full((len(KINDS), N_TRAIN), 0.5)
    values[:, 0] = -0.1
    scored = league.scoring.Scored(scores_of(values, names), 0.0, 0.0, 0.0, {})
    found = league.coverage.covered(truth, world, scored, "collection")
    apart = found["rest_between_two_trainings"]
    assert apart == pytest.approx(2 / 11 - 1 / 10, abs=1e-4)
