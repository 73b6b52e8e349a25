from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

Run = Callable[..., Result]
Document = Callable[[Result], Any]


@pytest.fixture
def filled(run: Run, ws: Path, music: Path) -> Path:
    """Return a workspace with three recordings."""
    table = music / "metadata.csv"
    assert run("ingest", music, "--metadata", table, "-w", ws).exit_code == 0
    return ws


def test_the_list_is_the_documented_document(
    run: Run, document: Document, filled: Path, music: Path
) -> None:
    """These fields, in this order, and no others."""
    recordings = document(run("catalog", "list", "-w", filled, "--json"))["recordings"]
    assert [r["id"] for r in recordings] == sorted(r["id"] for r in recordings)
    one = next(r for r in recordings if r["title"] == "Title 1")
    assert list(one) == ["id", "title", "artist", "work_id", "file", "duration_s"]
    assert one["artist"] == "Ann; Bob"
    assert one["file"] == str(music / "1.wav")
    assert one["work_id"].startswith("W-")
    assert one["duration_s"] == 1.0


def test_a_group_is_listed_alone(run: Run, document: Document, filled: Path) -> None:
    """`--group` leaves the others out."""
    words = ["catalog", "list", "--group", "even", "-w", filled, "--json"]
    titles = {r["title"] for r in document(run(*words))["recordings"]}
    assert titles == {"Title 0", "Title 2"}


def test_the_list_can_be_read(run: Run, filled: Path) -> None:
    """A line for every recording, under a header."""
    lines = run("catalog", "list", "-w", filled).stdout.splitlines()
    assert lines[0].split() == ["id", "artist", "title", "length"]
    assert len(lines) == 4
    assert all("Ann; Bob" in line and "1.0 s" in line for line in lines[1:])


def test_an_empty_list_says_what_comes_next(run: Run, ws: Path) -> None:
    """Nobody is left with an empty table."""
    assert "contrafact ingest" in run("catalog", "list", "-w", ws).stdout


def test_one_recording_is_shown_whole(
    run: Run, document: Document, filled: Path
) -> None:
    """By as much of its id as is unique, with its work, artists and copy."""
    id_ = document(run("catalog", "list", "-w", filled, "--json"))["recordings"][0][
        "id"
    ]
    shown = document(run("catalog", "show", id_, "-w", filled, "--json"))
    assert shown["id"] == id_
    assert [artist["name"] for artist in shown["artists"]] == ["Ann", "Bob"]
    assert shown["work"]["id"] == shown["work_id"]
    assert Path(shown["stored"]).is_file()
    assert shown["isrc"] is None
    text = run("catalog", "show", id_[:10], "-w", filled).stdout
    assert id_ in text
    assert shown["work"]["title"] in text
    assert "isrc" not in text


def test_an_unknown_recording_is_one_line(run: Run, filled: Path) -> None:
    """Exit code 4, and where ids are listed."""
    result = run("catalog", "show", "R-none", "-w", filled, "--json")
    assert (result.exit_code, result.stdout) == (4, "")
    assert "contrafact catalog list" in result.stderr
    assert result.stderr.count("\n") == 1


def test_titles_cannot_steer_the_terminal(run: Run, ws: Path, music: Path) -> None:
    """Neither control characters nor markup of a title take effect."""
    table = music / "metadata.csv"
    table.write_text("file,title\n0.wav,[red]a\x1b[2Jb\n")
    run("ingest", music / "0.wav", "--metadata", table, "-w", ws)
    shown = run("catalog", "list", "-w", ws).stdout
    assert "\x1b" not in shown
    assert "[red]a" in shown


def test_every_terminal_is_served(
    apart: Callable[..., subprocess.CompletedProcess[str]],
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    ws: Path,
    music: Path,
) -> None:
    """JSON is ASCII; a terminal that knows no UTF-8 gets a list with gaps."""
    table = music / "metadata.csv"
    table.write_text("file,title\n0.wav,Dvořák\n", encoding="utf-8")
    run("ingest", music / "0.wav", "--metadata", table, "-w", ws)
    monkeypatch.setenv("PYTHONIOENCODING", "latin-1")
    done = apart("catalog", "list", "-w", ws, "--json")
    assert done.stdout.isascii()
    assert "Dvo\\u0159\\u00e1k" in done.stdout
    listed = apart("catalog", "list", "-w", ws, encoding="latin-1")
    assert "Dvo?ák" in listed.stdout
