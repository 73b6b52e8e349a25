"""What marking costs, and how surely a stripped song is found again.

Cost: content credentials and fingerprint of a 30-second file, each against one
bare SHA-256 pass over the same file, taken in turn. Search: 60 songs of the
model that comes with the package are registered and their copies, without any
marks and altered, are looked up; so are recordings that are not in the
register: those of a corpus, and other songs of the same model from the same
prompts. Writes bench/results/marking.json.

    python bench/marking.py --work /tmp/marking
    python bench/marking.py --only-cost      # timings anew, on a quiet machine
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import platform
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import soundfile
import soxr
import torch
from numpy.typing import NDArray

from common import RESULTS, mean_interval, rate, say, write_result
from contrafact.audit.credentials import EMBEDDED, OutputClaim, sign_audio
from contrafact.audit.fingerprint import Fingerprint, fingerprint_of, search
from contrafact.audit.marking_keys import open_marking_key
from contrafact.catalog import read_audio
from contrafact.catalog.corpora import CorpusSettings, find_corpus
from contrafact.generators import Generator, load_generator
from contrafact.workflows.generate import SamplingSettings, sample_audio
from contrafact.workflows.models import SHIPPED
from contrafact.workflows.outputs import sound_of

Samples = NDArray[np.float32]
N_SONGS, N_SIBLINGS, N_RECORDINGS, N_ROUNDS = 60, 120, 512, 20
SECONDS = 10.0


def timed(run: Callable[[], object]) -> tuple[float, float]:
    """Return processor and wall milliseconds of a call."""
    wall, processor = time.perf_counter(), time.process_time()
    run()
    return (
        1000 * (time.process_time() - processor),
        1000 * (time.perf_counter() - wall),
    )


def thirty_seconds(rate_hz: int, n_channels: int) -> Samples:
    """Return 30 s of decaying tones with noise: neither silent nor constant."""
    rng = np.random.default_rng(0)
    t = np.arange(30 * rate_hz) / rate_hz
    tones = [
        np.sin(2 * np.pi * hz * t) * np.exp(-3 * ((t + i / 4) % 1))
        for i, hz in enumerate((220, 330, 440, 660))
    ]
    mono = 0.15 * np.sum(tones, axis=0)
    noise = rng.normal(0, 0.01, (n_channels, t.size))
    return (mono + noise).astype(np.float32)


def measure_cost(kind: str, rate_hz: int, n_channels: int) -> dict[str, Any]:
    """Measure credentials and fingerprint of a 30 s file against SHA-256."""
    samples = thirty_seconds(rate_hz, n_channels)
    buffer = io.BytesIO()
    soundfile.write(buffer, samples.T, rate_hz, format=kind)
    data = buffer.getvalue()
    claim = OutputClaim(output="O-0", samples_digest="0" * 64, model="m")
    with tempfile.TemporaryDirectory() as folder:
        key, _ = open_marking_key(Path(folder))
    steps: dict[str, Callable[[], object]] = {
        "sha256": lambda: hashlib.sha256(data).hexdigest(),
        "credentials": lambda: sign_audio(data, EMBEDDED[kind], claim, key),
        "sound": lambda: sound_of(samples, rate_hz),
    }
    for run in steps.values():
        run()
    times = {name: [] for name, run in steps.items()}
    for _ in range(N_ROUNDS):
        for name, run in steps.items():
            times[name].append(timed(run))
    cpu = {name: np.array([t[0] for t in ts]) for name, ts in times.items()}
    both = cpu["credentials"] + cpu["sound"]
    walls = {name: np.array([t[1] for t in ts]) for name, ts in times.items()}
    return {
        "n_bytes": len(data),
        **{f"{name}_ms": mean_interval(list(values)) for name, values in cpu.items()},
        "marking_ms": mean_interval(list(both)),
        "marking_wall_ms_median": round(
            float(np.median(walls["credentials"] + walls["sound"])), 2
        ),
        "ratio_to_sha256": round(float(both.mean() / cpu["sha256"].mean()), 1),
    }


def songs(model: Generator, prompts: list[str], *, seed: int) -> Iterator[Samples]:
    """Yield a song for each prompt."""
    for number, prompt in enumerate(prompts):
        settings = SamplingSettings(seed=seed + number, n_steps=20)
        audio = sample_audio(model, prompt, seconds=SECONDS, settings=settings)
        yield audio.numpy()
        say(f"songs from seed {seed}", number + 1, len(prompts))


def coded(samples: Samples, rate_hz: int, codec: str, bits: int) -> Samples:
    """Return a sound after lossy coding, decoded again; `(1, time)`."""
    names = {"libmp3lame": "mp3", "aac": "mp4", "libopus": "ogg"}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"a.{names[codec]}"
        with av.open(str(path), "w", format=names[codec]) as container:
            stream = container.add_stream(codec, rate=rate_hz)
            stream.bit_rate, stream.layout = bits, "mono"
            frame = av.AudioFrame.from_ndarray(
                np.ascontiguousarray(samples[:1]), format="fltp", layout="mono"
            )
            frame.sample_rate = rate_hz
            resampler = av.AudioResampler(
                format=stream.codec_context.format or "fltp",
                layout="mono",
                rate=rate_hz,
                frame_size=stream.codec_context.frame_size or None,
            )
            for part in [*resampler.resample(frame), *resampler.resample(None)]:
                container.mux(stream.encode(part))
            container.mux(stream.encode(None))
        return read_audio(path).samples


def altered(samples: Samples, rate_hz: int) -> Iterator[tuple[str, Samples, int]]:
    """Yield what may happen to a song: name, samples, rate."""
    at_44 = soxr.resample(samples.T, rate_hz, 44_100).T.astype(np.float32)
    at_48 = soxr.resample(samples.T, rate_hz, 48_000).T.astype(np.float32)
    cut = samples[:, 2 * rate_hz + 137 : -3 * rate_hz]
    yield "stripped", samples, rate_hz
    yield "gain -9 dB", 0.355 * samples, rate_hz
    yield "resampled to 44.1 kHz", at_44, 44_100
    yield "resampled to 8 kHz", soxr.resample(samples.T, rate_hz, 8_000).T, 8_000
    yield "trimmed to 5 s", cut, rate_hz
    yield "MP3 64 kbit/s", coded(at_44, 44_100, "libmp3lame", 64_000), 44_100
    yield "MP3 32 kbit/s", coded(at_44, 44_100, "libmp3lame", 32_000), 44_100
    yield "AAC 64 kbit/s", coded(at_44, 44_100, "aac", 64_000), 44_100
    yield "Opus 24 kbit/s", coded(at_48, 48_000, "libopus", 24_000), 48_000
    loud = np.clip(2.0 * at_44[:, 2 * 44_100 + 999 : -3 * 44_100], -1, 1)
    everything = coded(loud, 44_100, "libmp3lame", 64_000)
    yield "trimmed, +6 dB clipped, 44.1 kHz, MP3 64", everything, 44_100


def measure_search(work: Path) -> dict[str, Any]:
    """Register songs, and look up altered copies and other recordings."""
    torch.set_num_threads(1)
    settings = CorpusSettings(n_recordings=N_RECORDINGS)
    corpus = work / "corpus"
    find_corpus("scores").write(corpus, settings)
    captions = _captions(corpus)
    model = load_generator(SHIPPED)
    prompts = [captions[i * len(captions) // N_SONGS] for i in range(N_SONGS)]
    made = list(songs(model, prompts, seed=0))
    known = [fingerprint_of(song, model.sample_rate) for song in made]
    found: dict[str, list[bool]] = {}
    errors: dict[str, list[float]] = {}
    for number, song in enumerate(made):
        for name, samples, rate_hz in altered(song, model.sample_rate):
            seen = search(fingerprint_of(samples, rate_hz), known)
            is_right = bool(seen) and seen[0].number == number
            found.setdefault(name, []).append(is_right)
            errors.setdefault(name, []).extend([seen[0].errors] if is_right else [])
        say("looking up copies", number + 1, len(made))
    others = songs(model, prompts * (N_SIBLINGS // N_SONGS), seed=10_000)
    siblings = (fingerprint_of(song, model.sample_rate) for song in others)
    return {
        "n_registered": len(known),
        "seconds": SECONDS,
        "found": {
            name: {
                **rate(hits),
                "bits_wrong": round(float(np.mean(errors[name] or [1.0])), 3),
            }
            for name, hits in found.items()
        },
        "false_matches": {
            "recordings of the corpus": false_matches(_recordings(corpus), known),
            "songs of the same model and prompt": false_matches(siblings, known),
        },
        "search_ms": _search_cost(known),
    }


def _captions(corpus: Path) -> list[str]:
    import csv

    with (corpus / "metadata.csv").open(encoding="utf-8", newline="") as file:
        return sorted({row["caption"] for row in csv.DictReader(file)})


def _recordings(corpus: Path) -> Iterator[Fingerprint]:
    paths = sorted(corpus.rglob("*.flac"))
    for number, path in enumerate(paths):
        audio = read_audio(path)
        yield fingerprint_of(audio.samples, audio.sample_rate)
        say("other recordings", number + 1, len(paths))


def false_matches(
    queries: Iterable[Fingerprint], known: list[Fingerprint]
) -> dict[str, Any]:
    """Return how many queries that are none of the known ones are taken for one."""
    return rate([bool(search(query, known)) for query in queries])


def _search_cost(known: list[Fingerprint]) -> dict[str, float]:
    many = (known * (1000 // len(known) + 1))[:1000]
    return {
        f"{n}_songs": round(timed(lambda n=n: search(known[0], many[:n]))[0], 1)
        for n in (60, 1000)
    }


def measure_costs() -> dict[str, Any]:
    """Measure the cost of marking 30 s of every kind of file."""
    return {
        "WAV, 44.1 kHz stereo": measure_cost("WAV", 44_100, 2),
        "FLAC, 44.1 kHz stereo": measure_cost("FLAC", 44_100, 2),
        "MP3, 44.1 kHz stereo": measure_cost("MP3", 44_100, 2),
        "FLAC, 16 kHz mono": measure_cost("FLAC", 16_000, 1),
    }


def main() -> None:
    """Measure, print, and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--work", type=Path, help="folder for the corpus; kept")
    parser.add_argument(
        "--only-cost", action="store_true", help="leave what was found as it is"
    )
    given = parser.parse_args()
    result: dict[str, Any] = {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "cost_of_30_s": measure_costs(),
    }
    if given.only_cost:
        earlier = RESULTS / "marking.json"
        result["search"] = json.loads(earlier.read_text(encoding="utf-8"))["search"]
    else:
        with tempfile.TemporaryDirectory() as name:
            result["search"] = measure_search(given.work or Path(name))
    write_result("marking", result)


if __name__ == "__main__":
    main()
