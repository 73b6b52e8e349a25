"""Running the program: in this process, and in one of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner, Result

from contrafact.cli.commands import app

Run = Callable[..., Result]
N_SOUNDS = 3


def run_here(*words: object) -> Result:
    """Run a command line in this process."""
    return CliRunner().invoke(app, [str(word) for word in words])


def run_apart(*words: object, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a command line in a process of its own."""
    command = [sys.executable, "-m", "contrafact.cli", *map(str, words)]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=60, **options
    )


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no variable of the person who runs the tests reach the program."""
    for name in [name for name in os.environ if name.startswith("CONTRAFACT_")]:
        monkeypatch.delenv(name)
    source = Path(__file__).parents[2] / "src"
    monkeypatch.setenv("PYTHONPATH", str(source))
    monkeypatch.setenv("CI", "1")


@pytest.fixture
def run() -> Run:
    """Return a function that runs a command line in this process."""
    return run_here


@pytest.fixture
def apart() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Return a function that runs a command line in a process of its own."""
    return run_apart


@pytest.fixture
def document() -> Callable[[Result], Any]:
    """Return a function that reads the one JSON document a command printed."""

    def read(result: Result) -> Any:
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    return read


@pytest.fixture
def ws(tmp_path: Path) -> Path:
    """Return a new, empty workspace."""
    assert run_here("init", "-w", tmp_path / "ws").exit_code == 0
    return tmp_path / "ws"


@pytest.fixture
def music(tmp_path: Path) -> Path:
    """Return a folder of short recordings with a table beside them."""
    folder = tmp_path / "music"
    folder.mkdir()
    waves = np.random.default_rng(3).uniform(-0.5, 0.5, (N_SOUNDS, 8_000))
    rows = ["file,title,artists,work,group"]
    for number, wave in enumerate(waves):
        soundfile.write(folder / f"{number}.wav", wave, 8_000)
        group = "odd" if number % 2 else "even"
        rows.append(f"{number}.wav,Title {number},Ann;Bob,Work {number},{group}")
    (folder / "metadata.csv").write_text("\n".join(rows))
    return folder
