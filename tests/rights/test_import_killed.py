"""The law of import: killed at any moment, nothing is half-written."""

from __future__ import annotations

import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

N_ROWS = 12_000
N_KILLS = 3

IMPORT = """
import sys
from contrafact.catalog import Workspace
from contrafact.workflows.consent import import_consents
show = lambda stage, done, total: print(done, flush=True)
report = import_consents(Workspace.open(sys.argv[1]), [sys.argv[2]], progress=show)
print("new", report.n_new, flush=True)
"""


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Return a table large enough to be interrupted."""
    rows = ["right,isrc,use,allowed,grantor,territory"]
    rows += [
        f"master,USXXX{n:07},train-generative,yes,Label {n % 7},worldwide"
        for n in range(N_ROWS)
    ]
    (tmp_path / "t.csv").write_text("\n".join(rows))
    return tmp_path / "t.csv"


def start(workspace: Path, table: Path) -> subprocess.Popen[str]:
    """Start an import in a process of its own."""
    command = [sys.executable, "-c", IMPORT, str(workspace), str(table)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def n_consents(workspace: Path) -> int:
    """Return how many consents a new process would see."""
    path = workspace / "rights.sqlite"
    if not path.exists():
        return 0
    connection = sqlite3.connect(path)
    try:
        has = "SELECT count(*) FROM sqlite_master WHERE name = 'consent'"
        if not connection.execute(has).fetchone()[0]:
            return 0
        count: int = connection.execute("SELECT count(*) FROM consent").fetchone()[0]
        return count
    finally:
        connection.close()


def test_killed_in_the_middle_nothing_is_there(tmp_path: Path, table: Path) -> None:
    """After every kill none or all of the rows; run again, all of them, once."""
    from contrafact.catalog import Workspace

    workspace = Workspace.init(tmp_path / "ws").root
    rng = random.Random(3)
    n_killed = 0
    for _ in range(N_KILLS):
        with start(workspace, table) as process:
            assert process.stdout is not None
            for _ in range(rng.randrange(1, 6)):
                process.stdout.readline()
            time.sleep(rng.uniform(0, 0.02))
            process.send_signal(signal.SIGKILL)
        n_killed += process.returncode == -signal.SIGKILL
        assert n_consents(workspace) in (0, N_ROWS)
    assert n_killed > 0
    for expected in (N_ROWS, 0):
        with start(workspace, table) as process:
            out, _ = process.communicate()
        assert process.returncode == 0
        if expected == 0:
            assert out.split()[-1] == "0"
        assert n_consents(workspace) == N_ROWS
