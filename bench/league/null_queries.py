"""Songs that no artist of the corpus shaped, of kinds that calibrated nothing.

What `contrafact` calibrates abstention on are the sounds of `null_signals` and the
corpus's own recordings. Here is something else: sounds like speech, other noise,
music of synthetic artists never trained on, songs of the network before training,
and, where a folder is given, recordings made by people elsewhere.
"""

from __future__ import annotations

import csv
import math
import random
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor
from world import World

from common import SAMPLING
from contrafact.attribution.base import Queries
from contrafact.catalog import read_audio
from contrafact.catalog.corpora import CorpusSettings, find_corpus
from contrafact.core.errors import AudioError
from contrafact.generators import LatentBatch

__all__ = ["null_queries"]

_SECONDS = 8.0
_PLANTED = 24  # recordings; the corpus has as many artists
_VOWELS = ((730, 1090, 2440), (270, 2290, 3010), (530, 1840, 2480), (300, 870, 2240))


def null_queries(
    world: World, folder: Path, count: int, audio: Path | None
) -> dict[str, list[Queries]]:
    """Return queries by family, `count` each.

    Args:
        world: Model and codec.
        folder: Where corpora are rendered.
        count: Of each family.
        audio: A folder of recordings with a `MANIFEST.csv`; None for no such family.
    """
    rate = world.generator.sample_rate
    n_samples = int(_SECONDS * rate)
    sounds = {
        "speech_like": [_speech(n_samples, rate, seed) for seed in range(count)],
        "noise": [_gated_noise(n_samples, seed) for seed in range(count)],
        "artists_never_trained_on": list(_planted(folder, count, rate)),
    }
    if audio is not None:
        sounds["recordings_from_elsewhere"] = list(_elsewhere(audio, count, rate))
    found = {k: [_asked(world, x, "") for x in rows] for k, rows in sounds.items()}
    found["songs_of_an_untrained_network"] = _untrained(world, count)
    return found


def _asked(world: World, sound: Tensor, prompt: str) -> Queries:
    latents = world.generator.encode(sound[None, None])
    latents = latents[..., : world.generator.max_tokens]
    return Queries(LatentBatch.stack([latents[0]]), (prompt,))


def _speech(n_samples: int, rate: int, seed: int) -> Tensor:
    """Pulses of a voice through the formants of vowels, in syllables."""
    rng = torch.Generator().manual_seed(40_000 + seed)
    time = torch.arange(n_samples) / rate
    base = 90 + 140 * float(torch.rand((), generator=rng))
    wave = torch.randn(n_samples, generator=rng).cumsum(0) / n_samples**0.5
    phase = (base * (1 + 0.15 * wave)).double().cumsum(0) / rate
    pulses = (phase.floor().diff(prepend=phase[:1].floor()) > 0).float()
    pulses += 0.02 * torch.randn(n_samples, generator=rng)
    length = int(rate * (0.12 + 0.12 * float(torch.rand((), generator=rng))))
    parts = []
    for start in range(0, n_samples, length):
        part = pulses[start : start + length]
        which = int(torch.randint(len(_VOWELS), (), generator=rng))
        parts.append(_formants(part, rate, _VOWELS[which]))
    swell = torch.sin(math.pi * (torch.arange(n_samples) % length) / length)
    pause = (torch.sin(2 * math.pi * 0.4 * time) > -0.6).float()
    return _levelled(torch.cat(parts) * swell * pause)


def _formants(part: Tensor, rate: int, peaks: tuple[int, ...]) -> Tensor:
    spectrum = torch.fft.rfft(part)
    pitch = torch.linspace(0, rate / 2, len(spectrum))
    gain = sum(
        torch.exp(-(((pitch - f) / 120) ** 2)) / (1 + i) for i, f in enumerate(peaks)
    )
    return torch.fft.irfft(spectrum * gain, len(part))


def _gated_noise(n_samples: int, seed: int) -> Tensor:
    """Noise that rises with frequency, cut into bursts."""
    rng = torch.Generator().manual_seed(50_000 + seed)
    noise = torch.randn(n_samples + 1, generator=rng).diff()
    length = 400 + int(torch.randint(8000, (), generator=rng))
    gates = (torch.rand(n_samples // length + 1, generator=rng) < 0.6).float()
    gates[0] = 1.0
    return _levelled(noise * gates.repeat_interleave(length)[:n_samples])


def _levelled(sound: Tensor) -> Tensor:
    return (0.1 * sound / sound.square().mean().sqrt().clamp_min(1e-9)).clamp(-1, 1)


def _planted(folder: Path, count: int, rate: int) -> Iterator[Tensor]:
    """Yield recordings of the other built-in corpus, whose artists are others."""
    source = folder / f"planted-null-{max(_PLANTED, count)}"
    settings = CorpusSettings(n_recordings=max(_PLANTED, count))
    table = find_corpus("planted").write(source, settings)
    with Path(table).open(newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows[:count]:
        yield _mono(source / row["file"], rate)


def _elsewhere(audio: Path, count: int, rate: int) -> Iterator[Tensor]:
    """Yield recordings of a folder, each of another group, chosen by a seed."""
    with (audio / "MANIFEST.csv").open(newline="") as file:
        rows = [r for r in csv.DictReader(file) if not r["generator"]]
    rows = [r for r in rows if float(r["duration_s"] or 0) >= 2 * _SECONDS]
    random.Random(7).shuffle(rows)
    collections = sorted({r["collection"] for r in rows})
    queues = {c: [r for r in rows if r["collection"] == c] for c in collections}
    n_given = 0
    while n_given < count and any(queues.values()):
        for queue in queues.values():
            if queue and n_given < count:
                try:
                    yield _mono(audio / queue.pop()["file"], rate, start_s=5.0)
                except AudioError:
                    continue
                n_given += 1


def _mono(path: Path, rate: int, *, start_s: float = 0.0) -> Tensor:
    found = read_audio(path, sample_rate=rate, start_s=start_s, duration_s=_SECONDS)
    sound = torch.from_numpy(found.samples)
    return sound.mean(0) if sound.ndim > 1 else sound


def _untrained(world: World, count: int) -> list[Queries]:
    """Return songs of the network as it was before training, prompts in turn."""
    songs = [q for q in world.queries.queries if q.kind in ("named", "unnamed")]
    prompts = [songs[i * len(songs) // count].prompt for i in range(count)]
    with world.generator.untrained(world.record.seed):  # type: ignore[attr-defined]
        batch = world.generator.sample(
            prompts, n_tokens=[64] * count, seed=909, **SAMPLING
        )
    audio = world.generator.decode(batch.latents)
    peak = audio.abs().amax((1, 2), keepdim=True).clamp_min(1.0)
    latents = world.generator.encode(audio / peak)
    return [
        Queries(LatentBatch.stack([row]), (prompt,))
        for row, prompt in zip(latents, prompts, strict=True)
    ]
