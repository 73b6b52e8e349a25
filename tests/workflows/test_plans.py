"""Split plans follow from attributions and shares on record, exactly."""

from __future__ import annotations

import json
from datetime import date
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from contrafact.catalog import Workspace
from contrafact.core.errors import AllocationError, JournalError, PlanError
from contrafact.ledger.policies import POLICIES
from contrafact.rights.consent import SubjectKind
from contrafact.rights.parties import Holder, HoldingRight, RightsHolding
from contrafact.rights.territory import Territory
from contrafact.workflows.allocate import AllocationSettings, allocate_events
from contrafact.workflows.consent import open_registry
from contrafact.workflows.ingest import ingest
from contrafact.workflows.ledger import (
    JournalSettings,
    journal_balance,
    open_journal,
    read_settings,
)
from contrafact.workflows.plans import make_plans, plan_outputs
from contrafact.workflows.plays import ingest_plays, play_template

SONG = "5" * 64
SHARES = (0.5, 0.2, 0.0)


def _table(ids: list[str]) -> dict[str, Any]:
    rows = [
        {
            "id": id_,
            "name": id_,
            "share": share,
            "interval": [share * 0.9, share * 1.1],
            "influence": share,
            "influence_interval": [share, share],
            "of_learned": None,
            "common": 0.0,
            "n_recordings": 1,
        }
        for id_, share in zip(ids, SHARES, strict=False)
    ]
    rest = {"share": 0.3, "interval": [0.2, 0.4], "n_sources": 1}
    return {"shares": rows, "unattributed": rest}


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """Give a workspace with three recordings, two of a work, and a song."""
    music = tmp_path / "music"
    music.mkdir()
    rows = ["file,title,artists,work"]
    for n, wave in enumerate(np.random.default_rng(3).uniform(-0.5, 0.5, (3, 8000))):
        soundfile.write(music / f"{n}.wav", wave, 8000)
        rows.append(f"{n}.wav,Title {n},Artist {n},Work {n // 2}")
    (music / "metadata.csv").write_text("\n".join(rows))
    opened = Workspace.init(tmp_path / "ws")
    ingest(opened, [music], metadata=music / "metadata.csv")
    with opened.catalog() as catalog:
        recordings = sorted(catalog.recordings(), key=lambda r: r.title)
    document = {
        "attribution_id": "A-one",
        "query": {"digest": SONG},
        "model": {"id": "m", "digest": "m" * 64},
        "corpus": {"digest": "c" * 64, "n_recordings": 3},
        "estimator": {"name": "index", "settings": {}},
        "is_calibrated": False,
        "tables": {
            "recording": _table([str(r.id) for r in recordings]),
            "work": _table(list(dict.fromkeys(str(r.work_id) for r in recordings))),
        },
    }
    folder = opened.attributions_dir / "A-one"
    folder.mkdir(parents=True)
    (folder / "attribution.json").write_text(json.dumps(document))
    _hold(opened, str(recordings[0].id), "Ann", "1/2")
    _hold(opened, str(recordings[0].id), "Bob", "1/2")
    return opened


def _hold(
    workspace: Workspace, recording: str, name: str, share: str, **more: Any
) -> None:
    record = RightsHolding(
        right=HoldingRight.MASTER,
        subject_kind=SubjectKind.RECORDING,
        subject_id=recording,
        holder=Holder(name=name),
        share=Fraction(share),
        source="test",
        source_digest="0" * 64,
        **more,
    )
    with open_registry(workspace) as registry:
        registry.add([record])


