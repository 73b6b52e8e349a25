"""What the surroundings say: environment variables, and nothing but them.

This is the only place that reads the environment. Settings of a single
analysis are dataclasses beside the code that uses them.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

__all__ = [
    "DEBUG_VARIABLE",
    "WORKSPACE_VARIABLE",
    "has_display",
    "is_debug_wanted",
    "workspace_from_environment",
]

WORKSPACE_VARIABLE = "CONTRAFACT_WORKSPACE"
DEBUG_VARIABLE = "CONTRAFACT_DEBUG"

_OFF = ("", "0", "false", "no", "off")


def workspace_from_environment() -> Path | None:
    """Return the folder that `CONTRAFACT_WORKSPACE` names, or None."""
    named = os.environ.get(WORKSPACE_VARIABLE, "")
    return Path(named) if named else None


def is_debug_wanted() -> bool:
    """Tell whether `CONTRAFACT_DEBUG` is set to anything but off."""
    return _is_on(DEBUG_VARIABLE)


def has_display() -> bool:
    """Tell whether a browser can be shown to somebody.

    False on build servers, which set `CI`, and on Linux and its like where no
    graphical session is running.
    """
    if _is_on("CI"):
        return False
    if sys.platform in ("darwin", "win32"):
        return True
    return any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))


def _is_on(variable: str) -> bool:
    return os.environ.get(variable, "").strip().casefold() not in _OFF
