from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from contrafact.audit.readlog import ReadLog, check_read_log
from contrafact.core.errors import LogDamagedError

ROOT = "ab" * 32
DIGESTS = [f"{n:064x}" for n in range(8)]

# Reads without end, and says so once it is under way.
READER = """
import sys
from contrafact.audit.readlog import ReadLog
log = ReadLog(sys.argv[1], sys.argv[2], n_steps=0)
while True:
    log.record([f"{n:064x}" for n in range(8)])
    log.flush()
    print(log.n_steps, flush=True)
"""


def written(path: Path, steps: int, *, start: int = 0) -> bytes:
    """Write steps of a training and return the head of the chain."""
    with ReadLog(path, ROOT, n_steps=start) as log:
        for step in range(start, steps):
            log.record([DIGESTS[step % 8], DIGESTS[(step + 1) % 8]])
        return log.head


def test_a_resumed_training_has_the_same_log(tmp_path: Path) -> None:
    """Stopped after step 9, gone on from a checkpoint at 6: the same bytes."""
    whole = written(tmp_path / "whole", 20)
    written(tmp_path / "parts", 9)
    with (tmp_path / "parts").open("ab") as file:
        file.write(b'{"read":["half a li')
    assert written(tmp_path / "parts", 20, start=6) == whole
    assert (tmp_path / "parts").read_bytes() == (tmp_path / "whole").read_bytes()
    with pytest.raises(LogDamagedError, match="20 whole lines, not 21"):
        ReadLog(tmp_path / "whole", ROOT, n_steps=21)


def test_what_was_read_is_held_to_what_is_listed(tmp_path: Path) -> None:
    """Files that the manifest does not list are named, in order of reading."""
    head = written(tmp_path / "log", 4)
    found = check_read_log(tmp_path / "log", ROOT, listed=DIGESTS)
    assert found.is_true
    assert (found.head, found.n_steps, found.n_read) == (head.hex(), 4, 5)
    assert found.n_unread == 3
    less = check_read_log(tmp_path / "log", ROOT, listed=DIGESTS[:2])
    assert not less.is_true
    assert less.unlisted == tuple(DIGESTS[2:5])
    other = check_read_log(tmp_path / "log", "cd" * 32, listed=DIGESTS)
    assert other.head != found.head


@pytest.mark.parametrize("number", range(3))
def test_any_altered_line_moves_the_head(tmp_path: Path, number: int) -> None:
    """Or is refused as damaged; so is a line that was taken out."""
    head = written(tmp_path / "log", 3).hex()
    lines = (tmp_path / "log").read_bytes().splitlines(keepends=True)
    altered = lines[number].replace(b"0" * 10, b"1" * 10, 1)
    changed = b"".join([*lines[:number], altered, *lines[number + 1 :]])
    (tmp_path / "log").write_bytes(changed)
    assert check_read_log(tmp_path / "log", ROOT, listed=DIGESTS).head != head
    (tmp_path / "log").write_bytes(b"".join(lines[:number] + lines[number + 1 :]))
    if number < 2:
        with pytest.raises(LogDamagedError, match=f"Line {number + 1} "):
            check_read_log(tmp_path / "log", ROOT, listed=DIGESTS)
    else:
        assert check_read_log(tmp_path / "log", ROOT, listed=DIGESTS).head != head


def test_killed_while_reading_the_log_goes_on(tmp_path: Path) -> None:
    """Whole lines that were flushed are there; the rest is dropped."""
    path = tmp_path / "log"
    command = [sys.executable, "-c", READER, str(path), ROOT]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        steps = [int(process.stdout.readline()) for _ in range(20)]
        os.kill(process.pid, signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    with ReadLog(path, ROOT, n_steps=steps[-1]) as log:
        log.record(DIGESTS)
    found = check_read_log(path, ROOT, listed=DIGESTS)
    assert (found.n_steps, found.is_true) == (21, True)
