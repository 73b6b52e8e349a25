from __future__ import annotations

import os
import time
from collections.abc import Iterator

import pytest

from contrafact.core.errors import WorkerError
from contrafact.core.isolated import Lost, map_isolated


def _act(task: str) -> str:
    """Do what a task says: die, hang, fail, or answer."""
    if task == "die":
        os._exit(3)
    if task == "hang":
        time.sleep(60)
    if task == "fail":
        raise ValueError("bad file")
    if task.startswith("slow"):
        time.sleep(0.2)
    return task.upper()


def _fail_to_start() -> None:
    raise ValueError("no index")


def test_results_come_in_the_order_of_the_tasks() -> None:
    """A slow task does not let those behind it pass."""
    tasks = ["slow a", "b", "c", "slow d", "e"]
    found = list(map_isolated(_act, tasks, 2))
    assert found == [(task, task.upper()) for task in tasks]


def test_what_dies_hangs_or_fails_costs_only_itself() -> None:
    """Each bad task is lost with its reason, all others are done."""
    tasks = ["a", "die", "b", "hang", "fail", "c"]
    found = dict(map_isolated(_act, tasks, 2, timeout_s=2.0))
    assert [found[x] for x in "abc"] == ["A", "B", "C"]
    assert found["die"] == Lost("it ended the process that read it")
    assert found["hang"] == Lost("it took more than 2 s")
    assert found["fail"] == Lost("ValueError: bad file")


def test_a_stream_is_read_as_it_is_needed() -> None:
    """An endless stream is taken a few tasks ahead, not all at once."""
    taken = []

    def endless() -> Iterator[str]:
        for number in range(10**9):
            taken.append(number)
            yield str(number)

    stream = map_isolated(_act, endless(), 1)
    assert [next(stream)[1] for _ in range(3)] == ["0", "1", "2"]
    stream.close()  # type: ignore[attr-defined]
    assert len(taken) < 30


def test_processes_that_cannot_start_are_an_error() -> None:
    """What the preparation says went wrong is passed on."""
    with pytest.raises(WorkerError, match="ValueError: no index"):
        list(map_isolated(_act, ["a"], 2, prepare=_fail_to_start))


def test_no_tasks_start_no_process() -> None:
    """Nothing to do is done at once, even if it could not be prepared."""
    assert list(map_isolated(_act, [], 2)) == []
