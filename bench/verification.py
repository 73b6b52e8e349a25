"""Is what attribution names what taught the model the song?

    python bench/verification.py --corpus scores

Ten songs are generated and attributed; the model is trained again without the
named recordings, without as many that sound most alike, and without as many
random ones. Reported is the rise of each song's loss. It goes on where it was
when run again.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from common import Bench, mean_interval, say, write_result
from contrafact.workflows.attribute import attribute
from contrafact.workflows.generate import generate
from contrafact.workflows.index import build_index
from contrafact.workflows.verify import verify


def main() -> None:
    """Run all and write `bench/results/verification-CORPUS.json`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpus", default="scores")
    parser.add_argument("--folder", type=Path, default=Path("build/bench"))
    parser.add_argument("--songs", type=int, default=10)
    chosen = parser.parse_args()
    bench = Bench(chosen.folder, chosen.corpus)
    build_index(bench.workspace, model=bench.record.id, progress=say)
    rows = []
    for number, source in enumerate(bench.prompts(chosen.songs, seed=7)):
        song = bench.workspace.root / f"song-{number}.flac"
        generate(
            bench.workspace, source.caption or "", model=bench.record.id,
            seed=number, out=song,
        )  # fmt: skip
        answer = attribute(bench.workspace, song, model=bench.record.id)
        checked = verify(bench.workspace, answer.attribution_id, progress=say)
        rises = {r.kind: r.rise / checked.loss for r in checked.removals}
        rows.append({"prompt": source.caption, "loss": checked.loss, **rises})
        report(chosen.corpus, rows, checked.k)


def report(corpus: str, rows: list[dict[str, object]], k: int) -> None:
    """Write what is known so far."""
    kinds = ("named", "similar", "random")
    result: dict[str, object] = {"corpus": corpus, "k": k, "songs": rows}
    for kind in kinds:
        result[f"relative_rise_{kind}"] = mean_interval([float(r[kind]) for r in rows])
    for other in ("similar", "random"):
        gaps = [float(r["named"]) - float(r[other]) for r in rows]
        result[f"named_minus_{other}"] = mean_interval(gaps)
    write_result(f"verification-{corpus}", result)


if __name__ == "__main__":
    main()
