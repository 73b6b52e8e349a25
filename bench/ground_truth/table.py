"""The table of finished runs, which is what is committed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from plan import Run
from runs import N_STRATA, UNKNOWN, Made, made_of, read_run, run_path, write_run

from contrafact.catalog.atomic import atomic_path

__all__ = ["collect", "restore"]


def restore(folder: Path, plan: list[Run], source: Path) -> None:
    """Take over the runs of a table that was kept, so that none is made twice.

    Files that were cut short, by a full disk or a version that did not write them at
    once, go, so that their runs are made again where the table has none.
    """
    for run in plan:
        if (path := run_path(folder, run)).exists() and read_run(path) is None:
            path.unlink()
    if not source.exists():
        return
    known = {(run.kind, run.name, run.seed): run for run in plan}
    for row in _rows(source):
        run = known.get((row["kind"], row["name"], row["seed"]))
        if run is None or list(run.left_out) != row["left_out"]:
            continue
        path = run_path(folder, run)
        if not path.exists():
            losses = np.array(row["losses"], dtype=np.float32)
            made = Made(
                processor=row.get("processor", UNKNOWN),
                corpus_digest=row.get("corpus_digest", UNKNOWN),
            )
            write_run(path, losses.reshape(-1, N_STRATA), made)


def _rows(source: Path) -> list[dict[str, object]]:
    try:
        rows: list[dict[str, object]] = pq.read_table(source).to_pylist()
    except (OSError, pa.ArrowInvalid) as error:
        raise SystemExit(
            f"{source} cannot be read ({error}). Restore it, or remove it to have what "
            "is not in the working folder trained again."
        ) from error
    return rows


def collect(folder: Path, plan: list[Run], target: Path) -> int:
    """Write the table of all finished runs; return how many there are.

    Of each it says on which processor it was made, and of which corpus; "unknown"
    where that was not yet written down.
    """
    found = [(run, read_run(run_path(folder, run))) for run in plan]
    done = [(run, losses) for run, losses in found if losses is not None]
    made = [made_of(run_path(folder, run)) for run, _ in done]
    table = pa.table(
        {
            "kind": [run.kind for run, _ in done],
            "name": [run.name for run, _ in done],
            "seed": pa.array([run.seed for run, _ in done], pa.int32()),
            "left_out": pa.array(
                [run.left_out for run, _ in done], pa.list_(pa.int32())
            ),
            "losses": pa.array(
                [losses.ravel().tolist() for _, losses in done],
                pa.list_(pa.float32()),
            ),
            "processor": [m.processor for m in made],
            "corpus_digest": [m.corpus_digest for m in made],
        }
    )
    with atomic_path(target) as part:
        pq.write_table(table, part, compression="zstd")
    return len(done)
