"""Taking recordings into the catalog: what is taken, and what is said."""

from __future__ import annotations

import resource
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from contrafact.catalog import Workspace, ingest, write_audio
from contrafact.core.entities import Recording
from contrafact.core.errors import MetadataError, StorageError, WorkspaceLockedError

Make = Callable[..., Path]


def recordings(workspace: Workspace) -> dict[str, Recording]:
    """Return the recordings of the catalog by the names of their files."""
    with workspace.catalog() as catalog:
        return {Path(r.file).name: r for r in catalog.recordings()}


def table(tmp_path: Path, text: str) -> Path:
    """Write a CSV table and return its path."""
    path = tmp_path / "catalog.csv"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def music(sound: Make, tmp_path: Path) -> Path:
    """Return a folder with four recordings in four formats, and other things."""
    for number, suffix in enumerate([".wav", ".flac", ".ogg", ".m4a"]):
        name = f"music/{number}/{number}{suffix}"
        sound(name, rate=48_000, seconds=0.5, pitch=300 + 100 * number)
    for name in ("metadata.csv", "cover.jpg", "notes.txt", ".hidden.wav"):
        (tmp_path / "music" / name).write_bytes(b"not audio")
    return tmp_path / "music"


def test_a_folder_is_taken(workspace: Workspace, music: Path) -> None:
    """Every recording below a folder is taken, and nothing else is minded."""
    steps: list[tuple[int, int]] = []
    report = ingest(workspace, [music], progress=lambda *step: steps.append(step))
    assert report.problems == ()
    assert len(report.taken) == 4
    assert steps == [(1, 4), (2, 4), (3, 4), (4, 4)]
    found = recordings(workspace)
    assert sorted(found) == ["0.wav", "1.flac", "2.ogg", "3.m4a"]
    assert found["1.flac"].title == "1"
    assert found["1.flac"].duration_s == 0.5
    assert all(workspace.files.verify(r.digest) for r in found.values())


def test_a_second_run_changes_nothing(workspace: Workspace, music: Path) -> None:
    """What is there is not taken again, from the folder or file by file."""
    first = ingest(workspace, [music])
    before = (workspace.root / "catalog.sqlite").read_bytes()
    again = ingest(workspace, [music / "1" / "1.flac", music])
    assert again.taken == again.problems == ()
    assert sorted(again.unchanged) == sorted(first.taken)
    assert (workspace.root / "catalog.sqlite").read_bytes() == before


def test_tags_are_used(workspace: Workspace, tmp_path: Path) -> None:
    """Without a table the tags say what the recording is."""
    wave = np.full((1, 8_000), 0.1, np.float32)
    tags = {"title": "T", "artist": "Ann; Bob", "album": "D", "isrc": "USRC17607839"}
    write_audio(tmp_path / "a.flac", wave, 8_000, tags=tags)
    assert ingest(workspace, [tmp_path / "a.flac"]).problems == ()
    recording = recordings(workspace)["a.flac"]
    with workspace.catalog() as catalog:
        artists = [catalog.party(id_).name for id_ in recording.artists]
        (release,) = catalog.releases()
    assert (recording.title, recording.isrc) == ("T", "USRC17607839")
    assert artists == ["Ann", "Bob"]
    assert recording.release_id == release.id


def test_the_table_goes_before_the_tags(
    workspace: Workspace, music: Path, tmp_path: Path
) -> None:
    """Rows name files from the table's folder, from the root, or by name alone."""
    path = table(
        tmp_path,
        "file,title,artists,work,group,caption,caption_anonymous\n"
        "music/0/0.wav,Zero,Ann;Bob,W,G,by Ann,a tone\n"
        "1/1.flac,One,Ann,W,,,\n"
        "2.ogg,Two,,,,,\n"
        "3.m4a,Three,,,,,\n",
    )
    assert ingest(workspace, [music], metadata=path).problems == ()
    found = recordings(workspace)
    assert [found[name].title for name in sorted(found)] == [
        "Zero",
        "One",
        "Two",
        "Three",
    ]
    zero = found["0.wav"]
    assert (zero.group, zero.caption, zero.caption_anonymous) == (
        "G",
        "by Ann",
        "a tone",
    )
    assert zero.work_id == found["1.flac"].work_id is not None


def test_a_changed_table_changes_the_catalog(
    workspace: Workspace, music: Path, tmp_path: Path
) -> None:
    """Only the recording whose row changed is taken again; no table, no change."""
    rows = "file,title\n0.wav,Zero\n1.flac,One\n2.ogg,Two\n3.m4a,Three\n"
    ingest(workspace, [music], metadata=table(tmp_path, rows))
    changed = table(tmp_path, rows.replace("One", "Uno"))
    report = ingest(workspace, [music], metadata=changed)
    assert (len(report.taken), len(report.unchanged)) == (1, 3)
    ingest(workspace, [music])
    assert recordings(workspace)["1.flac"].title == "Uno"


