"""The command line: parse, call one workflow, render.

One file per command or group of commands. Nothing here computes; what is heavy
is imported inside the commands, so that `--help` answers at once and without
torch. Only this package writes to standard output.
"""

from contrafact.cli.commands import app, main

__all__ = ["app", "main"]
