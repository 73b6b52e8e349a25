"""A realistic attribution, its verification and synthetic tones, by seed.

Artists, works and recordings are made so that the tables agree with each
other: a recording's influence adds up to its work's, artist's and
collection's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import cache
from types import SimpleNamespace

import numpy as np
import pytest

from contrafact.core.results import (
    Attribution,
    Interval,
    Passage,
    Profile,
    QueryInfo,
    Removal,
    SourceShare,
    Unattributed,
    Verification,
)
from contrafact.reports import ReportInputs, Sound

RATE = 16_000
_NOISE_FLOOR = 2e-4
_UNHELPFUL = 23  # the artist of negative influence
_ARTISTS = (
    "Scott Joplin",
    "Johann Sebastian Bach",
    "O'Neill's reels",
    "Giovanni Pierluigi da Palestrina",
    "Ludwig van Beethoven",
    "Wolfgang Amadeus Mozart",
    "Joseph Haydn",
    "Ryan's jigs",
)
_COLLECTIONS = (
    "Piano rags",
    "Chorales",
    "O'Neill's tunes",
    "Masses",
    "String quartets",
    "Ryan's Mammoth Collection",
    "Essen folk songs",
    "Trecento",
    "Madrigals",
)


@cache
def tone(seed: int, seconds: float, sample_rate: int = RATE) -> Sound:
    """Return some seconds of plucked notes, `(1, time)`."""
    rng = np.random.default_rng(seed)
    t = np.arange(round(seconds * sample_rate)) / sample_rate
    sound = np.zeros_like(t)
    for start in np.arange(0, seconds, 0.25):
        pitch = 220 * 2 ** (rng.integers(0, 24) / 12)
        since = np.maximum(t - start, 0)
        envelope = (t >= start) * np.exp(-5 * since) * rng.uniform(0.2, 1)
        sound += envelope * np.sin(2 * np.pi * pitch * since)
    return Sound(
        samples=(0.3 * sound)[None].astype(np.float32), sample_rate=sample_rate
    )


def share(name: str, value: float, *, influence: float | None = None) -> SourceShare:
    """Return a source's share with an interval around it."""
    size = value * 0.03 if influence is None else influence
    return SourceShare(
        id=f"S-{name[:20]}",
        name=name,
        share=value,
        interval=Interval(low=max(value * 0.82 - 0.004, 0), high=value * 1.17 + 0.004),
        influence=size,
        influence_interval=Interval(low=size - 0.001, high=size + 0.001),
        of_learned=size / 0.21,
        common=abs(size) * 0.3,
        n_recordings=21,
    )


def _grouped(
    influence: np.ndarray, groups: Iterable[int], name: Callable[[int], str]
) -> tuple[tuple[SourceShare, ...], Unattributed]:
    sums: dict[int, float] = {}
    for value, group in zip(influence.tolist(), groups, strict=True):
        sums[group] = sums.get(group, 0.0) + value
    positive = sum(v for v in sums.values() if v > 0)
    rest = 0.23
    shares = [
        share(name(g), max(v, 0) / positive * (1 - rest), influence=v)
        for g, v in sums.items()
    ]
    shares.sort(key=lambda s: -s.influence)
    interval = Interval(low=0.17, high=0.3)
    floor = sum(abs(s.influence) < _NOISE_FLOOR for s in shares)
    return tuple(shares), Unattributed(share=rest, interval=interval, n_sources=floor)


