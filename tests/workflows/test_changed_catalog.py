"""What answers say when the catalog changed under an index."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from contrafact.catalog import Workspace, write_audio
from contrafact.core.errors import IndexMismatchError
from contrafact.core.results import Attribution
from contrafact.workflows.attribute import attribute
from contrafact.workflows.index import build_index, index_dir
from contrafact.workflows.ingest import ingest
from contrafact.workflows.models import find_model


def answer(workspace: Workspace) -> Attribution:
    """What is said of the song."""
    song = workspace.root / "song.flac"
    return attribute(workspace, song, model="tiny", listen=False)


@pytest.fixture
def workspace(indexed: Path, tmp_path: Path) -> Workspace:
    """A copy of the workspace with an index."""
    return Workspace.open(shutil.copytree(indexed, tmp_path / "ws"))


@pytest.fixture
def edited(corpus: Path, tmp_path: Path) -> Callable[[Workspace, str], str]:
    """Put a word into one column of the first recording of the table, and ingest it."""

    def edit(workspace: Workspace, column: str) -> str:
        with (corpus / "metadata.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        assert column in rows[0]
        rows[0][column] = "Somebody Else"
        with (tmp_path / "edited.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows(rows)
        files = sorted(corpus.glob("*.flac"))
        report = ingest(workspace, files, metadata=tmp_path / "edited.csv")
        (changed,) = report.taken
        return str(changed)

    return edit


def test_recordings_added_later_change_no_answer(
    workspace: Workspace, tmp_path: Path, rng: np.random.Generator
) -> None:
    """The model never heard them, so they cannot have shaped its songs."""
    before = answer(workspace)
    noise = rng.uniform(-0.5, 0.5, (1, 32_000)).astype(np.float32)
    write_audio(tmp_path / "later" / "noise.wav", noise, 16_000)
    assert len(ingest(workspace, [tmp_path / "later"]).taken) == 1
    after = answer(workspace)
    assert after.tables == before.tables
    assert after.n_recordings == before.n_recordings == 24


def test_who_made_a_recording_can_be_corrected_without_a_new_index(
    workspace: Workspace, edited: Callable[[Workspace, str], str]
) -> None:
    """Names are no part of what a model was shown: the next answer has the new one."""
    record = edited(workspace, "artists")
    names = {s.name for s in answer(workspace).tables["artist"]}
    assert "Somebody Else" in names
    assert record in {s.id for s in answer(workspace).tables["recording"]}


def test_a_caption_that_was_edited_is_named(
    workspace: Workspace, edited: Callable[[Workspace, str], str]
) -> None:
    """What the model would have learned of it now is not what it learned."""
    record = edited(workspace, "caption")
    folder = index_dir(workspace, find_model(workspace, "tiny"))
    features = (folder / "features.i8").read_bytes()
    for use in (
        lambda: answer(workspace),
        lambda: build_index(workspace, model="tiny"),
    ):
        with pytest.raises(IndexMismatchError, match=f"audio of {record} changed"):
            use()
    assert (folder / "features.i8").read_bytes() == features


def test_a_recording_that_is_gone_is_named(
    workspace: Workspace, corpus: Path, tmp_path: Path
) -> None:
    """It shaped the songs all the same: there is no answer rather than a wrong one."""
    folder = Path(shutil.copytree(corpus, tmp_path / "fewer"))
    gone = sorted(folder.glob("*.flac"))[0]
    gone.unlink()
    with (folder / "metadata.csv").open() as file:
        lines = [line for line in file if gone.name not in line]
    (folder / "metadata.csv").write_text("".join(lines))
    other = Workspace.init(tmp_path / "other")
    ingest(other, [folder], metadata=folder / "metadata.csv")
    for name in ("models", "indexes"):
        shutil.copytree(workspace.root / name, other.root / name, dirs_exist_ok=True)
    shutil.copy(workspace.root / "song.flac", other.root)
    with pytest.raises(IndexMismatchError, match=r"lacks 1 \(R-"):
        answer(other)
