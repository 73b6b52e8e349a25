from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from datetime import date
from fractions import Fraction
from pathlib import Path

import pytest

from contrafact.core.entities import Recording, Work
from contrafact.core.errors import ConfigError, ConsentError, RegistryError
from contrafact.core.units import work_id
from contrafact.rights import (
    WORLDWIDE,
    Added,
    AiDisclosure,
    Consent,
    ConsentRegistry,
    Holder,
    HoldingRight,
    Right,
    RightsHolding,
    SubjectKind,
    Territory,
    Use,
    Withdrawal,
    decide,
)
from contrafact.rights._lookup import location_of

Make = Callable[..., Consent]
MakeRecording = Callable[..., Recording]
DAY = date(2026, 3, 1)
USE = Use.TRAIN_GENERATIVE
ISWC = "T0345246801"


def _allowed(
    registry: ConsentRegistry, *recordings: Recording, works: Iterable[Work] = ()
) -> list[bool]:
    found = registry.decisions(recordings, use=USE, on=DAY, works=works)
    return [found[recording.id].is_allowed for recording in recordings]


def _both(consent: Make, kind: SubjectKind, id_: str) -> list[Consent]:
    return [consent(right=r, subject_kind=kind, subject_id=id_) for r in Right]


def test_what_goes_in_comes_out(registry: ConsentRegistry, consent: Make) -> None:
    """Every field of every record."""
    full = consent(
        territory=Territory.parse("worldwide -CN"),
        valid_from=date(2025, 1, 1),
        valid_until=date(2027, 1, 1),
        is_revocable=False,
        signal_date=date(2024, 1, 1),
        title="Bücher",
    )
    holding = RightsHolding(
        right=HoldingRight.MECHANICAL,
        subject_kind=SubjectKind.WORK,
        subject_id=ISWC,
        holder=Holder(name="Ann", ipi_name="00014107338"),
        share=Fraction(1, 3),
        territory=Territory.parse("DE"),
        valid_from=date(2025, 1, 1),
        source="s",
        source_digest="d",
    )
    disclosure = AiDisclosure(
        subject_id="USRC17607839",
        contains_ai="Partly",
        contributions=(("P1, Lyricist", "All"),),
        source="m.xml:3",
        source_digest="d",
        signal_date=DAY,
    )
    registry.add([full, holding, disclosure])
    assert registry.consent(full.id) == full
    assert registry.holdings() == [holding]
    assert registry.disclosures() == [disclosure]


def test_adding_again_changes_nothing(registry: ConsentRegistry, consent: Make) -> None:
    """Nor does the same record twice in one addition."""
    records = [consent(), consent(), consent(grantor="Other")]
    assert registry.add(records) == Added(n_new=2, n_known=1)
    assert registry.add(records) == Added(n_new=0, n_known=3)


def test_an_addition_that_fails_adds_nothing(
    registry: ConsentRegistry, consent: Make
) -> None:
    """Also of what was flushed to the database before."""

    def records() -> Iterable[Consent]:
        for number in range(5_000):
            yield consent(subject_id=f"R-{number}")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        registry.add(records())
    assert registry.n_records()["consents"] == 0


@pytest.mark.parametrize("name", ["id", "digest", "isrc", "work_id"])
def test_a_recording_is_found_by_all_its_names(
    registry: ConsentRegistry, consent: Make, recording: MakeRecording, name: str
) -> None:
    """Id, digest of the file, ISRC and work; no other recording is."""
    mine = recording("mine", isrc="USRC17607839")
    other = recording("other", isrc="USRC17607840")
    kind = SubjectKind.WORK if name == "work_id" else SubjectKind.RECORDING
    registry.add(_both(consent, kind, getattr(mine, name)))
    assert _allowed(registry, mine, other) == [True, False]


def test_a_work_is_found_by_its_iswc(
    registry: ConsentRegistry, consent: Make, recording: MakeRecording
) -> None:
    """The catalog makes the id of a work from it."""
    mine = recording("mine", work_id=work_id("any title", iswc=ISWC))
    registry.add(_both(consent, SubjectKind.WORK, ISWC))
    assert _allowed(registry, mine) == [True]


def test_an_isrc_on_two_works_reserves_both_and_allows_none(
    registry: ConsentRegistry, consent: Make, recording: MakeRecording
) -> None:
    """Which of them was meant cannot be known; two files of one work may share it."""
    isrc = "USRC17607839"
    one = recording("one", isrc=isrc)
    copy = recording("copy", isrc=isrc, work_id=one.work_id)
    other = recording("other", isrc=isrc)
    registry.add(_both(consent, SubjectKind.RECORDING, isrc))
    assert _allowed(registry, one, copy) == [True, True]
    assert _allowed(registry, one, copy, other) == [False, False, False]
    for r in (one, copy, other):
        registry.add(_both(consent, SubjectKind.RECORDING, r.id))
    assert _allowed(registry, one, copy, other) == [True, True, True]
    registry.add([consent(is_allowed=False)])
    assert _allowed(registry, one, copy, other) == [False, False, False]


