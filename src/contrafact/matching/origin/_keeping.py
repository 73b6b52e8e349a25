"""The calibration of a registry on disk, so that it is worked out once.

It is known by a digest of all rows that it was made of, and of this format: it is
never taken for that of other rows. One file, whole or not at all; what is damaged
or cannot be written is worked out again.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from contrafact.catalog.atomic import storage_errors, write_bytes
from contrafact.core.errors import StorageError
from contrafact.matching.origin._files import Enrolled
from contrafact.matching.origin.calibration import Calibration
from contrafact.matching.origin.nulls import Null
from contrafact.matching.origin.scaling import Template
from contrafact.matching.origin.scores import ClassNulls, Usual, ViewNulls

__all__ = ["forget_calibration", "keep_calibration", "kept_calibration", "key_of"]

_FORMAT = 5
"""To be raised whenever the same rows would give another calibration."""
_NULLS = ("top", "top_residual", "top_pulse", "comb")
_VIEWS = ("residual", "pulse", "both")
_TUPLES = ("unseen_still", "unseen_moved", "human_tops", "known_tops", "unseen_tops")


def key_of(classes: Sequence[Enrolled]) -> str:
    """Return the digest of everything that a calibration is made of."""
    state = hashlib.sha256(f"calibration {_FORMAT}\n".encode())
    for enrolled in classes:
        about = enrolled.name, enrolled.is_human, len(enrolled.sources)
        state.update(json.dumps(about).encode())
        for rows in (enrolled.values, enrolled.groups, enrolled.comb_scores):
            state.update(np.ascontiguousarray(rows).tobytes())
    return state.hexdigest()


def _place(directory: Path, key: str) -> Path:
    return directory / f"calibration-{key[:24]}.npz"


def kept_calibration(directory: Path, key: str) -> Calibration | None:
    """Return the calibration of a key; None if it is not kept or damaged."""
    try:
        data = _place(directory, key).read_bytes()
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            about = json.loads(bytes(arrays["about"]))
            if about["key"] != key:
                return None
            values, variance = arrays["values"], arrays["variance"]
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile):
        return None
    kept: dict[str, Any] = {name: Null(**about[name]) for name in _NULLS}
    kept |= {name: tuple(about[name]) for name in _TUPLES}
    return Calibration(
        templates={
            name: Template(values=row, variance=variance)
            for name, row in zip(about["names"], values, strict=True)
        },
        nulls={name: _nulls(about["nulls"][name]) for name in about["names"]},
        alike=frozenset(frozenset(pair) for pair in about["alike"]),
        n_humans=about["n_humans"],
        **kept,
    )


def _nulls(about: dict[str, dict[str, dict[str, float]]]) -> ClassNulls:
    return ClassNulls(**{view: _view(about[view]) for view in _VIEWS})


def _view(about: dict[str, dict[str, float]]) -> ViewNulls:
    return ViewNulls(
        still=Null(**about["still"]),  # type: ignore[arg-type]
        best=Null(**about["best"]),  # type: ignore[arg-type]
        soft=Null(**about["soft"]),  # type: ignore[arg-type]
        usual=Usual(**about["usual"]),
    )


def _told(nulls: ViewNulls) -> dict[str, dict[str, float]]:
    return {**asdict(nulls), "usual": nulls.usual._asdict()}


def keep_calibration(directory: Path, key: str, calibration: Calibration) -> None:
    """Write a calibration beside the classes, in place of earlier ones.

    A registry that cannot be written to can still be asked: nothing is kept then.
    """
    templates = calibration.templates
    about = {
        "key": key,
        "names": list(templates),
        "nulls": {
            name: {view: _told(getattr(nulls, view)) for view in _VIEWS}
            for name, nulls in calibration.nulls.items()
        },
        **{name: asdict(getattr(calibration, name)) for name in _NULLS},
        "alike": [sorted(pair) for pair in sorted(calibration.alike, key=sorted)],
        "n_humans": calibration.n_humans,
        **{name: getattr(calibration, name) for name in _TUPLES},
    }
    buffer = io.BytesIO()
    np.savez(
        buffer,
        about=np.frombuffer(json.dumps(about).encode(), np.uint8),
        values=np.stack([t.values for t in templates.values()]),
        variance=next(iter(templates.values())).variance,
    )
    try:
        write_bytes(_place(directory, key), buffer.getvalue())
        forget_calibration(directory, but=key)
    except StorageError:
        return


def forget_calibration(directory: Path, *, but: str = "") -> None:
    """Remove what is kept, of all keys or of all but one.

    Raises:
        StorageError: If it cannot be removed.
    """
    for path in directory.glob("calibration-*.npz"):
        if not but or path != _place(directory, but):
            with storage_errors(path):
                path.unlink(missing_ok=True)
