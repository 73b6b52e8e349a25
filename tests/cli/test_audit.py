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
def body(tmp_path: Path) -> Path:
    """Return a file with what everybody may read."""
    (tmp_path / "body.json").write_text('{"policy": "serving", "work": "W-1"}')
    return tmp_path / "body.json"


def test_from_a_key_to_a_verified_bundle(
    run: Run, document: Read, ws: Path, body: Path, tmp_path: Path
) -> None:
    """Every step prints one JSON document that says what was done."""
    key = document(run("audit", "keys", "new", "--json"))
    assert key["folder"] == str(tmp_path / "keys")
    (tmp_path / "private.json").write_text('{"grantor": "Ann"}')
    words = ["append", "consent", "--body", body, "--private"]
    done = document(run("audit", *words, tmp_path / "private.json", "-w", ws, "--json"))
    assert (done["index"], done["size"]) == (0, 1)
    assert [c["field"] for c in done["commitments"]] == ["grantor"]
    assert "Ann" not in json.dumps(done)
    verdict = document(run("audit", "verify", "-w", ws, "--json"))
    assert verdict["is_true"]
    assert verdict["root"] == done["root"]
    out = tmp_path / "bundle"
    words = ["audit", "bundle", "-o", out, "--reveal", "W-1", "-w", ws]
    assert document(run(*words, "--json"))["bundle"] == str(out)
    pem = tmp_path / "keys" / f"{key['id']}.pub.pem"
    given = document(run("audit", "verify", out, "--key", pem, "--json"))
    assert (given["is_true"], given["is_trusted"]) == (True, True)
    assert key["fingerprint"] in run("audit", "verify", out).stdout


def test_what_is_not_true_has_an_exit_code(
    run: Run, ws: Path, body: Path, tmp_path: Path
) -> None:
    """10, with the problem in the output: of a bundle and of the log itself."""
    run("audit", "keys", "new")
    run("audit", "append", "policy", "--body", body, "-w", ws)
    run("audit", "bundle", "-o", tmp_path / "bundle", "-w", ws)
    for root, words in (
        (tmp_path / "bundle/log", [tmp_path / "bundle"]),
        (ws / "audit", ["-w", ws]),
    ):
        path = root / "tile/0/000.p/1"
        path.write_bytes(b"0" * 32)
        result = run("audit", "verify", *words, "--json")
        assert result.exit_code == 10
        (problem, *_) = json.loads(result.stdout)["problems"]
        assert "000.p/1" in problem["source"]
        assert run("audit", "verify", *words).stdout.startswith("not true: ")


def test_keys_are_listed_and_revoked(run: Run, document: Read) -> None:
    """A revoked key is shown as such, and signs no more."""
    assert "audit keys new" in run("audit", "keys", "list").stdout
    first = document(run("audit", "keys", "new", "--json"))["id"]
    second = document(run("audit", "keys", "new", "--algorithm", "es256", "--json"))
    words = ["audit", "keys", "revoke", first, "--reason", "lost"]
    done = document(run(*words, "--since", "2026-01-31", "--json"))
    assert done["revoked_from"] == "2026-01-31T00:00:00.000000Z"
    listed = document(run("audit", "keys", "list", "--json"))["keys"]
    assert [k["revoked_from"] is None for k in listed] == [False, True]
    assert listed[1]["id"] == second["id"]
    assert first in run("audit", "keys", "list").stdout


def test_wrong_input_is_one_line(run: Run, ws: Path, tmp_path: Path) -> None:
    """With the exit code of its kind, and nothing on standard output."""
    (tmp_path / "list.json").write_text("[1]")
    (tmp_path / "bad.json").write_text("{")
    (tmp_path / "float.json").write_text('{"share": 0.5}')
    append = ["audit", "append", "policy", "-w", ws, "--body"]
    for words, code in (
        ([*append, tmp_path / "list.json"], 2),
        ([*append, tmp_path / "bad.json"], 2),
        ([*append, tmp_path / "none.json"], 2),
        ([*append, tmp_path / "float.json"], 10),
        (["audit", "verify", "-w", ws], 10),
        (["audit", "verify", "-w", ws, "--key", "x.pem"], 2),
        (["audit", "bundle", "-o", tmp_path / "b", "-w", ws], 10),
        (["audit", "keys", "revoke", "ffff", "--reason", "x"], 10),
        (["audit", "keys", "new", "--algorithm", "rsa"], 2),
    ):
        result = run(*words)
        assert result.exit_code == code, (words, result.output)
        assert result.stdout == ""
        assert result.stderr.count("\n") == 1


def test_a_body_may_come_from_standard_input(document: Read, ws: Path) -> None:
    """So that another program can enter things without a file."""
    from typer.testing import CliRunner

    from contrafact.cli.commands import app

    runner = CliRunner()
    runner.invoke(app, ["audit", "keys", "new"])
    words = ["audit", "append", "policy", "--body", "-", "-w", str(ws), "--json"]
    assert document(runner.invoke(app, words, input='{"a": 1}'))["index"] == 0
