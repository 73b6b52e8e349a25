from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from contrafact.catalog import Workspace
from contrafact.core.errors import AllocationError
from contrafact.core.results import (
    Attribution,
    Interval,
    QueryInfo,
    SourceShare,
    Unattributed,
    attribution_to_json,
)
from contrafact.ledger.terms import PaymentTerms
from contrafact.rights.consent import SubjectKind
from contrafact.rights.parties import Holder, HoldingRight, RightsHolding
from contrafact.rights.territory import Territory
from contrafact.workflows.advances import read_payment_terms
from contrafact.workflows.allocate import (
    AllocationSettings,
    allocate_events,
    compare_policies,
)
from contrafact.workflows.consent import open_registry
from contrafact.workflows.ingest import ingest

SONG = "5" * 64
INFLUENCE = AllocationSettings(policies=("influence",), draws=20)


def _share(id_: str, share: float) -> SourceShare:
    return SourceShare(
        id=id_,
        name=id_,
        share=share,
        interval=Interval(low=share * 0.9, high=share * 1.1),
        influence=share,
        influence_interval=Interval(low=share, high=share),
        of_learned=None,
        common=0.0,
        n_recordings=1,
    )


def _attribution(recordings: list[Any], **changes: Any) -> Attribution:
    """Return what attribution writes: half the song is the first recording's."""
    shares = tuple(
        _share(r.id, s) for r, s in zip(recordings, (0.5, 0.2, 0.0), strict=True)
    )
    works = tuple(
        _share(r.work_id, s) for r, s in zip(recordings, (0.4, 0.2, 0.0), strict=True)
    )
    plain: dict[str, Any] = {
        "attribution_id": "A-one",
        "query": QueryInfo(
            file="s", digest=SONG, duration_s=1, prompt="", loss=1, untrained_loss=None
        ),
        "model_id": "m",
        "model_digest": "m" * 64,
        "corpus_digest": "c" * 64,
        "n_recordings": 3,
        "estimator": "index",
        "settings": {},
        "by": "recording",
        "tables": {"recording": shares, "work": works},
        "unattributed": {
            kind: Unattributed(
                share=rest, interval=Interval(low=rest, high=rest), n_sources=1
            )
            for kind, rest in (("recording", 0.3), ("work", 0.4))
        },
        "passages": (),
        "is_calibrated": True,
        "provenance": {},
        "command": "",
        "elapsed_s": 1.0,
    }
    return Attribution(**plain | changes)


def _write(workspace: Workspace, attribution: Attribution) -> None:
    folder = workspace.attributions_dir / attribution.attribution_id
    folder.mkdir(parents=True)
    text = json.dumps(attribution_to_json(attribution))
    (folder / "attribution.json").write_text(text)


def _held(right: HoldingRight, recording: Any, name: str, **more: Any) -> RightsHolding:
    is_master = right is HoldingRight.MASTER
    plain: dict[str, Any] = {
        "right": right,
        "subject_kind": SubjectKind.RECORDING if is_master else SubjectKind.WORK,
        "subject_id": recording.id if is_master else recording.work_id,
        "holder": Holder(name=name),
        "share": Fraction(1),
        "source": "table.csv:2",
        "source_digest": "",
    }
    return RightsHolding(**plain | more)


@pytest.fixture
def recordings(workspace: Workspace) -> list[Any]:
    """Return three recordings of the catalog, of 1, 2 and 3 seconds."""
    with workspace.catalog() as catalog:
        return sorted(catalog.recordings(), key=lambda r: r.duration_s)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """Return a workspace with three recordings, one attribution, and shares."""
    music = tmp_path / "music"
    music.mkdir()
    rng = np.random.default_rng(4)
    rows = ["file,title,artists,work,label"]
    for n in (1, 2, 3):
        soundfile.write(music / f"{n}.wav", rng.uniform(-0.5, 0.5, n * 8000), 8000)
        rows.append(f"{n}.wav,Title {n},Artist {n},Work {n},Label {n}")
    (music / "metadata.csv").write_text("\n".join(rows))
    workspace = Workspace.init(tmp_path / "ws")
    ingest(workspace, [music], metadata=music / "metadata.csv")
    with workspace.catalog() as catalog:
        found = sorted(catalog.recordings(), key=lambda r: r.duration_s)
    _write(workspace, _attribution(found))
    one, two, three = found
    master, work = HoldingRight.MASTER, HoldingRight.COMPOSITION
    with open_registry(workspace) as registry:
        registry.add(
            [
                _held(master, one, "Ann"),
                _held(master, two, "Bob", share=Fraction(1, 2)),
                _held(master, two, "x", share=Fraction(1, 2), holder=None),
                _held(work, one, "Pub", territory=Territory.parse("DE")),
                _held(work, three, "Pub", valid_until=date(2026, 1, 1)),
            ]
        )
    return workspace


