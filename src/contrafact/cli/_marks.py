"""What is said about marks by more than one command."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperCommand

from contrafact.cli._output import plain

if TYPE_CHECKING:
    from contrafact.workflows.mark import Marked
    from contrafact.workflows.watermarks import WatermarkChoice

__all__ = ["WatermarkCommand", "chosen_watermark", "say_new_key"]

_OPTION, _DEFAULT = "--watermark", "patchwork"


class WatermarkCommand(TyperCommand):
    """A command whose option `--watermark` may stand without a name."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse arguments, with the name filled in where there is none."""
        return super().parse_args(ctx, _with_name(args))


def _with_name(args: list[str]) -> list[str]:
    if _OPTION not in args:
        return args
    after = args.index(_OPTION) + 1
    given = args[after] if after < len(args) else "-"
    if given.startswith("-") or Path(given).suffix:
        return [*args[:after], _DEFAULT, *args[after:]]
    return args


def chosen_watermark(name: str | None, weights: Path | None) -> WatermarkChoice | None:
    """Return the watermark that the options name, None if none."""
    if name is None:
        if weights is not None:
            raise typer.BadParameter("give --weights with --watermark or --read")
        return None
    from contrafact.workflows.watermarks import WatermarkChoice

    return WatermarkChoice(name=name, weights=weights)


def say_new_key(marked: Marked) -> None:
    """Tell, on standard error, that a first key was made to mark with."""
    if marked.is_new_key:
        from contrafact.core.config import keys_dir_from_environment

        typer.echo(
            plain(
                f"Made the key {marked.key} to mark songs with, in "
                f"{keys_dir_from_environment() / 'marking'}."
            ),
            err=True,
        )
