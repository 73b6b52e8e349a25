"""Recordings, and what every decoder makes of them: features, kept on disk.

Sources are recordings of the folder of audio and rendered scores that no decoder
was trained on. Each source goes through each decoder; what is compared is always
the same music. Everything then goes through one delivery (one rate, one encoder),
recordings by people included.
"""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr
import torch
from decoders import SHAPES, recode, trained
from numpy.typing import NDArray
from transformations import RATE, TRANSFORMATIONS, coded

from contrafact.catalog import read_audio, read_info
from contrafact.catalog.corpora import CorpusSettings, find_corpus
from contrafact.generators.studio.generator import shipped_codec
from contrafact.matching.origin.chain import RATE as HEARD_RATE
from contrafact.matching.origin.hearing import Heard, hear_samples

__all__ = [
    "LENGTH_S",
    "N_RECORDED",
    "N_RENDERED",
    "RATE",
    "STUDIO",
    "Features",
    "Item",
    "Source",
    "changed",
    "chosen_sources",
    "clips",
    "decoded",
    "delivered",
    "excerpt_starts",
    "excerpts",
    "features",
    "kept_sounds",
    "lowered",
    "people_features",
    "people_sources",
    "sources",
    "starts",
    "training_music",
]

Samples = NDArray[np.float32]
LENGTH_S = 20.0
STUDIO = "studio"
CORPUS_SCORES = "scores"
N_RECORDED, N_RENDERED = 16, 8
N_PEOPLE_RENDERED = 24
N_EXCERPTS = 3
"""Of each recording by people, none over another, that nulls are measured on."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Source:
    """A recording before any decoder.

    Attributes:
        name: Unique.
        group: Collection, which stands for its genre.
        is_dev: Whether settings may be chosen on it.
        samples: `(time,)`, at `RATE`.
    """

    name: str
    group: str
    is_dev: bool
    samples: Samples


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A generated clip of the folder."""

    name: str
    generator: str
    group: str
    samples: Samples


def _is_even(name: str) -> bool:
    return hashlib.sha256(name.encode()).digest()[0] % 2 == 0


def is_for_training(work: str) -> bool:
    """Tell whether decoders may be trained on a rendered work."""
    return _is_even(work)


def rendered(folder: Path) -> list[dict[str, str]]:
    """Render the corpus of scores, or use what is there; return its table."""
    place = folder / CORPUS_SCORES
    if not (place / "metadata.csv").exists():
        find_corpus(CORPUS_SCORES).write(place, CorpusSettings(n_recordings=512))
    with (place / "metadata.csv").open(newline="", encoding="utf-8") as file:
        return [
            {**row, "path": str(place / row["file"])} for row in csv.DictReader(file)
        ]


def training_music(folder: Path) -> list[Samples]:
    """Return the rendered music that decoders are trained on, at 16 kHz."""
    rows = [r for r in rendered(folder) if is_for_training(r["work"])]
    return [soundfile.read(r["path"], dtype="float32")[0] for r in rows]


def sources(folder: Path, audio: Path | None, *, n_scores: int = 48) -> list[Source]:
    """Return the recordings: all of the folder of audio, and some rendered works."""
    found = list(_recorded(audio)) if audio else []
    return found + _rendered_sources(folder, n_scores)


def people_sources(folder: Path, audio: Path | None) -> list[Source]:
    """Return the recordings that stand for people: all recorded, some rendered."""
    every = sources(folder, audio)
    recorded = [s for s in every if s.group != "rendered scores"]
    rendered = [s for s in every if s.group == "rendered scores"]
    return recorded + rendered[: N_PEOPLE_RENDERED if recorded else None]


def chosen_sources(folder: Path, audio: Path | None) -> list[Source]:
    """Return the recordings that go through every decoder: every sixth, at most."""
    recorded = list(_recorded(audio, step=6, most=N_RECORDED)) if audio else []
    return recorded + _rendered_sources(folder)[::6][:N_RENDERED]


