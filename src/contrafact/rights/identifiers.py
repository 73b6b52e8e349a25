"""Identifiers of recordings, works, parties and releases, checked and made canonical.

ISRC, ISNI, GTIN and GRid are checked by python-stdnum; ISWC and the two IPI
numbers, which it lacks, by their published rules.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from stdnum import ean, grid, isni, isrc
from stdnum.exceptions import ValidationError

from contrafact.core.errors import IdentifierError

__all__ = [
    "parse_digest",
    "parse_grid",
    "parse_gtin",
    "parse_ipi_base",
    "parse_ipi_name",
    "parse_isni",
    "parse_isrc",
    "parse_iswc",
]

_SEPARATORS = re.compile(r"[-. /]")
_ISRC = re.compile(r"[A-Z]{2}[A-Z0-9]{3}[0-9]{7}")
_ISWC = re.compile(r"T([0-9]{9})([0-9])")
_IPI_BASE = re.compile(r"I([0-9]{9})([0-9])")
_IPI_NAME = re.compile(r"[0-9]{9,11}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_ISWC_SEED = 1
_IPI_BASE_SEED = 2


def parse_isrc(text: str) -> str:
    """Return an ISRC as twelve characters.

    It has no check digit, so only the form is checked (ISO 3901); python-stdnum
    asks for a registrant's country that is on its list as well.

    Raises:
        IdentifierError: If it is none.

    Example:
        >>> parse_isrc("us-rc1-76-07839")
        'USRC17607839'
    """
    plain = _SEPARATORS.sub("", text.upper().removeprefix("ISRC").lstrip(": "))
    if _ISRC.fullmatch(plain) is None:
        raise _refused("ISRC", text, "two letters, three letters or digits, 7 digits")
    return _checked(isrc.validate, plain, name="ISRC", text=text)


def parse_iswc(text: str) -> str:
    """Return an ISWC as `T` and ten digits, the last of them for checking.

    Raises:
        IdentifierError: If it is none, or the check digit is wrong.

    Example:
        >>> parse_iswc("T-034.524.680-1")
        'T0345246801'

    References:
        ISO 15707: the check digit makes 1 + sum(i * digit_i) + check a multiple
        of ten.
    """
    plain = _SEPARATORS.sub("", text.upper().removeprefix("ISWC").lstrip(": "))
    return _weighted(plain, _ISWC, seed=_ISWC_SEED, name="ISWC", text=text)


def parse_ipi_base(text: str) -> str:
    """Return an IPI base number as `I` and ten digits.

    Raises:
        IdentifierError: If it is none, or the check digit is wrong.

    Example:
        >>> parse_ipi_base("I-001068130-6")
        'I0010681306'

    References:
        CISAC, IPI system: as the ISWC, but with 2 in the place of 1.
    """
    plain = _SEPARATORS.sub("", text.upper())
    return _weighted(
        plain, _IPI_BASE, seed=_IPI_BASE_SEED, name="IPI base number", text=text
    )


def parse_ipi_name(text: str) -> str:
    """Return an IPI name number as eleven digits.

    Zeros in front, which tables lose, are put back.

    Raises:
        IdentifierError: If it is none, or the check digits are wrong.

    Example:
        >>> parse_ipi_name("14107338")
        '00014107338'

    References:
        CISAC, IPI system: nine digits weighed by 10 to 2; the last two are 101
        minus the sum modulo 101, modulo 100.
    """
    plain = _SEPARATORS.sub("", text).zfill(11)
    if _IPI_NAME.fullmatch(plain) is None or not int(plain):
        raise _refused("IPI name number", text, "eleven digits")
    total = sum(w * int(d) for w, d in zip(range(10, 1, -1), plain, strict=False))
    if (101 - total % 101) % 100 != int(plain[9:]):
        raise _refused("IPI name number", text, "check digits that fit")
    return plain


def parse_isni(text: str) -> str:
    """Return an ISNI as sixteen characters.

    Raises:
        IdentifierError: If it is none, or the check character is wrong.

    Example:
        >>> parse_isni("0000 0001 2103 2683")
        '0000000121032683'
    """
    return _checked(isni.validate, text.upper(), name="ISNI", text=text)


def parse_gtin(text: str) -> str:
    """Return a GTIN (UPC, EAN) as fourteen digits or fewer, as it is printed.

    Raises:
        IdentifierError: If it is none, or the check digit is wrong.

    Example:
        >>> parse_gtin("4006381-333931")
        '4006381333931'
    """
    return _checked(ean.validate, text, name="GTIN", text=text)


def parse_grid(text: str) -> str:
    """Return a Global Release Identifier as eighteen characters.

    Raises:
        IdentifierError: If it is none, or the check character is wrong.

    Example:
        >>> parse_grid("A1-2425G-ABC1234002-M")
        'A12425GABC1234002M'
    """
    return _checked(grid.validate, text.upper(), name="GRid", text=text)


def parse_digest(text: str) -> str:
    """Return the SHA-256 of a file as 64 hexadecimal digits.

    Raises:
        IdentifierError: If it is none.
    """
    plain = text.strip().lower().removeprefix("sha256:")
    if _DIGEST.fullmatch(plain) is None:
        raise _refused("SHA-256", text, "64 hexadecimal digits")
    return plain


def _weighted(
    plain: str, form: re.Pattern[str], *, seed: int, name: str, text: str
) -> str:
    match = form.fullmatch(plain)
    if match is None:
        raise _refused(name, text, f"{plain[:1] or 'a letter'} and ten digits")
    total = seed + sum(i * int(d) for i, d in enumerate(match[1], start=1))
    if (10 - total % 10) % 10 != int(match[2]):
        raise _refused(name, text, "a check digit that fits")
    return plain


def _checked(check: Callable[[str], str], plain: str, *, name: str, text: str) -> str:
    try:
        return str(check(plain))
    except ValidationError as error:
        raise _refused(name, text, f"one that is valid ({error})") from error


def _refused(name: str, text: str, wanted: str) -> IdentifierError:
    return IdentifierError(f"'{text}' is no {name}: it takes {wanted}. Correct it.")
