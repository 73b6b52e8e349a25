"""Switching off what a model rounds."""

from __future__ import annotations

import pytest

from contrafact.attribution.precision import exact
from contrafact.generators.studio.generator import StudioGenerator


def test_a_fast_model_is_exact_for_a_while(studio: StudioGenerator) -> None:
    """Inside it does not round; afterwards it is as fast as it was."""
    studio.is_fast = True
    with exact(studio):
        assert not studio.is_fast
    assert studio.is_fast


def test_an_error_does_not_leave_the_model_slow(studio: StudioGenerator) -> None:
    """The model is as it was even if something went wrong."""
    studio.is_fast = True
    with pytest.raises(RuntimeError), exact(studio):
        raise RuntimeError
    assert studio.is_fast


def test_an_exact_model_stays_exact(studio: StudioGenerator) -> None:
    """A model that was exact is not made fast."""
    with exact(studio):
        assert not studio.is_fast
    assert not studio.is_fast
