"""Screening: order, resuming, names from a stream, and what dies alone."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from contrafact.catalog import Workspace
from contrafact.catalog.corpora._synth import PlayedNote, play
from contrafact.matching.versions import SAMPLE_RATE, transcription
from contrafact.workflows import match_indexes
from contrafact.workflows.listening import listen
from contrafact.workflows.match_indexes import matching_dir, read_indexes
from contrafact.workflows.screen import SCREENING, Screening, screen, uploads_in

SCREEN = """
import sys
from pathlib import Path
from contrafact.catalog import Workspace
from contrafact.workflows.screen import Screening, screen, uploads_in
if __name__ == "__main__":
    how = Screening(n_workers=1)
    for record in screen(Workspace.open(sys.argv[1]), uploads_in([Path(sys.argv[2])]),
                         how=how):
        print(record["file"])
"""


@pytest.fixture
def uploads(corpus: Path, tmp_path: Path) -> Path:
    """A folder with two known recordings, a new sound, and a text."""
    folder = tmp_path / "uploads"
    folder.mkdir()
    for number, path in enumerate(sorted(corpus.glob("*.flac"))[:2]):
        shutil.copy(path, folder / f"{number}.flac")
    noise = 0.1 * np.random.default_rng(0).standard_normal(3 * 16_000)
    soundfile.write(folder / "2.wav", noise, 16_000)
    (folder / "3.mp3").write_text("not audio at all")
    return folder


def _screened(root: Path, *places: Path, **options: Any) -> list[dict[str, Any]]:
    how = Screening(n_workers=1, **options)
    return list(screen(Workspace.open(root), uploads_in(list(places)), how=how))


def test_each_upload_gets_one_record_in_order(matched: Path, uploads: Path) -> None:
    """Known ones are named, new ones are not, and a bad one says why."""
    records = _screened(matched, uploads)
    assert [Path(r["file"]).name for r in records] == [
        "0.flac", "1.flac", "2.wav", "3.mp3",
    ]  # fmt: skip
    for record in records[:2]:
        best = record["recordings"][0]
        assert best["file"].endswith(".flac")
        assert best["false_match_probability"] <= 0.01
        assert record["origin"] == "not measured"
    assert (records[2]["recordings"], records[2]["works"]) == ([], [])
    assert records[3]["recordings"] == []
    assert "recordings" in records[3]["not_measured"]
    assert "not audio" in records[3]["problem"]


def test_what_was_screened_is_not_screened_again(matched: Path, uploads: Path) -> None:
    """The second run gives the same records; a changed file gives a new one."""
    first = _screened(matched, uploads)
    shutil.copy(uploads / "1.flac", uploads / "0.flac")
    again = _screened(matched, uploads)
    assert again[1:] == first[1:]
    assert again[0]["digest"] == first[1]["digest"]
    assert json.dumps(_screened(matched, uploads)) == json.dumps(again)


def test_names_come_on_a_stream() -> None:
    """One a line, or ended by NUL; a name may then hold a line feed."""
    lines = io.BufferedReader(io.BytesIO(b"a.wav\n\nb c.wav\nlast"))  # type: ignore[arg-type]
    assert list(uploads_in([Path("-")], lines)) == [
        Path("a.wav"), Path("b c.wav"), Path("last"),
    ]  # fmt: skip
    ended = io.BufferedReader(io.BytesIO(b"a\nb.wav\0c.wav\0"))  # type: ignore[arg-type]
    assert list(uploads_in([Path("-")], ended)) == [Path("a\nb.wav"), Path("c.wav")]


def test_everything_in_a_folder_is_an_upload(tmp_path: Path) -> None:
    """Whatever its name, in order; hidden files and folders are left out."""
    for name in ("b.txt", "a", ".hidden", "c/d.mp3", ".git/e.wav"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    found = [p.relative_to(tmp_path) for p in uploads_in([tmp_path])]
    assert found == [Path("a"), Path("b.txt"), Path("c/d.mp3")]


def test_the_rest_is_heard_only_if_there_is_a_hint(
    matched: Path, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a new piece eleven seconds are enough; a known work is heard longer."""
    n_heard = 0
    hear = transcription._listen

    def counted(audio: Any, start: int) -> Any:
        nonlocal n_heard
        n_heard += 1
        return hear(audio, start)

    monkeypatch.setattr(transcription, "_listen", counted)
    indexes = read_indexes(matching_dir(Workspace.open(matched)))
    known, rate = soundfile.read(sorted(corpus.glob("*.flac"))[1])
    soundfile.write(tmp_path / "known.wav", np.tile(known, 30)[: 30 * rate], rate)
    rng = np.random.default_rng(0)
    notes = [
        PlayedNote(0.4 * i, 0.4 * i + 0.35, int(pitch), 0, 90)
        for i, pitch in enumerate(rng.integers(50, 80, 70))
    ]
    soundfile.write(tmp_path / "new.wav", play(notes, [0], 30.0), SAMPLE_RATE)
    found = listen(tmp_path / "new.wav", indexes, SCREENING)
    assert (found.works, n_heard) == ((), 7)
    n_heard = 0
    found = listen(tmp_path / "known.wav", indexes, SCREENING)
    assert found.works
    assert n_heard == 12


@pytest.mark.slow
def test_screening_goes_on_after_it_was_killed(
    matched: Path, uploads: Path, killed_until_done: Callable[..., int]
) -> None:
    """Killed at random moments, the records are those of a run that was not."""
    killed_until_done(SCREEN, matched, uploads, kills=6, seed=1, span_s=4.0)
    assert _screened(matched, uploads) == _screened(matched, uploads, is_anew=True)


def test_records_are_made_anew_where_works_are_compared_in_another_way(
    indexed_for_matching: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The state of the indexes is another, though the catalog is the same."""
    indexes = read_indexes(matching_dir(Workspace.open(indexed_for_matching)))
    before = indexes.digest
    assert indexes.digest == before
    monkeypatch.setattr(match_indexes, "FORMAT", "another")
    assert indexes.digest != before
