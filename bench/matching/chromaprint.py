"""Chromaprint through `fpcalc`, compared at every offset: its best case.

Nothing of it is part of contrafact; it is asked for a comparison, if it is
installed. Two fingerprints are as alike as their best alignment, by the share
of bits that differ.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray
from recordings import RATE

__all__ = ["OWN_THRESHOLD", "Chromaprints", "is_installed"]

OWN_THRESHOLD = 10 / 32
"""Bit errors up to which Chromaprint's own matcher takes two segments for one."""
Ints = NDArray[np.uint32]


def is_installed() -> bool:
    """Tell whether `fpcalc` can be run."""
    return shutil.which("fpcalc") is not None


def _fingerprint(path: Path) -> Ints:
    done = subprocess.run(
        ["fpcalc", "-raw", "-length", "0", str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    found = re.search(r"FINGERPRINT=([\d,]*)", done.stdout)
    numbers = found[1].split(",") if found and found[1] else []
    return np.array([int(n) for n in numbers], np.uint32)


class Chromaprints:
    """A catalog of fingerprints."""

    def __init__(self, paths: Sequence[Path], ids: Sequence[str]) -> None:
        prints = [_fingerprint(path) for path in paths]
        self._ids = list(ids)
        self._starts = np.cumsum([0, *map(len, prints)])
        self._all = np.concatenate(prints)

    def best(self, samples: NDArray[np.float32]) -> tuple[str, float]:
        """Return the most alike recording and the share of bits that differ."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "query.wav"
            soundfile.write(path, np.clip(samples, -1, 1), RATE)
            query = _fingerprint(path)
        n = len(query)
        if n == 0 or n >= len(self._all):
            return "", 1.0
        wrong = np.zeros(len(self._all) - n + 1, np.uint16)
        for i, number in enumerate(query):
            part = self._all[i : len(self._all) - n + 1 + i]
            wrong += np.bitwise_count(part ^ number)
        # What reaches over the end of a recording counts no more than its part.
        owner = np.searchsorted(self._starts, np.arange(len(wrong)), side="right") - 1
        is_whole = np.arange(len(wrong)) + n <= self._starts[owner + 1]
        wrong[~is_whole] = 32 * n
        best = int(wrong.argmin())
        return self._ids[owner[best]], float(wrong[best]) / (32 * n)
