"""How fast is a catalog searched with a song? Against how fast memory is read.

    python bench/resident.py --keep

115,000 windows of 8 draws of 320 numbers, int8, made up: speed does not depend on
what they say. The same bytes are read once and added up as 64-bit numbers, which is
what the machine's memory gives one core; both on one thread, the best of several.
What the search finds is compared with slow products of the same features.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import torch

from common import write_result
from contrafact.attribution.resident import ResidentIndex
from contrafact.attribution.store import dequantised

N_WINDOWS, N_SETS, N_FEATURES = 115_000, 8, 320
N_TIMES = 9
N_TOP, N_SONGS = 20, 5


def best_of(run: Callable[[], object]) -> float:
    """Return the shortest of several times, in seconds."""
    run()
    found = []
    for _ in range(N_TIMES):
        started = time.perf_counter()
        run()
        found.append(time.perf_counter() - started)
    return min(found)


def slow_top(index: ResidentIndex, song: torch.Tensor) -> set[int]:
    """Return what products of unrounded songs find first."""
    total = torch.zeros(N_WINDOWS)
    for values, scales, asked in zip(index.values, index.scales, song, strict=True):
        total += dequantised(values, scales) @ asked
    return set(total.topk(N_TOP).indices.tolist())


def fast_top(index: ResidentIndex, song: torch.Tensor) -> set[int]:
    """Return what the search finds first."""
    return set(index.top(song, N_TOP)[0].tolist())


def main() -> None:
    """Write `bench/results/resident.json`."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--keep", action="store_true", help="write bench/results")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    rng = torch.Generator().manual_seed(0)
    shape = (N_SETS, N_WINDOWS, N_FEATURES)
    values = torch.randint(-127, 128, shape, generator=rng, dtype=torch.int8)
    index = ResidentIndex(values, torch.rand(shape[:2], generator=rng) + 0.5)
    songs = torch.randn(N_SONGS, N_SETS, N_FEATURES, generator=rng)
    words = values.view(torch.int64)
    read = best_of(words.sum)
    searched = best_of(lambda: index.approximate(songs[0]))
    whole = best_of(lambda: index.top(songs[0], N_TOP))
    same = [
        len(slow_top(index, s) & set(index.top(s, N_TOP)[0].tolist())) for s in songs
    ]
    result = {
        "n_windows": N_WINDOWS,
        "bytes": values.numel(),
        "memory_gb_s": round(values.numel() / read / 1e9, 2),
        "part_of_memory_speed": round(read / searched, 3),
        "part_of_memory_speed_with_rescoring": round(read / whole, 3),
        "search_s": round(whole, 4),
        "same_of_the_first_20": sum(same) / (N_SONGS * N_TOP),
    }
    print(result)
    if chosen.keep:
        write_result("resident", result)


if __name__ == "__main__":
    main()
