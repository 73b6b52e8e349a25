"""Reading plays: three forms, any rubbish, and going on where it stopped."""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from contrafact.core.errors import PlayFileError
from contrafact.ledger.codecs import play_to_json, plays_to_csv
from contrafact.ledger.intake import (
    MAX_LINE,
    PlayRow,
    file_rows,
    quiet_rows,
    stream_rows,
)
from contrafact.ledger.journal import Journal
from contrafact.ledger.records import PlayEvent
from contrafact.workflows.plays import BATCH, ingest_into

Write = Callable[[Path, list[PlayEvent]], None]


def as_lines(path: Path, events: list[PlayEvent]) -> None:
    """Write JSON lines."""
    path.write_text("".join(json.dumps(play_to_json(e)) + "\n" for e in events))


def as_csv(path: Path, events: list[PlayEvent]) -> None:
    """Write CSV."""
    path.write_text(plays_to_csv(events))


def as_parquet(path: Path, events: list[PlayEvent]) -> None:
    """Write Parquet, times as times."""
    pytest.importorskip("pyarrow")
    import pyarrow
    from pyarrow import parquet

    rows = [{**play_to_json(e), "at": e.at} for e in events]
    parquet.write_table(
        pyarrow.Table.from_pylist(rows), path.with_suffix(".parquet"), row_group_size=7
    )


WRITERS: dict[str, Write] = {
    "plays.jsonl": as_lines,
    "plays.csv": as_csv,
    "plays.parquet": as_parquet,
}


@pytest.mark.parametrize("name", sorted(WRITERS))
@pytest.mark.parametrize("skip", [0, 13])
def test_every_form_says_the_same(
    name: str, skip: int, tmp_path: Path, plays: Any
) -> None:
    """The events come back, with places that allow going on in the middle."""
    events, path = plays(40), tmp_path / name
    WRITERS[name](path, events)
    rows = [row for row, _ in file_rows(path, skip=skip)]
    assert [row.event for row in rows] == events[skip:]
    assert [row.place for row in rows] == list(range(skip + 1, 41))


RUBBISH = [
    b"not json",
    b"[1, 2]",
    b"null",
    b'{"event_id": "x"}',
    b"\xff\xfe\x00",
    b'{"a":' * 3000,
    b'{"event_id": "x", "output_id": "o", "at": "soon", "amount_minor": 1, '
    b'"currency": "EUR"}',
    b'{"event_id": "x", "output_id": "o", "at": "2026-01-01T00:00:00Z", '
    b'"amount_minor": 1e999999999, "currency": "EUR"}',
    b'{"event_id": "x", "output_id": "o", "at": "2026-01-01T00:00:00Z", '
    b'"amount_minor": "NaN", "currency": "EUR"}',
    b'{"x": "' + b"y" * MAX_LINE + b'"}',
]


@pytest.mark.parametrize("rubbish", RUBBISH, ids=range(len(RUBBISH)))
def test_rubbish_is_refused_row_by_row(rubbish: bytes, plays: Any) -> None:
    """Each bad row has a reason; what comes after it is read."""
    good = json.dumps(play_to_json(plays(1)[0])).encode()
    rows = list(stream_rows(io.BytesIO(b"\n".join([good, rubbish, b"", good]))))
    assert [row.event is None for row in rows] == [False, True, False]
    assert rows[1].reason
    assert [row.place for row in rows] == [1, 2, 4]


def test_random_bytes_never_break_it() -> None:
    """Whatever comes, it is refused or read, and nothing else is raised."""
    rng = random.Random(5)
    for _ in range(200):
        data = bytes(rng.choice(b'{}",:\n\xef\xbb\xbf01ae\x00') for _ in range(60))
        with contextlib.suppress(PlayFileError):
            list(stream_rows(io.BytesIO(data)))


def test_files_that_are_none_are_named(tmp_path: Path) -> None:
    """Missing, a folder, a table of something else, a damaged Parquet file."""
    (tmp_path / "x.csv").write_text("artist,title\nA,B\n")
    (tmp_path / "x.parquet").write_bytes(b"PAR1 nonsense")
    for name in ("none.jsonl", ".", "x.csv", "x.parquet"):
        with pytest.raises(PlayFileError):
            list(file_rows(tmp_path / name))
    (tmp_path / "empty.jsonl").write_text("\n\n")
    assert list(file_rows(tmp_path / "empty.jsonl")) == []


