"""A near copy in the catalog takes half of an influence, and adds none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from contrafact.catalog import Workspace
from contrafact.workflows.attribute import attribute
from contrafact.workflows.index import build_index, copies_in
from contrafact.workflows.ingest import ingest
from contrafact.workflows.train import train


def test_an_index_knows_near_copies_and_attribution_splits_between_them(
    fresh: Path, tmp_path: Path, rng: np.random.Generator
) -> None:
    """The same performance, quieter and noisy, is found by its sound, and once only."""
    workspace = Workspace.open(fresh)
    with workspace.catalog() as catalog:
        original = sorted(catalog.recordings(), key=lambda r: r.id)[3]
    path = workspace.audio_path(original)
    wave, rate = soundfile.read(path)
    noise = rng.normal(size=wave.shape) * 0.02 * np.abs(wave).max()
    (tmp_path / "more").mkdir()
    soundfile.write(tmp_path / "more" / "again.flac", 0.5 * wave + noise, rate)
    ingest(workspace, [tmp_path / "more"])
    train(workspace, recipe="tiny", unlicensed_research=True)
    record = build_index(workspace, model="tiny", unlicensed_research=True)
    copies = copies_in(record.directory)
    assert len(copies) == 2
    assert original.id in copies
    answer = attribute(
        workspace, path, model="tiny", prompt="", by="recording", listen=False
    )
    influence = {s.id: s.influence for s in answer.tables["recording"]}
    one, other = (influence[recording] for recording in copies)
    assert one == pytest.approx(other)
    told: list[str] = []
    build_index(
        workspace, model="tiny", unlicensed_research=True,
        progress=lambda stage, done, total: told.append(stage),
    )  # fmt: skip
    assert told
    assert "copies" not in told
    assert copies_in(record.directory) == copies
