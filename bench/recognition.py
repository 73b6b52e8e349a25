"""Measure what the gate's spectral matcher finds again and what it mistakes.

    python bench/recognition.py      # writes bench/results/recognition.json

On each built-in corpus: every pair of different recordings, apart for pairs of
one work and of different works, and altered copies of some recordings compared
with the original. The threshold lies between the two; how it was chosen is in
`docs/permission.md`.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray
from scipy.signal import istft, stft

from contrafact.catalog.corpora import CorpusSettings, find_corpus
from contrafact.catalog.recognition import Signature, SpectralMatcher

RESULT = Path(__file__).parent / "results" / "recognition.json"
CORPORA = ("planted", "scores")
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
    "pitch +2": lambda x, r: pitch(x, r, 2),
    "pitch -2": lambda x, r: pitch(x, r, -2),
    "pitch +0.5": lambda x, r: pitch(x, r, 0.5),
    "speed +6 %": lambda x, r: speed(x, r, 1.06),
    "speed +3 %": lambda x, r: speed(x, r, 1.03),
    "speed -6 %": lambda x, r: speed(x, r, 0.94),
    "tempo +6 %": lambda x, _: stretch(x, 1.06),
    "middle half, speed -5 %, pitch +1": lambda x, r: pitch(
        speed(middle(x), r, 0.95), r, 1
    ),
    "noise at 20 dB": lambda x, _: (
        x + 0.1 * x.std() * np.random.default_rng(0).standard_normal(len(x))
    ).astype(np.float32),
}


def measure(corpus: str, folder: Path, *, n: int, n_altered: int) -> dict[str, Any]:
    """Return similarities on one corpus of `n` recordings."""
    matcher = SpectralMatcher()
    settings = CorpusSettings(n_recordings=n, n_workers=1)
    table = find_corpus(corpus).write(folder, settings)
    with table.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    paths = [folder / row["file"] for row in rows]
    kept = [matcher.signature(path) for path in paths]
    started = time.process_time()
    found: dict[bool, list[float]] = {True: [], False: []}
    for i, j in itertools.combinations(range(n), 2):
        is_same = rows[i]["work"] == rows[j]["work"]
        found[is_same].append(matcher.similarity(kept[i], kept[j]))
    pair_s = (time.process_time() - started) / (n * (n - 1) / 2)
    step = n // n_altered
    again = _again(matcher, paths[::step], kept[::step], folder)
    threshold = matcher.threshold
    return {
        "different_works": _summary(found[False], threshold),
        "one_work_different_recordings": _summary(found[True], threshold),
        "found_again": {name: _summary(v, threshold) for name, v in again.items()},
        "seconds_a_pair": round(pair_s, 4),
    }


def _again(
    matcher: SpectralMatcher, paths: list[Path], kept: list[Signature], folder: Path
) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {name: [] for name in ("MP3", *ALTERATIONS)}
    for path, signature in zip(paths, kept, strict=True):
        samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
        mono = samples.mean(1)
        for name, values in found.items():
            copy = folder / ("altered.mp3" if name == "MP3" else "altered.wav")
            altered = mono if name == "MP3" else ALTERATIONS[name](mono, rate)
            soundfile.write(copy, np.clip(altered, -1, 1), rate)
            values.append(matcher.similarity(signature, matcher.signature(copy)))
    return found


def _summary(values: list[float], threshold: float) -> dict[str, Any]:
    if not values:
        return {"n": 0}
    return {
        "n": len(values),
        "lowest": round(min(values), 3),
        "median": round(float(np.median(values)), 3),
        "highest": round(max(values), 3),
        "n_above_threshold": sum(v >= threshold for v in values),
    }


def main() -> None:
    """Measure, print, and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recordings", type=int, default=192)
    parser.add_argument("--altered", type=int, default=24)
    parser.add_argument("--out", type=Path, default=RESULT)
    arguments = parser.parse_args()
    result: dict[str, Any] = {
        "matcher": SpectralMatcher.name,
        "threshold": SpectralMatcher.threshold,
    }
    for corpus in CORPORA:
        with tempfile.TemporaryDirectory() as folder:
            result[corpus] = measure(
                corpus,
                Path(folder),
                n=arguments.recordings,
                n_altered=arguments.altered,
            )
    text = json.dumps(result, indent=1)
    arguments.out.parent.mkdir(exist_ok=True)
    arguments.out.write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
