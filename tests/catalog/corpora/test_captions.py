"""That keys are estimated as a listener would."""

from __future__ import annotations

import pytest

from contrafact.catalog.corpora._captions import estimate_key, key_words
from contrafact.catalog.corpora._notation import Note

MAJOR = (0, 4, 7, 0, 5, 9, 0, 7, 11, 2, 0, 4, 7, 0)
MINOR = (0, 3, 7, 0, 5, 8, 0, 7, 11, 2, 0, 3, 7, 0)


@pytest.mark.parametrize("tonic", range(12))
@pytest.mark.parametrize(("melody", "is_minor"), [(MAJOR, False), (MINOR, True)])
def test_a_cadence_tells_its_key(
    melody: tuple[int, ...], tonic: int, is_minor: bool
) -> None:
    """In all 24 keys, a plain cadence is heard in the key it is in."""
    notes = [Note(i, 1, 48 + tonic + pitch, 0) for i, pitch in enumerate(melody)]
    assert estimate_key(notes) == (tonic, is_minor)


def test_key_names_wrap_around_the_octave() -> None:
    """A tonic is a pitch class in any octave."""
    assert key_words(14, is_minor=True) == key_words(2, is_minor=True) == "d minor"
