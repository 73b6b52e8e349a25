"""Reading a file as the import does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from contrafact.core.entities import Problem
from contrafact.rights.readers import ProblemLog, ReaderOptions, read_records

Read = Callable[..., tuple[list[Any], list[Problem]]]


@pytest.fixture
def read() -> Read:
    """Return a function that gives the records and problems of a file."""

    def run(path: Path, **options: Any) -> tuple[list[Any], list[Problem]]:
        problems = ProblemLog()
        records = read_records(path, problems, options=ReaderOptions(**options))
        return list(records), list(problems.kept)

    return run
