from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

Run = Callable[..., Result]
Document = Callable[[Result], Any]
KINDS = (
    "eu-summary",
    "ab2013",
    "copyright-policy",
    "rights-reservations",
    "per-work-notice",
)
CONSENTS = """right,recording,use,allowed,grantor,territory,date,source
master;composition,{one},train-generative,yes,Label,worldwide,2026-01-01,contract 7
master,{two},train-generative;tdm,no,Heirs,worldwide,2026-02-01,letter
"""


@pytest.fixture
def stocked(run: Run, document: Document, ws: Path, music: Path) -> Path:
    """Return a workspace with a manifest, a permission and a reservation."""
    words = ["ingest", music, "--metadata", music / "metadata.csv", "-w", ws]
    assert run(*words).exit_code == 0
    listed = document(run("catalog", "list", "-w", ws, "--json"))["recordings"]
    table = music / "licences.csv"
    table.write_text(CONSENTS.format(one=listed[0]["id"], two=listed[1]["id"]))
    assert run("consent", "import", table, "-w", ws).exit_code == 0
    assert run("manifest", "build", "--unsigned", "-w", ws).exit_code == 0
    return ws


@pytest.mark.parametrize("kind", KINDS)
def test_every_report_names_its_evidence(
    run: Run, document: Document, stocked: Path, kind: str
) -> None:
    """Every statement has some; what is not known is a gap."""
    made = document(run("report", kind, "-w", stocked, "--json"))
    assert made["kind"] == kind
    lines = [line for section in made["sections"] for line in section["lines"]]
    assert lines
    for line in lines:
        assert bool(line["evidence"]) == (line["text"] is not None)


def test_the_summary_has_the_consents_of_the_registry(
    run: Run, document: Document, stocked: Path
) -> None:
    """With the ids that `consent show` lists, and the manifest's root."""
    made = document(run("report", "eu-summary", "-w", stocked, "--json"))
    evidence = [
        (one["kind"], one["id"])
        for section in made["sections"]
        for line in section["lines"]
        for one in line["evidence"]
    ]
    [manifest] = document(run("manifest", "show", "-w", stocked, "--json"))["manifests"]
    assert ("manifest", manifest["root"]) in evidence
    consent = next(id_ for kind, id_ in evidence if kind == "consent" and "C-" in id_)
    commands = {
        one["command"]
        for section in made["sections"]
        for line in section["lines"]
        for one in line["evidence"]
        if one["id"] == consent
    }
    [command] = commands
    shown = document(run(*command.split()[1:], "-w", stocked, "--json"))
    assert consent in {c["id"] for c in shown["consents"]}


def test_the_suffix_tells_the_format(run: Run, stocked: Path, tmp_path: Path) -> None:
    """Markdown, HTML and JSON; another suffix needs `--format`."""
    begins = {"a.md": "# ", "a.html": "<!DOCTYPE html>", "a.json": "{"}
    for name, start in begins.items():
        out = tmp_path / name
        result = run("report", "ab2013", "-o", out, "-w", stocked)
        assert result.exit_code == 0, result.stderr
        assert f"Wrote {out}" in result.stdout
        assert out.read_text().startswith(start)
    result = run("report", "ab2013", "-o", tmp_path / "a.pdf", "-w", stocked)
    assert (result.exit_code, result.stdout) == (2, "")
    words = ["report", "ab2013", "-o", tmp_path / "a.txt", "--format", "md"]
    assert run(*words, "-w", stocked).exit_code == 0


def test_reports_are_the_same_each_time(run: Run, stocked: Path) -> None:
    """For one day, byte for byte."""
    words = ["report", "rights-reservations", "--on", "2026-03-01", "-w", stocked]
    first, second = run(*words), run(*words)
    assert first.stdout == second.stdout
    assert "by Heirs" in first.stdout
    assert "since 2026-02-01" in first.stdout


def test_the_provider_fills_gaps(
    run: Run, document: Document, stocked: Path, tmp_path: Path
) -> None:
    """From a file of known names with texts, and from no other."""
    file = tmp_path / "us.json"
    file.write_text(json.dumps({"provider_name": "Acme"}))
    words = ["report", "eu-summary", "--provider", file, "-w", stocked]
    assert "**Provider**: Acme." in run(*words).stdout
    for wrong in ('{"name": "Acme"}', '{"provider_name": 1}', "[]", "{"):
        file.write_text(wrong)
        result = run(*words)
        assert (result.exit_code, result.stdout) == (2, ""), wrong
        assert "us.json" in result.stderr


def test_a_notice_is_about_one_work(
    run: Run, document: Document, stocked: Path
) -> None:
    """And the others are not in it."""
    listed = document(run("catalog", "list", "-w", stocked, "--json"))["recordings"]
    one = run("report", "per-work-notice", listed[0]["work_id"], "-w", stocked).stdout
    assert listed[0]["work_id"] in one
    assert listed[1]["work_id"] not in one
    assert "listed in 1 manifest" in one


def test_a_day_that_is_none_is_wrong_usage(run: Run, stocked: Path) -> None:
    """One line, exit code 2."""
    result = run("report", "ab2013", "--on", "tomorrow", "-w", stocked)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "--on" in result.stderr
