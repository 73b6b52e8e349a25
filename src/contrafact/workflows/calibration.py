"""The scale between scores and measured influence, learned from retraining.

Every retraining without some recordings says how much a song's loss rose; the
scores had predicted a rise too. The scale is the least-squares slope, through
the origin, of measured over predicted rises. It is kept in the workspace, one
file a model: a model that comes with contrafact lies where nothing is written.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from contrafact.attribution.base import Estimator
from contrafact.catalog import Workspace, storage_errors, write_json
from contrafact.core.errors import ModelFormatError, WorkspaceLockedError
from contrafact.workflows.models import ModelRecord

__all__ = ["add_measurement", "scale_of"]

_NEEDED = 2  # measurements before a scale is used: one removal, and one control
_PATIENCE_S = 10.0
_Measured = dict[str, dict[str, tuple[float, float]]]
"""By estimator and settings: predicted and measured rise of every removal."""


def _path(workspace: Workspace, record: ModelRecord) -> Path:
    folder = workspace.root / "calibrations"
    return folder / f"{record.id}-{record.digest[:12]}.json"


def _key(name: str, settings: Mapping[str, Any]) -> str:
    return json.dumps([name, dict(settings)], sort_keys=True)


def _read(workspace: Workspace, record: ModelRecord) -> _Measured:
    """Return what was measured; before, it was kept beside the model."""
    found = _read_file(record.directory / "calibration.json")
    for key, pairs in _read_file(_path(workspace, record)).items():
        found[key] = found.get(key, {}) | pairs
    return found


def _read_file(path: Path) -> _Measured:
    try:
        text = path.read_text()
    except FileNotFoundError:
        return {}
    try:
        return {
            key: {name: (float(p), float(m)) for name, (p, m) in pairs.items()}
            for key, pairs in json.loads(text).items()
        }
    except (ValueError, TypeError, AttributeError) as error:
        raise ModelFormatError(
            f"{path} is damaged ({error}); delete it, `contrafact verify` remakes it."
        ) from error


@contextmanager
def _held(path: Path) -> Iterator[None]:
    """Let no other process change the file between reading and writing it."""
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path.with_name(f".{path.name}.lock"), timeout=_PATIENCE_S)
        try:
            lock.acquire()
        except Timeout as error:
            raise WorkspaceLockedError(
                f"Another process holds {path}; wait until it is done."
            ) from error
    try:
        yield
    finally:
        lock.release()


def add_measurement(
    workspace: Workspace,
    record: ModelRecord,
    *,
    method_key: tuple[str, Mapping[str, Any]],
    name: str,
    predicted: float,
    measured: float,
) -> None:
    """Keep what a removal was predicted to do and what it did.

    Args:
        workspace: Where it is kept.
        record: The model.
        method_key: Name and settings of the estimator that predicted.
        name: Names the removal; one of the same name is replaced.
        predicted: Sum of the removed recordings' scores.
        measured: Rise of the song's loss.

    Raises:
        ModelFormatError: If what was kept before is damaged.
        StorageError: If the workspace is not writable.
    """
    path = _path(workspace, record)
    with _held(path):
        found = _read_file(path)
        found.setdefault(_key(*method_key), {})[name] = (predicted, measured)
        write_json(path, found)


def scale_of(
    workspace: Workspace, record: ModelRecord, method: Estimator
) -> float | None:
    """Return measured over predicted influence, or None if not known.

    A scale that is not positive says that predictions were of no use; it is
    not used either.
    """
    key = _key(method.name, method.settings)
    pairs = list(_read(workspace, record).get(key, {}).values())
    if len(pairs) < _NEEDED:
        return None
    square = sum(p * p for p, _ in pairs)
    scale = sum(p * m for p, m in pairs) / square if square > 0 else 0.0
    return scale if scale > 0 else None
