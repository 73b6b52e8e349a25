"""Measure queries on an index as large as a label's: 10,000 hours of postings.

    python bench/matching/scale.py --index DIR [--hours 10000]

Postings are drawn at random, as often for each hash as in the real index at DIR
and a little for those that it lacks; the notes to compare are a hole in the
file. Real recordings stand beside them in a second segment, so that it also
shows what is still found among so much else. It needs 15 GB of disk for a while.
"""

from __future__ import annotations

import argparse
import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from fingerprint import KEPT, gather, wilson
from numpy.typing import NDArray
from queries import catalog_queries

from contrafact.catalog.atomic import write_json
from contrafact.matching.fingerprint import FingerprintIndex
from contrafact.matching.fingerprint._codes import FRAMES_PER_CODE
from contrafact.matching.fingerprint._hashes import N_KEYS
from contrafact.matching.fingerprint._notes import BYTES_PER_ROW
from contrafact.matching.fingerprint._segments import (
    FRAMES_PER_ROW,
    PLACES_PER_FRAME,
    Segment,
    checksums,
    write_arrays,
)
from contrafact.matching.fingerprint._spectrum import FRAMES_PER_S

_RECORDING_FRAMES = 2 * round(100 * FRAMES_PER_S)  # 200 s
_UNSEEN = 0.02  # of the postings are of hashes that the real index lacks
_KEYS_AT_ONCE = 1 << 15


def write_synthetic(path: Path, real: Segment, hours: float) -> int:
    """Write a segment of random postings; return how many."""
    rng = np.random.default_rng(0)
    n_recordings = round(hours * 3600 * FRAMES_PER_S / _RECORDING_FRAMES)
    n_frames = n_recordings * _RECORDING_FRAMES
    counts = np.bincount(real.key, minlength=N_KEYS).astype(np.float64)
    rate = len(real.key) / float((real.ends - real.starts).sum())
    share = (1 - _UNSEEN) * counts / counts.sum() + _UNSEEN / N_KEYS
    wanted = rng.poisson(share * rate * n_frames)
    n = int(wanted.sum())
    table = np.concatenate([[0], np.cumsum(wanted)])
    starts = np.arange(n_recordings) * _RECORDING_FRAMES

    parts: dict[str, Iterator[NDArray[Any]]] = {
        name: _blocks(name, wanted, n_frames)
        for name in ("key", "place", "pitch", "span")
    }
    parts |= {"table": iter([table]), "starts": iter([starts])}
    parts |= {"ends": iter([starts + _RECORDING_FRAMES]), "notes": iter([])}
    code = synthetic_codes(real, n_recordings * (_RECORDING_FRAMES // FRAMES_PER_CODE))
    order = np.argsort(code, kind="stable").astype(np.uint32)
    parts |= {"code": iter([code]), "code_order": iter([order])}
    shapes: dict[str, tuple[int, ...]] = {
        name: (n,) for name in ("key", "place", "pitch", "span")
    }
    shapes |= {"table": table.shape, "starts": starts.shape, "ends": starts.shape}
    shapes |= {"code": code.shape, "code_order": code.shape}
    shapes["notes"] = (n_frames // FRAMES_PER_ROW, BYTES_PER_ROW)
    write_arrays(
        path,
        shapes,
        parts,
        crc32=checksums(starts=starts, ends=starts + _RECORDING_FRAMES),
        recording_ids=[f"synthetic-{i}" for i in range(n_recordings)],
    )
    return n


def _blocks(
    kind: str, wanted: NDArray[np.int64], n_frames: int
) -> Iterator[NDArray[Any]]:
    """Yield a column of the postings, some keys at a time."""
    own = np.random.default_rng(len(kind))
    for first in range(0, N_KEYS, _KEYS_AT_ONCE):
        some = wanted[first : first + _KEYS_AT_ONCE]
        if kind == "key":
            yield np.repeat(np.arange(first, first + len(some)), some)
        else:
            highest = {"pitch": 150, "span": 80}.get(kind, n_frames * PLACES_PER_FRAME)
            yield own.integers(0, highest, int(some.sum()), dtype=np.uint32)


def synthetic_codes(real: Segment, n: int) -> NDArray[np.uint32]:
    """Return codes like real ones, some bits of each drawn anew."""
    rng = np.random.default_rng(1)
    made = np.empty(n, np.uint32)
    for first in range(0, n, 1 << 24):
        some = made[first : first + (1 << 24)]
        some[:] = real.code[rng.integers(0, len(real.code), len(some))]
        one, other = rng.integers(0, 1 << 32, (2, len(some)), dtype=np.uint32)
        some ^= one & other  # a quarter of the bits
    return made


def main() -> None:
    """Measure, print, and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--index", type=Path, required=True)
    parser.add_argument("--hours", type=float, default=10_000)
    parser.add_argument("--folder", type=Path, default=KEPT)
    parser.add_argument("--audio", type=Path)
    parser.add_argument("--out", type=Path)
    chosen = parser.parse_args()
    large = chosen.folder / "large"
    shutil.rmtree(large, ignore_errors=True)
    shutil.copytree(chosen.index, large)
    real = max(FingerprintIndex.open(large)._parts, key=lambda p: len(p.segment.key))
    n = write_synthetic(large / "synthetic.segment", real.segment, chosen.hours)
    document = json.loads((large / "manifest.json").read_text())
    document["segments"].append({"name": "synthetic.segment", "deleted": []})
    write_json(large / "manifest.json", document)
    result = {"postings": n, "hours": chosen.hours} | _measure(large, chosen)
    print(json.dumps(result, indent=1))
    if chosen.out:
        chosen.out.write_text(json.dumps(result, indent=1) + "\n")
    shutil.rmtree(large)


def _measure(large: Path, chosen: argparse.Namespace) -> dict[str, Any]:
    pieces = gather(chosen.audio, chosen.folder, "report")
    asked = list(catalog_queries(pieces.asked, 3))
    small, index = FingerprintIndex.open(chosen.index), FingerprintIndex.open(large)
    small.identify(asked[0].samples)
    costs: dict[str, list[float]] = {"small": [], "first": [], "again": []}
    hits: dict[str, list[bool]] = {"small": [], "again": []}
    for query in asked:
        samples = query.samples
        for name, which in (("small", small), ("first", index), ("again", index)):
            began, wall = time.process_time(), time.perf_counter()
            found = which.identify(samples)
            costs[name].append(time.process_time() - began)
            costs.setdefault(f"{name}, wall", []).append(time.perf_counter() - wall)
            if name in hits:
                is_hit = query.piece.id in {m.recording_id for m in found}
                hits[name].append(is_hit)
    milliseconds = {
        name: {
            "median": round(1000 * float(np.median(values)), 1),
            "90 %": round(1000 * float(np.quantile(values, 0.9)), 1),
        }
        for name, values in costs.items()
    }
    found_in = {name: wilson(sum(some), len(some)) for name, some in hits.items()}
    return {
        "query_ms": milliseconds,
        "found_in_small": found_in["small"],
        "found": found_in["again"],
    }


if __name__ == "__main__":
    main()
