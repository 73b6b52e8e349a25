"""Withdrawals on record: what is withdrawn, from when, and how to serve meanwhile.

A record lies in every store of the workspace, so that each can tell by itself
what it must not serve. The reservation that keeps the work out of new training
is in the registry of consents.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Any, Self

from contrafact.catalog import Workspace, write_json
from contrafact.core.errors import ConsentError, RegistryError
from contrafact.core.units import digest_of
from contrafact.rights.material import file_key, recording_key, work_key

__all__ = ["Policy", "WithdrawalRecord", "keep_record", "load_records", "parse_policy"]


class Policy(StrEnum):
    """What may still be done with a model that holds a withdrawn work.

    `block`: nothing, from the moment it is declared. `block-from-date`:
    nothing, from the effective day on. `pay-through`: everything goes on, and
    says so, so that what the work is owed can be paid.
    """

    BLOCK = "block"
    BLOCK_FROM_DATE = "block-from-date"
    PAY_THROUGH = "pay-through"


@dataclass(frozen=True, slots=True, kw_only=True)
class WithdrawalRecord:
    """One withdrawal.

    Attributes:
        id: `X-` and 12 hexadecimal digits of the SHA-256 of what it is about.
        work: Id of the work, or None if single recordings are withdrawn.
        recordings: Ids of the recordings that are withdrawn with it.
        digests: SHA-256 of their files.
        reason: For people; the log only commits to it.
        effective: Its day; see `withdraw` for what begins before.
        declared: The day it was declared.
        entry: Number of the log entry; None until it is entered.
    """

    work: str | None
    title: str
    recordings: tuple[str, ...]
    digests: tuple[str, ...]
    reason: str
    effective: date
    declared: date
    policy: Policy = Policy.BLOCK
    entry: int | None = None
    id: str = ""

    def __post_init__(self) -> None:
        """Name the record."""
        about = (self.work or "", *self.recordings, str(self.effective), self.policy)
        name = digest_of("\x1f".join(about).encode())[:12]
        object.__setattr__(self, "id", f"X-{name}")

    @property
    def keys(self) -> tuple[str, ...]:
        """What the index of materials knows it by."""
        work = () if self.work is None else (work_key(self.work),)
        recordings = map(recording_key, self.recordings)
        return (*work, *recordings, *map(file_key, self.digests))

    def is_in_force(self, on: date) -> bool:
        """Tell whether it has begun."""
        return self.effective <= on

    def to_json(self) -> dict[str, Any]:
        """Return the record as JSON has it."""
        days = {"effective": str(self.effective), "declared": str(self.declared)}
        lists = {"recordings": list(self.recordings), "digests": list(self.digests)}
        return {**asdict(self), **days, **lists, "policy": self.policy.value}

    @classmethod
    def from_json(cls, plain: dict[str, Any]) -> Self:
        """Return the record that `to_json` wrote."""
        fields = {
            **plain,
            "recordings": tuple(plain["recordings"]),
            "digests": tuple(plain["digests"]),
            "effective": date.fromisoformat(plain["effective"]),
            "declared": date.fromisoformat(plain["declared"]),
            "policy": Policy(plain["policy"]),
        }
        return cls(**fields)


def load_records(store: Workspace) -> list[WithdrawalRecord]:
    """Return the withdrawals that a store knows, the oldest first.

    Raises:
        RegistryError: If a record is damaged.
    """
    found = [_read(path) for path in (store.root / "withdrawals").glob("*.json")]
    return sorted(found, key=lambda r: (r.declared, r.id))


def _read(path: Path) -> WithdrawalRecord:
    try:
        return WithdrawalRecord.from_json(json.loads(path.read_text("utf-8")))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RegistryError(
            f"{path} is damaged ({error}). Restore it; the log of `contrafact audit` "
            "has an entry about it."
        ) from error


def keep_record(stores: Iterable[Workspace], record: WithdrawalRecord) -> None:
    """Put a record into stores.

    Raises:
        StorageError: If the disk is full or not writable.
    """
    for store in stores:
        path = store.root / "withdrawals" / f"{record.id}.json"
        write_json(path, record.to_json())


def parse_policy(text: str) -> Policy:
    """Return the policy of this name.

    Raises:
        ConsentError: If there is none.
    """
    try:
        return Policy(text)
    except ValueError as error:
        raise ConsentError(
            f"'{text}' is no serving policy. Known ones are {', '.join(Policy)}."
        ) from error