def _rendered_sources(folder: Path, n_scores: int = 48) -> list[Source]:
    found = []
    works: dict[str, list[str]] = {}
    for row in rendered(folder):
        if not is_for_training(row["work"]):
            works.setdefault(row["work"], []).append(row["path"])
    for work in sorted(works)[:n_scores]:
        parts = [soundfile.read(p, dtype="float32")[0] for p in works[work]]
        joined = np.concatenate(parts)[: round(LENGTH_S * 16_000)]
        samples = np.asarray(soxr.resample(joined, 16_000, RATE), np.float32)
        found.append(
            Source(
                name=work,
                group="rendered scores",
                is_dev=_is_even(work[::-1]),
                samples=samples,
            )
        )
    return found


def _recorded(
    audio: Path, *, step: int = 1, most: int | None = None
) -> Iterator[Source]:
    """Yield recordings of people in order; every so manieth, at most so many."""
    rows = list(_recorded_rows(audio))
    for row in rows[::step][:most]:
        yield Source(
            name=row["file"],
            group=row["collection"],
            is_dev=_is_even(row["file"]),
            samples=_excerpt(audio / row["file"], float(row["duration_s"])),
        )


def _recorded_rows(audio: Path) -> Iterator[dict[str, str]]:
    seen = set()
    for row in _manifest(audio):
        key = row["title"], row["artist"]
        if "catalog" not in row["use"] or key in seen:
            continue
        seen.add(key)
        yield row


