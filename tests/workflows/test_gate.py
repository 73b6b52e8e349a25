from __future__ import annotations

import csv
import shutil
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest
import soundfile

from contrafact.catalog import Workspace
from contrafact.core.entities import Recording
from contrafact.core.errors import CatalogError, ConsentMissingError
from contrafact.core.units import digest_of
from contrafact.rights import SubjectKind, Territory, Use, Withdrawal
from contrafact.workflows.admission import admit
from contrafact.workflows.consent import import_consents, open_registry
from contrafact.workflows.gate import GateReport, Question, check_catalog, check_folder

TODAY = Question(on=date(2026, 6, 1))


def _allow(workspace: Workspace, folder: Path, files: list[Path]) -> None:
    """Let somebody allow training with these very files."""
    table = folder / "claims.csv"
    with table.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(
            ["right", "file_sha256", "use", "allowed", "grantor", "territory", "source"]
        )
        for path in files:
            digest = digest_of(path.read_bytes())
            terms = [digest, "train-generative", "yes", "Ann", "worldwide", "a mail"]
            rows.writerows([right, *terms] for right in ("master", "composition"))
    assert import_consents(workspace, [table]).is_taken


def _withdraw(workspace: Workspace, recording: Recording, *, effective: date) -> None:
    with open_registry(workspace) as registry:
        registry.withdraw(
            Withdrawal(
                subject_kind=SubjectKind.RECORDING,
                subject_id=recording.id,
                reason="test",
                effective=effective,
                said=date(2026, 1, 1),
            )
        )


def _recordings(workspace: Workspace) -> list[Recording]:
    with workspace.catalog() as catalog:
        return catalog.recordings()


def _why(report: GateReport) -> dict[str, str]:
    return {Path(r.file).name: r.by for r in report.refused}


def test_a_built_in_corpus_passes(fresh: Path, corpus: Path) -> None:
    """Its consents came with it, for every file and the whole world."""
    workspace = Workspace.open(fresh)
    report = check_folder(workspace, corpus, TODAY)
    assert report.is_passed
    assert report.n_files == 24
    assert check_catalog(workspace, TODAY).is_passed


def test_what_nobody_allowed_is_refused(fresh: Path, tmp_path: Path) -> None:
    """A file of the user's own does not pass, and no other use does either."""
    folder = tmp_path / "own"
    folder.mkdir()
    noise = np.random.default_rng(0).normal(0, 0.1, 32_000)
    soundfile.write(folder / "own.wav", noise, 16_000)
    report = check_folder(Workspace.open(fresh), folder, TODAY)
    assert _why(report) == {"own.wav": "consent"}
    assert report.refused[0].reason.startswith("no consent for the master")


def test_where_and_when_and_what_for_count(fresh: Path, tmp_path: Path) -> None:
    """A consent for Germany in 2026 is none for France, for 2027 or for mining."""
    workspace, folder = Workspace.open(fresh), tmp_path / "own"
    folder.mkdir()
    soundfile.write(
        folder / "a.wav", np.random.default_rng(1).normal(0, 0.1, 32_000), 16_000
    )
    digest = digest_of((folder / "a.wav").read_bytes())
    rows = "".join(
        f"{right},{digest},train-generative,yes,Ann,DE,2026-01-01,2026-12-31\n"
        for right in ("master", "composition")
    )
    head = "right,file_sha256,use,allowed,grantor,territory,from,until\n"
    (tmp_path / "t.csv").write_text(head + rows)
    assert import_consents(workspace, [tmp_path / "t.csv"]).is_taken
    german = Question(on=date(2026, 6, 1), territory=Territory.parse("DE"))
    others = [
        replace(german, territory=Territory.parse("DE FR")),
        replace(german, on=date(2027, 1, 1)),
        replace(german, use=Use.TEXT_AND_DATA_MINING),
    ]
    assert check_folder(workspace, folder, german).is_passed
    for question in others:
        assert not check_folder(workspace, folder, question).is_passed


