"""Measure which generator is named, what breaks it, and how often people are accused.

    python bench/origin --audio DIR      # or: contrafact bench origin --audio DIR
    python bench/origin --audio DIR --people OTHER

Small decoders are trained here on rendered music; recordings that none of them saw
go through each. Recordings by people are the same ones, and all others of the
folder; with --people, others still, that nothing was enrolled with. The folder's own
generated clips go through the same delivery. Everything that takes long is kept in
`--folder`, so a run that was stopped goes on. Writes `bench/results/origin.json` and
the pictures of `docs/images`, and with --docs the tables of `docs/origin.md`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import torch  # noqa: E402
from apart import measure_apart  # noqa: E402
from clips import measure_clips  # noqa: E402
from closed import measure_closed, measure_open, measure_people  # noqa: E402
from followed import measure_songs, measure_speed  # noqa: E402
from lengths import measure_lengths  # noqa: E402
from modelled import measure_with_model  # noqa: E402
from pictures import draw  # noqa: E402
from resisting import measure_attacks, measure_transformations  # noqa: E402
from setting import Setting  # noqa: E402
from tables import write_docs  # noqa: E402

from common import say, write_result  # noqa: E402
from contrafact.catalog.atomic import write_json  # noqa: E402
from contrafact.matching import origin  # noqa: E402


def main(
    audio: Path | None,
    out: str,
    *,
    folder: Path = Path("build/origin"),
    apart: Path | None = None,
) -> Any:
    """Measure everything; return the document that is written to the results.

    Args:
        audio: A folder with recordings, generated clips and a `MANIFEST.csv`.
        apart: A folder of other recordings by people, a folder a collection.
        out: Name of the file in `bench/results`, without its suffix.
        folder: Where weights, sounds and features are kept.
    """
    torch.set_num_threads(1)
    setting = Setting.made(folder, audio, apart)
    document: dict[str, Any] = {"setting": setting.described()}
    stages = {
        "closed": measure_closed,
        "open": measure_open,
        "people": measure_people,
        **({"apart": measure_apart} if apart else {}),
        "transformations": measure_transformations,
        "attacks": measure_attacks,
        "songs": measure_songs,
        "speed": measure_speed,
        "with_model": measure_with_model,
        **({"clips": measure_clips, "lengths": measure_lengths} if audio else {}),
    }
    key = _key_of_code()
    for i, (name, measure) in enumerate(stages.items()):
        document[name] = _kept(
            folder / "stages" / f"{name}-{key}.json", setting, measure
        )
        say(name, i + 1, len(stages))
    write_result(out, document)
    draw(document, setting, Path("docs/images"))
    return document


def _key_of_code() -> str:
    """Return a digest of what decides the results, so that none is of older code."""
    state = hashlib.sha256()
    every = [*HERE.glob("*.py"), *Path(origin.__path__[0]).glob("*.py")]
    # By name: where they lie must not count.
    for path in sorted(every, key=lambda path: path.name):
        state.update(path.read_bytes())
    return state.hexdigest()[:16]


def _kept(path: Path, setting: Setting, measure: Callable[[Setting], Any]) -> Any:
    """Return what a stage measured; from disk if it ran to its end before."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, measure(setting))
    return json.loads(path.read_text(encoding="utf-8"))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--audio", type=Path)
    parser.add_argument("--people", type=Path, help="other recordings by people")
    parser.add_argument("--folder", type=Path, default=Path("build/origin"))
    parser.add_argument("--docs", action="store_true", help="write the tables too")
    parser.add_argument("--json", action="store_true", help="what it does anyway")
    chosen = parser.parse_args()
    found = main(chosen.audio, "origin", folder=chosen.folder, apart=chosen.people)
    if chosen.docs:
        write_docs(found, Path("docs/origin.md"))