@cache
def attribution(n_recordings: int = 512) -> Attribution:
    """Return one song explained by 24 artists in 9 collections."""
    rng = np.random.default_rng(7)
    artist_of = np.arange(n_recordings) % 24
    strength = np.array([0.45, 0.2, 0.11] + [0.014] * 21)[artist_of] * 24 / n_recordings
    influence = 0.026 * strength * rng.gamma(2, 0.5, n_recordings)
    influence -= 3e-6 * rng.random(n_recordings)
    influence[artist_of == _UNHELPFUL] = -2e-6

    def artist(i: int) -> str:
        return _ARTISTS[i] if i < len(_ARTISTS) else f"Song of region {i - 7}"

    groups: dict[str, tuple[list[int], Callable[[int], str]]] = {
        "artist": (artist_of.tolist(), artist),
        "collection": ((artist_of % 9).tolist(), lambda i: _COLLECTIONS[i]),
        "work": (
            (np.arange(n_recordings) % 48 % 40).tolist(),
            lambda i: f"{artist(i % 24)}: work no. {i + 1}",
        ),
        "recording": (
            list(range(n_recordings)),
            lambda i: f"{artist(i % 24)}, no. {i // 24 + 1}",
        ),
    }
    made = {k: _grouped(influence, g, name) for k, (g, name) in groups.items()}
    best = [0, 1, 24, 2, 48]
    passages = tuple(
        Passage(
            recording_id=f"R-{r:04d}",
            title=f"No. {r // 24 + 1}, {_COLLECTIONS[r % 24 % 9]}",
            artist=artist(r % 24),
            query_start_s=start,
            query_end_s=start + 2.5,
            recording_start_s=1.0 + i,
            recording_end_s=3.5 + i,
            influence=0.0009 / (i + 1),
        )
        for i, (r, start) in enumerate(
            zip(best, [0.5, 3.25, 5.5, 7.0, 1.75], strict=True)
        )
    )
    return Attribution(
        attribution_id="A-4f1c09be77d2a310",
        query=QueryInfo(
            file="song.flac",
            digest="9b" * 32,
            duration_s=10.0,
            prompt="a lively rag for honky-tonk piano in C major, fast, in the style "
            "of Scott Joplin",
            loss=0.6134,
            untrained_loss=0.8246,
        ),
        model_id="demo-quick",
        model_digest="c4" * 32,
        corpus_digest="71" * 32,
        n_recordings=n_recordings,
        estimator="index",
        settings={"n_draws": 16, "damping": 0.001, "n_dims": 4096, "layers": "all"},
        by="artist",
        tables={k: shares for k, (shares, _) in made.items()},
        unattributed={k: rest for k, (_, rest) in made.items()},
        passages=passages,
        is_calibrated=False,
        provenance={
            "Index digest": "e0" * 32,
            "contrafact": "0.1.0",
            "torch": "2.13.0",
            "Training seed": "0",
            "Attribution seed": "0",
        },
        command="contrafact attribute song.flac --model demo-quick --estimator index "
        "--by artist -w demo",
        elapsed_s=2.4,
        profile=Profile(
            noise_levels={"0-0.25": 0.2, "0.25-0.5": 0.5, "0.5-0.75": 0.3, "0.75-1": 0},
            blocks={"proj_in": 0.1, "transformer_blocks.0": -0.2, "proj_out": 0.7},
        ),
    )


def removal(kind: str, rise: float, *, half: float = 0.004) -> Removal:
    """Return the rise after a removal of 20 recordings, `half` either way."""
    return Removal(
        kind=kind,  # type: ignore[arg-type]
        recording_ids=tuple(f"R-{i:04d}" for i in range(20)),
        loss=0.6134 + rise,
        rise=rise,
        rise_interval=Interval(low=rise - half, high=rise + half),
    )


def verification(
    named: float = 0.033, similar: float = 0.031, random: float = 0.016
) -> Verification:
    """Return a verification with these rises of a loss of 0.6134."""
    return Verification(
        attribution_id="A-4f1c09be77d2a310",
        k=20,
        loss=0.6134,
        removals=(
            removal("named", named),
            removal("similar", similar),
            removal("random", random),
        ),
        n_draws=256,
        seed=0,
        elapsed_s=140.0,
    )


def inputs(**changes: object) -> ReportInputs:
    """Return a whole report's inputs, with some of its fields replaced."""
    explained = attribution()
    rng = np.random.default_rng(1)
    steps = np.arange(0, 1600, 4)
    losses = 0.55 + 0.5 * np.exp(-steps / 300) + 0.02 * rng.standard_normal(len(steps))
    whole = ReportInputs(
        attribution=explained,
        verification=verification(),
        query_sound=tone(0, 10.0),
        recording_sounds={
            p.recording_id: tone(i + 1, 11.0) for i, p in enumerate(explained.passages)
        },
        regenerated={
            kind: tone(20 + i, 10.0)
            for i, kind in enumerate(("named", "similar", "random"))
        },
        training_curve=list(zip(steps.tolist(), losses.tolist(), strict=True)),
    )
    return replace(whole, **changes)  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def make() -> SimpleNamespace:
    """Return the builders above; by fixture, so that tests need no import path."""
    return SimpleNamespace(
        attribution=attribution,
        inputs=inputs,
        removal=removal,
        share=share,
        tone=tone,
        verification=verification,
    )
