"""`contrafact mark`: content credentials of generated files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from contrafact.cli._marks import chosen_watermark, say_new_key
from contrafact.cli._options import (
    JsonOption,
    WorkspaceOption,
    open_workspace,
)
from contrafact.cli._output import print_json, print_lines, print_next, print_rows

if TYPE_CHECKING:
    from contrafact.audit.credentials import Credentials
    from contrafact.workflows.outputs import Found

__all__ = ["mark"]


def mark(  # noqa: PLR0913 - every option is an argument
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", show_default=False, help="A generated file."),
    ],
    *,
    attribution: Annotated[
        str | None,
        typer.Option(
            "--attribution",
            metavar="ID",
            show_default=False,
            help="The attribution that explains it; its receipt is named by digest.",
        ),
    ] = None,
    release: Annotated[
        str | None,
        typer.Option(
            "--release",
            metavar="ID",
            show_default=False,
            help="The release that made it, if its model has more than one.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE",
            show_default=False,
            help="Where to write the marked file; in place if not given.",
        ),
    ] = None,
    key: Annotated[
        Path | None,
        typer.Option(
            "--key",
            metavar="PEM",
            show_default=False,
            help="A private key of your own, P-256 or Ed25519; with --chain.",
        ),
    ] = None,
    chain: Annotated[
        Path | None,
        typer.Option(
            "--chain",
            metavar="PEM",
            show_default=False,
            help="Its certificate, then those that vouch for it.",
        ),
    ] = None,
    watermark: Annotated[
        str | None,
        typer.Option(
            "--watermark",
            metavar="[NAME]",
            show_default=False,
            help="Put a mark inside the sound, too; patchwork if no name is given.",
        ),
    ] = None,
    weights: Annotated[
        Path | None,
        typer.Option(
            "--weights",
            metavar="DIR",
            show_default=False,
            help="Folder of weights for a watermark of others; with --read, one "
            "that holds such folders by name.",
        ),
    ] = None,
    read: Annotated[
        bool,
        typer.Option("--read", help="Change nothing; show what the file declares."),
    ] = False,
    trust: Annotated[
        list[Path] | None,
        typer.Option(
            "--trust",
            metavar="PEM",
            show_default=False,
            help="With --read: certificates of others who are believed.",
        ),
    ] = None,
    find: Annotated[
        bool,
        typer.Option(
            "--find", help="Change nothing; find the file in the register of outputs."
        ),
    ] = False,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Mark a generated file with signed content credentials, or read them.

    They say that a trained model made it, which model, release and corpus, and
    which attribution explains it; what is not known is named as not recorded.
    'contrafact generate' marks what it writes by itself. A file that lost its
    marks is found again by its sound, with --find. With --watermark the sound
    itself is marked, faintly, which survives what strips credentials.

    Example:
        contrafact mark song.flac --attribution A-0a1b -w ws

    Next: contrafact mark song.flac --read.
    """
    if read and find:
        raise typer.BadParameter("give --read or --find, not both")
    if (key is None) != (chain is None):
        raise typer.BadParameter("give --key and --chain together")
    if read and watermark is not None:
        raise typer.BadParameter("--watermark puts a mark in; --read reads all")
    if read:
        _read(file, trust or [], weights, as_json=as_json)
    elif find:
        _find(file, workspace, as_json=as_json)
    else:
        own = None if key is None or chain is None else (key, chain)
        options: dict[str, Any] = {
            "attribution": attribution,
            "release": release,
            "own_key": own,
        }
        options["watermark"] = chosen_watermark(watermark, weights)
        _mark(file, out, workspace, options, as_json=as_json)


def _mark(
    file: Path,
    out: Path | None,
    workspace: Path | None,
    options: dict[str, Any],
    *,
    as_json: bool,
) -> None:
    opened = open_workspace(workspace)
    from contrafact.workflows.mark import mark as run

    marked = run(opened, file, out=out, **options)
    say_new_key(marked)
    if as_json:
        print_json(marked)
        return
    print_lines(f"Marked {marked.path} as output {marked.output}.")
    if marked.watermark is not None:
        print_lines(f"Watermark inside the sound: {marked.watermark}.")
    if marked.sidecar is not None:
        print_lines(f"Its credentials are in {marked.sidecar}; keep them together.")
    if missing := marked.claim.to_json()["not_recorded"]:
        print_lines(f"Not recorded: {', '.join(missing)}.")
    print_next("mark", marked.path, "--read", workspace=workspace)


def _read(
    file: Path, trust: list[Path], weights: Path | None, *, as_json: bool
) -> None:
    from contrafact.workflows.mark import read_marks
    from contrafact.workflows.watermarks import read_watermarks_or_none

    found = read_marks(file, trust=trust)
    marks = read_watermarks_or_none(file, weights=weights)
    if as_json:
        print_json({**_document(file, found), "watermarks": marks.to_json()})
        return
    print_lines(f"{found.state}: {found.reason}", marks.in_words())
    if found.state == "none":
        print_lines(f"Look for it by its sound: contrafact mark {file} --find")
        return
    facts = {
        "made by a trained model": "yes" if found.is_ai else "not declared",
        "signed by": found.signer,
        "time, by the signer's word": found.time,
        **(found.claim or {}),
    }
    missing = facts.pop("not_recorded", [])
    rows = [(name, value) for name, value in facts.items() if name != "format"]
    print_rows(
        ("", ""), [*rows, ("not recorded", ", ".join(map(str, missing)) or None)]
    )


def _document(file: Path, found: Credentials) -> dict[str, Any]:
    return {
        "file": file,
        "state": found.state,
        "reason": found.reason,
        "place": found.place,
        "is_ai": found.is_ai,
        "source_types": found.source_types,
        "signer": found.signer,
        "time": found.time,
        "n_manifests": found.n_manifests,
        "output": found.claim,
    }


def _find(file: Path, workspace: Path | None, *, as_json: bool) -> None:
    opened = open_workspace(workspace)
    from contrafact.workflows.outputs import find_outputs

    found = find_outputs(opened, file)
    if as_json:
        print_json({"file": file, "found": found})
    elif not found:
        print_lines(f"{file} is none of the outputs in the register.")
    else:
        columns = (
            "output",
            "by",
            "bits wrong",
            "compared",
            "begins at",
            "model",
            "prompt",
        )
        print_rows(columns, [_row(one) for one in found])


def _row(found: Found) -> tuple[object, ...]:
    is_heard = found.how == "fingerprint"
    return (
        found.record.id,
        found.how,
        f"{found.errors:.1%}" if is_heard else None,
        f"{found.overlap_s:.1f} s" if is_heard else None,
        f"{found.offset_s:.1f} s" if is_heard else None,
        found.record.model,
        found.record.prompt,
    )
