"""What a file says of itself, as evidence: its tags and its content credentials."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from contrafact.audit.credentials import Credentials
from contrafact.catalog import read_tags
from contrafact.core.errors import AuditError, CatalogError
from contrafact.core.evidence import Evidence
from contrafact.workflows.mark import read_marks

__all__ = ["with_marks"]

_MOST_BYTES_SIGNED = 256 << 20


def with_marks(found: Evidence, path: Path) -> Evidence:
    """Return evidence with what its file says; None stays where that cannot be read."""
    tags: dict[str, str] | None = None
    credentials: dict[str, Any] | None = None
    try:
        tags = read_tags(path)
        if path.stat().st_size <= _MOST_BYTES_SIGNED:
            credentials = _said(read_marks(path))
    except (CatalogError, AuditError, OSError):
        pass  # stays "not measured"
    return replace(found, tags=tags, credentials=credentials)


def _said(credentials: Credentials) -> dict[str, Any]:
    return {
        "state": credentials.state,
        "is_ai": credentials.is_ai,
        "reason": credentials.reason,
        "signer": credentials.signer,
        "claim": credentials.claim,
    }
