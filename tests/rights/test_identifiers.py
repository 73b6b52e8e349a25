"""Published examples of each identifier, and what they become when damaged."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contrafact.core.errors import IdentifierError
from contrafact.core.units import is_valid_iswc
from contrafact.rights.identifiers import (
    parse_digest,
    parse_grid,
    parse_gtin,
    parse_ipi_base,
    parse_ipi_name,
    parse_isni,
    parse_isrc,
    parse_iswc,
)

Parse = Callable[[str], str]

# As printed by their registration authorities and in their handbooks.
EXAMPLES = [
    (parse_isrc, "US-RC1-76-07839", "USRC17607839"),
    (parse_isrc, "ISRC GB-AYE-68-00023", "GBAYE6800023"),
    (parse_iswc, "T-034.524.680-1", "T0345246801"),
    (parse_iswc, "ISWC T-000.000.001-0", "T0000000010"),
    (parse_ipi_name, "00014107338", "00014107338"),
    (parse_ipi_base, "I-000000229-7", "I0000002297"),
    (parse_isni, "0000 0001 2103 2683", "0000000121032683"),
    (parse_isni, "0000-0001-2281-955X", "000000012281955X"),
    (parse_gtin, "4006381333931", "4006381333931"),
    (parse_gtin, "036000291452", "036000291452"),
    (parse_grid, "A1-2425G-ABC1234002-M", "A12425GABC1234002M"),
]
# Every one but the ISRC has something to check by.
CHECKED = [e for e in EXAMPLES if e[0] is not parse_isrc]


@pytest.mark.parametrize(("parse", "printed", "plain"), EXAMPLES)
def test_published_examples_are_valid(parse: Parse, printed: str, plain: str) -> None:
    """Each is read as it is printed, and what was read is read as itself."""
    assert parse(printed) == plain
    assert parse(plain) == plain


@pytest.mark.parametrize(("parse", "printed", "plain"), CHECKED)
def test_one_wrong_digit_is_noticed(parse: Parse, printed: str, plain: str) -> None:
    """Whichever digit is changed to whichever other, the check fails."""
    for place, digit in enumerate(plain):
        # The first part of a GRid is fixed, and the letters are not weighed.
        if not digit.isdigit() or (parse is parse_grid and place < 2):
            continue
        other = str((int(digit) + 1) % 10)
        with pytest.raises(IdentifierError):
            parse(plain[:place] + other + plain[place + 1 :])


@pytest.mark.parametrize("parse", sorted({e[0] for e in EXAMPLES}, key=str))
@pytest.mark.parametrize("text", ["", " ", "abc", "T-1", "0", "US-RC1-76", "ü" * 12])
def test_what_is_none_is_refused_in_one_line(parse: Parse, text: str) -> None:
    """The message names what was found and says what to do."""
    with pytest.raises(IdentifierError, match="Correct it") as caught:
        parse(text)
    assert "\n" not in str(caught.value)
    assert f"'{text}'" in str(caught.value)


def test_zeros_that_a_table_lost_are_put_back() -> None:
    """An IPI name number that became a number is the same number."""
    assert parse_ipi_name("14107338") == "00014107338"


def test_a_digest_is_read_in_capitals_and_with_its_name() -> None:
    """As other programs print it."""
    assert parse_digest("SHA256:" + "AB" * 32) == "ab" * 32
    with pytest.raises(IdentifierError):
        parse_digest("ab" * 31)


@given(st.integers(0, 999_999_999), st.integers(0, 9))
def test_iswcs_are_valid_here_as_they_are_in_the_catalog(
    number: int, check: int
) -> None:
    """Two implementations of one rule agree on every number."""
    text = f"T{number:09}{check}"
    try:
        is_valid = parse_iswc(text) == text
    except IdentifierError:
        is_valid = False
    assert is_valid == is_valid_iswc(text)
