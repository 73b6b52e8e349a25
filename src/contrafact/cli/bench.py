"""`contrafact bench NAME`: one command for each line of the registry."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from contrafact.cli._options import JsonOption

__all__ = ["BENCHMARKS", "Benchmark", "app"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Benchmark:
    """A benchmark that can be run from the command line.

    Attributes:
        script: A file, or a folder with a `__main__.py`, below `bench`. It must
            take `--json` (print one JSON document and nothing else on standard
            output) and `--folder DIR` (keep there what it makes).
        summary: What it measures, in one sentence.
        options: Options of its own, each with what it means; whatever else
            is typed is handed on to the script too.
    """

    script: str
    summary: str
    options: tuple[str, ...] = ()


BENCHMARKS: dict[str, Benchmark] = {
    "attribution": Benchmark(
        script="league",
        summary="Hold estimators of influence against models that were retrained.",
        options=(
            "--estimators NAME ...: index, similarity and random if not given.",
            "--corpus NAME: whose ground truth; scores if not given.",
            "--keep: write bench/results, too.",
        ),
    ),
    "matching": Benchmark(
        script="matching",
        summary="Measure how surely recordings and works are recognised.",
        options=("--audio DIR: recordings of your own to measure on, too.",),
    ),
    "origin": Benchmark(
        script="origin",
        summary="Measure which generator is named, what breaks it, who is accused.",
        options=(
            "--audio DIR: recordings and generated clips with a MANIFEST.csv.",
            "--people DIR: other recordings by people, a folder a collection.",
            "--docs: write the tables of docs/origin.md, too.",
        ),
    ),
    "watermarks": Benchmark(
        script="watermarks",
        summary="Measure what watermarks survive, and how often one is seen in vain.",
        options=(
            "--audio DIR: recordings of your own to measure on, too.",
            "--weights DIR: a folder of weights for each scheme, by its name.",
            "--docs: write the tables of docs/watermarks.md, too.",
        ),
    ),
}
"""Every benchmark by the name it has on the command line."""

FolderOption = Annotated[
    Path | None,
    typer.Option(
        "--workspace",
        "-w",
        metavar="DIR",
        show_default=False,
        help="Where it keeps what it renders and trains; build/bench if not given.",
    ),
]

app = typer.Typer(help="Benchmarks, run from a checkout of the source.")


def _command(benchmark: Benchmark) -> Callable[..., None]:
    def run(
        ctx: typer.Context, folder: FolderOption = None, as_json: JsonOption = False
    ) -> None:
        from contrafact.workflows.benchmarks import run_benchmark

        kept = ["--folder", str(folder)] if folder is not None else []
        printed = ["--json"] if as_json else []
        code = run_benchmark(benchmark.script, [*ctx.args, *kept, *printed])
        if code:
            raise typer.Exit(code)

    return run


def _help(name: str, benchmark: Benchmark) -> str:
    own = "".join(f"\n\nOption of its own: {text}" for text in benchmark.options)
    return (
        f"{benchmark.summary}\n\n"
        "The scripts are in the folder bench of the source; their settings are "
        "fixed on one half of the material, and the numbers come from the other."
        f"{own}\n\nExample:\n    contrafact bench {name} --json"
    )


for _name, _benchmark in BENCHMARKS.items():
    app.command(
        _name,
        help=_help(_name, _benchmark),
        context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
    )(_command(_benchmark))
