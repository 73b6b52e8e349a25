"""Whether a model may be served, given what was withdrawn from its corpus."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from contrafact.catalog import Workspace
from contrafact.core.errors import WithdrawnError
from contrafact.workflows.contamination import withdrawn_from
from contrafact.workflows.models import ModelRecord, recordings_of
from contrafact.workflows.withdrawals import Policy, WithdrawalRecord, load_records

__all__ = ["check_serving", "withdrawn_in_model"]


def check_serving(store: Workspace, record: ModelRecord) -> tuple[str, ...]:
    """Return what must be said with anything that a model makes or explains.

    Raises:
        WithdrawnError: If a policy forbids it.
    """
    today, notices = date.today(), []
    for withdrawal in withdrawn_in_model(store, record):
        if withdrawal.policy is Policy.BLOCK or (
            withdrawal.policy is Policy.BLOCK_FROM_DATE
            and withdrawal.is_in_force(today)
        ):
            raise WithdrawnError(
                f"Model {record.id} holds {withdrawal.title!r}, withdrawn from "
                f"{withdrawal.effective} on, and the policy is {withdrawal.policy}. "
                "Train its successor with `contrafact retrain RELEASE`."
            )
        notices.append(_notice(withdrawal))
    return tuple(notices)


def withdrawn_in_model(
    store: Workspace, record: ModelRecord
) -> Sequence[WithdrawalRecord]:
    """Return the withdrawals of what a model was trained on."""
    known = load_records(store)
    if not known:
        return []
    if record.manifest_root:
        return withdrawn_from(store, record.manifest_root, known)
    held = set(recordings_of(record))
    return [w for w in known if held & set(w.recordings)]


def _notice(withdrawal: WithdrawalRecord) -> str:
    return (
        f"The model holds {withdrawal.title!r}, withdrawn from {withdrawal.effective} "
        f"on; policy {withdrawal.policy}."
    )
