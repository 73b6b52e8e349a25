from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from safetensors.torch import load_file, save_file

from contrafact.catalog import Workspace, read_tags, write_audio, write_json
from contrafact.core.errors import (
    AudioError,
    ConfigError,
    CorpusError,
    IndexMismatchError,
    ModelFormatError,
    NotFittedError,
    QueryError,
)
from contrafact.workflows.asked import ask
from contrafact.workflows.attribute import attribute
from contrafact.workflows.demo import run_demo
from contrafact.workflows.generate import generate
from contrafact.workflows.index import (
    build_index,
    check_digest,
    find_indexes,
    index_dir,
)
from contrafact.workflows.ingest import ingest
from contrafact.workflows.models import find_model, list_models, open_model
from contrafact.workflows.train import train
from contrafact.workflows.verify import find_attribution


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


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"guidance": float("nan")}, "Guidance .* got nan"),
        ({"guidance": 1e30}, "Guidance .* got 1e"),
        ({"n_steps": 0}, "Steps .* got 0"),
        ({"n_steps": 10**11}, "Steps .* got 100000000000"),
        ({"seconds": 0.0}, "more than 0 .* got 0.0"),
        ({"seconds": float("nan")}, "got nan"),
        ({"seconds": 1e9}, "got 1000000000"),
        ({"prompt": "x" * 100_000}, "100000 characters"),
        ({"prompt": "a\nb\x1b[2J"}, r"U\+001B"),
        ({"prompt": "a\0b"}, r"U\+0000"),
        ({"prompt": "\udcff"}, r"U\+DCFF"),
    ],
)
def test_impossible_sampling_writes_nothing(
    trained: Path, tmp_path: Path, change: dict[str, Any], found: str
) -> None:
    """What no song can come of is refused before sampling, and said."""
    song = tmp_path / "song.flac"
    given: dict[str, Any] = {"prompt": "x", "model": "tiny", "out": song, **change}
    with pytest.raises(ConfigError, match=found):
        generate(Workspace.open(trained), **given)
    assert not song.exists()


@pytest.mark.parametrize("name", ["song.mp3", "song", "folder.flac"])
def test_a_place_for_no_song_is_refused_before_sampling(
    trained: Path, tmp_path: Path, name: str
) -> None:
    """An unknown suffix or a folder in the way costs no minute of sampling."""
    (tmp_path / "folder.flac").mkdir()
    before = sorted(tmp_path.iterdir())
    with pytest.raises(AudioError, match="Cannot write"):
        # Were the model looked for first, its absence would be the error.
        generate(Workspace.open(trained), "x", model="none", out=tmp_path / name)
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    "name", ["", "..", "a/b", ".hidden", "a\x1bb", "a" * 300, "a b"]
)
def test_a_name_that_is_no_name_trains_nothing(fresh: Path, name: str) -> None:
    """A model's name is a folder's name and a word to type."""
    with pytest.raises(ConfigError, match="cannot name a model"):
        train(Workspace.open(fresh), recipe="tiny", name=name)
    assert not (fresh / "models").exists()


def test_no_words_are_a_prompt_too(trained: Path, tmp_path: Path) -> None:
    """Without a prompt the model is free; line breaks and any script are text."""
    workspace = Workspace.open(trained)
    for prompt in ("", "two\nlines", "\N{SNOWMAN} Ω"):
        song = generate(
            workspace, prompt, model="tiny", out=tmp_path / "s.flac", seconds=1
        )
        assert read_tags(song.path).get("contrafact_prompt", "") == prompt


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


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("A-2", "No attribution .* 'A-2'"),
        ("", "No attribution"),
        ("*", "No attribution"),
        ("../A-1", "No attribution"),
        ("A-", "'A-' begins the ids of 2 attributions, A-1 and A-12 among them"),
        ("A-1", "A-1/attribution.json is damaged"),
    ],
)
def test_an_attribution_is_found_by_a_unique_id(
    fresh: Path, asked: str, found: str
) -> None:
    """None, several and a whole id that begins another are told apart."""
    for name in ("A-1", "A-12"):
        write_json(fresh / "attributions" / name / "attribution.json", {})
    with pytest.raises(QueryError, match=found):
        find_attribution(Workspace.open(fresh), asked)


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


