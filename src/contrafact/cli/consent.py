"""`contrafact consent import|show|conflicts|template|revoke`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from contrafact.cli._consents import (
    conflict_document,
    consent_document,
    show_party_report,
    show_subject_report,
    show_summary,
)
from contrafact.cli._options import JsonOption, WorkspaceOption, open_workspace
from contrafact.cli._output import (
    plain,
    print_json,
    print_lines,
    print_next,
)
from contrafact.cli._progress import show_progress

if TYPE_CHECKING:
    from datetime import date

    from contrafact.workflows.consent import ImportReport

__all__ = ["app"]

app = typer.Typer(help="Who allowed what, for which use, where and from when.")

_DayOption = Annotated[
    str,
    typer.Option("--on", metavar="DATE", help="The day to decide for: 2026-01-31."),
]


@app.command("import")
def import_(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE",
            show_default=False,
            help="Tables (CSV, XLSX), DDEX messages (XML), audio with content "
            "credentials, TDM declarations (JSON), robots.txt, ai.txt.",
        ),
    ],
    skip_bad: Annotated[
        bool,
        typer.Option("--skip-bad", help="Take the rest where some rows are wrong."),
    ] = False,
    schema: Annotated[
        Path | None,
        typer.Option(
            "--schema",
            metavar="XSD",
            show_default=False,
            help="Your copy of the DDEX schema, to check messages against.",
        ),
    ] = None,
    trust: Annotated[
        Path | None,
        typer.Option(
            "--trust",
            metavar="PEM",
            show_default=False,
            help="Certificates of those whose content credentials may allow.",
        ),
    ] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take in consents, reservations, shares and AI disclosures.

    All files go in together or not at all: one wrong row, and nothing is
    taken unless --skip-bad is given. Every wrong row is listed by its line.
    What is there already is not taken twice.

    Example:
        contrafact consent import licences.csv message.xml -w ws

    Next, see what it led to: contrafact consent conflicts.
    """
    opened = open_workspace(workspace)
    from contrafact.rights.readers import ReaderOptions
    from contrafact.workflows.consent import import_consents

    options = ReaderOptions(schema=schema, trust=trust)
    with show_progress(as_json=as_json) as progress:
        report = import_consents(
            opened, files, skip_bad=skip_bad, options=options, progress=progress
        )
    if as_json:
        names = ("n_new", "n_known", "n_bad", "is_taken", "problems")
        print_json({name: getattr(report, name) for name in names})
    else:
        _print_import(report, workspace)
    if not report.is_taken:
        typer.echo(
            f"error: nothing was taken: {report.n_bad} bad input(s). Correct them, or "
            "take the rest with --skip-bad.",
            err=True,
        )
        raise typer.Exit(1)


def _print_import(report: ImportReport, workspace: Path | None) -> None:
    for problem in report.problems:
        kind = "bad" if problem.is_fatal else "note"
        typer.echo(plain(f"{kind}: {problem}"), err=True)
    if report.is_taken:
        print_lines(
            f"{report.n_new} record(s) taken, {report.n_known} known before, "
            f"{report.n_bad} bad input(s) left out."
        )
        print_next("consent", "conflicts", workspace=workspace)


@app.command("show")
def show(
    subject: Annotated[
        str | None,
        typer.Argument(
            metavar="SUBJECT",
            show_default=False,
            help="A recording (R-...), a work (W-...), an ISRC or an ISWC.",
        ),
    ] = None,
    party: Annotated[
        str | None,
        typer.Option(
            "--party",
            metavar="NAME",
            show_default=False,
            help="A rights holder, by name, IPI or ISNI: what is theirs?",
        ),
    ] = None,
    on: _DayOption = "today",
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what is known of a work, a recording or a rights holder.

    With neither, how much there is, and which shares do not sum to one.

    Example:
        contrafact consent show R-0a1b --on 2026-01-31 -w ws
    """
    if subject is not None and party is not None:
        raise typer.BadParameter("give SUBJECT or --party, not both")
    opened = open_workspace(workspace)
    from contrafact.workflows import consent_views as views

    if party is not None:
        show_party_report(views.show_party(opened, party), as_json=as_json)
    elif subject is not None:
        report = views.show_subject(opened, subject, on=_day(on, "--on"))
        show_subject_report(report, as_json=as_json)
    else:
        show_summary(views.summarise_registry(opened), as_json=as_json)


@app.command("conflicts")
def conflicts(
    on: _DayOption = "today",
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """List every permission that meets a reservation, with both sources.

    The reservation counts. To end it, revoke it: contrafact consent revoke.

    Example:
        contrafact consent conflicts -w ws
    """
    opened = open_workspace(workspace)
    from contrafact.workflows.consent import list_conflicts

    with show_progress(as_json=as_json) as progress:
        found = list_conflicts(opened, on=_day(on, "--on"), progress=progress)
    if as_json:
        print_json({"conflicts": [conflict_document(c) for c in found]})
    elif found:
        # A withdrawal may reserve a recording and its work by one and the same act.
        print_lines(*dict.fromkeys(map(str, found)))
    else:
        print_lines("No conflicts.")


@app.command("template")
def template(
    kind: Annotated[
        str, typer.Argument(metavar="KIND", help="consents or shares.")
    ] = "consents",
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print an empty table to fill in, as CSV.

    With -w it has a row for the master of each recording and the composition
    of each work of the catalog. With --json it says what the columns mean.

    Example:
        contrafact consent template consents -w ws > licences.csv

    Next, fill it in and take it: contrafact consent import licences.csv.
    """
    from contrafact.workflows.consent import template as make
    from contrafact.workflows.consent import template_columns

    if as_json:
        columns = template_columns(kind).items()
        print_json({"columns": [{"name": n, "meaning": m} for n, m in columns]})
    else:
        opened = None if workspace is None else open_workspace(workspace)
        typer.echo(make(kind, opened), nl=False)


@app.command("revoke")
def revoke(
    id_: Annotated[
        str,
        typer.Argument(
            metavar="ID",
            show_default=False,
            help="Of a consent, or as much of its beginning as is unique.",
        ),
    ],
    reason: Annotated[
        str, typer.Option("--reason", metavar="TEXT", show_default=False, help="Why.")
    ],
    effective: Annotated[
        str,
        typer.Option("--effective", metavar="DATE", help="First day without force."),
    ] = "today",
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """End one permission, or lift one reservation, from a day on.

    Example:
        contrafact consent revoke C-0a1b --reason "contract ended" -w ws
    """
    opened = open_workspace(workspace)
    from contrafact.workflows.consent import revoke_consent

    day = _day(effective, "--effective")
    found = revoke_consent(opened, id_, effective=day, reason=reason)
    if as_json:
        print_json(consent_document(found))
    else:
        print_lines(f"Consent {found.id} has no force from {found.revoked_from} on.")


def _day(text: str, option: str) -> date:
    from datetime import date

    if text == "today":
        return date.today()
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(
            f"'{text}' is no day; write it as in 2026-01-31", param_hint=option
        ) from error