def _manifest(audio: Path) -> list[dict[str, str]]:
    with (audio / "MANIFEST.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _excerpt(path: Path, duration_s: float) -> Samples:
    start = max(0.0, (duration_s - LENGTH_S) / 2)
    length = min(LENGTH_S, duration_s - start)
    read = read_audio(path, sample_rate=RATE, start_s=start, duration_s=length)
    return read.samples[0]


def starts(length_s: float) -> list[float]:
    """Return where excerpts begin: the middle, and two that are not over it."""
    middle = max(0.0, (length_s - LENGTH_S) / 2)
    if length_s < N_EXCERPTS * LENGTH_S:
        return [middle]
    return [middle, middle / 2 - LENGTH_S / 2, middle * 1.5 + LENGTH_S / 2]


def excerpt_starts(audio: Path | None, source: Source) -> list[float]:
    """Return where the excerpts of a source begin; of a rendered one, there is one."""
    if audio is None or source.group == "rendered scores":
        return [0.0]
    return starts(read_info(audio / source.name).duration_s)


def excerpts(audio: Path | None, source: Source) -> Iterator[Samples]:
    """Yield the excerpt of a source, and up to two others of the same recording."""
    yield source.samples
    for start in excerpt_starts(audio, source)[1:]:
        assert audio is not None
        read = read_audio(
            audio / source.name, sample_rate=RATE, start_s=start, duration_s=LENGTH_S
        )
        yield read.samples[0]


def clips(audio: Path) -> list[Item]:
    """Return the generated clips of the folder, long ones in parts of 20 s."""
    found = []
    for row in _manifest(audio):
        if row["use"] != "ai":
            continue
        duration = float(row["duration_s"])
        count = max(1, min(3, int(duration // LENGTH_S)))
        for i in range(count):
            start = (i + 0.5) * duration / count - min(LENGTH_S, duration / count) / 2
            read = read_audio(
                audio / row["file"],
                sample_rate=RATE,
                start_s=start,
                duration_s=min(LENGTH_S, duration - start),
            )
            found.append(
                Item(
                    name=f"{row['file']}#{i}",
                    generator=row["generator"],
                    group=row["group_id"] or row["file"],
                    samples=read.samples[0],
                )
            )
    return found


def delivered(samples: Samples) -> Samples:
    """Return sound as it is delivered: 16 kHz of bandwidth, one encoder, one rate."""
    peak = float(np.abs(samples).max()) or 1.0
    narrow = soxr.resample(soxr.resample(samples, RATE, 16_000), 16_000, RATE)
    return coded(np.asarray(narrow * (0.7 / peak), np.float32), "opus", 96_000)


def decoded(name: str, folder: Path) -> Callable[[Samples], Samples]:
    """Return the function that passes sound at `RATE` through a decoder."""
    if name == "none":
        return lambda samples: samples
    if name == STUDIO:
        return _through_studio
    decoder = trained(name, [], 16_000, folder=folder / "decoders")
    rate = SHAPES[name].rate

    def through(samples: Samples) -> Samples:
        heard = recode(decoder, samples, RATE)
        return np.asarray(soxr.resample(heard, rate, RATE), np.float32)

    return through


@torch.inference_mode()
def _through_studio(samples: Samples) -> Samples:
    codec = shipped_codec()
    low = np.asarray(soxr.resample(samples, RATE, 16_000), np.float32)
    heard = codec.decode(codec.encode(torch.from_numpy(low)[None]))[0].numpy()
    return np.asarray(soxr.resample(heard, 16_000, RATE), np.float32)


def lowered(samples: Samples) -> Samples:
    """Return sound at `RATE` at the rate at which it is listened to."""
    return np.asarray(soxr.resample(samples, RATE, HEARD_RATE), np.float32)


def heard(samples: Samples) -> Heard:
    """Listen to sound at `RATE`."""
    return hear_samples(lowered(samples)[None])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Features:
    """What was heard of many sounds, one row each: `(n, 2, n_places)`."""

    values: NDArray[np.float32]
    comb_scores: NDArray[np.float64]
    comb_spacings: NDArray[np.float64]


HEARING = 4
"""To be raised when what is heard changes, so that nothing older is read."""


def features(
    kept: Path,
    name: str,
    made: Callable[[], Iterable[Samples]],
    *,
    is_low: bool = False,
) -> Features:
    """Return what is heard of sounds at `RATE`; from disk if it was heard before.

    Args:
        kept: Folder that it is kept in.
        name: Of the file.
        made: Gives the sounds.
        is_low: Whether they are at the rate at which they are listened to already.
    """
    path = kept / f"{name.replace(' ', '_')}-{HEARING}.npz"
    if not path.exists():
        low = made() if is_low else map(lowered, made())
        rows = [hear_samples(samples[None]).rows[0] for samples in low]
        kept.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(".part.npz")
        np.savez(
            temporary,
            values=np.array([r.values for r in rows], np.float16),
            comb_scores=np.array([r.comb.score for r in rows]),
            comb_spacings=np.array([r.comb.spacing_hz for r in rows]),
        )
        temporary.rename(path)
    with np.load(path) as arrays:
        return Features(
            values=arrays["values"].astype(np.float32),
            comb_scores=arrays["comb_scores"],
            comb_spacings=arrays["comb_spacings"],
        )


def kept_sounds(folder: Path, make: Callable[[], Iterable[Samples]]) -> list[Samples]:
    """Return sounds made once and kept as 16-bit numbers, peaks at full scale."""
    index = folder / "sounds.json"
    if not index.exists():
        folder.mkdir(parents=True, exist_ok=True)
        count = 0
        for samples in make():
            peak = float(np.abs(samples).max()) or 1.0
            whole = np.rint(samples / peak * 32767).astype(np.int16)
            np.save(folder / f"{count}.npy", whole)
            count += 1
        index.write_text(json.dumps({"count": count}) + "\n")
    count = json.loads(index.read_text())["count"]
    return [
        np.load(folder / f"{i}.npy").astype(np.float32) / 32767 for i in range(count)
    ]


def people_features(
    folder: Path, name: str, make: Callable[[], Iterable[Samples]]
) -> Features:
    """Return what is heard of people's recordings, which are kept as delivered.

    Args:
        folder: Of the bench.
        name: Of these recordings.
        make: Gives them, at `RATE`, not yet delivered.
    """

    def sounds() -> list[Samples]:
        return kept_sounds(
            folder / "sounds" / name, lambda: (lowered(delivered(s)) for s in make())
        )

    return features(folder / "features" / "people", name, sounds, is_low=True)


def changed(sounds: Iterable[Samples], transformation: str) -> Iterator[Samples]:
    """Yield sounds after one of `TRANSFORMATIONS`."""
    for samples in sounds:
        yield TRANSFORMATIONS[transformation](samples)
