"""`contrafact allocate run|compare|clusters`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from contrafact.cli._allocations import (
    comparison_document,
    run_document,
    show_comparison,
    show_run,
)
from contrafact.cli._options import JsonOption, WorkspaceOption, open_workspace
from contrafact.cli._output import plain, print_json, print_lines
from contrafact.cli._progress import show_progress

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from fractions import Fraction

    from contrafact.core.entities import Problem
    from contrafact.workflows.allocate import AllocationSettings

__all__ = ["app"]

app = typer.Typer(help="Divide what plays earned over those who hold the rights.")

_EventsArgument = Annotated[
    Path,
    typer.Argument(
        metavar="EVENTS",
        show_default=False,
        help="Events as JSON lines or CSV, as 'contrafact plays template' prints them.",
    ),
]
_RatesOption = Annotated[
    str,
    typer.Option(
        "--rates",
        metavar="RIGHT=PART,...",
        help="The part of the pool of each right, such as "
        "master=3/4,composition=1/4. Each right has a pool of its own.",
    ),
]
_PoolOption = Annotated[
    int | None,
    typer.Option(
        "--pool",
        metavar="UNITS",
        min=0,
        show_default=False,
        help="Minor units to divide. If not given, what the events earned.",
    ),
]
_FactsOption = Annotated[
    Path | None,
    typer.Option(
        "--facts",
        metavar="FILE",
        show_default=False,
        help="JSON with reliabilities, utilities of sub-models, clusters of "
        "duplicates, history.",
    ),
]
_CreditsOption = Annotated[
    bool,
    typer.Option(
        "--by-credits",
        help="To try things out: where no share is on record, the catalog's credits "
        "stand in for rights.",
    ),
]
_CapOption = Annotated[
    str | None,
    typer.Option(
        "--cap",
        metavar="PART",
        show_default=False,
        help="Largest part of a pool for one payee; what is above is held.",
    ),
]
_FloorOption = Annotated[
    int,
    typer.Option(
        "--floor",
        metavar="UNITS",
        min=0,
        help="Smallest amount of a payee, paid out of the background of others.",
    ),
]
_DrawsOption = Annotated[
    int,
    typer.Option(
        "--draws",
        metavar="N",
        min=0,
        max=10_000,
        help="Draws from the intervals of the shares, for money intervals.",
    ),
]


@app.command("run")
def run(  # noqa: PLR0913, PLR0917 - options of a command
    events: _EventsArgument,
    policy: Annotated[
        str, typer.Option("--policy", metavar="NAME", help="How to divide.")
    ] = "blended",
    rates: _RatesOption = "master=1",
    pool: _PoolOption = None,
    facts: _FactsOption = None,
    by_credits: _CreditsOption = False,
    cap: _CapOption = None,
    floor: _FloorOption = 0,
    minimum: Annotated[
        int,
        typer.Option(
            "--minimum",
            metavar="UNITS",
            min=0,
            help="Smallest amount that is paid out; less is carried over.",
        ),
    ] = 0,
    advances: Annotated[
        Path | None,
        typer.Option(
            "--advances",
            metavar="CSV",
            show_default=False,
            help="Columns payee, advance, brought, in minor units: what was paid "
            "ahead is recouped first; what was carried over comes on top.",
        ),
    ] = None,
    defences: Annotated[
        bool, typer.Option("--defences", help="Guard against tricks; see the docs.")
    ] = False,
    draws: _DrawsOption = 100,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Divide what the events of a file earned, by one policy.

    Three buckets sum to the pool exactly: what attribution found, the
    background with its rule, and what is held since nobody can be paid yet.
    Nothing is written; the journal is `contrafact ledger`.

    Example:
        contrafact allocate run plays.jsonl --policy influence -w ws

    Next, see how other policies divide it: contrafact allocate compare.
    """
    opened = open_workspace(workspace)
    from contrafact.workflows.advances import read_payment_terms
    from contrafact.workflows.allocate import allocate_events

    settings = _settings(
        (policy,),
        rates=rates, pool=pool, facts=facts, by_credits=by_credits,
        cap=cap, floor=floor, draws=draws, is_defended=defences,
        payment=read_payment_terms(advances, minimum=minimum),
    )  # fmt: skip
    with show_progress(as_json=as_json) as progress:
        found = allocate_events(opened, events, settings, progress=progress)
    _say_problems(found.problems, found.notices)
    if as_json:
        print_json(run_document(found))
    else:
        show_run(found)


