"""What is said about marks by more than one command."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from contrafact.cli._output import plain

if TYPE_CHECKING:
    from contrafact.workflows.mark import Marked

__all__ = ["say_new_key"]


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
