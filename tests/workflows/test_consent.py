from __future__ import annotations

import csv
import io
import json
from datetime import date
from pathlib import Path

import numpy as np
import pytest
import soundfile

from contrafact.catalog import Workspace, ingest
from contrafact.core.errors import UnknownEntityError, WorkspaceLockedError
from contrafact.rights import Right, Use
from contrafact.workflows.consent import (
    catalog_decisions,
    import_consents,
    list_conflicts,
    open_registry,
    revoke_consent,
    template,
)
from contrafact.workflows.consent_views import (
    show_party,
    show_subject,
    summarise_registry,
)
from contrafact.workflows.declared import declared_reservations
from contrafact.workflows.ingest import ingest as ingest_with_signals

DAY = date(2026, 3, 1)
HEAD = "right,isrc,iswc,title,use,allowed,grantor,territory"
GOOD = (
    "master,USRC17607839,,Zero,train-generative,yes,Label,worldwide",
    "composition,,T-034.524.680-1,,train-generative,yes,Publisher,worldwide",
)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """Return a workspace with two recordings, one of them with its codes."""
    waves = np.random.default_rng(2).uniform(-0.5, 0.5, (2, 8_000))
    for number, wave in enumerate(waves):
        soundfile.write(tmp_path / f"{number}.wav", wave, 8_000)
    (tmp_path / "metadata.csv").write_text(
        "file,title,work,isrc,iswc\n"
        "0.wav,Zero,Work zero,USRC17607839,T-034.524.680-1\n"
        "1.wav,One,Work one,,\n"
    )
    workspace = Workspace.init(tmp_path / "ws")
    ingest(workspace, [tmp_path], metadata=tmp_path / "metadata.csv")
    return workspace


def _table(workspace: Workspace, *rows: str, name: str = "t.csv") -> Path:
    path = workspace.root.parent / name
    path.write_text("\n".join((HEAD, *rows)))
    return path


def _allowed(workspace: Workspace) -> set[str]:
    with workspace.catalog() as catalog:
        titles = {r.id: r.title for r in catalog.recordings()}
    found = catalog_decisions(workspace, use=Use.TRAIN_GENERATIVE, on=DAY)
    return {titles[id_] for id_, decision in found.items() if decision.is_allowed}


def test_codes_lead_to_the_recordings_of_the_catalog(workspace: Workspace) -> None:
    """An ISRC and an ISWC, as they come from label and publisher."""
    assert _allowed(workspace) == set()
    report = import_consents(workspace, [_table(workspace, *GOOD)])
    assert (report.n_new, report.n_bad, report.is_taken) == (2, 0, True)
    assert _allowed(workspace) == {"Zero"}


def test_one_bad_row_and_nothing_goes_in(workspace: Workspace) -> None:
    """Of no file; with skip_bad the rest does."""
    good = _table(workspace, *GOOD)
    bad = _table(workspace, GOOD[0].replace("yes", "perhaps"), GOOD[1], name="u.csv")
    report = import_consents(workspace, [good, bad])
    assert (report.n_new, report.n_bad, report.is_taken) == (0, 1, False)
    assert [p.source for p in report.problems] == [f"{bad}:2"]
    assert summarise_registry(workspace).n_records["consents"] == 0
    report = import_consents(workspace, [good, bad], skip_bad=True)
    assert (report.n_new, report.n_bad, report.is_taken) == (3, 1, True)


def test_a_file_that_cannot_be_read_is_a_bad_input(workspace: Workspace) -> None:
    """The others are not lost for it, if bad inputs are passed over."""
    absent = workspace.root / "absent.csv"
    report = import_consents(
        workspace, [absent, _table(workspace, *GOOD)], skip_bad=True
    )
    assert (report.n_new, report.n_bad) == (2, 1)
    assert report.problems[0].source == str(absent)


