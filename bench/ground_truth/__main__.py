"""Train models without parts of a corpus, and measure what that did to queries.

    make ground-truth                                  # all of it, hours
    python bench/ground_truth --corpus scores --minutes 60
    python bench/ground_truth --corpus scores --recipe brief

What is measured is the loss of every query, at 64 shared draws in eight noise
levels, under every model of the plan. It goes on where it was when run again;
`results/CORPUS/truth.parquet` holds what is known so far. With another recipe than
`quick` the models are trained by that one, on a shorter plan, and results are kept in
`results/CORPUS-RECIPE`.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from common import Bench, copy_folder
from contrafact.catalog.atomic import write_bytes
from contrafact.core.parallel import map_in_order
from contrafact.workflows.models import ModelRecord
from contrafact.workflows.recipes import find_recipe
from contrafact.workflows.train import versions

sys.path.insert(0, str(Path(__file__).parent))

from plan import Run, make_plan, make_short_plan
from queries import make_queries
from runs import (
    N_DRAWS,
    N_STRATA,
    prepare,
    processor_name,
    run_path,
    train_and_measure,
)
from table import collect, restore

RESULTS = Path(__file__).parent / "results"


def write_manifest(bench: Bench, plan: list[Run], target: Path, recipe: str) -> None:
    """Write what the truth is of, and keep its model; go on with one that is there.

    The songs that are asked about are those of the model kept first. Another
    processor's arithmetic trains models that are other ones, as another seed's
    are, from the same recordings; which processors had a part is written down.
    """
    recordings = list(bench.data.recording_ids)
    corpus = bench.workspace.root.name
    path = target / "manifest.json"
    facts: dict[str, Any] = {
        "command": f"python bench/ground_truth --corpus {corpus} --recipe {recipe}",
        "corpus": corpus,
        "corpus_digest": bench.data.digest,
        "recordings": recordings,
        "artists": [bench.artist[r] for r in recordings],
        "collections": [bench.collection[r] for r in recordings],
        "model": bench.record.digest,
        "recipe": recipe,
        "n_draws": N_DRAWS,
        "n_strata": N_STRATA,
        "n_runs_planned": len(plan),
        "processors": [],
        "versions": versions(),
    }
    if path.exists():
        facts |= json.loads(path.read_text()) | {"n_runs_planned": len(plan)}
    if facts["recordings"] != recordings:
        raise SystemExit(
            f"{path} is of other recordings than those rendered here. Move {target} "
            "away to begin anew."
        )
    facts["processors"] = sorted({*facts["processors"], processor_name()})
    write_bytes(path, (json.dumps(facts, indent=1) + "\n").encode())
    keep_model(bench.record, target / "model", wanted=facts["model"])


def keep_model(record: ModelRecord, model: Path, *, wanted: str) -> None:
    """Copy the model that made the songs, whole or not at all, unless it is there.

    Args:
        record: The model that was trained here.
        model: Where it is kept.
        wanted: Digest of the one that made the songs.
    """
    if model.exists():
        return
    if record.digest != wanted:
        raise SystemExit(
            f"{model} is missing: the songs are of model {wanted[:12]}, and the one "
            f"trained here is {record.digest[:12]}. Restore it, or move "
            f"{model.parent} away to begin anew."
        )
    copy_folder(record.directory, model)


def main() -> None:
    """Go on with the plan of one corpus."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpus", default="scores")
    parser.add_argument("--folder", type=Path, default=Path("build/bench"))
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--minutes", type=float, default=float("inf"))
    parser.add_argument("--recipe", default="quick")
    chosen = parser.parse_args()
    recipe = find_recipe(chosen.recipe)
    bench = Bench(chosen.folder, chosen.corpus, recipe=recipe.name)
    is_whole = recipe.name == "quick"
    name = chosen.corpus if is_whole else f"{chosen.corpus}-{recipe.name}"
    target = chosen.results / name
    target.mkdir(parents=True, exist_ok=True)
    ids = bench.data.recording_ids
    plan = (make_plan if is_whole else make_short_plan)(
        [bench.artist[i] for i in ids], [bench.collection[i] for i in ids]
    )
    queries = make_queries(bench, target)
    write_manifest(bench, plan, target, recipe.name)
    folder = chosen.folder / f"{name}-truth"
    folder.mkdir(exist_ok=True)
    restore(folder, plan, target / "truth.parquet")
    pending = [run for run in plan if not run_path(folder, run).exists()]
    given = (bench.data, recipe, queries, folder)
    started = time.monotonic()
    results = map_in_order(
        train_and_measure, pending, chosen.workers, prepare=prepare, given=given
    )
    for _ in results:
        done = collect(folder, plan, target / "truth.parquet")
        minutes = (time.monotonic() - started) / 60
        print(f"{done} of {len(plan)} models, {minutes:.0f} min", flush=True)
        if minutes > chosen.minutes:
            results.close()
            break


if __name__ == "__main__":
    main()
