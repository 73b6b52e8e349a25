"""Whatever is sent in gets a clear record: never a crash, never a wrong match."""

from __future__ import annotations

import json
import os
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import soundfile
import soxr

from contrafact.catalog import Workspace
from contrafact.reports import Sound
from contrafact.reports.match_inputs import MatchInputs
from contrafact.reports.matches import render_matches
from contrafact.workflows import origin
from contrafact.workflows.evidence_documents import Names, document, read_names
from contrafact.workflows.identify import identify
from contrafact.workflows.listening import Listening, hear, listen
from contrafact.workflows.match_indexes import (
    MatchIndexes,
    matching_dir,
    read_indexes,
)

HOW = Listening(most_s=20.0)
RATE = 16_000
Record = dict[str, Any]
Make = Callable[[Path], Path]


@pytest.fixture(scope="session")
def indexes(indexed_for_matching: Path) -> MatchIndexes:
    """The indexes of six recordings."""
    return read_indexes(matching_dir(Workspace.open(indexed_for_matching)))


@pytest.fixture(scope="session")
def names(indexed_for_matching: Path) -> Names:
    """What the catalog calls them."""
    return read_names(Workspace.open(indexed_for_matching))


@pytest.fixture
def record_of(indexes: MatchIndexes, names: Names) -> Callable[[Path], Record]:
    """Return a function that listens to a file and gives its record, as JSON."""

    def made(path: Path) -> Record:
        found: Record = json.loads(
            json.dumps(document(listen(path, indexes, HOW), names), allow_nan=False)
        )
        return found

    return made


@pytest.fixture(scope="session")
def known(corpus: Path) -> np.ndarray:
    """A recording of the catalog, `(time,)` at 16 kHz."""
    samples, rate = soundfile.read(sorted(corpus.glob("*.flac"))[0], dtype="float32")
    return np.asarray(soxr.resample(samples, rate, RATE), np.float32)


@pytest.fixture(scope="session")
def known_title(corpus: Path, names: Names) -> str:
    """What the catalog calls that recording."""
    file = str(sorted(corpus.glob("*.flac"))[0])
    return next(t for t, _, f in names.recordings.values() if f == file)


def _written(path: Path, samples: np.ndarray, rate: int = RATE) -> Path:
    soundfile.write(path, samples, rate)
    return path


