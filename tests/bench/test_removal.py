"""Effects of leaving out what is named first: whose loss, against what."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from contrafact.attribution.base import Scores
from contrafact.attribution.overlap import Overlap

N_STRATA = 8
SONGS = [0, 2]
LEFT_OUT = {
    "index": {"0": [0], "2": [1]},
    "similarity": {"0": [2], "2": [3]},
    "random": {"0": [4]},
}


@pytest.fixture(scope="module")
def removal(script):
    """The script under test."""
    return script("removal")


@pytest.fixture
def truth(removal):
    """Three queries whose loss under the full model is 2 with seed 0, 4 with seed 1."""
    losses = {("full", "all", s): np.full(3, 2.0 * (s + 1)) for s in (0, 1)}
    kinds = ("named", "named", "unnamed")
    return removal.LeagueTruth({"n_strata": N_STRATA}, losses, {}, kinds)


def write(path, rises, seeds=(0, 1)):
    """Write a table in which a run's losses rise by these parts, query by query."""
    rows = [
        {
            "kind": f"without-{kind}",
            "name": name,
            "seed": seed,
            "losses": np.repeat(
                2.0 * (seed + 1) * (1 + np.array(by_query)), N_STRATA
            ).tolist(),
        }
        for (kind, name), by_query in rises.items()
        for seed in seeds
    ]
    pq.write_table(pa.Table.from_pylist(rows), path)


RISES = {
    ("index", "0"): [0.3, 0.0, 0.02],
    ("index", "2"): [0.04, 0.0, 0.5],
    ("similarity", "0"): [0.1, 0.0, 0.01],
    ("similarity", "2"): [0.01, 0.0, 0.3],
    ("random", "0"): [0.01, 0.0, 0.03],
}


def test_each_song_counts_its_own_removal(removal, truth, tmp_path) -> None:
    """The mean over songs, the ratio of means, and the other songs as a control."""
    write(tmp_path / "t.parquet", RISES)
    asked = {"part": 0.04, "songs": SONGS, "left_out": LEFT_OUT}
    found = removal.figures(tmp_path / "t.parquet", truth, asked)
    rise = {name: figure["mean"] for name, figure in found["rise"].items()}
    assert rise == pytest.approx({"index": 0.4, "similarity": 0.2, "random": 0.02})
    assert found["times"]["index over similarity"]["mean"] == pytest.approx(2.0)
    assert found["other_songs"]["index"]["mean"] == pytest.approx(0.03)
    assert found["songs_where_larger"]["similarity"]["mean"] == 1.0
    assert (found["n_songs"], found["n_models"]) == (2, 10)


def test_a_song_that_is_not_done_with_every_method_waits(
    removal, truth, tmp_path
) -> None:
    """Its half would otherwise stand against another song's."""
    some = {key: rise for key, rise in RISES.items() if key != ("similarity", "2")}
    write(tmp_path / "t.parquet", some, seeds=(0,))
    asked = {"part": 0.04, "songs": SONGS, "left_out": LEFT_OUT}
    found = removal.figures(tmp_path / "t.parquet", truth, asked)
    assert found["n_songs"] == 1
    assert found["rise"]["index"]["mean"] == pytest.approx(0.3)


def test_no_multiple_of_nothing(removal, truth, tmp_path) -> None:
    """A random removal that is not told from nothing gives no ratio."""
    write(tmp_path / "t.parquet", RISES | {("random", "0"): [0.02, 0.0, -0.02]})
    asked = {"part": 0.04, "songs": SONGS, "left_out": LEFT_OUT}
    found = removal.figures(tmp_path / "t.parquet", truth, asked)
    assert "omitted" in found["times"]["index over random"]


def test_recordings_are_chosen_for_what_they_add(removal) -> None:
    """A twin makes up for its twin: alone each is first, together they matter most."""
    ids, row = ("a", "b", "c"), torch.tensor([1.0, 1.5, 0.9])
    assert removal.first_of(Scores(row[None], ids), row, 2) == [0, 1]
    hat = torch.eye(3, dtype=torch.float64) * 0.1
    hat[1, 2] = hat[2, 1] = 0.09
    overlap = Overlap(ids, hat, torch.ones(3))
    scores = Scores(row[None], ids, overlap=overlap)
    assert removal.first_of(scores, row, 2) == [1, 2]
