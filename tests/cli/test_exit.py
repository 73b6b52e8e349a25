from __future__ import annotations

import errno
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest
from typer.testing import Result

from contrafact.cli._exit import EXIT_CODES, INTERRUPTED, exit_code_of, guarded
from contrafact.core import errors

Run = Callable[..., Result]
Apart = Callable[..., subprocess.CompletedProcess[str]]


def fail(error: BaseException) -> Callable[[], NoReturn]:
    """Return a function that raises `error`."""

    def run() -> NoReturn:
        raise error

    return run


def outcome(error: BaseException, *, is_debug: bool = False) -> int:
    """Return the exit code for an error."""
    return guarded(fail(error), is_debug=lambda: is_debug)


@pytest.mark.parametrize("name", errors.__all__)
def test_every_error_has_the_exit_code_of_its_branch(name: str) -> None:
    """The table holds the root and all its branches; leaves follow them."""
    kind = getattr(errors, name)
    root = errors.ContrafactError
    branches = [b for b in root.__subclasses__() if issubclass(kind, b)] or [root]
    assert exit_code_of(kind("x")) == EXIT_CODES[branches[0]] != 0


def test_the_exit_codes_are_explained(run: Run) -> None:
    """The help of the program names every one of them."""
    _, _, explained = run("--help").stdout.partition("Exit codes:")
    for code in (0, *EXIT_CODES.values(), INTERRUPTED):
        assert re.search(rf"\b{code}\s+[a-z]", explained), code


def test_the_branches_are_told_apart() -> None:
    """Every branch that is drawn in the tree has a code of its own."""
    branches = errors.ContrafactError.__subclasses__()
    assert {*branches, errors.ContrafactError} == set(EXIT_CODES)
    assert len(set(EXIT_CODES.values())) == len(EXIT_CODES)


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (errors.QueryError("Too\nshort."), 6, "error: Too short.\n"),
        (errors.UnknownModelError("No model."), 5, "error: No model.\n"),
        (
            OSError(errno.ENOSPC, "no space", "a.wav"),
            3,
            "error: Cannot use a.wav: the disk is full. "
            "Free some space and run the command again.\n",
        ),
        (
            PermissionError(errno.EACCES, "denied", "a.wav"),
            3,
            "error: Cannot use a.wav: no permission. "
            "Change it, or choose another place.\n",
        ),
        (
            ZeroDivisionError("by zero"),
            1,
            "error: unexpected ZeroDivisionError: by zero. "
            "Set CONTRAFACT_DEBUG=1 to see where, and report this as a bug.\n",
        ),
        (
            KeyboardInterrupt(),
            130,
            "interrupted; run the same command again to resume\n",
        ),
    ],
)
def test_what_went_wrong_is_one_line(
    capsys: pytest.CaptureFixture[str], error: BaseException, code: int, line: str
) -> None:
    """Expected or not, an error is one line, and no traceback."""
    assert outcome(error) == code
    assert capsys.readouterr() == ("", line)


def test_debugging_shows_where(capsys: pytest.CaptureFixture[str]) -> None:
    """The traceback comes before the same line and the same exit code."""
    assert outcome(errors.QueryError("Too short."), is_debug=True) == 6
    shown = capsys.readouterr().err
    assert shown.startswith("Traceback")
    assert shown.endswith("error: Too short.\n")


def test_foreign_text_cannot_steer_the_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Control characters of a file's name are made visible."""
    outcome(errors.AudioError("a\x1b[2J.wav is empty."))
    assert capsys.readouterr().err == "error: a\ufffd[2J.wav is empty.\n"


@pytest.mark.parametrize("how", ["option", "variable"])
def test_debugging_is_asked_for_by_option_or_variable(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, how: str
) -> None:
    """Either shows the traceback of an error."""
    words = ["catalog", "list", "-w", tmp_path]
    if how == "variable":
        monkeypatch.setenv("CONTRAFACT_DEBUG", "1")
    else:
        words = ["--debug", *words]
    result = run(*words)
    assert result.exit_code == 3
    assert "Traceback" in result.stderr
    assert result.stdout == ""


def test_a_full_disk_behind_the_output_is_one_line(
    apart: Apart, tmp_path: Path
) -> None:
    """Output that cannot be written is an error, not a traceback."""
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full here")
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        done = subprocess.run(
            [sys.executable, "-m", "contrafact.cli", "--version"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 3
    assert done.stderr.startswith("error: Cannot use the output: the disk is full.")
    assert done.stderr.count("\n") == 1


def test_a_reader_that_leaves_is_no_error(tmp_path: Path) -> None:
    """`contrafact ... | head` ends without a word."""
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-m", "contrafact.cli", "--help"],
        stdout=write,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (1, "")


def test_an_interrupted_command_says_how_to_go_on(tmp_path: Path) -> None:
    """Ctrl-C reaches the program and its workers, and all of them end."""
    words = ["corpus", "write", "planted", "music", "--recordings", "1000"]
    with subprocess.Popen(
        [sys.executable, "-m", "contrafact.cli", *words],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stderr is not None
        assert "of 1000" in process.stderr.readline()
        os.killpg(process.pid, signal.SIGINT)
        out, rest = process.communicate(timeout=30)
    assert process.returncode == 130
    assert out == ""
    assert "interrupted; run the same command again to resume\n" in rest