def test_index_that_is_being_built_is_not_called_damaged(tmp_path: Path) -> None:
    """Until its record is there, nobody is told to delete it."""
    with pytest.raises(NotFittedError, match="not finished"):
        check_digest(tmp_path, "whatever")


@pytest.mark.parametrize(
    "options", [{"corpus": "none"}, {"prompt": "\0"}, {"prompt": "x" * 9999}]
)
def test_a_demo_that_cannot_end_does_not_begin(
    tmp_path: Path, options: dict[str, str]
) -> None:
    """What is wrong is said before minutes of rendering and training."""
    with pytest.raises((CorpusError, ConfigError)):
        run_demo(tmp_path / "demo", **options)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["kept", "stratum_weights"])
def test_an_index_that_lacks_a_tensor_is_damaged(
    indexed: Path, tmp_path: Path, name: str
) -> None:
    """A tensor that is missing from the factors is named, when asked or built."""
    root = Path(shutil.copytree(indexed, tmp_path / "ws"))
    workspace = Workspace.open(root)
    (path,) = root.glob("indexes/*/factors.safetensors")
    save_file({k: v for k, v in load_file(path).items() if k != name}, path)
    with pytest.raises(NotFittedError, match=f"lacks '{name}'"):
        attribute(workspace, root / "song.flac", model="tiny")
    with pytest.raises(NotFittedError, match=f"lacks '{name}'"):
        build_index(workspace, model="tiny")


def test_building_does_not_bless_what_was_tampered_with(
    indexed: Path, tmp_path: Path
) -> None:
    """An index that changed after it was finished stays refused."""
    root = Path(shutil.copytree(indexed, tmp_path / "ws"))
    (path,) = root.glob("indexes/*/factors.safetensors")
    tensors = load_file(path)
    tensors["stratum_weights"] = tensors["stratum_weights"] * 2
    save_file(tensors, path)
    for _ in range(2):
        with pytest.raises(IndexMismatchError, match="not as it was built"):
            build_index(Workspace.open(root), model="tiny")


def test_an_index_of_another_model_is_refused(indexed: Path, tmp_path: Path) -> None:
    """Copied under the name of the other's folder, it is told by its digest."""
    root = Path(shutil.copytree(indexed, tmp_path / "ws"))
    workspace = Workspace.open(root)
    train(workspace, recipe="tiny", name="other", seed=5)
    (folder,) = root.glob("indexes/tiny-*")
    folder.rename(index_dir(workspace, find_model(workspace, "other")))
    with pytest.raises(IndexMismatchError, match="another model"):
        attribute(workspace, root / "song.flac", model="other")


def test_a_model_whose_weights_are_no_numbers_is_refused(
    indexed: Path, tmp_path: Path
) -> None:
    """Before anything is asked of it, with the file and the tensor."""
    root = Path(shutil.copytree(indexed, tmp_path / "ws"))
    path = root / "models" / "tiny" / "model.safetensors"
    tensors = load_file(path)
    name = next(n for n in sorted(tensors) if n.endswith("weight"))
    tensors[name].view(-1)[0] = float("nan")
    save_file(tensors, path)
    for use in (
        lambda: build_index(Workspace.open(root), model="tiny"),
        lambda: attribute(Workspace.open(root), root / "song.flac", model="tiny"),
    ):
        with pytest.raises(ModelFormatError, match=f"not finite in 1 .*{name}"):
            use()


@pytest.mark.parametrize("level", [1e30, 1e38])
def test_a_song_so_loud_that_losses_overflow_is_named(
    indexed: Path, tmp_path: Path, level: float
) -> None:
    """Its samples are numbers, its gradients are not: one line says whose."""
    rng = np.random.default_rng(0)
    sound = (level * rng.uniform(-1, 1, 32_000)).astype(np.float32)
    soundfile.write(tmp_path / "loud.wav", sound, 16_000, subtype="FLOAT")
    with pytest.raises((QueryError, AudioError), match=r"loud\.wav") as said:
        attribute(Workspace.open(indexed), tmp_path / "loud.wav", model="tiny")
    assert "\n" not in str(said.value)
