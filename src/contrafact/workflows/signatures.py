"""What recordings sound like, kept, so that they are recognised when they return."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np

from contrafact.catalog import Workspace, write_bytes
from contrafact.catalog.recognition import AudioMatcher, Signature
from contrafact.core.entities import Recording
from contrafact.core.errors import UnknownEntityError
from contrafact.workflows.stores import all_stores

__all__ = ["file_of", "keep_signature", "signature_of"]


def keep_signature(
    workspace: Workspace, recording: Recording, matcher: AudioMatcher
) -> Signature:
    """Return a recording's signature; it stays even if its file is deleted.

    Raises:
        AudioError: If the file cannot be read.
        StorageError: If the disk is full or not writable.
        UnknownEntityError: If neither file nor signature is there.
    """
    return _kept(workspace, recording.digest, file_of(workspace, recording), matcher)


def signature_of(
    workspace: Workspace, recording: Recording, matcher: AudioMatcher
) -> Signature | None:
    """Return a recording's signature, or None if nothing of it is left."""
    try:
        return keep_signature(workspace, recording, matcher)
    except UnknownEntityError:
        return None


def _kept(
    workspace: Workspace, digest: str, file: Path | None, matcher: AudioMatcher
) -> Signature:
    path = workspace.root / "signatures" / matcher.name / f"{digest}.npy"
    try:
        return np.asarray(np.load(path, allow_pickle=False), np.float32)
    except (OSError, ValueError):
        pass  # Not there yet, or damaged: it is made again.
    if file is None:
        raise UnknownEntityError(
            f"The file with digest {digest} is in no store. Ingest it again."
        )
    signature = matcher.signature(file)
    buffer = io.BytesIO()
    np.save(buffer, signature.astype(np.float16))
    write_bytes(path, buffer.getvalue())
    return signature


def file_of(workspace: Workspace, recording: Recording) -> Path | None:
    """Return a recording's file, in whichever store it is; None if in none."""
    for store in all_stores(workspace):
        try:
            return store.audio_path(recording)
        except UnknownEntityError:
            continue
    return None
