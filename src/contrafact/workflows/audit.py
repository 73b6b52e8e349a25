"""The workspace's log: entering things, reading them, and the keys to sign with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from contrafact.audit import LoggedEntry, LogReader
from contrafact.audit.bundle import read_reveals
from contrafact.audit.entries import Reveal, canonical, make_entry
from contrafact.audit.keys import (
    FileSigner,
    KeyRecord,
    KeyRing,
    list_keys,
    load_signer,
    revoke_key,
)
from contrafact.audit.log import AuditLog
from contrafact.catalog import Workspace
from contrafact.catalog.atomic import storage_errors, write_bytes
from contrafact.core.config import keys_dir_from_environment
from contrafact.core.errors import ConfigError

__all__ = [
    "Appended",
    "append_entries",
    "append_entry",
    "has_log",
    "list_entries",
    "open_log",
    "parse_moment",
    "read_log",
    "reveals_about",
    "revoke_and_log",
    "trusted_keys",
    "workspace_signer",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Appended:
    """What was entered.

    Attributes:
        index: Number of the entry.
        origin: Name of the log; `size` and `root` are those after it.
        reveals: What opens the entry's commitments, kept in the workspace too.
    """

    index: int
    origin: str
    size: int
    root: str
    reveals: tuple[Reveal, ...] = ()


def _log_dir(workspace: Workspace) -> Path:
    return workspace.root / "audit"


def _private_dir(workspace: Workspace) -> Path:
    return _log_dir(workspace) / "private"


def trusted_keys() -> KeyRing:
    """Return the keys in the user's folder of keys.

    Raises:
        SigningKeyError: If one of them is damaged.
    """
    return list_keys(keys_dir_from_environment())


def workspace_signer(key_id: str | None = None) -> FileSigner:
    """Return the signer of the user's key, the newest good one if none is named.

    Raises:
        SigningKeyError: If there is none, or it is revoked or damaged.
    """
    return load_signer(keys_dir_from_environment(), key_id)


def has_log(workspace: Workspace) -> bool:
    """Tell whether anything was ever entered."""
    return (_log_dir(workspace) / "checkpoint").is_file()


def read_log(workspace: Workspace) -> LogReader:
    """Return the workspace's log, to read."""
    return LogReader(_log_dir(workspace), trusted_keys())


def open_log(workspace: Workspace, *, key_id: str | None = None) -> AuditLog:
    """Return the workspace's log, to write; it is started if there is none.

    How far it has come is remembered beside the keys, so that a log that was
    put back to an older state is refused.

    Raises:
        LogDamagedError: If it is damaged.
        SigningKeyError: If there is no key to sign with.
        StorageError: If it cannot be written.
    """
    folder = keys_dir_from_environment()
    return AuditLog.open(
        _log_dir(workspace),
        list_keys(folder),
        signer=load_signer(folder, key_id),
        memory=folder / "logs",
    )


def append_entry(
    workspace: Workspace,
    kind: str,
    body: Mapping[str, Any],
    *,
    private: Mapping[str, Any] | None = None,
    key_id: str | None = None,
) -> Appended:
    """Enter one thing; what is private is only committed to.

    Args:
        workspace: Where the log is.
        kind: One of `contrafact.audit.entries.KINDS`.
        body: What everybody may read; fractions as texts.
        private: Values by name that the entry commits to with a salt each.
        key_id: Who signs; the newest good key if None.

    Raises:
        EntryError: If the kind is unknown, or a value cannot be written.
        LogDamagedError: If the log is damaged or was rolled back.
        SigningKeyError: If there is no key to sign with.
        StorageError: If the disk is full or not writable.
        WorkspaceLockedError: If another process writes for too long.
    """
    things = [(kind, body, private)]
    return append_entries(workspace, things, key_id=key_id)[0]


def append_entries(
    workspace: Workspace,
    things: Sequence[tuple[str, Mapping[str, Any], Mapping[str, Any] | None]],
    *,
    key_id: str | None = None,
) -> list[Appended]:
    """Enter things, each a kind, a body and what is private, all or none.

    Raises:
        EntryError: As `append_entry`.
        LogDamagedError: As `append_entry`.
        SigningKeyError: As `append_entry`.
        StorageError: As `append_entry`.
        WorkspaceLockedError: As `append_entry`.
    """
    made = [make_entry(kind, body, private=private) for kind, body, private in things]
    log = open_log(workspace, key_id=key_id)
    # Before the entries: a commitment that nobody can open would be worthless.
    for reveal in (reveal for _, reveals in made for reveal in reveals):
        _keep(_private_dir(workspace), reveal)
    first = log.extend([entry for entry, _ in made])
    checkpoint = log.checkpoint()
    return [
        Appended(
            index=first + number,
            origin=checkpoint.origin,
            size=checkpoint.size,
            root=checkpoint.root.hex(),
            reveals=tuple(reveals),
        )
        for number, (_, reveals) in enumerate(made)
    ]


def _keep(folder: Path, reveal: Reveal) -> None:
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / f"{reveal.commitment}.json"
    write_bytes(path, canonical(asdict(reveal)) + b"\n")


def list_entries(workspace: Workspace) -> list[LoggedEntry]:
    """Return all entries of the log, each checked; none if there is no log.

    Raises:
        LogDamagedError: If the log is damaged.
        SigningKeyError: If no trusted key signed it.
    """
    return list(read_log(workspace).entries()) if has_log(workspace) else []


def reveals_about(workspace: Workspace, subject: str) -> tuple[Reveal, ...]:
    """Return what opens the commitments of entries that name a subject.

    Args:
        workspace: Where the log is.
        subject: Id of a work, a recording or another thing that a body names
            as the value of a field.
    """
    found = [
        commitment
        for logged in list_entries(workspace)
        if _names(logged.entry["body"], subject)
        for commitment in logged.entry.get("private", {}).values()
    ]
    paths = [_private_dir(workspace) / f"{c['commitment']}.json" for c in found]
    return read_reveals(path for path in paths if path.is_file())


def _names(value: Any, subject: str) -> bool:
    if isinstance(value, dict):
        return any(_names(item, subject) for item in value.values())
    if isinstance(value, list):
        return any(_names(item, subject) for item in value)
    return bool(value == subject)


def revoke_and_log(
    key_id: str,
    *,
    reason: str,
    since: datetime | None = None,
    workspace: Workspace | None = None,
) -> KeyRecord:
    """Revoke one of the user's keys, and say so in a log if one is named.

    Raises:
        SigningKeyError: If there is no such key, or none is left to sign the
            entry with; the key is revoked all the same.
        StorageError: If the folder of keys or the log is not writable.
    """
    folder = keys_dir_from_environment()
    record = revoke_key(folder, key_id, reason=reason, since=since)
    if workspace is not None:
        body = {"policy": "key-revoked", "key": record.to_json()}
        append_entry(workspace, "policy", body)
    return record


def parse_moment(text: str) -> datetime:
    """Return the moment of a date or an RFC 3339 time; UTC if it has no zone.

    Raises:
        ConfigError: If it is neither.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ConfigError(
            f"{text!r} is no date or time. Write 2026-01-31 or 2026-01-31T12:00:00Z."
        ) from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
