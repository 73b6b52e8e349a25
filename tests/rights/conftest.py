"""Consents and recordings to test with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from contrafact.core.entities import Recording
from contrafact.core.units import Digest, digest_of, recording_id, work_id
from contrafact.rights import Consent, ConsentRegistry, Right, SubjectKind, Use

Make = Callable[..., Consent]


def make_consent(**changes: Any) -> Consent:
    """Return a permission of the master, worldwide and for good, but for changes."""
    plain: dict[str, Any] = {
        "right": Right.MASTER,
        "subject_kind": SubjectKind.RECORDING,
        "subject_id": "USRC17607839",
        "grantor": "Label",
        "use": Use.TRAIN_GENERATIVE,
        "is_allowed": True,
        "source": "table.csv:2",
        "source_digest": "0" * 64,
    }
    return Consent(**plain | changes)


def make_recording(name: str, **changes: Any) -> Recording:
    """Return a recording of the work of the same name."""
    digest: Digest = digest_of(name.encode())
    plain: dict[str, Any] = {
        "id": recording_id(digest),
        "title": name,
        "digest": digest,
        "file": f"/music/{name}.flac",
        "duration_s": 1.0,
        "sample_rate": 8_000,
        "n_channels": 1,
        "work_id": work_id(name),
    }
    return Recording(**plain | changes)


@pytest.fixture
def consent() -> Make:
    """Return a function that makes consents."""
    return make_consent


@pytest.fixture
def recording() -> Callable[..., Recording]:
    """Return a function that makes recordings."""
    return make_recording


@pytest.fixture
def registry() -> Iterator[ConsentRegistry]:
    """Return an empty registry in memory."""
    with ConsentRegistry.open("sqlite://") as registry:
        yield registry
