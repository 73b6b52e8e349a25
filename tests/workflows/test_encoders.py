"""Learned encoders of a workspace: asked, kept up to date, made from checkpoints."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
import yaml
from safetensors.torch import save_file

from contrafact.catalog import Workspace, read_audio
from contrafact.core.errors import ConfigError, ModelFormatError
from contrafact.core.evidence import Evidence
from contrafact.matching.encoders.clews import ClewsNetwork
from contrafact.workflows.encoders import (
    AskedEncoder,
    convert_weights,
    encoder_matches,
    named_encoders,
    open_encoders,
)
from contrafact.workflows.evidence_documents import document, read_names
from contrafact.workflows.identify import identify
from contrafact.workflows.listening import Listening, _at_rate, hear
from contrafact.workflows.without_model import attribute_without_model

_SETTINGS = {
    "data": {"samplerate": 16_000},
    "model": {
        "shingling": {"len": 2, "hop": 2},
        "cqt": {
            "hoplen": 0.04,
            "noctaves": 4,
            "nbinsoct": 12,
            "fscale": 0.25,
            "pool": 2,
        },
        "frontend": {"cqtpow": 0.5, "channels": [4, 8]},
        "backbone": {"blocks": [1], "channels": [8], "down": [1]},
        "zdim": 12,
    },
}


def _network(seed: int = 0) -> ClewsNetwork:
    torch.manual_seed(seed)
    network = ClewsNetwork(_SETTINGS["model"], sample_rate=16_000)
    for block in network.backbone:  # which do nothing before training
        torch.nn.init.ones_(block.gain)
    return network


@pytest.fixture
def clews(tmp_path: Path) -> Path:
    """Folder of a small CLEWS with random weights."""
    folder = tmp_path / "clews"
    folder.mkdir()
    save_file(_network().state_dict(), folder / "model.safetensors")
    (folder / "configuration.yaml").write_text(yaml.safe_dump(_SETTINGS))
    return folder


def test_a_recording_of_the_catalog_is_like_itself(fresh: Path, clews: Path) -> None:
    """The record says to whose ear, with titles, and where in both."""
    workspace = Workspace.open(fresh)
    with workspace.catalog() as catalog:
        recording = catalog.recordings()[5]
    path = workspace.audio_path(recording)
    matches = encoder_matches(
        open_encoders(workspace, {"clews": clews}),
        lambda rate: read_audio(path, sample_rate=rate).samples[0],
        max_p=0.05,
    )
    evidence = Evidence(file="x.wav", encoders=matches)
    first = document(evidence, read_names(workspace))["encoders"]["clews"][0]
    assert first["recording_id"] == recording.id
    assert first["title"] == recording.title
    assert first["p_value"] <= 0.05
    span = first["intervals"][0]
    assert span["query_start_s"] == span["reference_start_s"]


def test_an_encoder_is_asked_beside_the_other_layers(
    matched: Path, clews: Path, tmp_path: Path
) -> None:
    """They say what they said without it; the page has a part for it."""
    workspace, page = Workspace.open(matched), tmp_path / "page.html"
    with workspace.catalog() as catalog:
        audio = workspace.audio_path(catalog.recordings()[0])
    told: list[str] = []
    found = identify(
        workspace,
        audio,
        encoders={"clews": clews},
        report=page,
        progress=lambda stage, *_: told.append(stage),
    ).to_json()
    assert "encoding with clews" in told
    assert "To the ear of CLEWS" in page.read_text()
    plain = identify(workspace, audio).to_json()
    assert plain["encoders"] == {}
    assert {**found, "encoders": {}} == plain


def test_an_encoder_hears_what_other_layers_do_not(tmp_path: Path) -> None:
    """What lies above half of their rate, and only of the part that is heard."""
    rate = 44_100
    sound = np.random.default_rng(0).normal(0, 0.1, 4 * rate)
    soundfile.write(tmp_path / "high.wav", sound, rate)
    heard = hear(tmp_path / "high.wav", Listening(most_s=3.0))
    samples = _at_rate(tmp_path / "high.wav", heard, rate)
    np.testing.assert_allclose(samples, sound[: 3 * rate], atol=1e-3)


def test_an_encoder_is_asked_without_the_model(
    matched: Path, clews: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is a layer of its own there, too, and hears the song alone, once."""
    workspace = Workspace.open(matched)
    with workspace.catalog() as catalog:
        audio = workspace.audio_path(catalog.recordings()[0])
    n_heard: list[int] = []
    plain = AskedEncoder.matches

    def counted(asked: AskedEncoder, *given: Any, **named: Any) -> Any:
        n_heard.append(1)
        return plain(asked, *given, **named)

    monkeypatch.setattr(AskedEncoder, "matches", counted)
    found = attribute_without_model(workspace, audio, encoders={"clews": clews})
    # Six recordings are too few for any to stand out.
    assert found.to_json()["layers"]["encoders"] == {"clews": []}
    assert n_heard == [1]


