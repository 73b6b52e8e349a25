from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

Run = Callable[..., Result]
Document = Callable[[Result], Any]
HEAD = "right,work_title,use,allowed,grantor,territory\n"
YES = "master;composition,Work 0,train-generative,yes,Ann,worldwide\n"


@pytest.fixture
def filled(run: Run, ws: Path, music: Path, tmp_path: Path) -> Path:
    """Return a workspace with recordings, and a consent for one work."""
    run("ingest", music, "--metadata", music / "metadata.csv", "-w", ws)
    (tmp_path / "c.csv").write_text(HEAD + YES)
    assert run("consent", "import", tmp_path / "c.csv", "-w", ws).exit_code == 0
    return ws


def test_an_import_says_what_it_took(
    run: Run, document: Document, filled: Path, tmp_path: Path
) -> None:
    """As a line, and as one document."""
    words = ["consent", "import", tmp_path / "c.csv", "-w", filled]
    assert document(run(*words, "--json")) == {
        "n_new": 0,
        "n_known": 2,
        "n_bad": 0,
        "is_taken": True,
        "problems": [],
    }
    assert run(*words).stdout.startswith("0 record(s) taken, 2 known before")


def test_a_bad_row_is_an_error_with_its_line(
    run: Run, ws: Path, tmp_path: Path
) -> None:
    """Exit code 1 and nothing taken; with --skip-bad the rest is."""
    path = tmp_path / "b.csv"
    path.write_text(HEAD + YES + YES.replace("yes", "maybe"))
    result = run("consent", "import", path, "-w", ws)
    assert result.exit_code == 1
    assert f"bad: {path}:3: 'allowed' is 'maybe'" in result.stderr
    assert "nothing was taken: 1 bad input(s)" in result.stderr
    result = run("consent", "import", path, "-w", ws, "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["is_taken"] is False
    result = run("consent", "import", path, "--skip-bad", "-w", ws)
    assert result.exit_code == 0
    assert result.stdout.startswith("2 record(s) taken")


def test_show_says_what_is_allowed_and_why(
    run: Run, document: Document, filled: Path
) -> None:
    """For a recording of the catalog, and how much there is for nothing."""
    listed = document(run("catalog", "list", "-w", filled, "--json"))["recordings"]
    [id_] = [r["id"] for r in listed if r["title"] == "Title 0"]
    shown = document(run("consent", "show", id_, "-w", filled, "--json"))
    decision = shown["decisions"]["train-generative"]
    assert decision["is_allowed"] is True
    assert set(decision["consents"]) == {c["id"] for c in shown["consents"]}
    assert not shown["decisions"]["identification"]["is_allowed"]
    text = run("consent", "show", id_, "-w", filled).stdout
    assert "yes  train-generative" in text
    assert "no consent for the master" in text
    assert run("consent", "show", "-w", filled).stdout.startswith("2 consents")
    counts = document(run("consent", "show", "-w", filled, "--json"))["n_records"]
    assert counts == {"consents": 2, "shares": 0, "disclosures": 0}


def test_show_answers_a_rights_holder(
    run: Run, document: Document, filled: Path
) -> None:
    """What is theirs, by name."""
    shown = document(run("consent", "show", "--party", "ANN", "-w", filled, "--json"))
    assert [r["title"] for r in shown["recordings"]] == ["Title 0"]
    assert shown["held"][0]["rights"] == ["composition", "master"]
    assert (
        "1 recording(s)"
        in run("consent", "show", "--party", "ann", "-w", filled).stdout
    )


def test_conflicts_are_listed_and_can_be_ended(
    run: Run, document: Document, filled: Path, tmp_path: Path
) -> None:
    """With both sources; revoked, they are gone."""
    assert run("consent", "conflicts", "-w", filled).stdout == "No conflicts.\n"
    path = tmp_path / "no.csv"
    path.write_text(HEAD + YES.replace("yes", "no").replace("master;", ""))
    run("consent", "import", path, "-w", filled)
    line = run("consent", "conflicts", "-w", filled).stdout
    assert "c.csv:2" in line
    assert "no.csv:2" in line
    [found] = document(run("consent", "conflicts", "-w", filled, "--json"))["conflicts"]
    id_ = found["reserving"]["id"]
    words = ["consent", "revoke", id_, "--reason", "agreed", "-w", filled, "--json"]
    assert document(run(*words))["revoked_from"] is not None
    assert run(*words).exit_code == 9
    assert run("consent", "conflicts", "-w", filled).stdout == "No conflicts.\n"


def test_one_conflict_is_one_line(
    run: Run,
    document: Document,
    filled: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A withdrawal reserves a recording and its work at once: it is told once."""
    monkeypatch.setenv("CONTRAFACT_KEYS", str(tmp_path / "keys"))
    assert run("audit", "keys", "new").exit_code == 0
    words = ["withdraw", "Work 0", "--reason", "r", "--effective", "today"]
    assert run(*words, "-w", filled).exit_code == 0
    both = document(run("consent", "conflicts", "-w", filled, "--json"))["conflicts"]
    lines = run("consent", "conflicts", "-w", filled).stdout.splitlines()
    assert len(both) > len(lines) > 0
    assert len(lines) == len(set(lines))


def test_the_template_is_a_table(run: Run, document: Document, filled: Path) -> None:
    """Empty, or with the catalog in it; as a document it explains itself."""
    assert run("consent", "template").stdout.count("\n") == 1
    assert run("consent", "template", "-w", filled).stdout.count("\n") == 1 + 3 + 3
    columns = document(run("consent", "template", "shares", "--json"))["columns"]
    assert {"name", "meaning"} == set(columns[0])
    assert "share" in {column["name"] for column in columns}


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["import", "absent.csv"], 1, "nothing was taken"),
        (["show", "nonsense"], 4, "is no recording"),
        (["show", "R-0", "--party", "A"], 2, "not both"),
        (["conflicts", "--on", "soon"], 2, "no day"),
        (["revoke", "C-none", "--reason", "r"], 9, "no consent"),
        (["template", "songs"], 2, "There is no template"),
    ],
)
def test_errors_are_one_line_and_a_code(
    run: Run, ws: Path, *, words: list[str], code: int, said: str
) -> None:
    """What was wrong, and what to do."""
    result = run("consent", *words, "-w", ws)
    assert result.exit_code == code
    assert said in result.stderr.splitlines()[-1]
