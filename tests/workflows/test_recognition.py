from __future__ import annotations

import json
import shutil
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

from contrafact.catalog import Workspace, read_audio
from contrafact.catalog.recognition import SpectralMatcher
from contrafact.core.entities import Recording
from contrafact.core.errors import MatchIndexError
from contrafact.rights import SubjectKind, Withdrawal
from contrafact.workflows import recognition
from contrafact.workflows.consent import open_registry
from contrafact.workflows.gate import Question, check_folder
from contrafact.workflows.recognition import (
    FingerprintRecogniser,
    PairwiseRecogniser,
    Recogniser,
    make_recogniser,
)
from contrafact.workflows.signatures import keep_signature

TODAY = Question(on=date(2026, 6, 1))


@pytest.fixture
def workspace(fresh: Path) -> Workspace:
    """Return a workspace with a small corpus."""
    return Workspace.open(fresh)


@pytest.fixture
def recordings(workspace: Workspace) -> list[Recording]:
    """Return its recordings."""
    with workspace.catalog() as catalog:
        return catalog.recordings()


def as_file(recording: Recording, path: Path) -> Recording:
    """Return a recording that is only known as a file in some place."""
    return replace(recording, digest=recording.digest[::-1], file=str(path))


def faster(workspace: Workspace, recording: Recording, path: Path) -> Recording:
    """Write a copy that is played faster and higher by a fifth of its speed."""
    audio = read_audio(workspace.audio_path(recording))
    rate = audio.sample_rate
    soundfile.write(path, soxr.resample(audio.samples[0], rate * 1.15, rate), rate)
    return as_file(recording, path)


def withdraw(workspace: Workspace, kind: SubjectKind, subject: str) -> None:
    """Reserve a work or a recording."""
    said = date(2026, 1, 1)
    with open_registry(workspace) as registry:
        registry.withdraw(
            Withdrawal(
                subject_kind=kind,
                subject_id=subject,
                reason="test",
                effective=said,
                said=said,
            )
        )


def test_what_was_learned_is_heard_in_an_altered_file(
    workspace: Workspace, recordings: list[Recording], tmp_path: Path
) -> None:
    """Played 15 % faster: beyond what spectra find, and named rightly."""
    ear = FingerprintRecogniser(workspace)
    assert ear.learn(recordings[:6]) == []
    heard = ear.hear(
        faster(workspace, recordings[3], tmp_path / "fast.wav"),
        {r.digest for r in recordings[:6]},
    )
    assert heard is not None
    assert heard.digest == recordings[3].digest
    assert heard.similarity >= ear.threshold
    assert "semitones higher, 15 % faster; of matches as sure, 1 in " in heard.evidence


def test_what_is_too_much_for_one_method_is_heard_by_the_other(
    workspace: Workspace, recordings: list[Recording], tmp_path: Path
) -> None:
    """Where fingerprints are unsure, spectra decide on what the index proposes."""
    kept, ear = recordings[4], FingerprintRecogniser(workspace)
    ear.learn(recordings[:6])
    path = tmp_path / "copy.flac"
    shutil.copyfile(workspace.audio_path(kept), path)
    with pytest.MonkeyPatch.context() as strict:
        strict.setattr(recognition, "_MAX_FALSE", 0.0)
        heard = ear.hear(as_file(kept, path), {r.digest for r in recordings[:6]})
    assert heard is not None
    assert (heard.digest, heard.method) == (kept.digest, "spectral-1")
    assert "from 0.7 on it is one" in heard.evidence


def test_only_what_counts_is_named(
    workspace: Workspace, recordings: list[Recording]
) -> None:
    """What was learned for another question does not refuse anything."""
    ear = FingerprintRecogniser(workspace)
    ear.learn(recordings[:2])
    assert ear.hear(recordings[0], {recordings[0].digest}) is not None
    assert ear.hear(recordings[0], {recordings[1].digest}) is None
    assert ear.hear(recordings[0], set()) is None