def _clicks(path: Path) -> Path:
    samples = np.zeros(8 * RATE, np.float32)
    samples[:: RATE // 2] = 1.0
    return _written(path / "clicks.wav", samples)


def _ten_hours(path: Path) -> Path:
    """Write ten hours of one level, most of it a hole in the file."""
    place = path / "long.wav"
    n = 10 * 3600 * 8_000
    soundfile.write(place, -np.ones(1), 8_000, subtype="PCM_U8")
    data = bytearray(place.read_bytes()[:44])
    data[4:8], data[40:44] = (36 + n).to_bytes(4, "little"), n.to_bytes(4, "little")
    place.write_bytes(bytes(data))
    os.truncate(place, 44 + n)
    return place


def _bomb(path: Path) -> Path:
    """Write 8 channels of 192 kHz whose 27 million values take some kilobytes."""
    place = path / "bomb.flac"
    with soundfile.SoundFile(place, "w", 192_000, 8) as file:
        for _ in range(18):
            file.write(np.zeros((192_000, 8), np.int16))
    assert place.stat().st_size < 200_000
    return place


def _video(path: Path) -> Path:
    """Write a film without sound."""
    place = path / "film.mp4"
    with av.open(str(place), "w") as film:
        stream = film.add_stream("mpeg4", rate=10)
        stream.width = stream.height = 64
        for _ in range(10):
            picture = np.zeros((64, 64, 3), np.uint8)
            film.mux(stream.encode(av.VideoFrame.from_ndarray(picture)))
        film.mux(stream.encode())
    return place


def _not_finite(path: Path) -> Path:
    samples = 0.1 * np.ones(4 * RATE, np.float32)
    samples[1_000] = np.nan
    soundfile.write(path / "nan.wav", samples, RATE, subtype="FLOAT")
    return path / "nan.wav"


def _text(path: Path, name: str, text: bytes) -> Path:
    (path / name).write_bytes(text)
    return path / name


BAD: dict[str, tuple[Make, str]] = {
    "silence": (lambda p: _written(p / "a.wav", np.zeros(4 * RATE)), "silent"),
    "a constant": (lambda p: _written(p / "a.wav", 0.5 * np.ones(4 * RATE)), "silent"),
    "one sample": (lambda p: _written(p / "a.wav", np.ones(1)), ""),
    "half a second": (
        lambda p: _written(p / "a.wav", np.sin(np.arange(8_000.0))), "at least 1 s",
    ),
    "ten hours": (_ten_hours, "silent"),
    "a bomb": (_bomb, "silent"),
    "NaN": (_not_finite, "NaN"),
    "a film without sound": (_video, "no audio"),
    "text": (lambda p: _text(p, "a.wav", b"hello " * 99), "not audio"),
    "nothing": (lambda p: _text(p, "a.mp3", b""), "empty"),
    "a damaged head": (lambda p: _text(p, "a.flac", b"fLaC" + b"\xff" * 99), ""),
    "a folder": (lambda p: p, "not a regular file"),
    "no file": (lambda p: p / "missing.wav", "No such file"),
}  # fmt: skip


@pytest.mark.parametrize("kind", BAD)
def test_what_cannot_be_heard_has_a_record_that_says_why(
    kind: str, tmp_path: Path, record_of: Callable[[Path], Record]
) -> None:
    """No match, and one line with the reason."""
    make, reason = BAD[kind]
    record = record_of(make(tmp_path))
    assert (record["recordings"], record["works"]) == ([], [])
    assert reason in record["problem"]
    assert "\n" not in record["problem"]


def test_clicks_match_nothing(
    tmp_path: Path, record_of: Callable[[Path], Record]
) -> None:
    """They can be heard, and are in no recording."""
    record = record_of(_clicks(tmp_path))
    assert (record["recordings"], record["works"]) == ([], [])


def test_a_bomb_costs_little_memory(
    tmp_path: Path, record_of: Callable[[Path], Record]
) -> None:
    """What it unpacks to is never held."""
    bomb = _bomb(tmp_path)
    tracemalloc.start()
    try:
        record_of(bomb)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 64 << 20


def test_ten_hours_are_not_held_to_be_looked_up_as_an_output(
    tmp_path: Path, indexed_for_matching: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No output is so long; looking it up would take gigabytes."""

    def refuse(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(origin, "find_outputs", refuse)
    workspace = Workspace.open(indexed_for_matching)
    assert list(origin._registered(workspace, _ten_hours(tmp_path))) == []


FORMS: dict[str, Callable[[Path, np.ndarray], Path]] = {
    "8 kHz mono": lambda p, x: _written(
        p / "a.wav", soxr.resample(x, RATE, 8_000), 8_000
    ),
    "192 kHz of 8 channels": lambda p, x: _written(
        p / "a.wav",
        np.tile(soxr.resample(x, RATE, 192_000)[:, None], (1, 8)),
        192_000,
    ),
    "channels that cancel each other": lambda p, x: _written(
        p / "a.wav", np.stack([x, -x], 1)
    ),
    "a wrong suffix": lambda p, x: _written(p / "a.wav", x).rename(p / "a.mp3"),
    "a constant added": lambda p, x: _written(p / "a.wav", 0.5 * x + 0.4),
}


@pytest.mark.parametrize("form", FORMS)
def test_unusual_forms_of_a_known_recording_are_recognised(
    form: str,
    tmp_path: Path,
    known: np.ndarray,
    known_title: str,
    record_of: Callable[[Path], Record],
) -> None:
    """The form does not matter; the recording is named, and no other."""
    record = record_of(FORMS[form](tmp_path, known))
    assert {m["title"] for m in record["recordings"]} == {known_title}
    assert record["problem"] is None


@pytest.mark.parametrize("name", ["a.flac", "a.wav", "a.mp3", "a.ogg", "a.opus"])
def test_a_truncated_file_is_heard_as_far_as_it_goes(
    name: str,
    tmp_path: Path,
    known: np.ndarray,
    known_title: str,
    record_of: Callable[[Path], Record],
) -> None:
    """The record says where it ends, and names no other recording."""
    whole = tmp_path / name
    is_opus = name.endswith("opus")
    form = {"format": "OGG", "subtype": "OPUS"} if is_opus else {}
    soundfile.write(whole, known, RATE, **form)
    data = whole.read_bytes()
    whole.write_bytes(data[: len(data) * 2 // 3])
    record = record_of(whole)
    assert "cut off after" in record["notices"][0]
    assert {m["title"] for m in record["recordings"]} <= {known_title}


def test_of_channels_that_cancel_each_other_a_part_is_heard(
    tmp_path: Path, rng: np.random.Generator
) -> None:
    """The record says so; the file is not cut off."""
    one = 0.1 * rng.standard_normal(70 * 8_000)
    path = _written(tmp_path / "a.wav", np.stack([one, -one], 1), 8_000)
    heard = hear(path, Listening(most_s=90.0))
    assert heard.notices == ("only a part was listened to: 0 s to 60 s of 70 s",)


NAMES = (
    b"-rf.wav", b"new\nline.wav", b"esc\x1b[2J.wav", b"\xff\xfe.wav", b"<b>&\"'.wav",
    "\u202egpj.wav".encode(), b"$(reboot).wav", b"a" * 240 + b".wav",
)  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_hostile_names_are_only_names(
    name: bytes, tmp_path: Path, record_of: Callable[[Path], Record]
) -> None:
    """The record holds the name as it is; the page shows it without its power."""
    samples = np.sin(np.arange(2 * RATE) / 9.0).astype(np.float32)
    path = tmp_path / os.fsdecode(name)
    _written(tmp_path / "plain.wav", samples).rename(path)
    record = record_of(path)
    assert os.fsencode(record["file"]) == os.fsencode(path)
    assert record["recordings"] == []


@pytest.mark.parametrize("name", NAMES)
def test_a_page_of_a_hostile_name_is_well_formed(name: bytes) -> None:
    """It can be written as UTF-8, without control characters or foreign tags."""
    from contrafact.core.evidence import Evidence

    evidence = Evidence(file=os.fsdecode(name), recordings=(), works=(), style=())
    silence = Sound(samples=np.zeros((1, 0), np.float32), sample_rate=RATE)
    page = render_matches(
        MatchInputs(
            evidence=evidence, titles={}, work_titles={}, query_sound=silence,
            recording_sounds={}, n_recordings=0, command=f"identify {evidence.file}",
        )
    )  # fmt: skip
    page.encode()
    assert "<b>&" not in page
    assert "\x1b" not in page


def test_an_empty_catalog_knows_nothing(tmp_path: Path, known: np.ndarray) -> None:
    """Identifying against nothing gives an empty record."""
    workspace = Workspace.init(tmp_path / "ws")
    found = identify(workspace, _written(tmp_path / "a.wav", known)).to_json()
    assert (found["recordings"], found["works"], found["style"]) == ([], [], [])
    assert found["problem"] is None
