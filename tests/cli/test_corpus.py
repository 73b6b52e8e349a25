from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from typer.testing import Result

Run = Callable[..., Result]
Document = Callable[[Result], Any]


def test_corpora_are_listed_with_what_they_are(run: Run, document: Document) -> None:
    """Both that contrafact brings, each with a sentence."""
    corpora = document(run("corpus", "list", "--json"))["corpora"]
    described = {corpus["name"]: corpus["description"] for corpus in corpora}
    assert {"planted", "scores"} <= set(described)
    assert "nine collections" in described["scores"]
    assert "nine collections" in run("corpus", "list").stdout


def test_a_corpus_is_written_and_can_be_taken_in(
    run: Run, document: Document, ws: Path, tmp_path: Path
) -> None:
    """The document names the table that `ingest` takes."""
    words = ["corpus", "write", "planted", tmp_path / "music", "--recordings", "24"]
    written = document(run(*words, "--json"))
    assert written == {
        "corpus": "planted",
        "directory": str(tmp_path / "music"),
        "metadata": str(tmp_path / "music" / "metadata.csv"),
        "n_recordings": 24,
        "n_heldout": 0,
        "seed": 0,
    }
    taken = run(
        "ingest", tmp_path / "music", "--metadata", written["metadata"], "-w", ws
    )
    assert taken.stdout.startswith("24 recording(s) taken")
    assert "--metadata" in run(*words).stdout


def test_held_out_recordings_come_with_a_warning(run: Run, tmp_path: Path) -> None:
    """They lie below the folder, where `ingest` would find them."""
    words = ["corpus", "write", "planted", tmp_path / "m", "--recordings", "24"]
    shown = run(*words, "--heldout", "2").stdout
    assert len(list((tmp_path / "m" / "heldout").glob("*.flac"))) == 2
    assert str(tmp_path / "m" / "heldout") in shown


def test_an_unknown_corpus_and_too_few_recordings_are_one_line(
    run: Run, tmp_path: Path
) -> None:
    """Exit code 4 and nothing written."""
    for name, n_recordings in (("none", 24), ("planted", 3)):
        words = ["corpus", "write", name, tmp_path / "m", "--recordings", n_recordings]
        result = run(*words, "--json")
        assert (result.exit_code, result.stdout) == (4, "")
        assert result.stderr.count("\n") == 1
    assert not (tmp_path / "m").exists()
