from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]
Document = Callable[[Any], Any]
SONG = "5" * 64
PLAN = {
    "output_id": SONG,
    "attribution_id": "A-1",
    "model": "m" * 64,
    "corpus": "c" * 64,
    "policy": "influence/1",
    "valid_from": "2026-01-01",
    "lines": [
        {"bucket": "attributed", "payee": "P-1", "right": "master",
         "source_id": "R-1", "weight": "1/3"},
        {"bucket": "background", "payee": "P-2", "right": "master",
         "weight": "2/3"},
    ],
}  # fmt: skip


@pytest.fixture
def played(run: Run, ws: Path, tmp_path: Path, monkeypatch: Any) -> Path:
    """Return a workspace with a plan and a hundred plays, and a key."""
    monkeypatch.setenv("CONTRAFACT_KEYS", str(tmp_path / "keys"))
    assert run("audit", "keys", "new", "-w", ws).exit_code in (0, 2)
    if not (tmp_path / "keys").exists():
        assert run("audit", "keys", "new").exit_code == 0
    (tmp_path / "plans.json").write_text(json.dumps([PLAN]))
    assert run("ledger", "plan", tmp_path / "plans.json", "-w", ws).exit_code == 0
    write_plays(tmp_path / "plays.jsonl", list(range(100)))
    assert run("plays", "ingest", tmp_path / "plays.jsonl", "-w", ws).exit_code == 0
    return ws


