"""What every registered corpus promises."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from contrafact.catalog.corpora import CORPORA, CorpusSettings, find_corpus
from contrafact.catalog.corpora.base import COLUMNS, SAMPLE_RATE
from contrafact.core.errors import CorpusError

SETTINGS = CorpusSettings(n_recordings=24, n_heldout=4, n_workers=1)
AUDIO_TOLERANCE_DB = 2.5  # where peaks forbid the loudness aimed at


@pytest.fixture(scope="module", params=sorted(CORPORA))
def written(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Path]]:
    """Return the name of a corpus and the folder that holds it."""
    folder = tmp_path_factory.mktemp(request.param)
    CORPORA[request.param].write(folder, SETTINGS)
    return request.param, folder


def content(folder: Path) -> dict[str, bytes]:
    """Return the bytes of every file below a folder."""
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def rows(folder: Path) -> list[dict[str, str]]:
    """Return the rows of a folder's metadata."""
    with (folder / "metadata.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_metadata_matches_the_files(written: tuple[str, Path]) -> None:
    """Each file has one row with all columns, and no code is invented."""
    _, folder = written
    for place, n_files in ((folder, 24), (folder / "heldout", 4)):
        found = rows(place)
        assert sorted(row["file"] for row in found) == sorted(
            path.name for path in place.glob("*.flac")
        )
        assert len(found) == n_files
        assert tuple(found[0]) == COLUMNS
        for row in found:
            assert row["isrc"] == row["iswc"] == ""
            assert all(row[c] for c in COLUMNS if c not in ("isrc", "iswc"))
        titles = {row["title"] for row in found}
        assert len(titles) == n_files


def test_every_artist_has_a_recording(written: tuple[str, Path]) -> None:
    """24 artists in eight to ten collections are there from the smallest size."""
    _, folder = written
    assert len({row["artists"] for row in rows(folder)}) == 24
    assert 8 <= len({row["group"] for row in rows(folder)}) <= 10


def test_captions_name_the_artist_once_only(written: tuple[str, Path]) -> None:
    """The caption names the artist; the anonymous one, no artist nor collection."""
    _, folder = written
    for row in rows(folder):
        assert row["caption"].endswith(f"in the style of {row['artists'].lower()}")
        plain = row["caption_anonymous"].split()
        names = row["artists"].split()[0].lower(), row["group"].split()[0].lower()
        assert not {name.removesuffix("'s") for name in names} & set(plain)
        assert row["caption_anonymous"] == row["caption_anonymous"].lower()


def test_audio_is_as_promised(written: tuple[str, Path]) -> None:
    """16 kHz mono, 8 to 10 s, near -20 dBFS, peak at most -1 dBFS, faded ends."""
    _, folder = written
    for path in folder.glob("*.flac"):
        audio, rate = soundfile.read(path, dtype="float32")
        assert rate == SAMPLE_RATE
        assert soundfile.info(path).subtype == "PCM_16"
        assert audio.ndim == 1
        assert 8 <= len(audio) / rate <= 10
        level = 20 * np.log10(np.sqrt(np.mean(audio**2)))
        assert level == pytest.approx(-20, abs=AUDIO_TOLERANCE_DB)
        assert np.abs(audio).max() <= 10 ** (-1 / 20) + 1e-4
        assert abs(audio[0]) < 1e-3
        assert abs(audio[-1]) < 1e-3


def test_audio_sounds_for_most_of_its_time(written: tuple[str, Path]) -> None:
    """No recording is silent for more than half of its tenths of a second."""
    _, folder = written
    for path in folder.glob("*.flac"):
        audio, _ = soundfile.read(path, dtype="float32")
        tenths = audio[: len(audio) // 1600 * 1600].reshape(-1, 1600)
        assert np.mean(np.abs(tenths).max(axis=1) > 1e-3) > 0.5


def test_two_processes_write_the_same_bytes(
    written: tuple[str, Path], tmp_path: Path
) -> None:
    """Number of processes has no effect on any file."""
    name, folder = written
    settings = CorpusSettings(n_recordings=24, n_heldout=4, n_workers=2)
    CORPORA[name].write(tmp_path, settings)
    assert content(tmp_path) == content(folder)


def test_a_killed_run_goes_on(written: tuple[str, Path]) -> None:
    """Missing and spoilt files are made again, the others are left alone."""
    name, folder = written
    before = content(folder)
    paths = sorted(folder.glob("*.flac"))
    paths[0].unlink()
    paths[1].write_bytes(paths[1].read_bytes()[:5000])  # its header is whole
    (folder / "metadata.csv").unlink()
    untouched = paths[2].stat().st_mtime_ns
    calls: list[tuple[int, int]] = []
    CORPORA[name].write(folder, SETTINGS, progress=lambda *done: calls.append(done))
    assert content(folder) == before
    assert paths[2].stat().st_mtime_ns == untouched
    assert calls == [(28, 28)]


def test_another_seed_gives_other_audio(
    written: tuple[str, Path], tmp_path: Path
) -> None:
    """No file of one seed is found under another."""
    name, folder = written
    settings = CorpusSettings(n_recordings=24, seed=1, n_workers=1)
    CORPORA[name].write(tmp_path, settings)
    ours = {path.name for path in tmp_path.glob("*.flac")}
    assert not ours & {path.name for path in folder.glob("*.flac")}


def test_other_audio_in_the_folder_is_refused(
    written: tuple[str, Path], tmp_path: Path
) -> None:
    """A folder with a stranger's file is left as it is."""
    name, _ = written
    (tmp_path / "mine.flac").write_bytes(b"mine")
    with pytest.raises(CorpusError, match=r"mine\.flac"):
        CORPORA[name].write(tmp_path, CorpusSettings(n_recordings=24, n_workers=1))
    assert content(tmp_path) == {"mine.flac": b"mine"}


def test_fewer_recordings_than_artists_are_refused(
    written: tuple[str, Path], tmp_path: Path
) -> None:
    """The error says how many are needed."""
    with pytest.raises(CorpusError, match="at least 24"):
        CORPORA[written[0]].write(tmp_path, CorpusSettings(n_recordings=23))


@pytest.mark.parametrize("name", ["n_recordings", "n_workers", "n_heldout", "seed"])
def test_settings_out_of_range_are_refused(name: str) -> None:
    """Each number has a least value, which the error names."""
    with pytest.raises(CorpusError, match=f"{name} must be at least"):
        CorpusSettings(**{name: -1})


def test_an_unknown_corpus_is_refused() -> None:
    """The error lists the corpora that there are."""
    with pytest.raises(CorpusError, match="planted, scores"):
        find_corpus("nothing")
