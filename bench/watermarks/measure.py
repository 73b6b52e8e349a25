"""One recording: marked by every scheme, attacked in every way, read, compared."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from attacks import ATTACKS, Attack, Samples, Scene
from quality import measured

from contrafact.core.errors import AudioError
from contrafact.matching.watermarks import Detection, Watermark

Json = dict[str, Any]
N_UNMARKED = 3
"""One in so many attacks is also done to the recording without a mark."""


@dataclass(frozen=True)
class Item:
    """A recording to measure on.

    Attributes:
        name: What it is called in the results; the randomness follows from it.
        samples: `(channel, time)`.
        other: Another recording, to mix with.
    """

    name: str
    samples: Samples
    rate: int
    other: Samples


def measure(item: Item, schemes: dict[str, Watermark]) -> Json:
    """Return everything that is measured on one recording."""
    found: Json = {"marked": {}, "unmarked": {}, "quality": {}, "cost": {}}
    for name, scheme in schemes.items():
        bits = _rng(item.name, "payload").integers(0, 2, scheme.n_bits)
        bits = bits.astype(np.uint8)
        marked = scheme.embed(item.samples, item.rate, bits)
        found["quality"][name] = measured(marked, item.samples, item.rate)
        found["marked"][name] = {
            attack.name: _read(scheme, item, _attacked(attack, item, marked), bits)
            for attack in ATTACKS
        }
    first = int(_rng(item.name, "unmarked").integers(N_UNMARKED))
    for attack in ATTACKS[first::N_UNMARKED]:
        sound = _attacked(attack, item, item.samples)
        if attack.keeps_time:
            found["cost"][attack.name] = measured(sound, item.samples, item.rate)
        for name, scheme in schemes.items():
            seen = _detected(scheme, sound, item.rate)
            is_found = seen is not None and seen.is_found
            found["unmarked"].setdefault(name, {})[attack.name] = is_found
    return found


def false_alarms(item: Item, schemes: dict[str, Watermark]) -> Json:
    """Return which schemes find a mark in a recording that has none."""
    return {
        name: seen is not None and seen.is_found
        for name, scheme in schemes.items()
        for seen in [_detected(scheme, item.samples, item.rate)]
    }


def _read(scheme: Watermark, item: Item, sound: Samples, bits: np.ndarray) -> Json:
    """Return what is read: found, part of the bits that are right, whole."""
    seen = _detected(scheme, sound, item.rate)
    if seen is None:
        return {"found": False, "bits": 0.5 if len(bits) else None, "whole": False}
    right = float((seen.bits == bits).mean()) if len(bits) else None
    whole = seen.is_found and (right is None or right == 1.0)
    return {"found": bool(seen.is_found), "bits": right, "whole": bool(whole)}


def _detected(scheme: Watermark, sound: Samples, rate: int) -> Detection | None:
    try:
        return scheme.detect(sound, rate)
    except AudioError:
        return None


def _attacked(attack: Attack, item: Item, samples: Samples) -> Samples:
    rng = _rng(item.name, attack.name)
    scene = Scene(samples, item.rate, item.other, rng)
    return np.ascontiguousarray(attack.run(scene), dtype=np.float32)


def _rng(name: str, purpose: str) -> np.random.Generator:
    digest = hashlib.sha256(f"{name}\0{purpose}".encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "big"))
