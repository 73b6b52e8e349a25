"""What happens to a marked recording: the attacks, by name.

Those of RAW-Bench, and what it leaves out: Opus, pitch, speed, cropping,
mixing, separation into parts, codecs nobody trained against. The strengths are
fixed here and were chosen before anything was measured.

References:
    Özer et al., "A comprehensive real-world assessment of audio watermarking
    algorithms: will they survive neural codecs?", Interspeech 2025 (RAW-Bench).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import numpy as np
import sound
from numpy.typing import NDArray
from scipy import signal

Samples = NDArray[np.float32]


@dataclass(frozen=True)
class Scene:
    """A sound under attack, and what the attack may use.

    Attributes:
        samples: `(channel, time)`.
        other: Another recording at the same rate, as long or longer.
        rng: The same for the same recording and attack.
    """

    samples: Samples
    rate: int
    other: Samples
    rng: np.random.Generator


@dataclass(frozen=True)
class Attack:
    """One attack.

    Attributes:
        group: The family it is listed under.
        keeps_time: Whether what comes out can be compared sample by sample.
        is_extra: Whether RAW-Bench lacks it.
    """

    name: str
    group: str
    run: Callable[[Scene], Samples]
    keeps_time: bool = True
    is_extra: bool = False


def _noise(scene: Scene, decibels: float, colour: str = "white") -> Samples:
    noise = scene.rng.normal(0, 1, scene.samples.shape)
    if colour == "room":
        # Pink, with the hum of the mains.
        spectrum = np.fft.rfft(noise, axis=1)
        spectrum /= np.sqrt(np.maximum(np.arange(spectrum.shape[1]), 1.0))
        noise = np.fft.irfft(spectrum, noise.shape[1], axis=1)
        t = np.arange(noise.shape[1]) / scene.rate
        hum = sum(np.sin(2 * np.pi * 50 * k * t) / k for k in (1, 2, 3, 4))
        noise = noise / noise.std() + 0.3 * hum
    wanted = scene.samples.std() * 10 ** (-decibels / 20)
    return scene.samples + (noise * wanted / noise.std()).astype(np.float32)


def _reverb(scene: Scene, rt60_s: float) -> Samples:
    n = round(rt60_s * scene.rate)
    tail = scene.rng.normal(0, 1, n) * 10 ** (-3 * np.arange(n) / n)
    tail[: round(0.005 * scene.rate)] = 0.0
    response = tail * 0.5 / np.sqrt((tail**2).sum())
    response[0] = 1.0
    wet = signal.fftconvolve(scene.samples, response[None], axes=1)
    return _level(wet[:, : scene.samples.shape[1]], scene.samples)


def _level(samples: NDArray, like: Samples) -> Samples:
    return (samples * like.std() / (samples.std() + 1e-12)).astype(np.float32)


def _dynamics(scene: Scene, kind: str) -> Samples:
    if kind == "limiter":
        pushed = 2.0 * scene.samples / np.abs(scene.samples).max()
        seen = sound.followed(pushed, scene.rate, up_ms=0.5, down_ms=80)
        return (pushed * 10 ** (-np.maximum(seen, 0.0) / 20)).clip(-1, 1)
    seen = sound.followed(scene.samples, scene.rate, up_ms=5, down_ms=100)
    threshold = np.quantile(seen, 0.5)
    if kind == "compressor":
        change = -0.75 * np.maximum(seen - threshold, 0.0)
    else:
        change = -1.0 * np.maximum(threshold - seen, 0.0)
    return (scene.samples * 10 ** (change / 20)).astype(np.float32)


def _equaliser(scene: Scene) -> Samples:
    """Change each of the 24 Bark bands by up to 6 dB."""
    decibels = scene.rng.uniform(-6, 6, 24)

    def change(spectra: NDArray) -> NDArray:
        hz = np.linspace(0, scene.rate / 2, len(spectra))
        bark = 13 * np.arctan(0.00076 * hz) + 3.5 * np.arctan((hz / 7500) ** 2)
        gain = np.interp(bark, np.arange(24) + 0.5, decibels)
        return spectra * 10 ** (gain / 20)[:, None]

    return sound.by_spectra(scene.samples, change)


def _quantised(scene: Scene, n_bits: int) -> Samples:
    half = 2 ** (n_bits - 1)
    return (np.round(scene.samples * half) / half).astype(np.float32)


def _phase(scene: Scene) -> Samples:
    """Turn all phases by a quarter."""
    turned = np.imag(signal.hilbert(scene.samples, axis=1))
    return turned.astype(np.float32)


def _jitter(scene: Scene) -> Samples:
    """Read each sample up to half a sample too early or late, and drift slowly."""
    n = scene.samples.shape[1]
    t = np.arange(n)
    drift = 0.001 / (2 * np.pi * 0.5) * scene.rate * np.sin(np.pi * t / scene.rate)
    places = t + drift + scene.rng.uniform(-0.5, 0.5, n)
    return np.stack([np.interp(places, t, c) for c in scene.samples]).astype(np.float32)


def _cropped(scene: Scene, seconds: float) -> Samples:
    n = round(seconds * scene.rate)
    start = int(scene.rng.integers(0, max(1, scene.samples.shape[1] - n)))
    return scene.samples[:, start : start + n]


def _mixed(scene: Scene, decibels: float) -> Samples:
    n = scene.samples.shape[1]
    other = np.tile(scene.other, (1, -(-n // scene.other.shape[1])))[:, :n]
    level = scene.samples.std() / (other.std() + 1e-9) * 10 ** (-decibels / 20)
    return scene.samples + level * other


def _resampled(scene: Scene, rate: int) -> Samples:
    low = sound.resampled(scene.samples, scene.rate, rate)
    return sound.resampled(low, rate, scene.rate)[:, : scene.samples.shape[1]]


@lru_cache(maxsize=1)
def _studio() -> Any:
    from contrafact.generators.studio.generator import shipped_codec

    return shipped_codec()


def _neural(scene: Scene) -> Samples:
    """Pass through the codec of the studio, 64 numbers for 128 ms."""
    import torch

    at_16 = sound.resampled(scene.samples, scene.rate, 16_000)
    with torch.no_grad():
        codec = _studio()
        again = codec.decode(codec.encode(torch.from_numpy(at_16))).numpy()
    made = sound.resampled(again[:, : at_16.shape[1]], 16_000, scene.rate)
    return made[:, : scene.samples.shape[1]]


def _coded(scene: Scene, codec: str, kbit: int) -> Samples:
    made = sound.coded(scene.samples, scene.rate, codec, 1000 * kbit)
    return made[:, : scene.samples.shape[1]]


def _chain(scene: Scene) -> Samples:
    """Transpose, mix in noise, crop and encode, one after the other."""
    samples = sound.transposed(scene.samples, scene.rate, 1.0)
    noisy = _noise(Scene(samples, scene.rate, scene.other, scene.rng), 25)
    cut = _cropped(Scene(noisy, scene.rate, scene.other, scene.rng), 8.0)
    return sound.coded(cut, scene.rate, "libmp3lame", 64_000)


def _all() -> list[Attack]:
    found = [Attack("none", "none", lambda s: s.samples)]
    found += [
        Attack(f"noise, Gaussian, {d} dB", "noise", partial(_noise, decibels=d))
        for d in (40, 30, 20)
    ]
    found += [
        Attack(
            f"noise, room, {d} dB", "noise", partial(_noise, decibels=d, colour="room")
        )
        for d in (30, 20)
    ]
    found += [Attack("reverb, 0.5 s", "room", partial(_reverb, rt60_s=0.5))]
    found += _codecs() + _treatments()
    return found + _times() + _parts()


def _codecs() -> list[Attack]:
    codec = partial(Attack, group="codec")
    return [
        codec("MP3 64 kbit/s", run=partial(_coded, codec="libmp3lame", kbit=64)),
        codec("AAC 64 kbit/s", run=partial(_coded, codec="aac", kbit=64)),
        codec(
            "Vorbis 48 kbit/s",
            run=lambda s: sound.vorbis(s.samples, s.rate, 0.95),
        ),
        codec(
            "Opus 32 kbit/s",
            run=partial(_coded, codec="libopus", kbit=32),
            is_extra=True,
        ),
        codec(
            "Opus 16 kbit/s",
            run=partial(_coded, codec="libopus", kbit=16),
            is_extra=True,
        ),
        codec(
            "unknown: WMA 48 kbit/s",
            run=partial(_coded, codec="wmav2", kbit=48),
            is_extra=True,
        ),
        Attack("neural: studio codec", "made anew", _neural),
        Attack(
            "unknown: mel vocoder",
            "made anew",
            lambda s: sound.mel_vocoder(s.samples, s.rate),
            is_extra=True,
        ),
    ]


def _treatments() -> list[Attack]:
    found = [
        Attack(kind, "dynamics", partial(_dynamics, kind=kind))
        for kind in ("compressor", "expander", "limiter")
    ]
    found += [Attack("equaliser, Bark bands ±6 dB", "filter", _equaliser)]
    found += [
        Attack(
            f"{kind} {hz} Hz",
            "filter",
            lambda s, k=kind, f=hz: sound.filtered(s.samples, s.rate, k, f),
        )
        for kind, hz in (("highpass", 500), ("lowpass", 3500))
    ]
    found += [
        Attack("gain -12 dB", "waveform", lambda s: 0.25 * s.samples),
        Attack("polarity", "waveform", lambda s: -s.samples),
        Attack("phase, a quarter turn", "waveform", _phase),
        Attack("12 bits", "waveform", partial(_quantised, n_bits=12)),
        Attack("resampled to 8 kHz", "waveform", partial(_resampled, rate=8000)),
        Attack("time jitter", "time", _jitter, keeps_time=False),
    ]
    return found


def _times() -> list[Attack]:
    timed = partial(Attack, group="time", keeps_time=False)
    found = [
        timed(f"stretch {f}", run=lambda s, f=f: sound.stretched(s.samples, f))
        for f in (0.75, 0.9, 1.1, 1.25)
    ]
    found += [
        timed(
            f"pitch {n:+d} semitones",
            run=lambda s, n=n: sound.transposed(s.samples, s.rate, n),
            is_extra=True,
        )
        for n in (-4, -2, -1, 1, 2, 4)
    ]
    return found + [
        timed(
            f"speed {f}",
            run=lambda s, f=f: sound.sped_up(s.samples, s.rate, f),
            is_extra=True,
        )
        for f in (0.85, 0.97, 1.03, 1.15)
    ]


def _parts() -> list[Attack]:
    extra = partial(Attack, is_extra=True)
    found = [
        extra(
            f"cropped to {s} s",
            "cut",
            partial(_cropped, seconds=s),
            keeps_time=False,
        )
        for s in (8, 6, 4)
    ]
    found += [
        extra(f"mixed with music at {-d} dB", "mix", partial(_mixed, decibels=d))
        for d in (10, 0)
    ]
    found += [
        extra(
            f"separated: {part}",
            "mix",
            lambda s, p=part: sound.separated(s.samples, s.rate, p),
        )
        for part in ("harmonic", "percussive")
    ]
    return [
        *found,
        extra("+1 semitone, noise, 8 s, MP3", "chain", _chain, keeps_time=False),
    ]


ATTACKS: tuple[Attack, ...] = tuple(_all())
"""Every attack, in the order they are listed in."""
