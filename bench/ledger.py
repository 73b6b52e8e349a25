"""How many plays a second the journal keeps, and whether faults cost a cent.

python bench/ledger.py                        # a quick look
python bench/ledger.py --plays 10000000 --folder DIR --kills 60 --every 25

Speed is that of one process on SQLite with 20 payees a song, flushed to the
disk at every batch; its measure is a bare loop that inserts the same rows into
a table with the same key, flushed as often, in the same run. The fault run
sends all plays three times, twice of it shuffled, through processes that are
killed (SIGKILL) at random moments. Some plays are reversed before they come and
some flagged after. Then every balance is compared with one that is worked out
without the journal. The run goes on where it stopped if it is started again
with the same folder.
"""

from __future__ import annotations

import argparse
import json
import platform
import random
import sqlite3
import subprocess
import sys
import tempfile
import time
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from contrafact.ledger.balance import balance_document
from contrafact.ledger.closing import require_sound
from contrafact.ledger.journal import IntakeMark, Journal
from contrafact.ledger.money import split
from contrafact.ledger.rates import PlanLine, SplitPlan
from contrafact.ledger.records import PlayEvent

RESULTS = Path(__file__).parent / "results"
N_PAYEES, N_SONGS, BATCH, N_PASSES = 20, 1000, 2000, 3
START = datetime(2026, 1, 1, tzinfo=UTC)
# One play in so many is reversed, and another one flagged.
REVERSED, FLAGGED = 4_999, 5_003


def make_event(number: int) -> PlayEvent:
    """Return a play; all of it follows from its number."""
    return PlayEvent(
        event_id=event_id(number),
        output_id=f"song-{number * 31 % N_SONGS}",
        at=START + timedelta(seconds=number * 7 % 2_592_000),
        amount_minor=number % 97,
        currency="EUR",
        user=f"u{number % 5003}",
        territory="DE",
    )


def make_plan(song: int) -> SplitPlan:
    """Return a plan with 20 payees, in parts that no decimal writes exactly."""
    rng = random.Random(song)
    weights = [rng.randrange(1, 10**6) for _ in range(N_PAYEES)]
    payees = rng.sample(range(200), N_PAYEES)
    lines = tuple(
        PlanLine(
            bucket="attributed",
            payee=f"P-{payee:03}",
            right="master",
            source_id=f"R-{payee}",
            weight=Fraction(weight, sum(weights)),
        )
        for payee, weight in zip(payees, weights, strict=True)
    )
    return SplitPlan(
        output_id=f"song-{song}",
        lines=lines,
        attribution_id=f"A-{song}",
        model="m",
        corpus="c",
        policy="influence/1",
        valid_from=date(2026, 1, 1),
    )


def event_id(number: int) -> str:
    """Return the id of a play; ids come in no order, as random ones do."""
    return f"e-{number * 2_654_435_761 % 2**32:08x}-{number}"


def order(count: int, number: int) -> list[int]:
    """Return every play of a pass once: as made first, then shuffled."""
    if number == 0:
        return list(range(count))
    shuffled: list[int] = np.random.default_rng(number).permutation(count).tolist()
    return shuffled


def is_reversed(number: int) -> bool:
    """Return whether a play is taken back."""
    return number % REVERSED == 0


def is_flagged(number: int) -> bool:
    """Return whether a play is held on suspicion of fraud."""
    return number % FLAGGED == 1


def wanted_balance(count: int) -> tuple[dict[str, int], int]:
    """Return what payees are owed and what is held, worked out without the journal."""
    totals, held = [0] * N_SONGS, 0
    for number in range(count):
        if is_reversed(number):
            continue
        if is_flagged(number):
            held += number % 97
        else:
            totals[number * 31 % N_SONGS] += number % 97
    exact: dict[str, Fraction] = {}
    for song, total in enumerate(totals):
        for line in make_plan(song).lines:
            account = str(line.payee)
            exact[account] = exact.get(account, Fraction(0)) + total * line.weight
    ids = sorted(exact)
    amounts = split(sum(totals), [exact[i] for i in ids], ids=ids)
    return dict(zip(ids, amounts, strict=True)), held


def bare_loop(path: Path, events: list[PlayEvent]) -> float:
    """Return plays a second of a loop that inserts rows and does nothing else."""
    rows = [
        (e.event_id, e.output_id, e.at.isoformat(), e.amount_minor, e.user)
        for e in events
    ]
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(
        "CREATE TABLE play (id TEXT UNIQUE, output TEXT, at TEXT, amount INTEGER, "
        "listener TEXT)"
    )
    started = time.perf_counter()
    for place in range(0, len(rows), BATCH):
        connection.execute("BEGIN IMMEDIATE")
        for row in rows[place : place + BATCH]:
            connection.execute("INSERT INTO play VALUES (?, ?, ?, ?, ?)", row)
        connection.execute("COMMIT")
    elapsed = time.perf_counter() - started
    connection.close()
    return len(rows) / elapsed


