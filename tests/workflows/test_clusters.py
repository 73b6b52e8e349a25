"""Copies of a recording are found by their sound, and counted once."""

from __future__ import annotations

from pathlib import Path

import pytest
import soundfile

from contrafact.catalog import Workspace
from contrafact.workflows.catalog import write_corpus
from contrafact.workflows.clusters import find_clusters
from contrafact.workflows.ingest import ingest


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Give a catalog of five recordings and three copies of the last."""
    folder = tmp_path_factory.mktemp("clusters")
    write_corpus("planted", folder / "all", n_recordings=24)
    (folder / "music").mkdir()
    (folder / "copies").mkdir()
    for path in sorted((folder / "all").glob("*.flac"))[:5]:
        wave, rate = soundfile.read(path)
        soundfile.write(folder / "music" / path.name, wave, rate)
    soundfile.write(folder / "copies" / "lossy.ogg", 0.4 * wave, rate)
    # Played a twentieth faster, which raises its pitch too.
    soundfile.write(folder / "copies" / "faster.flac", wave, round(rate * 1.05))
    soundfile.write(folder / "copies" / "piece.flac", wave[len(wave) // 3 :], rate)
    opened = Workspace.init(folder / "ws")
    ingest(opened, [folder / "music", folder / "copies"])
    return opened


def test_copies_are_one_cluster_and_others_none(workspace: Workspace) -> None:
    """Lossy, faster and cut copies join their recording; other music does not."""
    clusters, notices = find_clusters(workspace)
    with workspace.catalog() as catalog:
        recordings = catalog.recordings()
    names = {str(r.id): r.title for r in recordings}
    copies = {
        id_ for id_, name in names.items() if name in {"lossy", "faster", "piece"}
    }
    assert len(copies) == 3
    assert len(clusters) == 4
    assert copies < clusters.keys()
    assert set(clusters.values()) == {min(clusters)}
    assert notices == ()


def test_what_cannot_be_read_is_named(workspace: Workspace) -> None:
    """A file that is gone is left out, and said to be."""
    with workspace.catalog() as catalog:
        recording = min(catalog.recordings(), key=lambda r: r.id)
    path = Path(workspace.audio_path(recording))
    data = path.read_bytes()
    path.unlink()
    try:
        clusters, [notice] = find_clusters(workspace)
    finally:
        path.write_bytes(data)
    assert recording.id not in clusters
    assert str(recording.id) in notice
