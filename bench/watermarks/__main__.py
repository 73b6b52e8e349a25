"""How long a watermark survives: every scheme at hand, every attack.

    python bench/watermarks --audio DIR        # or: contrafact bench watermarks

For each attack: bits that are right, messages that are whole, and how often a
recording that was never marked is called marked, each with its 90 % interval;
for each scheme, what the mark does to the sound; for each attack, what it
costs. Goes on where it was when run again with the same --folder. Writes
bench/results/watermarks.json, and the tables of docs/watermarks.md with --docs.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parent))

import torch
from attacks import ATTACKS
from material import given, items, rendered
from measure import Item, false_alarms, measure
from tables import summary, write_docs

from common import say
from contrafact.catalog import write_json
from contrafact.core.errors import WatermarkError
from contrafact.matching.watermarks import (
    WATERMARKS,
    Needs,
    Watermark,
    open_watermark,
)

RESULTS = Path(__file__).parents[1] / "results" / "watermarks.json"
KEY = b"the key of the benchmark"
Json = dict[str, Any]


def main(
    out: Path,
    *,
    folder: Path,
    audio: Path | None = None,
    weights: Path | None = None,
    n_recordings: int = 8,
    n_unmarked: int = 200,
) -> Json:
    """Measure, write `out`, and return what was written.

    Args:
        out: A JSON file.
        folder: Where to keep what is rendered and measured so far.
        audio: A folder of the user's recordings, to measure on too.
        weights: A folder with a folder of weights for each scheme, by name.
        n_recordings: Recordings of each set that are marked and attacked.
        n_unmarked: Further recordings without a mark, in all.
    """
    torch.set_num_threads(1)
    schemes = at_hand(weights)
    sets = {"rendered": rendered(folder, n_recordings + n_unmarked)}
    if audio is not None:
        sets["audio"] = given(audio)
    found: Json = {}
    for name, pieces in sets.items():
        pool = pieces[:n_recordings]
        done = [
            kept(folder / name / "marked", item, lambda i: measure(i, schemes))
            for item in counted(items(pool), f"attacks, {name}", len(pool))
        ]
        rest = pieces[len(pool) : len(pool) + n_unmarked // len(sets)]
        alarms = [
            kept(folder / name / "unmarked", item, lambda i: false_alarms(i, schemes))
            for item in counted(items(rest), f"unmarked, {name}", len(rest))
        ]
        found[name] = summary(done, alarms, schemes, ATTACKS)
    document = {"schemes": about(schemes), "sets": found}
    write_json(out, document)
    return document


def at_hand(weights: Path | None) -> dict[str, Watermark]:
    """Return the schemes whose packages and weights are here."""
    found: dict[str, Watermark] = {}
    for name in WATERMARKS:
        own = None if weights is None else weights / name
        try:
            found[name] = open_watermark(name, Needs(key=KEY, weights=own))
        except WatermarkError as error:
            print(f"Left out: {error}", file=sys.stderr)
    return found


def about(schemes: dict[str, Watermark]) -> Json:
    """Return what each scheme claims of itself."""
    return {
        name: {
            "n_bits": one.n_bits,
            "sample_rate": one.sample_rate,
            "stated_false_positive_rate": getattr(one, "false_positive_rate", None),
        }
        for name, one in schemes.items()
    }


def kept(folder: Path, item: Item, run: Callable[[Item], Json]) -> Json:
    """Return what was measured before, or measure and keep it."""
    path = folder / f"{hashlib.sha256(item.name.encode()).hexdigest()[:16]}.json"
    if path.is_file():
        found: Json = json.loads(path.read_text(encoding="utf-8"))
        return found
    found = run(item)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, found)
    return found


def counted(pieces: Any, stage: str, total: int) -> Any:
    """Yield items, telling how far it is."""
    for number, one in enumerate(pieces, start=1):
        yield one
        say(stage, number, total)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--audio", type=Path, help="recordings of your own")
    parser.add_argument("--weights", type=Path, help="a folder for each scheme")
    parser.add_argument("--folder", type=Path, default=Path("build/bench"))
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--recordings", type=int, default=8)
    parser.add_argument("--unmarked", type=int, default=200)
    parser.add_argument("--docs", action="store_true", help="write the tables too")
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    result = main(
        chosen.out,
        folder=chosen.folder / "watermarks",
        audio=chosen.audio,
        weights=chosen.weights,
        n_recordings=chosen.recordings,
        n_unmarked=chosen.unmarked,
    )
    if chosen.docs:
        write_docs(result)
    if chosen.json:
        print(json.dumps(result, indent=1))