def test_a_title_reserves_a_work_that_has_an_iswc_but_does_not_allow_it(
    registry: ConsentRegistry, consent: Make, recording: MakeRecording
) -> None:
    """Another work may have the title."""
    id_ = work_id("Title", iswc=ISWC)
    mine = recording("mine", work_id=id_)
    works = [Work(id=id_, title="Title", iswc=ISWC)]
    registry.add(_both(consent, SubjectKind.WORK, work_id("Title")))
    assert _allowed(registry, mine, works=works) == [False]
    registry.add(_both(consent, SubjectKind.WORK, ISWC))
    assert _allowed(registry, mine, works=works) == [True]
    no = consent(
        subject_kind=SubjectKind.WORK, subject_id=work_id("title"), is_allowed=False
    )
    registry.add([no])
    assert _allowed(registry, mine, works=works) == [False]


@pytest.mark.parametrize(
    ("pattern", "is_reserved"),
    [
        ("/", True),
        ("/album/", True),
        ("/album/*.flac$", True),
        ("*.flac", True),
        ("album/", True),
        ("/Album/", False),
        ("/album/*.wav$", False),
        ("/album$", False),
        ("/other/", False),
    ],
)
def test_a_place_reserves_the_files_below_it(
    registry: ConsentRegistry,
    consent: Make,
    recording: MakeRecording,
    *,
    pattern: str,
    is_reserved: bool,
) -> None:
    """By patterns as in robots.txt, and in no other folder."""
    inside = recording("inside", file="/site/album/inside.flac")
    outside = recording("outside", file="/sites/album/outside.flac")
    for r in (inside, outside):
        registry.add(_both(consent, SubjectKind.RECORDING, r.id))
    place = location_of("/site", pattern)
    no = consent(subject_kind=SubjectKind.LOCATION, subject_id=place, is_allowed=False)
    registry.add([no])
    assert _allowed(registry, inside, outside) == [not is_reserved, True]


def test_a_withdrawal_beats_what_cannot_be_revoked(
    registry: ConsentRegistry, consent: Make, recording: MakeRecording
) -> None:
    """From its day on, for every use, and it is a conflict with both sources."""
    mine = recording("mine")
    yes = [
        consent(right=r, subject_id=mine.id, is_revocable=False, use=use)
        for r in Right
        for use in Use
    ]
    registry.add(yes)
    withdrawn = registry.withdraw(
        Withdrawal(
            subject_kind=SubjectKind.WORK,
            subject_id=str(mine.work_id),
            reason="the contract ended",
            effective=DAY,
            said=date(2026, 2, 1),
        )
    )
    assert len(withdrawn) == len(Right) * len(Use)

    def is_allowed(use: Use, on: date) -> bool:
        return registry.decisions([mine], use=use, on=on)[mine.id].is_allowed

    # Training ends when it is declared, other uses on the effective day.
    assert is_allowed(USE, date(2026, 1, 31))
    assert not is_allowed(USE, date(2026, 2, 1))
    assert is_allowed(Use.COMMERCIAL_OUTPUT, date(2026, 2, 28))
    assert not is_allowed(Use.COMMERCIAL_OUTPUT, DAY)
    for use in Use:
        after = registry.decisions([mine], use=use, on=DAY)[mine.id]
        assert not after.is_allowed
        assert "the contract ended" in after.reason
        assert len(after.conflicts) == len(Right)
        assert "irrevocable" in str(after.conflicts[0])


def test_revoking_ends_one_consent(registry: ConsentRegistry, consent: Make) -> None:
    """By the beginning of its id, once, and from a day on."""
    yes, fixed = consent(), consent(is_revocable=False)
    registry.add([yes, fixed])
    found = registry.revoke(yes.id[:12], effective=DAY, reason="why")
    assert (found.id, found.revoked_from) == (yes.id, DAY)
    with pytest.raises(ConsentError, match="was revoked from 2026-03-01"):
        registry.revoke(yes.id, effective=DAY, reason="why")
    with pytest.raises(ConsentError, match="irrevocable"):
        registry.revoke(fixed.id, effective=DAY, reason="why")
    registry.add([yes])
    assert registry.consent(yes.id).revoked_from == DAY


def test_a_reservation_that_is_lifted_counts_no_more(
    registry: ConsentRegistry, consent: Make, recording: MakeRecording
) -> None:
    """Also one that is marked irrevocable: that is about permissions."""
    mine = recording("mine")
    no = consent(subject_id=mine.id, is_allowed=False, is_revocable=False)
    registry.add([*_both(consent, SubjectKind.RECORDING, mine.id), no])
    assert _allowed(registry, mine) == [False]
    registry.revoke(no.id, effective=DAY, reason="agreed")
    assert _allowed(registry, mine) == [True]


