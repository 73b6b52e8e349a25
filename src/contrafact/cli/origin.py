"""`contrafact origin`: generators that are enrolled, and which one made a file."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from contrafact.cli._options import (
    JsonOption,
    ReportOption,
    WorkspaceOption,
    named_workspace,
    open_workspace,
)
from contrafact.cli._output import print_json, print_lines, print_next, print_rows
from contrafact.cli._progress import show_progress

if TYPE_CHECKING:
    from contrafact.core.matches import OriginFinding

__all__ = ["app"]

app = typer.Typer(help="Which generator made a recording, or that it cannot be said.")

NameArgument = Annotated[
    str,
    typer.Argument(
        metavar="NAME", show_default=False, help="As in contrafact origin list."
    ),
]


@app.command("enroll")
def enroll(
    name: Annotated[
        str,
        typer.Argument(metavar="NAME", show_default=False, help="What to call it."),
    ],
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[FILES]...",
            show_default=False,
            help="Recordings, or folders of them; none with --model.",
        ),
    ] = None,
    *,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            metavar="MODEL",
            show_default=False,
            help="A model of the workspace: enrol it from songs it makes, and ask it.",
        ),
    ] = None,
    human: Annotated[
        bool, typer.Option("--human", help="People made them, not a generator.")
    ] = False,
    source: Annotated[
        str, typer.Option("--source", metavar="TEXT", help="Where they are from.")
    ] = "",
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Enrol a generator from recordings it made; its consent is not needed.

    At least 20 s of it, better ten minutes of different music. Twenty recordings
    by people are needed before anything is said, enrolled with --human: all
    rates of false alarms are measured on them.

    Example:
        contrafact origin enroll people music/ --human -w ws

    Next: contrafact origin identify FILE.
    """
    opened = open_workspace(workspace)
    if bool(files) == bool(model) or (model and human):
        raise typer.BadParameter("give either FILES or --model, and no model --human")
    from contrafact.workflows.origin import described, enroll_files

    with show_progress(as_json=as_json) as progress:
        if model:
            from contrafact.workflows.origin_models import enroll_model

            enrolled = enroll_model(opened, name, model, progress=progress)
        else:
            enrolled = enroll_files(
                opened,
                name,
                files or [],
                is_human=human,
                source=source,
                progress=progress,
            )
    about = described(enrolled)
    if as_json:
        print_json(about)
        return
    print_lines(
        f"{enrolled.name}: {about['n_recordings']} recordings, "
        f"{enrolled.duration_s / 60:.1f} minutes"
    )
    print_next("origin", "identify", "FILE", workspace=workspace)


@app.command("list")
def list_(workspace: WorkspaceOption = None, as_json: JsonOption = False) -> None:
    """List the generators, and the people, that are enrolled.

    Example:
        contrafact origin list -w ws

    Next, everything about one of them: contrafact origin show NAME.
    """
    opened = open_workspace(workspace)
    from contrafact.workflows.origin import described, open_registry

    classes = [described(c) for c in open_registry(opened).classes()]
    if as_json:
        print_json({"classes": classes})
    elif classes:
        rows = [
            (c["name"], c["kind"], c["n_recordings"], f"{c['duration_s'] / 60:.1f}")
            for c in classes
        ]
        print_rows(("name", "kind", "recordings", "minutes"), rows)
    else:
        print_lines("Nothing is enrolled. Begin: contrafact origin enroll NAME FILES")


@app.command("show")
def show(
    name: NameArgument,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what is known of an enrolled generator.

    Example:
        contrafact origin show people -w ws
    """
    opened = open_workspace(workspace)
    from contrafact.workflows.origin import described, open_registry

    about = described(open_registry(opened).find(name))
    if as_json:
        print_json(about)
    else:
        width = max(map(len, about))
        known = {key: value for key, value in about.items() if value is not None}
        print_lines(*(f"{key:{width}}  {value}" for key, value in known.items()))


@app.command("remove")
def remove(
    name: NameArgument,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Forget a generator, or people, and all that was measured of them.

    Example:
        contrafact origin remove people -w ws
    """
    opened = open_workspace(workspace)
    from contrafact.workflows.origin import forget

    forget(opened, name)
    if as_json:
        print_json({"removed": name})
    else:
        print_lines(f"Removed {name}.")


@app.command("identify")
def identify(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", show_default=False, help="Any audio file.")
    ],
    models: Annotated[
        bool,
        typer.Option("--models", help="Ask the models that are held, too: slower."),
    ] = False,
    weights: Annotated[
        Path | None,
        typer.Option(
            "--weights",
            metavar="DIR",
            show_default=False,
            help="A folder that holds weights of watermarks, in folders by name.",
        ),
    ] = None,
    wary: Annotated[
        bool,
        typer.Option(
            "--wary",
            help="Expect forgery: lines of a generator count only with its beat.",
        ),
    ] = False,
    report: ReportOption = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say which generator made a recording, or that this cannot be said.

    Example:
        contrafact origin identify song.flac -w ws
    """
    opened = open_workspace(workspace)
    from contrafact.workflows.origin import identify_origin

    finding = identify_origin(
        opened, file, ask_models=models, weights=weights, is_wary=wary
    )
    if report is not None:
        from contrafact.workflows.origin_report import write_origin_report

        words = ["contrafact", "origin", "identify", str(file)]
        words += ["--models"] * models + ["--wary"] * wary
        words += ["-w", str(named_workspace(workspace))]
        typed = shlex.join(words)
        write_origin_report(opened, finding, report, audio=file, command=typed)
    if as_json:
        print_json(finding)
    else:
        _print(finding)
        if report is not None:
            print_lines(f"Report: {report}")


def _print(finding: OriginFinding) -> None:
    named = f", {finding.generator}" if finding.generator else ""
    print_lines(
        f"{finding.verdict}{named}: probability {finding.probability:.3f}, "
        f"false-positive rate {finding.false_positive_rate:.3g}",
        finding.description,
    )
    rows = [
        (e.kind, e.score, None if e.p_value is None else f"{e.p_value:.2g}", e.detail)
        for e in finding.evidence
    ]
    if rows:
        print_rows(("evidence", "score", "p-value", "found"), rows)