def test_an_isrc_on_two_recordings_allows_neither(workspace: Workspace) -> None:
    """Two titles under one code: both permissions are left out, by their lines."""
    other = GOOD[0].replace("Zero", "Another")
    path = _table(workspace, *GOOD, other)
    report = import_consents(workspace, [path])
    assert (report.n_bad, report.is_taken) == (2, False)
    assert {p.source for p in report.problems} == {"t.csv:2", "t.csv:4"}
    assert import_consents(workspace, [path], skip_bad=True).n_new == 1
    assert _allowed(workspace) == set()


def test_more_problems_than_one_reads_are_counted(workspace: Workspace) -> None:
    """A table that is all wrong does not fill the memory."""
    rows = ["master,none,,,tdm,yes,A,worldwide"] * 1_500
    report = import_consents(workspace, [_table(workspace, *rows)])
    assert report.n_bad == 1_500
    assert len(report.problems) == 1_001
    assert "500 further" in report.problems[-1].message


def test_conflicts_that_meet_in_the_catalog_are_listed_once(
    workspace: Workspace,
) -> None:
    """A permission by ISRC, and a reservation of the place of the file."""
    place = workspace.root.parent / "robots.txt"
    place.write_text("User-agent: *\nDisallow: /\n")
    import_consents(workspace, [_table(workspace, *GOOD), place])
    found = list_conflicts(workspace, on=DAY)
    assert len(found) == 2
    assert {c.reserving.source for c in found} == {"robots.txt:2"}
    assert {c.allowing.source for c in found} == {"t.csv:2", "t.csv:3"}
    assert _allowed(workspace) == set()


def test_a_reservation_that_is_revoked_is_no_conflict(workspace: Workspace) -> None:
    """From that day on."""
    no = GOOD[0].replace("yes", "no")
    import_consents(workspace, [_table(workspace, *GOOD, no)])
    [conflict] = list_conflicts(workspace, on=DAY)
    revoke_consent(workspace, conflict.reserving.id, effective=DAY, reason="agreed")
    assert list_conflicts(workspace, on=DAY) == []
    assert _allowed(workspace) == {"Zero"}


def test_a_recording_is_shown_with_what_follows(workspace: Workspace) -> None:
    """By its code or its id; a code the catalog does not know is shown too."""
    import_consents(workspace, [_table(workspace, *GOOD)])
    by_code = show_subject(workspace, "US-RC1-76-07839", on=DAY)
    assert by_code == show_subject(workspace, by_code.subject, on=DAY)
    assert by_code.title == "Zero"
    assert {c.right for c in by_code.consents} == set(Right)
    allowed = [use for use, d in by_code.decisions.items() if d.is_allowed]
    assert allowed == [Use.TRAIN_GENERATIVE]
    work = show_subject(workspace, "T0345246801", on=DAY)
    assert (work.title, len(work.consents), work.decisions) == ("Work zero", 1, {})
    assert show_subject(workspace, "GBAYE6800023", on=DAY).consents == ()
    for name in ("nonsense", "R-none", "W-none"):
        with pytest.raises(UnknownEntityError):
            show_subject(workspace, name, on=DAY)


def test_a_rights_holder_sees_the_recordings(workspace: Workspace) -> None:
    """Through shares in the work and through consents."""
    shares = workspace.root.parent / "s.csv"
    shares.write_text("right,iswc,party,share\nmechanical,T0345246801,Ann,1/2\n")
    import_consents(workspace, [_table(workspace, *GOOD), shares])
    for party in ("ann", "Label", "publisher"):
        report = show_party(workspace, party)
        assert [r.title for r in report.recordings] == ["Zero"]
        assert len(report.held) == 1
    assert show_party(workspace, "Nobody").recordings == ()
    [problem] = summarise_registry(workspace).share_problems
    assert "sum to 1/2" in problem.message


