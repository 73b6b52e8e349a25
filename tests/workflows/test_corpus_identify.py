"""Corpus audit, and indexes that follow the catalog."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from contrafact.catalog import Workspace
from contrafact.core.errors import CatalogError
from contrafact.workflows import match_indexes
from contrafact.workflows.corpus_identify import (
    identify_corpus,
    write_lines,
    write_page,
)
from contrafact.workflows.identify import identify
from contrafact.workflows.match_indexes import open_indexes
from contrafact.workflows.stores import set_apart, unlicensed_store


@pytest.fixture
def training(corpus: Path, tmp_path: Path) -> Path:
    """A corpus: a known recording twice, once more in another form, and noise."""
    folder = tmp_path / "training"
    folder.mkdir()
    known = sorted(corpus.glob("*.flac"))[0]
    shutil.copy(known, folder / "a.flac")
    shutil.copy(known, folder / "b.flac")
    samples, rate = soundfile.read(known, dtype="float32")
    soundfile.write(folder / "c.mp3", 0.5 * samples, rate)
    noise = 0.1 * np.random.default_rng(0).standard_normal(4 * 16_000)
    soundfile.write(folder / "d.wav", noise, 16_000)
    (folder / "e.txt").write_text("notes")
    return folder


def test_an_audit_tells_known_twins_and_lost_apart(
    matched: Path, training: Path, tmp_path: Path
) -> None:
    """Every file has its record; the lines and the page hold the same."""
    audit = identify_corpus(Workspace.open(matched), training, n_workers=1)
    by_name = {Path(f["file"]).name: f for f in audit.files}
    assert [f["file"] for f in audit.known] == [
        str(training / name) for name in ("a.flac", "b.flac", "c.mp3")
    ]
    kinds = {(Path(d["file"]).name, d["kind"]) for d in by_name["a.flac"]["duplicates"]}
    assert kinds == {("b.flac", "exact"), ("c.mp3", "near")}
    assert by_name["d.wav"]["duplicates"] == []
    assert [Path(f["file"]).name for f in audit.unreadable] == ["e.txt"]
    write_lines(audit, tmp_path / "audit.jsonl")
    lines = (tmp_path / "audit.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == list(audit.files)
    write_page(audit, tmp_path / "audit.html")
    assert "3 of 5 files" in (tmp_path / "audit.html").read_text("utf-8")
    again = identify_corpus(Workspace.open(matched), training, n_workers=1)
    assert again == audit


def test_a_corpus_that_is_no_folder_is_named(matched: Path) -> None:
    """The error says what to name."""
    with pytest.raises(CatalogError, match="no folder"):
        identify_corpus(Workspace.open(matched), matched / "nowhere")


def test_indexes_follow_what_is_set_apart(matched: Path, corpus: Path) -> None:
    """A recording that leaves the licensed store is not recognised there any more.

    The unlicensed store knows it, and nothing else.
    """
    workspace = Workspace.open(matched)
    audio = sorted(corpus.glob("*.flac"))[0]
    with workspace.catalog() as catalog:
        gone = [r for r in catalog.recordings() if r.file == str(audio)]
    set_apart(workspace, gone)
    indexes = open_indexes(workspace)
    assert len(indexes.recording_ids) == 5
    for held in (indexes.fingerprints, indexes.versions, indexes.style):
        assert gone[0].id not in held.recording_ids
    names = [m["file"] for m in identify(workspace, audio).to_json()["recordings"]]
    assert str(audio) not in names
    assert open_indexes(unlicensed_store(workspace)).recording_ids == ()


def test_indexes_up_to_date_are_not_written(
    matched: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asking needs no lock, so that many may ask at once."""
    workspace = Workspace.open(matched)

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("written to")

    monkeypatch.setattr(match_indexes, "_made", refuse)
    with Workspace.open(matched).lock():
        assert len(open_indexes(workspace).recording_ids) == 6
