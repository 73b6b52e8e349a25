"""Runs a function over tasks in several processes, results in order."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from contrafact.core.errors import CorpusError

__all__ = ["map_in_order"]

_Task = TypeVar("_Task")
_Result = TypeVar("_Result")


def map_in_order(
    function: Callable[[_Task], _Result], tasks: Sequence[_Task], n_workers: int
) -> Iterator[_Result]:
    """Yield `function` of each task, in the order of the tasks.

    Processes are spawned, not forked: a forked child of a process with threads
    may hang. With one worker, or one task, all runs in this process.

    Raises:
        CorpusError: If a process died.
    """
    if n_workers == 1 or len(tasks) <= 1:
        yield from map(function, tasks)
        return
    context = multiprocessing.get_context("spawn")
    try:
        with ProcessPoolExecutor(
            n_workers, mp_context=context, initializer=_die_with_parent
        ) as executor:
            yield from executor.map(function, tasks)
    except BrokenProcessPool as error:
        raise CorpusError(
            "A rendering process died. Guard the calling script with "
            'if __name__ == "__main__", or use n_workers=1.'
        ) from error


def _die_with_parent() -> None:
    """End this process when its parent ends; one that was killed cannot tell it."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def wait() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
