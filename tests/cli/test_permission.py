from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from contrafact.audit import generate_key

Run = Callable[..., Result]
Document = Callable[[Result], Any]
HEAD = "right,work_title,use,allowed,grantor,territory\n"
YES = "master;composition,Work {},train-generative,yes,Ann,worldwide\n"


@pytest.fixture(autouse=True)
def _own_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sign with a key of the test's own."""
    monkeypatch.setenv("CONTRAFACT_KEYS", str(tmp_path / "keys"))
    generate_key(tmp_path / "keys")


@pytest.fixture
def filled(run: Run, ws: Path, music: Path) -> Path:
    """Return a workspace with three recordings that nobody allowed anything for."""
    done = run("ingest", music, "--metadata", music / "metadata.csv", "-w", ws)
    assert done.exit_code == 0
    return ws


@pytest.fixture
def licensed(run: Run, filled: Path, tmp_path: Path) -> Path:
    """Return the same with consents for all of it."""
    (tmp_path / "c.csv").write_text(HEAD + "".join(YES.format(n) for n in range(3)))
    assert run("consent", "import", tmp_path / "c.csv", "-w", filled).exit_code == 0
    return filled


def test_a_refused_corpus_fails_the_job(run: Run, filled: Path, music: Path) -> None:
    """Exit code 9, one line on standard error, and every refusal with its reason."""
    done = run("corpus", "check", music, "-w", filled, "--json")
    assert done.exit_code == 9
    assert '"passed": false' in done.stdout
    assert done.stdout.count("no consent for the master") == 3
    assert done.stderr.splitlines()[-1] == (
        "error: 3 of 3 file(s) refused for train-generative"
    )


def test_an_allowed_corpus_passes(
    run: Run, document: Document, licensed: Path, music: Path
) -> None:
    """Exit code 0, for the use and the day that were asked about, and no other."""
    found = document(run("corpus", "check", music, "-w", licensed, "--json"))
    assert (found["passed"], found["n_files"], found["n_refused"]) == (True, 3, 0)
    words = ["corpus", "check", music, "-w", licensed]
    assert run(*words, "--use", "text-and-data-mining").exit_code == 9
    assert run(*words, "--on", "31.1.2026").exit_code == 2
    assert run(*words, "--use", "dancing").exit_code == 9


def test_training_without_consent_says_what_to_do(run: Run, filled: Path) -> None:
    """One line that names the template, the import and the mark."""
    done = run("train", "--recipe", "tiny", "-w", filled)
    assert done.exit_code == 9
    (line,) = [x for x in done.stderr.splitlines() if x.startswith("error:")]
    for part in ("consent template", "consent import", "--unlicensed-research"):
        assert part in line
    assert not (filled / "models").exists()


def test_ingest_takes_the_consents_that_lie_beside_it(
    run: Run, document: Document, ws: Path, music: Path
) -> None:
    """A consents.csv in the folder is imported; one elsewhere is not looked for."""
    (music / "consents.csv").write_text(HEAD + "".join(YES.format(n) for n in range(3)))
    words = ["ingest", music, "--metadata", music / "metadata.csv", "-w", ws]
    assert document(run(*words, "--json"))["n_consents"] == 6
    assert run("corpus", "check", music, "-w", ws).exit_code == 0


def test_a_withdrawal_is_one_document(
    run: Run, document: Document, licensed: Path, music: Path
) -> None:
    """It names the log entry and the day; the file no longer passes."""
    words = ["withdraw", "Work 1", "--reason", "over", "--effective", "today"]
    found = document(run(*words, "-w", licensed, "--json"))
    assert found["title"] == "Work 1"
    assert (found["policy"], found["entry"], found["contaminated"]) == ("block", 0, [])
    done = run("corpus", "check", music, "-w", licensed)
    assert done.exit_code == 9
    assert "1.wav" in done.stdout
    assert "2 of 3 file(s) may be used." in done.stdout


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["withdraw", "Work 1", "--reason", "x", "--effective", "soon"], 2, "no date"),
        (["withdraw", "No", "--reason", "x", "--effective", "today"], 4, "no work"),
        (["withdraw", "Work 1", "--effective", "today"], 2, "--reason"),
        (["retrain", "V-none"], 10, "no release"),
        (["release", "show", "V-none"], 10, "no release"),
        (["release", "find", "Nobody"], 4, "Neither a rights holder"),
        (["release", "create", "none"], 5, "No model"),
    ],
)
def test_wrong_words_are_one_line(
    run: Run, licensed: Path, words: list[str], code: int, said: str
) -> None:
    """Each says what was wrong, under the exit code of its kind."""
    done = run(*words, "-w", licensed)
    assert (done.exit_code, said in done.stderr) == (code, True), done.stderr


def test_no_releases_is_an_empty_list(run: Run, document: Document, ws: Path) -> None:
    """The document has the same form with and without releases."""
    assert document(run("release", "list", "-w", ws, "--json")) == {"releases": []}