@pytest.fixture
def events(tmp_path: Path) -> Path:
    """Return a file of ten plays of the song in Germany, a euro in all."""
    path = tmp_path / "plays.jsonl"
    rows = [
        {
            "event_id": f"e{n}",
            "output_id": SONG,
            "at": "2026-03-01T12:00:00+00:00",
            "amount_minor": 10,
            "currency": "EUR",
            "territory": "DE",
        }
        for n in range(10)
    ]
    path.write_text("\n".join(json.dumps(row) for row in rows))
    return path


def _paid(run: Any, right: str) -> dict[str, int]:
    paid = run.allocations[right].by_payee
    return {run.names[payee]: amount for payee, amount in paid.items()}


def test_attribution_and_shares_on_record_become_money(
    workspace: Workspace, events: Path
) -> None:
    """Of 100 cents, 50 and 20 are attributed; 30 are background by minutes."""
    run = allocate_events(workspace, events, INFLUENCE)
    # Background: 5, 10 and 15 for 1, 2 and 3 seconds. Ann: 50 + 5. Bob: half of
    # 20 + 10. The other half has no known holder, and the third none on record.
    assert _paid(run, "master") == {"Ann": 55, "Bob": 15}
    assert run.allocations["master"].held == {
        "holder not known": 15,
        "no holder on record": 15,
    }
    assert run.inputs["attributions"] == ["A-one"]
    assert run.inputs["corpora"] == ["c" * 64]
    (ann,) = [p for p in run.intervals["master"].payees if run.names[p] == "Ann"]
    interval = run.intervals["master"].payees[ann]
    assert 50 <= interval.low < 55 < interval.high <= 60


def test_each_right_has_a_pool_of_its_own(workspace: Workspace, events: Path) -> None:
    """The composition is paid by works, where and when they are held."""
    rates = {"master": Fraction(3, 4), "composition": Fraction(1, 4)}
    settings = replace(INFLUENCE, rates=rates, pool=4000)
    run = allocate_events(workspace, events, settings)
    assert run.allocations["composition"].pool.amount == 1000
    # Of 1000: 400 attributed to the first work, and 1/6 of 400 background.
    assert _paid(run, "composition") == {"Pub": 467}
    assert sum(p.earned for p in run.payments) == sum(
        sum(a.by_payee.values()) for a in run.allocations.values()
    )


def test_credits_stand_in_only_where_nothing_is_on_record(
    workspace: Workspace, events: Path
) -> None:
    """The third recording's label is paid, the first two stay as they are."""
    settings = replace(INFLUENCE, by_credits=True)
    run = allocate_events(workspace, events, settings)
    assert _paid(run, "master") == {"Ann": 55, "Bob": 15, "Label 3": 15}


def test_small_amounts_are_carried_over(workspace: Workspace, events: Path) -> None:
    """Below the minimum nothing is paid now."""
    settings = replace(INFLUENCE, payment=PaymentTerms(minimum=20))
    run = allocate_events(workspace, events, settings)
    found = {run.names[p.payee]: (p.payable, p.carried) for p in run.payments}
    assert found == {"Ann": (55, 0), "Bob": (0, 15)}


def test_advances_are_recouped_first(
    workspace: Workspace, events: Path, tmp_path: Path
) -> None:
    """What was paid ahead is kept, what was carried over comes on top."""
    paid = allocate_events(workspace, events, INFLUENCE)
    ids = {name: id_ for id_, name in paid.names.items()}
    table = tmp_path / "advances.csv"
    table.write_text(f"payee,advance,brought\n{ids['Ann']},40,\n{ids['Bob']},99,-3\n")
    terms = read_payment_terms(table, minimum=10)
    run = allocate_events(workspace, events, replace(INFLUENCE, payment=terms))
    found = {
        run.names[p.payee]: (p.recouped, p.payable, p.carried) for p in run.payments
    }
    assert found == {"Ann": (40, 15, 0), "Bob": (12, 0, 0)}


@pytest.mark.parametrize(
    "text",
    [
        "payee,advance\nP,1.5\n",
        "payee,advance\nP,-1\n",
        "payee,advance\nP,1\nP,2\n",
        "who,advance\nP,1\n",
        "payee,advance\n,1\n",
        "",
        b"\xff\xfe",
    ],
)
def test_advances_that_cannot_be_are_refused(text: str | bytes, tmp_path: Path) -> None:
    """With the line and what to write, or the columns that are needed."""
    table = tmp_path / "advances.csv"
    table.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(AllocationError, match=r"advances\.csv"):
        read_payment_terms(table)


