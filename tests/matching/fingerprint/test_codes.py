from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from contrafact.matching.fingerprint import SAMPLE_RATE, FingerprintIndex, _spectrum
from contrafact.matching.fingerprint._code_search import _probes, propose_by_codes
from contrafact.matching.fingerprint._codes import (
    FRAMES_PER_CODE,
    N_BITS,
    WIDTH,
    Area,
    Codes,
    codes_of,
    kernel,
)
from contrafact.matching.fingerprint._spectrum import FRAMES_PER_S, power_map

Samples = NDArray[np.float32]
RATE = SAMPLE_RATE


def _codes(sound: Samples) -> Codes:
    return codes_of(power_map(sound))


def _wrong(one: Codes, other: Codes) -> float:
    """Return the share of bits that differ, where both are of two whole seconds."""
    n = min(len(one.value), len(other.value)) - WIDTH
    differ = np.bitwise_count(one.value[:n] ^ other.value[:n])
    return float(differ.mean()) / N_BITS


@pytest.mark.parametrize(
    ("alter", "most"),
    [
        (lambda sound, _: 0.05 * sound, 0.01),
        (lambda sound, rng: sound + sound.std() * rng.standard_normal(len(sound)), 0.3),
    ],
    ids=["quieter", "noise at 0 dB"],
)
def test_few_bits_are_altered_by_what_does_not_alter_the_music(
    tunes: list[Samples],
    rng: np.random.Generator,
    alter: Callable[[Samples, np.random.Generator], Samples],
    most: float,
) -> None:
    """Loudness and noise alter fewer bits than another tune, which differs in half."""
    altered = alter(tunes[0], rng).astype(np.float32)
    assert _wrong(_codes(tunes[0]), _codes(altered)) < most
    assert 0.35 < _wrong(_codes(tunes[0]), _codes(tunes[1])) < 0.65


def test_codes_of_a_long_recording_have_no_seams(
    tunes: list[Samples], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is kept of a recording in parts is what is kept of it at once."""
    monkeypatch.setattr(_spectrum, "_PART", 200)
    monkeypatch.setattr(_spectrum, "_AROUND", 100)
    index = FingerprintIndex.create(tmp_path)
    index.add("R", tunes[0])
    (part,) = index._parts
    kept, whole = part.segment.code, _codes(tunes[0]).value
    assert len(kept) == len(whole)
    assert np.bitwise_count(kept ^ whole).sum() <= 2  # sums in another order


@pytest.mark.parametrize("kind", range(1, 6))
def test_what_is_everywhere_alike_has_no_response(kind: int) -> None:
    """All areas but the plain one compare two parts, of equal weight."""
    pattern = kernel(Area(kind=kind, low=2, height=7, width=6))
    assert pattern.sum() == pytest.approx(0, abs=1e-6)
    assert np.abs(pattern).sum() > 1


def test_a_place_is_proposed_under_loud_noise(
    filled: Path, tunes: list[Samples], rng: np.random.Generator
) -> None:
    """Codes alone name the recording and the place first, at twice the noise."""
    part = tunes[4][6 * RATE : 16 * RATE]
    noise = 1.4 * part.std() * rng.standard_normal(len(part))
    codes = _codes((part + noise).astype(np.float32))
    index = FingerprintIndex.open(filled)
    found = propose_by_codes(index._parts, codes, slice(0, len(codes.value) - WIDTH))
    segment = index._parts[found[0].part].segment
    assert segment.recording_ids[found[0].owner] == "R-4"
    assert found[0].start == pytest.approx(6 * FRAMES_PER_S, abs=FRAMES_PER_CODE)


def test_what_was_deleted_is_not_proposed(tmp_path: Path, tunes: list[Samples]) -> None:
    """A recording that counts no more is not found by its codes."""
    index = FingerprintIndex.create(tmp_path)
    index.add_many((f"R-{i}", tunes[i]) for i in range(3))
    codes = _codes(tunes[1])
    asked = slice(0, len(codes.value) - WIDTH)
    assert [one.owner for one in propose_by_codes(index._parts, codes, asked)] == [1]
    index.delete("R-1")
    assert propose_by_codes(index._parts, codes, asked) == []


@pytest.mark.parametrize("n", [0, 100, 10 * RATE])
def test_silence_is_not_asked_about(filled: Path, n: int) -> None:
    """Nothing is proposed for silence, however short."""
    codes = _codes(np.zeros(n, np.float32))
    index = FingerprintIndex.open(filled)
    span = slice(0, len(codes.value))
    assert propose_by_codes(index._parts, codes, span) == []


def test_up_to_two_of_the_six_weakest_high_bits_are_flipped() -> None:
    """Every key that is tried, written out; low bits are never part of one."""
    value = 0b1010_0101_1100_0011_1111_0000_1001_0110
    margin = np.arange(N_BITS, 0, -1, dtype=np.float32)[None]
    margin[0, [2, 5, 7, 11, 13, 23]] = 0.1, 0.2, 0.3, 0.4, 0.5, 0.6
    margin[0, 24:] = 0.0
    keys, of = _probes(np.array([value], np.uint32), margin)
    wanted = set()
    for n in range(3):
        for flipped in combinations([2, 5, 7, 11, 13, 23], n):
            key = value
            for bit in flipped:
                key ^= 1 << (N_BITS - 1 - bit)
            wanted.add(key >> 8 << 8)
    assert sorted(wanted) == keys.tolist()
    assert len(wanted) == 22
    assert set(of.tolist()) == {0}
