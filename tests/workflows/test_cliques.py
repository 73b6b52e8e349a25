"""Recordings of a catalog that are versions of one another."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
from typer.testing import CliRunner

from contrafact.catalog import Workspace, read_audio
from contrafact.cli.commands import app
from contrafact.core.errors import ConfigError
from contrafact.matching.versions.transcription import find_network
from contrafact.workflows.cliques import Clique, find_cliques
from contrafact.workflows.ingest import ingest

find_network()  # which hears the notes


def test_another_version_in_the_catalog_is_heard(matched: Path, tmp_path: Path) -> None:
    """Played faster and higher, and named by nobody."""
    workspace = Workspace.open(matched)
    assert find_cliques(workspace)[0] == ()
    with workspace.catalog() as catalog:
        first = catalog.recordings()[0]
    audio = read_audio(workspace.audio_path(first))
    faster = np.asarray(soxr.resample(audio.samples[0], 1.0, 0.944), np.float32)
    soundfile.write(tmp_path / "faster.flac", faster, audio.sample_rate)
    assert ingest(workspace, [tmp_path / "faster.flac"]).is_success
    (clique,), names = find_cliques(workspace, heard_only=True)
    assert clique.is_heard
    assert first.id in clique.recording_ids
    titles = [r["title"] for r in clique.to_json(names)["recordings"]]
    assert "faster" in titles
    result = CliRunner().invoke(
        app, ["catalog", "cliques", "-w", str(matched), "--json"]
    )
    (printed,) = json.loads(result.stdout)["cliques"]
    assert printed == clique.to_json(names)
    shown = CliRunner().invoke(app, ["catalog", "cliques", "-w", str(matched)]).stdout
    assert "(heard)" in shown
    assert "faster" in shown


def test_a_clique_of_two_works_was_heard() -> None:
    """One of a single work is what the catalog says."""
    named = Clique(recording_ids=("a", "b"), work_ids=("w",))
    assert not named.is_heard
    assert replace(named, work_ids=("v", "w")).is_heard


def test_a_p_value_out_of_range_is_refused(fresh: Path) -> None:
    """Before anything is indexed."""
    for bad in (0.0, 1.0, float("nan")):
        with pytest.raises(ConfigError, match="links nothing"):
            find_cliques(Workspace.open(fresh), max_p=bad)
    assert not (fresh / "matching").exists()
