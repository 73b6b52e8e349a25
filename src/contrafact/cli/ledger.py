"""`contrafact ledger balance|journal|reverse|dispute|export|plan|rates|close`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from contrafact.cli._options import JsonOption, WorkspaceOption, open_workspace
from contrafact.cli._output import print_json, print_lines, print_next, print_rows

if TYPE_CHECKING:
    from datetime import date

__all__ = ["app"]

app = typer.Typer(help="Who is owed what: the journal, only added to, never edited.")

_ReasonOption = Annotated[
    str,
    typer.Option(
        "--reason", metavar="TEXT", show_default=False, help="Kept with the entry."
    ),
]


@app.command("balance")
def balance(workspace: WorkspaceOption = None, as_json: JsonOption = False) -> None:
    """Show who is owed what, and what is held, since when and why.

    With --json, the same journal content gives the same bytes, in whatever
    order it came in.

    Example:
        contrafact ledger balance -w ws
    """
    opened = open_workspace(workspace)
    from contrafact.workflows.ledger import journal_balance

    found = journal_balance(opened)
    if as_json:
        print_json(found)
        return
    from contrafact.workflows.holdings import payee_names

    names = payee_names(opened)
    if not found["currencies"]:
        print_lines("Nothing was played yet.")
    for code, sums in found["currencies"].items():
        _print_balance(code, sums, dict(names))
    for dispute in found["disputes"]:
        about = dispute["output_id"] or dispute["source_id"] or dispute["payee"]
        print_lines(f"{dispute['id']} holds {about}: {dispute['reason']}")


def _print_balance(code: str, sums: dict[str, Any], names: dict[str, str]) -> None:
    from contrafact.ledger.money import Currency

    money = Currency.of(code).written
    reversed_ = f", {sums['n_reversed']} reversed" if sums["n_reversed"] else ""
    print_lines(f"{money(sums['total_minor'])} of {sums['n_plays']} plays{reversed_}")
    buckets = (f"{name} {money(n)}" for name, n in sums["buckets"].items())
    print_lines("  ".join(buckets))
    rows = [(names.get(p, p), money(n), "") for p, n in sums["payees"].items()]
    if sums["platform"]:
        rows.append(("(platform)", money(sums["platform"]), ""))
    for reason, held in sums["held"].items():
        since = f"held since {held['since']}" if held["since"] else ""
        rows.append((f"({reason})", money(held["minor"]), since))
    print_rows(("To", "Amount", ""), rows)


@app.command("journal")
def journal(
    limit: Annotated[
        int,
        typer.Option("--limit", min=1, metavar="N", help="Show at most so many."),
    ] = 50,
    check: Annotated[
        bool,
        typer.Option("--check", help="Add up all entries again instead."),
    ] = False,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show entries: an amount from the account debited to the one credited.

    Example:
        contrafact ledger journal --limit 10 -w ws
    """
    opened = open_workspace(workspace)
    from contrafact.workflows.ledger import journal_check, journal_entries

    if check:
        count = journal_check(opened)
        if as_json:
            print_json({"n_entries": count, "is_sound": True})
        else:
            print_lines(f"{count} entries balance and add up to every total.")
        return
    entries = journal_entries(opened, limit=limit)
    if as_json:
        print_json({"entries": entries})
        return
    columns = ("id", "kind", "amount", "debit", "credit", "note")
    print_rows(columns, [[entry[name] for name in columns] for entry in entries])