def write_plays(path: Path, numbers: list[int]) -> None:
    """Write a play for each number."""
    rows = [
        {
            "event_id": f"e{n}",
            "output_id": SONG if n % 5 else "unknown",
            "at": f"2026-03-{1 + n % 28:02}T12:00:00Z",
            "amount_minor": n,
            "currency": "EUR",
        }
        for n in numbers
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_the_template_can_be_ingested(
    run: Run, document: Document, ws: Path, tmp_path: Path
) -> None:
    """One valid event of the workspace, with the fields of the documentation."""
    event = document(run("plays", "template", "--json", "-w", ws))
    assert {"event_id", "amount_minor"} <= set(event)
    (tmp_path / "one.jsonl").write_text(json.dumps(event))
    found = document(run("plays", "ingest", tmp_path / "one.jsonl", "-w", ws, "--json"))
    assert (found["n_new"], found["n_rejected"]) == (1, 0)
    assert "amount_minor" in run("plays", "template", "-w", ws).stdout


def test_the_balance_is_the_same_in_any_order(
    run: Run, played: Path, tmp_path: Path
) -> None:
    """Shuffled and sent three times into another workspace: the same bytes."""
    other = tmp_path / "other"
    run("init", "-w", other)
    numbers = list(range(100)) * 3
    random.Random(2).shuffle(numbers)
    write_plays(tmp_path / "mixed.jsonl", numbers)
    run("plays", "ingest", tmp_path / "mixed.jsonl", "-w", other)
    run("ledger", "plan", tmp_path / "plans.json", "-w", other)
    balance = [
        run("ledger", "balance", "--json", "-w", w).stdout for w in (played, other)
    ]
    assert balance[0] == balance[1]
    assert json.loads(balance[0])["currencies"]["EUR"]["total_minor"] == 4950


def test_standard_input_is_taken(apart: Any, ws: Path, tmp_path: Path) -> None:
    """A pipe of CSV ends in the journal, with one JSON document as the answer."""
    text = (
        "event_id,output_id,at,amount_minor,currency\n"
        "e1,s,2026-03-01T12:00:00Z,30,EUR\ne2,s,yesterday,1,EUR\n"
    )
    done = apart("plays", "ingest", "-", "-w", ws, "--json", input=text)
    found = json.loads(done.stdout)
    assert (found["n_new"], found["n_rejected"]) == (1, 1)
    assert "yesterday" in Path(found["rejects"]).read_text()


def test_a_file_of_nothing_but_rubbish_fails(
    run: Run, ws: Path, tmp_path: Path
) -> None:
    """The exit code says so, and the reasons are in a file."""
    (tmp_path / "x.jsonl").write_text('{"event_id": 1}\n')
    done = run("plays", "ingest", tmp_path / "x.jsonl", "-w", ws)
    assert done.exit_code == 1
    assert (tmp_path / "x.jsonl.rejects.jsonl").exists()


def test_corrections_from_the_command_line(
    run: Run, document: Document, played: Path
) -> None:
    """Reverse, flag, clear and dispute move money where they say."""

    def euro() -> Any:
        found = document(run("ledger", "balance", "--json", "-w", played))
        return found["currencies"]["EUR"]

    before = euro()
    words = ("-w", played, "--json", "--reason", "why")
    assert document(run("ledger", "reverse", "e99", "--flag", *words))["is_known"]
    assert euro()["held"]["fraud-flag"]["minor"] == 99
    document(run("ledger", "reverse", "e99", "--clear", *words))
    assert euro() == before
    document(run("ledger", "reverse", "e99", *words))
    assert euro()["total_minor"] == before["total_minor"] - 99
    assert not document(run("ledger", "reverse", "e-later", *words))["is_known"]
    found = document(run("ledger", "dispute", "--payee", "P-1", *words))
    assert "P-1" not in euro()["payees"]
    document(run("ledger", "dispute", "--release", found["id"], *words))
    assert euro()["payees"]["P-1"] == before["payees"]["P-1"] - 33
    assert run("ledger", "dispute", "--reason", "x", "-w", played).exit_code == 11
    shown = document(run("ledger", "journal", "--limit", "5", "-w", played, "--json"))
    assert len(shown["entries"]) == 5
    assert document(run("ledger", "journal", "--check", "-w", played, "--json"))


def test_from_plays_to_a_verified_payment(
    run: Run, document: Document, played: Path, tmp_path: Path
) -> None:
    """Close, state, bundle, verify, pay, export: each says what it did."""
    w = ("-w", played, "--json")
    assert run("payout", "export", "2026-03", "-o", tmp_path / "p", *w).exit_code == 11
    preliminary = document(
        run(
            "statement",
            "make",
            "2026-03",
            "-o",
            tmp_path / "s",
            "--formats",
            "json",
            *w,
        )
    )
    assert not preliminary["statements"][0]["is_final"]
    closed = document(run("ledger", "close", "2026-03", *w))
    made = document(run("statement", "make", "2026-03", "-o", tmp_path / "s", *w))
    assert {row["settlement"] for row in made["statements"]} == {
        closed["settlements"]["EUR"]
    }
    assert all(
        Path(name).is_file() for row in made["statements"] for name in row["files"]
    )
    bundle = ("-o", tmp_path / "b", "--bundle", "--payee", "P-1")
    document(run("statement", "make", "2026-03", *bundle, *w))
    assert document(run("statement", "verify", tmp_path / "b", "--json"))["is_true"]
    (tmp_path / "b/releases/payment/EUR.statement.csv").write_text("more")
    assert run("statement", "verify", tmp_path / "b", "--json").exit_code == 11
    (tmp_path / "a.csv").write_text(
        "payee,name,iban,bic\nP-1,Ann,DE89370400440532013000,\n"
    )
    bank = ("--accounts", tmp_path / "a.csv", "--on", "2026-04-03")
    payer = ("--payer", "Us;FR1420041010050500013M02606")
    paid = document(
        run("payout", "export", "2026-03", "-o", tmp_path / "p", *bank, *payer, *w)
    )
    assert paid["n_payments"] == 2
    assert paid["without_account"] == ["P-2"]
    assert any(str(name).endswith(".xml") for name in paid["files"])
    for form in ("hledger", "beancount"):
        text = document(run("ledger", "export", "--format", form, *w))["text"]
        assert "EUR" in text
    assert run("ledger", "export", "--format", "x", "-w", played).exit_code == 11


def test_rate_cards_are_taken_once(
    run: Run, document: Document, played: Path, tmp_path: Path
) -> None:
    """A card that overlaps, or is no card, is refused by name."""
    card = {"currency": "EUR", "rate": "3/10", "valid_from": "2026-01-01"}
    path = tmp_path / "cards.json"
    path.write_text(json.dumps([card]))
    w = ("-w", played, "--json")
    assert document(run("ledger", "rates", path, *w)) == {"n_new": 1}
    assert document(run("ledger", "rates", path, *w)) == {"n_new": 0}
    found = document(run("ledger", "balance", *w))["currencies"]["EUR"]
    assert found["platform"] == round(0.7 * 4950)
    for bad in ([{**card, "rate": "1/2"}], [{**card, "rate": 2}], {"a": 1}):
        path.write_text(json.dumps(bad))
        assert run("ledger", "rates", path, *w).exit_code == 11
