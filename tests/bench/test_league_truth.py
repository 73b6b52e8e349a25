"""The table of retrained models, read by the league."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

SOURCE = Path(__file__).parents[2] / "bench" / "league" / "truth.py"
N_STRATA = 2


@pytest.fixture(scope="module")
def league():
    """The module under test, which is a script's and in no package."""
    spec = importlib.util.spec_from_file_location("league_truth", SOURCE)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


def write(folder, runs):
    """Write a truth of four queries; a run's loss is its number, query by query."""
    facts = {
        "recordings": ["a", "b", "c"],
        "collections": ["x", "x", "y"],
        "artists": ["p", "q", "q"],
        "n_strata": N_STRATA,
        "n_runs_planned": 99,
    }
    (folder / "manifest.json").write_text(json.dumps(facts))
    kinds = ["named", "named", "unnamed", "unnamed"]
    (folder / "queries.json").write_text(json.dumps([{"kind": k} for k in kinds]))
    losses = [np.repeat(np.arange(4.0) * loss, N_STRATA) for *_, loss in runs]
    table = {
        "kind": [r[0] for r in runs],
        "name": [r[1] for r in runs],
        "seed": [r[2] for r in runs],
        "left_out": [r[3] for r in runs],
        "losses": losses,
    }
    pq.write_table(pa.table(table), folder / "truth.parquet")


FULL = [("full", "all", 0, [], 1.0), ("full", "all", 1, [], 2.0)]
WITHOUT = [
    ("collection", "x", 0, [0, 1], 4.0),
    ("collection", "y", 0, [2], 3.0),
    ("collection", "x", 1, [0, 1], 6.0),
]


def test_a_source_rises_against_the_full_model_of_its_seed(league, tmp_path):
    """Only seeds count with which every source was left out."""
    write(tmp_path, FULL + WITHOUT)
    found = league.LeagueTruth.read(tmp_path).sources("collection")
    assert found.names == ("x", "y")
    assert found.by_seed.shape == (1, 4, 2)
    assert found.mean[3].tolist() == [9.0, 6.0]


def test_the_training_that_made_the_songs_counts_only_alone(league, tmp_path):
    """It knows its songs better, which would look like influence of every source."""
    write(tmp_path, [*FULL, *WITHOUT, ("collection", "y", 1, [2], 5.0)])
    found = league.LeagueTruth.read(tmp_path).sources("collection")
    assert found.seeds == (1,)
    assert found.mean[3].tolist() == [12.0, 9.0]
    assert found.others.tolist() == found.by_seed.tolist()


def test_an_estimate_is_held_against_all_trainings_but_one_at_a_time(league):
    """So that one more training can be held against the very same."""
    rises = np.arange(12.0).reshape(3, 2, 2) ** 2
    others = league.Sources(("x", "y"), rises, (1, 2, 3)).others
    for left_out in range(3):
        rest = [rises[seed] for seed in range(3) if seed != left_out]
        np.testing.assert_allclose(others[left_out], np.mean(rest, 0))


def test_a_seed_that_knows_all_better_does_not_reorder_subsets(league, tmp_path):
    """Two subsets trained twice and one trained once are compared on one level."""
    halves = [
        ("half", "1", 0, [0], 3.0), ("half", "1", 1, [0], 4.0),
        ("half", "3", 0, [1], 5.0), ("half", "3", 1, [1], 6.0),
        ("half", "5", 0, [2], 4.0),
    ]  # fmt: skip
    write(tmp_path, [*FULL, *halves])
    truth = league.LeagueTruth.read(tmp_path)
    found = truth.subset_losses("half", ["1", "3", "5"])[1]
    np.testing.assert_allclose(found - found[0], [0, 2, 1])
    assert truth.seeds_of_subsets("half", ["1", "3", "5"]) == [2, 2, 1]


def test_sources_are_unknown_until_each_was_left_out(league, tmp_path):
    """A begun table says nothing of artists rather than something of some."""
    write(tmp_path, [*FULL, ("artist", "p", 0, [0], 2.0)])
    truth = league.LeagueTruth.read(tmp_path)
    assert truth.sources("artist") is None
    assert truth.runs == {"artist": 1, "full": 2, "planned": 99}


def test_halves_share_no_query_and_no_subset(league, tmp_path):
    """What chose the settings is never what is reported."""
    halves = [("half", str(i), 0, [i % 3], float(i)) for i in range(5)]
    write(tmp_path, [*FULL, *halves])
    truth = league.LeagueTruth.read(tmp_path)
    rows = [set(truth.rows(("named", "unnamed"), h)) for h in ("choosing", "reporting")]
    assert rows == [{0, 2}, {1, 3}]
    assert truth.subsets("half", "choosing") == ["0", "2", "4"]
    assert truth.subsets("half", "reporting") == ["1", "3"]
    left_out = truth.left_out_matrix("half", ["1", "3"])
    assert left_out.tolist() == [[0, 1, 0], [1, 0, 0]]
    assert truth.subset_losses("half", ["1", "3"])[3].tolist() == [3.0, 9.0]
    assert truth.subset_losses_by_seed("half", ["1", "3"]) is None


def test_some_kinds_of_queries_can_be_looked_at_alone(league, tmp_path):
    """What is left keeps its losses, and says where it stood."""
    write(tmp_path, FULL + WITHOUT)
    some, rows = league.LeagueTruth.read(tmp_path).only(("unnamed",))
    assert (some.kinds, rows) == (("unnamed", "unnamed"), [2, 3])
    assert some.sources("collection").mean.tolist() == [[6.0, 4.0], [9.0, 6.0]]
    assert some.rows(("unnamed",), "reporting").tolist() == [1]
