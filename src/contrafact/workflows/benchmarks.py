"""Running the benchmarks, which come with the source and not with the package."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import contrafact
from contrafact.core.errors import ConfigError

__all__ = ["bench_folder", "run_benchmark"]


def bench_folder(script: str) -> Path:
    """Return the folder `bench` of the checkout that has this script.

    Looked for beside the package's own source, then in the current folder and
    those above it.

    Raises:
        ConfigError: If there is none.
    """
    here = Path.cwd()
    source = Path(contrafact.__file__).resolve().parents[2]
    for root in (source, here, *here.parents):
        if (root / "bench" / script).exists():
            return root / "bench"
    raise ConfigError(
        f"Found no bench/{script}, neither beside {source / 'src'} nor above {here}. "
        "The benchmarks come with the source: run this in a checkout of contrafact."
    )


def run_benchmark(script: str, arguments: Sequence[str]) -> int:
    """Run a benchmark in a process of its own; return its exit code.

    It writes to the standard output and error of this process.

    Args:
        script: A file, or a folder with a `__main__.py`, below `bench`.
        arguments: What to hand to it.

    Raises:
        ConfigError: If there is no such script.
    """
    place = bench_folder(script) / script
    done = subprocess.run([sys.executable, str(place), *arguments], check=False)
    return done.returncode
