from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from typer.testing import Result

Run = Callable[..., Result]
Document = Callable[[Result], Any]
RATE = 16_000


@pytest.fixture
def sounds(tmp_path: Path) -> tuple[Path, Path]:
    """Return folders of noise, and of noise with lines every 80 Hz."""
    rng = np.random.default_rng(5)
    time = np.arange(6 * RATE) / RATE
    lines = sum(np.cos(2 * np.pi * 80 * k * time + k * k) for k in range(4, 90))
    folders = tmp_path / "people", tmp_path / "generator"
    for folder, count, level in zip(folders, (22, 6), (0.0, 2e-3), strict=True):
        folder.mkdir()
        for i in range(count):
            noise = 0.05 * rng.standard_normal(len(time))
            soundfile.write(folder / f"{i}.wav", noise + level * lines, RATE)
    return folders


def test_a_generator_is_enrolled_listed_and_found(
    run: Run, document: Document, ws: Path, sounds: tuple[Path, Path]
) -> None:
    """From nothing to a name, through the command line alone."""
    people, generator = sounds
    asked = generator / "0.wav"
    kept = asked.rename(generator.parent / "asked.wav")
    assert "Nothing is enrolled" in run("origin", "list", "-w", ws).stdout
    run("origin", "enroll", "people", people, "--human", "-w", ws, "--json")
    about = document(run("origin", "enroll", "A", generator, "-w", ws, "--json"))
    assert (about["kind"], about["n_recordings"]) == ("generator", 5)
    listed = document(run("origin", "list", "-w", ws, "--json"))["classes"]
    assert [c["name"] for c in listed] == ["A", "people"]
    assert document(run("origin", "show", "A", "-w", ws, "--json")) == about
    found = document(run("origin", "identify", kept, "-w", ws, "--json"))
    assert (found["verdict"], found["generator"]) == ("ai", "A")
    assert {"kind", "score", "p_value"} <= set(found["evidence"][0])
    page = ws.parent / "origin.html"
    shown = run("origin", "identify", kept, "--wary", "--report", page, "-w", ws).stdout
    assert shown.startswith("ai, A: probability")
    assert "Report: " in shown
    written = page.read_text(encoding="utf-8")
    assert "<h1>Made by A</h1>" in written
    assert written.count("<svg") == 3
    assert "origin identify" in written
    assert "--wary" in written
    run("origin", "remove", "A", "-w", ws)
    assert "A is not enrolled" in run("origin", "show", "A", "-w", ws).stderr


def test_bad_enrolments_are_one_line(
    run: Run, ws: Path, sounds: tuple[Path, Path], tmp_path: Path
) -> None:
    """With the exit code of matching, and nothing is enrolled."""
    (tmp_path / "none").mkdir()
    (tmp_path / "broken.wav").write_bytes(b"no audio")
    for paths, said in (
        ([tmp_path / "none"], "no audio file"),
        ([tmp_path / "broken.wav"], "not audio"),
        ([sounds[1] / "0.wav"], "at least 20 s"),
    ):
        result = run("origin", "enroll", "A", *paths, "-w", ws)
        assert result.exit_code == 12
        assert said in result.stderr
        assert len(result.stderr.strip().splitlines()) <= 2
    assert "Nothing" in run("origin", "list", "-w", ws).stdout


def test_an_output_of_this_workspace_is_found_in_its_register(
    run: Run, document: Document, ws: Path, sounds: tuple[Path, Path],
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
) -> None:  # fmt: skip
    """Also by its credentials; neither needs anything to be enrolled."""
    monkeypatch.setenv("CONTRAFACT_KEYS", str(tmp_path / "keys"))
    song = sounds[0] / "0.wav"
    run("mark", song, "-w", ws)
    found = document(run("origin", "identify", song, "-w", ws, "--json"))
    assert found["verdict"] == "ai"
    kinds = {e["kind"] for e in found["evidence"]}
    assert {"register", "credentials"} <= kinds
