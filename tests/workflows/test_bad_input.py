from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from contrafact.catalog import Workspace, write_audio, write_json
from contrafact.core.errors import (
    ConfigError,
    IndexMismatchError,
    ModelFormatError,
    NotFittedError,
    QueryError,
)
from contrafact.workflows.attribute import ask
from contrafact.workflows.generate import generate
from contrafact.workflows.index import check_digest, find_indexes
from contrafact.workflows.ingest import ingest
from contrafact.workflows.models import find_model, list_models, open_model
from contrafact.workflows.train import train
from contrafact.workflows.verify import find_attribution


@pytest.fixture(scope="session")
def trained(filled: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Root of a workspace with a model; not to be written to."""
    root = Path(shutil.copytree(filled, tmp_path_factory.mktemp("trained") / "ws"))
    train(Workspace.open(root), recipe="tiny")
    return root


@pytest.fixture
def workspace(trained: Path, tmp_path: Path) -> Workspace:
    """A copy of that workspace."""
    return Workspace.open(shutil.copytree(trained, tmp_path / "ws"))


@pytest.mark.parametrize("text", ["{", "{}", "[]", '{"model": 1, "training": 5}'])
def test_damaged_manifest_of_a_model_is_named(workspace: Workspace, text: str) -> None:
    """Whatever the manifest holds instead, the error says which file it is."""
    (workspace.models_dir / "tiny" / "manifest.json").write_text(text)
    with pytest.raises(ModelFormatError, match=r"manifest\.json is damaged"):
        list_models(workspace)


def test_weights_of_another_model_are_refused(workspace: Workspace) -> None:
    """Weights of the right shapes that are not the model's own do not pass."""
    folder = workspace.models_dir / "tiny"
    shutil.copy(folder / "checkpoints" / "middle.safetensors",
                folder / "model.safetensors")  # fmt: skip
    with pytest.raises(ModelFormatError, match="not those that were trained"):
        open_model(find_model(workspace, "tiny"))


@pytest.mark.parametrize("text", ["[]", "{}", "{"])
@pytest.mark.parametrize("name", ["manifest.json", "record.json"])
def test_damaged_description_of_an_index_is_named(
    fresh: Path, name: str, text: str
) -> None:
    """An index whose description lacks something is an error of its kind."""
    folder = fresh / "indexes" / "tiny-0"
    folder.mkdir(parents=True)
    for other in ("manifest.json", "record.json"):
        (folder / other).write_text("{}")
    (folder / name).write_text(text)
    with pytest.raises(NotFittedError, match="tiny-0"):
        find_indexes(Workspace.open(fresh))


def test_damaged_cache_is_made_again(workspace: Workspace) -> None:
    """A cached file that was cut short is no obstacle."""
    for path in workspace.cache_dir.rglob("*.safetensors"):
        path.write_bytes(b"cut")
    before = find_model(workspace, "tiny")
    assert train(workspace, recipe="tiny") == before


@pytest.mark.parametrize("change", [{"guidance": float("nan")}, {"n_steps": 0}])
def test_impossible_sampling_writes_nothing(
    trained: Path, tmp_path: Path, change: dict[str, float]
) -> None:
    """Guidance that is no number and zero steps are refused before sampling."""
    song = tmp_path / "song.flac"
    with pytest.raises(ConfigError, match="guidance"):
        generate(Workspace.open(trained), "x", model="tiny", out=song, **change)
    assert not song.exists()


def test_song_of_hours_is_refused_at_once(trained: Path, tmp_path: Path) -> None:
    """The header is enough to tell; nothing is decoded or held in memory."""
    path = tmp_path / "long.flac"
    with soundfile.SoundFile(path, "w", 8000, 1) as file:
        for _ in range(31):
            file.write(np.zeros(8000 * 60, np.float32))
    with pytest.raises(QueryError, match="31 min"):
        ask(Workspace.open(trained), path, model="tiny")


@pytest.mark.parametrize("text", ["{", "{}", "[]"])
def test_damaged_attribution_is_named(fresh: Path, text: str) -> None:
    """A kept answer that cannot be read is an error of its kind."""
    folder = fresh / "attributions" / "A-1"
    folder.mkdir(parents=True)
    (folder / "attribution.json").write_text(text)
    with pytest.raises(QueryError, match="damaged"):
        find_attribution(Workspace.open(fresh), "A-1")


def test_named_pipe_in_a_folder_does_not_stop_ingest(tmp_path: Path) -> None:
    """What is no regular file is a problem; its neighbours are taken."""
    rng = np.random.default_rng(0)
    music = tmp_path / "music"
    sound = rng.uniform(-0.5, 0.5, (1, 8000)).astype(np.float32)
    write_audio(music / "noise.wav", sound, 8000)
    os.mkfifo(music / "pipe.wav")
    report = ingest(Workspace.init(tmp_path / "ws"), [music])
    assert len(report.taken) == 1
    assert [Path(p.source).name for p in report.problems] == ["pipe.wav"]


def test_index_that_was_tampered_with_is_refused(tmp_path: Path) -> None:
    """Features of the right size that are not those that were built do not pass."""
    write_json(tmp_path / "record.json", {"digest": "as it was built"})
    check_digest(tmp_path, "as it was built")
    with pytest.raises(IndexMismatchError, match="not as it was built"):
        check_digest(tmp_path, "something else")
