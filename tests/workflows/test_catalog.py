from __future__ import annotations

from pathlib import Path

import pytest

from contrafact.core.errors import ConfigError, UnknownEntityError
from contrafact.workflows.catalog import (
    init_workspace,
    list_recordings,
    open_workspace,
    show_recording,
    write_corpus,
)
from contrafact.workflows.ingest import ingest


def test_a_corpus_is_written_ingested_and_listed(tmp_path: Path) -> None:
    """Every recording comes back with its artist and its work."""
    told: list[tuple[str, int, int]] = []
    table = write_corpus(
        "planted",
        tmp_path / "music",
        n_recordings=24,
        progress=lambda *step: told.append(step),
    )
    workspace, is_new = init_workspace(tmp_path / "ws")
    report = ingest(
        workspace,
        [tmp_path / "music"],
        metadata=table,
        progress=lambda *step: told.append(step),
    )
    infos = list_recordings(workspace)
    assert is_new
    assert [info.recording.id for info in infos] == sorted(report.taken)
    assert all(info.artist and info.work and info.label for info in infos)
    assert show_recording(workspace, infos[0].recording.id) == infos[0]
    assert told[-1] == ("reading audio", 24, 24)
    assert ("rendering", 24, 24) in told


def test_a_group_that_is_not_there_is_empty(tmp_path: Path) -> None:
    """And a recording that is not there is an error."""
    workspace, _ = init_workspace(tmp_path)
    assert list_recordings(workspace, group="none") == []
    with pytest.raises(UnknownEntityError):
        show_recording(workspace, "R-none")


def test_a_catalog_cannot_be_moved_by_init(tmp_path: Path) -> None:
    """An existing workspace opens, but refuses another database."""
    init_workspace(tmp_path)
    assert init_workspace(tmp_path)[1] is False
    with pytest.raises(ConfigError, match="already"):
        init_workspace(tmp_path, catalog_url="sqlite://")
    assert open_workspace(tmp_path).root == tmp_path
