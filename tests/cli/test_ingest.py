from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from typer.testing import Result

Run = Callable[..., Result]
Document = Callable[[Result], Any]

HOLD = """
import sys
from contrafact.catalog import Workspace
with Workspace.open(sys.argv[1]).lock():
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_folder_is_taken_and_then_unchanged(
    run: Run, document: Document, ws: Path, music: Path
) -> None:
    """The second run takes nothing, and is a success too."""
    words = ["ingest", music, "--metadata", music / "metadata.csv", "-w", ws]
    first = document(run(*words, "--json"))
    assert (len(first["taken"]), first["unchanged"], first["problems"]) == (3, [], [])
    second = document(run(*words, "--json"))
    assert (second["taken"], second["unchanged"]) == ([], first["taken"])
    assert run(*words).stdout.startswith("0 recording(s) taken, 3 unchanged")


def test_problems_are_listed_and_the_rest_is_taken(
    run: Run, document: Document, ws: Path, music: Path
) -> None:
    """Exit code 0 with a list of problems where some files were taken."""
    (music / "broken.wav").write_bytes(b"RIFFnonsense")
    read = document(run("ingest", music, "-w", ws, "--json"))
    assert len(read["taken"]) == 3
    [problem] = read["problems"]
    assert problem["source"] == str(music / "broken.wav")
    assert problem["is_fatal"] is True
    assert problem["message"]
    result = run("ingest", music, "-w", ws)
    assert result.exit_code == 0
    assert f"left out: {music / 'broken.wav'}: " in result.stderr
    assert "broken" not in result.stdout


def test_nothing_taken_is_an_error_with_its_problems(
    run: Run, ws: Path, tmp_path: Path
) -> None:
    """Exit code 1; the document says what was wrong; one line on stderr."""
    result = run("ingest", tmp_path / "none.wav", "-w", ws, "--json")
    assert result.exit_code == 1
    assert [p["source"] for p in json.loads(result.stdout)["problems"]] == [
        str(tmp_path / "none.wav")
    ]
    assert result.stderr == "error: no recording was taken; 1 problem(s)\n"


def test_strict_takes_nothing_if_there_is_any_problem(
    run: Run, document: Document, ws: Path, music: Path
) -> None:
    """One broken file keeps all others out."""
    (music / "broken.wav").touch()
    assert run("ingest", music, "--strict", "-w", ws).exit_code == 1
    assert document(run("catalog", "list", "-w", ws, "--json")) == {"recordings": []}


def test_a_table_that_cannot_be_read_is_one_line(
    run: Run, ws: Path, music: Path
) -> None:
    """Nothing is taken without the table that was asked for."""
    words = ["ingest", music, "--metadata", music / "none.csv", "-w", ws, "--json"]
    result = run(*words)
    assert (result.exit_code, result.stdout) == (4, "")
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1


def test_progress_goes_to_standard_error(run: Run, ws: Path, music: Path) -> None:
    """With `--json` and no terminal there is none at all."""
    shown = run("ingest", music, "-w", ws)
    assert "reading audio: 3 of 3\n" in shown.stderr
    assert "of 3" not in shown.stdout
    assert run("ingest", music, "-w", ws, "--json").stderr == ""


def test_a_workspace_in_use_is_one_line(run: Run, ws: Path, music: Path) -> None:
    """The line names the process that holds it."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(ws)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        result = run("ingest", music, "-w", ws)
        process.kill()
    assert (result.exit_code, result.stdout) == (3, "")
    assert f"in use by process {process.pid}" in result.stderr
