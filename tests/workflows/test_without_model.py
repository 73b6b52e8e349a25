"""Evidence without the model, and what is refused."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from contrafact.catalog import Workspace
from contrafact.core.errors import AudioError, ConfigError
from contrafact.matching.style import StyleIndex
from contrafact.workflows.without_model import _reason, attribute_without_model


@pytest.fixture(scope="module")
def asked(
    indexed_for_matching: Path, corpus: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Root of a workspace in which the other queries were asked already."""
    root = tmp_path_factory.mktemp("asked") / "ws"
    shutil.copytree(indexed_for_matching, root)
    attribute_without_model(Workspace.open(root), sorted(corpus.glob("*.flac"))[1])
    return root


def test_layers_are_apart_and_called_likeness(
    asked: Path, corpus: Path, tmp_path: Path
) -> None:
    """A known recording is in the first layer alone; no word of influence."""
    audio = sorted(corpus.glob("*.flac"))[0]
    report = tmp_path / "page.html"
    found = attribute_without_model(Workspace.open(asked), audio, report=report)
    document = found.to_json()
    layers = document["layers"]
    assert layers["same_recording"][0]["file"] == str(audio)
    assert layers["partial_reuse"] == []
    assert document["is_influence"] is False
    assert {c["layer"] for c in document["collapse"]} == {
        "style", "same_recording", "work",
    }  # fmt: skip
    assert "Is the list one of this audio?" in report.read_text("utf-8")


def test_expected_shares_are_those_of_sources(asked: Path, corpus: Path) -> None:
    """They sum to one over the sources of the kind that was asked for."""
    audio = sorted(corpus.glob("*.flac"))[0]
    found = attribute_without_model(Workspace.open(asked), audio, by="recording")
    if found.studio is not None and not found.no_answer:
        assert len(found.expected) == 6
        assert sum(e.share for e in found.expected) == pytest.approx(1, abs=0.01)


def test_a_generic_list_is_refused(
    asked: Path, corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If all queries get the list of this one, there is no list, and it says why."""
    real = StyleIndex.panel

    def same_for_all(index: StyleIndex, n: int, *, seed: int = 0) -> np.ndarray:
        rows = real(index, n, seed=seed)
        return np.tile(np.linspace(1, 0, rows.shape[1], dtype=np.float32), (n, 1))

    monkeypatch.setattr(StyleIndex, "panel", same_for_all)
    audio = sorted(corpus.glob("*.flac"))[0]
    document = attribute_without_model(Workspace.open(asked), audio).to_json()
    assert "generic" in document["refused"]["style"]
    assert document["layers"]["style"] == []
    assert document["studio_map"]["expected"] == []
    assert document["studio_map"]["no_answer"] == "what they rest on was refused"


def test_of_one_source_nothing_is_expected(asked: Path, corpus: Path) -> None:
    """All recordings are of one artist, and 100 % would say nothing."""
    audio = sorted(corpus.glob("*.flac"))[0]
    found = attribute_without_model(Workspace.open(asked), audio, by="artist")
    assert found.expected == ()
    assert "1 such source" in found.no_answer


def test_of_what_nothing_is_like_nothing_is_expected(asked: Path, corpus: Path) -> None:
    """A map of likeness would still give shares, to whom is least unlike."""
    audio = sorted(corpus.glob("*.flac"))[0]
    found = attribute_without_model(Workspace.open(asked), audio, by="recording")
    assert _reason(found.evidence, (), n_sources=6) == ""
    nothing = replace(found.evidence, recordings=(), works=(), style=())
    assert "stands out" in _reason(nothing, (), n_sources=6)


def test_what_cannot_be_heard_or_asked_is_an_error(
    asked: Path, corpus: Path, tmp_path: Path
) -> None:
    """Silence cannot be attributed; nor is there a share by a kind unknown."""
    soundfile.write(tmp_path / "silent.wav", np.zeros(32_000), 16_000)
    workspace = Workspace.open(asked)
    with pytest.raises(AudioError, match=r"silent .*[^.]\.$"):
        attribute_without_model(workspace, tmp_path / "silent.wav")
    with pytest.raises(ConfigError, match="holder"):
        attribute_without_model(
            workspace, sorted(corpus.glob("*.flac"))[0], by="holder"
        )
