"""`contrafact report`: documents for regulators and rights holders."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from contrafact.cli._options import JsonOption, WorkspaceOption, open_workspace
from contrafact.cli._output import print_json, print_lines
from contrafact.cli._progress import show_progress

__all__ = ["app"]

app = typer.Typer(
    help="Documents for regulators and rights holders; gaps are printed as gaps."
)

OutOption = Annotated[
    Path | None,
    typer.Option(
        "--out",
        "-o",
        metavar="FILE",
        show_default=False,
        help="Where to write it; its suffix tells the format. Printed if not given.",
    ),
]
FormatOption = Annotated[
    str | None,
    typer.Option(
        "--format", metavar="md|html|json", show_default=False, help="The format."
    ),
]
ProviderOption = Annotated[
    Path | None,
    typer.Option(
        "--provider",
        metavar="FILE",
        show_default=False,
        help="What only the provider can say: JSON, as in docs/regulators.md.",
    ),
]
DayOption = Annotated[
    str,
    typer.Option("--on", metavar="DATE", help="The day to speak for: 2026-01-31."),
]


@app.command("eu-summary")
def eu_summary(
    *,
    out: OutOption = None,
    format_: FormatOption = None,
    provider: ProviderOption = None,
    on: DayOption = "today",
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write the public summary of training content: EU AI Act, Article 53(1)(d).

    Example:
        contrafact report eu-summary -o summary.html -w ws
    """
    asked = _Asked(out, format_, provider, on, workspace, as_json)
    asked.answer("eu-summary")


@app.command("ab2013")
def ab2013(
    *,
    out: OutOption = None,
    format_: FormatOption = None,
    provider: ProviderOption = None,
    on: DayOption = "today",
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write the documentation of training data: California AB 2013, twelve items.

    Example:
        contrafact report ab2013 --provider us.json -o ab2013.html -w ws
    """
    asked = _Asked(out, format_, provider, on, workspace, as_json)
    asked.answer("ab2013")


@app.command("copyright-policy")
def copyright_policy(
    *,
    out: OutOption = None,
    format_: FormatOption = None,
    provider: ProviderOption = None,
    on: DayOption = "today",
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write the copyright policy: the five measures of the EU Code of Practice.

    Example:
        contrafact report copyright-policy -o policy.md -w ws
    """
    asked = _Asked(out, format_, provider, on, workspace, as_json)
    asked.answer("copyright-policy")


@app.command("rights-reservations")
def rights_reservations(
    *,
    out: OutOption = None,
    format_: FormatOption = None,
    provider: ProviderOption = None,
    on: DayOption = "today",
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write the log of rights reservations, and what became of each.

    Example:
        contrafact report rights-reservations -o reservations.html -w ws
    """
    asked = _Asked(out, format_, provider, on, workspace, as_json)
    asked.answer("rights-reservations")


@app.command("per-work-notice")
def per_work_notice(
    subject: Annotated[
        str | None,
        typer.Argument(
            metavar="SUBJECT",
            show_default=False,
            help="A work (W-...) or recording (R-...); all works if not given.",
        ),
    ] = None,
    *,
    out: OutOption = None,
    format_: FormatOption = None,
    provider: ProviderOption = None,
    on: DayOption = "today",
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write notices to rights holders: was the work used, and by whose leave.

    Example:
        contrafact report per-work-notice W-0a1b -o notice.html -w ws
    """
    asked = _Asked(out, format_, provider, on, workspace, as_json)
    asked.answer("per-work-notice", subject)


class _Asked:
    """What every report is asked with."""

    def __init__(
        self,
        out: Path | None,
        format_: str | None,
        provider: Path | None,
        on: str,
        workspace: Path | None,
        as_json: bool,
    ) -> None:
        self._out, self._format, self._provider = out, format_, provider
        self._on, self._workspace, self._as_json = _day(on), workspace, as_json

    def answer(self, kind: str, subject: str | None = None) -> None:
        """Make the document, and write or print it."""
        opened = open_workspace(self._workspace)
        from contrafact.reports.regulator import document_to_json
        from contrafact.workflows import regulator as work

        with show_progress(as_json=self._as_json) as progress:
            document = work.make_document(
                opened,
                kind,
                on=self._on,
                provider=self._provider,
                subject=subject,
                progress=progress,
            )
        if self._out is not None:
            work.write_document(document, self._out, self._format)
        if self._as_json:
            print_json(document_to_json(document))
        elif self._out is None:
            typer.echo(work.render(document, self._format or "md"), nl=False)
        else:
            n_lines = sum(1 for _ in document.lines())
            print_lines(
                f"Wrote {self._out}: {n_lines} lines, {document.n_gaps} of them gaps."
            )


def _day(text: str) -> date:
    if text == "today":
        return date.today()
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(
            f"'{text}' is no day; write it as in 2026-01-31", param_hint="--on"
        ) from error
