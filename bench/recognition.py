"""Measure what the gate recognises again, and what it mistakes, by two methods.

    python bench/recognition.py      # writes bench/results/recognition.json

On each built-in corpus every twelfth recording is barred. Copies of the barred ones,
altered and as MP3, should be refused; all other recordings should not, those of
other works (rendered with the same sounds) and those of the same works (other
performances on other instruments). `fingerprint` asks one index, `spectral` compares
with every barred recording, and `both` is what the gate does: where fingerprints are
not sure, spectra decide on the recordings that the index proposes. The limit for
fingerprints is chosen on one half of the works; what the other half gives is reported.
Then the gate's own recogniser hears many recordings that are not barred.
"""

from __future__ import annotations

import argparse
import csv
import json
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray
from scipy.signal import istft, stft

from common import RESULTS, rate, say, write_result
from contrafact.catalog import Workspace
from contrafact.catalog.audio import read_audio
from contrafact.catalog.corpora import CorpusSettings, find_corpus
from contrafact.catalog.recognition import Signature, SpectralMatcher
from contrafact.matching.fingerprint import SAMPLE_RATE, FingerprintIndex
from contrafact.workflows.ingest import ingest
from contrafact.workflows.recognition import FingerprintRecogniser

CORPORA = ("planted", "scores")
LIMITS = (0.0003, 0.001, 0.003, 0.01, 0.03, 0.1)
"""False-match probabilities up to which a file might be refused."""
LIMIT = round(1 - FingerprintRecogniser.threshold, 9)
HALVES = ("chosen_on", "reported")
Samples = NDArray[np.float32]
Alteration = Callable[[Samples, int], Samples]


