"""From recordings to a checked answer, all by typed commands, in seconds.

One tiny model learns from 24 planted recordings; every command takes what the
one before it left in the workspace.
"""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from contrafact.audit.marking_keys import open_marking_key
from contrafact.catalog import encode_audio, read_audio
from contrafact.cli.commands import app
from contrafact.core.config import keys_dir_from_environment

N_RECORDINGS = 24
PROMPT = "march in e major for low bell, moderate, in the style of agate"
DOCUMENTED = {
    "attribution_id",
    "query",
    "model",
    "corpus",
    "estimator",
    "by",
    "shares",
    "unattributed",
    "passages",
    "elapsed_s",
}


def run(*words: object) -> Result:
    """Run a command line in this process."""
    return CliRunner().invoke(app, [str(word) for word in words])


def document(*words: object) -> Any:
    """Run a command line with `--json`; return the document it printed."""
    result = run(*words, "--json")
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    return json.loads(result.stdout)


@pytest.fixture(scope="module")
def ws(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a workspace with 24 planted recordings."""
    root = tmp_path_factory.mktemp("pipeline")
    document("init", "-w", root / "ws")
    music = root / "music"
    words = ["corpus", "write", "planted", music, "--recordings", N_RECORDINGS]
    table = document(*words)["metadata"]
    taken = document("ingest", music, "--metadata", table, "-w", root / "ws")["taken"]
    assert len(taken) == N_RECORDINGS
    return root / "ws"


@pytest.fixture(scope="module")
def model(ws: Path) -> dict[str, Any]:
    """Return the document of a trained model."""
    words = ["train", "--recipe", "tiny", "--name", "small", "-w", ws]
    trained: dict[str, Any] = document(*words)
    return trained


@pytest.fixture(scope="module")
def song(ws: Path, model: dict[str, Any]) -> Path:
    """Return a song that the model generated."""
    out = ws.parent / "song.wav"
    # A key to mark songs with, so that nothing is said about making one.
    open_marking_key(keys_dir_from_environment() / "marking")
    words = ["generate", PROMPT, "--model", model["id"], "--seed", 3]
    made = document(*words, "--seconds", 4, "-o", out, "-w", ws)
    assert made["marked"]["claim"]["model_digest"] == model["digest"]
    return out


@pytest.fixture(scope="module")
def index(ws: Path, model: dict[str, Any]) -> dict[str, Any]:
    """Return the document of a built index."""
    built: dict[str, Any] = document("index", "build", "--model", model["id"], "-w", ws)
    return built


@pytest.fixture(scope="module")
def answer(
    ws: Path, model: dict[str, Any], song: Path, index: dict[str, Any]
) -> dict[str, Any]:
    """Return the document of an attribution."""
    assert index["model_id"] == model["id"]
    words = ["attribute", song, "--model", model["id"], "-w", ws]
    found: dict[str, Any] = document(*words)
    return found


def test_a_model_is_listed_and_shown(ws: Path, model: dict[str, Any]) -> None:
    """Under the name it was given, with what it was made from."""
    assert model["id"] == "small"
    assert model["recipe"] == "tiny"
    assert model["n_recordings"] == N_RECORDINGS
    assert document("models", "list", "-w", ws)["models"] == [model]
    assert document("models", "show", "small", "-w", ws) == model
    assert model["digest"] in run("models", "show", "small", "-w", ws).stdout
    assert "small" in run("models", "list", "-w", ws).stdout


def test_a_song_has_the_length_asked_for(song: Path) -> None:
    """Four seconds of audio that can be read."""
    audio = read_audio(song)
    assert audio.samples.shape[-1] / audio.sample_rate == pytest.approx(4, abs=0.1)


def test_the_same_seed_gives_the_same_song(ws: Path, song: Path) -> None:
    """Sample for sample, and another seed another song."""
    for seed, is_same in ((3, True), (4, False)):
        out = ws.parent / f"again{seed}.wav"
        words = ["generate", PROMPT, "--model", "small", "--seed", seed]
        shown = run(*words, "--seconds", 4, "-o", out, "-w", ws)
        assert str(out) in shown.stdout
        samples = (read_audio(path).samples for path in (out, song))
        assert np.array_equal(*samples) is is_same


def _with_a_mark(out: Path, model: str, ws: Path) -> Any:
    """Make songs until one carries the mark; by key, some are too steady for it."""
    for seed in range(5, 13):
        words = ["generate", PROMPT, "--model", model, "--seed", seed, "--seconds", 12]
        made = run(*words, "--watermark", "-o", out, "-w", ws, "--json")
        if made.exit_code == 0:
            return json.loads(made.stdout)
        assert "cannot be read back" in made.stderr
    pytest.fail("no song of eight carries a mark")


def test_a_song_is_made_with_a_mark_inside(
    ws: Path, model: dict[str, Any], song: Path
) -> None:
    """The register keeps it; written anew without tags, the song is still known."""
    out = song.with_name("marked.wav")
    made = _with_a_mark(out, model["id"], ws)
    scheme, payload = made["marked"]["watermark"].split(":")
    assert scheme == "patchwork"
    read = document("mark", out, "--read")["watermarks"]
    assert payload in {w["payload"] for w in read if w["name"] == "patchwork"}
    bare, audio = song.with_name("bare.wav"), read_audio(out, mono=False)
    bare.write_bytes(encode_audio(bare, 0.8 * audio.samples, audio.sample_rate))
    found = document("origin", "identify", bare, "-w", ws)
    assert (found["verdict"], found["generator"]) == ("ai", model["id"])
    kinds = {e["kind"]: e["generator"] for e in found["evidence"]}
    assert kinds["watermark:patchwork"] == model["id"]


def test_without_marks_the_same_seed_gives_the_same_bytes(ws: Path, song: Path) -> None:
    """What differs from time to time is the signature and nothing else."""
    outs = [ws.parent / f"plain{number}.wav" for number in range(2)]
    for out in outs:
        words = ["generate", PROMPT, "--model", "small", "--seed", 3]
        words += ["--seconds", 4, "--no-mark", "a test", "-o", out, "-w", ws]
        assert document(*words)["marked"]["key"] is None
    assert outs[0].read_bytes() == outs[1].read_bytes()
    assert np.array_equal(read_audio(outs[0]).samples, read_audio(song).samples)


def test_an_index_is_shown(ws: Path, index: dict[str, Any]) -> None:
    """With the model and the number of recordings it was built for."""
    assert index["n_recordings"] == N_RECORDINGS
    assert document("index", "show", "-w", ws)["indexes"] == [index]
    assert index["id"] in run("index", "show", "-w", ws).stdout


def test_an_answer_is_the_documented_document(
    answer: dict[str, Any], model: dict[str, Any]
) -> None:
    """All fields are there; shares come best first and make a whole."""
    assert set(answer) >= DOCUMENTED
    assert answer["model"] == {"id": model["id"], "digest": model["digest"]}
    assert answer["corpus"]["n_recordings"] == N_RECORDINGS
    assert answer["by"] == "artist"
    assert answer["query"]["prompt"] == PROMPT
    shares = [share["share"] for share in answer["shares"]]
    assert shares == sorted(shares, reverse=True)
    assert sum(shares) + answer["unattributed"]["share"] == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("by", ["recording", "work", "artist", "holder", "collection"])
def test_shares_are_given_by_every_kind_of_source(
    ws: Path, song: Path, answer: dict[str, Any], by: str
) -> None:
    """And `--top` leaves out of the output all but the best."""
    words = ["attribute", song, "--model", "small", "--by", by, "-w", ws]
    found = document(*words, "--top", 2)
    assert found["by"] == by
    assert len(found["shares"]) <= 2
    assert found["shares"] == found["tables"][by]["shares"][:2]
    assert found["unattributed"] == found["tables"][by]["unattributed"]


def test_the_command_of_an_answer_gives_it_again(answer: dict[str, Any]) -> None:
    """What the report says to type can be typed."""
    program, *words = shlex.split(answer["command"])
    assert program == "contrafact"
    again = document(*words)
    assert again["shares"] == answer["shares"]


def test_an_answer_can_be_read_and_reported(
    ws: Path, song: Path, answer: dict[str, Any], tmp_path: Path
) -> None:
    """A table on the terminal, an HTML file, and what comes next."""
    report = tmp_path / "report.html"
    words = ["attribute", song, "--model", "small", "--report", report, "-w", ws]
    result = run(*words)
    assert result.exit_code == 0, result.output
    assert "unattributed" in result.stdout
    assert "Next: contrafact verify " in result.stdout
    assert answer["shares"][0]["name"] in result.stdout
    assert report.read_text(encoding="utf-8").startswith("<!")


def test_an_answer_is_verified(
    ws: Path, answer: dict[str, Any], tmp_path: Path
) -> None:
    """The loss without the named, the similar and the random recordings."""
    report = tmp_path / "verified.html"
    words = ["verify", answer["attribution_id"], "-k", 2, "-w", ws]
    checked = document(*words, "--report", report)
    assert checked["attribution_id"] == answer["attribution_id"]
    kinds = {removal["kind"]: removal for removal in checked["removals"]}
    assert set(kinds) == {"named", "similar", "random"}
    assert all(len(removal["recording_ids"]) == 2 for removal in kinds.values())
    assert report.is_file()
    assert "2 named" in run(*words).stdout


@pytest.mark.slow
def test_a_model_is_enrolled_as_a_generator_and_asked(
    ws: Path, model: dict[str, Any], song: Path
) -> None:
    """From songs that it makes here; then its codec and likelihood are evidence."""
    enrol = ("origin", "enroll")
    alone = run(*enrol, "ours", "--model", "small", "-w", ws)
    assert alone.exit_code == 12
    assert "0 recordings by people" in alone.stderr
    document(*enrol, "people", ws.parent / "music", "--human", "-w", ws)
    assert run(*enrol, "ours", song, "--model", "small", "-w", ws).exit_code == 2
    assert run(*enrol, "ours", "--model", "small", "--human", "-w", ws).exit_code == 2
    about = document(*enrol, "ours", "--model", "small", "-w", ws)
    assert (about["kind"], about["model"]) == ("generator", model["digest"])
    assert about["source"] == "songs that model small made"
    words = ["origin", "identify", song, "-w", ws]
    asked = {e["kind"] for e in document(*words, "--models")["evidence"]}
    unasked = {e["kind"] for e in document(*words)["evidence"]}
    assert {"reconstruction", "likelihood"} <= asked - unasked


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["models", "show", "none"], 5),
        (["generate", "a waltz", "--model", "none", "-o", "x.wav"], 5),
        (["index", "build", "--model", "none"], 5),
        (["attribute", "none.wav", "--model", "small"], 4),
        (["verify", "A-none"], 6),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else str(value),
)
def test_what_is_not_there_is_one_line(
    ws: Path, model: dict[str, Any], words: list[str], code: int
) -> None:
    """Nothing on standard output, and the exit code of the branch."""
    assert model["id"] == "small"
    result = run(*words, "-w", ws, "--json")
    assert (result.exit_code, result.stdout) == (code, ""), result.stderr
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1


@pytest.mark.slow
def test_the_demo_is_the_documented_document(tmp_path: Path) -> None:
    """Attribution, verification and the place of the report."""
    words = ["demo", "--corpus", "planted", "--recordings", N_RECORDINGS]
    shown = document(*words, "--no-open", "-w", tmp_path / "demo")
    assert set(shown) == {"attribution", "verification", "report"}
    assert set(shown["attribution"]) >= DOCUMENTED
    assert shown["verification"]["removals"]
    assert Path(shown["report"]).is_file()
