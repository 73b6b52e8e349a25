"""Two stores that share nothing, seen from the files that are opened."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from datetime import date
from pathlib import Path

import numpy as np
import pytest
import soundfile

from contrafact.audit import generate_key
from contrafact.catalog import Workspace
from contrafact.core.config import keys_dir_from_environment
from contrafact.core.errors import TrainingError
from contrafact.workflows.admission import admit
from contrafact.workflows.consent import import_consents
from contrafact.workflows.contamination import contaminated_parts
from contrafact.workflows.ingest import ingest
from contrafact.workflows.models import find_model, recordings_of
from contrafact.workflows.stores import STAMP, home_of, unlicensed_store
from contrafact.workflows.train import train
from contrafact.workflows.withdraw import withdraw

TRACED = """
import os, sys
seen = set()
def watch(event, arguments):
    if event in ("open", "sqlite3.connect", "os.listdir", "os.scandir"):
        path = arguments[0]
        if isinstance(path, (str, bytes, os.PathLike)):
            seen.add(os.path.realpath(os.fsdecode(path)))
sys.addaudithook(watch)
from pathlib import Path
from contrafact.catalog import Workspace
from contrafact.workflows.attribute import attribute
answer = attribute(Workspace.open(sys.argv[1]), Path(sys.argv[2]), model=sys.argv[3],
                   estimator=sys.argv[4], report=Path(sys.argv[5]))
import json
print(json.dumps({"seen": sorted(seen), "stamp": answer.stamp}))
"""


@pytest.fixture(scope="module")
def both(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a workspace with a licensed model and an unlicensed one."""
    root = Path(shutil.copytree(trained, tmp_path_factory.mktemp("both") / "ws"))
    train(Workspace.open(root), recipe="tiny", name="dirty", unlicensed_research=True)
    return root


def _ask(root: Path, model: str, tmp_path: Path) -> dict[str, object]:
    """Attribute a song in a process of its own; return every path it opened."""
    workspace = Workspace.open(root)
    with workspace.catalog() as catalog:
        recording = catalog.recordings()[0]
    song = tmp_path / "song.flac"
    shutil.copyfile(workspace.audio_path(recording), song)
    report = tmp_path / f"{model}.html"
    words = [root, song, model, "similarity", report]
    done = subprocess.run(
        [sys.executable, "-c", TRACED, *map(str, words)],
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found: dict[str, object] = json.loads(done.stdout)
    found["html"] = report.read_text(encoding="utf-8")
    return found


_MATERIAL = ("files", "cache", "models", "indexes", "attributions", "catalog.sqlite")


def _opened(found: dict[str, object], folder: Path) -> list[str]:
    paths = found["seen"]
    assert isinstance(paths, list)
    places = [str((folder / name).resolve()) for name in _MATERIAL]
    return [p for p in paths if any(p == x or p.startswith(f"{x}/") for x in places)]


def test_a_question_to_one_store_opens_nothing_of_the_other(
    both: Path, tmp_path: Path
) -> None:
    """Every path that a query opens is traced, in both directions."""
    licensed = _ask(both, "tiny", tmp_path)
    marked = _ask(both, "dirty", tmp_path)
    assert _opened(licensed, both)
    assert not _opened(licensed, both / "unlicensed")
    assert _opened(marked, both / "unlicensed")
    assert not _opened(marked, both)


def test_every_answer_is_marked(both: Path, tmp_path: Path) -> None:
    """The result and the report of the unlicensed model say so, the other's do not."""
    licensed = _ask(both, "tiny", tmp_path)
    marked = _ask(both, "dirty", tmp_path)
    assert (licensed["stamp"], marked["stamp"]) == ("", STAMP)
    assert "MARKED" not in str(licensed["html"])
    assert f"MARKED {STAMP}" in str(marked["html"])


def test_a_name_means_one_model(both: Path) -> None:
    """Neither store takes the name of a model of the other."""
    workspace = Workspace.open(both)
    assert home_of(workspace, "dirty").root == both / "unlicensed"
    with pytest.raises(TrainingError, match="another store"):
        train(workspace, recipe="tiny", name="dirty")
    with pytest.raises(TrainingError, match="another store"):
        train(workspace, recipe="tiny", name="tiny", unlicensed_research=True)


def test_what_is_refused_leaves_the_licensed_store(fresh: Path, tmp_path: Path) -> None:
    """After the gate spoke, licensed files are those that passed; they come back."""
    workspace, own = Workspace.open(fresh), tmp_path / "own.wav"
    soundfile.write(own, np.random.default_rng(5).normal(0, 0.1, 32_000), 16_000)
    ingest(workspace, [own])
    with workspace.catalog() as catalog:
        mine = next(r for r in catalog.recordings() if r.title == "own")
    assert workspace.files.verify(mine.digest)
    admit(workspace, licensed_only=True)
    assert not workspace.files.verify(mine.digest)
    assert unlicensed_store(workspace).files.verify(mine.digest)
    rows = "".join(
        f"{right},{mine.digest},train-generative,yes,Ann,worldwide\n"
        for right in ("master", "composition")
    )
    table = tmp_path / "c.csv"
    table.write_text(f"right,file_sha256,use,allowed,grantor,territory\n{rows}")
    assert import_consents(workspace, [table]).is_taken
    assert mine.id in {r.id for r in admit(workspace).recordings}
    assert workspace.files.verify(mine.digest)


@pytest.mark.slow
def test_research_with_what_is_withdrawn_is_contaminated_from_the_start(
    fresh: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is trained on all the same, but marked, set apart, and never clean."""
    monkeypatch.setenv("CONTRAFACT_KEYS", str(tmp_path / "keys"))
    generate_key(keys_dir_from_environment())
    workspace = Workspace.open(fresh)
    with workspace.catalog() as catalog:
        gone = catalog.recordings()[0]
    done = withdraw(workspace, gone.id, reason="r", effective=date.today())
    train(workspace, recipe="tiny", name="dirty", unlicensed_research=True)
    store = home_of(workspace, "dirty")
    assert store.root == unlicensed_store(workspace).root
    model = find_model(store, "dirty")
    assert gone.id in recordings_of(model)
    named = {(p.kind, p.name) for p in contaminated_parts(store, done.record)}
    assert ("model", "dirty") in named
