"""Train the shipped codec, and measure how well it keeps what it is given.

    python bench/codec.py train      # writes the weights that are committed
    python bench/codec.py measure    # writes bench/results/codec.json

Training uses rendered scores and planted music. A tenth of the works, chosen
by a digest of their title, is never trained on and is what gets measured.
The figure is the bit error of Chromaprint fingerprints (`fpcalc` must be
installed) between a recording and its reconstruction.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import soundfile
import torch

from contrafact.catalog import read_audio
from contrafact.catalog.corpora import CORPORA, CorpusSettings
from contrafact.generators.studio.codec import CodecConfig
from contrafact.generators.studio.codec_training import CodecTraining, train_codec
from contrafact.generators.studio.generator import WEIGHTS, save_codec, shipped_codec

RESULTS = Path(__file__).parent / "results"
PARTS = {"scores": 1500, "planted": 512}


def is_held_out(work: str) -> bool:
    """Tell whether a work is kept for measuring, one in ten."""
    return hashlib.sha256(work.encode()).digest()[0] < 26


def recordings(folder: Path, *, held_out: bool) -> list[torch.Tensor]:
    """Render both corpora and return the recordings of one side."""
    found = []
    for name, count in PARTS.items():
        settings = CorpusSettings(n_recordings=count, seed=7)
        table = CORPORA[name].write(folder / name, settings)
        with table.open(newline="") as file:
            rows = list(csv.DictReader(file))
        for row in rows:
            if is_held_out(row["work"]) == held_out:
                audio, _ = soundfile.read(folder / name / row["file"], dtype="float32")
                found.append(torch.from_numpy(audio))
    return found


def train(folder: Path) -> None:
    """Train the codec and write it to the package."""
    settings = CodecTraining()
    losses: list[float] = []

    def report(step: int, loss: float) -> None:
        losses.append(loss)
        if step % 100 == 99:
            print(f"step {step + 1}: loss {np.mean(losses[-100:]):.4f}", flush=True)

    torch.set_num_threads(1)
    audio = recordings(folder, held_out=False)
    save_codec(train_codec(audio, CodecConfig(), settings, on_step=report), WEIGHTS)


def fingerprint(audio: np.ndarray) -> np.ndarray:
    """Return the raw Chromaprint fingerprint, one 32-bit word a frame."""
    with tempfile.NamedTemporaryFile(suffix=".wav") as file:
        soundfile.write(file.name, audio, 16_000, subtype="PCM_16")
        command = ["fpcalc", "-raw", "-json", "-signed", "-length", "600", file.name]
        # Some builds end with status 3 after reading to the end of a file.
        done = subprocess.run(command, capture_output=True, check=False, text=True)
    return np.array(json.loads(done.stdout)["fingerprint"], dtype=np.int32)


def bit_error(one: np.ndarray, other: np.ndarray) -> float:
    """Return the part of fingerprint bits that differ, in [0, 1]."""
    n_frames = min(len(one), len(other))
    differing = (one[:n_frames] ^ other[:n_frames]).view(np.uint8)
    return float(np.unpackbits(differing).mean())


def measure_one(codec, audio: torch.Tensor) -> float:
    """Return the bit error of one recording's reconstruction."""
    again = codec.decode(codec.encode(audio[None]))[0, : len(audio)]
    return bit_error(fingerprint(audio.numpy()), fingerprint(again.numpy()))


def interval(values: list[float]) -> list[float]:
    """Return the 90 % bootstrap interval of the median."""
    rng = np.random.default_rng(0)
    draws = rng.choice(values, (2000, len(values)))
    return [float(q) for q in np.quantile(np.median(draws, axis=1), [0.05, 0.95])]


def measure(folder: Path, real: Path | None) -> None:
    """Measure held-out recordings, and a folder of the user's if given."""
    codec = shipped_codec()
    sets = {"held-out works": recordings(folder, held_out=True)}
    if real is not None:
        paths = sorted(p for p in real.rglob("*") if p.suffix in {".opus", ".flac"})
        sets["real recordings"] = [
            torch.from_numpy(
                read_audio(p, sample_rate=16_000, duration_s=20.0).samples[0]
            )
            for p in paths
        ]
    result = {}
    with torch.no_grad():
        for name, audio in sets.items():
            loud = [a for a in audio if len(a) > 5 * 16_000 and a.abs().max() > 0.01]
            errors = [measure_one(codec, a) for a in loud]
            result[name] = {
                "n": len(errors),
                "median_bit_error": float(np.median(errors)),
                "interval_90": interval(errors),
            }
    RESULTS.mkdir(exist_ok=True)
    text = json.dumps(result, indent=1)
    (RESULTS / "codec.json").write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["train", "measure"])
    parser.add_argument("--folder", type=Path, default=Path("build/codec"))
    parser.add_argument("--real", type=Path, default=None)
    chosen = parser.parse_args()
    if chosen.what == "train":
        train(chosen.folder)
    else:
        measure(chosen.folder, chosen.real)
