"""The commands put together, and the entry point of the program."""

from __future__ import annotations

import io
import logging
import sys
import warnings
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from contrafact import __version__
from contrafact.cli import (
    allocate,
    attribute,
    audit,
    bench,
    catalog,
    consent,
    corpus,
    demo,
    encoder,
    generate,
    identify,
    index,
    ingest,
    init,
    ledger,
    manifest,
    mark,
    models,
    origin,
    payout,
    plays,
    regulator,
    release,
    retrain,
    screen,
    statement,
    train,
    verify,
    withdraw,
)
from contrafact.cli._exit import guarded
from contrafact.cli._marks import WatermarkCommand
from contrafact.cli._output import print_json, print_lines
from contrafact.core.config import is_debug_wanted

__all__ = ["app", "main"]

_EPILOG = (
    "Exit codes: 0 done; 1 nothing taken, or an error of no other kind; 2 wrong "
    "usage; 3 workspace or disk; 4 catalog, audio or corpus; 5 model or training; "
    "6 attribution; 7 report; 8 worker process; 9 rights; 10 audit; 11 payment; "
    "12 matching; 130 interrupted. "
    "An error is one line on standard error.\n\n"
    "Environment: CONTRAFACT_WORKSPACE names the workspace where -w does not; "
    "CONTRAFACT_KEYS names the folder of keys; "
    "CONTRAFACT_DEBUG=1 does what --debug does."
)


class _Root(TyperGroup):
    """The root command; it turns every error into a line and an exit code."""

    is_debug = False

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        """Run a command line; leaves the program unless not `standalone_mode`."""

        def run() -> Any:
            with warnings.catch_warnings():
                if not is_debug_wanted():
                    warnings.simplefilter("ignore")
                return super(_Root, self).main(
                    args,
                    "contrafact",
                    complete_var,
                    standalone_mode=False,
                    windows_expand_args=windows_expand_args,
                    **extra,
                )

        if not standalone_mode:
            return run()
        sys.exit(guarded(run, is_debug=lambda: self.is_debug or is_debug_wanted()))


app = typer.Typer(
    cls=_Root,
    epilog=_EPILOG,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(invoke_without_command=True)
def root(
    ctx: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and stop.")
    ] = False,
    debug: Annotated[
        bool,
        typer.Option("--debug", help="Log what happens; show where errors come from."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", hidden=True)] = False,
) -> None:
    """Which recordings shaped a piece of AI-generated music, how much, how sure.

    To see all of it at work, in a few minutes and without a GPU:

        contrafact demo -w demo

    With recordings of your own:

        contrafact init -w ws
        contrafact ingest music/ --metadata music/metadata.csv -w ws
        contrafact consent template -w ws > licences.csv
        contrafact consent import licences.csv -w ws
        contrafact train --name mine -w ws
        contrafact generate "a slow waltz" --model mine -o song.flac -w ws
        contrafact index build --model mine -w ws
        contrafact attribute song.flac --model mine --report report.html -w ws
        contrafact verify ID -w ws

    Every command explains itself: contrafact COMMAND --help.
    """
    if debug or is_debug_wanted():
        _show_log(ctx)
    if version and as_json:
        print_json({"version": __version__})
    elif version:
        print_lines(f"contrafact {__version__}")
    elif as_json:
        raise typer.BadParameter("give it after the command", param_hint="--json")
    elif ctx.invoked_subcommand is None:
        typer.echo(ctx.get_help())
    if version:
        raise typer.Exit


def _show_log(ctx: typer.Context) -> None:
    if isinstance(ctx.command, _Root):
        ctx.command.is_debug = True
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("contrafact").setLevel(logging.DEBUG)


_START, _CATALOG, _MODELS, _ANSWERS = "Start", "Catalog", "Models", "Answers"
_EVIDENCE = "Evidence"
_PAYMENT = "Payment"
_MEASURE = "Measure"

app.command("demo", rich_help_panel=_START)(demo.demo)
app.command("init", rich_help_panel=_START)(init.init)
app.command("ingest", rich_help_panel=_CATALOG)(ingest.ingest)
app.add_typer(catalog.app, name="catalog", rich_help_panel=_CATALOG)
app.add_typer(corpus.app, name="corpus", rich_help_panel=_CATALOG)
app.add_typer(consent.app, name="consent", rich_help_panel=_CATALOG)
app.command("train", rich_help_panel=_MODELS)(train.train)
app.add_typer(models.app, name="models", rich_help_panel=_MODELS)
app.command("generate", cls=WatermarkCommand, rich_help_panel=_MODELS)(
    generate.generate
)
app.command("mark", cls=WatermarkCommand, rich_help_panel=_MODELS)(mark.mark)
app.add_typer(index.app, name="index", rich_help_panel=_ANSWERS)
app.command("attribute", rich_help_panel=_ANSWERS)(attribute.attribute)
app.add_typer(origin.app, name="origin", rich_help_panel=_ANSWERS)
app.command("verify", rich_help_panel=_ANSWERS)(verify.verify)
app.command("identify", rich_help_panel=_ANSWERS)(identify.identify)
app.add_typer(encoder.app, name="encoder", rich_help_panel=_ANSWERS)
app.command("screen", rich_help_panel=_ANSWERS)(screen.screen)
app.add_typer(release.app, name="release", rich_help_panel=_EVIDENCE)
app.command("withdraw", rich_help_panel=_EVIDENCE)(withdraw.withdraw)
app.command("retrain", rich_help_panel=_EVIDENCE)(retrain.retrain)
app.add_typer(manifest.app, name="manifest", rich_help_panel=_EVIDENCE)
app.add_typer(audit.app, name="audit", rich_help_panel=_EVIDENCE)
app.add_typer(regulator.app, name="report", rich_help_panel=_EVIDENCE)

app.add_typer(plays.app, name="plays", rich_help_panel=_PAYMENT)
app.add_typer(allocate.app, name="allocate", rich_help_panel=_PAYMENT)
app.add_typer(ledger.app, name="ledger", rich_help_panel=_PAYMENT)
app.add_typer(statement.app, name="statement", rich_help_panel=_PAYMENT)
app.add_typer(payout.app, name="payout", rich_help_panel=_PAYMENT)
app.add_typer(bench.app, name="bench", rich_help_panel=_MEASURE)


def main() -> None:
    """Run the program on the arguments of the process."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A terminal that cannot show a title must not make the command fail.
        sys.stdout.reconfigure(errors="replace")
    app()
