"""Benchmarks are scripts and no package: how tests import them."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

BENCH = Path(__file__).parents[2] / "bench"


@pytest.fixture(scope="module")
def script() -> Iterator[Callable[[str], ModuleType]]:
    """Return a function that imports a script; what it imports goes again with it."""
    before, path = set(sys.modules), list(sys.path)
    sys.path[:0] = [str(BENCH / part) for part in ("league", "ground_truth", "")]
    yield importlib.import_module
    sys.path[:] = path
    for name in set(sys.modules) - before:
        if str(BENCH) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]