def test_table_and_folder_are_compared(
    workspace: Workspace, music: Path, tmp_path: Path
) -> None:
    """A row without a file and a file without a row are both reported."""
    path = table(tmp_path, "file\n0.wav\n1.flac\n2.ogg\nmissing.wav\n")
    report = ingest(workspace, [music], metadata=path)
    assert [(str(p).rpartition("/")[2], p.is_fatal) for p in report.problems] == [
        (
            "catalog.csv:5: no file 'missing.wav' on disk. "
            "Correct the name or add the file.",
            True,
        ),
        ("3.m4a: no row in the metadata; its tags or name are used.", False),
    ]
    assert len(report.taken) == 4


def test_contradicting_rows_keep_their_files_out(
    workspace: Workspace, music: Path, tmp_path: Path
) -> None:
    """A file with two titles is not taken under either; the others are."""
    path = table(tmp_path, "file,title\n0.wav,A\n0.wav,B\n1.flac,C\n2.ogg,D\n3.m4a,E\n")
    report = ingest(workspace, [music], metadata=path)
    assert [p.source.rpartition(":")[2] for p in report.problems] == ["2", "3"]
    assert sorted(recordings(workspace)) == ["1.flac", "2.ogg", "3.m4a"]


def test_one_file_under_two_names_is_a_contradiction_too(
    workspace: Workspace, music: Path, tmp_path: Path
) -> None:
    """Rows that spell the path in two ways speak of one file; order does not count."""
    rows = ["0/0.wav,A", "./0/0.wav,B", "1.flac,C", "1/1.flac,C"]
    for order in (rows, rows[::-1]):
        path = table(tmp_path, "\n".join(["file,title", *order, "2.ogg,D", "3.m4a,E"]))
        report = ingest(workspace, [music], metadata=path)
        assert len(report.problems) == 2
        assert all("with other values" in p.message for p in report.problems)
        assert sorted(recordings(workspace)) == ["1.flac", "2.ogg", "3.m4a"]


def test_a_table_that_cannot_be_read_stops_everything(
    workspace: Workspace, music: Path, tmp_path: Path
) -> None:
    """Without the table nothing is taken: the tags alone were not meant."""
    with pytest.raises(MetadataError):
        ingest(workspace, [music], metadata=tmp_path / "missing.csv")
    assert recordings(workspace) == {}


@pytest.fixture
def bad_music(music: Path, sound: Make) -> Path:
    """Return the folder with every kind of bad file added to it."""
    good = music / "0" / "0.wav"
    noise = np.random.default_rng(5).uniform(-0.3, 0.3, 8_000).astype(np.float32)
    (music / "empty.wav").touch()
    sound("music/no-samples.wav", samples=np.zeros((1, 0), np.float32))
    sound("music/silent.flac", samples=np.zeros((1, 8_000), np.float32))
    sound("music/clipped.wav", samples=np.clip(9 * noise, -1, 1)[None])
    cut = sound("music/truncated.wav", samples=noise[None])
    cut.write_bytes(cut.read_bytes()[:9_000])
    sound("music/mislabelled.flac", samples=0.5 * noise[None]).rename(
        music / "mislabelled.mp3"
    )
    soundfile.write(music / "nan.wav", noise * np.nan, 8_000, subtype="FLOAT")
    (music / "unreadable.ogg").write_bytes(b"OggS but no more")
    (music / "text.mp3").write_text("#EXTM3U")
    (music / "dangling.wav").symlink_to(music / "nowhere.wav")
    shutil.copy(good, music / "same.wav")
    return music


def test_every_bad_file_is_one_clear_line(
    workspace: Workspace, bad_music: Path
) -> None:
    """Each kind of bad file is reported by name, and the good ones are taken."""
    report = ingest(workspace, [bad_music])
    lines = {Path(p.source).name: (p.is_fatal, p.message) for p in report.problems}
    expected = {
        "empty.wav": (True, "is empty"),
        "no-samples.wav": (True, "0 samples"),
        "silent.flac": (True, "silent"),
        "clipped.wav": (False, "clipped"),
        "truncated.wav": (True, "cut off"),
        "mislabelled.mp3": (False, "it is FLAC"),
        "nan.wav": (True, "NaN"),
        "unreadable.ogg": (True, "cannot be decoded"),
        "text.mp3": (True, "not audio"),
        "dangling.wav": (True, "Cannot read"),
        "same.wav": (False, "same bytes as"),
    }
    assert sorted(lines) == sorted(expected)
    for name, (is_fatal, words) in expected.items():
        assert lines[name][0] == is_fatal, name
        assert words in lines[name][1], name
        assert "\n" not in lines[name][1], name
    assert len(report.problems) == len(expected)
    assert len(report.taken) == 6
    assert report.is_success