def _write(path: Path, *rows: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_a_plan_is_the_policy_in_exact_parts(workspace: Workspace) -> None:
    """Half a song, held by two in halves, is a quarter each; with its evidence."""
    [plan], _ = make_plans(workspace, JournalSettings())
    assert (plan.output_id, plan.attribution_id) == (SONG, "A-one")
    assert plan.policy == "influence/1"
    mine = [line for line in plan.lines if line.payee and line.bucket == "attributed"]
    assert [line.weight for line in mine] == [Fraction(1, 4)] * 2
    for line in mine:
        assert line.share == Fraction(1, 2)
        assert line.part * line.share * (line.fraction or 0) == line.weight
        assert (line.low, line.high) == (Fraction(9, 20), Fraction(11, 20))
    assert sum(line.weight for line in plan.lines) == 1


def test_ingest_gives_attributed_songs_their_plan(
    workspace: Workspace, tmp_path: Path
) -> None:
    """What was played before the attribution came is paid too."""
    event = {**play_template(workspace), "amount_minor": 100}
    assert event["output_id"] == SONG
    stray = {**event, "event_id": "e2", "output_id": "unknown"}
    report = ingest_plays(workspace, _write(tmp_path / "p.jsonl", event, stray))
    assert (report.n_new, report.n_plans) == (2, 1)
    found = journal_balance(workspace)["currencies"]["EUR"]
    assert found["held"]["no-attribution"]["minor"] == 100
    # To each a quarter for the half of theirs, and half of a third of the rest.
    assert sorted(found["payees"].values()) == [30, 30]
    again = ingest_plays(workspace, _write(tmp_path / "q.jsonl", event))
    assert (again.n_known, again.n_plans) == (1, 0)


def test_countries_and_days_have_plans_of_their_own(workspace: Workspace) -> None:
    """Where others hold the rights, or from a day on, the lines differ."""
    with workspace.catalog() as catalog:
        recording = next(r.id for r in catalog.recordings() if r.title == "Title 1")
    france = Territory(countries=frozenset({"FR"}))
    start = date(2026, 5, 1)
    _hold(workspace, recording, "Claire", "1", territory=france, valid_from=start)
    plans, _ = make_plans(workspace, JournalSettings())
    scopes = {(plan.territory, plan.valid_from, plan.valid_until) for plan in plans}
    assert scopes == {
        (None, date(1971, 1, 1), date(2026, 4, 30)),
        (None, start, None),
        (frozenset({"FR"}), start, None),
    }
    with open_journal(workspace) as journal:
        assert journal.add_plans(plans) == 3


def test_other_terms_replace_plans_from_a_day_on(workspace: Workspace) -> None:
    """Before that day, the old ones count; the settings are kept for later songs."""
    assert plan_outputs(workspace, JournalSettings()).n_new == 1
    both = JournalSettings(rates=(("composition", "1/4"), ("master", "3/4")))
    assert plan_outputs(workspace, both).n_new == 0
    start = date(2026, 6, 1)
    assert plan_outputs(workspace, both, start=start).n_new == 1
    assert plan_outputs(workspace, both, start=start).n_new == 0
    assert read_settings(workspace) == both
    with open_journal(workspace) as journal:
        view = journal.book().as_of("9999-12")
    asked = {"territory": "", "currency": "EUR", "kind": "play"}
    before = view.terms(SONG, day="2026-05-31", **asked).plan
    after = view.terms(SONG, day="2026-06-01", **asked).plan
    assert before is not None
    assert after is not None
    assert {line.right for line in before.lines} == {"master"}
    assert {line.right for line in after.lines} == {"master", "composition"}


def test_settings_may_name_the_database_alone(
    workspace: Workspace, tmp_path: Path
) -> None:
    """What they leave out is as usual; the journal is where they say."""
    url = f"sqlite:///{tmp_path / 'elsewhere.sqlite'}"
    (workspace.root / "ledger.json").write_text(json.dumps({"url": url}))
    assert read_settings(workspace) == JournalSettings(url=url)
    open_journal(workspace).close()
    assert (tmp_path / "elsewhere.sqlite").exists()
    for text in ("[]", '{"rates": 3}', '{"what": 1}', "{"):
        (workspace.root / "ledger.json").write_text(text)
        with pytest.raises(JournalError, match="is damaged"):
            read_settings(workspace)


def test_settings_that_cannot_be_are_refused(workspace: Workspace) -> None:
    """Rates that do not sum, rights and policies that are not there."""
    for rates in ((("master", "1/2"),), (("print", "1"),)):
        with pytest.raises(PlanError, match="sum to 1"):
            make_plans(workspace, JournalSettings(rates=rates))
    with pytest.raises(AllocationError, match="no policy"):
        make_plans(workspace, JournalSettings(policy="luck"))


def _verified(workspace: Workspace) -> None:
    """Let training again confirm half of what attribution said of a recording."""
    with workspace.catalog() as catalog:
        first = next(str(r.id) for r in catalog.recordings() if r.title == "Title 0")
    removal = {"recording_ids": [first], "rise": SHARES[0] / 2}
    path = workspace.attributions_dir / "A-one" / "verification.json"
    path.write_text(json.dumps({"removals": [removal] * 3}))


@pytest.mark.parametrize("name", sorted(POLICIES))
def test_plans_divide_as_an_allocation_does(
    name: str, workspace: Workspace, tmp_path: Path
) -> None:
    """Of every policy that a plan can follow; with works and reliability known."""
    _verified(workspace)
    settings = JournalSettings(policy=name)
    if not POLICIES[name].fits_plans:
        with pytest.raises(PlanError, match="allocate run"):
            make_plans(workspace, settings)
        return
    [plan], _ = make_plans(workspace, settings)
    events = _write(tmp_path / "p.jsonl", play_template(workspace))
    run = allocate_events(
        workspace, events, AllocationSettings(policies=(name,), draws=0)
    )
    for payee in {line.payee for line in plan.lines}:
        planned = sum(line.weight for line in plan.lines if line.payee == payee)
        found = run.allocations["master"].lines
        assert planned == sum(line.part for line in found if line.payee == payee)
    is_split = any(line.bucket == "attributed" for line in plan.lines)
    assert is_split == (name in {"influence", "blended"})