def test_the_template_names_what_the_catalog_holds(workspace: Workspace) -> None:
    """Filled in, it is taken as it is."""
    rows = list(csv.DictReader(io.StringIO(template("consents", workspace))))
    assert [row["title"] for row in rows if row["recording"]] == sorted(
        ["Zero", "One"],
        key=lambda t: next(r["recording"] for r in rows if r["title"] == t),
    )
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, rows[0])
    writer.writeheader()
    filled = {"use": "train-generative", "allowed": "yes", "grantor": "A"}
    writer.writerows([row | filled | {"territory": "worldwide"} for row in rows])
    path = workspace.root.parent / "filled.csv"
    path.write_text(text.getvalue())
    assert import_consents(workspace, [path]).problems == ()
    assert _allowed(workspace) == {"Zero", "One"}


def test_progress_is_told_to_the_end(workspace: Workspace) -> None:
    """In hundredths of the file, never backwards."""
    rows = [GOOD[0].replace("7839", f"{n:04}") for n in range(5_000)]
    told: list[tuple[int, int]] = []
    import_consents(
        workspace,
        [_table(workspace, *rows)],
        progress=lambda _, done, total: told.append((done, total)),
    )
    assert len(told) > 2
    assert told == sorted(told)
    assert told[-1] == (100, 100)


def test_a_workspace_may_name_another_database(workspace: Workspace) -> None:
    """In its own file, so that every command finds it."""
    marker = workspace.root / "contrafact.json"
    place = workspace.root.parent / "elsewhere.sqlite"
    document = json.loads(marker.read_text()) | {"rights_url": f"sqlite:///{place}"}
    marker.write_text(json.dumps(document))
    import_consents(workspace, [_table(workspace, *GOOD)])
    assert place.exists()
    assert not (workspace.root / "rights.sqlite").exists()
    with open_registry(workspace) as registry:
        assert registry.n_records()["consents"] == 2


def test_an_import_waits_for_nobody(workspace: Workspace) -> None:
    """Who else writes holds the lock, and the import says so."""
    other = Workspace.open(workspace.root)
    with other.lock(), pytest.raises(WorkspaceLockedError):
        import_consents(workspace, [_table(workspace, *GOOD)])


def test_what_files_declare_comes_in_with_them(tmp_path: Path) -> None:
    """A declaration beside a file, and one for its place; what allows is no matter."""
    folder = tmp_path / "site/music"
    folder.mkdir(parents=True)
    for number, wave in enumerate(np.random.default_rng(3).uniform(-1, 1, (3, 8_000))):
        soundfile.write(folder / f"{number}.wav", wave, 8_000)
    beside = {"iscc": "ISCC:KEC", "train-genai": "false"}
    (folder / "0.wav.tdm.json").write_text(json.dumps(beside))
    place = [{"location": "/music/1*", "tdm-reservation": 1}]
    (tmp_path / "site/tdmrep.json").write_text(json.dumps(place))
    (folder / "2.wav.tdm.json").write_text("{")
    (tmp_path / "robots.txt").write_text("User-agent: *\nDisallow: /\n")
    workspace = Workspace.init(tmp_path / "ws")
    report = ingest_with_signals(workspace, [tmp_path / "site"])
    assert report.n_reservations == 8
    assert [p.source for p in report.problems if "JSON" in p.message] == [
        str(folder / "2.wav.tdm.json")
    ]
    found = catalog_decisions(workspace, use=Use.TRAIN_GENERATIVE, on=DAY)
    with workspace.catalog() as catalog:
        reserved = {
            Path(r.file).name for r in catalog.recordings() if found[r.id].consents
        }
    assert reserved == {"0.wav", "1.wav"}


def test_credentials_in_a_file_are_looked_for(tmp_path: Path) -> None:
    """What looks like them and is none is told, and harms nothing."""
    soundfile.write(tmp_path / "a.wav", np.zeros(8_000), 8_000)
    with (tmp_path / "a.wav").open("ab") as file:
        file.write(b"\0" * (1 << 20) + b"jumbc2pa")
    found, problems = declared_reservations([tmp_path])
    assert found == []
    assert ["content credentials" in p.message for p in problems] == [True]
    assert not problems[0].is_fatal
