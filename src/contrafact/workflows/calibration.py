"""The scale between scores and measured influence, learned from retraining.

Every retraining without some recordings says how much a song's loss rose; the
scores had predicted a rise too. The scale is the least-squares slope, through
the origin, of measured over predicted rises. It is kept beside the model.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from contrafact.attribution.base import Estimator
from contrafact.catalog import write_json
from contrafact.core.errors import ModelFormatError
from contrafact.workflows.models import ModelRecord

__all__ = ["add_measurement", "scale_of"]

_NEEDED = 3  # measurements before a scale is used


def _path(record: ModelRecord) -> Path:
    return record.directory / "calibration.json"


def _key(method: Estimator) -> str:
    return json.dumps([method.name, dict(method.settings)], sort_keys=True)


def _read(record: ModelRecord) -> dict[str, Any]:
    path = _path(record)
    try:
        found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    except ValueError as error:
        raise ModelFormatError(
            f"{path} is damaged ({error}); delete it, `contrafact verify` remakes it."
        ) from error
    return found


def add_measurement(
    record: ModelRecord,
    method_key: tuple[str, Mapping[str, Any]],
    *,
    name: str,
    predicted: float,
    measured: float,
) -> None:
    """Keep what a removal was predicted to do and what it did.

    Args:
        record: The model.
        method_key: Name and settings of the estimator that predicted.
        name: Names the removal; one of the same name is replaced.
        predicted: Sum of the removed recordings' scores.
        measured: Rise of the song's loss.
    """
    found = _read(record)
    key = json.dumps([method_key[0], dict(method_key[1])], sort_keys=True)
    found.setdefault(key, {})[name] = [predicted, measured]
    write_json(_path(record), found)


def scale_of(record: ModelRecord, method: Estimator) -> float | None:
    """Return measured over predicted influence, or None if not known.

    A scale that is not positive says that predictions were of no use; it is
    not used either.
    """
    pairs = list(_read(record).get(_key(method), {}).values())
    if len(pairs) < _NEEDED:
        return None
    square = sum(p * p for p, _ in pairs)
    scale = sum(p * m for p, m in pairs) / square if square > 0 else 0.0
    return scale if scale > 0 else None
