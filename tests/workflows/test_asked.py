"""A song that was moved in pitch is explained where the model knows it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from contrafact.catalog import Workspace, read_audio
from contrafact.catalog.audio import write_audio
from contrafact.catalog.pitch import change_pitch
from contrafact.core.errors import ConfigError
from contrafact.workflows.asked import ask, measure
from contrafact.workflows.attribute import attribute


@pytest.fixture
def raised(trained: Path, tmp_path: Path) -> Path:
    """A recording that the model was trained on, two semitones higher."""
    with Workspace.open(trained).catalog() as catalog:
        recording = catalog.recordings()[0]
    moved = change_pitch(read_audio(Workspace.open(trained).audio_path(recording)), 2)
    path = tmp_path / "raised.wav"
    write_audio(path, moved.samples, sample_rate=moved.sample_rate)
    return path


def test_of_several_pitches_the_one_with_the_lowest_loss_is_taken(trained, raised):
    """As of trying each by itself; the file is said to be that much higher."""
    workspace = Workspace.open(trained)
    pitches = (0.0, 2.0, -2.0)
    apart = [ask(workspace, raised, model="tiny", pitches=(p,)) for p in pitches]
    losses = [float(measure(a.generator, a, n_draws=16).mean()) for a in apart]
    best = losses.index(min(losses))
    found = ask(workspace, raised, model="tiny", pitches=pitches)
    assert found.pitch_semitones == pitches[best]
    assert torch.equal(found.queries.batch.latents, apart[best].queries.batch.latents)


def test_a_song_moved_back_is_said_to_be_so(trained, raised):
    """The notice names by how much, and which way."""
    found = ask(Workspace.open(trained), raised, model="tiny", pitches=(2.0,))
    assert found.pitch_semitones == 2
    assert found.notices[-1].startswith(
        "The file was explained 2 semitones lower than it is"
    )


def test_moved_back_it_is_nearest_to_what_it_was(trained, raised):
    """The change is undone, not done twice."""
    workspace = Workspace.open(trained)
    with workspace.catalog() as catalog:
        original = workspace.audio_path(catalog.recordings()[0])
    wanted = ask(workspace, original, model="tiny").queries.batch.latents

    def distance(pitch: float) -> float:
        asked = ask(workspace, raised, model="tiny", pitches=(pitch,))
        return float((asked.queries.batch.latents - wanted).square().mean())

    assert distance(2.0) < 0.5 * min(distance(0.0), distance(-2.0))


def test_a_song_as_it_is_carries_no_notice(trained, raised):
    """Nothing was done that must be said."""
    found = ask(Workspace.open(trained), raised, model="tiny")
    assert found.pitch_semitones == 0
    assert found.notices == ()


@pytest.mark.parametrize("pitch_range", [-1, 7])
def test_a_range_that_cannot_be_is_refused(trained, raised, pitch_range):
    """Before anything is read, with what is allowed."""
    with pytest.raises(ConfigError, match="from 0 to 6 semitones"):
        attribute(
            Workspace.open(trained), raised, model="tiny", pitch_range=pitch_range
        )
