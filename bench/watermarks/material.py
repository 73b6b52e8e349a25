"""What is measured on: music rendered here, and a folder of the user's.

Settings were tried on other works: those whose title falls in one half by its
digest, and on files of a folder that fall in it by their name.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from measure import Item

from contrafact.catalog import read_audio, read_info
from contrafact.catalog.corpora import CorpusSettings, find_corpus

SUFFIXES = {".flac", ".wav", ".mp3", ".ogg", ".opus", ".m4a"}
SECONDS, START_S, MOST_HZ = 10.0, 15.0, 24_000
SEED = 23
SPLIT = 1221153
"""The first number by which all 23 works and files that settings were tried on
fall in the half that is not reported."""


def is_reported(name: str) -> bool:
    """Tell whether a work or file is in the half that numbers come from."""
    return hashlib.sha256(f"{SPLIT} {name}".encode()).digest()[0] % 2 == 1


def rendered(folder: Path, count: int) -> list[tuple[str, Path]]:
    """Render a corpus of real scores; return reported works by title, mixed."""
    target = folder / "scores"
    settings = CorpusSettings(n_recordings=2 * count + 40, seed=SEED, n_workers=1)
    table = find_corpus("scores").write(target, settings)
    with table.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if is_reported(row["work"])]
    rows.sort(key=lambda row: hashlib.sha256(row["file"].encode()).digest())
    return [(row["title"], target / row["file"]) for row in rows]


def given(folder: Path) -> list[tuple[str, Path]]:
    """Return the reported files of a user's folder, mixed."""
    paths = [p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES]
    named = [(p.relative_to(folder).as_posix(), p) for p in paths]
    kept = [one for one in named if is_reported(one[0])]
    return sorted(kept, key=lambda one: hashlib.sha256(one[0].encode()).digest())


def items(
    pieces: list[tuple[str, Path]], *, seconds: float = SECONDS
) -> Iterator[Item]:
    """Read recordings; each has the next one to be mixed with."""
    read = []
    for name, path in pieces:
        info = read_info(path)
        start_s = START_S if info.duration_s > START_S + seconds else 0.0
        rate = min(MOST_HZ, info.sample_rate)
        audio = read_audio(path, sample_rate=rate, start_s=start_s, duration_s=seconds)
        loud = float(np.abs(audio.samples).max())
        if loud > 1e-3 and audio.duration_s >= 6.0:
            read.append((name, 0.5 * audio.samples / loud, audio.sample_rate))
    for number, (name, samples, rate) in enumerate(read):
        other = next(
            (s for _, s, r in read[number + 1 :] + read[:number] if r == rate), samples
        )
        yield Item(name, samples, rate, other)