@pytest.mark.parametrize("id_", ["", "C-", "C-none", "%"])
def test_an_id_must_name_one_consent(
    registry: ConsentRegistry, consent: Make, id_: str
) -> None:
    """Neither none nor several."""
    registry.add([consent(), consent(grantor="Other")])
    with pytest.raises(ConsentError, match="Give the whole id"):
        registry.consent(id_)


def test_conflicts_are_found_without_the_catalog(
    registry: ConsentRegistry, consent: Make
) -> None:
    """Once each, and only those in force on the day."""
    yes, no = consent(), consent(is_allowed=False, source="letter")
    late = consent(is_allowed=False, signal_date=date(2030, 1, 1))
    elsewhere = consent(right=Right.COMPOSITION, is_allowed=False)
    registry.add([yes, no, late, elsewhere, consent(subject_id="R-other")])
    [conflict] = registry.conflicts(on=DAY)
    assert (conflict.allowing, conflict.reserving) == (yes, no)
    assert "table.csv:2" in str(conflict)
    assert "letter" in str(conflict)


def test_a_rights_holder_finds_what_is_theirs(
    registry: ConsentRegistry, consent: Make
) -> None:
    """By name, number or consent, and nobody else's."""
    share = RightsHolding(
        right=HoldingRight.PERFORMANCE,
        subject_kind=SubjectKind.WORK,
        subject_id=ISWC,
        holder=Holder(name="Ann Author", ipi_name="00014107338"),
        share=Fraction(1),
        source="s",
        source_digest="d",
    )
    registry.add([share, consent(grantor="ANN  author"), consent(grantor="Ben")])
    for name in ("ann author", "00014107338", str(Holder(name="Ann Author").id)):
        held = {(h.subject_id, h.is_share) for h in registry.held_by(name)}
        assert (ISWC, True) in held
        assert ("USRC17607839", False) in held or name != "ann author"
    assert registry.held_by("Nobody") == []


def test_two_titles_of_one_isrc_are_left_out(
    registry: ConsentRegistry, consent: Make
) -> None:
    """The permissions; a reservation stays, and so does what was there before."""
    first = consent(title="One")
    registry.add([first])
    with registry.adding() as intake:
        intake.take(consent(title="Two", grantor="B"))
        intake.take(consent(title="ONE", grantor="C"))
        intake.take(consent(title="Two", is_allowed=False))
        problems = list(intake.remove_ambiguous())
        added = intake.finish()
    assert len(problems) == 2
    assert "'Two' here and 'ONE' in" in problems[0].message or "'ONE'" in str(problems)
    assert added == Added(n_new=1, n_known=0)
    found = registry.consents_about(SubjectKind.RECORDING, "USRC17607839")
    assert sorted(c.is_allowed for c in found) == [False, True]


def test_it_is_kept_on_disk(tmp_path: Path, consent: Make) -> None:
    """Closed and opened again, it is the same; a newer version is refused."""
    url = f"sqlite:///{tmp_path / 'rights.sqlite'}"
    with ConsentRegistry.open(url) as registry:
        registry.add([consent()])
    with ConsentRegistry.open(url) as registry:
        assert registry.consent(consent().id) == consent()
    connection = sqlite3.connect(tmp_path / "rights.sqlite")
    connection.execute("UPDATE rights_meta SET version = 99")
    connection.commit()
    connection.close()
    with pytest.raises(RegistryError, match="Upgrade"):
        ConsentRegistry.open(url)


def test_what_is_no_database_is_refused(tmp_path: Path) -> None:
    """A damaged file, and a URL of another kind."""
    (tmp_path / "r.sqlite").write_bytes(b"no database" * 1_000)
    with pytest.raises(RegistryError, match="restore it from a backup"):
        ConsentRegistry.open(f"sqlite:///{tmp_path / 'r.sqlite'}")
    with pytest.raises(ConfigError, match="do not work"):
        ConsentRegistry.open("mysql://somewhere/db")


def test_decisions_are_those_of_the_rule(
    registry: ConsentRegistry, consent: Make, recording: MakeRecording
) -> None:
    """What `decisions` says is what `decide` says of `consents_for`."""
    recordings = [recording(str(n)) for n in range(30)]
    for n, r in enumerate(recordings):
        registry.add(_both(consent, SubjectKind.RECORDING, r.id)[: n % 3])
        if n % 5 == 0:
            no = consent(
                right=Right.COMPOSITION,
                subject_kind=SubjectKind.WORK,
                subject_id=r.work_id,
                is_allowed=False,
            )
            registry.add([no])
    found = registry.decisions(recordings, use=USE, on=DAY)
    assert list(found) == [r.id for r in recordings]
    for r in recordings:
        alone = decide(registry.consents_for(r), use=USE, territory=WORLDWIDE, on=DAY)
        assert found[r.id] == alone
    assert sum(d.is_allowed for d in found.values()) == 8
