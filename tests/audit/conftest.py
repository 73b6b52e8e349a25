"""Keys, logs and a clock that tests can turn."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from contrafact.audit.entries import make_entry
from contrafact.audit.keys import FileSigner, generate_key, list_keys, load_signer
from contrafact.audit.log import AuditLog

START = datetime(2026, 1, 1, 12, tzinfo=UTC)


class Clock:
    """A clock that goes on a second each time it is looked at."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now


@pytest.fixture
def clock() -> Clock:
    """Return a clock that can be set by its `now`."""
    return Clock()


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    """Return a folder with one Ed25519 key in it."""
    generate_key(tmp_path / "keys")
    return tmp_path / "keys"


@pytest.fixture
def signer(keys: Path) -> FileSigner:
    """Return the signer of that key."""
    return load_signer(keys)


@pytest.fixture
def open_log(tmp_path: Path, keys: Path, clock: Clock) -> Callable[..., AuditLog]:
    """Return a function that opens the log in `tmp_path / "log"`."""

    def open_(**options: Any) -> AuditLog:
        given = {"clock": clock, **options}
        if "signer" not in given:
            given["signer"] = load_signer(keys)
        return AuditLog.open(tmp_path / "log", list_keys(keys), **given)

    return open_


@pytest.fixture
def entry() -> Callable[[int], dict[str, Any]]:
    """Return a function that makes an entry with a number in it."""
    return lambda number: make_entry("policy", {"number": number})[0]