def test_bad_files_leave_nothing_behind(workspace: Workspace, bad_music: Path) -> None:
    """The store holds one file for each recording in the catalog, no others."""
    ingest(workspace, [bad_music])
    stored = {p.stem for p in workspace.files.root.rglob("*") if p.is_file()}
    assert stored == {r.digest for r in recordings(workspace).values()}


def test_strict_takes_all_or_nothing(workspace: Workspace, bad_music: Path) -> None:
    """With any problem at all, strict takes nothing and calls everything fatal."""
    report = ingest(workspace, [bad_music], strict=True)
    assert not report.is_success
    assert len(report.problems) == 11
    assert all(problem.is_fatal for problem in report.problems)
    assert recordings(workspace) == {}
    assert not workspace.files.root.exists()


def test_strict_without_problems_takes_everything(
    workspace: Workspace, music: Path
) -> None:
    """Good files are taken under strict as without it."""
    assert len(ingest(workspace, [music], strict=True).taken) == 4


def test_missing_paths_and_folders_without_audio(
    workspace: Workspace, tmp_path: Path
) -> None:
    """Nothing to take is a report with reasons, not a crash."""
    (tmp_path / "nothing").mkdir()
    report = ingest(workspace, [tmp_path / "nothing", tmp_path / "missing"])
    assert not report.is_success
    assert [Path(p.source).name for p in report.problems] == ["nothing", "missing"]


def test_the_workspace_inside_the_folder_is_left_alone(
    tmp_path: Path, sound: Make
) -> None:
    """Taking the folder one works in does not take the store's own copies."""
    sound("a.wav")
    workspace = Workspace.init(tmp_path)
    ingest(workspace, [tmp_path])
    report = ingest(workspace, [tmp_path])
    assert (len(report.taken), len(report.unchanged), report.problems) == (0, 1, ())


def test_a_moved_folder_is_known(workspace: Workspace, music: Path) -> None:
    """The same files in another place are the same recordings."""
    ingest(workspace, [music])
    report = ingest(workspace, [music.rename(music.with_name("moved"))])
    assert (len(report.taken), len(report.unchanged), report.problems) == (0, 4, ())


def test_a_locked_workspace_is_refused(workspace: Workspace, music: Path) -> None:
    """Two at a time do not write into one workspace."""
    other = Workspace.open(workspace.root)
    with other.lock(), pytest.raises(WorkspaceLockedError):
        ingest(workspace, [music])


def test_a_store_that_cannot_be_written_is_one_clear_line(
    workspace: Workspace, music: Path
) -> None:
    """When copies cannot be made, nothing is entered in the catalog."""
    workspace.files.root.touch()
    with pytest.raises(StorageError, match="Cannot write"):
        ingest(workspace, [music])
    assert recordings(workspace) == {}


def test_a_full_disk_is_survived(workspace: Workspace, music: Path) -> None:
    """When the disk is full nothing is entered; with room, it goes on."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8_192, hard))
    try:
        with pytest.raises(StorageError):
            ingest(workspace, [music])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert recordings(workspace) == {}
    assert len(ingest(workspace, [music]).taken) == 4


def test_a_folder_with_its_own_table_is_left_to_it(
    workspace: Workspace, sound: Make, tmp_path: Path
) -> None:
    """What is held out of a corpus is not taken along with it."""
    for name in ("a.wav", "heldout/b.wav", "more/c.wav"):
        sound(f"music/{name}", pitch=300 + len(name))
    folder, heldout = tmp_path / "music", tmp_path / "music" / "heldout"
    (folder / "metadata.csv").write_text("file,title\na.wav,A\nmore/c.wav,C\n")
    (heldout / "metadata.csv").write_text("file,title\nb.wav,B\n")
    report = ingest(workspace, [folder], metadata=folder / "metadata.csv")
    (problem,) = report.problems
    assert (problem.source, problem.is_fatal) == (str(heldout), False)
    assert "has a metadata.csv of its own; not entered" in problem.message
    assert sorted(recordings(workspace)) == ["a.wav", "c.wav"]


def test_a_folder_with_the_given_table_is_entered(
    workspace: Workspace, sound: Make, tmp_path: Path
) -> None:
    """The table that is given may lie below; named or without one, all are entered."""
    sound("music/heldout/b.wav")
    table = tmp_path / "music" / "heldout" / "metadata.csv"
    table.write_text("file,title\nb.wav,B\n")
    report = ingest(workspace, [tmp_path / "music"], metadata=table)
    assert report.problems == ()
    assert len(report.taken) == 1
    assert len(ingest(workspace, [tmp_path / "music"]).unchanged) == 1
    (tmp_path / "all.csv").write_text("file,title\nmusic/heldout/b.wav,B\n")
    again = ingest(workspace, [table.parent], metadata=tmp_path / "all.csv")
    assert again.problems == ()
    assert len(again.unchanged) == 1
