"""A small workspace with recordings in it, and processes that get killed."""

from __future__ import annotations

import hashlib
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from contrafact.catalog import Workspace, encode_audio
from contrafact.catalog.corpora import CorpusSettings, find_corpus
from contrafact.rights.corpora import write_corpus_consents
from contrafact.workflows.generate import generate
from contrafact.workflows.index import build_index
from contrafact.workflows.ingest import ingest
from contrafact.workflows.match_indexes import open_indexes
from contrafact.workflows.train import train


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with 24 planted recordings, their table and their consents."""
    folder = tmp_path_factory.mktemp("corpus") / "planted"
    settings = CorpusSettings(n_recordings=24, n_workers=1)
    find_corpus("planted").write(folder, settings)
    write_corpus_consents("planted", folder)
    return folder


@pytest.fixture(scope="session")
def filled(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Root of a workspace that holds the corpus; not to be written to."""
    root = tmp_path_factory.mktemp("filled") / "ws"
    workspace = Workspace.init(root)
    report = ingest(workspace, [corpus], metadata=corpus / "metadata.csv")
    assert report.is_success
    return root


@pytest.fixture(scope="session")
def trained(filled: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Root of a workspace with a model; not to be written to."""
    root = Path(shutil.copytree(filled, tmp_path_factory.mktemp("trained") / "ws"))
    train(Workspace.open(root), recipe="tiny")
    return root


@pytest.fixture(scope="session")
def indexed(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Root of a workspace with a model, its index and a song; not to be written to."""
    root = Path(shutil.copytree(trained, tmp_path_factory.mktemp("indexed") / "ws"))
    workspace = Workspace.open(root)
    build_index(workspace, model="tiny")
    generate(workspace, "march", model="tiny", out=root / "song.flac", seconds=2)
    return root


@pytest.fixture
def fresh(filled: Path, tmp_path: Path) -> Path:
    """Root of a copy of that workspace."""
    return Path(shutil.copytree(filled, tmp_path / "ws"))


def digest_tree(folder: Path, *, ignore: tuple[str, ...] = ()) -> dict[str, str]:
    """Return the digest of every file below a folder, by relative path."""
    return {
        str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(folder.rglob("*"))
        if p.is_file() and not any(part in str(p) for part in ignore)
    }


@pytest.fixture
def killed_until_done() -> Callable[..., int]:
    """Return a function that kills a script at random moments until it gets through."""

    def run(
        script: str, *arguments: object, kills: int, seed: int, span_s: float
    ) -> int:
        rng = random.Random(seed)
        command = [sys.executable, "-c", script, *map(str, arguments)]
        landed = 0
        for _ in range(kills):
            with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
                time.sleep(rng.uniform(0.0, span_s))
                if process.poll() is None:
                    process.send_signal(signal.SIGKILL)
                    landed += 1
                process.wait()
        subprocess.run(command, check=True, capture_output=True, timeout=300)
        return landed

    return run


@pytest.fixture(scope="session")
def indexed_for_matching(
    corpus: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Root of a workspace that knows six recordings by sound; not to be written to."""
    root = tmp_path_factory.mktemp("matched") / "ws"
    workspace = Workspace.init(root)
    ingest(workspace, sorted(corpus.glob("*.flac"))[:6])
    open_indexes(workspace)
    return root


@pytest.fixture
def matched(indexed_for_matching: Path, tmp_path: Path) -> Path:
    """Root of a copy of that workspace."""
    return Path(shutil.copytree(indexed_for_matching, tmp_path / "ws"))


@pytest.fixture(scope="session")
def write_song() -> Callable[..., Path]:
    """Return a function that writes eight seconds of chords over noise.

    They can carry a watermark. It takes the path, and tags by name.
    """

    def write(path: Path, **tags: str) -> Path:
        rng, rate = np.random.default_rng(0), 16_000
        t = np.arange(rate // 4) / rate
        parts = [
            sum(
                np.sin(2 * np.pi * k * hz * t) / k
                for hz in 110 * 2 ** (rng.integers(0, 40, 5) / 12)
                for k in range(1, 9)
            )
            * np.exp(-rng.uniform(1, 6) * t)
            for _ in range(32)
        ]
        sound = np.concatenate(parts)
        sound = 0.4 * sound / np.abs(sound).max() + rng.normal(0, 0.004, sound.size)
        named = {f"contrafact_{name}": text for name, text in tags.items()}
        whole = sound[None].astype(np.float32)
        path.write_bytes(encode_audio(path, whole, rate, tags=named))
        return path

    return write
