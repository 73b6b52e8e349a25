"""The law of ingest: killed at any moment and run again, the same catalog."""

from __future__ import annotations

import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

N_RECORDINGS = 24
N_KILLS = 4

# Batches of two, so that there are many moments between them.
INGEST = """
import sys
from contrafact.catalog import Workspace, ingest
sys.modules["contrafact.catalog.ingest"]._N_BATCH = 2
workspace = Workspace.init(sys.argv[1])
show = lambda n_done, n_all: print(n_done, flush=True)
ingest(workspace, sys.argv[2:3], metadata=sys.argv[3], progress=show)
"""


@pytest.fixture
def music(tmp_path: Path) -> Path:
    """Return a folder of short recordings, two of them equal, and a table."""
    folder = tmp_path / "music"
    folder.mkdir()
    waves = np.random.default_rng(7).uniform(-0.5, 0.5, (N_RECORDINGS, 800))
    waves[9] = waves[8]
    rows = ["file,title,artists,work"]
    for number in range(N_RECORDINGS):
        soundfile.write(folder / f"{number:02}.wav", waves[number], 8_000)
        artist = "ANN" if number % 3 else "Ann"
        rows.append(f"{number:02}.wav,Title {number},{artist},Work {number % 5}")
    (folder / "metadata.csv").write_text("\n".join(rows))
    return folder


def start(workspace: Path, music: Path) -> subprocess.Popen[str]:
    """Start an ingest in a process of its own."""
    command = [sys.executable, "-c", INGEST, str(workspace), str(music)]
    return subprocess.Popen(
        [*command, str(music / "metadata.csv")], stdout=subprocess.PIPE, text=True
    )


def content(workspace: Path) -> tuple[list[str], dict[str, bytes]]:
    """Return the dump of the database and all stored files."""
    connection = sqlite3.connect(workspace / "catalog.sqlite")
    dump = list(connection.iterdump())
    connection.close()
    files = workspace / "files"
    paths = sorted(path for path in files.rglob("*") if path.is_file())
    return dump, {str(p.relative_to(files)): p.read_bytes() for p in paths}


def test_killed_at_random_moments_the_catalog_is_the_same(
    tmp_path: Path, music: Path
) -> None:
    """Runs killed with SIGKILL and one that is not end with identical bytes."""
    with start(tmp_path / "calm", music) as process:
        process.communicate()
    rng = random.Random(11)
    ends = set()
    for _ in range(N_KILLS):
        with start(tmp_path / "killed", music) as process:
            assert process.stdout is not None
            for _ in range(rng.randrange(1, N_RECORDINGS)):
                process.stdout.readline()
            time.sleep(rng.uniform(0, 0.01))
            process.send_signal(signal.SIGKILL)
        ends.add(process.returncode)
    with start(tmp_path / "killed", music) as process:
        process.communicate()
    assert process.returncode == 0
    assert -signal.SIGKILL in ends
    calm, killed = content(tmp_path / "calm"), content(tmp_path / "killed")
    assert len(calm[1]) == N_RECORDINGS - 1
    assert killed == calm
