"""Runs a function over a stream of tasks in processes that may die.

For what strangers send: a task that kills its process, or never ends, costs
only itself. The stream may be endless; memory does not grow with it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from typing import Any, Generic, TypeVar

from contrafact.core.errors import WorkerError
from contrafact.core.parallel import packed, start_server, start_worker

__all__ = ["Lost", "map_isolated"]

_Task = TypeVar("_Task")
_Result = TypeVar("_Result")
_AHEAD = 8
"""How many tasks per process may be done before their turn to be handed out."""


@dataclass(frozen=True, slots=True)
class Lost:
    """A task without a result, and why."""

    reason: str


@dataclass(slots=True, eq=False)
class _Worker:
    process: Any
    pipe: Connection
    is_ready: bool = False
    task: int | None = None
    ends_at: float = field(default=float("inf"))


def map_isolated(
    function: Callable[[_Task], _Result],
    tasks: Iterable[_Task],
    n_workers: int,
    *,
    prepare: Callable[..., None] | None = None,
    given: tuple[Any, ...] = (),
    timeout_s: float = 600.0,
) -> Iterator[tuple[_Task, _Result | Lost]]:
    """Yield each task with `function` of it, in the order of the tasks.

    A task that raises, kills its process or takes too long yields `Lost`; a
    new process takes the place of the old one.

    Args:
        function: What to do with a task; defined at the top of a module.
        tasks: What to do it with; read as it is needed.
        n_workers: Processes.
        prepare: Called once in each process with `given`.
        given: What `prepare` gets.
        timeout_s: How long a task may take.

    Raises:
        WorkerError: If a process cannot be prepared.
    """
    pool = _Pool(function, n_workers, prepare, given, timeout_s)
    try:
        yield from pool.run(iter(tasks))
    finally:
        pool.end()


class _Pool(Generic[_Task, _Result]):
    def __init__(
        self,
        function: Callable[[_Task], _Result],
        n_workers: int,
        prepare: Callable[..., None] | None,
        given: tuple[Any, ...],
        timeout_s: float,
    ) -> None:
        self._start = (function, prepare, packed(given))
        self._n_workers, self._timeout_s = n_workers, timeout_s
        self._workers: list[_Worker] = []
        self._tasks: dict[int, _Task] = {}
        self._done: dict[int, _Result | Lost] = {}
        self._n_taken = self._n_given = 0

    def run(self, tasks: Iterator[_Task]) -> Iterator[tuple[_Task, _Result | Lost]]:
        is_open = True
        while is_open or self._tasks:
            is_open = is_open and self._feed(tasks)
            if self._tasks and self._n_given not in self._done:
                self._listen()
            while self._n_given in self._done:
                number = self._n_given
                self._n_given += 1
                yield self._tasks.pop(number), self._done.pop(number)

    def _feed(self, tasks: Iterator[_Task]) -> bool:
        """Hand tasks to idle processes; return whether there may be more."""
        while self._n_taken - self._n_given < _AHEAD * self._n_workers:
            worker = self._idle()
            if worker is None:
                return True
            try:
                task = next(tasks)
            except StopIteration:
                return False
            self._tasks[self._n_taken] = task
            worker.task = self._n_taken
            worker.ends_at = time.monotonic() + self._timeout_s
            self._n_taken += 1
            try:
                worker.pipe.send(task)
            except OSError:
                self._lose(worker)
        return True

    def _idle(self) -> _Worker | None:
        for worker in self._workers:
            if worker.is_ready and worker.task is None:
                return worker
        if len(self._workers) < self._n_workers:
            self._workers.append(self._new())
            self._wait_ready(self._workers[-1])
            return self._workers[-1]
        return None

    def _new(self) -> _Worker:
        context = start_server()
        here, there = context.Pipe()
        process = context.Process(target=_work, args=(there, *self._start), daemon=True)
        process.start()
        there.close()
        return _Worker(process=process, pipe=here)

    def _wait_ready(self, worker: _Worker) -> None:
        try:
            problem = worker.pipe.recv()
        except EOFError:
            problem = "it died at once; it may have run out of memory"
        if problem is not None:
            raise WorkerError(f"A worker process could not start: {problem}.")
        worker.is_ready = True

    def _listen(self) -> None:
        """Wait until a process has something to say, died, or is out of time."""
        busy = {w.pipe: w for w in self._workers if w.task is not None}
        first_end = min((w.ends_at for w in busy.values()), default=float("inf"))
        pause = max(0.0, min(first_end - time.monotonic(), 3600.0))
        for pipe in wait(list(busy), timeout=pause):
            self._receive(busy[pipe])  # type: ignore[index]
        for worker in busy.values():
            if worker.task is not None and time.monotonic() > worker.ends_at:
                self._lose(worker, f"it took more than {self._timeout_s:g} s")

    def _receive(self, worker: _Worker) -> None:
        try:
            result = worker.pipe.recv()
        except (EOFError, OSError):
            self._lose(worker)
            return
        if worker.task is not None:
            self._done[worker.task] = result
        worker.task, worker.ends_at = None, float("inf")

    def _lose(
        self, worker: _Worker, reason: str = "it ended the process that read it"
    ) -> None:
        if worker.task is not None:
            self._done[worker.task] = Lost(reason)
        self._workers.remove(worker)
        _end(worker)

    def end(self) -> None:
        """End every process."""
        for worker in self._workers:
            _end(worker)
        self._workers.clear()


def _end(worker: _Worker) -> None:
    worker.pipe.close()
    worker.process.kill()
    worker.process.join()


def _work(
    pipe: Connection,
    function: Callable[[Any], Any],
    prepare: Callable[..., None] | None,
    given: bytes,
) -> None:
    try:
        start_worker(prepare, given)
    except Exception as error:  # whatever it is, the parent must hear of it
        pipe.send(f"{type(error).__name__}: {error}".rstrip("."))
        return
    pipe.send(None)
    while True:
        try:
            task = pipe.recv()
        except EOFError:
            return
        pipe.send(_result(function, task))


def _result(function: Callable[[Any], Any], task: Any) -> Any:
    try:
        return function(task)
    except Exception as error:  # a task must not end the others
        return Lost(f"{type(error).__name__}: {error}")