def test_rejects_are_written_with_reasons(
    journal: Journal, plays: Any, tmp_path: Path
) -> None:
    """Rows that cannot be read and plays that the journal refuses, in order."""
    path, target = tmp_path / "p.jsonl", tmp_path / "rejects.jsonl"
    as_lines(path, plays(10))
    lines = path.read_text().splitlines()
    changed = lines[3].replace('"amount_minor": 3', '"amount_minor": 4')
    path.write_text("\n".join([*lines[:5], "rubbish", *lines[5:], changed]))
    report = ingest_into(journal, path, rejects=target)
    assert (report.n_new, report.n_known, report.n_rejected) == (10, 0, 2)
    rows = [json.loads(line) for line in target.read_text().splitlines()]
    assert [row["row"] for row in rows] == [6, 12]
    assert "used before" in rows[1]["reason"]
    again = ingest_into(journal, path, rejects=target)
    assert (again.n_new, again.n_resumed) == (10, 12)


RUN = """
import sys
from pathlib import Path
from contrafact.ledger.journal import Journal
from contrafact.workflows.plays import ingest_into
with Journal.open(sys.argv[1]) as journal:
    print("open", flush=True)
    ingest_into(journal, Path(sys.argv[2]), rejects=Path(sys.argv[3]))
"""


def test_it_goes_on_after_kill(journal_url: str, plays: Any, tmp_path: Path) -> None:
    """Killed at random, run again until it is done: each play once."""
    path, rejects = tmp_path / "p.jsonl", tmp_path / "r.jsonl"
    events = plays(4 * BATCH)
    as_lines(path, events)
    with path.open("a") as file:
        file.write("rubbish\n")
    command = [sys.executable, "-c", RUN, journal_url, str(path), str(rejects)]
    rng = random.Random(3)
    for _ in range(3):
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(rng.random() * 0.4)
            process.send_signal(signal.SIGKILL)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    with Journal.open(journal_url) as journal:
        found = sum(pot.total for pot in journal.pots())
        assert found == sum(e.amount_minor for e in events)
        state = journal.intake(next(iter(_digests(path))))
    assert (state.n_new, state.n_rejected, state.is_done) == (len(events), 1, True)
    assert len(rejects.read_text().splitlines()) == 1


def _digests(path: Path) -> list[str]:
    from hashlib import sha256

    return [sha256(path.read_bytes()).hexdigest()]


def test_a_fast_pipe_has_to_wait(plays: Any) -> None:
    """No more is read ahead than was allowed, and nothing is lost by waiting."""
    n_read = 0

    def rows() -> Iterator[PlayRow]:
        nonlocal n_read
        for place, event in enumerate(plays(300), start=1):
            n_read = place
            yield PlayRow(place, "", event, "")

    found = quiet_rows(rows(), wait_s=5, n_ahead=10)
    assert next(found) is not None
    time.sleep(0.1)
    # One was taken, ten wait, and one is on its way in.
    assert n_read <= 12
    assert sum(row is not None for row in found) == 299


def test_a_slow_pipe_is_seen_within_a_second(
    journal: Journal, plays: Any, tmp_path: Path
) -> None:
    """Plays are kept when the pipe falls silent, not when a batch is full."""
    reading, writing = os.pipe()
    seen: list[float] = []

    def write() -> None:
        with os.fdopen(writing, "wb") as pipe:
            for event in plays(5):
                pipe.write(json.dumps(play_to_json(event)).encode() + b"\n")
            pipe.flush()
            start = time.monotonic()
            while not journal.pots() and time.monotonic() < start + 5:
                time.sleep(0.05)
            seen.append(time.monotonic() - start)

    thread = threading.Thread(target=write)
    thread.start()
    with os.fdopen(reading, "rb") as pipe:
        report = ingest_into(journal, pipe, rejects=tmp_path / "r")
    thread.join()
    assert report.n_new == 5
    assert seen[0] < 3  # a second, and slack for a machine that is busy
