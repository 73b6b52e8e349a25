from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]


@pytest.fixture
def events(tmp_path: Path) -> Path:
    """Return two plays of a song that nobody attributed."""
    path = tmp_path / "plays.csv"
    path.write_text(
        "event_id,output_id,at,amount_minor,currency\n"
        "e1,s,2026-03-01T12:00:00Z,30,EUR\n"
        "e2,s,2026-03-02T12:00:00Z,12,EUR\n"
    )
    return path


def test_run_prints_one_document_that_sums(
    run: Run, document: Callable[[Any], Any], ws: Path, music: Path, events: Path
) -> None:
    """Buckets, payees and what is held sum to the pool."""
    assert (
        run("ingest", music, "--metadata", music / "metadata.csv", "-w", ws).exit_code
        == 0
    )
    found = document(
        run("allocate", "run", events, "--policy", "equal", "--by-credits",
            "--rates", "master=2/3,composition=1/3", "-w", ws, "--json")
    )  # fmt: skip
    pools = {p["right"]: p for p in found["pools"]}
    assert {right: p["pool"] for right, p in pools.items()} == {
        "master": 28,
        "composition": 14,
    }
    for pool in pools.values():
        assert sum(pool["buckets"].values()) == pool["pool"]
        held = sum(row["amount"] for row in pool["held"])
        assert held == pool["buckets"]["unmatched"]
        assert sum(p["amount"] for p in pool["payees"]) + held == pool["pool"]
    names = {row["name"] for row in pools["master"]["payees"]}
    assert names == {"Ann", "Bob"}


def test_run_says_what_is_held_and_since_when(
    run: Run, ws: Path, music: Path, events: Path
) -> None:
    """A reader without JSON sees the three buckets and the age of what is held."""
    run("ingest", music, "--metadata", music / "metadata.csv", "-w", ws)
    shown = run("allocate", "run", events, "--policy", "influence", "-w", ws)
    assert shown.exit_code == 0
    assert (
        "attributed 0.00 EUR  background 0.00 EUR  unmatched 0.42 EUR" in shown.stdout
    )
    assert "no attribution of the output (oldest of 2026-03-01)" in shown.stdout


def test_compare_shows_tricks_unless_told_not_to(
    run: Run, document: Callable[[Any], Any], ws: Path, music: Path, events: Path
) -> None:
    """The table has a row for each policy and trick."""
    run("ingest", music, "--metadata", music / "metadata.csv", "-w", ws)
    words = ("allocate", "compare", events, "--policies", "minutes,equal")
    shown = run(*words, "--by-credits", "--draws", 0, "-w", ws)
    assert shown.exit_code == 0
    assert "near-duplicates" in shown.stdout
    assert "Gini" in shown.stdout
    found = document(run(*words, "--no-attacks", "--draws", 0, "-w", ws, "--json"))
    (master,) = found["rights"]
    assert [p["policy"] for p in master["policies"]] == ["minutes/1", "equal/1"]
    assert master["attacks"] == []


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("--policy", "fair"), 11, "There is no policy 'fair'"),
        (("--rates", "master=1/2"), 11, "must sum to 1"),
        (("--rates", "master"), 2, "is no part"),
        (("--cap", "2"), 11, "The cap is 2"),
        (("--facts", "none.json"), 11, "cannot be used as facts"),
    ],
)
def test_wrong_options_are_one_line(
    run: Run,
    ws: Path,
    events: Path,
    words: tuple[str, ...],
    code: int,
    message: str,
) -> None:
    """What is wrong is named, with the exit code of payment or of usage."""
    shown = run("allocate", "run", events, *words, "-w", ws)
    assert shown.exit_code == code
    assert message in shown.stderr
    assert len(shown.stderr.strip().splitlines()) == 1


def test_bad_lines_are_told_and_left_out(
    run: Run, ws: Path, music: Path, events: Path
) -> None:
    """They go to standard error with their number; standard output stays JSON."""
    run("ingest", music, "--metadata", music / "metadata.csv", "-w", ws)
    events.write_text(events.read_text() + "e3,s,2026-03-02T12:00:00Z,-1,EUR\n")
    shown = run("allocate", "run", events, "--policy", "minutes", "--json", "-w", ws)
    assert "bad: plays.csv:4: amount_minor is -1" in shown.stderr
    assert json.loads(shown.stdout)["problems"][0]["source"] == "plays.csv:4"
