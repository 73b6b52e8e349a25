from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
import struct
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from contrafact.audit.keys import list_keys, revoke_key
from contrafact.catalog import Workspace, encode_audio, read_audio, read_tags
from contrafact.core.config import keys_dir_from_environment
from contrafact.core.errors import (
    AttributionError,
    AudioError,
    ConfigError,
    CredentialsError,
    SigningKeyError,
    WorkspaceError,
)
from contrafact.core.units import digest_of
from contrafact.workflows.mark import (
    mark,
    prepare_marking,
    read_marks,
    write_marked,
)
from contrafact.workflows.outputs import OutputRegister, find_outputs, sound_of

RATE = 16_000
MADE = {"prompt": "a waltz", "seed": "7", "model": "m", "model_digest": "ab" * 32}
Samples = NDArray[np.float32]


def song(seed: int = 0, *, seconds: float = 6.0) -> Samples:
    """Return notes of a random melody, `(1, time)`."""
    rng = np.random.default_rng(seed)
    t = np.arange(RATE // 4) / RATE
    notes = [
        sum(np.sin(2 * np.pi * 220 * 2 ** (n / 12) * t) for n in rng.integers(0, 30, 3))
        * np.exp(-4 * t)
        for _ in range(round(seconds * 4))
    ]
    return (0.1 * np.concatenate(notes))[None].astype(np.float32)


@pytest.fixture(autouse=True)
def keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Use a folder of keys of the test's own; return that of the marking keys."""
    monkeypatch.setenv("CONTRAFACT_KEYS", str(tmp_path / "keys"))
    return keys_dir_from_environment() / "marking"


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """Return a new workspace."""
    return Workspace.init(tmp_path / "ws")


@pytest.fixture
def made(workspace: Workspace, tmp_path: Path) -> Path:
    """Return a marked song, with tags, as `contrafact generate` writes it."""
    out = tmp_path / "song.flac"
    tags = {f"contrafact_{name}": text for name, text in MADE.items()}
    data = encode_audio(out, song(), RATE, tags=tags)
    write_marked(workspace, data, out, made=MADE, marking=prepare_marking())
    return out


def stripped(path: Path, out: Path) -> Path:
    """Write the bare sound of a file into another."""
    audio = read_audio(path, mono=False)
    out.write_bytes(encode_audio(out, audio.samples, audio.sample_rate))
    return out


def attribution(workspace: Workspace, path: Path, digest: str = "ab" * 32) -> str:
    """Put the receipt of an attribution of a file into the workspace."""
    folder = workspace.attributions_dir / "A-0123456789ab"
    folder.mkdir(parents=True)
    shutil.copy(path, folder / f"query{path.suffix}")
    document: dict[str, Any] = {
        "attribution_id": folder.name,
        "query": {"prompt": "a waltz"},
        "model": {"id": "m", "digest": digest},
    }
    (folder / "attribution.json").write_text(json.dumps(document))
    return folder.name


def test_a_song_is_marked_registered_and_keeps_its_tags(
    workspace: Workspace, made: Path
) -> None:
    """It says what made it, and what is not known; the register has it all."""
    found = read_marks(made)
    assert (found.state, found.is_ai) == ("valid", True)
    assert found.claim is not None
    assert found.claim["model_digest"] == MADE["model_digest"]
    assert "attribution" in found.claim["not_recorded"]
    assert read_tags(made)["contrafact_prompt"] == "a waltz"
    [record] = OutputRegister.of(workspace).records()
    assert record.id == found.claim["output"]
    assert (record.prompt, record.seed, record.model) == ("a waltz", "7", "m")
    [file] = record.files
    assert (file.digest, file.is_marked) == (digest_of(made.read_bytes()), True)


def test_the_first_key_is_made_once_and_apart(
    workspace: Workspace, made: Path, keys: Path
) -> None:
    """In a folder of its own, never in the workspace, and used from then on."""
    assert len(list_keys(keys).records) == 1
    assert list_keys(keys.parent).records == ()
    assert not list(workspace.root.rglob("*.pem"))
    assert not mark(workspace, made).is_new_key
    assert len(list_keys(keys).records) == 1


def test_a_song_without_marks_is_registered_with_the_reason(
    workspace: Workspace, tmp_path: Path, keys: Path
) -> None:
    """No key is made for it, and the same inputs give the same bytes."""
    outs = [tmp_path / "a.wav", tmp_path / "b.wav"]
    for out in outs:
        data = encode_audio(out, song(), RATE)
        marking = prepare_marking("a duet with silence")
        write_marked(workspace, data, out, made=MADE, marking=marking)
    assert outs[0].read_bytes() == outs[1].read_bytes()
    assert read_marks(outs[0]).state == "none"
    [record] = OutputRegister.of(workspace).records()
    assert [file.unmarked_because for file in record.files] == ["a duet with silence"]
    assert not keys.exists()
    with pytest.raises(ConfigError, match="Say why"):
        prepare_marking("  ")


def test_a_silent_song_can_be_marked_when_made(
    workspace: Workspace, tmp_path: Path
) -> None:
    """A model may make silence; it is found by digest only."""
    out = tmp_path / "silence.wav"
    data = encode_audio(out, np.zeros((1, RATE), np.float32), RATE)
    write_marked(workspace, data, out, made=MADE, marking=prepare_marking())
    assert read_marks(out).state == "valid"
    with pytest.raises(AudioError, match="silent"):
        mark(workspace, out)


@pytest.mark.parametrize(
    ("suffix", "codec", "place"),
    [
        (".mp3", "libmp3lame", "embedded"),
        (".m4a", "aac", "embedded"),
        (".opus", "libopus", "sidecar"),
    ],
)
def test_every_format_is_marked_inside_or_beside(
    workspace: Workspace, tmp_path: Path, suffix: str, codec: str, place: str
) -> None:
    """And altering the file after that is seen."""
    path = tmp_path / f"song{suffix}"
    with av.open(str(path), "w", format="mp4" if suffix == ".m4a" else None) as file:
        stream = file.add_stream(codec, rate=48_000)
        stream.layout = "mono"
        wave = np.repeat(song(), 3, axis=1)
        frame = av.AudioFrame.from_ndarray(wave, format="fltp", layout="mono")
        frame.sample_rate = 48_000
        resampler = av.AudioResampler(
            format=stream.codec_context.format,
            layout="mono",
            rate=48_000,
            frame_size=stream.codec_context.frame_size,
        )
        for part in [*resampler.resample(frame), *resampler.resample(None)]:
            file.mux(stream.encode(part))
        file.mux(stream.encode(None))
    marked = mark(workspace, path)
    assert (marked.sidecar is not None) == (place == "sidecar")
    found = read_marks(path)
    assert (found.state, found.place) == ("valid", place)
    altered = bytearray(path.read_bytes())
    altered[-200] ^= 1
    path.write_bytes(altered)
    assert read_marks(path).state == "tampered"


def test_an_attribution_is_named_by_the_digest_of_its_receipt(
    workspace: Workspace, made: Path
) -> None:
    """Which anybody who has the receipt can compute."""
    id_ = attribution(workspace, made)
    mark(workspace, made, attribution="A-0123")
    found = read_marks(made)
    receipt = workspace.attributions_dir / id_ / "attribution.json"
    assert found.claim is not None
    assert found.claim["attribution"] == id_
    assert found.claim["attribution_digest"] == digest_of(receipt.read_bytes())
    assert (found.state, found.n_manifests) == ("valid", 2)
    [record] = OutputRegister.of(workspace).records()
    assert [file.attribution for file in record.files] == [None, id_]


def test_an_attribution_of_another_song_is_refused(
    workspace: Workspace, made: Path, tmp_path: Path
) -> None:
    """By its sound, whatever it is called; so is one of another model."""
    other = tmp_path / "other.flac"
    other.write_bytes(encode_audio(other, song(1), RATE))
    before = made.read_bytes()
    attribution(workspace, other)
    with pytest.raises(ConfigError, match="another song"):
        mark(workspace, made, attribution="A-0123")
    shutil.rmtree(workspace.attributions_dir)
    attribution(workspace, made, digest="cd" * 32)
    with pytest.raises(ConfigError, match="made by the model abab"):
        mark(workspace, made, attribution="A-0123")
    with pytest.raises(AttributionError, match="no attribution 'A-none'"):
        mark(workspace, made, attribution="A-none")
    assert made.read_bytes() == before


def test_a_stripped_copy_is_found_and_marked_as_what_it_is(
    workspace: Workspace, made: Path, tmp_path: Path
) -> None:
    """By its samples; the register still knows the prompt that its tags lost."""
    copy = stripped(made, tmp_path / "copy.wav")
    [found] = find_outputs(workspace, copy)
    assert (found.how, found.record.prompt) == ("samples", "a waltz")
    assert [f.how for f in find_outputs(workspace, made)] == ["file"]
    mark(workspace, copy)
    claim = read_marks(copy).claim
    assert claim is not None
    assert claim["model"] == "m"
    [record] = OutputRegister.of(workspace).records()
    assert len(record.files) == 2


def test_a_coded_and_cut_copy_is_found(
    workspace: Workspace, made: Path, tmp_path: Path
) -> None:
    """By its sound, with where it begins; a stranger is not."""
    path = tmp_path / "copy.mp3"
    soundfile.write(path, 0.5 * song()[0, RATE:], RATE, format="MP3")
    [found] = find_outputs(workspace, path)
    assert found.how == "fingerprint"
    assert found.offset_s == pytest.approx(1.0, abs=0.1)
    assert 0 < found.errors < 0.2
    stranger = tmp_path / "stranger.wav"
    stranger.write_bytes(encode_audio(stranger, song(2), RATE))
    assert find_outputs(workspace, stranger) == []


def test_a_tampered_file_is_left_as_it_is(workspace: Workspace, made: Path) -> None:
    """Neither signed again nor entered in the register."""
    altered = made.read_bytes().replace(b"=a waltz", b"=a polka")
    made.write_bytes(altered)
    assert read_tags(made)["contrafact_prompt"] == "a polka"
    with pytest.raises(CredentialsError, match="altered"):
        mark(workspace, made)
    assert made.read_bytes() == altered
    [record] = OutputRegister.of(workspace).records()
    assert len(record.files) == 1


def test_a_revoked_key_stops_marking_before_a_song_is_made(
    made: Path, keys: Path
) -> None:
    """And its marks are no longer believed."""
    [record] = list_keys(keys).records
    revoke_key(keys, record.public_key.id, reason="stolen")
    with pytest.raises(SigningKeyError, match="revoked"):
        prepare_marking()
    assert read_marks(made).state == "untrusted"


def test_others_believe_what_they_were_given(
    made: Path, keys: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody else with other keys needs the certificate for `valid`."""
    chain = next(keys.glob("*.chain.pem"))
    monkeypatch.setenv("CONTRAFACT_KEYS", str(tmp_path / "theirs"))
    assert read_marks(made).state == "untrusted"
    assert read_marks(made, trust=[chain]).state == "valid"


def test_what_is_marked_elsewhere_leaves_the_file_alone(
    workspace: Workspace, tmp_path: Path
) -> None:
    """`out` gets the marks; the file that was named stays as it is."""
    path, out = tmp_path / "plain.wav", tmp_path / "out" / "marked.wav"
    path.write_bytes(encode_audio(path, song(), RATE))
    before = path.read_bytes()
    marked = mark(workspace, path, out=out)
    assert path.read_bytes() == before
    assert read_marks(out).state == "valid"
    assert marked.claim.to_json()["not_recorded"][-2:] == ["model_digest", "release"]


def test_a_damaged_register_is_told(workspace: Workspace, made: Path) -> None:
    """One line that names the file."""
    path = workspace.root / "outputs.sqlite"
    path.write_bytes(b"no database at all, but long enough to look like one" * 99)
    with pytest.raises(WorkspaceError, match=r"outputs\.sqlite is damaged"):
        find_outputs(workspace, made)


def test_a_field_of_the_register_that_is_no_json_is_told(
    workspace: Workspace, made: Path
) -> None:
    """A row that somebody altered is not read as something else."""
    with sqlite3.connect(workspace.root / "outputs.sqlite") as connection:
        connection.execute("UPDATE output SET document = '{'")
    connection.close()
    with pytest.raises(WorkspaceError, match="damaged"):
        OutputRegister.of(workspace).records()


def test_songs_made_at_once_are_all_registered(
    workspace: Workspace, tmp_path: Path
) -> None:
    """Writers wait for each other; nothing is lost."""

    def make(number: int) -> str:
        out = tmp_path / f"{number}.wav"
        data = encode_audio(out, song(number, seconds=1), RATE)
        marking = prepare_marking("many at once")
        return write_marked(workspace, data, out, made=MADE, marking=marking).output

    with ThreadPoolExecutor(8) as pool:
        ids = set(pool.map(make, range(16)))
    assert {r.id for r in OutputRegister.of(workspace).records()} == ids
    assert len(ids) == 16


def test_the_same_sound_has_one_id_in_any_container(tmp_path: Path) -> None:
    """Samples are compared as 16-bit numbers, so WAV and FLAC agree."""
    digests, whole = set(), np.rint(song()[0] * 32767).astype(np.int16)
    for name in ("a.wav", "a.flac"):
        path = tmp_path / name
        soundfile.write(path, whole, RATE)
        audio = read_audio(path, mono=False)
        digests.add(sound_of(audio.samples, RATE).samples_digest)
    assert len(digests) == 1


@pytest.mark.parametrize("n_channels", [1, 2, 3])
def test_the_digest_of_samples_is_that_of_all_at_once(n_channels: int) -> None:
    """It is made in blocks, which must not show: ids in registers depend on it."""
    rng = np.random.default_rng(0)
    samples = rng.normal(0, 0.6, (n_channels, 40_001)).astype(np.float32)
    samples[0, :6] = np.array([0.5, 1.5, -2.5, 32767.5, -32768, 40_000]) / 32768
    whole = [
        max(-32768, min(32767, round(float(value) * 32768)))
        for frame in samples.T
        for value in frame
    ]
    data = f"{RATE} {n_channels}\n".encode() + struct.pack(f"<{len(whole)}h", *whole)
    assert sound_of(samples, RATE).samples_digest == hashlib.sha256(data).hexdigest()