@app.command("reverse")
def reverse(
    event_id: Annotated[
        str, typer.Argument(metavar="EVENT", help="The event_id of the play.")
    ],
    reason: _ReasonOption,
    flag: Annotated[
        bool,
        typer.Option("--flag", help="Only hold its money, on suspicion of fraud."),
    ] = False,
    clear: Annotated[
        bool, typer.Option("--clear", help="Give a flagged play's money free again.")
    ] = False,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take a play back to the cent; or flag it, or clear the flag.

    A play that has not come yet is corrected as soon as it comes. Nothing is
    deleted: the journal gets an entry the other way.

    Example:
        contrafact ledger reverse event-17 --reason "charged back" -w ws
    """
    if flag and clear:
        raise typer.BadParameter("give one of them", param_hint="--flag, --clear")
    opened = open_workspace(workspace)
    from contrafact.workflows.ledger import correct

    kind = "flag" if flag else "clear" if clear else "reverse"
    found = correct(opened, event_id, kind=kind, reason=reason)
    if as_json:
        print_json(found)
    elif found.is_known:
        print_lines(f"{event_id}: {kind} is in the journal.")
    else:
        print_lines(f"{event_id} is not in the journal; {kind} waits for it.")


@app.command("dispute")
def dispute(
    reason: _ReasonOption,
    output: Annotated[
        str, typer.Option("--output", metavar="ID", help="What one song earned.")
    ] = "",
    source: Annotated[
        str,
        typer.Option("--source", metavar="ID", help="What one recording or work got."),
    ] = "",
    payee: Annotated[
        str, typer.Option("--payee", metavar="ID", help="What one party is owed.")
    ] = "",
    release: Annotated[
        str | None,
        typer.Option(
            "--release",
            metavar="DISPUTE",
            show_default=False,
            help="Give free what this dispute holds.",
        ),
    ] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Freeze what is disputed, and nothing else; or release it.

    What is named together must all fit: an output and a payee freeze what
    this payee gets of that output. What is paid already stays paid.

    Example:
        contrafact ledger dispute --output ID --payee P-1 --reason "two claims" -w ws
    """
    opened = open_workspace(workspace)
    from contrafact.workflows import ledger

    if release is not None:
        found = ledger.release(opened, release, reason)
    else:
        found = ledger.dispute(
            opened, reason, output_id=output, source_id=source, payee=payee
        )
    if as_json:
        print_json(found)
    elif found.released_after is not None:
        print_lines(f"{found.id} is released.")
    else:
        print_lines(f"{found.id} is open.")
        words = ("ledger", "dispute", "--release", found.id, "--reason", "...")
        print_next(*words, workspace=workspace)


@app.command("export")
def export(
    form: Annotated[
        str, typer.Option("--format", metavar="FORMAT", help="hledger or beancount.")
    ] = "hledger",
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE",
            show_default=False,
            help="Where to write it; standard output if not given.",
        ),
    ] = None,
    each: Annotated[
        bool,
        typer.Option("--each", help="A transaction for every play, not a day's."),
    ] = False,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write the journal as text that hledger or beancount adds up again.

    Example:
        contrafact ledger export --format beancount -o books.beancount -w ws
    """
    opened = open_workspace(workspace)
    from contrafact.catalog.atomic import write_bytes
    from contrafact.workflows.ledger import export_journal

    text = export_journal(opened, form, is_each=each)
    if out is not None:
        write_bytes(out, text.encode())
    if as_json:
        shown = {"file": out} if out is not None else {"text": text}
        print_json({"format": form, **shown})
    elif out is not None:
        print_lines(f"{out} has the journal for {form}.")
    else:
        typer.echo(text, nl=False)


@app.command("plan")
def plan(
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="FILE",
            show_default=False,
            help="Split plans as JSON. If not given, made from attributions.",
        ),
    ] = None,
    policy: Annotated[
        str, typer.Option("--policy", metavar="POLICY", help="How to divide.")
    ] = "influence",
    rates: Annotated[
        str,
        typer.Option(
            "--rates",
            metavar="RIGHT=PART,...",
            help="The part of each right, such as master=3/4,composition=1/4.",
        ),
    ] = "master=1",
    by_credits: Annotated[
        bool,
        typer.Option(
            "--by-credits",
            help="To try things out: where no share is on record, the catalog's "
            "credits stand in for rights.",
        ),
    ] = False,
    start: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="DATE",
            show_default=False,
            help="From this day on, replace plans that say otherwise: 2026-01-31.",
        ),
    ] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say who gets what of each song: split plans, kept by days.

    Policy, rates and credits are kept for songs that are attributed later.

    Example:
        contrafact ledger plan --rates master=3/4,composition=1/4 -w ws
    """
    opened = open_workspace(workspace)
    from dataclasses import replace

    from contrafact.workflows.ledger import read_settings
    from contrafact.workflows.plans import add_plan_file, plan_outputs

    if file is not None:
        found = add_plan_file(opened, file)
    else:
        settings = replace(
            read_settings(opened),
            policy=policy,
            rates=_parsed_rates(rates),
            by_credits=by_credits,
        )
        found = plan_outputs(opened, settings, start=_day(start))
    if as_json:
        print_json(found)
        return
    print_lines(f"{found.n_new} new plan(s) for {found.n_outputs} song(s).")
    print_lines(*found.notices)


def _parsed_rates(text: str) -> tuple[tuple[str, str], ...]:
    from fractions import Fraction

    pairs = [part.partition("=")[::2] for part in text.split(",")]
    try:
        return tuple((name.strip(), str(Fraction(part))) for name, part in pairs)
    except (ValueError, ZeroDivisionError) as error:
        raise typer.BadParameter(
            f"'{text}' is not as in master=3/4,composition=1/4", param_hint="--rates"
        ) from error


def _day(text: str | None) -> date | None:
    from datetime import date

    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(
            f"'{text}' is no day as in 2026-01-31", param_hint="--from"
        ) from error


@app.command("rates")
def rates(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", show_default=False, help="Rate cards as a JSON list."
        ),
    ],
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take in rate cards: which part of what plays earn is royalty, and when.

    Without any card for a currency, all of it is. With one, days that no card
    covers are held.

    Example:
        contrafact ledger rates cards.json -w ws
    """
    opened = open_workspace(workspace)
    from contrafact.workflows.ledger import add_rates

    n_new = add_rates(opened, file)
    if as_json:
        print_json({"n_new": n_new})
    else:
        print_lines(f"{n_new} new rate card(s).")


@app.command("close")
def close(
    period: Annotated[str, typer.Argument(metavar="PERIOD", help="A month: 2026-01.")],
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Close a month and all before it: what is settled then stays as it is.

    Plays and corrections that come later count in the first open month.

    Example:
        contrafact ledger close 2026-01 -w ws
    """
    opened = open_workspace(workspace)
    from contrafact.workflows.ledger import close as close_

    found = close_(opened, period)
    if as_json:
        headers = {code: one.header for code, one in found.items()}
        digests = {code: one.digest for code, one in found.items()}
        print_json({"period": period, "settlements": digests, "headers": headers})
        return
    for code, one in found.items():
        print_lines(f"{period} {code}: settlement {one.digest}")
    print_next("statement", "make", period, "-o", "statements", workspace=workspace)
