from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

Run = Callable[..., Result]
Read = Callable[[Result], Any]


@pytest.fixture(autouse=True)
def _own_keys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, _plain_environment: None
) -> None:
    """Keep the keys of whoever runs the tests out of it."""
    monkeypatch.setenv("CONTRAFACT_KEYS", str(tmp_path / "keys"))


@pytest.fixture
def filled(run: Run, ws: Path, music: Path) -> Path:
    """Return a workspace with recordings, and make a key."""
    words = ["ingest", music, "--metadata", music / "metadata.csv", "-w", ws]
    assert run(*words).exit_code == 0
    assert run("audit", "keys", "new").exit_code == 0
    return ws


def test_from_the_catalog_to_proofs(
    run: Run, document: Read, filled: Path, music: Path, tmp_path: Path
) -> None:
    """Built, shown, and asked about a work, a recording and a file."""
    w = ["-w", filled]
    built = document(run("manifest", "build", "--all", *w, "--json"))
    assert (built["n_entries"], built["n_without_consent"]) == (6, 6)
    assert (built["is_signed"], built["entry"]) == (True, 0)
    listed = document(run("manifest", "show", *w, "--json"))["manifests"]
    assert [one["root"] for one in listed] == [built["root"]]
    shown = document(run("manifest", "show", built["root"][:9], *w, "--json"))
    entry = shown["list"][0]
    words = ["manifest", "prove", entry["work"], "--recording", entry["recording"]]
    (proof,) = document(run(*words, *w, "--json"))["proofs"]
    assert (proof["kind"], len(proof["leaves"])) == ("inclusion", 2)
    words = ["manifest", "prove", "--file", music / "0.wav"]
    assert "is in manifest" in run(*words, *w).stdout
    words = ["manifest", "disprove", "--file", tmp_path / "other.wav"]
    (tmp_path / "other.wav").write_bytes(b"another")
    assert "is NOT in manifest" in run(*words, *w).stdout
    (proof,) = document(run("manifest", "disprove", "W-", *w, "--json"))["proofs"]
    assert proof["kind"] == "non-inclusion"


def test_consents_of_the_registry_are_what_counts(
    run: Run, document: Read, filled: Path
) -> None:
    """Without any, nothing goes in; the message says what to do."""
    result = run("manifest", "build", "-w", filled)
    assert result.exit_code == 10
    assert "consent import" in result.stderr
    assert document(run("manifest", "show", "-w", filled, "--json")) == {
        "manifests": []
    }


def test_what_is_contained_cannot_be_disproved(
    run: Run, document: Read, filled: Path
) -> None:
    """The answer is a document with the proofs of the contrary, and a code."""
    w = ["-w", filled]
    built = document(run("manifest", "build", "--all", *w, "--json"))
    shown = document(run("manifest", "show", built["root"], *w, "--json"))
    words = ["manifest", "disprove", shown["list"][0]["work"], *w]
    refused = run(*words, "--json")
    answer = json.loads(refused.stdout)
    assert (refused.exit_code, answer["disproved"]) == (10, False)
    assert [p["kind"] for p in answer["proofs"]] == ["inclusion"]
    assert built["root"][:16] in answer["reason"]
    plain = run(*words)
    assert (plain.exit_code, plain.stdout) == (10, "")
    assert "cannot be proved to be absent" in plain.stderr
    absent = document(run("manifest", "disprove", "W-", *w, "--json"))
    assert absent["disproved"]


def test_what_cannot_be_proved_has_an_exit_code(run: Run, filled: Path) -> None:
    """10 for a proof of what is not so; 2 for a question that is none."""
    w = ["-w", filled]
    assert run("manifest", "prove", "W-1", *w).exit_code == 10
    assert run("manifest", "build", "--all", *w).exit_code == 0
    for words, code in (
        (["prove", "W-nothing"], 10),
        (["show", "ffff"], 10),
        (["prove"], 2),
        (["prove", "W-1", "--file", "x"], 2),
        (["disprove", "--file", "x", "--recording", "R"], 2),
        (["build", "--on", "someday"], 2),
    ):
        result = run("manifest", *words, *w)
        assert result.exit_code == code, words
        assert result.stdout == ""
        assert result.stderr.count("\n") == 1, result.stderr
