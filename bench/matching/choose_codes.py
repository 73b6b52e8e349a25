"""Choose the areas that codes compare, on the half of works for tuning.

    python bench/matching/choose_codes.py [--audio DIR]

Writes `codes.json` of the package. Of some thousand areas drawn at random, 32 are
taken one after the other: the one whose bit is altered least by noise, rooms,
filters and codecs, among those that are balanced, change often enough, and are
not too much like one taken before.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import soxr
from fingerprint import KEPT, gather
from numpy.typing import NDArray
from recordings import RATE, Piece, read_piece
from transforms import codec, equalise, low_pass, noise, reverb

from contrafact.catalog.atomic import write_json
from contrafact.matching.fingerprint import SAMPLE_RATE, _codes
from contrafact.matching.fingerprint._codes import (
    FRAMES_PER_CODE,
    N_BITS,
    WIDTH,
    Area,
    kernel,
    picture,
)
from contrafact.matching.fingerprint._spectrum import HOP, power_map

Bits = NDArray[np.bool_]
RESULT = Path(_codes.__file__).with_name("codes.json")
DONE = (
    (0.4, lambda x, r: noise(x, r, snr_db=0)),
    (0.3, reverb),
    (0.2, equalise),
    (0.05, lambda x, _: codec(x, "mp3", 32_000)),
    (0.05, lambda x, _: low_pass(x, 2_000)),
)
_QUERY_S, _BEFORE = 8, 4
_WIDTHS = (1, 2, 3, 4, 6, 8, 12, 16)
_LEAST_CHANGES, _MOST_ALIKE = 0.04, 0.3


def areas(n: int, rng: np.random.Generator) -> list[Area]:
    """Return areas drawn at random."""
    found: dict[Area, None] = {}
    while len(found) < n:
        low, high = ((0, 19), (19, 31))[rng.integers(2)]
        height = int(rng.integers(1, high - low + 1))
        area = Area(
            kind=int(rng.integers(6)),
            low=int(rng.integers(low, high - height + 1)),
            height=height,
            width=int(rng.choice(_WIDTHS)),
        )
        least = {1: (2, 1), 2: (1, 2), 3: (2, 2), 4: (3, 1), 5: (1, 3)}
        width, height = least.get(area.kind, (1, 1))
        if area.width >= width and area.height >= height:
            found[area] = None
    return list(found)


def responses(
    sound: NDArray[np.float32], kernels: NDArray[np.float32], first: int
) -> NDArray[np.float32]:
    """Return what areas compare to, `(n_steps, n_areas)`, from a step on."""
    power = power_map(np.asarray(soxr.resample(sound, RATE, SAMPLE_RATE), np.float32))
    seen = picture(power)
    cut = np.lib.stride_tricks.sliding_window_view(seen, WIDTH, axis=0)
    flat = cut.transpose(0, 2, 1).reshape(len(cut), -1)[first:]
    n = (_QUERY_S * SAMPLE_RATE // HOP) // FRAMES_PER_CODE - WIDTH - 1
    return np.asarray((flat @ kernels)[:n], np.float32)


def heard(
    pieces: list[Piece], kernels: NDArray[np.float32], rng: np.random.Generator
) -> tuple[NDArray[np.float32], list[NDArray[np.float32]]]:
    """Return responses of excerpts as they are, and with each thing done to them."""
    step = FRAMES_PER_CODE * HOP * RATE // SAMPLE_RATE
    clean: list[NDArray[np.float32]] = []
    done: list[list[NDArray[np.float32]]] = [[] for _ in DONE]
    for piece in pieces:
        sound = read_piece(piece)
        n_free = (len(sound) - (_QUERY_S + 2) * RATE) // step - 2 * _BEFORE
        if n_free < 1:
            continue
        begin = int(rng.integers(0, n_free)) * step
        last = begin + (_BEFORE + 2) * step + (_QUERY_S + 1) * RATE
        clean.append(responses(sound[begin:last], kernels, _BEFORE))
        for values, (_, apply) in zip(done, DONE, strict=True):
            # A query rarely begins where a code of the recording does.
            off = begin + _BEFORE * step + int(rng.integers(-step // 2, step // 2))
            part = apply(sound[off : off + _QUERY_S * RATE], rng)
            values.append(responses(part, kernels, 0))
    return np.concatenate(clean), [np.concatenate(values) for values in done]


def chosen(bits: Bits, altered: NDArray[np.float64]) -> list[int]:
    """Return which areas are taken, the surest first.

    Args:
        bits: Of the excerpts as they are, `(n, n_areas)`.
        altered: The share of each area's bits that is altered.
    """
    signs = np.where(bits, 1.0, -1.0)
    signs = (signs - signs.mean(0)) / (signs.std(0) + 1e-9)
    changes = (bits[1:] != bits[:-1]).mean(0)
    likeness = np.zeros(bits.shape[1])
    taken: list[int] = []
    while len(taken) < N_BITS:
        is_free = (likeness <= _MOST_ALIKE) & (changes >= _LEAST_CHANGES)
        best = int(np.where(is_free, altered, np.inf).argmin())
        taken.append(best)
        likeness = np.maximum(likeness, np.abs(signs.T @ signs[:, best]) / len(signs))
    return sorted(taken, key=lambda i: float(altered[i]))


def main() -> None:
    """Choose and write."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--audio", type=Path)
    parser.add_argument("--folder", type=Path, default=KEPT)
    parser.add_argument("--areas", type=int, default=2_000)
    parser.add_argument("--excerpts", type=int, default=100)
    parser.add_argument("--out", type=Path, default=RESULT)
    given = parser.parse_args()
    rng = np.random.default_rng(0)
    some = areas(given.areas, rng)
    kernels = np.stack([kernel(area).ravel() for area in some], 1)
    pieces = gather(given.audio, given.folder, "tune").asked
    order = rng.permutation(len(pieces))[: given.excerpts]
    clean, done = heard([pieces[i] for i in order], kernels, rng)
    middle = np.median(clean, axis=0)
    bits = clean > middle
    wrong = [((values > middle) != bits).mean(0) for values in done]
    altered = sum(w * share for share, (w, _) in zip(wrong, DONE, strict=True))
    table: list[dict[str, Any]] = [
        {
            "area": [some[i].kind, some[i].low, some[i].height, some[i].width],
            "middle": round(float(middle[i]), 5),
            "spread": round(float(clean[:, i].std()), 5),
        }
        for i in chosen(bits, np.asarray(altered))
    ]
    write_json(
        given.out,
        {"made_by": "python bench/matching/choose_codes.py", "areas": table},
    )
    taken = chosen(bits, np.asarray(altered))
    print("altered by noise, room, filter, codec, low-pass:")
    print([round(float(share[taken].mean()), 3) for share in wrong])


if __name__ == "__main__":
    main()
