"""Runs a function over tasks in several processes, results in order."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext, SpawnContext
from typing import Any, TypeVar

from contrafact.core.config import environment, take_environment
from contrafact.core.errors import WorkerError

__all__ = ["map_in_order", "packed", "start_server", "start_worker"]

_Task = TypeVar("_Task")
_Result = TypeVar("_Result")


def map_in_order(
    function: Callable[[_Task], _Result],
    tasks: Sequence[_Task],
    n_workers: int,
    *,
    prepare: Callable[..., None] | None = None,
    given: tuple[Any, ...] = (),
) -> Iterator[_Result]:
    """Yield `function` of each task, in the order of the tasks.

    Processes are not forked from this one: a forked child of a process with
    threads may hang. With one worker, or one task, all runs in this process. On
    Ctrl-C the processes are ended at once: what they do must bear being killed.

    Args:
        function: What to do with a task; defined at the top of a module.
        tasks: What to do it with.
        n_workers: Processes.
        prepare: Called once in each process with `given`.
        given: What `prepare` gets.

    Raises:
        WorkerError: If a process died.
    """
    if n_workers == 1 or len(tasks) <= 1:
        if prepare is not None:
            prepare(*given)
        yield from map(function, tasks)
        return
    context = start_server()
    others = set(multiprocessing.active_children())
    try:
        with ProcessPoolExecutor(
            min(n_workers, len(tasks)),
            mp_context=context,
            initializer=start_worker,
            initargs=(prepare, packed(given)),
        ) as executor:
            try:
                yield from executor.map(function, tasks)
            except (KeyboardInterrupt, GeneratorExit):
                # A task may take minutes; nobody waits for its result any more.
                for worker in set(multiprocessing.active_children()) - others:
                    worker.terminate()
                raise
    except BrokenProcessPool as error:
        raise WorkerError(
            "A worker process died; it may have run out of memory. A script that "
            'calls this must guard its start with if __name__ == "__main__".'
        ) from error


def start_server(*modules: str) -> SpawnContext | ForkServerContext:
    """Return how processes are started, having begun whatever that takes.

    On Linux they are forked from a process without threads that has imported
    what workers need, which takes seconds once, and not once a worker. Called
    early it does so meanwhile. Elsewhere they are spawned.

    Args:
        modules: What they will need, besides what is imported here by now; only
            the first call counts.
    """
    if sys.platform != "linux":
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    ours = [n for n in sys.modules if n.partition(".")[0] == "contrafact"]
    context.set_forkserver_preload([*sorted(ours), *modules])
    # Ctrl-C is for this process alone, also while that one imports.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return context


def packed(given: tuple[Any, ...]) -> bytes:
    """Return what `prepare` gets, for `start_worker` in another process.

    As bytes: tensors would be shared with a file descriptor each, and of those a
    process may have only so many. The environment goes along, since the server has
    that of the time when it was started.
    """
    packet = environment(), given
    return pickle.dumps(packet, protocol=pickle.HIGHEST_PROTOCOL)


def start_worker(prepare: Callable[..., None] | None, given: bytes) -> None:
    """Make this process a worker: Ctrl-C is its parent's, and so is its end.

    Args:
        prepare: Called with what is in `given`, if there is one.
        given: What `prepare` gets, as `packed` by the parent.
    """
    # Ctrl-C goes to every process at once; the parent alone says what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _die_with_parent()
    variables, arguments = pickle.loads(given)
    take_environment(variables)
    if prepare is not None:
        prepare(*arguments)


def _die_with_parent() -> None:
    """End this process when its parent ends; one that was killed cannot tell it."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def wait() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