def test_the_index_follows_the_catalog(fresh: Path, clews: Path) -> None:
    """Nothing is heard twice; what left the catalog leaves it."""
    workspace = Workspace.open(fresh)
    stages: list[tuple[int, int]] = []
    first = open_encoders(workspace, {"clews": clews})["clews"]
    with workspace.catalog() as catalog:
        assert set(first.index.recording_ids) == {r.id for r in catalog.recordings()}
        gone = catalog.recordings()[0].id
    again = open_encoders(workspace, {"clews": clews}, lambda _, *n: stages.append(n))[
        "clews"
    ]
    assert stages == []
    assert again.index.recording_ids == first.index.recording_ids
    first.index.delete(gone)
    open_encoders(workspace, {"clews": clews}, lambda _, *n: stages.append(n))
    assert stages == [(0, 1), (1, 1)]


def test_encoders_are_named_with_their_folders() -> None:
    """One of each, and only those that are known."""
    assert named_encoders(["clap=a", "muq=b=c"]) == {
        "clap": Path("a"),
        "muq": Path("b=c"),
    }
    for bad in (["clap"], ["clap="], ["ear=a"], ["clap=a", "clap=b"]):
        with pytest.raises(ConfigError):
            named_encoders(bad)


def test_a_checkpoint_becomes_an_encoder(tmp_path: Path) -> None:
    """As its makers publish it: a pickle, with settings beside it."""
    source = tmp_path / "published" / "checkpoint_best.ckpt"
    source.parent.mkdir()
    network = _network(seed=1)
    torch.save({"model": network.state_dict(), "conf": torch.Size([1])}, source)
    (source.parent / "configuration.yaml").write_text(yaml.safe_dump(_SETTINGS))
    made: Any = convert_weights("clews", source, tmp_path / "made")
    for name, tensor in network.state_dict().items():
        np.testing.assert_array_equal(made._network.state_dict()[name], tensor)
    copied = tmp_path / "made" / "configuration.yaml"
    assert yaml.safe_load(copied.read_text()) == _SETTINGS


def test_weights_of_another_network_are_not_left_behind(tmp_path: Path) -> None:
    """They are tried before it is said that they are ready."""
    torch.save(torch.nn.Linear(2, 2).state_dict(), tmp_path / "other.pt")
    (tmp_path / "configuration.yaml").write_text(yaml.safe_dump(_SETTINGS))
    with pytest.raises(ModelFormatError, match="lack"):
        convert_weights("clews", tmp_path / "other.pt", tmp_path / "made")
    assert not list((tmp_path / "made").glob("*.safetensors"))


def test_what_is_no_checkpoint_leaves_nothing_behind(tmp_path: Path) -> None:
    """A missing file, one of something else, and one without tensors."""
    bad = tmp_path / "bad.ckpt"
    for content in (None, b"no zip", {"step": 3}):
        if isinstance(content, bytes):
            bad.write_bytes(content)
        elif content is not None:
            torch.save(content, bad)
        with pytest.raises(ModelFormatError):
            convert_weights("clews", bad, tmp_path / "made")
        assert not (tmp_path / "made").exists()
    with pytest.raises(ConfigError, match="clews"):
        convert_weights("ear", bad, tmp_path / "made")
