"""Making, opening and locking a workspace."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from contrafact.catalog import Workspace
from contrafact.core.errors import (
    StorageError,
    WorkspaceError,
    WorkspaceLockedError,
    WorkspaceMissingError,
)

HOLD = """
import sys
from contrafact.catalog import Workspace
with Workspace.open(sys.argv[1]).lock():
    print("held", flush=True)
    sys.stdin.read()
"""


def test_init_makes_what_open_finds(tmp_path: Path) -> None:
    """A new workspace can be opened, and its catalog is empty."""
    Workspace.init(tmp_path / "w")
    workspace = Workspace.open(tmp_path / "w")
    with workspace.catalog() as catalog:
        assert catalog.recordings() == []
    assert workspace.models_dir.parent == workspace.root == tmp_path / "w"


def test_init_keeps_a_workspace_that_is_there(tmp_path: Path) -> None:
    """Running init twice changes nothing."""
    url = f"sqlite:///{tmp_path / 'elsewhere.sqlite'}"
    Workspace.init(tmp_path, catalog_url=url)
    before = (tmp_path / "contrafact.json").read_bytes()
    Workspace.init(tmp_path).catalog().close()
    assert (tmp_path / "contrafact.json").read_bytes() == before
    assert (tmp_path / "elsewhere.sqlite").exists()


def test_a_missing_workspace_says_what_to_type(tmp_path: Path) -> None:
    """The line names the folder and the command that makes a workspace."""
    with pytest.raises(WorkspaceMissingError) as caught:
        Workspace.open(tmp_path)
    expected = f"No workspace in {tmp_path}. Run `contrafact init -w {tmp_path}`."
    assert str(caught.value) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"format": 99}', "has format 99; this version knows up to 1"),
        ("nonsense", "damaged"),
        ("[]", "damaged"),
    ],
)
def test_newer_and_damaged_workspaces_are_refused(
    tmp_path: Path, text: str, message: str
) -> None:
    """What is not understood is not written to."""
    (tmp_path / "contrafact.json").write_text(text)
    for use in (Workspace.open, Workspace.init):
        with pytest.raises(WorkspaceError, match=message):
            use(tmp_path)
    assert (tmp_path / "contrafact.json").read_text() == text


def test_a_place_that_cannot_be_written_is_one_clear_line(tmp_path: Path) -> None:
    """No workspace can be made below a file."""
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="Cannot write"):
        Workspace.init(tmp_path / "file" / "w")


def test_a_lock_that_cannot_be_made_is_one_clear_line(workspace: Workspace) -> None:
    """A folder in the place of the lock is a storage error."""
    (workspace.root / ".lock").mkdir()
    with pytest.raises(StorageError, match=r"\.lock"), workspace.lock():
        pass


def test_the_lock_may_be_nested(workspace: Workspace) -> None:
    """A workflow that holds the lock may call another that takes it."""
    with workspace.lock(), workspace.lock():
        assert json.loads((workspace.root / "contrafact.json").read_text())
    with workspace.lock():
        pass


def test_a_second_process_is_told_who_holds_the_lock(workspace: Workspace) -> None:
    """The line names the process; when it is killed, the lock is free."""
    command = [sys.executable, "-c", HOLD, str(workspace.root)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        message = f"in use by process {process.pid}"
        with pytest.raises(WorkspaceLockedError, match=message), workspace.lock():
            pass
        process.kill()
    with workspace.lock():
        pass
