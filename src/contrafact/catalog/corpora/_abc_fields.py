"""Reads the small notations inside an ABC tune: keys, metres, lengths.

Walking the music itself belongs in `_abc.py`.
"""

from __future__ import annotations

import re
from fractions import Fraction

from contrafact.catalog.corpora._notation import NotationError

__all__ = ["read_key", "read_length", "read_metre", "read_tempo", "read_unit"]

_STEPS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_FIFTHS = {"F": -1, "C": 0, "G": 1, "D": 2, "A": 3, "E": 4, "B": 5}
_MODES = {
    "maj": 0, "ion": 0, "mix": -1, "dor": -2, "min": -3, "m": -3, "aeo": -3,
    "phr": -4, "lyd": 1, "loc": -5,
}  # fmt: skip
_MINOR = {"dor", "min", "m", "aeo", "phr", "loc"}
_KEY = re.compile(r"\s*([A-G])\s*([#b]?)\s*([A-Za-z]*)")
_LENGTH = r"(\d*)(/*)(\d*)"


def read_key(text: str) -> tuple[int, int, bool]:
    """Return (fifths of the signature, tonic as pitch class, is minor).

    Raises:
        NotationError: If there is no key in `text`.

    Example:
        >>> read_key("Ador"), read_key("Bb")
        ((1, 9, True), (-2, 10, False))
    """
    match = _KEY.match(text)
    if match is None:
        raise NotationError(f"Key {text!r} cannot be read.")
    letter, accidental, word = match.groups()
    shift = {"#": 7, "b": -7, "": 0}[accidental]
    mode = word.lower()[:3] or "maj"
    if mode not in _MODES:
        mode = "maj"  # such as "K:G clef=treble"
    tonic = (_STEPS[letter] + {"#": 1, "b": -1, "": 0}[accidental]) % 12
    return _FIFTHS[letter] + shift + _MODES[mode], tonic, mode in _MINOR


def read_metre(text: str) -> tuple[int, int]:
    """Return (beats, beat value); common time where none is named.

    Example:
        >>> read_metre("6/8"), read_metre("C|"), read_metre("none")
        ((6, 8), (2, 2), (4, 4))
    """
    if text.startswith("C|"):
        return (2, 2)
    match = re.match(r"\s*(\d+)\s*/\s*(\d+)", text)
    return (int(match[1]), int(match[2])) if match else (4, 4)


def read_unit(text: str, metre: tuple[int, int]) -> Fraction:
    """Return the unit note length in quarters; the standard names the default.

    Example:
        >>> read_unit("1/16", (4, 4)), read_unit("", (6, 8)), read_unit("", (2, 4))
        (Fraction(1, 4), Fraction(1, 2), Fraction(1, 4))
    """
    match = re.match(r"\s*(\d+)\s*/\s*(\d+)", text)
    if match and int(match[2]):
        return Fraction(int(match[1]) * 4, int(match[2]))
    return Fraction(1, 2) if 4 * metre[0] >= 3 * metre[1] else Fraction(1, 4)


def read_tempo(text: str) -> tuple[tuple[float, float], ...]:
    """Return the tempo as a `Score` has it, empty if `text` names none.

    Example:
        >>> read_tempo("3/8=120"), read_tempo("lively")
        (((0.0, 180.0),), ())
    """
    match = re.search(r"(\d+)\s*/\s*(\d+)\s*=\s*(\d+)", text)
    if match is None or not int(match[2]):
        return ()
    quarters = 4 * int(match[1]) / int(match[2])
    return ((0.0, quarters * int(match[3])),)


def read_length(text: str) -> Fraction:
    """Return a note length in unit notes.

    Raises:
        NotationError: If the length is not one, such as zero.

    Example:
        >>> read_length("3/2"), read_length("/"), read_length("")
        (Fraction(3, 2), Fraction(1, 2), Fraction(1, 1))
    """
    match = re.fullmatch(_LENGTH, text)
    if match is None:
        raise NotationError(f"Note length {text!r} cannot be read.")
    above, slashes, below = match.groups()
    divisor = int(below or 2) if slashes else 1
    if len(slashes) > 1 and not below:
        divisor = 2 ** len(slashes)
    if divisor == 0 or above == "0":
        raise NotationError(f"Note length {text!r} is zero or endless.")
    return Fraction(int(above or 1), divisor)
