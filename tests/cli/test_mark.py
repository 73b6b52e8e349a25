from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import soundfile
from typer.testing import Result

Run = Callable[..., Result]
Document = Callable[[Result], Any]


@pytest.fixture(autouse=True)
def keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Use and return a folder of keys of the test's own."""
    monkeypatch.setenv("CONTRAFACT_KEYS", str(tmp_path / "keys"))
    return tmp_path / "keys"


@pytest.fixture
def song(music: Path) -> Path:
    """Return a second of noise."""
    return music / "0.wav"


def test_a_file_is_marked_and_read(
    run: Run, document: Document, ws: Path, song: Path
) -> None:
    """The first time a key is made, which is said on standard error."""
    first = run("mark", song, "-w", ws, "--json")
    assert "Made the key" in first.stderr
    marked = document(first)
    assert marked["path"] == str(song)
    again = run("mark", song, "-w", ws)
    assert again.stderr == ""
    assert f"as output {marked['output']}" in again.stdout
    assert "Not recorded: attribution" in again.stdout
    found = document(run("mark", song, "--read", "--json"))
    assert (found["state"], found["is_ai"], found["n_manifests"]) == ("valid", True, 2)
    assert found["output"]["output"] == marked["output"]
    shown = run("mark", song, "--read").stdout
    assert shown.startswith("valid: ")
    assert "model_digest" in shown.partition("not recorded")[2]


def test_what_is_not_marked_is_told(run: Run, document: Document, song: Path) -> None:
    """Without an error: that a file has no credentials is an answer."""
    assert document(run("mark", song, "--read", "--json"))["state"] == "none"
    result = run("mark", song, "--read")
    assert (result.exit_code, "--find" in result.stdout) == (0, True)


def test_a_file_is_found_in_the_register(
    run: Run, document: Document, ws: Path, song: Path, music: Path
) -> None:
    """As the output it is; another file is none of them."""
    output = document(run("mark", song, "-w", ws, "--json"))["output"]
    samples, rate = soundfile.read(song, dtype="int16")
    copy = music / "copy.flac"
    soundfile.write(copy, samples, rate)
    [found] = document(run("mark", copy, "--find", "-w", ws, "--json"))["found"]
    assert (found["record"]["id"], found["how"]) == (output, "samples")
    assert output in run("mark", copy, "--find", "-w", ws).stdout
    other = run("mark", music / "1.wav", "--find", "-w", ws)
    assert "none of the outputs" in other.stdout


@pytest.mark.parametrize(
    ("words", "code", "line"),
    [
        (["--read", "--find"], 2, "--read or --find"),
        (["--key", "k.pem"], 2, "--key and --chain together"),
        (["--key", "k.pem", "--chain", "c.pem"], 10, "Cannot read the private key"),
        (["--attribution", "A-1"], 6, "no attribution 'A-1'"),
        (["--release", "V-1"], 10, "no release 'V-1'"),
        (["--read", "--trust", "none.pem"], 10, "Cannot read the certificates"),
    ],
)
def test_what_is_wrong_is_one_line(
    run: Run, ws: Path, song: Path, words: list[str], code: int, line: str
) -> None:
    """And the file stays as it was."""
    before = song.read_bytes()
    result = run("mark", song, "-w", ws, *words)
    assert (result.exit_code, result.stdout) == (code, ""), result.stderr
    assert line in result.stderr
    assert result.stderr.count("\n") == 1
    assert song.read_bytes() == before


def test_a_file_that_is_not_there_is_told(run: Run, ws: Path) -> None:
    """By each of the three things that the command does."""
    for words in ([], ["--read"], ["--find"]):
        result = run("mark", "none.wav", "-w", ws, *words)
        assert (result.exit_code, result.stdout) == (4, "")
        assert "none.wav" in result.stderr


def test_a_watermark_may_be_asked_for_by_name_or_not(
    run: Run, document: Document, ws: Path, tmp_path: Path
) -> None:
    """With no name it is ours, before and after other options; both are read."""
    import numpy as np

    rng = np.random.default_rng(0)
    sound = rng.normal(0, 0.1, (8, 16_000)) * rng.uniform(0.3, 1, (8, 1))
    path = tmp_path / "noise.wav"
    soundfile.write(path, sound.reshape(-1), 16_000)
    one, other = tmp_path / "one.flac", tmp_path / "other.flac"
    marked = document(run("mark", path, "--watermark", "-o", one, "-w", ws, "--json"))
    assert marked["watermark"].startswith("patchwork:")
    again = run("mark", path, "-o", other, "-w", ws, "--watermark", "patchwork")
    assert marked["watermark"] in again.stdout
    read = document(run("mark", one, "--read", "--json"))["watermarks"]
    assert {m["name"] for m in read if m["is_found"]} == {"patchwork"}
    assert marked["watermark"] in run("mark", other, "--read").stdout


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["--watermark", "nothing"], 12, "no watermark 'nothing'"),
        (["--watermark", "wavmark"], 12, "--weights"),
        (["--weights", "."], 2, "give --weights with"),
        (["--read", "--watermark"], 2, "--read reads all"),
    ],
)
def test_a_watermark_that_cannot_be_is_told(
    run: Run, ws: Path, song: Path, words: list[str], code: int, says: str
) -> None:
    """In one line, with the exit code of its kind."""
    result = run("mark", song, "-w", ws, *words)
    assert result.exit_code == code
    assert says in " ".join(result.stderr.split())
