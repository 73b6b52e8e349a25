from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from html import unescape

import pytest
from markdown_it import MarkdownIt

from contrafact.core.entities import Recording
from contrafact.core.errors import ReportError
from contrafact.core.units import Digest, RecordingId, WorkId
from contrafact.reports.regulator import (
    PROVIDER_FIELDS,
    Document,
    Evidence,
    Facts,
    Line,
    ab2013,
    copyright_policy,
    document_to_json,
    eu_summary,
    per_work_notice,
    render_markdown,
    render_regulator_html,
    rights_reservations,
)
from contrafact.reports.regulator.facts import (
    LogFacts,
    ManifestFacts,
    ModelFacts,
    OutputFacts,
    ReleaseFacts,
    WithdrawalFacts,
)
from contrafact.rights import Consent, Decision, Right, SubjectKind, Use

DAY = date(2026, 11, 20)
DOCUMENTS: dict[str, Callable[[Facts], Document]] = {
    "eu-summary": eu_summary,
    "ab2013": ab2013,
    "copyright-policy": copyright_policy,
    "rights-reservations": rights_reservations,
    "per-work-notice": per_work_notice,
}
EVIL = "<script>alert(1)</script> [x](javascript:0) *b* \x1b[2J"


def recording(number: int, title: str) -> Recording:
    """Return a recording of half an hour of work number `number`."""
    digest = f"{number:064x}"
    return Recording(
        id=RecordingId(f"R-{number:016x}"),
        title=title,
        digest=Digest(digest),
        file="a.wav",
        duration_s=1800.0,
        sample_rate=44_100,
        n_channels=1,
        work_id=WorkId(f"W-{number}"),
        caption="a waltz",
    )


def consent(right: Right, subject: str, *, allowed: bool = True) -> Consent:
    """Return a consent, or a reservation, about a file."""
    return Consent(
        right=right,
        subject_kind=SubjectKind.RECORDING,
        subject_id=subject,
        grantor="Label" if allowed else "Heirs",
        use=Use.TRAIN_GENERATIVE,
        is_allowed=allowed,
        source=f"contract 7, licences.csv:{4 + int(allowed)}",
        source_digest="d0c0" * 16,
    )


@pytest.fixture
def empty() -> Facts:
    """Return what is known of a workspace with nothing in it."""
    return Facts(
        on=DAY,
        version="1.2.3",
        provider={},
        provider_digest=None,
        recordings=(),
        titles={},
        names={},
        decisions={},
        reservations=(),
        conflicts=(),
        manifests=(),
        models=(),
        releases=(),
        withdrawals=(),
        outputs=OutputFacts(n_outputs=0, n_files=0, n_marked=0, reasons=()),
        log=None,
    )


@pytest.fixture
def full(empty: Facts) -> Facts:
    """Return two recordings, one allowed and one withdrawn, in a released model."""
    first, second = recording(1, EVIL), recording(2, "Second")
    given = tuple(consent(right, first.digest) for right in Right)
    kept = tuple(consent(right, second.id, allowed=False) for right in Right)
    decisions = {
        str(first.id): Decision(is_allowed=True, reason="allowed", consents=given),
        str(second.id): Decision(is_allowed=False, reason="reserved", consents=kept),
    }
    root = "ab" * 32
    return replace(
        empty,
        recordings=(first, second),
        titles={"W-1": "Evil", "W-2": "Second", str(second.id): "Second"},
        names={str(r.digest): str(r.id) for r in (first, second)},
        decisions=decisions,
        reservations=kept,
        manifests=(
            ManifestFacts(
                root=root,
                n_entries=4,
                n_files=2,
                n_without_consent=2,
                statement="57" * 32,
                recordings=frozenset({str(first.id), str(second.id)}),
            ),
        ),
        models=(
            ModelFacts(
                id="m",
                digest="cd" * 32,
                kind="studio",
                seed=0,
                n_recordings=2,
                manifest_root=root,
                stamp="",
            ),
        ),
        releases=(
            ReleaseFacts(
                id="V-1",
                model="m",
                model_digest="cd" * 32,
                status="contaminated",
                withdrawn=("X-1",),
                corpus_root=root,
                created="2026-11-01T00:00:00.000000Z",
                parent=None,
                stamp="",
                entry=3,
            ),
        ),
        withdrawals=(
            WithdrawalFacts(
                id="X-1",
                work="W-2",
                title="Second",
                n_recordings=1,
                effective=DAY,
                declared=DAY,
                policy="block",
                entry=4,
            ),
        ),
        outputs=OutputFacts(n_outputs=2, n_files=3, n_marked=2, reasons=("a test",)),
        log=LogFacts(
            origin="log", size=5, root="00" * 32, entries={root: 1, given[0].id: 2}
        ),
    )


