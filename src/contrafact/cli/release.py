"""`contrafact release create|list|show|find`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from contrafact.cli._options import JsonOption, WorkspaceOption, open_workspace
from contrafact.cli._output import (
    print_json,
    print_lines,
    print_next,
    print_rows,
    print_stamp,
    to_json,
)

if TYPE_CHECKING:
    from contrafact.workflows.releases import ReleaseRecord

__all__ = ["app"]

app = typer.Typer(help="Model releases: what each holds, signed, and whether still so.")

_ReleaseArgument = Annotated[
    str,
    typer.Argument(
        metavar="RELEASE",
        show_default=False,
        help="Id of a release or how it begins, or the name of a model.",
    ),
]


@app.command("create")
def create(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL", show_default=False, help="As in contrafact models list."
        ),
    ],
    kind: Annotated[
        str,
        typer.Option(
            "--kind",
            metavar="release|fine-tune|distilled",
            help="What it is; a fine-tune and a distilled part have a parent.",
        ),
    ] = "release",
    parent: Annotated[
        str | None,
        typer.Option(
            "--parent",
            metavar="RELEASE",
            show_default=False,
            help="The release whose weights it was made from.",
        ),
    ] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Bind a model's weights to corpus, code, settings, seed and read log, signed.

    Example:
        contrafact release create mine -w ws

    Next: contrafact release show RELEASE.
    """
    opened = open_workspace(workspace)
    from contrafact.workflows.releases import create_release

    # The workflow refuses kinds that there are not.
    release = create_release(opened, model, kind=kind, parent=parent)  # type: ignore[arg-type]
    if as_json:
        print_json(_document(release))
    else:
        print_lines(f"Released {release.model} as {release.id}, entry {release.entry}.")
        print_stamp(release.stamp)
        print_next("release", "show", release.id, workspace=workspace)


@app.command("list")
def list_(workspace: WorkspaceOption = None, as_json: JsonOption = False) -> None:
    """List the releases, and which hold something that was withdrawn.

    Example:
        contrafact release list -w ws

    Next: contrafact release show RELEASE.
    """
    opened = open_workspace(workspace)
    from contrafact.workflows.releases import list_releases

    releases = list_releases(opened)
    if as_json:
        print_json({"releases": [_document(r) for r in releases]})
    elif releases:
        rows = [
            (r.id, r.kind, r.model, r.status, r.replaces, r.stamp or None)
            for r in releases
        ]
        print_rows(("id", "kind", "model", "status", "replaces", "mark"), rows)
    else:
        print_lines("No releases. Make one: contrafact release create MODEL")


@app.command("show")
def show(
    release: _ReleaseArgument,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what a release binds, and whether weights and log are as signed.

    The exit code is 10 if something is not.

    Example:
        contrafact release show V-0a1b -w ws
    """
    opened = open_workspace(workspace)
    from contrafact.workflows.releases import check_release, find_release

    found = find_release(opened, release)
    problems = check_release(opened, found)
    if as_json:
        print_json({**_document(found), "problems": problems})
    else:
        _show(found)
        print_lines(*(f"problem: {problem}" for problem in problems))
    if problems:
        typer.echo(f"error: {len(problems)} problem(s) with {found.id}", err=True)
        raise typer.Exit(10)


@app.command("find")
def find(
    subject: Annotated[
        str,
        typer.Argument(
            metavar="PARTY|WORK",
            show_default=False,
            help="A rights holder by name or number, or a work or recording by id.",
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="DIR",
            show_default=False,
            help="Write each proof into this folder, as JSON.",
        ),
    ] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Answer "is my work in it?" for every release, each answer with its proof.

    Example:
        contrafact release find "Scott Joplin" -w ws
    """
    opened = open_workspace(workspace)
    from contrafact.workflows.answers import find_in_releases

    answers = find_in_releases(opened, subject, out=out)
    if as_json:
        print_json({"subject": subject, "answers": answers})
        return
    rows = [
        (a.subject, a.title, a.release, "in it" if a.is_in else "not in it", a.status)
        for a in answers
    ]
    print_rows(("work or recording", "title", "release", "answer", "status"), rows)
    if out is not None:
        print_lines(f"Proofs: {out}")


def _document(release: ReleaseRecord) -> dict[str, Any]:
    document: dict[str, Any] = to_json(release)
    return document


def _show(release: ReleaseRecord) -> None:
    r = release
    print_lines(
        f"release        {r.id} ({r.kind}), {r.created}",
        f"model          {r.model}, weights {r.model_digest}",
        f"status         {r.status}"
        + (f", by {', '.join(r.withdrawn)}" if r.withdrawn else ""),
        f"corpus root    {r.corpus['root']}",
        f"entries        {r.corpus['n_entries']} of {r.corpus['n_files']} file(s)",
        f"read log       {r.read_log['n_steps']} steps, head {r.read_log['head']}",
        f"code           contrafact {r.code['contrafact']}, torch {r.code['torch']}",
        f"seed           {r.seed}",
        f"parent         {r.parent or 'none'}",
        f"replaces       {r.replaces or 'none'}",
        f"log entry      {r.entry}",
        f"folder         {r.directory}",
    )
    print_stamp(r.stamp)