def measure_speed(folder: Path, count: int) -> dict[str, Any]:
    """Measure the journal beside the bare loop, in turns; the medians count."""
    events = [make_event(number) for number in range(count)]
    bare, kept, processor = [], [], []
    seen, seen_processor = [], []
    for turn in range(3):
        bare.append(bare_loop(folder / f"bare-{turn}.sqlite", events))
        with Journal.open(f"sqlite:///{folder / f'speed-{turn}.sqlite'}") as journal:
            journal.add_plans(map(make_plan, range(N_SONGS)))
            started, used = time.perf_counter(), time.process_time()
            for place in range(0, count, BATCH):
                journal.post(events[place : place + BATCH])
            kept.append(count / (time.perf_counter() - started))
            processor.append(count / (time.process_time() - used))
            started, used = time.perf_counter(), time.process_time()
            book, pots = journal.snapshot()
            balance_document(pots, book)
            seen.append(time.perf_counter() - started)
            seen_processor.append(time.process_time() - used)
    middle = len(kept) // 2
    ratios = sorted(one / other for one, other in zip(kept, bare, strict=True))
    return {
        "n_plays": count,
        "n_payees": N_PAYEES,
        "plays_per_s": round(sorted(kept)[middle]),
        "plays_per_processor_s": round(sorted(processor)[middle]),
        "bare_loop_per_s": round(sorted(bare)[middle]),
        "ratio_to_bare_loop": round(ratios[middle], 3),
        "balance_s": round(sorted(seen)[middle], 3),
        "balance_processor_s": round(sorted(seen_processor)[middle], 3),
    }


def work(folder: Path, count: int) -> None:
    """Post all passes, from where each one stopped; what a process of the run does."""
    with Journal.open(f"sqlite:///{folder / 'faults.sqlite'}") as journal:
        if len(journal.planned_outputs()) < N_SONGS:
            journal.add_plans(map(make_plan, range(N_SONGS)))
        for number in range(N_PASSES):
            state = journal.intake(f"pass-{number}")
            if not state.is_done:
                post_pass(journal, count, number, n_read=state.n_read)


def post_pass(journal: Journal, count: int, number: int, *, n_read: int) -> None:
    """Post one pass, with reversals that overtake their plays and flags after."""
    # From a little before, so that acknowledged plays come again.
    numbers, first = order(count, number), max(0, n_read - BATCH // 2)
    for place in range(first, count, BATCH):
        batch = numbers[place : place + BATCH]
        for one in filter(is_reversed, batch):
            journal.reverse(event_id(one), "taken back")
        end = place + len(batch)
        mark = IntakeMark(
            digest=f"pass-{number}", name="bench", n_read=end, is_done=end == count
        )
        journal.post([make_event(one) for one in batch], mark=mark)
        for one in filter(is_flagged, batch):
            journal.flag(event_id(one), "suspicious")


def run_killed(folder: Path, count: int, *, kills: int, every: float) -> dict[str, Any]:
    """Run all passes, killing the process; what happened is kept for the next run."""
    note = folder / "faults.json"
    seen = json.loads(note.read_text()) if note.exists() else {}
    seen = {"n_plays": count, "n_killed": 0, "elapsed_s": 0.0, **seen}
    if seen["n_plays"] != count:
        raise SystemExit(f"{folder} holds a run of {seen['n_plays']} plays")
    command = [sys.executable, __file__, "--work", "--plays", str(count)]
    command += ["--folder", str(folder)]
    rng = random.Random(seen["n_killed"] + count)
    is_done = False
    while not is_done:
        started = time.perf_counter()
        process = subprocess.Popen(command)
        try:
            wait = rng.uniform(0, 2 * every) if seen["n_killed"] < kills else None
            if process.wait(wait) != 0:
                raise SystemExit("a process of the fault run failed by itself")
            is_done = True
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            seen["n_killed"] += 1
            print(f"killed {seen['n_killed']} of {kills}", file=sys.stderr, flush=True)
        seen["elapsed_s"] = round(seen["elapsed_s"] + time.perf_counter() - started, 1)
        note.write_text(json.dumps(seen), encoding="utf-8")
    return seen


def measure_faults(
    folder: Path, count: int, *, kills: int, every: float
) -> dict[str, Any]:
    """Run all passes under random kills, and compare every balance."""
    seen = run_killed(folder, count, kills=kills, every=every)
    with Journal.open(f"sqlite:///{folder / 'faults.sqlite'}") as journal:
        n_entries = require_sound(journal)
        read = [journal.intake(f"pass-{n}") for n in range(N_PASSES)]
        started = time.perf_counter()
        book, pots = journal.snapshot()
        found = balance_document(pots, book)["currencies"]["EUR"]
        balance_s = time.perf_counter() - started
    wanted, held = wanted_balance(count)
    n_reversed = sum(map(is_reversed, range(count)))
    # One that is reversed before it comes is not flagged any more.
    n_flagged = sum(is_flagged(n) and not is_reversed(n) for n in range(count))
    return {
        **seen,
        "n_sent": N_PASSES * count,
        "n_taken": sum(state.n_new for state in read),
        "n_reversed": n_reversed,
        "n_flagged": n_flagged,
        "n_entries": n_entries,
        "total_minor": found["total_minor"],
        "held_minor": held,
        "n_payees": len(found["payees"]),
        "n_pots": len(pots),
        "balance_s": round(balance_s, 3),
        "is_exact": found["payees"] == wanted
        and found["held"].get("fraud-flag", {"minor": 0})["minor"] == held
        and n_entries == count + n_reversed + n_flagged,
    }


def main() -> None:
    """Measure, print and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--plays", type=int, default=20_000)
    parser.add_argument("--folder", type=Path, help="keeps the fault run to go on")
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--every", type=float, default=3, help="seconds to a kill")
    parser.add_argument("--work", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        work(options.folder, options.plays)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = options.folder or Path(name)
        folder.mkdir(parents=True, exist_ok=True)
        result = {
            "python": platform.python_version(),
            "machine": platform.machine(),
            "speed": measure_speed(Path(name), min(options.plays, 100_000)),
            "faults": measure_faults(
                folder, options.plays, kills=options.kills, every=options.every
            ),
        }
    text = json.dumps(result, indent=1)
    print(text)
    if not result["faults"]["is_exact"]:
        raise SystemExit("a balance is not what it should be")
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "ledger.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
