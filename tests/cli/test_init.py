from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

Run = Callable[..., Result]
Document = Callable[[Result], Any]


def test_init_makes_a_workspace_once(
    run: Run, document: Document, tmp_path: Path
) -> None:
    """The second time nothing is changed, and that is said."""
    words = ["init", "-w", tmp_path / "ws", "--json"]
    assert document(run(*words)) == {"workspace": str(tmp_path / "ws"), "is_new": True}
    before = (tmp_path / "ws" / "contrafact.json").read_bytes()
    assert document(run(*words))["is_new"] is False
    assert (tmp_path / "ws" / "contrafact.json").read_bytes() == before
    assert "already" in run(*words[:-1]).stdout


def test_what_comes_next_can_be_typed(run: Run, tmp_path: Path) -> None:
    """It names the workspace as it was named, quoted where that is needed."""
    result = run("init", "-w", tmp_path / "my ws")
    assert f"Next: contrafact ingest PATH... -w '{tmp_path / 'my ws'}'" in result.stdout


def test_the_environment_names_the_workspace(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """`CONTRAFACT_WORKSPACE` stands in for `-w`, which goes before it."""
    monkeypatch.setenv("CONTRAFACT_WORKSPACE", str(tmp_path / "one"))
    assert run("init").exit_code == 0
    assert run("init", "-w", tmp_path / "two").exit_code == 0
    assert (tmp_path / "one" / "contrafact.json").is_file()
    assert (tmp_path / "two" / "contrafact.json").is_file()
    assert run("catalog", "list").exit_code == 0


def test_no_workspace_named_is_one_line(run: Run) -> None:
    """The line names both ways."""
    result = run("init")
    line = "error: No workspace is named. Give -w DIR, or set CONTRAFACT_WORKSPACE.\n"
    assert (result.exit_code, result.stdout, result.stderr) == (2, "", line)


def test_a_place_that_cannot_be_written_is_one_line(run: Run, tmp_path: Path) -> None:
    """Below a file there can be no workspace."""
    (tmp_path / "file").touch()
    result = run("init", "-w", tmp_path / "file" / "ws", "--json")
    assert (result.exit_code, result.stdout) == (3, "")
    assert result.stderr.startswith("error: Cannot write")
    assert result.stderr.count("\n") == 1


def test_a_catalog_url_of_no_known_kind_leaves_nothing(
    run: Run, tmp_path: Path
) -> None:
    """The database is tried before anything is written."""
    result = run("init", "-w", tmp_path / "ws", "--catalog-url", "nonsense")
    assert result.exit_code == 2
    assert not (tmp_path / "ws").exists()


def test_a_catalog_is_kept_where_the_url_says(
    run: Run, document: Document, tmp_path: Path, music: Path
) -> None:
    """And it cannot be moved by saying something else later."""
    url = f"sqlite:///{tmp_path / 'elsewhere.sqlite'}"
    assert run("init", "-w", tmp_path / "ws", "--catalog-url", url).exit_code == 0
    assert run("ingest", music, "-w", tmp_path / "ws").exit_code == 0
    assert (tmp_path / "elsewhere.sqlite").is_file()
    assert not (tmp_path / "ws" / "catalog.sqlite").exists()
    again = run("init", "-w", tmp_path / "ws", "--catalog-url", url)
    assert (again.exit_code, again.stdout) == (2, "")