def test_a_withdrawn_recording_does_not_come_back_as_another_file(
    fresh: Path, tmp_path: Path
) -> None:
    """MP3, part and faster copy are refused by sound, though somebody allows them."""
    workspace, folder = Workspace.open(fresh), tmp_path / "back"
    folder.mkdir()
    gone, other = _recordings(workspace)[:2]
    samples, rate = soundfile.read(workspace.audio_path(gone), dtype="float32")
    soundfile.write(folder / "copy.mp3", samples, rate)
    soundfile.write(folder / "part.wav", samples[len(samples) // 4 :], rate)
    soundfile.write(folder / "fast.wav", samples, round(rate * 1.05))
    innocent, _ = soundfile.read(workspace.audio_path(other), dtype="float32")
    soundfile.write(folder / "other.wav", innocent, rate)
    _allow(workspace, tmp_path, sorted(folder.iterdir()))
    assert check_folder(workspace, folder, TODAY).is_passed
    _withdraw(workspace, gone, effective=date(2026, 1, 1))
    report = check_folder(workspace, folder, TODAY)
    heard = {"copy.mp3": "audio", "part.wav": "audio", "fast.wav": "audio"}
    assert _why(report) == heard
    assert {r.matches for r in report.refused} == {gone.id}


def test_a_file_that_nobody_allowed_is_named_as_the_copy_it_is(
    fresh: Path, tmp_path: Path
) -> None:
    """It is refused for want of a consent, and the refusal says what it sounds like."""
    workspace, folder = Workspace.open(fresh), tmp_path / "back"
    folder.mkdir()
    gone, other = _recordings(workspace)[:2]
    for name, recording in (("copy.mp3", gone), ("other.mp3", other)):
        samples, rate = soundfile.read(workspace.audio_path(recording))
        soundfile.write(folder / name, samples, rate)
    _withdraw(workspace, gone, effective=date(2026, 1, 1))
    report = check_folder(workspace, folder, TODAY)
    assert _why(report) == {"copy.mp3": "consent", "other.mp3": "consent"}
    assert [r.matches for r in report.refused] == [gone.id, None]


def test_what_a_place_reserves_counts_without_being_imported(
    fresh: Path, corpus: Path, tmp_path: Path
) -> None:
    """A robots.txt above allowed files refuses those that it names."""
    folder = tmp_path / "site"
    shutil.copytree(corpus, folder / "music")
    (folder / "robots.txt").write_text("User-agent: *\nDisallow: /music/a*\n")
    (folder / "music/metadata.csv").unlink()
    report = check_folder(Workspace.open(fresh), folder, TODAY)
    named = {p.name for p in (folder / "music").glob("a*.flac")}
    assert named
    assert _why(report) == dict.fromkeys(named, "consent")


def test_it_is_known_by_its_sound_even_without_its_file(
    fresh: Path, tmp_path: Path
) -> None:
    """Once its sound was kept, deleting the file does not let a copy in."""
    workspace, folder = Workspace.open(fresh), tmp_path / "back"
    folder.mkdir()
    gone = _recordings(workspace)[0]
    samples, rate = soundfile.read(workspace.audio_path(gone), dtype="float32")
    soundfile.write(folder / "copy.mp3", samples, rate)
    _allow(workspace, tmp_path, [folder / "copy.mp3"])
    _withdraw(workspace, gone, effective=date(2026, 1, 1))
    assert not check_folder(workspace, folder, TODAY).is_passed
    workspace.audio_path(gone).unlink()
    assert _why(check_folder(workspace, folder, TODAY)) == {"copy.mp3": "audio"}


def test_nothing_is_passed_over(fresh: Path, corpus: Path, tmp_path: Path) -> None:
    """Neither what cannot be read, nor a folder with a table of its own."""
    folder = tmp_path / "all"
    shutil.copytree(corpus, folder / "inner")
    shutil.copyfile(corpus / "metadata.csv", folder / "metadata.csv")
    (folder / "broken.wav").write_bytes(b"RIFF no sound")
    report = check_folder(Workspace.open(fresh), folder, TODAY)
    assert report.n_files == 25
    assert _why(report) == {"broken.wav": "file"}


def test_a_folder_without_audio_does_not_pass(fresh: Path, tmp_path: Path) -> None:
    """A mistyped path fails the job instead of passing for an empty corpus."""
    (tmp_path / "empty").mkdir()
    with pytest.raises(CatalogError, match="nothing was checked"):
        check_folder(Workspace.open(fresh), tmp_path / "empty", TODAY)


def test_training_is_refused_from_the_day_it_was_declared(fresh: Path) -> None:
    """One line says what to do; other uses go on until the effective day."""
    workspace = Workspace.open(fresh)
    gone = _recordings(workspace)[0]
    assert len(admit(workspace).recordings) == 24
    _withdraw(workspace, gone, effective=date(2999, 1, 1))
    output = replace(TODAY, use=Use.COMMERCIAL_OUTPUT)
    assert check_catalog(workspace, output).is_passed
    assert not check_catalog(workspace, replace(output, on=date(2999, 1, 1))).is_passed
    with pytest.raises(ConsentMissingError, match=r"1 of 24 .*--unlicensed-research"):
        admit(workspace)
    left = admit(workspace, licensed_only=True)
    assert gone.id not in {r.id for r in left.recordings}
    assert len(left.recordings) == 23
