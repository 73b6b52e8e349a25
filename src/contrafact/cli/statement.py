"""`contrafact statement make|verify`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from contrafact.cli._options import JsonOption, WorkspaceOption, open_workspace
from contrafact.cli._output import print_json, print_lines, print_rows

if TYPE_CHECKING:
    from contrafact.workflows.statements import StatementFile

__all__ = ["app"]

app = typer.Typer(help="What a rights holder gets for a month, and the proof of it.")


@app.command("make")
def make(
    period: Annotated[str, typer.Argument(metavar="PERIOD", help="A month: 2026-01.")],
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="DIR", help="Where to write.")
    ],
    payee: Annotated[
        str | None,
        typer.Option(
            "--payee", metavar="ID", show_default=False, help="Only this payee's."
        ),
    ] = None,
    forms: Annotated[
        str, typer.Option("--formats", metavar="FORMAT,...", help="Some of these.")
    ] = "csv,dsr,json,pdf",
    bundle: Annotated[
        bool,
        typer.Option(
            "--bundle",
            help="A folder from which the payee works the payment out again.",
        ),
    ] = False,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write statements, or with --bundle all that proves one payee's.

    The same journal gives the same bytes. An open month is marked as
    preliminary; a bundle is of a closed one.

    Example:
        contrafact statement make 2026-01 -o statements -w ws
    """
    if bundle and payee is None:
        raise typer.BadParameter("a bundle is of one payee", param_hint="--payee")
    opened = open_workspace(workspace)
    from contrafact.workflows import statements

    if bundle and payee is not None:
        names = statements.make_payment_bundle(opened, period, payee, out)
        if as_json:
            print_json({"bundle": out, "files": names})
        else:
            print_lines(
                f"{out} has {len(names)} files. Check them, also elsewhere, with:",
                f"python3 verify/contrafact_verify_payment.py {out}",
            )
        return
    chosen = tuple(form.strip() for form in forms.split(",") if form.strip())
    made = statements.make_statements(opened, period, out, payee=payee, forms=chosen)
    if as_json:
        rows = [_row(one) for one in made]
        print_json({"period": period, "statements": rows})
    else:
        _print_made(made)


def _row(made: StatementFile) -> dict[str, Any]:
    statement = made.statement
    return {
        "payee": statement.payee,
        "currency": statement.currency.code,
        "amount_minor": statement.amount,
        "is_final": statement.is_final,
        "settlement": statement.settlement,
        "files": made.files,
    }


def _print_made(made: list[StatementFile]) -> None:
    if not made:
        print_lines("Nobody gets anything new in this month.")
        return
    rows = []
    for one in made:
        statement = one.statement
        amount = statement.currency.written(statement.amount)
        rows.append((statement.payee, amount, len(statement.lines), len(one.files)))
    print_rows(("Payee", "Amount", "Lines", "Files"), rows)


@app.command("verify")
def verify(
    bundle: Annotated[
        Path, typer.Argument(metavar="BUNDLE", help="The folder that was received.")
    ],
    key: Annotated[
        Path | None,
        typer.Option(
            "--key",
            metavar="PEM",
            show_default=False,
            help="The payer's public key, got another way than with the bundle.",
        ),
    ] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Work a payment out again from its bundle, offline; no workspace is needed.

    verify/contrafact_verify_payment.py does the same without contrafact.

    Example:
        contrafact statement verify bundle --key payer.pem
    """
    from contrafact.workflows.payments import verify_payment_bundle

    verdict = verify_payment_bundle(bundle, key=key)
    if as_json:
        print_json(verdict)
    else:
        for problem in verdict.problems:
            print_lines(f"NOT TRUE {problem}")
        print_lines(*verdict.notes)
        print_lines("all true" if verdict.is_true else "not all true")
    if not verdict.is_true:
        raise typer.Exit(11)
