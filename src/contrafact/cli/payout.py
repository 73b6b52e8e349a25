"""`contrafact payout export`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from contrafact.cli._options import JsonOption, WorkspaceOption, open_workspace
from contrafact.cli._output import print_json, print_lines

if TYPE_CHECKING:
    from contrafact.workflows.payout import BankTransfer

__all__ = ["app"]

app = typer.Typer(help="What is paid out for a closed month: as proofs, and to banks.")


@app.callback()
def payout() -> None:
    """What is paid out for a closed month: as proofs, and to banks."""


@app.command("export")
def export(  # noqa: PLR0913 - options of a command
    period: Annotated[
        str, typer.Argument(metavar="PERIOD", help="A closed month: 2026-01.")
    ],
    *,
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="DIR", help="Where to write.")
    ],
    minimum: Annotated[
        int,
        typer.Option(
            "--minimum",
            min=1,
            metavar="UNITS",
            help="In minor units; who has less waits for the next month.",
        ),
    ] = 1,
    accounts: Annotated[
        Path | None,
        typer.Option(
            "--accounts",
            metavar="CSV",
            show_default=False,
            help="Columns payee, name, iban, bic: writes pain.001 XML as well.",
        ),
    ] = None,
    payer: Annotated[
        str,
        typer.Option(
            "--payer",
            metavar="NAME;IBAN;BIC",
            help="Whose account is debited; the BIC may be left out.",
        ),
    ] = "",
    on: Annotated[
        str, typer.Option("--on", metavar="DATE", help="The day of the transfer.")
    ] = "",
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a Merkle root over all payments, a proof for each payee, and pain.001.

    The first export enters the payments in the journal; each later one of the
    same month gives the same.

    Example:
        contrafact payout export 2026-01 -o payout -w ws
    """
    transfer = _transfer(accounts, payer, on)
    opened = open_workspace(workspace)
    from contrafact.workflows.payout import export_payout

    found = export_payout(opened, period, out, minimum=minimum, transfer=transfer)
    if as_json:
        print_json(
            {
                **found.plan.header,
                "files": found.files,
                "without_account": found.without_account,
                "problems": [str(problem) for problem in found.problems],
            }
        )
        return
    header = found.plan.header
    print_lines(
        f"{header['n_payments']} payment(s) for {period}, root {header['root']}",
        f"{len(found.files)} files in {out}",
        *(str(problem) for problem in found.problems),
    )
    if found.without_account:
        names = ", ".join(found.without_account)
        print_lines(f"Without an account, and so not in the transfer: {names}")


def _transfer(accounts: Path | None, payer: str, on: str) -> BankTransfer | None:
    if accounts is None:
        return None
    from datetime import date

    from contrafact.ledger.exports.pain001 import BankAccount
    from contrafact.workflows.payout import BankTransfer

    name, iban, bic = [*payer.split(";"), "", "", ""][:3]
    try:
        day = date.fromisoformat(on)
    except ValueError as error:
        raise typer.BadParameter(
            f"'{on}' is no day as in 2026-01-31", param_hint="--on"
        ) from error
    account = BankAccount.of(name, iban, bic)
    return BankTransfer(payer=account, accounts=accounts, on=day)
