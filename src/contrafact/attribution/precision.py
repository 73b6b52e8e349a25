"""Computing in full precision where a model would round to go faster."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Protocol, runtime_checkable

from contrafact.generators.base import Generator

__all__ = ["exact"]


@runtime_checkable
class _MayRound(Protocol):
    """A model that can run its matrix products in bfloat16."""

    is_fast: bool


@contextlib.contextmanager
def exact(generator: Generator) -> Iterator[None]:
    """Compute in full precision while the context lasts.

    The rise of a loss after one small step is a millionth of the loss; bfloat16
    keeps three digits of it. A model without the attribute `is_fast` is left as
    it is. The model's digest is another within, for it covers the attribute.

    Args:
        generator: The model, changed in place and back.
    """
    if not isinstance(generator, _MayRound) or not generator.is_fast:
        yield
        return
    generator.is_fast = False
    try:
        yield
    finally:
        generator.is_fast = True
