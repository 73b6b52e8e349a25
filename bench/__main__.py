"""Run the benchmarks one after the other: `python -m bench`, or `make bench`.

Each writes its file in `bench/results`; see their own docstrings for what they
measure. All of it takes a few hours on two cores.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SCRIPTS = (
    ("codec.py", "measure"),
    ("consent.py",),
    ("recognition.py",),
    ("withdrawal.py",),
    ("ledger.py",),
    ("audit.py",),
    ("allocation.py",),
    ("marking.py",),
    ("watermarks", "--docs"),
    ("origin",),
    ("attribution.py", "--corpus", "scores"),
    ("attribution.py", "--corpus", "planted"),
    ("verification.py", "--corpus", "scores"),
    ("passages.py",),
    ("resident.py", "--keep"),
    ("league/groups.py", "--keep"),
    ("league/removal.py", "--keep"),
    ("league/abstention.py", "--keep"),
    ("league/attacks.py", "--keep"),
    ("league/robustness.py", "--songs", "16", "--keep"),
    ("league/search.py", "--keep"),
    ("league", "--keep"),
    ("matching",),
)

if __name__ == "__main__":
    for script, *arguments in SCRIPTS:
        command = [sys.executable, str(Path(__file__).parent / script), *arguments]
        subprocess.run(command, check=True)
