"""Run the benchmarks one after the other: `python -m bench`, or `make bench`.

    python -m bench --audio DIR

Each writes its file in `bench/results`; see their own docstrings for what they
measure. Those that can be measured on recordings of people, too, do so where a folder
of such is given. The league asks packages of others as well; `bench/league/peers.py`
says how to install them. All of it takes a few hours on two cores; what fails is named
at the end, and the rest runs all the same.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

AUDIO = "AUDIO"
"""Stands for the folder of recordings, and goes without one."""

LEAGUE = (
    "index", "similarity", "captions", "random", "gradient-cosine", "trak", "d-trak",
    "das", "ek-fac", "unlearning", "unlearning-ekfac", "kronfluence", "traker",
)  # fmt: skip

SCRIPTS = (
    ("codec.py", "measure"),
    ("consent.py",),
    ("recognition.py",),
    ("withdrawal.py",),
    ("ledger.py",),
    ("audit.py",),
    ("allocation.py",),
    ("marking.py",),
    ("watermarks", "--docs", AUDIO),
    ("origin", AUDIO),
    ("attribution.py", "--corpus", "scores"),
    ("attribution.py", "--corpus", "planted"),
    ("verification.py", "--corpus", "scores"),
    ("passages.py",),
    ("resident.py", "--keep"),
    ("league/group_search.py", "--keep"),
    ("league/groups.py", "--keep"),
    ("league/removal.py", "--keep"),
    ("league/abstention.py", "--count", "60", "--keep", AUDIO),
    ("league/attacks.py", "--keep"),
    ("league/robustness.py", "--songs", "16", "--keep"),
    ("league/search.py", "--keep"),
    ("league/ideas.py", "--keep"),
    ("league/banzhaf.py", "--corpus", "scores-brief", "--keep"),
    ("league", "--keep", "--estimators", *LEAGUE),
    (
        "league", "--corpus", "scores-brief", "--keep",
        "--estimators", *LEAGUE[:4],
    ),
    ("matching", AUDIO),
)  # fmt: skip


def main() -> None:
    """Run all, and say which failed."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--audio", type=Path, help="recordings of your own")
    audio = parser.parse_args().audio
    there = ["--audio", str(audio)] if audio else []
    failed = []
    for script, *given in SCRIPTS:
        arguments = [a for a in given if a != AUDIO] + there * (AUDIO in given)
        command = [sys.executable, str(Path(__file__).parent / script), *arguments]
        if subprocess.run(command, check=False).returncode:
            failed.append(" ".join([script, *arguments]))
    if failed:
        sys.exit("These failed, and said why above:\n" + "\n".join(failed))


if __name__ == "__main__":
    main()
