"""Queries about recordings: excerpts of 5 to 10 s, transformed, of known truth."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import soxr
from numpy.typing import NDArray
from recordings import RATE, Piece, read_piece
from transforms import TRANSFORMS, Transform, mix

from contrafact.matching.fingerprint import SAMPLE_RATE

__all__ = [
    "HARD",
    "MIX",
    "UNKNOWN_MIX",
    "Query",
    "catalog_queries",
    "mixed_queries",
    "other_queries",
]

Samples = NDArray[np.float32]
_SHORTEST_S, _LONGEST_S = 5.0, 10.0
HARD = ("noise 0 dB", "reverb")
"""Transformations after which most is lost."""
MIX, UNKNOWN_MIX = "mix", "mix with unknown"
"""Groups of queries that hold two recordings, both or one of the catalog."""


@dataclass(frozen=True, kw_only=True)
class Query:
    """What is asked, and what should be answered.

    Attributes:
        kind: `catalog`, or why nothing should be found: `other work`, or
            `take 1` and so on for another performance of a catalog work.
        piece: What the excerpt is of.
        start_s: Where the excerpt begins in the piece.
        duration_s: Of the excerpt before it was transformed.
        sound: At 16 kHz, after transformation.
        also: Identifier of the recording mixed in.
    """

    kind: str
    piece: Piece
    transform: Transform
    start_s: float
    duration_s: float
    sound: Samples
    also: str = ""

    @property
    def samples(self) -> Samples:
        """The sound at the rate that is fingerprinted."""
        return np.asarray(soxr.resample(self.sound, RATE, SAMPLE_RATE), np.float32)


def _rng(*parts: str) -> np.random.Generator:
    return np.random.default_rng(zlib.crc32("/".join(parts).encode()))


def _excerpt(piece: Piece, rng: np.random.Generator) -> tuple[Samples, float]:
    sound = read_piece(piece)
    n = min(int(rng.uniform(_SHORTEST_S, _LONGEST_S) * RATE), len(sound))
    first = int(rng.integers(0, len(sound) - n + 1))
    return sound[first : first + n], first / RATE


def _query(
    kind: str, piece: Piece, transform: Transform, number: int = 0
) -> Query | None:
    rng = _rng(piece.id, transform.name, str(number))
    part, start_s = _excerpt(piece, rng)
    if part.std() < 1e-3:  # a rest
        return None
    return Query(
        kind=kind,
        piece=piece,
        transform=transform,
        start_s=start_s,
        duration_s=len(part) / RATE,
        sound=transform.apply(part, rng),
    )


def catalog_queries(
    pieces: Sequence[Piece],
    n_each: int,
    *,
    n_hard: int | None = None,
    transforms: Sequence[Transform] = TRANSFORMS,
) -> Iterator[Query]:
    """Yield `n_each` queries a transformation, of recordings in the catalog.

    Of those named in `HARD` it is `n_hard`, if that is given.
    """
    for transform in transforms:
        n = n_hard if n_hard and transform.name in HARD else n_each
        order = _rng(transform.name).permutation(len(pieces))
        made = (_query("catalog", pieces[i], transform) for i in order)
        found = (query for query in made if query is not None)
        for _, query in zip(range(n), found, strict=False):
            yield query


def mixed_queries(
    pieces: Sequence[Piece], n: int, *, unknown: Sequence[Piece] | None = None
) -> Iterator[Query]:
    """Yield excerpts of two recordings at once, at 0 dB.

    Args:
        pieces: Of the catalog.
        n: How many queries at most.
        unknown: What the second is drawn from, if not from the catalog.
    """
    rng = _rng(MIX if unknown is None else UNKNOWN_MIX)
    for _ in range(n):
        if unknown is None:
            i, j = rng.choice(len(pieces), 2, replace=False)
            first, second = pieces[i], pieces[j]
        else:
            first = pieces[rng.integers(len(pieces))]
            second = unknown[rng.integers(len(unknown))]
        (one, start_s), (other, _) = _excerpt(first, rng), _excerpt(second, rng)
        if min(one.std(), other.std()) < 1e-3 or first.work == second.work:
            continue
        sound = mix(one, other)
        name = MIX if unknown is None else UNKNOWN_MIX
        yield Query(
            kind="catalog",
            piece=first,
            transform=Transform(f"{name} at 0 dB", name, lambda x, _: x),
            start_s=start_s,
            duration_s=len(sound) / RATE,
            sound=sound,
            also=second.id if unknown is None else "",
        )


def other_queries(pieces: Sequence[Piece], kind: str, n: int) -> Iterator[Query]:
    """Yield `n` queries of pieces outside the catalog, transformations in turn."""
    rng = _rng(kind)
    made = 0
    while made < n and pieces:
        for i in rng.permutation(len(pieces)):
            # A third of them as they are.
            transform = TRANSFORMS[0 if made % 3 == 0 else made % len(TRANSFORMS)]
            query = _query(kind, pieces[i], transform, made)
            made += 1
            if query is not None:
                yield query
            if made >= n:
                return
