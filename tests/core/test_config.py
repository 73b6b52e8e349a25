from __future__ import annotations

import sys
from pathlib import Path

import pytest

from contrafact.core.config import (
    has_display,
    is_debug_wanted,
    keys_dir_from_environment,
    workspace_from_environment,
)


def test_the_workspace_is_what_the_variable_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Unset and empty name none."""
    monkeypatch.delenv("CONTRAFACT_WORKSPACE", raising=False)
    assert workspace_from_environment() is None
    monkeypatch.setenv("CONTRAFACT_WORKSPACE", "")
    assert workspace_from_environment() is None
    monkeypatch.setenv("CONTRAFACT_WORKSPACE", "ws")
    assert workspace_from_environment() == Path("ws")


def test_keys_are_kept_with_the_configuration_of_the_user(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Unless the variable names another folder."""
    monkeypatch.delenv("CONTRAFACT_KEYS", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", "/config")
    assert keys_dir_from_environment() == Path("/config/contrafact/keys")
    monkeypatch.setenv("XDG_CONFIG_HOME", "")
    assert keys_dir_from_environment() == Path.home() / ".config/contrafact/keys"
    monkeypatch.setenv("CONTRAFACT_KEYS", "keys")
    assert keys_dir_from_environment() == Path("keys")


@pytest.mark.parametrize(
    ("value", "is_wanted"), [("", False), ("0", False), ("No", False), ("1", True)]
)
def test_debugging_is_wanted_unless_the_variable_says_off(
    monkeypatch: pytest.MonkeyPatch, value: str, *, is_wanted: bool
) -> None:
    """The usual words for off are understood."""
    monkeypatch.setenv("CONTRAFACT_DEBUG", value)
    assert is_debug_wanted() is is_wanted


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="about Linux")
def test_there_is_a_display_where_a_session_runs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A build server has none, whatever else is set."""
    for name in ("CI", "DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    assert not has_display()
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-0")
    assert has_display()
    monkeypatch.setenv("CI", "true")
    assert not has_display()