def test_a_file_is_looked_up_once_however_much_is_reserved(
    workspace: Workspace, recordings: list[Recording], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cost of a file does not grow with the recordings."""
    ear, read = FingerprintRecogniser(workspace), []
    ear.learn(recordings[:20])
    among = {r.digest for r in recordings[:20]}
    monkeypatch.setattr(
        recognition, "read_audio", lambda path, **how: _noted(read, path, how)
    )
    monkeypatch.setattr(ear, "_confirmed", lambda _, proposed: _few(proposed))
    assert ear.hear(recordings[22], among) is None
    assert len(read) == 1


def _few(proposed: set[str]) -> None:
    assert len(proposed) < 10


def _noted(read: list[Path], path: Path, how: dict[str, object]) -> object:
    read.append(path)
    return read_audio(path, **how)


def test_nothing_is_computed_where_nothing_is_reserved(
    workspace: Workspace, corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The gate of a corpus that everybody allows hears and writes nothing."""
    monkeypatch.setattr(recognition, "read_audio", lambda *_, **__: 1 / 0)
    assert check_folder(workspace, corpus, TODAY).is_passed
    assert not (workspace.root / "signatures").exists()


def test_an_index_of_another_version_is_in_another_folder(
    workspace: Workspace, recordings: list[Recording]
) -> None:
    """So that a workspace whose gate learned before an update goes on."""
    ear = FingerprintRecogniser(workspace)
    ear.learn(recordings[:1])
    folder = workspace.root / "signatures" / ear.name
    version = json.loads((folder / "manifest.json").read_text())["version"]
    assert ear.name == f"fingerprint-{version}"


def test_what_an_earlier_version_kept_still_counts(
    workspace: Workspace, recordings: list[Recording], tmp_path: Path
) -> None:
    """Spectra of a file that is gone are compared, since nothing else is left."""
    gone, copy = recordings[0], tmp_path / "copy.flac"
    keep_signature(workspace, gone, SpectralMatcher())
    shutil.copyfile(workspace.audio_path(gone), copy)
    workspace.audio_path(gone).unlink()
    ear = FingerprintRecogniser(workspace)
    assert ear.learn([gone, recordings[1]]) == []
    heard = ear.hear(as_file(gone, copy), {gone.digest})
    assert heard is not None
    assert heard.digest == gone.digest


def test_what_was_never_heard_is_said(
    workspace: Workspace, recordings: list[Recording]
) -> None:
    """Without file and signature there is nothing to know a recording by."""
    workspace.audio_path(recordings[0]).unlink()
    for ear in (make_recogniser(workspace), pairwise(workspace)):
        assert ear.learn(recordings[:2]) == recordings[:1]


def pairwise(workspace: Workspace) -> Recogniser:
    """Return a recogniser that compares two by two."""
    ear = make_recogniser(workspace, SpectralMatcher())
    assert isinstance(ear, PairwiseRecogniser)
    return ear


def test_a_matcher_of_pairs_takes_its_place(
    workspace: Workspace, recordings: list[Recording]
) -> None:
    """It finds the same recording, in its own measure."""
    ear = pairwise(workspace)
    ear.learn(recordings[:3])
    among = {r.digest for r in recordings[:3]}
    heard = ear.hear(recordings[1], among)
    assert heard is not None
    assert heard.digest == recordings[1].digest
    assert heard.similarity == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("kind", [SubjectKind.WORK, SubjectKind.RECORDING])
def test_a_refusal_says_what_is_reserved(
    workspace: Workspace,
    recordings: list[Recording],
    tmp_path: Path,
    kind: SubjectKind,
) -> None:
    """For a work, other performances count too; for a recording, they may be it."""
    gone, folder = recordings[0], tmp_path / "back"
    folder.mkdir()
    assert gone.work_id is not None
    withdraw(workspace, kind, gone.work_id if kind is SubjectKind.WORK else gone.id)
    faster(workspace, gone, folder / "fast.wav")
    (refusal,) = check_folder(workspace, folder, TODAY).refused
    assert refusal.matched == kind.value
    is_work = kind is SubjectKind.WORK
    assert ("a recording of a reserved work" in refusal.reason) is is_work
    assert ("played anew" in refusal.reason) is not is_work


def test_what_is_damaged_is_not_passed_over(
    workspace: Workspace, recordings: list[Recording]
) -> None:
    """The gate stops with an error instead of letting everything in."""
    FingerprintRecogniser(workspace).learn(recordings[:2])
    (segment,) = (workspace.root / "signatures").rglob("*.segment")
    segment.write_bytes(segment.read_bytes()[:-100])
    with pytest.raises(MatchIndexError):
        FingerprintRecogniser(workspace).learn(recordings[:2])


def test_noise_is_nothing(workspace: Workspace, recordings: list[Recording]) -> None:
    """What is no music at all sounds like no recording."""
    ear, path = FingerprintRecogniser(workspace), workspace.root / "noise.wav"
    ear.learn(recordings[:6])
    soundfile.write(path, np.random.default_rng(0).normal(0, 0.1, 80_000), 16_000)
    assert (
        ear.hear(as_file(recordings[0], path), {r.digest for r in recordings}) is None
    )
