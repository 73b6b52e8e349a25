"""What all tests and doctests share: their own directory, environment and seed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest


@pytest.fixture
def rng() -> np.random.Generator:
    """Return a seeded source of random numbers; the same for every test."""
    return np.random.default_rng(0)


@pytest.fixture(scope="session", autouse=True)
def _keys_of_their_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep keys that tests make out of the folder of whoever runs them."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.delenv("CONTRAFACT_KEYS", raising=False)
        monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("config")))
        yield


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide the settings of whoever runs the tests."""
    monkeypatch.delenv("CONTRAFACT_WORKSPACE", raising=False)


@pytest.fixture(autouse=True)
def _own_directory_for_documents(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Run the examples of a Markdown page where they may leave files behind."""
    if request.node.path.suffix == ".md":
        monkeypatch.chdir(tmp_path)