def test_a_text_may_hold_other_ends_of_lines(
    workspace: Workspace, events: Path
) -> None:
    """Only a line feed ends an event; U+2028 in a name does not."""
    row = {**json.loads(events.read_text().partition("\n")[0]), "user": "a\u2028b"}
    events.write_text(json.dumps(row, ensure_ascii=False), encoding="utf-8")
    assert allocate_events(workspace, events, INFLUENCE).problems == ()


def test_of_two_attributions_the_calibrated_one_counts(
    workspace: Workspace, events: Path, recordings: list[Any]
) -> None:
    """The choice does not depend on time or order, and is told."""
    rough = _attribution(recordings, attribution_id="A-a", is_calibrated=False)
    _write(workspace, rough)
    run = allocate_events(workspace, events, INFLUENCE)
    assert run.inputs["attributions"] == ["A-one"]
    assert run.notices == ("A-one is used for its song, not A-a.",)


def test_reliability_is_measured_by_verifications(
    workspace: Workspace, events: Path, recordings: list[Any]
) -> None:
    """Without verifications nothing is trusted; with three, as far as they agree."""
    settings = AllocationSettings(policies=("blended",), draws=0)
    run = allocate_events(workspace, events, settings)
    assert run.allocations["master"].buckets["attributed"] == 0
    removals = [
        {"recording_ids": [r.id], "rise": rise}
        for r, rise in zip(recordings, (0.25, 0.1, 0.0), strict=True)
    ]
    path = workspace.attributions_dir / "A-one" / "verification.json"
    path.write_text(json.dumps({"removals": removals}))
    run = allocate_events(workspace, events, settings)
    # Twice the measured influence was predicted, so half of it is believed: 25
    # for Ann, and 10 for the second recording, of which Bob has half.
    assert run.allocations["master"].buckets["attributed"] == 30


def test_a_file_of_facts_has_the_last_word(
    workspace: Workspace, events: Path, tmp_path: Path
) -> None:
    """Reliability given by hand replaces what was measured."""
    path = tmp_path / "facts.json"
    path.write_text('{"default_reliability": "1/2"}')
    settings = AllocationSettings(policies=("blended",), draws=0, facts=path)
    run = allocate_events(workspace, events, settings)
    assert run.allocations["master"].buckets["attributed"] == 30
    path.write_text('{"trust": 1}')
    with pytest.raises(AllocationError, match="unknown field 'trust'"):
        allocate_events(workspace, events, settings)


def test_unknown_songs_and_bad_lines_do_not_stop_it(
    workspace: Workspace, events: Path
) -> None:
    """An output without attribution is held with its age; a bad line is reported."""
    row = json.loads(events.read_text().splitlines()[0])
    other = {**row, "event_id": "z", "output_id": "unknown", "amount_minor": 100}
    other["at"] = "2025-12-24T00:00:00Z"
    bad = {**row, "event_id": "b", "amount_minor": -5}
    text = "\n".join(map(json.dumps, (other, bad)))
    events.write_text(f"{events.read_text()}\n{text}\n")
    run = allocate_events(workspace, events, INFLUENCE)
    reason = "no attribution of the output"
    assert run.allocations["master"].held[reason] == 100
    assert run.held_since[reason].date() == date(2025, 12, 24)
    assert [p.source for p in run.problems] == ["plays.jsonl:12"]


def test_a_file_without_events_is_refused(workspace: Workspace, tmp_path: Path) -> None:
    """The first problem is in the message."""
    path = tmp_path / "empty.csv"
    path.write_text("event_id\nx\n")
    with pytest.raises(AllocationError, match=r"no event that can be used.*at is miss"):
        allocate_events(workspace, path, INFLUENCE)


def test_policies_are_compared_and_attacked(workspace: Workspace, events: Path) -> None:
    """Every policy has a row, and every trick one with and one without defences."""
    settings = AllocationSettings(
        policies=("minutes", "influence"), draws=5, by_credits=True
    )
    found = compare_policies(workspace, events, settings)
    base, other = found.compared["master"]
    assert sum(base.allocation.buckets.values()) == 100
    assert other.allocation.policy == "influence/1"
    assert len(found.attacks["master"]) == len(found.defended["master"]) == 10
    worst = {(a.policy, a.attack): a.worst for a in found.attacks["master"]}
    assert worst["minutes", "duplicates"] > 1
    assert all(a.worst <= Fraction(1, 5) for a in found.defended["master"])