@pytest.fixture(params=DOCUMENTS)
def make(request: pytest.FixtureRequest) -> Callable[[Facts], Document]:
    """Give the maker of each document in turn."""
    return DOCUMENTS[request.param]


def test_a_line_without_evidence_cannot_be_made() -> None:
    """Nor one that is both a statement and a gap, or neither."""
    proof = (Evidence(kind="log", id="1"),)
    with pytest.raises(ReportError, match="no evidence"):
        Line(label="a", text="b")
    with pytest.raises(ReportError, match="statement or a gap"):
        Line(label="a")
    with pytest.raises(ReportError, match="statement or a gap"):
        Line(label="a", text="b", missing="c", evidence=proof)


def test_an_empty_workspace_gives_gaps_and_no_inventions(
    make: Callable[[Facts], Document], empty: Facts
) -> None:
    """Nothing is stated of provider, model or size where nothing is recorded."""
    document = make(empty)
    assert document.n_gaps > 0 or document.kind == "rights-reservations"
    stated = " ".join(line.text or "" for line in document.lines())
    assert not re.search(r"[1-9]\d* (recording|hour|file|output)", stated)


def test_every_kind_of_evidence_is_named(
    make: Callable[[Facts], Document], full: Facts
) -> None:
    """Consents with their source document, manifest, release, withdrawal and log."""
    document = make(full)
    found = {one.kind for line in document.lines() for one in line.evidence}
    expected = {
        "eu-summary": {"consent", "document", "manifest", "release", "withdrawal"},
        "ab2013": {"consent", "document", "manifest", "release", "log"},
        "copyright-policy": {"register", "software", "withdrawal", "log"},
        "rights-reservations": {"consent", "document", "manifest", "withdrawal"},
        "per-work-notice": {"consent", "document", "manifest", "release", "log"},
    }
    assert expected[document.kind] <= found


def test_gaps_are_filled_by_the_provider_and_marked_as_theirs(
    make: Callable[[Facts], Document], full: Facts
) -> None:
    """What the provider says is evidence of the provider's file and no more."""
    said = dict.fromkeys(PROVIDER_FIELDS, "as the provider says")
    before = make(full)
    after = make(replace(full, provider=said, provider_digest="ee" * 32))
    theirs = [line for line in after.lines() if line.text == "as the provider says"]
    asked = [line for line in before.lines() if "--provider" in (line.missing or "")]
    assert after.n_gaps == before.n_gaps - len(asked)
    assert len(theirs) >= len(asked)
    for line in theirs:
        assert line.evidence == (Evidence(kind="provider", id="ee" * 32),)


def test_every_field_of_the_provider_is_asked_for_somewhere(full: Facts) -> None:
    """No name in the table is without a use."""
    missing = " ".join(
        line.missing or "" for make in DOCUMENTS.values() for line in make(full).lines()
    )
    made = {name for name in PROVIDER_FIELDS if f"'{name}'" in missing}
    # The first release tells when the data were first used.
    assert made == PROVIDER_FIELDS.keys() - {"first_use"}


