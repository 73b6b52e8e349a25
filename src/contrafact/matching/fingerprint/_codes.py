"""Codes of 32 bits, eight a second: what two seconds sound like as they are.

Each bit says whether a difference between areas of a picture of the sound, bands
and pitch classes against time, is above its median. Codes survive noise and rooms
that hide the peaks, but no change of pitch, and hardly one of tempo. The areas were
chosen by `bench/matching/choose_codes.py`, which wrote `codes.json`.

References:
    Haitsma and Kalker, "A highly robust audio fingerprinting system", ISMIR 2002,
    for codes and for flipping their least certain bits; Ke, Hoiem and Sukthankar,
    "Computer vision for music identification", CVPR 2005, for choosing areas.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter1d

from contrafact.matching.fingerprint._spectrum import PER_SEMITONE, Map

__all__ = [
    "FRAMES_PER_CODE",
    "N_BITS",
    "WIDTH",
    "Area",
    "Codes",
    "codes_of",
    "kernel",
    "picture",
]

FRAMES_PER_CODE = 4
N_BITS = 32
WIDTH = 16
"""Steps of the picture that a code is of."""
_SMOOTH = 8  # frames
_BAND = 3 * PER_SEMITONE  # bins
_N_BANDS, _N_CLASSES = 19, 12
_FLOORS = (0.02, 0.05)  # of the mean over bands and over pitch classes
_SILENCE = 1e-4
_HEARD = 3e-3  # mean amplitude of a bin, below which there is nothing to be coded


@dataclass(frozen=True, slots=True)
class Area:
    """What a bit compares: one part of a rectangle with the rest of it.

    Attributes:
        kind: 0 for its mean, 1 for its halves in time, 2 for those in height, 3
            for both, like a chess board; 4 and 5 for the middle third in time or
            height and the outer ones.
        low: Lowest row of the picture: bands from 0, pitch classes from 19.
        height: Rows.
        width: Steps, in the middle of the `WIDTH`.
    """

    kind: int
    low: int
    height: int
    width: int


@dataclass(frozen=True, slots=True)
class Codes:
    """Codes of a piece of audio, the first of frame 0.

    Attributes:
        value: `(n,)`, uint32; the bit of the first area is the highest.
        margin: How far each bit is from flipping, `(n, N_BITS)`.
        is_heard: Where there is more than silence.
    """

    value: NDArray[np.uint32]
    margin: NDArray[np.float32]
    is_heard: NDArray[np.bool_]


def picture(power: Map) -> Map:
    """Return levels of bands and pitch classes, `(n_steps, 31)`, means taken off."""
    sizes = uniform_filter1d(np.sqrt(power), _SMOOTH, axis=0, mode="nearest")
    sizes = sizes[::FRAMES_PER_CODE]
    bands = sizes.reshape(len(sizes), _N_BANDS, _BAND).mean(2)
    semitones = sizes.reshape(len(sizes), -1, PER_SEMITONE).sum(2)
    classes = np.stack([semitones[:, i::_N_CLASSES].sum(1) for i in range(12)], 1)
    parts = []
    for part, floor in zip((bands, classes), _FLOORS, strict=True):
        level = np.log(part + floor * part.mean(1, keepdims=True) + _SILENCE)
        parts.append(level - level.mean(1, keepdims=True))
    return np.concatenate(parts, axis=1, dtype=np.float32)


def kernel(area: Area) -> NDArray[np.float32]:
    """Return what the picture is multiplied with, `(WIDTH, 31)`."""
    pattern = _PATTERNS[area.kind](area.width, area.height)
    found = np.zeros((WIDTH, _N_BANDS + _N_CLASSES), np.float32)
    first = (WIDTH - area.width) // 2
    rows = slice(area.low, area.low + area.height)
    found[first : first + area.width, rows] = pattern
    return found


def _halves(n: int) -> NDArray[np.float64]:
    return np.where(np.arange(n) < n // 2, 1.0 / (n // 2), -1.0 / (n - n // 2))


def _thirds(n: int) -> NDArray[np.float64]:
    side = n // 3
    is_inner = (np.arange(n) >= side) & (np.arange(n) < n - side)
    return np.where(is_inner, 1.0 / (n - 2 * side), -0.5 / side)


def _flat(n: int) -> NDArray[np.float64]:
    return np.full(n, 1.0 / n)


_PATTERNS = (
    lambda width, height: np.outer(_flat(width), _flat(height)),
    lambda width, height: np.outer(_halves(width), _flat(height)),
    lambda width, height: np.outer(_flat(width), _halves(height)),
    lambda width, height: np.outer(_halves(width), _halves(height)),
    lambda width, height: np.outer(_thirds(width), _flat(height)),
    lambda width, height: np.outer(_flat(width), _thirds(height)),
)


@dataclass(frozen=True, slots=True)
class _Chosen:
    kernels: NDArray[np.float32]
    middle: NDArray[np.float32]
    spread: NDArray[np.float32]


@cache
def _chosen() -> _Chosen:
    path = resources.files(__package__).joinpath("codes.json")
    areas = json.loads(path.read_text(encoding="utf-8"))["areas"]
    kernels = [kernel(Area(*one["area"])).ravel() for one in areas]
    return _Chosen(
        kernels=np.stack(kernels, 1),
        middle=np.array([one["middle"] for one in areas], np.float32),
        spread=np.array([one["spread"] for one in areas], np.float32),
    )


def codes_of(power: Map) -> Codes:
    """Return the codes of a sound, one for every whole four frames.

    The last are of less than two seconds, the end being repeated.

    Args:
        power: As `power_map` returns it.
    """
    n = len(power) // FRAMES_PER_CODE
    if n == 0:
        nothing = np.zeros((0, N_BITS), np.float32)
        return Codes(np.zeros(0, np.uint32), nothing, np.zeros(0, bool))
    chosen = _chosen()
    seen = np.pad(picture(power), ((0, WIDTH), (0, 0)), mode="edge")
    cut = np.lib.stride_tricks.sliding_window_view(seen, WIDTH, axis=0)[:n]
    response = cut.transpose(0, 2, 1).reshape(n, -1) @ chosen.kernels - chosen.middle
    weight = np.uint32(1) << np.arange(N_BITS, dtype=np.uint32)[::-1]
    value = np.where(response > 0, weight, np.uint32(0)).sum(1, dtype=np.uint32)
    level = np.sqrt(power[: n * FRAMES_PER_CODE : FRAMES_PER_CODE].mean(1))
    return Codes(value, np.abs(response) / chosen.spread, level > _HEARD)
