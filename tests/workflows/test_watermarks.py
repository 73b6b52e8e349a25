from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from contrafact.catalog import Workspace, read_tags
from contrafact.core.config import keys_dir_from_environment
from contrafact.core.errors import AudioError, SigningKeyError, WatermarkError
from contrafact.workflows.mark import mark
from contrafact.workflows.outputs import OutputRegister, find_outputs
from contrafact.workflows.watermarks import (
    WatermarkChoice,
    payload_of,
    read_marks,
    read_watermarks,
)

RATE = 16_000
OURS = WatermarkChoice(name="patchwork")


@pytest.fixture(autouse=True)
def keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Use a folder of keys of the test's own; return that of the marking keys."""
    monkeypatch.setenv("CONTRAFACT_KEYS", str(tmp_path / "keys"))
    return keys_dir_from_environment() / "marking"


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """An empty workspace."""
    return Workspace.init(tmp_path / "ws")


@pytest.fixture
def song(tmp_path: Path, write_song: Callable[..., Path]) -> Path:
    """A song that can carry a mark, with a tag."""
    return write_song(tmp_path / "song.flac", seed="7")


def test_marked_song_is_read_back_as_evidence(
    workspace: Workspace, song: Path, tmp_path: Path
) -> None:
    """The mark is in the new file, in the register, and is evidence of origin."""
    out = tmp_path / "marked.flac"
    marked = mark(workspace, song, out=out, watermark=OURS)
    assert marked.watermark is not None
    scheme, payload = marked.watermark.split(":")
    evidence = {e.kind: e for e in read_marks(out)}
    found = evidence[f"watermark:{scheme}"]
    assert payload in found.detail
    assert found.p_value is not None
    assert found.p_value < 1e-3
    entered = find_outputs(workspace, out)[0].record
    assert entered.files[-1].watermark == marked.watermark
    assert read_tags(out)["contrafact_seed"] == "7"


def test_unmarked_song_gives_no_evidence(
    workspace: Workspace, song: Path, tmp_path: Path
) -> None:
    """With a key at hand, a song without a mark gives none."""
    mark(workspace, song, out=tmp_path / "marked.flac", watermark=OURS)
    assert "watermark:patchwork" not in {e.kind for e in read_marks(song)}
    tried = {one.name for one in read_watermarks(song)}
    assert "patchwork" in tried


def test_without_a_key_our_mark_is_not_looked_for(song: Path, keys: Path) -> None:
    """Reading makes no key."""
    assert "patchwork" not in {one.name for one in read_watermarks(song)}
    assert not keys.exists()


def test_damaged_key_is_a_clear_error(
    workspace: Workspace, song: Path, keys: Path, tmp_path: Path
) -> None:
    """A key that is none is told, and not replaced."""
    keys.mkdir(parents=True)
    (keys / "watermark.key").write_text("nonsense\n")
    with pytest.raises(SigningKeyError, match="hexadecimal"):
        mark(workspace, song, out=tmp_path / "m.flac", watermark=OURS)
    assert (keys / "watermark.key").read_text() == "nonsense\n"


def test_key_is_readable_by_its_owner_only(
    workspace: Workspace, song: Path, keys: Path, tmp_path: Path
) -> None:
    """The key's file is private, and the next mark uses the same key."""
    mark(workspace, song, out=tmp_path / "m.flac", watermark=OURS)
    path = keys / "watermark.key"
    before = path.read_text()
    assert path.stat().st_mode & 0o077 == 0
    mark(workspace, song, out=tmp_path / "n.flac", watermark=OURS)
    assert path.read_text() == before


def test_song_that_cannot_carry_it_is_left_alone(
    workspace: Workspace, tmp_path: Path
) -> None:
    """A steady tone is refused, and no file is written."""
    path, out = tmp_path / "tone.wav", tmp_path / "out.wav"
    t = np.arange(6 * RATE) / RATE
    soundfile.write(path, 0.3 * np.sin(2 * np.pi * 100 * t), RATE)
    with pytest.raises(WatermarkError, match="cannot be read back"):
        mark(workspace, path, out=out, watermark=OURS)
    assert not out.exists()


def test_silence_and_shortness(tmp_path: Path) -> None:
    """What cannot be looked into is an error to read, and no evidence."""
    short = tmp_path / "short.wav"
    soundfile.write(short, np.full(400, 0.1), RATE)
    assert read_marks(short) == []
    with pytest.raises(AudioError):
        read_marks(tmp_path / "missing.wav")


def test_register_without_watermarks_is_read(
    workspace: Workspace, song: Path, tmp_path: Path
) -> None:
    """Entries from before there were watermarks are taken as having none."""
    import sqlite3

    mark(workspace, song, out=tmp_path / "m.flac")
    with sqlite3.connect(workspace.root / "outputs.sqlite") as connection:
        ((digest, document),) = connection.execute("SELECT digest, document FROM file")
        plain = json.loads(document)
        plain.pop("watermark")
        connection.execute(
            "UPDATE file SET document = ? WHERE digest = ?",
            (json.dumps(plain), digest),
        )
    connection.close()
    assert find_outputs(workspace, tmp_path / "m.flac")[0].record.files
    assert OutputRegister.of(workspace) is not None


def test_payload_is_the_beginning_of_the_digest() -> None:
    """Sixteen bits are the first four hexadecimal digits."""
    assert "".join(map(str, payload_of("8f01" + "0" * 60, 16))) == "1000111100000001"
    assert payload_of("8f01" + "0" * 60, 0).size == 0
