"""Passages of recordings that are much longer than the model's window."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from contrafact.attribution.estimators.index import IndexEstimator
from contrafact.catalog import Workspace, digest_file, read_audio, write_audio
from contrafact.core.results import Interval, Passage, SourceShare
from contrafact.workflows import passages
from contrafact.workflows.asked import Asked, ask
from contrafact.workflows.index import build_index, index_dir
from contrafact.workflows.ingest import ingest
from contrafact.workflows.passages import find_passages
from contrafact.workflows.train import train

RATE = 16_000
LONG_S, QUERY_S, QUERY_AT_S = 150, 8, 87


def melody(rng: np.random.Generator, seconds: int) -> np.ndarray:
    """Return a new tone every half second, `(1, time)`."""
    pitches = np.repeat(rng.uniform(100, 2000, 2 * seconds), RATE // 2)
    wave = 0.4 * np.sin(2 * np.pi * np.cumsum(pitches) / RATE)
    return wave[None].astype(np.float32)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Root of a workspace with an index of three short and one long recording."""
    rng, folder = np.random.default_rng(0), tmp_path_factory.mktemp("long")
    for name, seconds in {"a": 5, "b": 6, "c": 7, "long": LONG_S}.items():
        write_audio(folder / "music" / f"{name}.wav", melody(rng, seconds), RATE)
    allowed = "".join(
        f"master;composition,{digest_file(path)},train-generative,yes,Ann,worldwide\n"
        for path in sorted((folder / "music").iterdir())
    )
    head = "right,file_sha256,use,allowed,grantor,territory\n"
    (folder / "music" / "consents.csv").write_text(head + allowed)
    workspace = Workspace.init(folder / "ws")
    ingest(workspace, [folder / "music"])
    train(workspace, recipe="tiny")
    build_index(workspace, model="tiny")
    start = QUERY_AT_S * RATE
    sound = read_audio(folder / "music" / "long.wav").samples
    song = sound[:, start : start + QUERY_S * RATE]
    write_audio(folder / "ws" / "song.wav", song, RATE)
    return folder / "ws"


@pytest.fixture
def asked(root: Path) -> Asked:
    """Eight seconds of the long recording as a song, ready to be explained."""
    return ask(Workspace.open(root), root / "song.wav", model="tiny", prompt="long")


def of_long(asked: Asked, **options: Any) -> tuple[Passage, ...]:
    """Return the passages, of which the long recording alone has influence."""
    directory = index_dir(Workspace.open(asked.audio.parent), asked.record)
    none = Interval(low=0.0, high=0.0)
    shares = [
        SourceShare(
            id=r.id, name=r.title, share=0.0, interval=none,
            influence=float(r.title == "long"), influence_interval=none,
            of_learned=None, common=0.0, n_recordings=1,
        )
        for r in asked.recordings
    ]  # fmt: skip
    method = IndexEstimator().open(asked.task, directory)
    artists = {r.id: "nobody" for r in asked.recordings}
    found, _ = find_passages(
        asked, method, shares, artists=artists, directory=directory, **options
    )
    return found


def test_few_windows_are_looked_into(asked, monkeypatch):
    """However long a recording is, the work has a bound."""
    seen = []

    def counted(*arguments: Any) -> Any:
        seen.append(arguments)
        return look(*arguments)

    look = passages.influence_by_token
    monkeypatch.setattr(passages, "influence_by_token", counted)
    monkeypatch.setattr(passages, "_MOST_PAIRS", 3)
    assert len(asked.data.windows) > 10
    assert len(of_long(asked)) == 1
    assert len(seen) == 3 + 1  # and the song itself, once


def test_the_bound_changes_no_answer(asked, monkeypatch):
    """The windows that the index scores highest hold the best passage."""
    (everywhere,) = of_long(asked)
    monkeypatch.setattr(passages, "_MOST_PAIRS", 3)
    assert of_long(asked) == (everywhere,)


def test_the_passage_is_where_the_song_was_cut_from(asked, monkeypatch):
    """A piece of a recording matches the recording where it lies in it."""
    monkeypatch.setattr(passages, "_MOST_PAIRS", 3)
    (found,) = of_long(asked)
    assert QUERY_AT_S - 2.5 < found.recording_start_s < QUERY_AT_S + QUERY_S
