"""Runs of the ground truth that were killed, and the table that is committed."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from contrafact.generators.latents import LatentSet, LatentWindow
from contrafact.workflows.recipes import find_recipe

CHANNELS, N_TOKENS = 64, 8


@pytest.fixture(scope="module")
def truth(script):
    """The scripts under test."""
    return SimpleNamespace(
        plan=script("plan"),
        runs=script("runs"),
        table=script("table"),
        queries=script("queries"),
    )


@pytest.fixture
def plan(truth):
    """A model of everything, one of a half, one without a collection."""
    make = truth.plan.Run
    return [
        make(kind="full", name="all", seed=0, left_out=()),
        make(kind="half", name="1", seed=0, left_out=(0, 2)),
        make(kind="collection", name="a b/c", seed=1, left_out=(3,)),
    ]


@pytest.fixture
def losses(truth, rng):
    """The losses of two queries."""
    return rng.random((2, truth.runs.N_STRATA)).astype(np.float32)


def keep(truth, folder, plan, losses, **made):
    """Write runs as if they had been trained, each a bit worse."""
    for number, run in enumerate(plan):
        path = truth.runs.run_path(folder, run)
        truth.runs.write_run(path, losses + number, truth.runs.Made(**made))


def test_a_table_is_taken_over_whole(truth, plan, losses, tmp_path):
    """What was collected comes back run by run, and is collected the same."""
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
    keep(truth, tmp_path / "one", plan, losses, processor="A", corpus_digest="c0")
    first, again = tmp_path / "first.parquet", tmp_path / "again.parquet"
    assert truth.table.collect(tmp_path / "one", plan, first) == 3
    truth.table.restore(tmp_path / "other", plan, first)
    for run in plan:
        files = [truth.runs.run_path(tmp_path / n, run) for n in ("one", "other")]
        assert files[0].read_bytes() == files[1].read_bytes()
    assert truth.table.collect(tmp_path / "other", plan, again) == 3
    assert pq.read_table(again).equals(pq.read_table(first))
    assert set(pq.read_table(first)["processor"].to_pylist()) == {"A"}


def test_rows_that_do_not_say_what_made_them_are_unknown(truth, plan, losses, tmp_path):
    """A table from before is read, and each row says of itself what is known."""
    keep(truth, tmp_path, plan, losses)
    table = tmp_path / "truth.parquet"
    truth.table.collect(tmp_path, plan, table)
    old = pq.read_table(table).drop_columns(["processor", "corpus_digest"])
    pq.write_table(old, table)
    (tmp_path / "new").mkdir()
    truth.table.restore(tmp_path / "new", plan, table)
    keep(truth, tmp_path / "new", plan[:1], losses, processor="B", corpus_digest="c1")
    truth.table.collect(tmp_path / "new", plan, table)
    found = pq.read_table(table)
    assert found["processor"].to_pylist() == ["B", "unknown", "unknown"]
    assert found["corpus_digest"].to_pylist() == ["c1", "unknown", "unknown"]
    assert found["losses"].to_pylist()[1] == (losses + 1).ravel().tolist()


def test_a_file_cut_short_counts_for_nothing(truth, plan, losses, tmp_path):
    """It breaks no table, and its run is taken from the table or made again."""
    keep(truth, tmp_path, plan, losses)
    table = tmp_path / "truth.parquet"
    truth.table.collect(tmp_path, plan, table)
    paths = [truth.runs.run_path(tmp_path, run) for run in plan]
    whole = paths[1].read_bytes()
    for cut in (b"", whole[:40], whole[:-3], b"no array"):
        paths[1].write_bytes(cut)
        assert truth.table.collect(tmp_path, plan, tmp_path / "cut.parquet") == 2
        truth.table.restore(tmp_path, plan, table)
        assert paths[1].read_bytes() == whole
    paths[2].write_bytes(whole[:-3])
    truth.table.restore(tmp_path, plan, tmp_path / "none.parquet")
    assert [path.exists() for path in paths] == [True, True, False]


def test_a_run_of_other_recordings_is_not_taken_over(truth, plan, losses, tmp_path):
    """The same name, but something else was left out: it is trained again."""
    keep(truth, tmp_path, plan, losses)
    truth.table.collect(tmp_path, plan, tmp_path / "truth.parquet")
    (tmp_path / "new").mkdir()
    other = [plan[0], replace(plan[1], left_out=(1, 2)), plan[2]]
    truth.table.restore(tmp_path / "new", other, tmp_path / "truth.parquet")
    there = [truth.runs.run_path(tmp_path / "new", run).exists() for run in other]
    assert there == [True, False, True]


def test_a_damaged_table_says_what_to_do(truth, plan, tmp_path):
    """It is not passed over: hours of training may be in it."""
    (tmp_path / "truth.parquet").write_bytes(b"PAR1 cut")
    with pytest.raises(SystemExit, match="Restore it, or remove it"):
        truth.table.restore(tmp_path, plan, tmp_path / "truth.parquet")


def test_a_killed_computation_gives_the_same_table(truth, plan, rng, tmp_path):
    """Stopped after one run, with the leavings of another, then gone on with."""

    def latents():
        values = rng.normal(size=(CHANNELS, N_TOKENS))
        return torch.tensor(values, dtype=torch.float32)

    windows = [LatentWindow(recording_id=f"R-{i}", start_s=0.0) for i in range(4)]
    data = LatentSet(tuple(windows), tuple(latents() for _ in windows))
    query = truth.queries.Query(kind="named", prompt="a march", source="")
    mask = torch.ones(1, N_TOKENS, dtype=torch.bool)
    queries = truth.queries.QuerySet((query,), latents()[None], mask)
    tiny = find_recipe("tiny")
    recipe = replace(tiny, training=replace(tiny.training, n_steps=2, batch_size=2))
    for name in ("whole", "killed"):
        (tmp_path / name).mkdir()

    def go_on(name, runs):
        folder, table = tmp_path / name, tmp_path / f"{name}.parquet"
        truth.table.restore(folder, plan, table)
        truth.runs.prepare(data, recipe, queries, folder)
        for run in runs:
            if not truth.runs.run_path(folder, run).exists():
                truth.runs.train_and_measure(run)
                truth.table.collect(folder, plan, table)
        return pq.read_table(table)

    whole = go_on("whole", plan)
    begun = go_on("killed", plan[:1])
    assert len(begun) == 1
    path = truth.runs.run_path(tmp_path / "killed", plan[1])
    path.with_suffix(".part").write_bytes(b"half of a file")
    path.write_bytes(b"\x93NUMPY cut")
    assert go_on("killed", plan).equals(whole)
    assert whole["corpus_digest"].to_pylist() == [data.digest] * 3
    assert whole["processor"].to_pylist() == [truth.runs.processor_name()] * 3


def test_the_model_of_the_songs_is_kept_whole_or_not_at_all(script, tmp_path):
    """What a killed copy left goes; another model is not put in its place."""
    main = script("ground_truth.__main__")
    folder = tmp_path / "trained"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(b"weights")
    record = SimpleNamespace(directory=folder, digest="d0")
    model = tmp_path / "results" / "model"
    (tmp_path / "results" / ".model.part").mkdir(parents=True)
    (tmp_path / "results" / ".model.part" / "cut").write_bytes(b"half")
    with pytest.raises(SystemExit, match="songs are of model other"):
        main.keep_model(record, model, wanted="other")
    assert not model.exists()
    main.keep_model(record, model, wanted="d0")
    assert [p.name for p in model.iterdir()] == ["model.safetensors"]
    assert [p.name for p in model.parent.iterdir()] == ["model"]
    main.keep_model(record, model, wanted="whatever it says, it is there")


def test_losses_of_another_shape_are_no_run(truth, tmp_path):
    """A file of other strata would be averaged as if it were of these."""
    path = tmp_path / "full_all_0.npy"
    np.save(path, np.zeros((2, truth.runs.N_STRATA + 1), np.float32))
    assert truth.runs.read_run(path) is None
