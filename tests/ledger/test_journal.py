"""Promises of the journal, on SQLite and, where there is one, PostgreSQL."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from contrafact.core.errors import ConfigError, JournalError, StorageError
from contrafact.ledger.balance import balance_document
from contrafact.ledger.closing import close_period, require_sound
from contrafact.ledger.journal import IntakeMark, Journal
from contrafact.ledger.records import PlayEvent

Plays = Callable[..., list[PlayEvent]]

WRITER = """
import sys
from datetime import UTC, datetime, timedelta
from contrafact.ledger.journal import Journal
from contrafact.ledger.records import PlayEvent
url, first, count, size = sys.argv[1], *map(int, sys.argv[2:5])
start = datetime(2026, 3, 1, 12, tzinfo=UTC)
events = [
    PlayEvent(event_id=f"e{n}", output_id=f"song-{n % 3}", amount_minor=n % 7,
              at=start + timedelta(hours=n), currency="EUR", user="u", territory="DE")
    for n in range(first, first + count)
]
with Journal.open(url) as journal:
    print("open", flush=True)
    for place in range(0, count, size):
        journal.post(events[place : place + size])
        print(place + size, flush=True)
"""


def text_of(journal: Journal) -> str:
    """Return the balance as it is printed."""
    book, pots = journal.snapshot()
    return json.dumps(balance_document(pots, book))


def total_of(journal: Journal) -> int:
    """Return all euro cents."""
    return int(json.loads(text_of(journal))["currencies"]["EUR"]["total_minor"])


def test_a_play_counts_once(journal: Journal, plays: Plays) -> None:
    """Sent three times, in one batch and in others, it is in the journal once."""
    events = plays(20)
    first = journal.post([*events, *events])
    assert (first.n_new, first.n_known) == (20, 20)
    assert journal.post(events).n_known == 20
    assert total_of(journal) == sum(e.amount_minor for e in events)
    assert require_sound(journal) == 20


def test_an_id_is_never_used_again(journal: Journal, plays: Plays) -> None:
    """Another play under a known id is refused, in one batch and later."""
    event = plays(5)[4]
    other = replace(event, amount_minor=99)
    posted = journal.post([event, other])
    assert posted.n_new == 1
    assert posted.problems[0][0] == 1
    [(place, reason)] = journal.post([replace(event, user="x")]).problems
    assert place == 0
    assert "was used before for another play" in reason
    assert total_of(journal) == event.amount_minor


def test_the_same_moment_in_another_zone_is_the_same_play(
    journal: Journal, plays: Plays
) -> None:
    """What a platform changes in how it writes the time is no conflict."""
    [event] = plays(1)
    journal.post([event])
    there = event.at.astimezone(timezone(timedelta(hours=9)))
    assert journal.post([replace(event, at=there)]).n_known == 1


def test_order_and_replay_do_not_matter(
    journal: Journal, plays: Plays, plan: Callable[..., Any], tmp_path: Path
) -> None:
    """Shuffled, tripled, cut differently, plans before or after: the same bytes."""
    events, plans = plays(200), [plan(f"song-{n}", a="1/3", b="1/7") for n in (0, 1)]
    journal.add_plans(plans)
    journal.post(events)
    journal.reverse("e5", "wrong")
    journal.flag("e6", "robot")
    with Journal.open(f"sqlite:///{tmp_path / 'other.sqlite'}") as other:
        mixed = events * 3
        random.Random(1).shuffle(mixed)
        other.flag("e6", "robot")
        for place in range(0, len(mixed), 47):
            other.post(mixed[place : place + 47])
            if place == 47:
                other.add_plans(plans[::-1])
        other.reverse("e5", "wrong")
        assert text_of(other) == text_of(journal)
        assert list(other.entries()) == list(journal.entries())


@pytest.mark.parametrize("steps", [["flag", "clear"], ["flag", "reverse"], ["reverse"]])
def test_corrections_restore_to_the_cent(
    journal: Journal, plays: Plays, plan: Callable[..., Any], steps: list[str]
) -> None:
    """A play that is flagged and cleared, or taken back, leaves no cent behind."""
    journal.add_plans([plan("song-0", a="1/3", b="1/7")])
    events = plays(30)
    fraud = replace(events[3], event_id="fraud", amount_minor=1001)
    journal.post(events if steps[-1] == "reverse" else [*events, fraud])
    before = json.loads(text_of(journal))["currencies"]["EUR"]["payees"]
    journal.post([fraud])
    for step in steps:
        journal._correct("fraud", step, "because")
        if step == "flag":
            held = json.loads(text_of(journal))["currencies"]["EUR"]["held"]
            assert held["fraud-flag"]["minor"] == 1001
    after = json.loads(text_of(journal))["currencies"]["EUR"]["payees"]
    assert after == before
    require_sound(journal)


def test_a_reversal_counts_once_and_needs_a_reason(
    journal: Journal, plays: Plays
) -> None:
    """Asked for again, nothing more is taken back."""
    journal.post(plays(10))
    total = total_of(journal)
    assert journal.reverse("e4", "wrong")
    assert journal.reverse("e4", "wrong")
    assert total_of(journal) == total - 4
    with pytest.raises(JournalError, match="needs a reason"):
        journal.reverse("e5", "  ")
    with pytest.raises(JournalError, match="no flag to clear"):
        journal.clear("e5", "why")


def test_a_reversal_may_overtake_its_play(journal: Journal, plays: Plays) -> None:
    """It waits, and takes the play back as it comes."""
    assert not journal.reverse("e4", "wrong")
    journal.post(plays(10))
    assert total_of(journal) == sum(e.amount_minor for e in plays(10)) - 4


def test_nothing_can_be_edited(journal: Journal, plays: Plays) -> None:
    """The database itself refuses to change or remove an entry."""
    journal.post(plays(3))
    for statement in ("UPDATE entry SET amount = 1", "DELETE FROM entry"):
        with (
            pytest.raises(JournalError, match="only added to"),
            journal.writing() as connection,
        ):
            connection.execute(sa.text(statement))
    assert require_sound(journal) == 3


def test_late_plays_count_in_the_open_period(
    journal: Journal, plays: Plays, plan: Callable[..., Any], tree: Any
) -> None:
    """A closed month stays as it was; what comes late is in the next one."""
    journal.add_plans([plan(f"song-{n}", a="1/3") for n in range(3)])
    events = plays(60)
    journal.post(events[:40])
    before = close_period(journal, "2026-03", tree=tree)["EUR"].header
    journal.post(events[40:])
    journal.reverse("e1", "late fraud")
    again = close_period(journal, "2026-03", tree=tree)["EUR"].header
    assert again == before
    late = close_period(journal, "2026-04", tree=tree)["EUR"]
    assert late.header["total"] == sum(e.amount_minor for e in events) - 1
    assert late.header["total_before"] == before["total"]
    require_sound(journal)
    with pytest.raises(JournalError, match="no plays to close"):
        close_period(journal, "2026-05", tree=tree)


BAD = {
    "amount_minor": [-1, True, 1.5, 10**13],
    "currency": ["euro", "", "€€€"],
    "event_id": ["", "a\nb", "x" * 201, 7],
    "output_id": ["", "\ud800"],
    "territory": ["de", "DEU"],
}


@pytest.mark.parametrize(
    ("field", "value"), [(f, v) for f, values in BAD.items() for v in values]
)
def test_what_cannot_be_is_refused(
    journal: Journal, plays: Plays, field: str, value: Any
) -> None:
    """One bad play is named, and the others of the batch are taken."""
    events = plays(3)
    bad = replace(events[1], **{field: value})
    posted = journal.post([events[0], bad, events[2]])
    assert posted.n_new == 2
    assert [place for place, _ in posted.problems] == [1]


def test_plays_of_nothing_count(journal: Journal, plays: Plays) -> None:
    """A free play is a play, and moves no money."""
    journal.post([replace(plays(1)[0], amount_minor=0)])
    found = json.loads(text_of(journal))["currencies"]["EUR"]
    assert (found["n_plays"], found["total_minor"]) == (1, 0)


def test_currencies_are_never_mixed(journal: Journal, plays: Plays) -> None:
    """Each has a total of its own."""
    events = plays(20)
    journal.post([*events[:10], *(replace(e, currency="JPY") for e in events[10:])])
    found = json.loads(text_of(journal))["currencies"]
    assert found["EUR"]["total_minor"] == sum(e.amount_minor for e in events[:10])
    assert found["JPY"]["total_minor"] == sum(e.amount_minor for e in events[10:])


def test_two_writers_at_once(journal_url: str, plays: Plays) -> None:
    """Two processes with plays in common leave each play there once."""
    Journal.open(journal_url).close()
    words = [[journal_url, "0", "300", "20"], [journal_url, "100", "300", "20"]]
    running = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, *word], stdout=subprocess.DEVNULL
        )
        for word in words
    ]
    assert [process.wait(60) for process in running] == [0, 0]
    with Journal.open(journal_url) as journal:
        assert total_of(journal) == sum(e.amount_minor for e in plays(400))
        assert require_sound(journal) == 400


def test_kill_leaves_whole_batches(journal_url: str, plays: Plays) -> None:
    """What was acknowledged is there; a batch is there whole or not at all."""
    command = [sys.executable, "-c", WRITER, journal_url, "0", "100000", "50"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        told = [process.stdout.readline() for _ in range(6)]
        time.sleep(random.Random(7).random() / 50)
        process.send_signal(signal.SIGKILL)
        told += process.stdout.read().splitlines()
    acknowledged = max(int(line) for line in told if line.strip().isdigit())
    with Journal.open(journal_url) as journal:
        count = require_sound(journal)
        assert count >= acknowledged
        assert count % 50 == 0
        events = plays(count + 75)
        for place in range(0, len(events), 60):
            journal.post(events[place : place + 60])
        assert total_of(journal) == sum(e.amount_minor for e in events)


FULL = """
import resource, signal, sys
from pathlib import Path
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
exec(Path(sys.argv.pop(1)).read_text())
"""


def test_a_full_disk_is_one_line_and_loses_nothing(tmp_path: Path) -> None:
    """The batch that did not fit is not there; those before it are."""
    url, code = f"sqlite:///{tmp_path / 'full.sqlite'}", tmp_path / "writer.py"
    code.write_text(WRITER)
    command = [sys.executable, "-c", FULL, str(code), url, "0", "20000", "100"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "StorageError: Cannot use the journal" in done.stderr
    acknowledged = int(done.stdout.split()[-1])
    with Journal.open(url) as journal:
        assert require_sound(journal) == acknowledged


def test_it_is_durable_by_its_settings(tmp_path: Path) -> None:
    """SQLite flushes its write-ahead log at every commit."""
    with (
        Journal.open(f"sqlite:///{tmp_path / 'j.sqlite'}") as journal,
        journal.reading() as connection,
    ):
        mode = connection.exec_driver_sql("PRAGMA journal_mode").scalar()
        level = connection.exec_driver_sql("PRAGMA synchronous").scalar()
    assert (mode, level) == ("wal", 2)


def test_a_newer_journal_is_refused(tmp_path: Path) -> None:
    """A program that does not know the tables leaves them alone."""
    url = f"sqlite:///{tmp_path / 'j.sqlite'}"
    with Journal.open(url) as journal, journal.writing() as connection:
        connection.exec_driver_sql("UPDATE ledger_meta SET version = 99")
    with pytest.raises(JournalError, match="Upgrade contrafact"):
        Journal.open(url)
    with pytest.raises(ConfigError, match="not a database URL"):
        Journal.open("nonsense")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """The message says where and what to do."""
    tmp_path.chmod(0o500)
    with pytest.raises(StorageError, match="Cannot use the journal"):
        Journal.open(f"sqlite:///{tmp_path / 'j.sqlite'}")


def test_intake_marks_are_kept_with_the_batch(journal: Journal, plays: Plays) -> None:
    """How far a file was read is known exactly when its plays are."""
    mark = IntakeMark(
        digest="d",
        name="f",
        n_read=4,
        places=(1, 2, 4),
        texts=("a", "b", "c"),
        bad=((3, "no JSON", "x"),),
    )
    events = plays(3)
    journal.post([events[0], replace(events[1], amount_minor=-1), events[2]], mark=mark)
    state = journal.intake("d")
    assert (state.n_read, state.n_new, state.n_rejected) == (4, 2, 2)
    assert [place for place, _, _ in journal.rejects("d")] == [2, 3]
