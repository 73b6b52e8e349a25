"""The table of finished runs, which is what is committed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from plan import Run
from runs import N_STRATA, run_path

__all__ = ["collect", "restore"]


def restore(folder: Path, plan: list[Run], source: Path) -> None:
    """Take over the runs of a table that was kept, so that none is made twice."""
    if not source.exists():
        return
    known = {(run.kind, run.name, run.seed): run for run in plan}
    for row in pq.read_table(source).to_pylist():
        run = known.get((row["kind"], row["name"], row["seed"]))
        if run is None or list(run.left_out) != row["left_out"]:
            continue
        path = run_path(folder, run)
        if not path.exists():
            losses = np.array(row["losses"], dtype=np.float32)
            np.save(path, losses.reshape(-1, N_STRATA))


def collect(folder: Path, plan: list[Run], target: Path) -> int:
    """Write the table of all finished runs; return how many there are."""
    done = [run for run in plan if run_path(folder, run).exists()]
    losses = [np.load(run_path(folder, run)).ravel() for run in done]
    table = pa.table(
        {
            "kind": [run.kind for run in done],
            "name": [run.name for run in done],
            "seed": pa.array([run.seed for run in done], pa.int32()),
            "left_out": pa.array([run.left_out for run in done], pa.list_(pa.int32())),
            "losses": pa.array([list(x) for x in losses], pa.list_(pa.float32())),
        }
    )
    part = target.with_suffix(".part")
    pq.write_table(table, part, compression="zstd")
    part.rename(target)
    return len(done)
