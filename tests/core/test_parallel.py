"""That work in several processes is ordered and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from contrafact.core.errors import WorkerError
from contrafact.core.parallel import map_in_order

SCRIPT = """
import os, sys, time
from contrafact.core.parallel import map_in_order
def work(path):
    open(path, "w").write(str(os.getpid()))
    time.sleep(60)
if __name__ == "__main__":
    list(map_in_order(work, sys.argv[1:], 2))
"""
PATIENCE_S = 20.0


def square(number: int) -> int:
    """Return the square; the first tasks take longest."""
    time.sleep(0.02 * max(5 - number, 0))
    return number * number


def setting(name: str) -> str:
    """Return a variable of the environment."""
    return os.environ[name]


def die(_: int) -> int:
    """End the process as a crash would."""
    os._exit(1)


def interrupt(number: int) -> int:
    """Send this process what Ctrl-C sends."""
    os.kill(os.getpid(), signal.SIGINT)
    return number


def is_alive(pid: int) -> bool:
    """Tell whether a process runs, and is not just waiting to be reaped."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state != "Z"


@pytest.mark.parametrize("n_workers", [1, 2])
def test_results_come_in_the_order_of_the_tasks(n_workers: int) -> None:
    """Tasks that finish late do not change the order."""
    assert list(map_in_order(square, range(8), n_workers)) == [
        number * number for number in range(8)
    ]


def test_workers_have_the_environment_of_now(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is set after the first workers ran is seen by later ones."""
    list(map_in_order(square, range(2), 2))
    monkeypatch.setenv("CONTRAFACT_KEYS", "elsewhere")
    found = list(map_in_order(setting, ["CONTRAFACT_KEYS"] * 2, 2))
    assert found == ["elsewhere"] * 2


def test_a_dead_process_is_one_clear_error() -> None:
    """A worker that dies ends the work with an error, not a hang."""
    with pytest.raises(WorkerError, match="process died"):
        list(map_in_order(die, range(4), 2))


def test_ctrl_c_is_left_to_the_parent() -> None:
    """Workers ignore the signal that a terminal sends to every process."""
    assert list(map_in_order(interrupt, range(4), 2)) == [0, 1, 2, 3]


def test_ctrl_c_does_not_wait_for_the_tasks(tmp_path: Path) -> None:
    """One interrupt of all processes ends them long before their tasks do."""
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    marks = [tmp_path / "a", tmp_path / "b", tmp_path / "c"]
    parent = subprocess.Popen(
        [sys.executable, script, *marks],
        start_new_session=True,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + PATIENCE_S
    while sum(m.exists() and bool(m.read_text()) for m in marks) < 2:
        assert time.monotonic() < deadline, "the workers did not start"
        time.sleep(0.05)
    os.killpg(parent.pid, signal.SIGINT)
    _, said = parent.communicate(timeout=PATIENCE_S)
    assert parent.returncode == -signal.SIGINT
    assert said.count("Traceback") == 1  # the parent's own
    assert not marks[2].exists()


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
def test_workers_end_when_their_parent_is_killed(tmp_path: Path) -> None:
    """After `kill -9` of the parent no worker goes on."""
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    marks = [tmp_path / "a", tmp_path / "b"]
    parent = subprocess.Popen([sys.executable, script, *marks])
    deadline = time.monotonic() + PATIENCE_S
    while not all(m.exists() and m.read_text() for m in marks):
        assert time.monotonic() < deadline, "the workers did not start"
        time.sleep(0.05)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    pids = [int(mark.read_text()) for mark in marks]
    while any(map(is_alive, pids)):
        assert time.monotonic() < deadline, "the workers outlived their parent"
        time.sleep(0.05)
