"""What the surroundings say: environment variables, and nothing but them.

This is the only place that reads the environment. Settings of a single
analysis are dataclasses beside the code that uses them.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

__all__ = [
    "DEBUG_VARIABLE",
    "KEYS_VARIABLE",
    "WORKSPACE_VARIABLE",
    "environment",
    "has_display",
    "is_debug_wanted",
    "keys_dir_from_environment",
    "take_environment",
    "workspace_from_environment",
]

WORKSPACE_VARIABLE = "CONTRAFACT_WORKSPACE"
DEBUG_VARIABLE = "CONTRAFACT_DEBUG"
KEYS_VARIABLE = "CONTRAFACT_KEYS"

_OFF = ("", "0", "false", "no", "off")


def workspace_from_environment() -> Path | None:
    """Return the folder that `CONTRAFACT_WORKSPACE` names, or None."""
    named = os.environ.get(WORKSPACE_VARIABLE, "")
    return Path(named) if named else None


def keys_dir_from_environment() -> Path:
    """Return the folder of signing keys: what `CONTRAFACT_KEYS` names, or its default.

    The default is `contrafact/keys` below the user's configuration, so that
    keys are never in a workspace unless someone puts them there.
    """
    if named := os.environ.get(KEYS_VARIABLE, ""):
        return Path(named)
    below = os.environ.get("XDG_CONFIG_HOME", "")
    return (Path(below) if below else Path.home() / ".config") / "contrafact" / "keys"


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


def environment() -> dict[str, str]:
    """Return all variables as they are now, for another process to take."""
    return dict(os.environ)


def take_environment(variables: Mapping[str, str]) -> None:
    """Have these variables and no others."""
    os.environ.clear()
    os.environ.update(variables)