def stretch(samples: Samples, by: float) -> Samples:
    """Play faster by a factor without a change of pitch: a phase vocoder."""
    n, hop = 2_048, 512
    _, _, spectrum = stft(samples, nperseg=n, noverlap=n - hop)
    turn = 2 * np.pi * hop * np.arange(n // 2 + 1) / n
    phase, frames = np.angle(spectrum[:, 0]), []
    for place in np.arange(0, spectrum.shape[1] - 1, by):
        i, part = int(place), place % 1
        size = (1 - part) * abs(spectrum[:, i]) + part * abs(spectrum[:, i + 1])
        frames.append(size * np.exp(1j * phase))
        step = np.angle(spectrum[:, i + 1]) - np.angle(spectrum[:, i]) - turn
        phase = phase + turn + step - 2 * np.pi * np.round(step / 2 / np.pi)
    return istft(np.array(frames).T, nperseg=n, noverlap=n - hop)[1].astype(np.float32)


def speed(samples: Samples, rate: int, by: float) -> Samples:
    """Play faster by a factor, pitch and all."""
    return soxr.resample(samples, rate * by, rate)


def pitch(samples: Samples, rate: int, semitones: float) -> Samples:
    """Change the pitch and leave the speed."""
    factor = 2 ** (semitones / 12)
    return speed(stretch(samples, 1 / factor), rate, factor)


def middle(samples: Samples) -> Samples:
    """Return the middle half."""
    quarter = len(samples) // 4
    return samples[quarter : len(samples) - quarter]


ALTERATIONS: dict[str, Alteration] = {
    "gain -20 dB": lambda x, _: 0.1 * x,
    "middle half": lambda x, _: middle(x),
    "first third": lambda x, _: x[: len(x) // 3],
    "pitch +2": lambda x, r: pitch(x, r, 2),
    "pitch -2": lambda x, r: pitch(x, r, -2),
    "pitch +5": lambda x, r: pitch(x, r, 5),
    "pitch -4": lambda x, r: pitch(x, r, -4),
    "speed +6 %": lambda x, r: speed(x, r, 1.06),
    "speed -6 %": lambda x, r: speed(x, r, 0.94),
    "speed +15 %": lambda x, r: speed(x, r, 1.15),
    "speed -12 %": lambda x, r: speed(x, r, 0.88),
    "tempo +6 %": lambda x, _: stretch(x, 1.06),
    "tempo -15 %": lambda x, _: stretch(x, 0.85),
    "middle half, speed -5 %, pitch +1": lambda x, r: pitch(
        speed(middle(x), r, 0.95), r, 1
    ),
    "noise at 20 dB": lambda x, _: (
        x + 0.1 * x.std() * np.random.default_rng(0).standard_normal(len(x))
    ).astype(np.float32),
}


@dataclass(frozen=True, kw_only=True, eq=False)
class Ears:
    """Both methods, knowing the barred recordings by number."""

    index: FingerprintIndex
    known: dict[int, Signature]
    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    spectral: SpectralMatcher = field(default_factory=SpectralMatcher)

    def fingerprints(self, path: Path) -> dict[int, float]:
        """Return the lowest false-match probability of each barred recording."""
        started = time.process_time()
        samples = read_audio(path, sample_rate=SAMPLE_RATE).samples[0]
        found: dict[int, float] = {}
        for match in self.index.identify(samples, max_false_match=1.0):
            number = int(match.recording_id)
            p = match.false_match_probability
            found[number] = min(p, found.get(number, 1.0))
        self.seconds["fingerprint"] += time.process_time() - started
        return found

    def spectra(self, path: Path) -> dict[int, float]:
        """Return the similarity of each barred recording."""
        started = time.process_time()
        own = self.spectral.signature(path)
        found = {n: self.spectral.similarity(own, s) for n, s in self.known.items()}
        self.seconds["spectral"] += time.process_time() - started
        return found


@dataclass(frozen=True, kw_only=True)
class Heard:
    """What both methods say of a file, and what is true.

    Attributes:
        kind: How it was altered, or how it is related to what is barred.
        truth: The barred recording that it is; None if it is none.
    """

    kind: str
    half: str
    truth: int | None
    p: dict[int, float]
    similarity: dict[int, float]

    def refused_by(self, limit: float) -> dict[str, bool]:
        """Return who refuses it; a copy only counts if it is named rightly."""
        print_ = _named(self.p, lambda p: p <= limit, lowest=True)
        spectrum = _named(self.similarity, lambda s: s >= SpectralMatcher.threshold)
        who = {"fingerprint": print_, "spectral": spectrum}
        said = {
            name: n is not None and self.truth in (None, n) for name, n in who.items()
        }
        proposed = {n: s for n, s in self.similarity.items() if n in self.p}
        second = _named(proposed, lambda s: s >= SpectralMatcher.threshold)
        both = print_ if print_ is not None else second
        said["both"] = both is not None and self.truth in (None, both)
        return said


def _named(
    found: dict[int, float], is_one: Callable[[float], bool], *, lowest: bool = False
) -> int | None:
    """Return the best that counts."""
    some = {n: -v if lowest else v for n, v in found.items() if is_one(v)}
    return max(some, key=lambda n: some[n]) if some else None


def listen(corpus: str, folder: Path, *, n: int, every: int) -> tuple[list[Heard], Any]:
    """Return what is heard in copies and in others, and the cost in seconds."""
    settings = CorpusSettings(n_recordings=n, n_workers=1)
    table = find_corpus(corpus).write(folder, settings)
    with table.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    paths = [folder / row["file"] for row in rows]
    barred = list(range(0, len(rows), every))
    ears = _taught(folder / "index", {i: paths[i] for i in barred})
    works = {rows[i]["work"] for i in barred}
    in_order = sorted({row["work"] for row in rows})
    halves = {work: HALVES[i % 2] for i, work in enumerate(in_order)}
    heard = []
    for number, path in enumerate(paths):
        half = halves[rows[number]["work"]]
        if number in barred:
            for kind, copy in _copies(path, folder):
                heard.append(_heard(ears, copy, kind=kind, half=half, truth=number))
        else:
            kind = "same work" if rows[number]["work"] in works else "other works"
            heard.append(_heard(ears, path, kind=kind, half=half, truth=None))
        say(corpus, number + 1, len(paths))
    cost = {f"{k}_s_a_file": round(v / len(heard), 4) for k, v in ears.seconds.items()}
    return heard, {"n_barred": len(barred), **cost}


def _taught(folder: Path, paths: dict[int, Path]) -> Ears:
    index = FingerprintIndex.create(folder)
    index.add_many(
        (str(i), read_audio(path, sample_rate=SAMPLE_RATE).samples[0])
        for i, path in paths.items()
    )
    spectral = SpectralMatcher()
    known = {i: spectral.signature(path) for i, path in paths.items()}
    return Ears(index=index, known=known)


def _copies(path: Path, folder: Path) -> Iterator[tuple[str, Path]]:
    samples, rate_hz = soundfile.read(path, dtype="float32", always_2d=True)
    mono = samples.mean(1)
    for kind in ("MP3", *ALTERATIONS):
        copy = folder / ("altered.mp3" if kind == "MP3" else "altered.wav")
        altered = mono if kind == "MP3" else ALTERATIONS[kind](mono, rate_hz)
        soundfile.write(copy, np.clip(altered, -1, 1), rate_hz)
        yield kind, copy


def _heard(ears: Ears, path: Path, *, kind: str, half: str, truth: int | None) -> Heard:
    return Heard(
        kind=kind,
        half=half,
        truth=truth,
        p=ears.fingerprints(path),
        similarity=ears.spectra(path),
    )


def refusals(heard: list[Heard], limit: float) -> dict[str, Any]:
    """Return, by kind of file, how many each method refuses."""
    kinds: dict[str, list[dict[str, bool]]] = {}
    for one in heard:
        kinds.setdefault(one.kind, []).append(one.refused_by(limit))
        if one.truth is not None:
            kinds.setdefault("all copies", []).append(one.refused_by(limit))
    return {
        kind: {name: rate([s[name] for s in said]) for name in said[0]}
        for kind, said in kinds.items()
    }


def others(corpus: str, folder: Path, *, n: int, every: int) -> dict[str, Any]:
    """Return how many files that are not barred the gate's own recogniser refuses."""
    settings = CorpusSettings(n_recordings=n, n_workers=1)
    table = find_corpus(corpus).write(folder / "corpus", settings)
    workspace = Workspace.init(folder / "workspace")
    ingest(workspace, [folder / "corpus"], metadata=table)
    with workspace.catalog() as catalog:
        known = sorted(catalog.recordings(), key=lambda r: r.file)
    barred = known[::every]
    ear, among = FingerprintRecogniser(workspace), {r.digest for r in barred}
    ear.learn(barred)
    works = {r.work_id for r in barred}
    refused: dict[str, list[bool]] = {"same work": [], "other works": []}
    started = time.process_time()
    for number, recording in enumerate(known):
        kind = "same work" if recording.work_id in works else "other works"
        if recording.digest not in among:
            refused[kind].append(ear.hear(recording, among) is not None)
        say(f"others of {corpus}", number + 1, len(known))
    cost = (time.process_time() - started) / (len(known) - len(barred))
    rates = {kind: rate(said) for kind, said in refused.items() if said}
    return {"n_barred": len(barred), "s_a_file": round(cost, 4), "refused": rates}


def _tried(heard: list[Heard]) -> dict[str, Any]:
    """Return what each limit gives: copies found, others refused."""
    found = {limit: refusals(heard, limit) for limit in LIMITS}
    return {
        str(limit): {
            kind: f[kind]["fingerprint"]["rate"]
            for kind in ("all copies", "other works", "same work")
            if kind in f
        }
        for limit, f in found.items()
    }


def main() -> None:
    """Measure, print, and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recordings", type=int, default=96)
    parser.add_argument(
        "--every", type=int, default=12, help="one of so many is barred"
    )
    parser.add_argument("--others", type=int, default=384, help="to be left alone")
    parser.add_argument("--corpus", choices=CORPORA, help="only this one anew")
    given = parser.parse_args()
    result: dict[str, Any] = {}
    for corpus in [given.corpus] if given.corpus else CORPORA:
        with tempfile.TemporaryDirectory() as name:
            heard, cost = listen(
                corpus, Path(name), n=given.recordings, every=given.every
            )
        halves = {h: [one for one in heard if one.half == h] for h in HALVES}
        result[corpus] = {
            **cost,
            "limits_tried": _tried(halves["chosen_on"]),
            "refused": refusals(halves["reported"], LIMIT),
        }
        with tempfile.TemporaryDirectory() as name:
            result[corpus]["others"] = others(
                corpus, Path(name), n=given.others, every=given.every
            )
    earlier = RESULTS / "recognition.json"
    if given.corpus and earlier.is_file():
        known = json.loads(earlier.read_text(encoding="utf-8"))
        result = {name: known[name] for name in CORPORA if name in known} | result
    settings = {
        "threshold_of_spectra": SpectralMatcher.threshold,
        "limit_of_fingerprints": LIMIT,
    }
    write_result("recognition", settings | result)


if __name__ == "__main__":
    main()