def test_markdown_is_what_was_meant(
    make: Callable[[Facts], Document], full: Facts
) -> None:
    """Foreign text makes no markup; every number leads to its evidence."""
    text = render_markdown(make(full))
    html = MarkdownIt("commonmark").render(text)
    assert "<script>" not in html
    assert 'href="javascript' not in html
    cited = set(re.findall(r"(?<!\\)\[(\d+)\](?!:)", text.partition("## Evidence")[0]))
    listed = set(re.findall(r"^- \[(\d+)\]", text, re.MULTILINE))
    assert cited == listed
    assert "\x1b" not in text


def test_html_runs_nothing_and_leads_to_its_evidence(
    make: Callable[[Facts], Document], full: Facts
) -> None:
    """No script, no foreign markup, and every link has its place in the page."""
    page = render_regulator_html(make(full))
    assert "<script" not in page
    assert "default-src 'none'; style-src 'sha256-" in unescape(page)
    links = set(re.findall(r'href="#(e\d+)"', page))
    assert links == set(re.findall(r'id="(e\d+)"', page))
    assert page.count("not recorded:") == make(full).n_gaps


def test_json_has_every_line(make: Callable[[Facts], Document], full: Facts) -> None:
    """With its evidence, or with what is not recorded."""
    document = make(full)
    plain = json.loads(json.dumps(document_to_json(document)))
    lines = [line for section in plain["sections"] for line in section["lines"]]
    assert len(lines) == sum(1 for _ in document.lines())
    assert sum(line["text"] is None for line in lines) == plain["n_gaps"]
    for line in lines:
        assert (line["text"] is None) == bool(line["not_recorded"])
        assert line["text"] is None or line["evidence"]


def test_the_same_facts_give_the_same_bytes(
    make: Callable[[Facts], Document], full: Facts
) -> None:
    """Nothing depends on when or where it is rendered."""
    assert render_regulator_html(make(full)) == render_regulator_html(make(full))
    assert render_markdown(make(full)) == render_markdown(make(full))


def test_the_summary_counts_what_was_trained_on(full: Facts) -> None:
    """Hours with their band, entries without consent, and what lapsed since."""
    text = render_markdown(eu_summary(full))
    assert "less than 10,000 hours: 1.00 h of music in 2 recording(s)" in text
    assert "2 of 4 entries" in text
    assert "1 recording(s) in manifests are not allowed on 2026-11-20" in text
    assert "master of 1 recording(s); source: contract 7" in text


def test_reasons_of_withdrawals_stay_private(full: Facts) -> None:
    """The log only commits to them, so no report prints them."""
    private = replace(full.reservations[0], source="withdrawal: a quarrel", id="")
    id_ = str(full.recordings[1].id)
    reserved = "master reserved by Heirs (withdrawal: a quarrel)"
    decision = Decision(is_allowed=False, reason=reserved, consents=(private,))
    decisions = {**full.decisions, id_: decision}
    facts = replace(full, reservations=(private,), decisions=decisions)
    for make in DOCUMENTS.values():
        assert "quarrel" not in render_markdown(make(facts))
    assert "withdrawal" in render_markdown(rights_reservations(facts))


def test_a_notice_is_about_the_work_that_was_asked_for(full: Facts) -> None:
    """One work, one recording, or a gap where there is none."""
    for subject in ("W-2", str(full.recordings[1].id)):
        text = render_markdown(per_work_notice(full, subject=subject))
        assert "trained into V-1" in text
        assert "withdrawn from 2026-11-20" in text
        assert "Evil" not in text
    assert per_work_notice(full, subject="W-9").n_gaps == 3


def test_many_consents_are_counted_and_not_all_listed(full: Facts) -> None:
    """Eight are named, the rest is a number and a command."""
    given = tuple(
        replace(consent(Right.MASTER, f"{n:064x}"), id=f"C-{n:032x}") for n in range(20)
    )
    id_ = str(full.recordings[0].id)
    decision = replace(full.decisions[id_], consents=given)
    facts = replace(full, decisions={**full.decisions, id_: decision})
    evidence = [e for line in eu_summary(facts).lines() for e in line.evidence]
    assert sum(e.id.startswith("C-") for e in evidence) == 8
    assert any(e.id == "and 12 more consents" for e in evidence)
