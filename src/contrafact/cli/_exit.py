"""Every way a command can fail: one line on standard error, one exit code."""

from __future__ import annotations

import errno
import os
import sys
import traceback
from collections.abc import Callable

import typer

from contrafact.cli._output import plain
from contrafact.core import errors
from contrafact.core.config import DEBUG_VARIABLE

__all__ = ["EXIT_CODES", "INTERRUPTED", "exit_code_of", "guarded"]

INTERRUPTED = 130
"""As shells have it for a process that was stopped by Ctrl-C."""

EXIT_CODES: dict[type[errors.ContrafactError], int] = {
    errors.ContrafactError: 1,
    errors.ConfigError: 2,
    errors.WorkspaceError: 3,
    errors.CatalogError: 4,
    errors.GeneratorError: 5,
    errors.AttributionError: 6,
    errors.ReportError: 7,
    errors.WorkerError: 8,
    errors.RightsError: 9,
    errors.AuditError: 10,
    errors.LedgerError: 11,
    errors.MatchingError: 12,
}
"""The exit code of each branch of errors; 2 is also that of wrong usage."""

_STORAGE = {
    errno.ENOSPC: "the disk is full. Free some space and run the command again.",
    errno.EDQUOT: "the disk quota is used up. Free some space and run it again.",
    errno.EACCES: "no permission. Change it, or choose another place.",
    errno.EPERM: "no permission. Change it, or choose another place.",
    errno.EROFS: "the file system is read-only. Choose another place.",
    errno.ENAMETOOLONG: "the name is too long. Choose a shorter one.",
}


def exit_code_of(error: errors.ContrafactError) -> int:
    """Return the exit code of the nearest branch that is in `EXIT_CODES`."""
    branches = (EXIT_CODES[c] for c in type(error).__mro__ if c in EXIT_CODES)
    return next(branches)


def guarded(run: Callable[[], object], *, is_debug: Callable[[], bool]) -> int:
    """Run a command line and return its exit code; report what went wrong.

    Args:
        run: Returns the exit code, or anything else for success.
        is_debug: Whether to print tracebacks; asked when something failed,
            since the command line says so itself.
    """
    try:
        code = run()
        sys.stdout.flush()
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except BrokenPipeError:
        _forget_output()
        return 1
    except Exception as error:
        return _failed(error, is_debug=is_debug())
    if code == INTERRUPTED:
        _say("interrupted; run the same command again to resume")
        return INTERRUPTED
    return code if isinstance(code, int) else 0


def _failed(error: Exception, *, is_debug: bool) -> int:
    if is_debug:
        traceback.print_exc()
    code, line = _described(error)
    _say(f"error: {line}")
    if isinstance(error, OSError):
        _forget_output()
    return code


def _described(error: Exception) -> tuple[int, str]:
    """Return the exit code of an error, and what to say about it."""
    if isinstance(error, errors.ContrafactError):
        return exit_code_of(error), str(error)
    # Told by what it can do, since the class has no public name in typer.
    if hasattr(error, "format_message"):
        return EXIT_CODES[errors.ConfigError], _usage(error)
    if isinstance(error, OSError) and error.errno in _STORAGE:
        place = os.fsdecode(error.filename or "the output")
        line = f"Cannot use {place}: {_STORAGE[error.errno]}"
        return EXIT_CODES[errors.WorkspaceError], line
    found = f"{type(error).__name__}: {error}"
    advice = f"Set {DEBUG_VARIABLE}=1 to see where, and report this as a bug."
    return EXIT_CODES[errors.ContrafactError], f"unexpected {found}. {advice}"


def _usage(error: Exception) -> str:
    message = str(getattr(error, "format_message", error.__str__)()).rstrip(". ")
    context = getattr(error, "ctx", None)
    path = getattr(context, "command_path", "contrafact")
    return f"{message}. See `{path} --help`."


def _say(line: str) -> None:
    """Print one line on standard error, whatever the text holds."""
    typer.echo(plain(" ".join(line.split())), err=True)


def _forget_output() -> None:
    """Let what is still buffered go nowhere; writing it would fail again."""
    try:
        sys.stdout.flush()
    except OSError:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
