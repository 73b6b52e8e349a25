"""How far long work is, on standard error."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import typer

__all__ = ["show_progress"]

# As `contrafact.workflows.progress`, which is not imported for `--help`.
Progress = Callable[[str, int, int], None]
_PAUSE_S = 10.0


@contextmanager
def show_progress(*, as_json: bool) -> Iterator[Progress]:
    """Give a progress that is shown while the block runs.

    A terminal gets bars; anything else gets a plain line now and then, or,
    with `as_json`, nothing.
    """
    if sys.stderr.isatty():
        with _bars() as tell:
            yield tell
    elif as_json:
        yield _nothing
    else:
        yield _Lines()


def _nothing(stage: str, n_done: int, n_all: int) -> None:
    """Show nothing."""


class _Lines:
    """A line when a stage begins and ends, and every ten seconds between."""

    def __init__(self) -> None:
        self._stage = ""
        self._next_s = 0.0

    def __call__(self, stage: str, n_done: int, n_all: int) -> None:
        now = time.monotonic()
        is_due = stage != self._stage or now >= self._next_s or n_done == n_all
        if is_due:
            self._stage, self._next_s = stage, now + _PAUSE_S
            typer.echo(f"{stage}: {n_done} of {n_all}", err=True)


@contextmanager
def _bars() -> Iterator[Progress]:
    from rich import progress
    from rich.console import Console

    columns = (
        progress.TextColumn("{task.description}", markup=False),
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        progress.TimeElapsedColumn(),
        progress.TimeRemainingColumn(),
    )
    tasks: dict[str, progress.TaskID] = {}
    with progress.Progress(*columns, console=Console(stderr=True)) as bars:

        def tell(stage: str, n_done: int, n_all: int) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=n_all)
            bars.update(tasks[stage], completed=n_done, total=n_all)

        yield tell
