"""`contrafact withdraw`."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Annotated

import typer

from contrafact.cli._options import JsonOption, WorkspaceOption, open_workspace
from contrafact.cli._output import print_json, print_lines, print_next

if TYPE_CHECKING:
    from pathlib import Path

    from contrafact.workflows.withdraw import WithdrawalReport

__all__ = ["withdraw"]


def withdraw(
    subject: Annotated[
        str,
        typer.Argument(
            metavar="WORK",
            show_default=False,
            help="Id, ISWC or title of a work; or id or ISRC of one recording.",
        ),
    ],
    reason: Annotated[
        str,
        typer.Option(
            "--reason",
            metavar="TEXT",
            show_default=False,
            help="Why. The log only commits to it; it can be shown later.",
        ),
    ],
    effective: Annotated[
        str,
        typer.Option(
            "--effective",
            metavar="DATE",
            show_default=False,
            help="Day as 2026-01-31, or today. New training ends at once, other "
            "uses on that day.",
        ),
    ],
    *,
    policy: Annotated[
        str,
        typer.Option(
            "--policy",
            metavar="block|block-from-date|pay-through",
            help="What models that hold it may still do.",
        ),
    ] = "block",
    by: Annotated[
        str,
        typer.Option(
            "--by", metavar="NAME", show_default=False, help="Who withdraws it."
        ),
    ] = "",
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Withdraw a work: no new training with it, and all that holds it is named.

    Enters it in the signed log. Every release, fine-tune, index, cached latent
    and distilled part that holds it is contaminated at once, and the gate knows
    it by its sound from now on. Nothing is removed from a model by this: a
    model is made anew by contrafact retrain.

    Example:
        contrafact withdraw W-0a1b2c3d4e5f6a7b --reason "licence ended"
        --effective today -w ws

    Next: contrafact retrain RELEASE.
    """
    opened = open_workspace(workspace)
    from contrafact.workflows.withdraw import parse_effective
    from contrafact.workflows.withdraw import withdraw as run
    from contrafact.workflows.withdrawals import parse_policy

    report = run(
        opened,
        subject,
        reason=reason,
        effective=parse_effective(effective),
        policy=parse_policy(policy),
        grantor=by,
    )
    if as_json:
        print_json({**report.record.to_json(), **_document(report)})
    else:
        _show(report, workspace)


def _document(report: WithdrawalReport) -> dict[str, object]:
    return {
        "entry": report.entry,
        "is_new": report.is_new,
        "contaminated": [{"kind": p.kind, "name": p.name} for p in report.contaminated],
        "contamination_s": report.contamination_s,
        "unheard": report.unheard,
    }


def _show(report: WithdrawalReport, workspace: Path | None) -> None:
    r = report.record
    what = f"the work {r.title!r} ({r.work})" if r.work else f"{r.title!r}"
    print_lines(
        f"{'Withdrawn' if report.is_new else 'Withdrawn before'}: {what}, "
        f"{len(r.recordings)} recording(s), from {r.effective} on; policy {r.policy}.",
        f"Log entry {report.entry}, withdrawal {r.id}.",
    )
    counts = Counter(part.kind for part in report.contaminated)
    found = ", ".join(f"{n} {kind}" for kind, n in sorted(counts.items()))
    print_lines(f"Contaminated: {found or 'nothing'}.")
    releases = [p for p in report.contaminated if p.kind not in _PARTS]
    print_lines(*(f"  {p.kind} {p.name}" for p in report.contaminated[:20]))
    if report.unheard:
        print_lines(
            f"{len(report.unheard)} recording(s) have no sound here to be known by."
        )
    if releases:
        print_next("retrain", releases[-1].name, workspace=workspace)


_PARTS = ("model", "index", "latents")