@app.command("compare")
def compare(  # noqa: PLR0913, PLR0917 - options of a command
    events: _EventsArgument,
    policies: Annotated[
        str,
        typer.Option(
            "--policies",
            metavar="NAME,...",
            help="Which; the others are compared with the first.",
        ),
    ] = "minutes,equal,recordings,influence,user-centric,blended",
    rates: _RatesOption = "master=1",
    pool: _PoolOption = None,
    facts: _FactsOption = None,
    by_credits: _CreditsOption = False,
    cap: _CapOption = None,
    floor: _FloorOption = 0,
    draws: _DrawsOption = 100,
    attacks: Annotated[
        bool, typer.Option(help="Let each catalogue in turn try each trick.")
    ] = True,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Divide the same money by several policies: who gains, who loses.

    Also how unequal each is, how far the money of each payee is uncertain, and
    how much a catalogue gains by tricks, with and without defences.

    Example:
        contrafact allocate compare plays.jsonl --policies equal,influence -w ws
    """
    opened = open_workspace(workspace)
    from contrafact.workflows.allocate import compare_policies

    names = tuple(name.strip() for name in policies.split(",") if name.strip())
    if not names:
        raise typer.BadParameter("name at least one", param_hint="--policies")
    settings = _settings(
        names,
        rates=rates, pool=pool, facts=facts, by_credits=by_credits,
        cap=cap, floor=floor, draws=draws, has_attacks=attacks,
    )  # fmt: skip
    with show_progress(as_json=as_json) as progress:
        found = compare_policies(opened, events, settings, progress=progress)
    _say_problems(found.problems, found.notices)
    if as_json:
        print_json(comparison_document(found))
    else:
        show_comparison(found)


@app.command("clusters")
def clusters(
    out: Annotated[
        Path,
        typer.Option(
            "--out", "-o", metavar="FILE", help="A file of facts, for --facts."
        ),
    ],
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Find copies of recordings by their sound, for defences to count once.

    Example:
        contrafact allocate clusters -o facts.json -w ws

    Next, pay copies once: contrafact allocate run FILE --defences --facts facts.json.
    """
    opened = open_workspace(workspace)
    from contrafact.catalog.atomic import write_json
    from contrafact.workflows.clusters import find_clusters

    with show_progress(as_json=as_json) as progress:
        found, notices = find_clusters(opened, progress=progress)
    write_json(out, {"clusters": found})
    _say_problems((), notices)
    n_clusters = len(set(found.values()))
    if as_json:
        print_json({"file": out, "clusters": found})
    else:
        print_lines(f"{len(found)} recordings in {n_clusters} cluster(s): {out}")


def _settings(policies: tuple[str, ...], **given: Any) -> AllocationSettings:
    """Return settings from options, all of which were given by name."""
    from contrafact.ledger.terms import Terms
    from contrafact.workflows.allocate import AllocationSettings

    cap, floor, rates = given.pop("cap"), given.pop("floor"), given.pop("rates")
    limit = None if cap is None else _fraction(cap, "--cap")
    return AllocationSettings(
        policies=policies,
        rates=_rates(rates),
        terms=Terms(cap=limit, floor=floor),
        **given,
    )


def _rates(text: str) -> Mapping[str, Fraction]:
    pairs = [part.partition("=") for part in text.split(",")]
    return {name.strip(): _fraction(part, "--rates") for name, _, part in pairs}


def _fraction(text: str, option: str) -> Fraction:
    from fractions import Fraction

    try:
        return Fraction(text.strip())
    except (ValueError, ZeroDivisionError) as error:
        raise typer.BadParameter(
            f"'{text}' is no part; write it as in 1/3 or 0.25", param_hint=option
        ) from error


def _say_problems(problems: Iterable[Problem], notices: Iterable[str]) -> None:
    for problem in problems:
        typer.echo(plain(f"bad: {problem}"), err=True)
    for notice in notices:
        typer.echo(plain(f"note: {notice}"), err=True)
